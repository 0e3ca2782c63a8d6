"""Networks of dense layers: read from a model, and drawn as neurons in columns.

Lists, and objects with `layers`, are read by the attributes of their layers: `weight` (in, out),
`bias` (out,) or None, and `activation`, a name or a function.

A module of the library is read from a recording, since its attributes do not say in which order it
uses its layers, nor what it does between them; only its `forward` does. So a copy of the module is
run once, in evaluation mode, on zeros, and the graph is read from the output to the input. It must
be a chain of `x @ weight`, `+ bias` and activations. Anything else, such as a skip connection,
cannot be drawn as columns of neurons.

The positions of the neurons are computed, as textbooks place them; the layout program only draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope, recorder, scope
from autograd_mini.core.tensor import Tensor, tensor
from autograd_mini.nn import Dense, Module, Sequential
from autograd_mini.nn.layers import function_of, name_of

from ..colours import mix_with_white
from ..errors import PictureError
from ..picture import Arrow, Box, Picture, Point, Role
from ..reading import is_number, key, operands, scope_of
from ..style import BLUE, ORANGE
from ..texts import clean_text, format_number, operation_label

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array

SYMBOLS: Final = {"sigmoid": "σ", "linear": "", "identity": "", "none": ""}
ACTIVATIONS: Final = frozenset({"tanh", "relu", "sigmoid", "softplus", "softmax", "leakyrelu"})
"""Names of layers that only apply a function, in lower case."""
FUNCTION_SCOPE: Final = "activation "
"""The scope of a user's function begins with this; the function is drawn by its name only."""
ACTIVATION_SCOPES: Final = frozenset({"softmax", "log_softmax"})
"""The library's activations of several operations; each opens a scope with its name."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseLayer:
    """One fully connected layer.

    Attributes:
        weight: an array of shape (in, out).
        bias: an array of shape (out,), or None.
        activation: its name or symbol, empty for a linear layer.
        made: the values of its neurons for a sample, after the activation; shape (out,).
    """

    weight: Any
    bias: Any = None
    activation: str = ""
    made: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of dense layers.

    Raises:
        PictureError: if there is no layer, or a layer does not take what the one before returns.
    """

    layers: tuple[DenseLayer, ...]
    input_names: tuple[str, ...] = ()
    sample: Any = None

    def __post_init__(self) -> None:
        """Check that the layers fit each other."""
        if not self.layers:
            raise PictureError(
                "a network without dense layers has no neurons to draw; draw the graph of its "
                "output: viz.render(model(x), path)"
            )
        for place, (one, two) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if np.shape(one.weight)[1] != np.shape(two.weight)[0]:
                raise PictureError(
                    f"dense layers {place} and {place + 1} do not fit: the first returns "
                    f"{np.shape(one.weight)[1]} values and the second takes "
                    f"{np.shape(two.weight)[0]}; draw the graph of the output instead: "
                    "viz.render(model(x), path)"
                )

    def values(self, place: int) -> Array:
        """Return the values of a column for the sample, None without one."""
        return self.layers[place - 1].made if place else self.sample

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many neurons each column has, the inputs first."""
        widths = [np.shape(layer.weight) for layer in self.layers]
        return (widths[0][0], *(out for _, out in widths))


def read_network(model: object, sample: object = None) -> Network:
    """Read the dense layers of a model, in the order in which they run.

    Args:
        model: a module, a list of layers and activations, or an object with `layers`.
        sample: the input for which the values of the neurons are wanted.

    Raises:
        PictureError: if it is not a chain of dense layers and activations, or does not take
            the sample.
    """
    if isinstance(model, Network):
        return model
    layers: list[DenseLayer] = []
    x = first = None if sample is None else _sample_row(sample)
    for part in _list_parts(model):
        for layer in [_read_dense(part, x)] if _is_dense(part) else _record_layers(part, x):
            x = layer.made
            if layer.weight is not None:
                layers.append(layer)
            elif layer.activation and not layers:
                raise PictureError(
                    f"{type(model).__name__} is not a chain of dense layers: {layer.activation} "
                    "comes before the first of them; draw the graph of its output: "
                    "viz.render(model(x), path)"
                )
            elif layers:
                activation = _join_activations(layers[-1].activation, layer.activation)
                layers[-1] = replace(layers[-1], activation=activation, made=x)
    if not layers:
        raise PictureError(
            f"cannot draw {type(model).__name__} {model!r:.60}: it is neither a tensor, a sequence "
            "of tensors, a Graph, nor a model with dense layers. For any model's graph, draw what "
            "it returns: viz.render(model(x), path)"
        )
    names = getattr(model, "input_names", None) or ()
    return Network(tuple(layers), tuple(clean_text(str(name), 8) for name in names), first)


def _sample_row(sample: object) -> np.ndarray:
    """Return a sample as one row of numbers.

    Raises:
        PictureError: for several samples, or other values than real numbers.
    """
    found = np.asarray(sample.data if isinstance(sample, Tensor) else sample)
    if found.dtype.kind not in "fiub" or found.size == 0 or found.size != found.shape[-1:][0]:
        raise PictureError(
            f"sample= is one input of the network, a vector of real numbers; got "
            f"{type(sample).__name__} of shape {found.shape} and dtype {found.dtype}"
        )
    return found.reshape(1, -1).astype(np.float64)


def _list_parts(model: object) -> Iterator[object]:
    """Yield the parts of lists and of objects with `layers`, in order; a module is one part."""
    stack = [model]
    opened: set[int] = set()
    while stack:
        part = stack.pop()
        inner = None if isinstance(part, Module) or _is_dense(part) else _parts_of(part)
        if inner is None:
            yield part
        elif id(part) not in opened:  # a container may hold itself
            opened.add(id(part))
            stack.extend(reversed(inner))


def _parts_of(part: object) -> list[object] | None:
    """Return the parts of a container, None for anything else."""
    inner = part if isinstance(part, list | tuple) else getattr(part, "layers", None)
    return list(inner) if isinstance(inner, list | tuple) else None


def _record_layers(part: object, x: np.ndarray | None) -> Iterator[DenseLayer]:
    """Yield the layers of a module; a layer without a weight is an activation."""
    if not isinstance(part, Module):
        yield _read_activation(part, x)
        return
    layer: DenseLayer | None = None
    if not any(parameter.ndim == 2 for parameter in part.parameters()):
        return
    for one in _read_chain(part, x):
        made = None if x is None else one.made
        if one.kind == "bias" and layer is not None:
            layer = replace(layer, bias=one.value, made=made)
            continue
        if layer is not None:
            yield layer
        layer = DenseLayer(one.value, made=made) if one.kind == "weight" else None
        if one.kind == "activation":
            yield DenseLayer(None, activation=_activation_name(one.value), made=made)
    if layer is not None:
        yield layer


def _join_activations(activation: str, following: str) -> str:
    """Write two activations, one after the other."""
    return clean_text(", ".join(filter(None, (activation, following))), 32)


def _is_dense(part: object) -> bool:
    """Return whether a part is a fully connected layer."""
    weight = None if isinstance(part, Module) else getattr(part, "weight", None)
    return weight is not None and np.ndim(getattr(weight, "data", weight)) == 2


def _read_dense(layer: Any, x: np.ndarray | None) -> DenseLayer:
    """Read a dense layer, and apply it to the values of the layer before."""
    bias = getattr(layer, "bias", None)
    activation = getattr(layer, "activation", None)
    weight, bias = _array_of(layer.weight), None if bias is None else _array_of(bias)
    made = None
    if x is not None:
        if x.shape[1] != weight.shape[0]:
            raise PictureError(
                f"a layer takes {weight.shape[0]} values, and gets {x.shape[1]}; sample= must have "
                "as many numbers as the first layer takes, and each layer must fit the next"
            )
        made = _apply_activation(activation, x @ weight + (0 if bias is None else np.ravel(bias)))
    return DenseLayer(weight, bias, _activation_name(activation), made)


def _apply_activation(activation: Any, z: np.ndarray) -> np.ndarray:
    """Apply an activation, given by name or as a function, to a row of numbers.

    Raises:
        PictureError: for an unknown name, or if the function fails.
    """
    try:
        function = function_of(activation)
        found = z if function is None else function(z)
        return np.asarray(found.data if isinstance(found, Tensor) else found, np.float64)
    except Exception as error:  # whatever a user's function raises
        said = f"{activation!r:.60} cannot be applied to the sample: {error!s:.200}"
        raise PictureError(said) from error


def _array_of(tensor: Array) -> np.ndarray:
    """Return a tensor's array, or an array as it is."""
    return tensor if isinstance(tensor, np.ndarray) else np.asarray(getattr(tensor, "data", tensor))


