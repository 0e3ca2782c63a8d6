"""NumPy's values as this library holds them: numeric arrays, and scalars where they are 0-d."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .errors import ConversionError, OperandError


class SupportsArray(Protocol):
    """What NumPy can make an array of: arrays, their scalars, tensors, columns of a table."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Return an array."""


Numbers = SupportsArray | complex | list[Any] | tuple[Any, ...]
"""What a function of ours takes: for type checkers, to which text is an `ArrayLike`."""

PLAIN = frozenset({float, int, bool, np.ndarray, np.float64, np.float32, np.int64, np.bool})
"""Exact classes of operands that need no look before NumPy gets them."""


def as_array(value: Any, dtype: Any = None, *, copy: bool = False) -> Any:
    """Return `value` as a numeric NumPy array, or as a NumPy scalar when it is 0-d.

    Its byte order is this machine's.

    Raises:
        OperandError: for text, ragged lists, objects, dates and None.
        ConversionError: for containers of tensors that require a gradient.
    """
    try:
        array = np.array(value, dtype=dtype, copy=True if copy else None)
    except ConversionError:
        raise
    except (ValueError, TypeError) as error:
        raise OperandError(f"not an array of numbers: {_short(value)} ({error})") from error
    if array.dtype.kind not in "biufc":
        raise OperandError(
            f"not an array of numbers: {_short(value)} has dtype {array.dtype}; "
            "expected numbers or booleans in a rectangular array"
        )
    if not array.dtype.isnative:  # NumPy's results are native, so let all values be
        array = array.astype(array.dtype.type)
    return array if array.ndim else array[()]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def normal(data: Any) -> Any:
    """Return 0-d arrays as NumPy scalars, whose arithmetic is ten times faster.

    `1j * np.float64(2)` is Python's complex, which takes a float64 for a float.
    """
    if type(data) is np.ndarray:
        return data if data.ndim else data[()]
    return np.complex128(data) if type(data) is complex else data
