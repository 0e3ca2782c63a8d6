"""Choosing between values: where, select, maximum (½ each at a tie), clip, numbers for NaN.

The reductions `max` and `min` share ties too, in `reductions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, plain_array
from ..core.primitive import Primitive, case, elementwise, implements
from ..core.record import check_operand, result_dtype, scope, value_of
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError, UnsupportedError
from .conversion import convert_operand

where: Primitive = elementwise(
    np.where,
    "where",
    "a where c, else b.  ∂a: 1 where c  ∂b: 1 where not c; the untaken branch gets exactly 0",
    vjp=(
        None,
        lambda g, y, c, a, b: where(c, g, 0),
        lambda g, y, c, a, b: where(c, 0, g),
    ),
    samples=(
        case(np.array([True, False, True]), (3,), (2, 3)),
        case(np.bool(True), (), ()),
        case(np.array([[True], [False]]), (2, 4), (4,)),
    ),
    selects=True,
)


@implements(np.where)
def where_function(condition: Array, *branches: object) -> Any:
    """Choose by condition; with the condition alone, the indices where it holds."""
    if not branches:
        return np.nonzero(condition)
    return where(condition, *branches)


def _half_at_ties(g: Array, ahead: Array, tied: Array) -> Array:
    """Pass g where this operand wins, and half of it where both do."""
    return where(ahead, g, where(tied, 0.5 * g, 0))


def _extreme(
    function: np.ufunc, symbol: str, doc: str, wins: Callable[[Array, Array], Array]
) -> Primitive:
    """Declare the larger or smaller of two operands; `wins(a, b)` tells where a is passed on."""
    return elementwise(
        function,
        symbol,
        doc,
        vjp=(
            lambda g, y, a, b: _half_at_ties(g, wins(a, b), a == b),
            lambda g, y, a, b: _half_at_ties(g, wins(b, a), a == b),
        ),
        kink=lambda a, b: a - b,
    )


maximum = _extreme(
    np.maximum,
    "max",
    "The larger of a and b.  ∂: 1 for the larger, ½ each at a tie",
    lambda a, b: a > b,
)
minimum = _extreme(
    np.minimum,
    "min",
    "The smaller of a and b.  ∂: 1 for the smaller, ½ each at a tie",
    lambda a, b: a < b,
)
fmax = _extreme(
    np.fmax,
    "fmax",
    "The larger of a and b, ignoring NaN.  ∂: as maximum",
    lambda a, b: (a > b) | np.isnan(b),
)
fmin = _extreme(
    np.fmin,
    "fmin",
    "The smaller of a and b, ignoring NaN.  ∂: as minimum",
    lambda a, b: (a < b) | np.isnan(b),
)
clip = elementwise(
    np.clip,
    "clip",
    "x limited to [a, b].  ∂x: 1 strictly inside, 0 at the bounds  ∂a: 1 below a  ∂b: 1 above b",
    vjp=(
        lambda g, y, x, a, b: g * ((x > a) & (x < b)),
        lambda g, y, x, a, b: g * ((x < a) & (a < b)),
        lambda g, y, x, a, b: g * ((x > b) | (a >= b)),
    ),
    samples=(case((3, 4), -1.0, 1.0), case((), -0.5, 0.5), case((2, 3), (3,), 1.5)),
    kink=lambda x, a, b: (x - a) * (x - b) * (a - b),
)


@implements(np.clip)
def clip_function(
    x: object,
    a_min: Numbers | None = None,
    a_max: object = None,
    out: None = None,
    *,
    min: object = None,
    max: object = None,
) -> Tensor:
    """Limit x to [min, max]; either may be None."""
    x = check_operand(x)
    low = check_operand(a_min if a_min is not None else min)
    high = check_operand(a_max if a_max is not None else max)
    given = [value_of(v) for v in (x, low, high) if v is not None]
    lowest, highest = _limits(np.result_type(*given))
    return clip(x, lowest if low is None else low, highest if high is None else high)


def _limits(dtype: np.dtype[Any]) -> tuple[object, object]:
    """Return the smallest and the largest value of a dtype as plain numbers, which upcast nothing.

    Raises:
        UnsupportedError: for complex numbers, which have no order.
    """
    if dtype.kind == "c":
        raise UnsupportedError("clip: complex numbers have no order; clip t.real and t.imag")
    if dtype.kind == "f":
        return -np.inf, np.inf
    return (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


@implements(np.select)
@scope("select")
def select(
    condlist: Sequence[Numbers], choicelist: Sequence[Numbers], default: object = 0
) -> Array:
    """Choose, place by place, by the first condition that holds.  ∂choice: g where it is chosen.

    Raises:
        ArgumentError: if there are not as many choices as conditions, or none.
        OperandError: if a condition is not boolean.
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ArgumentError(
            f"select: {len(condlist)} conditions for {len(choicelist)} choices; expected equal "
            "numbers, at least 1"
        )
    plain = (int, float, complex)
    choices = [c if type(c) in plain else check_operand(c) for c in (*choicelist, default)]
    dtype = result_dtype(*choices)
    result = convert_operand(choices[-1], dtype)
    for i, condition in reversed(list(enumerate(condlist))):
        holds = condition if isinstance(condition, Tensor) else plain_array(condition)
        if holds.dtype.kind != "b":
            raise OperandError(f"select: condition {i} is {holds.dtype}, expected booleans")
        result = where(holds, convert_operand(choices[i], dtype), result)
    return result


@implements(np.nan_to_num)
@scope("nan_to_num")
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Put numbers in place of NaN and infinities.  ∂x: 1 at finite elements, 0 at replaced ones.

    Raises:
        UnsupportedError: for copy=False, which would write in place.
    """
    if not copy:
        raise UnsupportedError(
            "nan_to_num: copy=False would change the tensor in place; write t = np.nan_to_num(t)"
        )
    x = check_operand(x)
    kind = np.result_type(value_of(x)).kind
    if kind not in "fc":
        return np.copy(x)
    if kind == "c":
        parts = (
            nan_to_num(part, nan=nan, posinf=posinf, neginf=neginf) for part in (x.real, x.imag)
        )
        re, im = parts
        return re + np.asarray(1j, np.result_type(value_of(x)))[()] * im
    largest = np.finfo(np.result_type(value_of(x))).max
    for bad, value in (
        (np.isnan(x), nan),
        (np.isposinf(x), largest if posinf is None else posinf),
        (np.isneginf(x), -largest if neginf is None else neginf),
    ):
        x = where(bad, convert_operand(value, x.dtype), x)
    return x
