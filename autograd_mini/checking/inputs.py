"""Inputs: the arguments of a check, split into numbers that are moved and everything else.

A gradient must match the containers and dataclasses of its argument. Names decide: the keys of a
dict, the fields of a dataclass. In lists and tuples the position decides.

All numeric work of a check uses real coordinates: a complex array becomes a real one with a last
axis (real, imaginary). So complex numbers need no extra rules. The gradient of x + iy is
∂L/∂x + i·∂L/∂y, and a cotangent g weights an output y as Re(conj(g)·y). With these conventions the
coordinates of gradients and cotangents match those of the arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import fields, is_dataclass
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..core.arrays import plain_array
from ..core.tensor import Tensor
from ..core.tree import LEAVES, Rebuild, flatten
from ..errors import GradientError, OperandError
from .report import Kind, Problem, problem

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from optree.accessors import PyTreeAccessor

    from ..core.arrays import Array


def coordinates(value: Array) -> np.ndarray:
    """Return the real coordinates of an array, in float64 or wider."""
    array = np.asarray(value)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array if array.dtype == np.longdouble else array.astype(np.float64)


def from_coordinates(values: Array, is_complex: bool) -> Any:
    """Return the array with these coordinates; a copy if it is complex."""
    if not is_complex:
        return values[()]
    array = np.asarray(values)
    return (array[..., 0] + 1j * array[..., 1])[()]


def sizes_of(x: np.ndarray) -> np.ndarray:
    """Return the size of each entry, as a unit for moving it; an entry of 0 gets the largest size.

    If all entries are 0, the sizes are 1.
    """
    sizes = np.abs(x)
    return np.where(x != 0, sizes, sizes.max(initial=0.0) or 1.0)


def norm(*arrays: np.ndarray) -> float:
    """Return the Euclidean norm of all entries together, even if their squares overflow."""
    square = float(sum(np.vdot(x, x) for x in arrays))
    if 1e-280 < square < 1e280:
        return square**0.5
    size = max((float(np.max(np.abs(x), initial=0.0)) for x in arrays), default=0.0)
    if not 0 < size < np.inf:
        return size
    return size * float(np.sqrt(sum(np.sum((x / size) ** 2) for x in arrays)))


NAMESPACE = "autograd_mini.checking"
ABSENT = object()


class Fields:
    """A dataclass, seen as a container of its fields.

    Attributes:
        template: the dataclass; a copy of it keeps everything that is not replaced.
        names: the names of the fields.
        values: the values of the fields; nested dataclasses are opened too.
    """

    def __init__(self, template: DataclassInstance) -> None:
        self.template = template
        self.names = [f.name for f in fields(template) if hasattr(template, f.name)]
        self.values = [_open_dataclasses(getattr(template, n)) for n in self.names]

    def _with_values(self, values: tuple[object, ...]) -> object:
        """Return a copy of the dataclass with other values."""
        made = copy(self.template)
        for name, value in zip(self.names, values, strict=True):
            object.__setattr__(made, name, value)  # works for frozen dataclasses too
        return made


@cache
def _tree_library() -> Any:
    """Return optree, with `Fields` registered in our own namespace."""
    import optree

    trees: Any = optree
    trees.register_pytree_node(
        Fields,
        lambda record: (record.values, record, record.names),
        lambda record, values: record._with_values(values),
        path_entry_type=optree.GetAttrEntry,
        namespace=NAMESPACE,
    )
    return trees


def _is_record(value: object) -> TypeGuard[DataclassInstance]:
    """Is a value an instance of a dataclass?"""
    return is_dataclass(value) and not isinstance(value, (type, *LEAVES))


def _open_dataclasses(argument: object) -> object:
    """Replace dataclasses in an argument by containers."""
    if isinstance(argument, LEAVES):
        return argument
    if _is_record(argument):
        return Fields(argument)
    if any(map(_is_record, flatten(argument)[0])):
        return _tree_library().tree_map(_open_dataclasses, argument)
    return argument


def take_apart(argument: object) -> tuple[list[object], Rebuild]:
    """Return the leaves of an argument, and the function that rebuilds it from other leaves."""
    leaves, rebuild = flatten(argument)
    if not any(map(_is_record, leaves)):
        return leaves, rebuild
    trees = _tree_library()
    leaves, structure = trees.tree_flatten(_open_dataclasses(argument), namespace=NAMESPACE)
    return leaves, lambda new: trees.tree_unflatten(structure, new)


def _accessors(argument: object) -> list[PyTreeAccessor]:
    """Return the path to each leaf."""
    opened = _open_dataclasses(argument)
    found: list[PyTreeAccessor] = _tree_library().tree_accessors(opened, namespace=NAMESPACE)
    return found


def write_leaf_places(argument: object, name: str) -> list[str]:
    """Write the place of each leaf of an argument as Python code."""
    if isinstance(argument, LEAVES):
        return [name]
    return [way.codify(name) for way in _accessors(argument)]


# ── a gradient ───────────────────────────────────────────────────────────────────────────────
def match_gradient(
    argument: object, given: object, name: str, checked: list[int], what: str
) -> list[object]:
    """Return the gradient of each differentiated leaf.

    Args:
        argument: a container.
        given: its gradient, another container.
        name: the name of the argument.
        checked: which leaves are differentiated; the others may be left out.
        what: the name of the gradient in messages.

    Raises:
        Problem: if a leaf has no gradient, or a gradient has no leaf.
    """
    ways = _accessors(argument)
    found = [_follow_accessor(given, way) for way in ways]
    count = sum(1 for _ in _leaves_of(given))
    named = sum(1 for x in found if x is not ABSENT)
    if any(found[i] is ABSENT for i in checked) or named < count:
        raise _describe_mismatch(argument, given, name, what)
    return [found[i] for i in checked]


def _follow_accessor(given: object, way: PyTreeAccessor) -> object:
    """Return the value at the path of a leaf; `ABSENT` if there is none."""
    for step in way:
        key = step.entry
        if isinstance(given, Mapping):
            given = given.get(key, ABSENT)
        elif isinstance(given, (list, tuple)) and isinstance(key, int):
            given = given[key] if key < len(given) else ABSENT
        elif isinstance(key, str) and hasattr(given, key) and not isinstance(given, LEAVES):
            given = getattr(given, key)
        else:
            return ABSENT
    return given


def _leaves_of(given: object) -> Iterator[object]:
    """Yield the leaves of a gradient; None counts as a leaf."""
    if isinstance(given, Mapping):
        inside = list(given.values())
    elif isinstance(given, (list, tuple)):
        inside = list(given)
    elif _is_record(given):
        inside = [getattr(given, f.name) for f in fields(given)]
    else:
        yield given
        return
    for value in inside:
        yield from _leaves_of(value)


def _describe_mismatch(argument: object, given: object, name: str, what: str) -> Problem:
    """Return the problem of a gradient with other names or another length."""
    text = (
        f"{what} returned {_outline(given)} for {name}; expected its own structure, "
        f"{_outline(argument)}"
    )
    return problem(Kind.SHAPE, text, name)


def _outline(value: object) -> str:
    """Describe a container by its names or its length."""
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, value)) or 'nothing'}"
    if _is_record(value):
        names = ", ".join(f.name for f in fields(value))
        return f"{type(value).__name__}({names})"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return f"{type(value).__name__}({', '.join(value._fields)})"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{value!r:.60}"


__all__ = ["Arrays", "Inputs", "Problem", "problem"]

Arrays = list[Any]
GENERATORS = (np.random.Generator, np.random.RandomState)


class Inputs:
    """The arguments of a check, split into leaves. Floating-point leaves are differentiated.

    Attributes:
        arrays: the real coordinates of the differentiated leaves in float64, see `coordinates`.
        names: the name of each differentiated leaf, such as `x` or `params['w']`.
        complex: which of these leaves are complex.
        arguments: the names of all arguments.
        others: names and values of array leaves that are not differentiated.
        moving: the positions of arguments that contain a differentiated leaf.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        names: Sequence[str],
        argnums: int | Sequence[int] | None = None,
        keep_dtype: bool = False,
    ) -> None:
        """Split the arguments into leaves.

        Args:
            arguments: arrays, tensors, numbers, or nested containers of them.
            names: the names of the arguments.
            argnums: which arguments are differentiated; None for all.
            keep_dtype: pass float32 as float32; otherwise everything is float64.
        """
        wanted = argument_positions(argnums, len(arguments))
        self.arguments = list(names)
        self.arrays: Arrays = []
        self.names: list[str] = []
        self.complex: list[bool] = []
        self.others: list[tuple[str, Any]] = []
        self._dtypes: list[np.dtype | None] = []
        self._given: list[Any] = []
        self._draws = False
        self._parts: list[tuple[list[Any], Callable[[Any], Any], list[int]]] = []
        for position, (argument, name) in enumerate(zip(arguments, names, strict=True)):
            leaves, rebuild = take_apart(argument)
            checked = [i for i, x in enumerate(leaves) if position in wanted and kind_of(x) in "fc"]
            places = write_leaf_places(argument, name)
            for i, x in enumerate(leaves):
                if i in checked:
                    self._add(leaf_array(x), places[i], keep_dtype)
                elif isinstance(x, LEAVES):
                    self.others.append((places[i], leaf_array(x)))
            self._draws |= any(isinstance(x, GENERATORS) for x in leaves)
            self._parts.append((leaves, rebuild, checked))
            self._given.append(argument)
        self.moving = [i for i, (_, _, checked) in enumerate(self._parts) if checked]
        self._simple = all(isinstance(x, LEAVES) for x in arguments)
        self._as_they_are = not any(self.complex) and not any(self._dtypes)
        if not self.arrays:
            raise OperandError(
                "gradcheck: no input is a floating-point number or array, so there is nothing to "
                "differentiate; give 2.0 instead of 2, or x.astype(float)"
            )

    def _add(self, value: np.ndarray, name: str, keep_dtype: bool) -> None:
        self.arrays.append(np.array(coordinates(value), dtype=np.float64))
        self.names.append(name)
        self.complex.append(value.dtype.kind == "c")
        wide = value.dtype in (np.float64, np.complex128, np.longdouble, np.clongdouble)
        self._dtypes.append(value.dtype if keep_dtype and not wide else None)

    def values(self, arrays: Arrays) -> Arrays:
        """Return the values that the function receives for these coordinates."""
        if self._as_they_are:
            return [x[()] for x in arrays]
        return [self.natural_value(i, x) for i, x in enumerate(arrays)]

    def natural_value(self, position: int, x: np.ndarray) -> Array:
        """Return the value of one input for these coordinates."""
        value, dtype = from_coordinates(x, self.complex[position]), self._dtypes[position]
        return value if dtype is None else value.astype(dtype)

    def dtype(self, position: int) -> np.dtype:
        """Return the real dtype that the function receives for an input."""
        kept = self._dtypes[position]
        return np.dtype(np.float64) if kept is None else np.finfo(kept).dtype

    def round_coordinates(self, position: int, x: np.ndarray) -> np.ndarray:
        """Round coordinates to the dtype that the function receives, if it is narrower."""
        return x if self._dtypes[position] is None else x.astype(self.dtype(position)).astype(float)

    def fill_arguments(self, values: Sequence[object]) -> list[object]:
        """Return the arguments with these values in place of the differentiated leaves.

        Random generators are copied, so that they draw the same numbers each time.
        """
        if self._simple:
            arguments = list(self._given)
            for position, value in zip(self.moving, values, strict=True):
                arguments[position] = value
            return arguments
        remaining = iter(values)
        arguments = []
        for leaves, rebuild, checked in self._parts:
            new = list(leaves)
            if self._draws:
                new = [deepcopy(x) if isinstance(x, GENERATORS) else x for x in leaves]
            for i in checked:
                new[i] = next(remaining)
            arguments.append(rebuild(new))
        return arguments

    def select_leaves(
        self, cotangents: Sequence[object], what: str = "the gradient"
    ) -> list[object]:
        """Pick the gradients of the differentiated leaves, from one result for each argument.

        Raises:
            Problem: if a result has another structure than its argument.
        """
        found: list[Any] = []
        for i, given in enumerate(cotangents):
            leaves, _, checked = self._parts[i]
            if checked:
                if isinstance(self._given[i], LEAVES):
                    given = _unpack_single(given)
                parts = _split_gradient(given, leaves)
                if parts is None:
                    found += match_gradient(self._given[i], given, self.arguments[i], checked, what)
                else:
                    found += [parts[i] for i in checked]
        return found

    def is_one_array(self, given: object) -> bool:
        """Are nested lists of numbers the gradient of the only differentiated array?"""
        if len(self.moving) != 1 or not isinstance(given, list):
            return False
        leaves, rebuild, _ = self._parts[self.moving[0]]
        return rebuild(leaves) is leaves[0] and _shape_of(given) == np.shape(leaf_array(leaves[0]))

    def __len__(self) -> int:
        """Return the number of arguments."""
        return len(self._parts)


