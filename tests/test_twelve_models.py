"""Twelve models in plain NumPy: their gradients, their compiled steps, and all their pictures."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.drawing import VIEWS
from viz.overlays import OVERLAYS

sys.path.append(str(Path(__file__).parents[1] / "examples"))
MODELS: dict[str, Any] = import_module("twelve_models").MODELS

OF_OPERATIONS = [v for v in VIEWS if v not in ("compiled", "scalars", "neurons")]
PLAYERS = ("gan",)
"""Models in which each weight is trained on a part of the loss."""


def build(name: str) -> Any:
    """Return a model with the same weights and data each time."""
    return MODELS[name](np.random.default_rng(0))


def gradients(model: Any) -> dict[str, np.ndarray]:
    """Return the gradient of the loss for each weight, and clear them."""
    model.loss(model.weights).backward()
    found = {name: np.array(w.grad) for name, w in model.weights.items()}
    for w in model.weights.values():
        w.grad = None
    return found


@pytest.mark.parametrize("name", [n for n in MODELS if n not in PLAYERS])
def test_the_gradient_is_the_slope_along_a_direction(name: str) -> None:
    model, rng = build(name), np.random.default_rng(1)
    found = gradients(model)
    length = np.sqrt(model.size)
    directions = {n: rng.normal(size=w.shape) / length for n, w in model.weights.items()}
    slope = sum(float(np.sum(found[n] * d)) for n, d in directions.items())
    starts = {n: w.data.copy() for n, w in model.weights.items()}

    def at(step: float) -> float:
        moved = {n: am.tensor(starts[n] + step * d) for n, d in directions.items()}
        return float(model.loss(moved).data)

    step = 1e-6
    numeric = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)
    assert slope == pytest.approx(numeric, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_a_compiled_step_trains_as_the_eager_one(name: str) -> None:
    results = []
    for wrapper in (am.compile, lambda step: step):
        model = build(name)
        optimizer = am.optim.Adam(list(model.weights.values()), lr=model.lr)

        def one_step(model: Any = model, optimizer: Any = optimizer) -> Any:
            loss = model.loss(model.weights)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = wrapper(one_step)
        results.append([float(step().data) for _ in range(4)])
    assert results[0] == pytest.approx(results[1], rel=1e-9)
    assert results[0][-1] != results[0][0]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:.*may be slow")
def test_every_view_with_every_overlay_is_a_picture(name: str) -> None:
    model = build(name)
    loss = model.loss(model.weights)
    for view in OF_OPERATIONS:
        for overlay in (None, *OVERLAYS):
            drawing = viz.draw(loss, view=view, overlay=overlay)
            assert ElementTree.fromstring(drawing.svg.split("?>", 1)[-1].strip()) is not None
            assert drawing.picture.boxes


@pytest.mark.parametrize("name", MODELS)
def test_the_compiled_program_is_a_picture(name: str) -> None:
    model = build(name)
    compiled = am.compile(lambda: model.loss(model.weights))
    compiled()
    compiled()
    assert viz.draw(compiled, view="compiled").picture.boxes
