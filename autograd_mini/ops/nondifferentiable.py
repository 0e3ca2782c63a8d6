"""Operations without a gradient: comparisons, logic, rounding, order, sets.

They are recorded, so that every computation can be drawn, and carry no gradient.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.extraction import read_value
from ..core.primitive import Primitive, Rule, elementwise, general, implements
from ..core.record import scope, value_of
from ..core.source_text import Written
from ..core.table import Axis, numpy_functions, table
from ..core.tensor import Tensor
from .checks import argument_names, axis_of, implements_by_name, refuse_out
from .conversion import astype
from .rearranging import plain_value, take
from .reductions import subject

COMPARISONS: tuple[tuple[Any, str, Any], ...] = (
    (np.equal, "=", operator.eq),
    (np.not_equal, "≠", operator.ne),
    (np.less, "<", operator.lt),
    (np.less_equal, "≤", operator.le),
    (np.greater, ">", operator.gt),
    (np.greater_equal, "≥", operator.ge),
    (np.logical_and, "and", None),
    (np.logical_or, "or", None),
    (np.logical_xor, "xor", None),
    (np.bitwise_and, "&", operator.and_),
    (np.bitwise_or, "|", operator.or_),
    (np.bitwise_xor, "^", operator.xor),
    (np.left_shift, "<<", operator.lshift),
    (np.right_shift, ">>", operator.rshift),
    (np.floor_divide, "//", operator.floordiv),
    (np.gcd, "gcd", None),
    (np.lcm, "lcm", None),
)
"""Of two operands: function, symbol, faster spelling."""

PROPERTIES: dict[np.ufunc, str] = {
    np.logical_not: "not",
    np.invert: "~",
    np.bitwise_count: "bits",
    **{f: f.__name__ for f in (np.isnan, np.isinf, np.isfinite, np.signbit, np.spacing)},
    **{f: f.__name__ for f in (np.floor, np.ceil, np.rint, np.trunc)},
}
"""Of one operand: function, symbol."""

for function, symbol, eager in COMPARISONS:
    elementwise(
        function, symbol, f"a {symbol} b.  No gradient", eager=eager, vjp=(None, None), samples=()
    )
for function, symbol in PROPERTIES.items():
    elementwise(
        function,
        symbol,
        f"{function.__name__} x.  No gradient: it is 0 wherever it exists",
        vjp=(None,),
        samples=(),
    )


def enter(function: Callable[..., object], operands: int = 1, **fields: Any) -> Primitive:
    """Record a NumPy function whose arguments after the operands are static.

    `fields` are those of `general`.
    """
    names = argument_names(function)[operands:]
    row = general(
        function,
        function.__name__,
        f"numpy.{function.__name__}.  No gradient",
        vjp=None,
        samples=(),
        params=tuple(name for name in names if name != "out"),
        **fields,
    )

    @implements(function)
    def call(*args: object, **kwargs: object) -> Array:
        static = dict(zip(names, args[operands:], strict=False)) | kwargs
        refuse_out(row.name, static.pop("out", None))
        static = {name: plain(x, f"np.{row.name}") for name, x in static.items()}
        return row(*args[:operands], **static)

    return row


def _count_code(x: Written, **static: object) -> str:
    """Return a count as a NumPy integer."""
    given = "".join(f", {name}={value!r}" for name, value in static.items())
    return f"np.asarray(np.count_nonzero({x}{given}))[()]"


ROUNDS_IN_PLACE = bool(np.lib.NumpyVersion(np.__version__) < "2.4.0")


def _rounds_nothing(x: Any, decimals: int = 0) -> bool:
    """Whether NumPy returns the array itself: integers, before 2.4."""
    return ROUNDS_IN_PLACE and x.dtype.kind in "biu" and decimals >= 0


# Before 2.3 NumPy counts in Python integers, which have no dtype.
COUNTING: dict[str, Any] = {
    "eager": lambda x, **static: np.asarray(np.count_nonzero(x, **static))[()],
    "code": _count_code,
}
if isinstance(np.count_nonzero(np.ones(1)), np.integer):
    COUNTING = {}

for function in (
    *(np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition),
    *(np.isneginf, np.isposinf, np.isreal, np.iscomplex),
):
    enter(function)
for function in (np.searchsorted, np.isclose, np.isin, np.digitize):
    enter(function, operands=2)
for function in (np.round, np.around):
    enter(function, view=_rounds_nothing)
for function in numpy_functions("fix"):  # deprecated in NumPy 2.5, where it is np.trunc
    enter(function, eager=np.trunc)
every, some = enter(np.all), enter(np.any)
enter(np.count_nonzero, **COUNTING)


@implements(np.all)
def all(
    a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """Test whether all elements along axes are true, of those that a mask holds.  No gradient."""
    x = a if where is True else np.logical_or(a, np.logical_not(where))
    return every(x, axis=axis, keepdims=bool(keepdims))


@implements(np.any)
def any(
    a: Any, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """Test whether any element along axes is true, of those that a mask holds.  No gradient."""
    x = a if where is True else np.logical_and(a, where)
    return some(x, axis=axis, keepdims=bool(keepdims))


SHAPES_ONLY = (
    *(np.can_cast, np.common_type, np.min_scalar_type, np.result_type),
    *(np.iscomplexobj, np.isrealobj, np.may_share_memory, np.shares_memory),
    *(np.ndim, np.shape, np.size, np.empty_like, np.ones_like, np.zeros_like),
    *(np.diag_indices_from, np.tril_indices_from, np.triu_indices_from),
)
"""Functions that look at shapes and dtypes, and return plain values."""

VALUES_ONLY = (
    *SHAPES_ONLY,
    *(np.allclose, np.array_equal, np.array_equiv, np.array2string, np.array_repr, np.array_str),
    *(np.argwhere, np.flatnonzero, np.ix_, np.lexsort, np.nonzero),
    *(np.ravel_multi_index, np.unravel_index),
    *(np.save, np.savetxt, np.savez, np.savez_compressed),
)
"""Functions that look at values or shapes and return plain ones: nothing flows through them."""


def plain(value: Any, what: str) -> Any:
    """Return a tensor's value, also of those in a list; a trace must not depend on it."""
    if isinstance(value, Tensor):
        return read_value(value, what)
    if type(value) in (list, tuple):
        return type(value)(plain(v, what) for v in value)
    return value


