"""Call `forward` and `backward` of a layer, or of a list of layers in order and in reverse."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..inputs import Arrays, signature_of
from .gradients import INPUTS, OUTPUTS, is_numeric, names_of, readable_values

Method = str | Callable[..., Any]

RATES = ("learning_rate", "lr", "rate", "eta", "alpha", "step", "step_size")
"""Usual names of the second argument of a `backward` that updates the parameters itself."""


class Layer:
    """One layer, and how it is called forward and backward.

    Attributes:
        owner: the user's object.
        returned: the value that its `backward` returned last.
        names: the names of its inputs.
        by_position: whether the user names gradients by position in the result of `backward`.
    """

    def __init__(
        self, owner: object, forward: Method, backward: Method, rate: float | None
    ) -> None:
        self.owner, self.rate = owner, rate
        self.run = _bound_method(owner, forward, "forward")
        self.back = _bound_method(owner, backward, "backward")
        self.returned: Any = None
        self.names: list[str] = []
        self.by_position = False

    def forward(self, xs: Sequence[object]) -> object:
        """Return the result of `forward`; or its `output` attribute, if it returns nothing.

        Raises:
            ArgumentError: if there is neither of them.
        """
        y = self.run(*xs)
        if y is not None:
            return y
        holder = readable_values(self.owner)
        found = next((holder[n] for n in OUTPUTS if holder.get(n) is not None), None)
        if found is None:
            raise ArgumentError(
                f"layer: forward of {type_name(self.owner)} returned None, and leaves no `output`; "
                "does it lack a return?"
            )
        return found

    def backward(self, g: object, count: int, alone: bool = False) -> list[object]:
        """Return the gradients of the inputs; None for an input without one.

        Args:
            g: the cotangent of the result, with the same structure.
            count: the number of inputs.
            alone: call `backward` without a cotangent.
        """
        self.returned = found = self.back() if alone else self._call_backward(g)
        if isinstance(found, dict):
            return [self._gradient_of_input(found, i) for i in range(count)]
        if found is None:
            holder = readable_values(self.owner)
            return [self._gradient_of_input(holder, i) for i in range(count)]
        if isinstance(found, (tuple, list)) and not (count == 1 and isinstance(found, list)):
            if len(found) == count:
                return list(found)
            if count > 0 and self.by_position:
                return [None] * count
            raise ArgumentError(
                f"layer: backward of {type_name(self.owner)} returned {len(found)} values, and "
                f"there are {count} inputs; say which is whose by position, as in "
                'gradients={"x": 0, "W": 1}'
            )
        return [found, *[None] * (count - 1)]

    def _call_backward(self, g: object) -> object:
        """Call `backward` with the cotangent, and with the learning rate if there is one.

        Raises:
            ArgumentError: if it needs other arguments.
        """
        needed = _needed_arguments(self.back)
        rest = () if self.rate is None or not _takes_arguments(self.back, 2) else (self.rate,)
        count = 1 + len(rest) if needed is None else len(needed)
        if isinstance(g, (tuple, list)) and len(g) > 1 and count == len(g) + len(rest):
            return self.back(*g, *rest)
        if needed is None or count <= 1 + len(rest):
            return self.back(g, *rest)
        last = needed[-1]
        cure = "give backward= a function of the layer and the cotangent that calls it"
        if self.rate is None and last.lower() in RATES:
            cure = f"if it updates the parameters, give learning_rate=1.0, which it gets as {last}"
        names = ", ".join(needed)
        raise ArgumentError(f"layer: backward of {type_name(self.owner)} takes {names}; {cure}")

    def _gradient_of_input(self, places: dict[str, object], position: int) -> object:
        """Return the gradient of an input, from attributes or items with a matching name."""
        name = self.names[position] if position < len(self.names) else "x"
        usual = INPUTS if len(self.names) <= 1 else ()
        wanted = [*names_of(name), *([name] if places is self.returned else []), *usual]
        return next((places[n] for n in wanted if is_numeric(places.get(n))), None)


def _bound_method(owner: object, method: Method, name: str) -> Callable[..., object]:
    """Return a method of a layer; a function of the layer is bound like a method.

    Raises:
        ArgumentError: if there is none.
    """
    if callable(method):
        return partial(method, owner)
    found = getattr(owner, method, None)
    if callable(found):
        return found
    if name == "forward" and method == "forward" and callable(owner):
        return owner
    if type(owner).__module__.partition(".")[0] == "torch":
        cure = "a torch.nn.Module is checked by am.gradcheck(module, x)"
    elif type(owner).__module__.partition(".")[0] == "autograd_mini":
        cure = "its gradient is recorded: am.gradcheck(layer, x)"
    else:
        methods = [n for n in dir(owner) if n[0] != "_" and callable(getattr(owner, n, None))]
        cure = (
            f"it has {', '.join(methods) or 'no methods'}; give {name}= the name of one, or a "
            f"function of the layer"
        )
    raise ArgumentError(f"layer: {type_name(owner)} has no method {method!r}: {cure}")


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _needed_arguments(function: Callable[..., object]) -> list[str] | None:
    """Return the positional parameters without a default; None if they are unknown."""
    signature = signature_of(function)
    parameters = [] if signature is None else list(signature.parameters.values())
    if signature is None or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return None
    return [p.name for p in parameters if p.kind in POSITIONAL and p.default is p.empty]


def _takes_arguments(function: Callable[..., object], count: int) -> bool:
    """Can a function be called with this number of arguments? True if that is unknown."""
    signature = signature_of(function)
    try:
        return signature is None or signature.bind(*range(count)) is not None
    except TypeError:
        return False


def type_name(owner: object) -> str:
    """Return the name of an object in messages."""
    return type(owner).__name__


class LayerNetwork:
    """Layers one after another."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)

    def forward(self, xs: Sequence[object]) -> object:
        """Return the result of the last layer."""
        y = self.layers[0].forward(xs)
        for layer in self.layers[1:]:
            y = layer.forward([y])
        return y

    def starts_alone(self, outputs: Arrays) -> bool:
        """Is this a loss: one real number whose `backward` needs no cotangent?"""
        is_number = len(outputs) == 1 and np.size(outputs[0]) == 1
        needs = _needed_arguments(self.layers[-1].back)
        return is_number and needs == [] and np.asarray(outputs[0]).dtype.kind != "c"

    def backward(self, g: object, count: int, alone: bool) -> list[object]:
        """Return the gradients of the first layer's inputs.

        Args:
            g: the cotangent of the result.
            count: the number of inputs.
            alone: whether the last layer needs no cotangent.

        Raises:
            ArgumentError: if a layer returns no gradient for the layer before it.
        """
        last = len(self.layers) - 1
        for i in range(last, 0, -1):
            (g,) = self.layers[i].backward(g, 1, alone and i == last)
            if g is None:
                raise ArgumentError(
                    f"layer: backward of layers[{i}] ({type_name(self.layers[i].owner)}) returned "
                    f"None, and layers[{i - 1}] needs the gradient of its input: return it"
                )
        return self.layers[0].backward(g, count, alone and last == 0)
