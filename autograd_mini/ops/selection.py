"""Choosing between values: where, maximum, clip, relu, abs-like kinks, sorting order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..operation import operand, value_of
from ..primitives import Primitive, case, elementwise, implements
from ..tensors import Tensor

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
def where_function(condition: Any, *branches: Any) -> Any:
    """Choose by condition; with the condition alone, the indices where it holds."""
    if not branches:
        return np.nonzero(condition._value if isinstance(condition, Tensor) else condition)
    return where(condition, *branches)


def half_at_ties(g: Any, ahead: Any, tied: Any) -> Any:
    """Pass g where this operand wins, and half of it where both do."""
    return where(ahead, g, where(tied, 0.5 * g, 0))


maximum = elementwise(
    np.maximum,
    "max",
    "The larger of a and b.  ∂: 1 for the larger, ½ each at a tie",
    vjp=(
        lambda g, y, a, b: half_at_ties(g, a > b, a == b),
        lambda g, y, a, b: half_at_ties(g, b > a, a == b),
    ),
    kink=lambda a, b: a - b,
)
minimum = elementwise(
    np.minimum,
    "min",
    "The smaller of a and b.  ∂: 1 for the smaller, ½ each at a tie",
    vjp=(
        lambda g, y, a, b: half_at_ties(g, a < b, a == b),
        lambda g, y, a, b: half_at_ties(g, b < a, a == b),
    ),
    kink=lambda a, b: a - b,
)
fmax = elementwise(
    np.fmax,
    "fmax",
    "The larger of a and b, ignoring NaN.  ∂: as maximum",
    vjp=(
        lambda g, y, a, b: half_at_ties(g, (a > b) | np.isnan(b), a == b),
        lambda g, y, a, b: half_at_ties(g, (b > a) | np.isnan(a), a == b),
    ),
    kink=lambda a, b: a - b,
)
fmin = elementwise(
    np.fmin,
    "fmin",
    "The smaller of a and b, ignoring NaN.  ∂: as minimum",
    vjp=(
        lambda g, y, a, b: half_at_ties(g, (a < b) | np.isnan(b), a == b),
        lambda g, y, a, b: half_at_ties(g, (b < a) | np.isnan(a), a == b),
    ),
    kink=lambda a, b: a - b,
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
    x: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: None = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    """Limit x to [min, max]; either may be None."""
    x = operand(x)
    low = operand(a_min if a_min is not None else min)
    high = operand(a_max if a_max is not None else max)
    given = [value_of(v) for v in (x, low, high) if v is not None]
    lowest, highest = limits(np.result_type(*given))
    return clip(x, lowest if low is None else low, highest if high is None else high)


def limits(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the smallest and the largest value of a dtype as plain numbers, which upcast nothing.

    Raises:
        UnsupportedError: for complex numbers, which have no order.
    """
    if dtype.kind == "c":
        raise UnsupportedError("clip: complex numbers have no order; clip t.real and t.imag")
    if dtype.kind == "f":
        return -np.inf, np.inf
    return (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
