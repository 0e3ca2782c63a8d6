"""NumPy's values as this library holds them: arrays, scalars where they are 0-d; fingerprints.

A fingerprint of an array's content shows later whether it was written into. The bytes are read as
64-bit integers and added up with odd weights modulo 2⁶⁴, first in rows of a fixed length, then over
the rows. An odd weight has an inverse, so a change of one element always shows. Other changes, as
two elements that trade places, are missed with a probability of about 2⁻⁶⁰, the weights being
random. Read at 20 GB/s, where a cryptographic hash reads at 1 to 4.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from ..errors import ConversionError, OperandError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class SupportsArray(Protocol):
    """What NumPy can make an array of: arrays, their scalars, tensors, columns of a table."""

    def __array__(self) -> Any:
        """Return an array."""


class Array(SupportsArray, Protocol):
    """An array, a NumPy scalar or a tensor: what a rule may do with any of them."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def T(self) -> Array: ...  # noqa: N802  # NumPy's name
    @property
    def mT(self) -> Array: ...  # noqa: N802  # NumPy's name
    @property
    def real(self) -> Array: ...
    @property
    def imag(self) -> Array: ...
    def conj(self) -> Array: ...
    def astype(self, *args: Any, **kwargs: Any) -> Any: ...
    def reshape(self, *args: Any, **kwargs: Any) -> Array: ...
    def __getitem__(self, index: Any, /) -> Any: ...
    def __add__(self, other: Any, /) -> Any: ...
    def __radd__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __rsub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __rmul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...
    def __rtruediv__(self, other: Any, /) -> Any: ...
    def __pow__(self, other: Any, /) -> Any: ...
    def __rpow__(self, other: Any, /) -> Any: ...
    def __matmul__(self, other: Any, /) -> Any: ...
    def __lt__(self, other: Any, /) -> Any: ...
    def __le__(self, other: Any, /) -> Any: ...
    def __gt__(self, other: Any, /) -> Any: ...
    def __ge__(self, other: Any, /) -> Any: ...
    def __neg__(self) -> Array: ...
    def __abs__(self) -> Array: ...
    def __invert__(self) -> Array: ...
    def __eq__(self, other: object, /) -> Any: ...
    def __ne__(self, other: object, /) -> Any: ...
    def __len__(self) -> int: ...
    def __float__(self) -> float: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...


Numbers = SupportsArray | complex | list[Any] | tuple[Any, ...]
"""The type of an array argument, for type checkers. NumPy's `ArrayLike` would also allow text."""

PLAIN = frozenset({float, int, bool, np.ndarray, np.float64, np.float32, np.int64, np.bool})
"""Exact classes of operands that need no look before NumPy gets them."""


def as_array(value: object, dtype: DTypeLike | None = None, *, copy: bool = False) -> Any:
    """Return `value` as a numeric NumPy array, or as a NumPy scalar when it is 0-d.

    Its byte order is this machine's.

    Raises:
        OperandError: for text, ragged lists, objects, dates and None; for masked arrays and
            matrices, which would lose what they are.
        ConversionError: for containers of tensors that require a gradient.
    """
    if type(value) is not np.ndarray:
        refuse_special(value)
    try:
        array = np.array(value, dtype=dtype, copy=True if copy else None)
    except ConversionError:
        raise
    except (ValueError, TypeError) as error:
        raise OperandError(f"not an array of numbers: {_short(value)} ({error})") from error
    if value is None:
        raise OperandError(
            "not an array of numbers: None; a function or a forward without a return gives None"
        )
    if array.dtype.kind not in "biufc":
        raise OperandError(
            f"not an array of numbers: {_short(value)} has dtype {array.dtype}; "
            "expected numbers or booleans in a rectangular array"
        )
    if not array.dtype.isnative:  # NumPy's results are native, so let all values be
        array = array.astype(array.dtype.type)
    return array if array.ndim else array[()]


