"""Operations are told in plain words: functions by the user's name, and no riddles in labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.core.contexts import FunctionScope
from autograd_mini.core.primitive import COMPOSED
from autograd_mini.core.table import table

MATRIX = am.tensor(np.arange(16.0).reshape(4, 4) + 1.0, name="x", requires_grad=True)
ROW = am.tensor(np.arange(4.0), name="v", requires_grad=True)


def labels(y: am.Tensor, **options: Any) -> list[str]:
    picture = viz.draw(y, view="operations", **options).picture
    return [box.lines[0] for box in picture.boxes if box.role in ("operation", "scope")]


SINGLE: dict[str, Callable[[], am.Tensor]] = {
    "repeat": lambda: np.repeat(MATRIX, 2, axis=0),
    "flip": lambda: np.flip(MATRIX),
    "fliplr": lambda: np.fliplr(MATRIX),
    "take": lambda: np.take(MATRIX, [0, 1], axis=0),
    "tril": lambda: np.tril(MATRIX),
    "hstack": lambda: np.hstack([MATRIX, MATRIX]),
    "vstack": lambda: np.vstack([MATRIX, MATRIX]),
    "swapaxes": lambda: np.swapaxes(MATRIX, 0, 1),
    "moveaxis": lambda: np.moveaxis(MATRIX, 0, 1),
    "ravel": lambda: np.ravel(MATRIX),
    "delete": lambda: np.delete(MATRIX, 0, 0),
    "array_split": lambda: np.array_split(MATRIX, 2)[0],
    "compress": lambda: np.compress([True, False, True, True], MATRIX, axis=0),
}
SEVERAL: dict[str, Callable[[], am.Tensor]] = {
    "diagonal": lambda: np.diagonal(MATRIX),
    "trace": lambda: np.trace(MATRIX),
    "diag": lambda: np.diag(MATRIX),
    "outer": lambda: np.outer(ROW, ROW),
    "inner": lambda: np.inner(ROW, ROW),
    "vdot": lambda: np.vdot(ROW, ROW),
    "ptp": lambda: np.ptp(MATRIX),
    "sort": lambda: np.sort(MATRIX),
    "median": lambda: np.median(MATRIX),
    "percentile": lambda: np.percentile(MATRIX, 30),
    "var": lambda: np.var(MATRIX),
    "tile": lambda: np.tile(MATRIX, 2),
    "roll": lambda: np.roll(MATRIX, 1),
    "kron": lambda: np.kron(ROW, ROW),
    "nan_to_num": lambda: np.nan_to_num(MATRIX),
    "interp": lambda: np.interp(ROW, [0.0, 1.0, 2.0], [0.0, 1.0, 4.0]),
    "softmax": lambda: am.softmax(MATRIX),
    "append": lambda: np.append(MATRIX, MATRIX),
    "meshgrid": lambda: np.meshgrid(ROW, ROW)[0],
}


@pytest.mark.parametrize("name", SINGLE)
def test_a_function_of_one_operation_is_that_operation_with_its_name(name: str) -> None:
    for limit in (40, None):
        picture = viz.draw(SINGLE[name](), limit=limit).picture
        assert [b.lines for b in picture.boxes if b.role == "operation"] == [(name,)]
        assert not picture.clusters and not [b for b in picture.boxes if b.role == "scope"]


@pytest.mark.parametrize("name", SEVERAL)
def test_a_function_of_several_operations_is_one_box_with_its_name(name: str) -> None:
    picture = viz.draw(SEVERAL[name]()).picture
    (fold,) = [box for box in picture.boxes if box.role in ("scope", "operation")]
    assert fold.lines[0] == name and "operations" in fold.lines[1]
    assert [box.role for box in picture.boxes if box.role == "parameter"]  # it has an arrow
    opened = viz.draw(SEVERAL[name](), open=name).picture
    assert opened.clusters[0].caption == name
    assert [c.caption for c in viz.draw(SEVERAL[name](), limit=None).picture.clusters][0] == name


def test_gradients_and_steps_know_the_names_too() -> None:
    y = np.sum(np.repeat(MATRIX, 2, axis=0) * 1.0)
    backward = viz.draw(y, view="backward").picture
    assert "∂ repeat" in [box.lines[0] for box in backward.boxes if box.role == "gradient"]
    told = [frame.caption for frame in viz.frames(y)]
    assert any(caption.startswith("repeat: ") for caption in told)
    assert any("result of repeat" in caption for caption in told)


def test_a_user_s_scope_of_such_a_name_is_a_scope() -> None:
    with am.scope("norm"):
        with am.scope("block"):
            h = np.tanh(MATRIX) * 2.0
        y = h + MATRIX
    assert [c.caption for c in viz.draw(y).picture.clusters] == ["norm", "block"]


def test_a_compiled_program_keeps_the_names() -> None:
    @am.compile
    def f(x: Any) -> Any:
        return np.sum(np.trace(x) * np.ptp(x) + np.sum(np.repeat(x, 2)))

    x = am.tensor(MATRIX.data)
    with am.no_grad():
        for _ in range(3):
            f(x)
    recorded = [op.name for op in am.Graph(f(MATRIX)).operations]
    assert recorded
    shown = labels(f.recorded)
    assert {"trace", "ptp", "repeat"} <= set(shown)


def test_every_composed_function_opens_a_scope_of_its_name() -> None:
    found = {getattr(key, "__name__", key): ours for key, ours in table.items()}
    for name in COMPOSED & set(found):
        assert found[name].block.kind is FunctionScope and found[name].block.name == name


@pytest.mark.parametrize(
    ("y", "label"),
    [
        (lambda: MATRIX[[0, 1], [1, 2]], "[i, j]"),
        (lambda: MATRIX[:, np.array([0, 1])], "[:, i]"),
        (lambda: np.where(MATRIX.data > 1, MATRIX, 0.0), "where(x, y, 0)"),
        (lambda: am.stop_gradient(MATRIX), "no gradient"),
        (lambda: np.minimum(MATRIX, np.finfo(float).max), "min(x, largest number)"),
        (lambda: np.maximum(MATRIX, -np.finfo(float).max), "max(x, −largest number)"),
        (lambda: MATRIX * float(np.finfo(np.float32).max), "× largest number"),
    ],
)
def test_labels_are_plain(y: Callable[[], am.Tensor], label: str) -> None:
    assert labels(y()) == [label]


RIDDLES = re.compile(r"·,|\[array|\barray\]|class\?|^stop$|e\+308|^\[ \]|(T|@)  (T|@)|(?<![\d])×\d")


def test_no_picture_of_layers_and_losses_has_a_riddle() -> None:
    model = am.nn.MLP([3, 4, 4], "relu", seed=0)
    optimizer = am.optim.Adam(model.parameters())

    @am.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = am.nn.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = np.ones((5, 3)), np.array([0, 1, 2, 3, 0])
    for _ in range(3):
        step(x, y)
    loss = am.nn.cross_entropy(model(am.tensor(x, name="x")), y)
    subjects = [(loss, "backward"), (loss, "tensors"), (step, "operations"), (step, "compiled")]
    for subject, view in subjects:
        for limit in (12, None):
            picture = viz.draw(subject, view=view, limit=limit).picture  # type: ignore[arg-type]
            texts = [line for box in picture.boxes for line in box.lines]
            texts += [arrow.label for arrow in picture.arrows]
            assert [text for text in texts if RIDDLES.search(text)] == []


def test_a_fold_of_one_operation_is_that_operation() -> None:
    with am.scope("one"):
        h = MATRIX @ MATRIX
    with am.scope("two"):
        h = np.tanh(h) * 2.0
    picture = viz.draw(h, open=0).picture
    assert [(b.role, b.lines[0]) for b in picture.boxes if b.role in ("operation", "scope")] == [
        ("operation", "@"),
        ("scope", "two"),
    ]


STATISTIC = re.compile(r"±|‖|norm|sum of|\d+ (?:operation|parameter|gradient|array|term)")


def test_a_box_of_no_fold_has_at_most_one_statistic_by_default() -> None:
    w = am.tensor(np.ones((4, 4)), name="w", requires_grad=True)
    h = MATRIX
    for i in range(12):
        with am.scope(f"block_{i}"):
            h = np.tanh(h @ w) + h
    for view in ("operations", "tensors", "backward", "forward"):
        for limit in (8, 40, None):
            for box in viz.draw(np.mean(h), view=view, limit=limit).picture.boxes:  # type: ignore[arg-type]
                if box.role in ("scope", "gradient_scope", "earlier", "legend"):
                    continue
                assert len(box.lines) <= 3
                assert sum(bool(STATISTIC.search(line)) for line in box.lines) <= 1, box.lines
                assert not box.bars
