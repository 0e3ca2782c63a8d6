"""Call `forward` and `backward` of layers, and find the gradients that they leave.

The gradients of parameters are found by the names that courses and books use.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import CellType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ArgumentError
from ..inputs import Arrays, signature_of
from .state import FUNCTIONS, LayerState, StatePlace, attributes

if TYPE_CHECKING:
    from ...core.arrays import Array

NAMES = (
    "d{}",
    "d_{}",
    "grad_{}",
    "{}_grad",
    "grad{}",
    "{}grad",
    "{}_gradient",
    "gradient_{}",
    "{}_gradients",
    "{}_grads",
    "g{}",
    "g_{}",
    "dL_d{}",
    "dLd{}",
    "dL{}",
    "nabla_{}",
)
"""Names of the gradient of a parameter named `{}`."""
HOLDERS = ("grads", "gradients", "grad", "_grads", "_gradients", "gradient", "derivatives")
"""Attributes that hold the gradients of all parameters, as a dict or a list."""
NUMBERS = ("data", "value", "_value", "values", "array", "_data", "val", "tensor")
"""Attributes with the values of a parameter object, which also has a `grad`."""
OWN_GRADIENTS = ("grad", "gradient", "_grad", "_gradient", "g")
PARAMETER_HOLDERS = ("params", "parameters", "_params", "_parameters", "weights", "theta", "model")
"""Attributes that hold all parameters, as a dict or a list."""
INPUTS = ("dinputs", "dinput", "dx", "dX", "grad_input", "input_grad", "input_gradient")
"""Attributes with the gradient of the input, if `backward` does not return it."""
OUTPUTS = ("output", "outputs", "out", "y")
"""Attributes with the result, if `forward` does not return it."""

Spec = str | int | Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: the places that hold it, and where its gradient is.

    Attributes:
        name: its name in the report.
        places: all places that hold the same array, or the place that holds a number.
        spec: where the user says that the gradient is, if so.
    """

    name: str
    places: tuple[StatePlace, ...]
    spec: Spec | None = None

    @property
    def value(self) -> Any:
        """The array or number that was found."""
        return self.places[0].value

    @property
    def key(self) -> tuple[int, object]:
        """The identity of the parameter: the array, or the place of a number."""
        first = self.places[0]
        is_array = isinstance(first.value, np.ndarray)
        return (id(first.value), None) if is_array else (id(first.owner), first.key)

    @property
    def can_move(self) -> bool:
        """Can its values be set?"""
        return not isinstance(self.value, np.ndarray) or self.value.flags.writeable

    def read(self) -> Any:
        """Return the current values."""
        return self.places[0].read()

    def write(self, value: Array) -> None:
        """Set the values; an array is changed in place, so that all views of it follow."""
        if isinstance(self.value, np.ndarray):
            np.copyto(self.value, value)
        else:
            self.places[0].write(type(self.value)(value))


def names_of(name: str) -> list[str]:
    """Return the names that the gradient of something may have."""
    bare = name.lstrip("_")
    found = [pattern.format(name) for pattern in NAMES]
    if bare != name:
        return found + ["_" + pattern.format(bare) for pattern in NAMES]
    return found + [f"_d{name}", f"_{name}_grad"]


def _spellings(name: str, others: Mapping[str, object]) -> list[str]:
    """Return the name, and its lower-case form if it is free: dw for W."""
    lower = name.lower()
    return [name] if lower == name or lower in others else [name, lower]


def _find_named(
    owner: object, values: Mapping[str, object], name: str, path: str = "{}"
) -> list[StatePlace]:
    """Find gradients by name among the attributes or items of an object."""
    if not isinstance(name, str):
        return []
    wanted = [n for spelling in _spellings(name, values) for n in names_of(spelling)]
    numeric = [n for n in wanted if is_numeric(values.get(n))]
    return [StatePlace(path.format(n), owner, n, values[n]) for n in numeric]


def is_numeric(value: object) -> bool:
    """Is a value a number or an array of numbers?"""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "biufc"
    return isinstance(value, (int, float, complex)) and not isinstance(value, bool)


def _is_parameter(value: object) -> bool:
    """Does a value have derivatives, that is, is it floating-point or complex?"""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "fc"
    return isinstance(value, (float, complex))


