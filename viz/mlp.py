"""A multilayer perceptron as its picture needs it: sizes, weights, activations, read from a model.

The description knows nothing of any class of models. It reads the attributes that dense layers
have: `weight` (in, out), `bias` (out,) or None, `activation` as a name, and `layers` in containers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from .errors import PictureError
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
    """Read the dense layers of a model, in order.

    Raises:
        PictureError: if it has none, or they are no chain.
    """
    if isinstance(model, Network):
        return model
    layers: list[DenseLayer] = []
    for part in parts(model):
        if is_dense(part):
            layers.append(dense(part))
        elif layers and not layers[-1].activation:
            layers[-1] = replace(layers[-1], activation=activation_between(part))
    if not layers:
        raise PictureError(
            f"cannot draw {type(model).__name__} {model!r:.60}: it is neither a tensor, a sequence "
            "of tensors, a Graph, nor a model with dense layers. For any model's graph, draw what "
            "it returns: viz.render(model(x), path)"
        )
    names = getattr(model, "input_names", None) or ()
    return Network(tuple(layers), tuple(clean(str(name), 8) for name in names))


def parts(model: Any) -> Iterator[Any]:
    """List the parts of a model that have no layers of their own, in order of execution."""
    stack = [model]
    opened: set[int] = set()
    while stack:
        part = stack.pop()
        inner = None if is_dense(part) else inside(part)
        if inner is None:
            yield part
        elif id(part) not in opened:  # a module may hold itself
            opened.add(id(part))
            stack.extend(reversed(inner))


def inside(part: Any) -> list[Any] | None:
    """Return the parts of a container, None if it is none."""
    if isinstance(part, list | tuple):
        return list(part)
    if isinstance(getattr(part, "layers", None), list | tuple):
        return list(part.layers)
    if callable(part) and hasattr(part, "__dict__") and not isinstance(part, type):
        found = [x for x in vars(part).values() if is_dense(x) or inside_of_attribute(x)]
        return found or None
    return None


def inside_of_attribute(value: Any) -> bool:
    """Whether an attribute of a model holds layers."""
    if isinstance(value, list | tuple):
        return any(is_dense(x) or hasattr(x, "layers") for x in value)
    return isinstance(getattr(value, "layers", None), list | tuple)


def is_dense(part: Any) -> bool:
    """Whether a part is a fully connected layer."""
    weight = getattr(part, "weight", None)
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
    name = activation
    if not isinstance(activation, str):
        name = getattr(activation, "__name__", type(activation).__name__)
        name = "function" if name == "<lambda>" else name
    return clean(SYMBOLS.get(name, name), 16)


def activation_between(part: Any) -> str:
    """Return the activation that a part between two layers applies, empty for Dropout and such."""
    if isinstance(part, str) or hasattr(part, "__name__"):
        return activation_name(part)
    name = type(part).__name__.lower()
    return activation_name(name) if name in ACTIVATIONS else ""