def _activation_name(activation: Any) -> str:
    """Return the name or symbol of an activation given as text or function."""
    if activation is None:
        return ""
    name = name_of(activation)
    return clean_text(SYMBOLS.get(name, "function" if name == "<lambda>" else name), 16)


def _read_activation(part: object, x: np.ndarray | None) -> DenseLayer:
    """Read an activation between two layers; Dropout and similar layers have no name."""
    name = type(part).__name__.lower()
    if isinstance(part, str) or hasattr(part, "__name__"):
        made = None if x is None else _apply_activation(part, x)
        return DenseLayer(None, activation=_activation_name(part), made=made)
    if name not in ACTIVATIONS:
        return DenseLayer(None, made=x)
    made = None if x is None else _apply_activation(part if callable(part) else name, x)
    return DenseLayer(None, activation=_activation_name(name), made=made)


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One step of the chain: a weight, a bias, or an activation.

    Attributes:
        kind: "weight", "bias" or "activation".
        value: the array, or the name of the activation.
        taken: the tensor before the step.
        made: the numbers after the step.
    """

    kind: str
    value: Any
    taken: Tensor
    made: Any = None


class BrokenChain(Exception):
    """A recording is not a chain; the message says where it is not."""


def _read_chain(module: Module, sample: np.ndarray | None = None) -> list[ChainStep]:
    """Return the weights, biases and activations of a module in the order in which they act.

    Args:
        module: it is run once.
        sample: a row of numbers to run it on, zeros by default.

    Raises:
        PictureError: if it is not a chain of these, or cannot be run.
    """
    try:
        x, y = _run_copy(module, sample)
        found: list[ChainStep] = []
        graph = Graph(y)
        while key(y) != key(x):
            found.append(replace(_read_chain_step(y, graph, x), made=y.data))
            y = found[-1].taken
    except BrokenChain as error:
        raise PictureError(
            f"{type(module).__name__} is not a chain of dense layers: {error}; draw the graph of "
            "its output: viz.render(model(x), path)"
        ) from error
    return found[::-1]


def _run_copy(module: Module, sample: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """Run a copy of a module once, on zeros or a sample; return its input and its output."""
    try:
        copy = deepcopy(module)
    except Exception as error:
        raise BrokenChain(f"it cannot be copied for a trial run ({error!s:.100})") from error
    Module.train(copy, False)  # also if a subclass defines another `eval`
    _hide_functions(copy)
    weights = [p for p in copy.parameters() if p.ndim == 2]
    said: Any = "it has no weights"
    for width, dtype in dict.fromkeys((w.shape[0], w.dtype) for w in weights):
        numbers = np.zeros((1, width)) if sample is None else sample
        if numbers.shape != (1, width):
            said = f"it takes rows of {width}, not {numbers.shape[1]}"
            continue
        x = tensor(numbers.astype(dtype), name="x")
        try:
            with recorder(None), np.errstate(all="ignore"):
                y = copy(x)
        except Exception as error:  # whatever the user's forward raises
            said = f"it cannot be run on {'zeros' if sample is None else 'it'} ({error!s:.100})"
            continue
        if isinstance(y, Tensor):
            return x, y
        said = f"it returns {type(y).__name__}"
    raise BrokenChain(said)


def _hide_functions(module: Module) -> None:
    """Wrap the functions among the layers of a module in scopes with their names."""
    for inner in module.modules():
        if isinstance(inner, Dense) and callable(inner.activation):
            inner.activation = _wrap_in_scope(inner.activation)
        if isinstance(inner, Sequential):
            inner.layers = [x if isinstance(x, Module) else _wrap_in_scope(x) for x in inner.layers]


def _wrap_in_scope(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that runs in a scope with its name."""

    def call_in_scope(x: Tensor) -> Tensor:
        with scope(f"{FUNCTION_SCOPE}{name_of(function)}"):
            return function(x)

    return call_in_scope