def refuse_special(value: Any) -> None:
    """Refuse masked arrays and matrices, also in lists: as plain arrays they are others.

    Raises:
        OperandError: for one of them.
    """
    if isinstance(value, np.ndarray):
        masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
        if isinstance(value, masked):
            raise OperandError(
                f"a masked array of shape {value.shape} would lose its mask; give x.filled(0) and "
                "multiply by the weights ~np.ma.getmaskarray(x), or x.compressed() for the valid "
                "elements alone"
            )
        if isinstance(value, np.matrix):
            raise OperandError(
                f"np.matrix of shape {value.shape} would lose its product; give np.asarray(m), "
                "and write @ for products of matrices"
            )
    elif type(value) in (list, tuple) and value and not isinstance(value[0], NUMBERS):
        for part in value:
            refuse_special(part)


def plain_array(value: object) -> np.ndarray:
    """Return anything as an array, as NumPy does: places, counts or conditions.

    Raises:
        OperandError: for masked arrays and matrices.
    """
    refuse_special(value)
    return np.asarray(value)


def is_foreign(value: object) -> bool:
    """Tell whether a value is an array of another library, with its own rules for operators.

    As a plain array it would lose what it is: labels, units, a device, a graph.
    """
    return not isinstance(value, KNOWN) and foreign_kind(type(value))


def foreign_kind(kind: type) -> bool:
    """Tell the class of such arrays: it takes part in NumPy's protocols and is not NumPy's own."""
    if issubclass(kind, np.ndarray):
        own, priority = np.ndarray, getattr(kind, "__array_priority__", 0)
        return not (
            kind.__array_ufunc__ is own.__array_ufunc__
            and kind.__array_function__ is own.__array_function__
            and not (isinstance(priority, int | float) and priority > 0)
        )
    return any(hasattr(kind, name) for name in PROTOCOLS)


NUMBERS = (np.generic, int, float, complex)
KNOWN = (*NUMBERS, list, tuple)
PROTOCOLS = ("__array_ufunc__", "__array_function__", "__array_priority__")


def foreign_error(value: object) -> OperandError:
    """Return the error about an array of another library where it would be converted."""
    kind = type(value)
    return OperandError(
        f"a {kind.__name__} of {kind.__module__.partition('.')[0]} would lose what it is, as its "
        "labels or units; give its numbers as an array: x.to_numpy(), or np.asarray(x)"
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def scalar_if_0d(data: object) -> Any:
    """Return 0-d arrays as NumPy scalars, whose arithmetic is ten times faster.

    `1j * np.float64(2)` is Python's complex, which takes a float64 for a float.
    """
    if type(data) is np.ndarray:
        return data if data.ndim else data[()]
    return np.complex128(data) if type(data) is complex else data


ROW: Final = 1024
"""How many 64-bit integers are added up with one set of weights."""
MODULUS: Final = 1 << 64


def fingerprint(array: np.ndarray) -> int:
    """Return a number that changes with the content of an array, but for bad luck.

    Shape and dtype are not part of it.

    >>> a = np.arange(5.0)
    >>> before = fingerprint(a)
    >>> a[3] = -3.0
    >>> fingerprint(a) == before
    False
    """
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    words = _mix_bits(flat[: len(flat) & ~7].view(np.uint64))
    total = int.from_bytes(flat[len(flat) & ~7 :].tobytes(), "little")
    whole = len(words) // ROW * ROW
    total += int(np.vdot(words[whole:], weights(ROW - 1)[: len(words) - whole]))
    if whole:
        rows = np.einsum("ij,j->i", words[:whole].reshape(-1, ROW), weights(ROW))
        total += int(np.vdot(rows, weights(ROW << len(rows).bit_length())[ROW : ROW + len(rows)]))
    return total % MODULUS


def _mix_bits(words: np.ndarray) -> np.ndarray:
    """Bring the upper bits of words down, too: a sum modulo 2⁶⁴ loses most of the uppermost bit.

    Changed signs of an even number of elements would cancel.
    """
    lower = words >> np.uint64(43)
    lower ^= words
    return lower


@cache
def weights(count: int) -> np.ndarray:
    """Return random odd numbers, the same in every process."""
    drawn = np.random.default_rng(count).integers(0, MODULUS - 1, size=count, dtype=np.uint64)
    return drawn | np.uint64(1)