def _on_values(function: Any) -> Rule:
    """Make the function that calls NumPy's with values in place of tensors."""
    name = f"np.{function.__name__}"

    def call(*args: object, **kwargs: object) -> Any:
        if function in SHAPES_ONLY:
            return function(*map(value_of, args), **{k: value_of(v) for k, v in kwargs.items()})
        return function(*plain(args, name), **{k: plain(v, name) for k, v in kwargs.items()})

    call.__name__ = function.__name__
    return call


@implements(np.full_like)
def full_like(a: object, fill_value: Numbers, dtype: Any = None, **kwargs: Any) -> Array:
    """Repeat a value to the shape of `a`; a tensor's gradient flows through."""
    kind = np.result_type(value_of(a)) if dtype is None else np.dtype(dtype)
    if not isinstance(fill_value, Tensor):
        return np.full_like(value_of(a), fill_value, kind, **kwargs)
    shape = kwargs.get("shape") or np.shape(value_of(a))
    return np.broadcast_to(astype(fill_value, kind), shape)


for function in VALUES_ONLY:
    table[function] = _on_values(function)


UniqueAll: Any = type(np.unique_all(np.ones(1)))
UniqueCounts: Any = type(np.unique_counts(np.ones(1)))
UniqueInverse: Any = type(np.unique_inverse(np.ones(1)))
numpy_unique: Any = np.unique  # NumPy's stubs want literals where ours are variables


@implements_by_name(np.unique)
def unique(
    ar: Numbers, return_index: bool = False, axis: int | None = None, **asked: object
) -> Any:
    """Return the different elements, or slices along an axis.  ∂ar: g at the first of each."""
    x = subject(ar)
    # NumPy sorts wherever it is asked for the first places, and knew no `sorted` before 2.3.
    asked.pop("sorted", None)
    _, first, *rest = numpy_unique(plain_value("np.unique", x), True, axis=axis, **asked)
    y = take(x, first) if axis is None else take(x, first, axis_of("unique", x, axis))
    found = [y, *([first] if return_index else []), *rest]
    return tuple(found) if len(found) > 1 else y


@implements(np.unique_values)
def unique_values(x: Numbers) -> Tensor:
    """Return the different elements, NaN each for itself.  ∂x: g at the first of each."""
    return unique(x, equal_nan=False, sorted=False)


@implements(np.unique_counts)
def unique_counts(x: Numbers) -> tuple[Array, Array]:
    """Return the different elements and how often each is there.  ∂x: g at the first of each."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False))


@implements(np.unique_inverse)
def unique_inverse(x: Numbers) -> tuple[Array, Array]:
    """Return the different elements and the number of each element.  ∂x: g at the first of each."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False))


@implements(np.unique_all)
def unique_all(x: Numbers) -> tuple[Array, Array, Array, Array]:
    """Return the different elements, their places, numbers and counts.  ∂x: g at the first."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False))


@implements(np.union1d)
@scope("union1d")
def union1d(ar1: object, ar2: object) -> Tensor:
    """Return the different elements of both.  ∂: g at the first of each."""
    return unique(np.concatenate([np.ravel(subject(ar1)), np.ravel(subject(ar2))]))


@implements(np.intersect1d)
def intersect1d(
    ar1: object, ar2: object, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """Return the elements that both have.  ∂ar1: g at the first of each  ∂ar2: 0."""
    x, other = subject(ar1), subject(ar2)
    _, first, second = np.intersect1d(
        plain_value("np.intersect1d", x), plain_value("np.intersect1d", other), assume_unique, True
    )
    y = take(x, first).astype(np.result_type(x.dtype, other.dtype))
    return (y, first, second) if return_indices else y


@implements(np.setdiff1d)
def setdiff1d(ar1: Numbers, ar2: Numbers, assume_unique: bool = False) -> Array:
    """Return the elements that only the first has.  ∂ar1: g at the first of each."""
    x = np.ravel(subject(ar1)) if assume_unique else unique(ar1)
    inside = np.isin(plain_value("np.setdiff1d", x), plain_value("np.setdiff1d", subject(ar2)))
    return take(x, np.flatnonzero(~inside))


@implements(np.setxor1d)
@scope("setxor1d")
def setxor1d(ar1: object, ar2: object, assume_unique: bool = False) -> Tensor:
    """Return the elements that only one of both has.  ∂: g at the first of each."""
    x, other = (np.ravel(subject(a)) if assume_unique else unique(a) for a in (ar1, ar2))
    return unique(np.concatenate([setdiff1d(x, other, True), setdiff1d(other, x, True)]))