def _read_chain_step(y: Tensor, graph: Graph, start: Tensor) -> ChainStep:
    """Return the last step before a tensor, in the graph of a run with this input.

    Raises:
        BrokenChain: if the operation is not a step of a chain.
    """
    operation = y.op
    if operation is None:
        raise BrokenChain("its output does not come from its input, or comes from more than it")
    block = _function_scope(operation)
    if block is not None:
        name, entering = block.name.removeprefix(FUNCTION_SCOPE), _scope_input(block, graph, start)
        return ChainStep("activation", name, _refuse_new_shape(name, entering, y))
    taken = operands(operation)
    tensors = [x for x in taken if isinstance(x, Tensor)]
    if len(tensors) == 2 and all(isinstance(x, Tensor) for x in taken):
        left, right = tensors
        return _weight_or_bias(operation, left, right, start)
    if len(tensors) != 1 or not all(is_number(x) for x in taken if x is not tensors[0]):
        raise BrokenChain(f"{operation.name} takes more than one value")
    return ChainStep(
        "activation", operation_label(operation), _refuse_new_shape(operation.name, tensors[0], y)
    )


def _refuse_new_shape(name: str, x: Tensor, y: Tensor) -> Tensor:
    """Return the input of an activation.

    Raises:
        BrokenChain: if its result has another shape.
    """
    if x.shape != y.shape:
        raise BrokenChain(f"{name} changes the shape {x.shape} to {y.shape}")
    return x


