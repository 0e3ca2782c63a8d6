"""Indexing under vmap equals indexing example by example, for every kind of index."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

SIZE = 2
X = np.random.default_rng(0).normal(size=(SIZE, 5, 3, 4))
I = np.array([2, 0, 2])  # noqa: E741  # an index
J = np.array([[1], [0]])
B = np.array([True, False, True])
MI = np.array([[2, 0, 1], [1, 2, 0]])
MJ = np.array([[[1], [2]], [[0], [2]]])
MS = np.array([1, 2])
ALL = slice(None)

INDICES: list[tuple[Any, ...]] = [
    (1,),
    (ALL, 1),
    (..., 2, None),
    (None, slice(3, None, -2), ..., 1),
    (I,),
    (ALL, I),
    (ALL, ALL, I),
    (I, J),
    (ALL, I, J),
    (I, ALL, J),
    (0, ALL, I),
    (ALL, 0, I),
    (ALL, I, ..., J),
    (ALL, I, None, J),
    (..., I),
    (None, ALL, I, 1),
    (ALL, B),
    (ALL, B, I[:2]),
    (np.arange(60).reshape(5, 3, 4) % 7 == 0,),
    (ALL, np.arange(12).reshape(3, 4) % 5 == 0),
    (ALL, np.int64(1), ..., np.int64(2)),
    (np.int64(1), ALL, I),
]
"""Of one example; the same for all."""

MAPPED: list[tuple[Any, ...]] = [
    (MI,),
    (ALL, MI),
    (ALL, ALL, MI),
    (MI, MI),
    (MI, J),
    (ALL, MI, J),
    (MI, ALL, I),
    (0, ALL, MI),
    (ALL, 0, MI),
    (ALL, MI, ..., MJ),
    (ALL, MI, None, MJ),
    (..., MJ),
    (None, ALL, MJ, 1),
    (MS,),
    (ALL, MS, ALL),
    (ALL, MS, MI),
    (MS, ALL, MI),
    (MS, ALL, MS),
    (1, ALL, MS),
    (ALL, B, MS),
    (slice(1, 3), MI, ..., None, 2),
]
"""Whose mapped arrays have the examples in front."""

KINDS = [*((index, False) for index in INDICES), *((index, True) for index in MAPPED)]


def is_mapped(part: Any) -> bool:
    return any(part is m for m in (MI, MJ, MS))


def of_example(index: tuple[Any, ...], arrays: Any) -> tuple[Any, ...]:
    """Put an example's arrays in the place of mapped ones."""
    given = iter(arrays)
    return tuple(next(given) if is_mapped(part) else part for part in index)


def mapped_arrays(index: tuple[Any, ...]) -> list[Any]:
    return [part for part in index if is_mapped(part)]


@pytest.mark.parametrize(("index", "mapped"), KINDS)
@pytest.mark.parametrize("inner", [True, False])
def test_getting_and_its_gradient(index: Any, mapped: bool, inner: bool) -> None:
    if not (inner or mapped):
        return
    arrays = mapped_arrays(index)
    x = X if inner else X[0]

    def get(x: Any, *own: Any) -> Any:
        return x[of_example(index, own)]

    def gradient(x: Any, *own: Any) -> Any:
        return am.grad(lambda x: np.sum(np.sin(x[of_example(index, own)])))(x)

    axes = (0 if inner else None, *(0 for _ in arrays))
    for function in (get, gradient):
        found = am.vmap(function, in_axes=axes)(x, *arrays)
        expected = [function(X[i] if inner else x, *(a[i] for a in arrays)) for i in range(SIZE)]
        assert_array_equal(found, np.stack(expected))


@pytest.mark.parametrize(("index", "mapped"), KINDS)
@pytest.mark.parametrize(("inner", "own_value"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kept", [None, 1, 0])
def test_setting_and_its_gradient(
    index: Any, mapped: bool, inner: bool, own_value: bool, kept: int | None
) -> None:
    arrays = mapped_arrays(index)
    x = X if inner else X[0]
    shape = X[0][of_example(index, [a[0] for a in arrays])].shape
    shape = shape if kept is None else shape[len(shape) - kept :]
    value = np.random.default_rng(1).normal(size=(SIZE, *shape))
    value = value if own_value else value[0]

    def put(x: Any, value: Any, *own: Any) -> Any:
        return am.set_at(x, of_example(index, own), value)

    def gradients(x: Any, value: Any, *own: Any) -> Any:
        total = lambda x, v: np.sum(np.sin(put(x, v, *own)))  # noqa: E731
        return am.grad(total, argnums=(0, 1))(x, value)

    axes = (0 if inner else None, 0 if own_value else None, *(0 for _ in arrays))
    singles = [
        (X[i] if inner else x, value[i] if own_value else value, *(a[i] for a in arrays))
        for i in range(SIZE)
    ]
    try:
        expected = [put(*single) for single in singles]
    except am.ShapeError:  # the index names a place twice
        return
    found = am.vmap(put, in_axes=axes)(x, value, *arrays)
    assert_array_equal(found, np.stack(expected))
    found = am.vmap(gradients, in_axes=axes)(x, value, *arrays)
    wanted = zip(*(gradients(*single) for single in singles), strict=True)
    for f, e in zip(found, wanted, strict=True):
        assert_allclose(f, np.stack(e), rtol=1e-12)


def test_booleans_that_differ_between_examples() -> None:
    x = X[0, 0]
    with pytest.raises(am.ShapeError, match=r"use np.where\(mask, x, 0\)"):
        am.vmap(lambda row: row[row > 0])(x)
    assert_array_equal(am.vmap(lambda r: am.set_at(r, r > 0, 7.0))(x), np.where(x > 0, 7, x))
    found = am.vmap(lambda r: am.set_at(r, r > 0, r[0]))(x)
    assert_array_equal(found, np.where(x > 0, x[:, :1], x))
    found = am.vmap(am.grad(lambda r: np.sum(am.set_at(r, r > 0, 7.0) ** 2)))(x)
    assert_array_equal(found, np.where(x > 0, 0, 2 * x))


def test_values_with_leading_axes_of_length_one() -> None:
    x, v = X[:, 0], np.ones((SIZE, 1, 1, 4))
    found = am.vmap(lambda x, v: am.set_at(x, 1, v))(x, v)
    assert_array_equal(found[:, 1], np.ones((SIZE, 4)))
    assert_array_equal(am.vmap(lambda x: am.set_at(x, 1, v[0]))(x)[:, 1], np.ones((SIZE, 4)))


def test_one_boolean_is_taken_example_by_example() -> None:
    assert_array_equal(am.vmap(lambda x: x[np.bool(True)])(X), X[:, None])


def test_second_derivatives_through_mapped_indices() -> None:
    def curvature(x: Any, i: Any) -> Any:
        return am.grad(lambda x: np.sum(am.grad(lambda x: np.sum(x[i] ** 3))(x) ** 2))(x)

    found = am.vmap(curvature)(X[:, :, 0], MI)
    expected = [curvature(x, i) for x, i in zip(X[:, :, 0], MI, strict=True)]
    assert_array_equal(found, expected)
