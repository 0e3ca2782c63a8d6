"""Networks of dense layers, read from a model; `columns` draws them as neurons.

Lists, and objects with `layers`, are read by the attributes of their layers: `weight` (in, out),
`bias` (out,) or None, and `activation`, a name or a function.

A module of the library is read from a recording, since its attributes do not say in which order it
uses its layers, nor what it does between them; only its `forward` does. So a copy of the module is
run once, in evaluation mode, on zeros, and the graph is read from the output to the input. It must
be a chain of `x @ weight`, `+ bias` and activations. Anything else, such as a skip connection,
cannot be drawn as columns of neurons. If the module returns several tensors, each must be such a
chain; what all of them share is drawn once, and then it parts into heads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope, recorder, scope
from autograd_mini.core.tensor import Tensor, tensor
from autograd_mini.nn import Dense, Module, Sequential
from autograd_mini.nn.layers import function_of, name_of

from ..errors import PictureError
from ..reading import Key, is_number, key, operands, scope_of
from ..texts import clean_text, operation_label
from .scalar_neurons import has_neurons, read_layer

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array

SYMBOLS: Final = {"sigmoid": "σ", "linear": "", "identity": "", "none": ""}
NUMBERED: Final = re.compile(r"dense(_\d+)?")
"""The names that the library gives to dense layers."""
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
        name: that its author gave it.
    """

    weight: Any
    bias: Any = None
    activation: str = ""
    made: Any = None
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of dense layers, which may part into several heads.

    Attributes:
        layers: the chain; with heads, what they all take.
        input_names: the names of the inputs, if they have any.
        sample: the values of the inputs, if there is a sample.
        heads: the chains that take the last layer of `layers`, or the inputs if there is none.
        class_names: the names of the outputs, for each head.

    Raises:
        PictureError: if there is no layer, or a layer does not take what the one before returns.
    """

    layers: tuple[DenseLayer, ...]
    input_names: tuple[str, ...] = ()
    sample: Any = None
    heads: tuple[tuple[DenseLayer, ...], ...] = ()
    class_names: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        """Check that the layers fit each other."""
        if not self.layers and not all(self.heads or [()]):
            raise PictureError(
                "a network without dense layers has no neurons to draw; draw the graph of its "
                "output: viz.render(model(x), path)"
            )
        for head in self.heads or [()]:
            self._check_chain((*self.layers, *head))

    def _check_chain(self, layers: tuple[DenseLayer, ...]) -> None:
        """Refuse layers of which one does not take what the one before returns."""
        for place, (one, two) in enumerate(zip(layers, layers[1:], strict=False)):
            if np.shape(one.weight)[1] != np.shape(two.weight)[0]:
                raise PictureError(
                    f"dense layers {place} and {place + 1} do not fit: the first returns "
                    f"{np.shape(one.weight)[1]} values and the second takes "
                    f"{np.shape(two.weight)[0]}; draw the graph of the output instead: "
                    "viz.render(model(x), path)"
                )

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many neurons each column of the chain has, the inputs first."""
        first = (self.layers or self.heads[0])[0]
        return (np.shape(first.weight)[0], *(np.shape(x.weight)[1] for x in self.layers))

    @property
    def output_sizes(self) -> tuple[int, ...]:
        """How many outputs each head has."""
        return tuple(np.shape(chain[-1].weight)[1] for chain in self.heads or (self.layers,))


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
    if isinstance(model, Module):
        several = _read_heads(model, sample)
        if several is not None:
            return several
    layers: list[DenseLayer] = []
    x = first = None if sample is None else _sample_row(sample)
    for part in _list_parts(model):
        for layer in _read_part(part, x):
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
    return Network(tuple(layers), _input_names(model), first)


def _input_names(model: object) -> tuple[str, ...]:
    """Return the names that a model has for its inputs."""
    return tuple(map(str, getattr(model, "input_names", None) or ()))


def _read_part(part: object, x: np.ndarray | None) -> Iterable[DenseLayer]:
    """Return the layers of a part of a model."""
    if _is_dense(part):
        return [_read_dense(part, x)]
    if has_neurons(part):
        return [_read_neurons(part, x)]
    return _record_layers(part, x)


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
        known = isinstance(part, Module) or _is_dense(part) or has_neurons(part)
        inner = None if known else _parts_of(part)
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
    if any(parameter.ndim == 2 for parameter in part.parameters()):
        yield from _join_steps(_read_chain(part, x), x is not None)


def _join_steps(steps: Iterable[ChainStep], sampled: bool) -> Iterator[DenseLayer]:
    """Yield the layers that steps of a chain make; one without a weight is an activation."""
    layer: DenseLayer | None = None
    for one in steps:
        made = one.made if sampled else None
        if one.kind == "bias" and layer is not None:
            layer = replace(layer, bias=one.value, made=made)
            continue
        if layer is not None:
            yield layer
        layer = DenseLayer(one.value, made=made, name=one.name) if one.kind == "weight" else None
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
    return DenseLayer(weight, bias, _activation_name(activation), made, _given_name(layer))


