"""search: what it finds, how simple that becomes, and the script that shows it again."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import Verdict, search, strategies
from autograd_mini.checking.report import Kind

X = np.arange(1.0, 13.0).reshape(3, 4)


def fails_again(code: str) -> bool:
    """Run a script, and say whether the check in it fails."""
    with pytest.raises(am.GradcheckError) as caught:
        exec(compile(code, "<script>", "exec"), {"__name__": "script"})
    return not caught.value.report.ok


def run(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    """Run a program on its own, in the last of the folders, from which it may import."""
    paths = map(str, (Path(am.__file__).parent.parent, *folders))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=folders[-1], env=environment, capture_output=True, text=True)


def double_below_minus_one(g: Any, x: Any) -> Any:
    return (g * np.cos(x) * np.where(x < -1, 2, 1),)


def product(x: Any, w: Any) -> Any:
    return x @ w


def product_vjp(g: Any, x: Any, w: Any) -> Any:
    return g @ w.T, (x.T @ g) / (1 if len(x) < 3 else len(x))


class Layer:
    @staticmethod
    def square(x: Any) -> Any:
        return x * x

    @staticmethod
    def square_vjp(g: Any, x: Any) -> Any:
        return (g * x,)


# ── what is found ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (np.sin, (X,)),
        (lambda x, w: np.tanh(x @ w), (X, X.T)),
        (am.relu, (X,)),
        (np.max, (X,)),
        (np.linalg.inv, (np.eye(3),)),
        (np.log, (0.5,)),
        (lambda z: np.abs(z) ** 2, (np.ones(3) + 1j,)),
    ],
)
def test_right_gradients_have_no_counterexample(f: Any, inputs: Any) -> None:
    assert search(f, *inputs, max_examples=20) is None


def test_wrong_sign_is_found_where_it_holds_and_made_simple() -> None:
    found = search(np.sin, X, vjp=double_below_minus_one, shapes="any")
    assert found is not None
    (x,) = found.inputs
    assert x.shape == ()
    assert -4.0 <= x < -1
    assert found.report.count(Verdict.WRONG) == 1
    assert "wrong" in str(found)


def test_numbers_become_whole_where_the_mistake_lets_them() -> None:
    for seed in range(3):
        vjp = lambda g, x: (g * np.cos(x) * np.where(x > 3, 2, 1),)
        found = search(np.sin, np.ones(2), vjp=vjp, seed=seed)
        assert found is not None
        assert sorted(found.inputs[0]) == [0.0, 4.0]


def test_axes_of_one_length_stay_equal_and_become_short() -> None:
    found = search(product, np.ones((5, 4)), np.ones((4, 2)), vjp=product_vjp, shapes="varied")
    assert found is not None
    x, w = found.inputs
    assert x.shape == (3, 1)
    assert w.shape == (1, 1)
    assert np.count_nonzero(x) == 1


def test_cotangent_that_is_not_summed_over_a_broadcast_axis_is_found() -> None:
    vjp = lambda g, a, b: (g * b, g * a)
    found = search(lambda a, b: a * b, np.ones(3), np.ones(3), vjp=vjp, shapes="any")
    assert found is not None
    assert found.report.problems[0].kind is Kind.SUM
    assert found.inputs[0].shape != found.inputs[1].shape
    assert sum(x.size for x in found.inputs) <= 3


def test_indices_stay_as_they_are() -> None:
    def vjp(g: Any, x: Any, i: Any) -> Any:
        out = np.zeros_like(x)
        out[i] = g
        return out, None

    i = np.array([0, 2, 0])
    found = search(lambda x, i: x[i], np.ones((5, 2)), i, vjp=vjp)
    assert found is not None
    assert found.inputs[1] is i
    assert found.report.worst is not None
    assert found.report.worst.index[0] == 0
    assert fails_again(found.code)


def test_containers_numbers_and_dtypes_stay() -> None:
    def f(p: Any, scale: Any, k: int) -> Any:
        return (p["w"] * p["b"][0]).sum() * scale * k

    def grad(p: Any, scale: Any, k: int) -> Any:
        w = np.full_like(p["w"], p["b"][0] * scale * k)
        b = p["w"].sum() * scale * k
        return {"w": w, "b": [b]}, (p["w"] * p["b"][0]).sum() * (k - 1), None

    p = {"w": np.ones((2, 3), np.float32), "b": [np.float64(2.0)]}
    found = search(f, p, 2.0, 3, grad=grad)
    assert found is not None
    drawn, scale, k = found.inputs
    assert drawn["w"].dtype == np.float32
    assert type(drawn["b"][0]) is np.float64
    assert (type(scale), k) == (float, 3)
    assert fails_again(found.code)


def test_complex_gradients_are_searched() -> None:
    found = search(np.abs, np.ones((2, 2)) + 1j, vjp=lambda g, z: (g * np.conj(z) / np.abs(z),))
    assert found is not None
    assert found.inputs[0].shape == (2, 2)
    assert found.inputs[0].dtype == np.complex128
    assert fails_again(found.code)


def test_strategies_are_drawn_from_also_within_containers() -> None:
    above = strategies.arrays(strategies.shapes(), low=2.0, high=5.0)
    found = search(lambda p: p["x"] ** 2, {"x": above}, vjp=lambda g, p: {"x": g * p["x"]})
    assert found is not None
    assert found.inputs[0]["x"].shape == ()
    assert found.inputs[0]["x"] == 2.0
    spd = strategies.positive_definite(3)
    assert search(np.linalg.cholesky, spd, max_examples=20) is None


def test_fixed_shapes_stay() -> None:
    found = search(np.sin, X, vjp=lambda g, x: (2 * g * np.cos(x),), shapes="fixed")
    assert found is not None
    assert found.inputs[0].shape == (3, 4)


def test_any_shapes_are_tried_on_demand() -> None:
    vjp = lambda g, x: (np.full((x.shape[0], x.shape[1]), g),)
    assert search(np.sum, X, vjp=vjp) is None
    found = search(np.sum, X, vjp=vjp, shapes="any")
    assert found is not None
    assert "the gradient raises IndexError" in str(found)


def test_second_order_is_searched() -> None:
    @am.primitive
    def cube(x: Any) -> Any:
        return x**3

    @cube.vjp
    def cube_vjp(g: Any, y: Any, x: Any) -> Any:
        return g * 3 * am.stop_gradient(x) * x

    assert search(cube, X, max_examples=20) is None
    found = search(cube, X, order=2)
    assert found is not None
    assert found.report.order == 2
    assert "order=2" in found.code


def test_gradient_that_raises_where_the_function_does_not_is_found() -> None:
    def vjp(g: Any, x: Any) -> Any:
        if len(x) == 2:
            raise KeyError("two")
        return (g * np.cos(x),)

    assert search(np.sin, np.ones(3), vjp=vjp, max_examples=20) is None
    found = search(np.sin, np.ones(3), vjp=vjp, shapes="varied")
    assert found is not None
    assert found.inputs[0].shape == (2,)
    assert "the gradient raises KeyError" in str(found)

    @am.primitive
    def same(x: Any) -> Any:
        return x.copy()

    @same.vjp
    def same_vjp(g: Any, y: Any, x: Any) -> Any:
        return g[:2] + g[1:]

    found = search(same, np.ones(4), shapes="varied")
    assert found is not None
    assert found.inputs[0].ndim == 1


def test_gradient_that_declines_is_no_counterexample() -> None:
    def vjp(g: Any, x: Any) -> Any:
        if np.any(x < 0):
            raise NotImplementedError
        return (g * np.cos(x),)

    assert search(np.sin, X, vjp=vjp, max_examples=20) is None


def test_inputs_that_the_function_refuses_are_left_out() -> None:
    def f(x: Any) -> Any:
        if len(x) != 4:
            raise ValueError("four rows")
        return np.sin(x)

    assert search(f, np.ones(4), vjp=lambda g, x: (g * np.cos(x),), max_examples=20) is None
    found = search(f, np.ones(4), vjp=lambda g, x: (g * np.sin(x),))
    assert found is not None
    assert found.inputs[0].shape == (4,)


def test_function_that_refuses_all_inputs_is_an_error() -> None:
    with pytest.raises(am.ArgumentError, match="takes none of the inputs.*index 100"):
        search(lambda x: x[100], np.ones(3), vjp=lambda g, x: (x,), max_examples=5)
    with pytest.raises(am.ArgumentError, match="finite at none of the inputs"):
        search(lambda x: np.log(-x * x), np.ones(3), max_examples=5)


@pytest.mark.parametrize(
    ("arguments", "keywords", "error"),
    [
        ((np.sin,), {}, am.OperandError),
        ((X, X), {}, am.OperandError),
        ((np.sin, X), {"shape": "varied"}, am.ArgumentError),
        ((np.sin, X), {"shapes": "odd"}, am.ArgumentError),
        ((np.sin, X), {"values": "odd"}, am.ArgumentError),
        ((np.sin, X), {"max_examples": 0}, am.ArgumentError),
        ((np.sin, 2), {"max_examples": 3}, am.ArgumentError),
        ((np.sin, X), {"vjp": np.sin, "grad": np.sin, "max_examples": 3}, am.ArgumentError),
    ],
)
def test_wrong_arguments_are_errors(arguments: Any, keywords: Any, error: Any) -> None:
    with pytest.raises(error, match="search"):
        search(*arguments, **keywords)


def test_failure_of_an_empty_array_is_the_last_resort() -> None:
    vjp = lambda g, x: (g * np.cos(x),) if x.size else (None,)
    found = search(np.sin, np.ones((2, 3)), vjp=vjp, shapes="any")
    assert found is None or found.inputs[0].size == 0
    wrong = lambda g, x: (-g * np.cos(x),) if x.size else (None,)
    found = search(np.sin, np.ones((2, 3)), vjp=wrong, shapes="any")
    assert found is not None
    assert found.inputs[0].size == 1


def test_what_is_made_simpler_stays_the_same_mistake() -> None:
    def vjp(g: Any, x: Any) -> Any:
        if x.size == 1:
            return (np.zeros((1, 2)),)
        return (g * np.cos(x) * (1 + (x > 2)),)

    found = search(np.sin, np.full((2, 2), 2.5), vjp=vjp, shapes="fixed")
    assert found is not None
    varied = search(np.sin, found.inputs[0], vjp=vjp, seed=2, shapes="varied")
    assert varied is not None
    is_shape = varied.report.problems != ()
    assert is_shape == (varied.inputs[0].size == 1)


# ── how it runs ──────────────────────────────────────────────────────────────────────────────
def test_same_seed_finds_the_same() -> None:
    first, second = (search(np.sin, X, vjp=double_below_minus_one, seed=4) for _ in range(2))
    assert first is not None
    assert second is not None
    assert str(first) == str(second)
    assert "seed=4" in first.code


def test_search_leaves_no_directory_and_prints_nothing(tmp_path: Path) -> None:
    code = (
        "import numpy as np\n"
        "from autograd_mini.checking import search\n"
        "assert search(np.sin, np.ones(3), max_examples=5) is None\n"
        "assert search(np.sin, np.ones(3), vjp=lambda g, x: (g,)) is not None\n"
    )
    found = run(code, tmp_path)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


# ── the script ───────────────────────────────────────────────────────────────────────────────
def test_script_imports_functions_of_modules(tmp_path: Path) -> None:
    text = """
        import numpy as np
        def f(x): return np.sin(x)
        def f_vjp(g, x): return (g * np.sin(x),)
    """
    (tmp_path / "sine_for_search.py").write_text(textwrap.dedent(text))
    code = (
        "import numpy as np, sine_for_search as s\n"
        "from autograd_mini.checking import search\n"
        "print(search(s.f, np.ones((2, 3)), vjp=s.f_vjp).code)"
    )
    script = run(code, tmp_path).stdout
    assert "from sine_for_search import f\nfrom sine_for_search import f_vjp" in script
    assert script.endswith("x = np.zeros((2, 3))\nam.gradcheck(f, x, vjp=f_vjp)\n")
    assert "GradcheckError" in run(script, tmp_path).stderr


def test_script_writes_static_methods_partials_and_ufuncs() -> None:
    found = search(Layer.square, X, vjp=Layer.square_vjp)
    assert found is not None
    assert "am.gradcheck(Layer.square, x, vjp=Layer.square_vjp)" in found.code
    assert fails_again(found.code)
    power = functools.partial(np.power, np.float64(2.0))
    found = search(power, X, vjp=lambda g, x: (g,), names=["x"])
    assert found is not None
    assert "partial(np.power, np.float64(2.0))" in found.code
    assert fails_again(found.code)


def test_script_writes_lambdas_and_local_functions_with_what_they_use() -> None:
    factor, table = 3.0, {"k": (1, 2), "m": np.array([[1.0, 0.0]])}

    def inner(x: Any) -> Any:
        return factor * x + table["m"].sum()

    def f(x: Any) -> Any:
        return inner(x) ** 2

    vjp, other = (lambda g, x: (g * inner(x),)), (lambda g, x: (g,))
    for rule in (vjp, other):
        found = search(f, X, vjp=rule)
        assert found is not None
        assert found.complete
        assert "factor = 3.0" in found.code
        assert fails_again(found.code)


def test_script_says_what_it_cannot_write() -> None:
    space: dict[str, Any] = {"np": np}
    exec("f = lambda x: np.sin(x)\nvjp = lambda g, x: (g,)", space)
    found = search(space["f"], X, vjp=space["vjp"])
    assert found is not None
    assert not found.complete
    assert "f = ...  # put here the function <lambda> of <string>, line 1" in found.code
    compile(found.code, "<script>", "exec")


def test_names_in_a_script_do_not_meet() -> None:
    x = np.array([2.0])

    def f(g: Any) -> Any:
        return g * x

    found = search(f, 1.0, vjp=lambda cotangent, g: (cotangent.sum(),), names=["x"])
    assert found is not None
    assert "x = np.array([2.0])" in found.code
    assert "x_ = " in found.code
    assert fails_again(found.code)
