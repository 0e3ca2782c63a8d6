"""gradcheck: what it passes, what it catches, and what it says."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import Report, Verdict

GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(3, 4))
V = GENERATOR.normal(size=4)


def failing(f: Any, *inputs: Any, **kwargs: Any) -> Report:
    """Return the report of a check that must fail."""
    with pytest.raises(am.GradcheckError) as caught:
        am.gradcheck(f, *inputs, **kwargs)
    report = caught.value.report
    assert not report.ok
    return report


# ── right gradients ──────────────────────────────────────────────────────────────────────────
def test_recorded_function_of_several_inputs_passes() -> None:
    report = am.gradcheck(lambda a, b: np.tanh(a @ a.T) * b.sum(), X, V)
    assert report.ok
    assert report.checked == X.size + V.size
    assert {e.verdict for e in report.entries} == {Verdict.RIGHT}


@pytest.mark.parametrize(
    "given",
    [{"vjp": lambda g, a, b: (g * b, (g * a).sum(0))}, {"jvp": lambda s, t, a, b: s * b + a * t}],
)
def test_hand_written_gradient_of_a_numpy_function_passes(given: Any) -> None:
    assert am.gradcheck(lambda a, b: a * b, X, V, **given).checked == 16


def test_hand_written_gradient_of_one_input_needs_no_tuple() -> None:
    assert am.gradcheck(np.sin, X, vjp=lambda g, x: (g * np.cos(x),)).ok
    assert am.gradcheck(np.sin, X, vjp=lambda g, x: g * np.cos(x)).ok
    assert am.gradcheck(lambda x: (x**2).sum(), X, grad=lambda x: 2 * x).ok
    assert am.gradcheck(lambda a, b: a @ b, V, V, grad=lambda a, b: (b, a)).ok


def test_scalar_function_shows_its_own_derivative() -> None:
    report = am.gradcheck(lambda x: x**3, 2.0)
    assert not report.weighted
    assert report.worst is not None
    assert report.worst.analytic == pytest.approx(12.0)
    assert report.worst.numeric == pytest.approx(12.0)


def test_several_outputs_and_nested_inputs_pass() -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": x @ p["w"] + p["b"], "parts": np.split(p["w"], 2)}

    report = am.gradcheck(f, {"w": X.T, "b": np.ones(3)}, X, names=["p", "x"])
    assert {e.input for e in report.entries} == {"p['w']", "p['b']", "x"}


def test_tensors_are_taken_as_inputs_and_stay_as_they_are() -> None:
    t = am.tensor(X, requires_grad=True)
    assert am.gradcheck(lambda a: np.exp(a), t).ok
    assert t.grad is None
    assert np.array_equal(t.data, X)


def test_float32_inputs_are_checked_in_float64() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(x.dtype)
        return np.sin(x)

    report = am.gradcheck(f, X.astype(np.float32), vjp=lambda g, x: (g * np.cos(x),))
    assert set(seen) == {np.dtype(np.float64)}
    assert report.rtol == 1e-6


def test_function_that_rounds_to_float32_gets_wider_tolerances() -> None:
    report = am.gradcheck(lambda x: np.sin(x).astype(np.float32), V)
    assert report.rtol is not None
    assert report.rtol > 1e-6
    failing(
        lambda x: np.sin(x).astype(np.float32), V, vjp=lambda g, x: (1.05 * g * np.cos(x),)
    )  # fmt: skip


def test_integers_and_other_values_are_passed_on() -> None:
    report = am.gradcheck(lambda x, i, how: x[i].sum() if how else x, X, np.array([0, 2, 0]), "yes")
    assert report.checked == X.size


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("f", [np.log, np.sqrt, np.square, lambda x: 1 / x, np.arctan])
def test_right_gradients_pass_at_every_scale(f: Any, scale: float) -> None:
    assert am.gradcheck(f, scale * np.array([0.6, 1.7])).ok


def test_values_of_very_different_magnitude_pass() -> None:
    assert am.gradcheck(np.exp, np.array([-30.0, 0.0, 1e-8, 100.0])).ok
    assert am.gradcheck(lambda x: 1e6 + np.sum(x * 1e-3), V).ok
    assert am.gradcheck(lambda x: 1e6 + 0 * np.sum(x), V).ok


def test_gradient_at_a_kink_passes_between_the_one_sided_derivatives() -> None:
    report = am.gradcheck(am.relu, np.array([0.0, 1.0]))
    assert report.count(Verdict.KINK) == 1
    assert "kink" in str(report)
    report = failing(np.abs, np.array([0.0]), vjp=lambda g, x: (3.0 * g,))
    assert report.count(Verdict.WRONG) == 1


def test_empty_input_passes_with_no_entries() -> None:
    assert am.gradcheck(np.sin, np.zeros((0, 2))).checked == 0


def test_same_seed_gives_the_same_report() -> None:
    first, second = (am.gradcheck(np.sin, X, seed=5).to_dict() for _ in range(2))
    assert first == second
    assert first != am.gradcheck(np.sin, X, seed=6).to_dict()


# ── wrong gradients ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "wrong",
    [
        lambda g, x: -g * np.cos(x),
        lambda g, x: 2 * g * np.cos(x),
        lambda g, x: g * np.cos(x) * (1 + 1e-5),
        lambda g, x: g * np.sin(x),
        lambda g, x: np.cos(x),
        lambda g, x: 0 * g,
        lambda g, x: g * np.cos(x) * (x > 0),
        lambda g, x: g * np.where(np.arange(12).reshape(3, 4) == 7, 0, np.cos(x)),
        lambda g, x: np.full_like(x, np.nan),
        lambda g, x: g * np.cos(x) + np.where(x == x.max(), np.inf, 0),
    ],
)
def test_wrong_gradient_is_caught(wrong: Any) -> None:
    report = failing(np.sin, X, vjp=lambda g, x: (wrong(g, x),))
    assert report.count(Verdict.WRONG) >= 1
    assert report.entries[0].verdict is Verdict.WRONG


def test_one_wrong_entry_is_named_first() -> None:
    def wrong(g: Any, x: Any) -> Any:
        gx = g * np.cos(x)
        gx[1, 2] *= 1.01
        return gx

    report = failing(np.sin, X, vjp=wrong, names=["theta"])
    worst = report.entries[0]
    assert report.count(Verdict.WRONG) == 1
    assert (worst.input, worst.index, worst.place) == ("theta", (1, 2), "theta[1, 2]")
    assert worst.relative == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert worst.absolute == abs(worst.analytic - worst.numeric)


def test_swapped_arguments_are_caught() -> None:
    failing(lambda a, b: a @ b, V, V[::-1].copy(), grad=lambda a, b: (a, b))


@pytest.mark.parametrize("wrong", [lambda t, x: x * 0 + 2.0, lambda t, x: t * 3.0])
def test_wrong_jvp_is_caught(wrong: Any) -> None:
    failing(lambda x: x * 2.0, 1.5, jvp=wrong)


def test_small_gradient_beside_a_large_one_is_not_overlooked() -> None:
    failing(lambda x: x * np.array([1e6, 1.0]), np.ones(2), vjp=lambda g, x: (g * [1e6, 1.001],))


def test_wrong_rule_of_a_recorded_function_is_caught() -> None:
    from autograd_mini.core.primitive import PRIMITIVES, case, elementwise

    cube = elementwise(
        lambda x: x**3, "x³", "Wrong on purpose", name="wrong_cube",
        vjp=(lambda g, y, x: 2 * g * x * x,), samples=(case(()),),
    )  # fmt: skip
    try:
        assert failing(cube, V).count(Verdict.WRONG) == 4
    finally:
        del PRIMITIVES["wrong_cube"]


# ── what cannot be checked ───────────────────────────────────────────────────────────────────
def problem(f: Any, *inputs: Any, **kwargs: Any) -> str:
    report = failing(f, *inputs, **kwargs)
    assert report.checked == 0
    (cause,) = report.problems
    assert cause.text in str(report)
    return cause.text


def test_wrong_number_of_cotangents() -> None:
    message = problem(lambda a, b: a * b, X, V, vjp=lambda g, a, b: (g * b,))
    assert "vjp returned 1 for 2 inputs" in message
    assert "float64" in problem(lambda a, b: a * b, 1.0, 2.0, vjp=lambda g, a, b: np.float64(1))


def test_wrong_shape_of_a_cotangent() -> None:
    message = problem(lambda a, b: a * b, X, V, vjp=lambda g, a, b: (g * b, g * a))
    assert "shape (3, 4) for b; expected (4,)" in message
    assert "it is not summed over the broadcast axis 0" in message
    assert "expected (3, 4)" in problem(np.sin, X, vjp=lambda g, x: (g * np.cos(x)).T)


def test_cotangent_that_is_no_array() -> None:
    assert "expected an array of numbers" in problem(np.sin, X, vjp=lambda g, x: ("text",))
    assert "expected an array of numbers" in problem(np.sin, X, vjp=lambda g, x: None)


def test_grad_of_a_function_that_is_no_scalar() -> None:
    assert "one real number" in problem(np.sin, X, grad=np.cos)


def test_wrong_number_of_tangents() -> None:
    assert "2 tangents for 1 outputs" in problem(np.sin, V, jvp=lambda t, x: (t, t))


@pytest.mark.parametrize(
    ("f", "x"), [(np.log, -1.0), (np.log, 0.0), (lambda x: x / 0.0, 1.0), (np.sin, np.nan)]
)
def test_function_that_is_not_finite_at_the_point(f: Any, x: float) -> None:
    assert "not finite" in problem(f, x, vjp=lambda g, x: g)


def test_function_that_is_not_finite_beside_the_point() -> None:
    report = failing(np.sqrt, np.array([0.0, 1.0]), vjp=lambda g, x: g / (2 * np.sqrt(x + 1e-300)))
    assert report.count(Verdict.UNRESOLVED) == 1
    assert "grows without bound" in str(report)
    assert am.gradcheck(np.sqrt, np.array([0.0, 1.0])).ok


def test_gradient_at_a_jump_passes_between_the_slopes_beside_it() -> None:
    report = am.gradcheck(np.floor, np.array([1.0]), vjp=lambda g, x: 0 * g)
    assert report.entries[0].verdict is Verdict.KINK
    assert "jumps" in report.entries[0].reason
    report = failing(np.floor, np.array([1.0]), vjp=lambda g, x: g)
    assert report.entries[0].verdict is Verdict.WRONG


def test_function_that_is_not_deterministic() -> None:
    assert "another result" in problem(lambda x: x * GENERATOR.normal(), V)


def test_mutated_input_and_cotangent() -> None:
    def mutating(x: Any) -> Any:
        x *= 2
        return x.copy()

    def scaled(g: Any, x: Any) -> Any:
        g *= 2.0
        return g

    assert "the function changed x in place" in problem(mutating, V, vjp=lambda g, x: 2 * g)
    assert "vjp changed the cotangent in place" in problem(lambda x: 2 * x, V, vjp=scaled)
    assert "vjp changed x in place" in problem(
        lambda x: 2 * x, V, vjp=lambda g, x: (2 * g, x.fill(0))[:1]
    )


def test_result_whose_shape_changes_beside_the_point() -> None:
    report = failing(lambda x: x[x > 1.0], np.array([1.0, 2.0]), vjp=lambda g, x: x)
    assert "the shape of the result changes near the point, from [(1,)] to [(2,)]" in str(report)


def test_function_that_raises_beside_the_point() -> None:
    def near(x: Any) -> Any:
        if x != 1:
            raise ValueError("outside")
        return x * 2

    assert "raises ValueError near the point: outside" in str(failing(near, 1.0))
    assert am.gradcheck(np.linalg.cholesky, 1e-8 * np.array([[2.0, 0.1], [0.1, 1.0]])).ok


def test_integers_alone_are_refused() -> None:
    for value in (3, True, np.array([1, 2])):
        with pytest.raises(am.OperandError, match=r"2\.0 instead of 2"):
            am.gradcheck(lambda x: x * 2, value)
    with pytest.raises(am.OperandError):
        am.gradcheck(lambda: 1.0)


def test_complex_values_are_checked_in_both_parts() -> None:
    z = X + 1j * X[::-1]
    assert am.gradcheck(lambda z: z * z + np.abs(z), z).checked == 24
    assert am.gradcheck(lambda x: x * 1j, 1.0, vjp=lambda g, x: np.real(-1j * g)).ok
    assert am.gradcheck(np.exp, z, vjp=lambda g, z: g * np.conj(np.exp(z))).ok
    report = failing(np.exp, z, vjp=lambda g, z: g * np.exp(z), names=["z"])
    assert report.entries[0].place.endswith(("real", "imag"))


def test_result_that_is_no_number_is_refused() -> None:
    with pytest.raises(am.OperandError, match="expected numbers"):
        am.gradcheck(lambda x: "text", 1.0)


def test_two_hand_written_gradients_are_refused() -> None:
    with pytest.raises(am.GradientError, match="one of"):
        am.gradcheck(np.sin, 1.0, vjp=lambda g, x: g, jvp=lambda t, x: t)


def test_wrong_number_of_names_is_refused() -> None:
    with pytest.raises(am.GradientError, match="2 names for 1 inputs"):
        am.gradcheck(np.sin, 1.0, names=["a", "b"])


# ── the report ───────────────────────────────────────────────────────────────────────────────
def test_report_prints_values_errors_and_step() -> None:
    def angle(theta: Any) -> Any:
        return np.sin(theta)

    text = str(failing(angle, np.array([0.5, 1.0]), vjp=lambda g, t: g * np.sin(t)))
    lines = text.splitlines()
    assert lines[0].startswith("gradcheck of angle(theta): FAILED, 2 entries checked, 2 wrong")
    lines = lines[:1] + lines[2:]  # without the cause
    assert " ".join(lines[1].split()) == "verdict entry given numeric ± relative"
    assert lines[2].split()[:2] == ["wrong", "theta[0]"]
    assert len(lines[2].split()) == 6
    assert "random cotangent of the result, seed 0" in lines[-1]


def test_report_is_short_and_counts_the_rest() -> None:
    report = failing(np.sin, GENERATOR.normal(size=200), vjp=lambda g, x: g)
    assert len(str(report).splitlines()) <= 12
    assert "and 19" in str(report)
    assert report.checked >= 190


def test_report_of_a_right_gradient_shows_its_worst_entry() -> None:
    lines = str(am.gradcheck(np.sin, X)).splitlines()
    assert "ok, 12 entries checked" in lines[0]
    assert lines[2].split()[0] == "right"


def test_report_is_a_dictionary_of_plain_values() -> None:
    found = failing(np.sin, V, vjp=lambda g, x: g).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["counts"] == {"right": 0, "kink": 0, "wrong": 4, "unresolved": 0}
    assert set(found["entries"][0]) == {
        "input", "index", "analytic", "numeric", "absolute", "relative", "error", "step",
        "verdict", "reason",
    }  # fmt: skip


def test_error_carries_its_report_through_pickling() -> None:
    with pytest.raises(am.GradcheckError) as caught:
        am.gradcheck(np.sin, V, vjp=lambda g, x: g)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert str(twin) == str(caught.value)
    assert twin.report.checked == 4


def test_given_step_and_tolerances_are_used() -> None:
    report = am.gradcheck(np.sin, V, step=1e-4, rtol=1e-3, atol=1e-5)
    assert (report.rtol, report.atol) == (1e-3, 1e-5)
    assert {e.step for e in report.entries} == {1e-4}
    assert am.gradcheck(np.sin, V, rtol=0.2, vjp=lambda g, x: 1.1 * g * np.cos(x)).ok


def test_argnums_says_which_inputs_are_checked():
    w, x = np.array([1.0, 2.0]), np.ones((50, 2))
    assert am.gradcheck(lambda w, x: np.tanh(x @ w).sum(), w, x, argnums=0).checked == 2
    assert am.gradcheck(lambda w, x: np.tanh(x @ w).sum(), w, x, argnums=(-2, 1)).checked == 102
    rule = am.gradcheck(
        lambda w, x: x @ w, w, x, argnums=0, vjp=lambda g, w, x: (x.T @ g, np.full(9, np.nan))
    )
    assert rule.checked == 2
    with pytest.raises(am.GradientError, match="argnums 2 is out of range for 2 inputs"):
        am.gradcheck(lambda w, x: x @ w, w, x, argnums=2)