def _read_neurons(layer: Any, x: np.ndarray | None) -> DenseLayer:
    """Read a layer of neurons that hold their weights one by one, as those of micrograd."""
    weight, bias, activation, made = read_layer(layer, x)
    return DenseLayer(weight, bias, _activation_name(activation), made, _given_name(layer))


def _given_name(layer: object) -> str:
    """Return the name of a layer, unless it is one that the library numbers by itself."""
    name = getattr(layer, "name", None)
    return name if isinstance(name, str) and not NUMBERED.fullmatch(name) else ""


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
        name: of the layer that has the weight.
        result: the identity of the tensor after the step.
    """

    kind: str
    value: Any
    taken: Tensor
    made: Any = None
    name: str = ""
    result: Key = (0, 0)


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
        x, y, names = _run_copy(module, sample)
        if not isinstance(y, Tensor):
            raise BrokenChain(f"it returns {type(y).__name__}")
        return _follow_chain(x, y, names)
    except BrokenChain as error:
        raise _chain_error(module, error) from error


def _chain_error(module: Module, error: BrokenChain) -> PictureError:
    """Return the error for a module that is not a chain of layers."""
    return PictureError(
        f"{type(module).__name__} is not a chain of dense layers: {error}; draw the graph of "
        "its output: viz.render(model(x), path)"
    )


def _follow_chain(x: Tensor, y: Tensor, names: Mapping[int, str]) -> list[ChainStep]:
    """Return the steps from the input of a run to an output.

    Args:
        x: the input.
        y: the output.
        names: serial of a weight → the name of its layer.

    Raises:
        BrokenChain: if it is not a chain.
    """
    found: list[ChainStep] = []
    graph = Graph(y)
    while key(y) != key(x):
        step = replace(_read_chain_step(y, graph, x), made=y.data, result=key(y))
        if step.kind == "weight":
            step = replace(step, name=names.get(_weight_serial(y), ""))
        found.append(step)
        y = step.taken
    return found[::-1]


def _weight_serial(y: Tensor) -> int:
    """Return the serial of the weight of a product."""
    assert y.op is not None  # it is a product
    return int(operands(y.op)[1].serial)


def _read_heads(module: Module, sample: object) -> Network | None:
    """Return the network of a module that returns several tensors, None for other modules.

    The steps that all outputs share are the chain, and what follows in each is a head.

    Raises:
        PictureError: if an output is not that of a chain.
    """
    row = None if sample is None else _sample_row(sample)
    try:
        x, made, names = _run_copy(module, row)
    except BrokenChain:
        return None  # read as one chain, it says why
    if isinstance(made, Tensor):
        return None
    try:
        outputs = _list_outputs(made)
        chains = [_follow_chain(x, y, names) for _, y in outputs]
        shared = _count_shared(chains)
        trunk = _layers_of(chains[0][:shared], row is not None)
        heads = [_layers_of(chain[shared:], row is not None) for chain in chains]
        if not all(heads):
            raise BrokenChain("an output has no dense layer of its own")
    except BrokenChain as error:
        raise _chain_error(module, error) from error
    named = [
        (*head[:-1], replace(head[-1], name=name or head[-1].name))
        for (name, _), head in zip(outputs, heads, strict=True)
    ]
    return Network(tuple(trunk), _input_names(module), row, tuple(named))


def _list_outputs(made: Any) -> list[tuple[str, Tensor]]:
    """Return the outputs of a module with their names, "" for those without.

    Raises:
        BrokenChain: if they are not several tensors.
    """
    if isinstance(made, Mapping):
        found = [(str(name), y) for name, y in made.items()]
    else:
        names = getattr(made, "_fields", None) or [""] * len(made)
        found = list(zip(names, made, strict=True))
    if len(found) < 2 or not all(isinstance(y, Tensor) for _, y in found):
        raise BrokenChain(f"it returns {type(made).__name__} of other than several tensors")
    return found


def _count_shared(chains: list[list[ChainStep]]) -> int:
    """Count the first steps that all chains have in common."""
    shared = 0
    for steps in zip(*chains, strict=False):
        if len({step.result for step in steps}) > 1:
            break
        shared += 1
    return shared


def _layers_of(steps: list[ChainStep], sampled: bool) -> list[DenseLayer]:
    """Return the layers that some steps of a chain make, each with its activations.

    Raises:
        BrokenChain: if the first step is not a weight.
    """
    if steps and steps[0].kind != "weight":
        raise BrokenChain(f"{steps[0].kind} comes before the first dense layer of an output")
    found: list[DenseLayer] = []
    for layer in _join_steps(steps, sampled):
        if layer.weight is not None:
            found.append(layer)
        else:
            activation = _join_activations(found[-1].activation, layer.activation)
            found[-1] = replace(found[-1], activation=activation, made=layer.made)
    return found


def _run_copy(
    module: Module, sample: np.ndarray | None = None
) -> tuple[Tensor, Any, dict[int, str]]:
    """Run a copy of a module once, on zeros or a sample.

    Returns its input, what it returns, and serial of a weight → the name of its layer.
    """
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
        if isinstance(y, Tensor | Mapping | list | tuple):
            named = {
                m.weight.serial: _given_name(m) for m in copy.modules() if isinstance(m, Dense)
            }
            return x, y, named
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
