"""Numbers between two ends: linspace, logspace, geomspace. The ends may be tensors."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.primitive import implements
from ..core.record import check_operand, result_dtype, value_of
from ..errors import ArgumentError
from .conversion import convert_operand
from .rearranging import plain_value
from .selection import where
from .shapes import common_shape

if TYPE_CHECKING:
    from ..core.arrays import Numbers

# NumPy's stubs want a literal retstep and known dtypes.
plain_linspace: Any = np.linspace
plain_logspace: Any = np.logspace
plain_geomspace: Any = np.geomspace

numpy_linspace: Any = np.linspace  # NumPy's stubs want literals where ours are variables
numpy_logspace: Any = np.logspace
numpy_geomspace: Any = np.geomspace


def places(name: str, start: Numbers, stop: Numbers, num: int, endpoint: bool) -> np.ndarray:
    """Return how far each number lies from start to stop, 0 to 1, along a new first axis.

    Raises:
        ArgumentError: for a negative number of numbers.
    """
    if num < 0:
        raise ArgumentError(f"{name}: the number of samples is {num}; expected 0 or more")
    axes = len(common_shape(name, (start, stop)))
    kind = result_dtype(start, stop, 1.0)
    t = np.arange(num) / max(num - 1 if endpoint else num, 1)
    return np.reshape(t, (num, *(1,) * axes)).astype(np.empty(0, kind).real.dtype)


def _lay_axis(y: Any, axis: int, dtype: Any) -> Any:
    """Put the first axis where it is wanted, and convert."""
    y = np.moveaxis(y, 0, axis) if axis else y
    return y if dtype is None or np.dtype(dtype) == y.dtype else convert_operand(y, dtype)


def _of_integers(dtype: Any) -> bool:
    """Whether the results are to be integers, which carry no gradient."""
    return dtype is not None and np.dtype(dtype).kind not in "fc"


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: object = None,
    axis: int = 0,
    *,
    device: object = None,
) -> Any:
    """Return numbers at equal distances, t = 0, …, 1 of the way.  ∂start: 1 − t  ∂stop: t."""
    if _of_integers(dtype):
        ends: Any = [plain_value("np.linspace", x) for x in (start, stop)]
        return plain_linspace(*ends, num, endpoint, retstep, dtype, axis)
    start, stop, num = check_operand(start), check_operand(stop), operator.index(num)
    t = places("linspace", start, stop, num, endpoint)
    y = _lay_axis(start * (1 - t) + stop * t, axis, dtype)
    steps = num - 1 if endpoint else num
    return (y, (stop - start) * (1 / steps if steps > 0 else math.nan)) if retstep else y


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return powers of base, with exponents from linspace.  ∂: as of power and linspace."""
    if _of_integers(dtype):
        ends: Any = [plain_value("np.logspace", x) for x in (start, stop)]
        return plain_logspace(*ends, num, endpoint, plain_value("np.logspace", base), dtype, axis)
    start, stop, base = check_operand(start), check_operand(stop), check_operand(base)
    axes = len(common_shape("logspace", (start, stop, base)))
    if np.ndim(base):  # its axes are those of the results, counted from the end
        start, stop = (
            np.reshape(x, (1,) * (axes - np.ndim(x)) + np.shape(x)) for x in (start, stop)
        )
    return _lay_axis(np.power(base, linspace(start, stop, num, endpoint)), axis, dtype)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: object = None, axis: int = 0
) -> Any:
    """Return numbers at equal ratios, t = 0, …, 1 of the way.

    ∂start: (1 − t)·y/start  ∂stop: t·y/stop.

    Raises:
        ArgumentError: for an end that is 0.
    """
    if _of_integers(dtype):
        ends: Any = [plain_value("np.geomspace", x) for x in (start, stop)]
        return plain_geomspace(*ends, num, endpoint, dtype, axis)
    start, stop, num = check_operand(start), check_operand(stop), operator.index(num)
    if not np.all(np.logical_and(value_of(start), value_of(stop))):
        raise ArgumentError("geomspace: an end is 0, and no ratio leads from 0 to another number")
    kind = result_dtype(start, stop, np.float64)  # NumPy's choice
    start, stop = convert_operand(start, kind), convert_operand(stop, kind)
    t = places("geomspace", start, stop, num, endpoint)
    y = start * np.power(stop / start, t)
    return _lay_axis(where(t == 1, stop, y), axis, dtype)  # the end itself, without rounding