def _weight_or_bias(operation: Operation, left: Tensor, right: Tensor, start: Tensor) -> ChainStep:
    """Return the step `x @ weight` or `z + bias`; the sum may be written in either order."""
    if operation.type == "matmul" and _existed_before(right, start) and right.ndim == 2:
        return ChainStep("weight", right.data, left)
    if operation.type == "add":
        z, bias = (right, left) if _existed_before(left, start) else (left, right)
        made_by = z.op.type if z.op is not None else ""
        if _existed_before(bias, start) and made_by == "matmul" and _is_row(bias.shape, z.shape):
            return ChainStep("bias", np.ravel(bias.data), z)
    raise BrokenChain(f"{operation.name} takes two values")


def _existed_before(x: Tensor, start: Tensor) -> bool:
    """Return whether a tensor is older than the run, as the weights of the module are.

    The input is not, and neither is a leaf made during the run, which may depend on the input.
    """
    return x.is_leaf and x.serial < start.serial


def _is_row(shape: tuple[int, ...], made: tuple[int, ...]) -> bool:
    """Return whether a shape has one number for each column of another and broadcasts to it."""
    return made[-1:] == (prod(shape),) and np.broadcast_shapes(shape, made) == made


def _function_scope(operation: Operation) -> Scope | None:
    """Return the outermost scope around an operation that belongs to an activation."""
    found, block = None, scope_of(operation)
    while block is not None:
        if block.name.startswith(FUNCTION_SCOPE) or block.name in ACTIVATION_SCOPES:
            found = block
        block = block.parent
    return found


def _scope_input(block: Scope, graph: Graph, start: Tensor) -> Tensor:
    """Return the only tensor that the operations of a scope take from outside, except constants.

    Raises:
        BrokenChain: if there are several such tensors, or none.
    """
    inside = [op for op in graph.operations if _function_scope(op) is block]
    made = {key(y) for op in inside for y in op.outputs}
    taken = {
        key(x): x
        for op in inside
        for x in operands(op)
        if isinstance(x, Tensor)
        and key(x) not in made
        and (x.requires_grad or not _existed_before(x, start))
    }
    if len(taken) != 1:
        raise BrokenChain(f"{block.name.removeprefix(FUNCTION_SCOPE)} takes more than one value")
    return next(iter(taken.values()))


