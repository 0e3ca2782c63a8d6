"""A multilayer perceptron as its picture needs it: sizes, weights, activations, read from a model.

A module of the library is run once and its recording is read (see `recorded`). Lists, and objects
that only have `layers`, are read by attributes: `weight` (in, out), `bias` (out,) or None, and
`activation`, a name or a function.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from autograd_mini.nn import Module
from autograd_mini.nn.activations import name_of

from .errors import PictureError
from .recorded import steps
from .texts import clean

SYMBOLS: Final = {"sigmoid": "σ", "linear": "", "identity": "", "none": ""}
ACTIVATIONS: Final = frozenset({"tanh", "relu", "sigmoid", "softplus", "softmax", "leakyrelu"})
"""Names of layers that only apply a function, in lower case."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseLayer:
    """One fully connected layer.

    Attributes:
        weight: an array of shape (in, out).
        bias: an array of shape (out,), or None.
        activation: its name or symbol, empty for a linear layer.
    """

    weight: Any
    bias: Any = None
    activation: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of dense layers.

    Raises:
        PictureError: if there is no layer, or a layer does not take what the one before returns.
    """

    layers: tuple[DenseLayer, ...]
    input_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the layers fit each other."""
        if not self.layers:
            raise PictureError("a network without dense layers has no neurons to draw")
        for place, (one, two) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if np.shape(one.weight)[1] != np.shape(two.weight)[0]:
                raise PictureError(
                    f"dense layers {place} and {place + 1} are no chain: the first returns "
                    f"{np.shape(one.weight)[1]} values and the second takes "
                    f"{np.shape(two.weight)[0]}; draw the graph of the output instead: "
                    "viz.render(model(x), path)"
                )

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many neurons each column has, the inputs first."""
        widths = [np.shape(layer.weight) for layer in self.layers]
        return (widths[0][0], *(out for _, out in widths))


def describe(model: Any) -> Network:
    """Read the dense layers of a model, in the order in which they run.

    Raises:
        PictureError: if it has none, or is no chain of dense layers and activations.
    """
    if isinstance(model, Network):
        return model
    layers: list[DenseLayer] = []
    for part in parts(model):
        for layer in [dense(part)] if is_dense(part) else recorded(part):
            if isinstance(layer, DenseLayer):
                layers.append(layer)
            elif layer and not layers:
                raise PictureError(
                    f"{type(model).__name__} is no chain of dense layers: {layer} comes before "
                    "the first of them; draw the graph of its output: viz.render(model(x), path)"
                )
            elif layer:
                layers[-1] = replace(layers[-1], activation=joined(layers[-1].activation, layer))
    if not layers:
        raise PictureError(
            f"cannot draw {type(model).__name__} {model!r:.60}: it is neither a tensor, a sequence "
            "of tensors, a Graph, nor a model with dense layers. For any model's graph, draw what "
            "it returns: viz.render(model(x), path)"
        )
    names = getattr(model, "input_names", None) or ()
    return Network(tuple(layers), tuple(clean(str(name), 8) for name in names))


def parts(model: Any) -> Iterator[Any]:
    """List the parts of lists and of objects with `layers`, in order; a module is one part."""
    stack = [model]
    opened: set[int] = set()
    while stack:
        part = stack.pop()
        inner = None if isinstance(part, Module) or is_dense(part) else inside(part)
        if inner is None:
            yield part
        elif id(part) not in opened:  # a container may hold itself
            opened.add(id(part))
            stack.extend(reversed(inner))


def inside(part: Any) -> list[Any] | None:
    """Return the parts of a container, None if it is none."""
    inner = part if isinstance(part, list | tuple) else getattr(part, "layers", None)
    return list(inner) if isinstance(inner, list | tuple) else None


def recorded(part: Any) -> Iterator[DenseLayer | str]:
    """Return the layers of a module and the activations between them; of others, what they name."""
    if not isinstance(part, Module):
        yield activation_between(part)
        return
    layer: DenseLayer | None = None
    if not any(parameter.ndim == 2 for parameter in part.parameters()):
        return
    for kind, value in steps(part):
        if kind == "bias" and layer is not None:
            layer = replace(layer, bias=value)
            continue
        if layer is not None:
            yield layer
        layer = DenseLayer(value) if kind == "weight" else None
        if kind == "activation":
            yield activation_name(value)
    if layer is not None:
        yield layer


def joined(activation: str, following: str) -> str:
    """Write two activations, one after the other."""
    return clean(", ".join(filter(None, (activation, following))), 32)


def is_dense(part: Any) -> bool:
    """Whether a part is a fully connected layer."""
    weight = None if isinstance(part, Module) else getattr(part, "weight", None)
    return weight is not None and np.ndim(getattr(weight, "data", weight)) == 2


def dense(layer: Any) -> DenseLayer:
    """Read a dense layer."""
    bias = getattr(layer, "bias", None)
    return DenseLayer(
        values(layer.weight),
        None if bias is None else values(bias),
        activation_name(getattr(layer, "activation", None)),
    )


def values(tensor: Any) -> Any:
    """Return a tensor's array, or an array as it is."""
    return tensor if isinstance(tensor, np.ndarray) else np.asarray(getattr(tensor, "data", tensor))


def activation_name(activation: Any) -> str:
    """Return the name or symbol of an activation given as text or function."""
    if activation is None:
        return ""
    name = name_of(activation)
    return clean(SYMBOLS.get(name, "function" if name == "<lambda>" else name), 16)


def activation_between(part: Any) -> str:
    """Return the activation that a part between two layers applies, empty for Dropout and such."""
    if isinstance(part, str) or hasattr(part, "__name__"):
        return activation_name(part)
    name = type(part).__name__.lower()
    return activation_name(name) if name in ACTIVATIONS else ""
