"""Strategies for those who test gradients: what is drawn is what was asked for."""

from __future__ import annotations

import subprocess
import sys
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import find as hypothesis_find
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.checking import strategies

DTYPES = ["float32", "float64", "complex64", "complex128"]


def find(strategy: Any, condition: Any) -> Any:
    few = settings(max_examples=1000, database=None)
    return hypothesis_find(strategy, condition, settings=few, random=Random(1))


@given(st.data())
def test_arrays_have_the_shape_and_dtype_that_was_asked(data: Any) -> None:
    shape = data.draw(strategies.shapes())
    dtype = data.draw(st.sampled_from(DTYPES))
    x = data.draw(strategies.arrays(shape, dtype))
    assert (x.shape, x.dtype) == (shape, np.dtype(dtype))
    assert np.isfinite(x).all()


@given(strategies.arrays((2, 3), low=0.25, high=0.75))
def test_bounded_arrays_stay_within_bounds(x: Any) -> None:
    assert np.all((x >= 0.25) & (x <= 0.75))


@pytest.mark.parametrize(("low", "high"), [(10.0, None), (None, -10.0), (5.0, 5.0), (0, 1e-6)])
def test_one_bound_is_enough_and_narrow_ranges_are_kept(low: Any, high: Any) -> None:
    @given(strategies.arrays(3, low=low, high=high))
    def check(x: Any) -> None:
        assert low is None or np.all(x >= low)
        assert high is None or np.all(x <= high)

    check()


@pytest.mark.parametrize(
    ("aspect", "holds"),
    [
        ("positive", lambda x: np.all(x > 0)),
        ("negative", lambda x: np.all(x < 0)),
        ("fractions", lambda x: np.all((x > 0) & (x < 1))),
        ("ties", lambda x: len(np.unique(x)) <= 2),
        ("repeated", lambda x: len(np.unique(x)) <= 1),
        ("zeros", lambda x: np.all((x == 0) | (np.abs(x) >= 2))),
        ("tiny", lambda x: np.all(np.abs(x) < 1e-7)),
        ("huge", lambda x: np.all((x == 0) | (np.abs(x) > 1e5))),
    ],
)
def test_aspect_holds_for_the_whole_array(aspect: str, holds: Any) -> None:
    @given(strategies.arrays(aspects=[aspect]))
    def check(x: Any) -> None:
        assert holds(x)

    check()


def test_arrays_shrink_to_simple_numbers() -> None:
    x = find(strategies.arrays(4), lambda x: x.max() > 1.2)
    assert sorted(x) == [0.0, 0.0, 0.0, 2.0]


def test_large_arrays_are_drawn_from_a_seed() -> None:
    @given(strategies.arrays((100, 100), scale=0.5))
    def check(x: Any) -> None:
        assert x.shape == (100, 100)

    check()


@given(strategies.arrays(5, elements=strategies.away_from([0.0, 1.0], 0.2)))
def test_numbers_keep_away_from_points(x: Any) -> None:
    assert np.all(np.abs(x) >= 0.2)
    assert np.all(np.abs(x - 1.0) >= 0.2)


@given(strategies.broadcastable_shapes(3))
def test_broadcastable_shapes_broadcast(found: Any) -> None:
    assert len(found) == 3
    np.broadcast_shapes(*found)


@given(strategies.tensors((2,)))
def test_tensors_require_a_gradient(t: Any) -> None:
    (t * t).sum().backward()
    assert t.grad.shape == (2,)


@given(
    strategies.parameters({"w": (3, 4), "b": [(), strategies.shapes().map(np.ones)]}, np.float32)
)
def test_parameters_keep_the_containers(p: Any) -> None:
    assert p["w"].shape == (3, 4)
    assert p["w"].dtype == np.float32
    assert p["b"][0].shape == ()
    assert np.all(p["b"][1] == 1)


def test_parameters_refuse_what_is_no_shape() -> None:
    with pytest.raises(am.ArgumentError, match="is not a shape, container or strategy"):
        find(strategies.parameters({"w": 3.5}), lambda _: True)


@given(st.data())
def test_cotangents_fit_the_result(data: Any) -> None:
    like = {"y": np.zeros((2, 2), np.complex64), "n": (3.0, am.tensor([1.0])), "k": np.arange(2)}
    g = data.draw(strategies.cotangents(like))
    assert (g["y"].shape, g["y"].dtype) == ((2, 2), np.complex64)
    assert [np.shape(x) for x in g["n"]] == [(), (1,)]
    assert g["k"].dtype == np.float64
    assert np.all(np.abs(g["k"]) >= 0.5)


@given(st.data())
def test_indices_fit_the_array(data: Any) -> None:
    shape = data.draw(strategies.shapes())
    index = data.draw(strategies.indices(shape))
    np.zeros(shape)[index]


@pytest.mark.parametrize(
    "wanted",
    [
        lambda i: isinstance(i, np.ndarray) and i.dtype == bool and i.ndim == 2,
        lambda i: any(isinstance(p, np.ndarray) and repeats(p) for p in parts(i)),
        lambda i: any(p is None for p in parts(i)) and any(p is Ellipsis for p in parts(i)),
        lambda i: any(isinstance(p, int) and p < 0 for p in parts(i)),
        lambda i: any(isinstance(p, slice) and p.step == -1 for p in parts(i)),
        lambda i: any(isinstance(p, np.ndarray) and p.dtype == bool for p in parts(i)),
    ],
)
def test_indices_of_every_kind_are_drawn(wanted: Any) -> None:
    find(strategies.indices((3, 4)), wanted)


def repeats(index: Any) -> bool:
    return bool(index.ndim == 1 and index.dtype != bool and index.size > len(set(index)))


def parts(index: Any) -> Any:
    return index if isinstance(index, tuple) else (index,)


@given(st.data())
def test_matrices_are_invertible(data: Any) -> None:
    size, dtype = data.draw(st.integers(0, 5)), data.draw(st.sampled_from(DTYPES))
    a = data.draw(strategies.well_conditioned(size, dtype))
    assert (a.shape, a.dtype) == ((size, size), np.dtype(dtype))
    if size:
        assert np.linalg.cond(a, np.inf) < 9


@given(st.data())
def test_positive_definite_matrices_are(data: Any) -> None:
    size, dtype = data.draw(st.integers(0, 5)), data.draw(st.sampled_from(DTYPES))
    a = data.draw(strategies.positive_definite(size, dtype))
    assert np.array_equal(a, a.conj().T)
    if size:
        assert 0.45 < np.linalg.eigvalsh(a).min() <= np.linalg.eigvalsh(a).max() < 2.55


@pytest.mark.long
def test_matrices_shrink_to_the_unit_matrix() -> None:
    for drawn in (strategies.positive_definite(3), strategies.well_conditioned(3)):
        assert np.array_equal(find(drawn, lambda _: True), np.eye(3))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: strategies.arrays(3, np.int64),
        lambda: strategies.arrays(3, aspects=["odd"]),
        lambda: strategies.arrays(3, low=2.0, high=1.0),
        lambda: strategies.cotangents("text"),
    ],
)
def test_wrong_arguments_are_errors(wrong: Any) -> None:
    with pytest.raises(am.ArgumentError):
        find(wrong(), lambda _: True)


def test_lack_of_hypothesis_is_an_error_with_its_cure() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import autograd_mini as am, numpy as np\n"
        "assert am.gradcheck(np.sin, 1.0).ok\n"
        "from autograd_mini.checking import strategies"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "autograd-mini[checking]"' in found.stderr
