"""Networks written one number at a time: layers of neurons, each with its weights and its bias.

That is how micrograd writes them: `layer.neurons` is a list, `neuron.w` a list of numbers, and
`neuron.b` a number. The numbers may be tensors, floats, or any object with `data`. What a neuron
does after its sum is found by calling it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from autograd_mini.core.tensor import Tensor

from ..errors import PictureError
from ..reading import is_number, operands

SUMS: Final = frozenset({"add", "sum", "add_n", "+"})
"""The operations with which a neuron without an activation ends."""


def has_neurons(part: object) -> bool:
    """Return whether a part of a model is a layer of neurons, or one neuron."""
    return bool(_neurons_of(part))


def _neurons_of(part: object) -> list[Any]:
    """Return the neurons of a layer, or of a neuron itself; none for other objects."""
    neurons = getattr(part, "neurons", None)
    found = list(neurons) if isinstance(neurons, list | tuple) else [part]
    return found if all(isinstance(getattr(x, "w", None), list | tuple) for x in found) else []


def read_layer(
    layer: object, x: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, str, np.ndarray | None]:
    """Return the weight, the bias, the activation and, for a row of inputs, the results of a layer.

    Raises:
        PictureError: if its neurons differ in what they take or do, or hold other than numbers.
    """
    neurons = _neurons_of(layer)
    sizes = {len(neuron.w) for neuron in neurons}
    if len(sizes) > 1 or 0 in sizes:
        raise PictureError(
            f"the neurons of a {type(layer).__name__} take {sorted(sizes)} numbers; expected as "
            "many in each, and at least one"
        )
    weight = np.array([[_number(w) for w in neuron.w] for neuron in neurons]).T
    biases = [getattr(neuron, "b", None) for neuron in neurons]
    bias = None if None in biases else np.array([_number(b) for b in biases])
    activations = {_activation_of(neuron) for neuron in neurons}
    if len(activations) > 1:
        raise PictureError(
            f"the neurons of a {type(layer).__name__} have several activations, "
            f"{', '.join(sorted(x or 'none' for x in activations))}; draw the graph of the output: "
            "viz.render(model(x), path)"
        )
    made = None if x is None else _apply_layer(neurons, x)
    return weight, bias, activations.pop(), made


def _number(held: Any) -> float:
    """Return the number that an object holds.

    Raises:
        PictureError: if it holds none.
    """
    try:
        return float(np.asarray(getattr(held, "data", held)).item())
    except (TypeError, ValueError) as error:
        raise PictureError(
            f"a neuron holds {type(held).__name__} {held!r:.40} among its weights; expected numbers"
        ) from error


def _activation_of(neuron: Any) -> str:
    """Return the name of a neuron's activation, "" for none.

    The last operation of its result tells, or else an attribute `activation` or `nonlin`.
    """
    try:
        last = _last_operation(neuron([0.0] * len(neuron.w)))
    except Exception:  # whatever a user's neuron raises: it wants another input
        last = None
    if last is not None:
        return "" if last in SUMS else last.lower()
    named = getattr(neuron, "activation", None)
    if named is not None:
        return str(getattr(named, "__name__", named))
    return "relu" if getattr(neuron, "nonlin", False) else ""


def _last_operation(made: Any) -> str | None:
    """Return the name of the operation that made a number, None if that is not known."""
    if isinstance(made, Tensor):
        if made.op is None:
            return None
        taken = operands(made.op)
        if made.op.type == "maximum" and any(is_number(x) and x == 0 for x in taken):
            return "relu"
        return made.op.type
    name = getattr(made, "_op", None)  # as in micrograd
    return name if isinstance(name, str) and name else None


def _apply_layer(neurons: list[Any], x: np.ndarray) -> np.ndarray:
    """Return what the neurons make of a row of inputs.

    Raises:
        PictureError: for a row of another length, or a neuron that cannot be called.
    """
    width = len(neurons[0].w)
    if x.shape[1] != width:
        raise PictureError(
            f"a layer takes {width} values, and gets {x.shape[1]}; sample= must have as many "
            "numbers as the first layer takes, and each layer must fit the next"
        )
    try:
        return np.array([[_number(neuron(x[0].tolist())) for neuron in neurons]])
    except PictureError:
        raise
    except Exception as error:  # whatever a user's neuron raises
        raise PictureError(
            f"{type(neurons[0]).__name__} cannot be applied to the sample: {error!s:.200}"
        ) from error
