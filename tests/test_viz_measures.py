"""Norms, means and deviations are those of the numbers, whatever dtype they are in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.texts import mean_and_deviation, norm

SIZES = [
    (np.float16, 200.0),
    (np.float16, 6e-8),
    (np.float32, 1e-25),
    (np.float32, 1e22),
    (np.float64, 1e-170),
    (np.float64, 1e170),
]


@pytest.mark.parametrize(("dtype", "size"), SIZES)
def test_statistics_do_not_leave_the_range_of_a_dtype(dtype: Any, size: float) -> None:
    held = (np.array([1, 2, 3]) * size).astype(dtype)
    numbers = held.astype(np.longdouble)
    assert norm(held) == pytest.approx(float(np.sqrt(np.sum(numbers**2))))
    mean, deviation = mean_and_deviation(held)
    assert mean == pytest.approx(float(numbers.mean()))
    assert deviation == pytest.approx(float(numbers.std()))


def test_norm_of_complex_of_infinite_and_of_no_numbers() -> None:
    assert norm(np.array([3e200, 4e200j])) == pytest.approx(5e200)
    assert norm(np.array([3, 4j], np.complex64) * np.complex64(1e-30)) == pytest.approx(5e-30)
    assert norm(np.array([1.0, np.inf])) == np.inf
    assert np.isnan(norm(np.array([1.0, np.nan])))
    assert norm(np.zeros((0, 3))) == 0.0
    assert mean_and_deviation(np.array([1e308, 1e308])) == (1e308, 0.0)


@pytest.mark.parametrize(("dtype", "size"), SIZES)
def test_no_picture_tells_zero_or_infinity_of_small_and_large_numbers(
    dtype: Any, size: float
) -> None:
    x = am.tensor((np.array([1, 2, 3]) * size).astype(dtype), name="x", requires_grad=True)
    with np.errstate(all="ignore"):
        y = (x * dtype(1.0)).mean()
        loss = (x * dtype(size)).sum()
    told = [box.words for box in viz.draw(y, overlay="values").picture.boxes[:2]]
    told += [json.dumps(json.loads(viz.draw(y).json)["nodes"][0]["facts"])]
    told += [box.words for box in viz.draw(loss, overlay="gradients").picture.boxes[:1]]
    for step in viz.frames(y).steps:
        told += [*step.caption[1:], *(w.text for w in step.writings if w.box != "n3")]
    words = " ".join(told).replace(",", " ").split()
    assert "inf" not in words
    assert "± 0" not in " ".join(told)
    for before, word in zip(words, words[1:], strict=False):
        assert not (before in ("norm", "‖∂‖", "‖grad‖") and word == "0")