def _unpack_single(given: object) -> object:
    """Unpack a tuple of one element, which the gradient of one array may be."""
    while isinstance(given, tuple) and len(given) == 1:
        (given,) = given
    return given


def _split_gradient(given: object, leaves: list[object]) -> list[object] | None:
    """Split a gradient that is one array of numbers into leaves; None for any other gradient."""
    if len(leaves) == 1 and not isinstance(given, (tuple, dict)):
        whole = (
            _shape_of(given) == np.shape(leaf_array(leaves[0])) if isinstance(given, list) else True
        )
        return [np.asarray(given) if isinstance(given, list) else given] if whole else None
    numbers = all(isinstance(x, LEAVES) and np.ndim(leaf_array(x)) == 0 for x in leaves)
    if numbers and isinstance(given, np.ndarray) and given.shape == (len(leaves),):
        return list(given)
    return None


def _shape_of(given: Sequence[object]) -> tuple[int, ...] | None:
    """Return the shape of nested lists of numbers; None for anything else."""
    try:
        array = np.asarray(given)
    except ValueError:  # ragged
        return None
    return array.shape if array.dtype.kind in "biufc" else None


def argument_positions(argnums: int | Sequence[int] | None, count: int) -> set[int]:
    """Return the positions of the arguments that are differentiated.

    Raises:
        GradientError: if a position is out of range.
    """
    if argnums is None:
        return set(range(count))
    chosen = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(-count <= i < count for i in chosen):
        raise GradientError(f"gradcheck: argnums {argnums} is out of range for {count} inputs")
    return {i % count for i in chosen}