def find_gradients(place: StatePlace, parents: Mapping[int, StatePlace]) -> Iterator[StatePlace]:
    """Yield the places with the gradient of the parameter at a place."""
    owner, key = place.owner, place.key
    base = place.path.rpartition(".")[0]
    path = f"{base}.{{}}" if base else "{}"
    if isinstance(owner, dict):
        yield from _find_named(owner, owner, key, place.path.rpartition("[")[0] + "[{!r}]")
    if isinstance(owner, (list, tuple, dict)):
        yield from _find_item_gradients(place, parents)
        return
    holder = readable_values(owner)
    yield from _find_named(owner, holder, key, path)
    if key in NUMBERS:
        own = [n for n in OWN_GRADIENTS if is_numeric(holder.get(n))]
        yield from (StatePlace(path.format(n), owner, n, holder[n]) for n in own)
    for name in HOLDERS:
        if isinstance(held := holder.get(name), dict):
            yield from find_in_dict(held, key, path.format(name))


def _find_item_gradients(
    place: StatePlace, parents: Mapping[int, StatePlace]
) -> Iterator[StatePlace]:
    """Yield the gradients of an item of `params`: the same key or index in `grads`."""
    parent = parents.get(id(place.owner))
    if parent is None or isinstance(parent.owner, (list, tuple)):
        return
    holder = parent.owner if isinstance(parent.owner, dict) else readable_values(parent.owner)
    own = _find_holders(holder, parent.key)
    usual = HOLDERS if parent.key in PARAMETER_HOLDERS else ()
    base = parent.path.rpartition(".")[0]
    for name in dict.fromkeys([*own, *usual]):
        held, path = holder.get(name), f"{base}.{name}" if base else name
        if isinstance(place.owner, dict) and isinstance(held, dict):
            yield from find_in_dict(held, place.key, path)
        elif isinstance(held, (list, tuple)) and isinstance(place.owner, (list, tuple)):
            i = place.key
            if len(held) == len(place.owner) and is_numeric(held[i]):
                yield StatePlace(f"{path}[{i}]", held, i, held[i])


def _find_holders(holder: Mapping[str, object], key: str) -> list[str]:
    """Return the names of containers that hold the gradients of a container."""
    wanted = names_of(key) if isinstance(key, str) else []
    return [n for n in wanted if isinstance(holder.get(n), (dict, list, tuple))]


def find_in_dict(held: Mapping[str, object], key: str, path: str) -> Iterator[StatePlace]:
    """Yield the gradient in a dict of gradients: under the parameter's key or a gradient name."""
    if is_numeric(held.get(key)):
        yield StatePlace(f"{path}[{key!r}]", held, key, held[key])
    else:
        yield from _find_named(held, held, key, path + "[{!r}]")


def readable_values(owner: object) -> dict[str, object]:
    """Return the attributes and properties of an object."""
    found = attributes(owner)
    for cls in type(owner).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, property) and name not in found:
                try:
                    found[name] = getattr(owner, name)
                except Exception:  # a property that cannot be read yet
                    continue
    return found


# ── which parameters there are ───────────────────────────────────────────────────────────────
def find_candidates(state: LayerState) -> list[Parameter]:
    """Return every floating-point array and number, with all places that hold it.

    Variables of closures are left out.
    """
    groups: dict[int, list[StatePlace]] = {}
    for place in state.places:
        if _is_parameter(place.value) and not isinstance(place.owner, (*FUNCTIONS, CellType)):
            is_array = isinstance(place.value, np.ndarray)
            groups.setdefault(id(place.value) if is_array else id(place), []).append(place)
    shortest = lambda name: ("[" in name, len(name))  # names are preferred to indices
    return [
        Parameter(min(map(write_place, places), key=shortest), tuple(places))
        for places in groups.values()
    ]


def write_place(place: StatePlace) -> str:
    """Write a place: without the `.data` of a parameter, and `W` for `params['W']`."""
    path = place.path
    if isinstance(place.key, str) and place.key in NUMBERS and "." in path:
        path = path.rpartition(".")[0]
    holders = "|".join(PARAMETER_HOLDERS)
    return re.sub(rf"(^|\.)(?:{holders})\['([A-Za-z_]\w*)'\]", r"\1\2", path)


def follow_path(root: Any, path: str) -> Array:
    """Return the value at a path such as `grads['W']` or `layers[0].dW`.

    Raises:
        ArgumentError: if the path does not exist.
    """
    value = root
    for name, item in re.findall(r"\.?([A-Za-z_]\w*)|\[([^\]]*)\]", path):
        try:
            if not name:
                value = value[item.strip("'\"") if item[:1] in "'\"" else int(item)]
            elif isinstance(value, dict):
                value = value[name]
            else:
                value = getattr(value, name)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            seen = ", ".join(map(str, _names_in(value))) or "nothing"
            raise ArgumentError(
                f"layer: there is no {path!r}: {type(value).__name__} has {seen}"
            ) from None
    return value


def _names_in(value: object) -> list[str]:
    """Return the names in an object."""
    if isinstance(value, dict):
        return [repr(k) for k in value]
    if isinstance(value, (list, tuple)):
        return [f"{len(value)} items"]
    return list(readable_values(value))


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