MOST_NEURONS: Final = 16
"""If a column has more neurons than this, only those at its ends are shown."""
SHOWN_AT_ENDS: Final = 6
"""This many neurons are shown at each end of such a column."""
ROW_HEIGHT: Final = 40.0
COLUMN_WIDTH: Final = 120.0
"""The distance between columns; each row of the tallest column adds `COLUMN_PER_ROW` to it."""
COLUMN_PER_ROW: Final = 5.0
DOT_GAP: Final = 0.22
"""The distance between the three dots, in rows."""
BLACK: Final = "#000000"
SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of neurons as drawn.

    Attributes:
        boxes: neuron's number → id of its box.
        bias: the id of the "+1" at its end, if the next layer has a bias.
    """

    boxes: dict[int, str]
    bias: str | None


def neuron_picture(
    network: Network, *, title: str | None = None, limit: int | None = 40
) -> Picture:
    """Draw a network of dense layers.

    Args:
        network: its layers.
        title: for screen readers.
        limit: None to draw every neuron of every layer.
    """
    sizes = " → ".join(map(str, network.sizes))
    picture = Picture(title or f"Neural network {sizes}", "LR")
    most = None if limit is None else min(MOST_NEURONS, limit)
    tallest = max(len(_shown_neurons(size, most)) for size in network.sizes)
    top = tallest / 2 * ROW_HEIGHT + 0.5 * ROW_HEIGHT
    width = COLUMN_WIDTH + COLUMN_PER_ROW * tallest
    columns = [
        _add_column(picture, network, place, most, (place * width, top))
        for place in range(len(network.sizes))
    ]
    signs = {colour for one in range(len(columns)) for colour in _value_colours(network, one)}
    for layer, before, after in zip(network.layers, columns, columns[1:], strict=False):
        signs |= _add_weights(picture, layer, before, after)
    bottom = min(box.position[1] for box in picture.boxes if box.position) - ROW_HEIGHT
    _add_legend(picture, signs, (width * (len(columns) - 1) / 2, bottom))
    return picture


def _shown_neurons(size: int, most: int | None) -> list[int | None]:
    """Return the neurons that are shown, with None where the three dots stand."""
    if most is None or size <= most:
        return list(range(size))
    ends = min(SHOWN_AT_ENDS, max((most - 1) // 2, 1))
    return [*range(ends), None, *range(size - ends, size)]


def _add_column(
    picture: Picture, network: Network, place: int, most: int | None, head: Point
) -> Column:
    """Add the heading, the neurons and the bias node of one column."""
    size = network.sizes[place]
    x = head[0]
    layer = network.layers[place - 1] if place else None
    _add_box(picture, "heading", _column_heading(network, place), head)
    shown = _shown_neurons(size, most)
    boxes: dict[int, str] = {}
    y = (len(shown) - 1) / 2 * ROW_HEIGHT
    for neuron in shown:
        if neuron is None:
            for shift in (DOT_GAP, 0.0, -DOT_GAP):  # as a glyph, ⋮ is missing from many fonts
                _add_box(picture, "dot", "", (x, y + shift * ROW_HEIGHT))
        else:
            role, label = _role_and_label(network, place, neuron)
            boxes[neuron] = _add_box(picture, role, label, (x, y), _bias_text(layer, neuron))
            values = network.values(place)
            if values is not None:
                _fill_neuron(picture, np.ravel(values), neuron, label)
        y -= ROW_HEIGHT
    following = network.layers[place] if place < len(network.layers) else None
    if following is None or following.bias is None:
        return Column(boxes, None)
    return Column(boxes, _add_box(picture, "bias", "+1", (x, y), "bias: always 1"))


def _add_box(picture: Picture, role: Role, label: str, position: Point, tooltip: str = "") -> str:
    """Add a box at a position and return its id."""
    lines = (label,) if label else ()
    box = Box(picture.next_id(), role, lines, tooltip=tooltip, position=position)
    picture.boxes.append(box)
    return box.id


def _fill_neuron(picture: Picture, values: np.ndarray, neuron: int, name: str) -> None:
    """Write the value of the last box into it, and colour it by sign and size in its column."""
    value, box = float(values[neuron]), picture.boxes[-1]
    sizes = np.abs(values[np.isfinite(values)])
    size = abs(value) / (sizes.max(initial=0.0) or 1.0) if np.isfinite(value) else 1.0
    lines = (
        f"{name} = {format_number(value)}" if name else f"value {format_number(value)}",
        box.tooltip,
    )
    picture.boxes[-1] = replace(
        box,
        lines=(_format_short(value),),
        tooltip="\n".join(filter(None, lines)),
        fill=mix_with_white(_sign_colour(value), 0.06 + 0.74 * size)
        if np.isfinite(value)
        else BLACK,
    )


def _format_short(value: float) -> str:
    """Write a number in so few letters that it fits into a circle."""
    if not np.isfinite(value) or abs(value) >= 1e4:
        return (
            format_number(value) if not np.isfinite(value) else f"{value:.0e}".replace("e+0", "e")
        )
    whole = len(str(int(abs(value))))
    return format_number(float(f"{value:.{max(0, 2 - whole) + (abs(value) < 1)}f}"))


def _sign_colour(value: float) -> str:
    """Return the colour for the sign of a number."""
    return (ORANGE if value < 0 else BLUE) if np.isfinite(value) else BLACK


def _value_colours(network: Network, place: int) -> set[str]:
    """Return the colours of the values of a column."""
    values = network.values(place)
    return set() if values is None else {_sign_colour(float(x)) for x in np.ravel(values)}


def _column_heading(network: Network, place: int) -> str:
    """Return the words above a column: its kind, its true size, its activation."""
    if place == 0:
        return f"input {network.sizes[0]}"
    kind = "output" if place == len(network.layers) else "hidden"
    activation = network.layers[place - 1].activation
    return f"{kind} {network.sizes[place]}" + (f" · {activation}" if activation else "")


def _role_and_label(network: Network, place: int, neuron: int) -> tuple[Role, str]:
    """Return the role and the label of a neuron."""
    several = network.sizes[place] > 1
    subscript = str(neuron + 1).translate(SUBSCRIPTS) if several else ""
    if place == 0:
        names = network.input_names
        return "feature", names[neuron] if neuron < len(names) else f"x{subscript}"
    if place == len(network.layers):
        return "prediction", f"ŷ{subscript}"
    return "neuron", ""


def _bias_text(layer: DenseLayer | None, neuron: int) -> str:
    """Write the bias of a neuron."""
    if layer is None:
        return ""
    return "no bias" if layer.bias is None else f"bias {format_number(layer.bias[neuron])}"


def _add_weights(picture: Picture, layer: DenseLayer, before: Column, after: Column) -> set[str]:
    """Add the lines of one layer; return the colours that occur."""
    biases = () if layer.bias is None else np.ravel(layer.bias)
    finite = [abs(w) for w in chain(np.ravel(layer.weight), biases) if np.isfinite(w)]
    largest = float(max(finite, default=0.0)) or 1.0
    colours = set()
    for j, head in after.boxes.items():
        for i, tail in before.boxes.items():
            colours.add(_add_weight(picture, tail, head, layer.weight[i, j], largest))
        if before.bias is not None and layer.bias is not None:
            colours.add(_add_weight(picture, before.bias, head, layer.bias[j], largest))
    return colours


def _add_weight(picture: Picture, tail: str, head: str, weight: Array, largest: float) -> str:
    """Add one line, as wide and as opaque as its weight is large; return its colour."""
    value = float(weight)
    size = abs(value) / largest if np.isfinite(value) else 1.0
    colour = _sign_colour(value)
    opacity = round(255 * (0.12 + 0.83 * size))
    picture.arrows.append(
        Arrow(
            tail,
            head,
            tooltip=f"weight {format_number(value)}",
            colour=f"{colour}{opacity:02x}",
            width=0.5 + 1.9 * size,
        )
    )
    return colour


def _add_legend(picture: Picture, colours: set[str], centre: Point) -> None:
    """Explain the colours that occur, in one row."""
    of = "" if any(box.fill for box in picture.boxes) else " weight"  # values have them too
    known = ((BLUE, f"positive{of}"), (ORANGE, f"negative{of}"), (BLACK, "NaN or infinite"))
    entries = [(colour, words) for colour, words in known if colour in colours]
    x = centre[0] - 130 * (len(entries) - 1) / 2
    for colour, words in entries:
        left, right = (
            _add_box(picture, "anchor", "", (x + side, centre[1])) for side in (-60, -40)
        )
        picture.arrows.append(Arrow(left, right, colour=f"{colour}ff", width=2.4))
        _add_box(picture, "legend", words, (x + 8, centre[1]))
        x += 130