def kind_of(value: object) -> str:
    """Return the kind of a leaf's dtype: f and c have derivatives, others are passed on."""
    if not isinstance(value, LEAVES):
        return "O"
    dtype = value.dtype if isinstance(value, (Tensor, np.ndarray, np.generic)) else None
    return dtype.kind if dtype is not None else np.min_scalar_type(value).kind


def leaf_array(value: object) -> Any:
    """Convert a leaf to an array."""
    return plain_array(value._value if isinstance(value, Tensor) else value)


def quick_names(function: Callable[..., object], count: int) -> list[str] | None:
    """Return the parameter names if this number of arguments surely fits; otherwise None.

    This works for Python functions with a plain signature. It takes a tenth of the time of
    `inspect.signature`.
    """
    if type(function) is not FunctionType or function.__dict__ or function.__kwdefaults__:
        return None
    code = function.__code__
    if code.co_kwonlyargcount:
        return None
    least = code.co_argcount - len(function.__defaults__ or ())
    return list(code.co_varnames[:count]) if least <= count <= code.co_argcount else None


def signature_of(function: Callable[..., object]) -> inspect.Signature | None:
    """Return the signature of a function; None if it is not available."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def argument_names(
    function: Callable[..., object],
    count: int,
    names: Sequence[str] | None,
    signature: inspect.Signature | None = None,
) -> list[str]:
    """Return the names of a function's positional arguments, as far as they are known.

    Ufuncs have a signature since NumPy 2.4. With older versions they get the names x, or x1, x2.

    Args:
        function: the function.
        count: the number of arguments.
        names: names given by the user.
        signature: the signature of the function, if already known.
    """
    if names is not None:
        if len(names) != count:
            raise GradientError(f"gradcheck: {len(names)} names for {count} inputs")
        return list(names)
    if signature is None and (quick := quick_names(function, count)) is not None:
        return quick
    signature = signature or signature_of(function)
    if signature is None and isinstance(function, np.ufunc):
        return ["x"] if count == 1 else [f"x{i + 1}" for i in range(count)]
    parameters = [] if signature is None else signature.parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [p.name for p in parameters if p.kind in positional][:count]
    return found + [f"x{i}" for i in range(len(found), count)]
