"""When two plain values are the same for a program: bit for bit, and of one type."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

IMMUTABLE: Final = (int, float, complex, bool, str, bytes, type(None), type(...))
"""Exact types of values without parts, which never change."""


def is_plain_value(x: Any) -> bool:
    """Tell whether a value consists of numbers and texts only, and can never change."""
    kind = type(x)
    if kind in IMMUTABLE or isinstance(x, np.generic | np.dtype):
        return not isinstance(x, np.void | np.object_)  # a row of a table, which changes with it
    if kind is slice:
        return is_plain_value((x.start, x.stop, x.step))
    return kind is range or (kind in (tuple, frozenset) and all(map(is_plain_value, x)))


def is_identical(x: Any, y: Any) -> bool:
    """Tell whether two values are the same in every respect that a program could see.

    It compares types, the bits of numbers, shape, dtype and elements of arrays, and the order of
    dicts. Arguments of random draws are compared by content, all other objects by identity.

    >>> is_identical(0.0, -0.0), is_identical(float("nan"), float("nan")), is_identical(1, True)
    (False, True, False)
    """
    if x is y:
        return True
    kind = type(x)
    if kind is not type(y):
        return False
    if kind is float:
        return (x != x and y != y) or struct.pack("d", x) == struct.pack("d", y)
    if kind is complex:
        return is_identical(x.real, y.real) and is_identical(x.imag, y.imag)
    if kind in IMMUTABLE or kind is range:
        return bool(x == y)
    if isinstance(x, np.dtype):
        return bool(x == y)
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype == y.dtype and x.shape == y.shape and has_same_bits(x, y)
    if kind is slice:
        return is_identical((x.start, x.stop, x.step), (y.start, y.stop, y.step))
    if isinstance(x, tuple | list):
        return len(x) == len(y) and all(map(is_identical, x, y))
    if kind is dict:
        return is_identical([*x.items()], [*y.items()])
    if kind is frozenset:
        return bool(x == y) and sorted(map(_text, x)) == sorted(map(_text, y))
    compare = getattr(kind, "is_identical", None)
    return compare is not None and bool(compare(x, y))


def has_same_bits(x: Any, y: Any) -> bool:
    """Tell whether arrays of one shape and dtype hold the same bits; NaN is equal to NaN only."""
    if x.dtype.kind in "fc":
        equal = (x == y) & (np.signbit(x.real) == np.signbit(y.real))
        if x.dtype.kind == "c":
            equal &= np.signbit(x.imag) == np.signbit(y.imag)
        return bool((equal | ((x != x) & (y != y))).all())
    if x.dtype.hasobject:
        return all(map(is_identical, np.ravel(x).tolist(), np.ravel(y).tolist()))
    return bool((x == y).all())


def _text(x: object) -> str:
    return f"{type(x).__qualname__} {x!r}"
