"""A fingerprint tells arrays apart after the changes that programs make to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_mini.core.arrays import fingerprint

SIZES = (2, 8, 64, 4096, 10_000, 40_001)
DTYPES = ("f4", "f8", "f2", "c8", "c16", "i1", "i8", "u2")


def negate(a: Any) -> None:
    np.negative(a, out=a)


CHANGES = {
    "all signs": lambda a: np.negative(a, out=a),
    "signs of two": lambda a: np.negative(a[:2], out=a[:2]),
    "signs of a half": lambda a: np.negative(
        a[: len(a) // 2 * 2 : 2], out=a[: len(a) // 2 * 2 : 2]
    ),
    "conjugated": lambda a: (
        np.conjugate(a, out=a) if a.dtype.kind == "c" else np.negative(a, out=a)
    ),
    "zeroed": lambda a: a.fill(0),
    "doubled": lambda a: np.multiply(a, 2, out=a),
    "reversed": lambda a: np.copyto(a, a[::-1].copy()),
    "two swapped": lambda a: np.copyto(a[:2], a[1::-1].copy()),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("size", SIZES)
def test_changes_in_place_are_seen(size: int, change: str, dtype: str) -> None:
    rng = np.random.default_rng(size)
    for trial in range(5):
        a: Any = rng.integers(1, 100, size).astype(dtype)
        if a.dtype.kind == "c":
            a += 1j * rng.integers(1, 100, size)
        before, kept = fingerprint(a), a.copy()
        CHANGES[change](a)
        assert np.array_equal(a, kept) or fingerprint(a) != before, trial


@pytest.mark.parametrize("values", [(-1, 1), (0, 1), (0, 2), (-1, 0, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i1"])
def test_masks_that_are_refilled_are_seen(values: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    for size in (64, 4096, 20_000):
        known = {fingerprint(rng.choice(values, size).astype(dtype)) for _ in range(200)}
        assert len(known) == 200
