"""No advice in an error loses a gradient: it calls a constant one, and names what records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd_mini as am

special = pytest.importorskip("scipy.special")
linalg = pytest.importorskip("scipy.linalg")
fft = pytest.importorskip("scipy.fft")
integrate = pytest.importorskip("scipy.integrate")
stats = pytest.importorskip("scipy.stats")
interpolate = pytest.importorskip("scipy.interpolate")


def parameter(value: Any = (1.0, 2.0, 3.0)) -> am.Tensor:
    return am.tensor(np.array(value), requires_grad=True, name="w")


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda t: special.logsumexp(t), r"logsumexp takes.*call am\.special\.logsumexp, which r"),
        (lambda t: special.polygamma(1, t), r"am\.special\.polygamma, which records"),
        (lambda t: linalg.norm(t), r"norm takes arrays only; np\.linalg\.norm records"),
        (lambda t: linalg.det(t * np.eye(3)), r"det takes arrays only; np\.linalg\.det records"),
        (lambda t: fft.fft(t), r"fft takes arrays only; np\.fft\.fft records"),
        (lambda t: integrate.trapezoid(t), r"trapezoid takes.*; np\.trapezoid records"),
        (lambda t: integrate.simpson(t), r"simpson takes.*am\.primitive.*constant"),
        (lambda t: fft.dct(t), r"dct takes.*am\.primitive.*constant"),
        (lambda t: stats.skew(t), r"skew takes.*am\.primitive.*constant"),
        (lambda t: stats.gmean(t), r"gmean takes.*am\.primitive.*constant"),
        (lambda t: interpolate.CubicSpline([0, 1, 2], t), r"CubicSpline takes.*am\.primitive"),
        (lambda t: special.airy(t), r"airy.*am\.primitive; t\.data is a constant"),
        (lambda t: special.zeta(t), r"am\.primitive; t\.data is a constant"),
        (lambda t: math.tanh(t[0]), r"constants without a gradient.*np\.tanh\(t\) records"),
        (lambda t: am.tensor(t), r"np\.copy\(t\) records"),
        (lambda t: np.histogram([1.0, 2, 3], weights=t), r"np\.bincount.*records.*a constant"),
        (lambda t: np.unwrap(t, period=t[0]), r"give float\(period\.data\)"),
        (lambda t: np.floor.at(t, 0), r"am\.set_at"),
        (lambda t: np.gcd.reduce(t), r"."),
    ],
)
def test_the_cure_names_what_records(call: Any, advice: str) -> None:
    with pytest.raises((am.AutogradError, TypeError), match=advice):
        call(parameter())


def test_an_in_place_update_is_told_to_go_under_no_grad() -> None:
    w = parameter()
    for change in ("w -= 1.0", "w += 1.0", "w *= 2.0", "w /= 2.0", "w **= 2"):
        with pytest.raises(am.UnsupportedError, match=r"with am\.no_grad\(\).*optim") as caught:
            exec(change, {"w": w})
        assert "w = w" not in str(caught.value)


def test_a_training_loop_that_follows_the_advice_goes_on() -> None:
    w, x = parameter([1.0, 1.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    losses = []
    for _ in range(3):
        w.zero_grad()
        loss = np.sum((x @ w - 1.0) ** 2)
        loss.backward()
        losses.append(loss.item())
        with am.no_grad():
            w -= 0.01 * w.grad
        assert w.is_leaf
    assert losses[0] > losses[1] > losses[2]
    assert_array_equal(w.grad.shape, (2,))


def test_a_loss_without_parameters_is_told_to_make_those_it_is_computed_from() -> None:
    with pytest.raises(am.GradientError, match="those that it is computed from"):
        np.sum(am.tensor([1.0, 2.0])).backward()
