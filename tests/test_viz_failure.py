"""Errors as pictures: the graph up to the operation that failed, which is marked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz

X = am.tensor(np.ones((3, 4)), name="x")
W = am.tensor(np.ones((3, 2)), requires_grad=True, name="w")


def raise_error(f: Callable[[], Any]) -> Exception:
    try:
        f()
    except Exception as error:
        return error
    raise AssertionError("no error was raised")


def debugged(f: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with am.debug():
            return f()

    return run


class Net(am.nn.Module):
    def __init__(self) -> None:
        self.first, self.second = am.nn.Dense(4, 3), am.nn.Dense(5, 2)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x))


@am.primitive
def bad_rule(x: Any) -> Any:
    return x * 2


@bad_rule.vjp
def _(g: Any, y: Any, x: Any) -> Any:
    return am.softmax(g, axis=9)


def fit() -> Any:
    return am.nn.MLP([4, 3, 1]).fit(np.ones((5, 4)), np.ones((5, 2)))


def from_another() -> Any:
    try:
        return X @ W
    except am.ShapeError as error:
        raise RuntimeError("my step failed") from error


P = am.tensor([1.0, 0.0], requires_grad=True, name="p")
CASES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "product": (lambda: np.tanh(X) @ W, ("@", "3×4 and 3×2")),
    "sum": (lambda: X + W, ("+", "3×4 and 3×2")),
    "product with an array": (lambda: X @ np.ones((3, 2)), ("@", "3×4 and 3×2")),
    "several operands": (lambda: np.concatenate([X, W]), ("concat", "3×4 and 3×2")),
    "a check of a function": (lambda: np.reshape(np.exp(X), (5, 5)), ("reshape", "3×4")),
    "a method": (lambda: np.exp(X).reshape(5, 5), ("reshape", "3×4")),
    "a loss": (lambda: am.nn.mse(np.exp(X), W), ("mse", "3×4 and 3×2")),
    "a layer": (lambda: am.nn.Dense(5, 2)(X), ("Dense", "3×4")),
    "an index": (lambda: X[7], ("[ ]", "3×4")),
    "axes": (lambda: np.transpose(X, (0, 0)), ("T", "3×4")),
    "text": (lambda: X + "a", ("+", "3×4 and str")),
    "a number": (lambda: np.reshape(X, (2, 5)) * 2.0, ("reshape", "3×4")),
    "a layer in a model": (lambda: Net()(X), ("Dense", "3×3")),
    "a layer of an array": (lambda: am.nn.Dense(4, 2)(np.ones((3, 5))), ("Dense", "3×5")),
    "training": (fit, ("mse", "5×1 and 5×2")),
    "a chained error": (from_another, ("@", "3×4 and 3×2")),
    "an axis": (lambda: np.swapaxes(X, 0, 9), ("swapaxes", "3×4")),
    "an axis of a mean": (lambda: np.mean(X, axis=9), ("mean", "3×4")),
    "weights": (lambda: np.average(X, weights=np.ones(9)), ("average", "3×4 and (9,)")),
    "an index of floats": (lambda: X[W], ("[ ]", "3×4 and 3×2")),
    "labels": (
        lambda: am.nn.cross_entropy(X, np.array([9, 0, 0])),
        ("cross_entropy", "3×4 and (3,)"),
    ),
    "a rule of a rule": (lambda: np.sum(bad_rule(W)).backward(), ("bad_rule", "its gradient")),
    "an einsum": (lambda: np.einsum("ijk,jk", X, W), ("einsum", "3×4 and 3×2")),
    "a hook": (lambda: call_bad_hook(np.tanh(W)), ("tanh", "its hook")),
    "no gradient": (lambda: no_gradient(), ("@", "3×4 and 3×2")),
    "infinity": (debugged(lambda: np.sum(np.log(P * 2))), ("ln",)),
    "an infinite gradient": (
        debugged(lambda: np.sum(np.sqrt(P * 2)).backward()),
        ("√", "its gradient"),
    ),
}


def call_bad_hook(y: Any) -> Any:
    y.register_hook(lambda g: g[7])
    np.sum(y).backward()


def no_gradient() -> Any:
    with am.no_grad():
        return X @ W


@pytest.mark.parametrize("name", CASES)
def test_the_operation_that_failed_is_marked(name: str) -> None:
    f, lines = CASES[name]
    error = raise_error(f)
    picture = viz.draw(error).picture
    (failed,) = [box for box in picture.boxes if box.role == "failed"]
    (text,) = [box for box in picture.boxes if box.role == "error"]
    assert failed.lines == lines
    error = error.__cause__ if name == "a chained error" else error
    assert text.lines[0] == type(error).__name__
    assert str(error).split()[0] in " ".join(text.lines)
    entering = [arrow for arrow in picture.arrows if arrow.head == failed.id]
    assert entering and all(arrow.lit == "failed" for arrow in entering)
    assert sum(arrow.lit == "failed" for arrow in picture.arrows) == len(entering)
    leaves = {box.lines[0] for box in picture.boxes if box.role in ("input", "parameter")}
    assert leaves <= {"x", "w", "p", "array", "input", "weight", "bias", "y"}


def test_what_ran_before_is_drawn() -> None:
    model = am.nn.MLP([4, 8, 3])
    error = raise_error(lambda: model(X) @ W.T)
    picture = viz.draw(error).picture
    assert {cluster.caption for cluster in picture.clusters} == {"mlp", "dense_1", "dense_2"}
    (failed,) = [box for box in picture.boxes if box.role == "failed"]
    assert failed.cluster is None
    assert sum(box.role == "parameter" for box in picture.boxes) == 5


@pytest.mark.parametrize("suffix", ["svg", "png", "dot", "mmd", "json", "html"])
def test_every_format(tmp_path: Path, suffix: str) -> None:
    error = raise_error(lambda: X @ W)
    path = viz.render(error, tmp_path / f"error.{suffix}")
    assert path.stat().st_size > 100
    if suffix != "png":
        assert "ShapeError" in path.read_text(encoding="utf-8")


def test_what_is_no_error_of_tensors_is_refused() -> None:
    class Own(am.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("my own error")

    model = am.nn.Sequential(am.nn.Dense(4, 4), Own())
    lost = raise_error(lambda: X @ W).with_traceback(None)
    with pytest.raises(viz.PictureError, match="its traceback is lost"):
        viz.draw(ValueError(str(lost)))
    own = (raise_error(lambda: model(X)), raise_error(lambda: am.grad(np.tanh)(np.ones(3))))
    for error in (*own, raise_error(lambda: np.ones(3) @ np.ones(2))):
        with pytest.raises(viz.PictureError, match="no operation on tensors is in the traceback"):
            viz.draw(error)
    error = raise_error(lambda: X @ W)
    with pytest.raises(viz.PictureError, match="view='scalars'"):
        viz.draw(error, view="scalars")
    with pytest.raises(viz.PictureError, match="overlay="):
        viz.draw(error, overlay="memory")


def test_an_error_that_was_handled_is_not_drawn() -> None:
    def handled() -> Any:
        try:
            X @ W
        except am.ShapeError:
            raise ValueError("of my own") from None

    with pytest.raises(viz.PictureError, match="no operation on tensors"):
        viz.draw(raise_error(handled))


def test_folds_are_not_blamed() -> None:
    class Wrong(am.nn.Module):
        def __init__(self) -> None:
            self.first = am.nn.Dense(4, 3)

        def forward(self, x: Any, z: Any) -> Any:
            return (np.tanh(self.first(x)) * z) @ np.ones((5, 5))

    x, z = am.tensor(np.ones((2, 4))), am.tensor(np.ones((2, 3)), name="z")
    error = raise_error(lambda: Wrong()(x * 2, z))
    for options in ({"open": 0}, {"limit": 4}, {}):
        picture = viz.draw(error, **options).picture
        (failed,) = [box for box in picture.boxes if box.role == "failed"]
        assert failed.lines == ("@", "2×3 and 5×5")
        lit = [arrow for arrow in picture.arrows if arrow.lit]
        assert lit and all(arrow.head == failed.id for arrow in lit)
    y = am.tensor(np.ones((2, 4)))
    for _ in range(40):
        y = y @ np.ones((4, 4))
    picture = viz.draw(raise_error(lambda: y @ np.ones((3, 3))), limit=6).picture
    (failed,) = [box for box in picture.boxes if box.role == "failed"]
    assert failed.lines == ("@", "2×4 and 3×3")


def test_a_long_text_is_cut() -> None:
    @am.primitive
    def mine(x: Any) -> Any:
        raise ValueError("word " * 500)

    picture = viz.draw(raise_error(lambda: mine(X))).picture
    (text,) = [box for box in picture.boxes if box.role == "error"]
    assert len(text.lines) <= 5 and max(map(len, text.lines)) <= 62
