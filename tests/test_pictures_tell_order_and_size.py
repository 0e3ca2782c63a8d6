"""Random graphs: arrows end in the order of the operands, and statistics are those of the numbers.

The truth comes from the operands of the recorded operations, and from sums in extended precision.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

import numpy as np
import pytest
from test_pictures_are_true import Program, name_of
from test_viz_order import reversed_pairs

import autograd_mini as am
import viz
from viz.graphs.graph_views import graph_picture
from viz.texts import COMMUTATIVE, ordinal

SIZES = (1e-170, 1e-25, 1e-3, 1.0, 1e22, 1e170)


def check_operands(seed: int) -> None:
    """Check that the arrows of an operation are its operands, numbered where order matters."""
    random = Random(-seed - 1)
    with np.errstate(all="ignore"):
        graph = am.Graph(*Program(seed).outputs())
    picture, view = graph_picture(graph, "operations", None, random.choice(["TB", "LR"]), None)
    boxes = {box.id: box for box in picture.boxes}
    of_leaf = {
        box: name_of(s.value) for s, box in view.box_of_source.items() if s.value is not None
    }
    of_part = {box: part.operations[0].serial for part, box in view.box_of_part.items()}
    for part, head in view.box_of_part.items():
        arrows = [arrow for arrow in picture.arrows if arrow.head == head]
        if any(arrow.count > 1 or arrow.tail in view.lumps for arrow in arrows):
            continue
        (operation,) = part.operations
        true = [x for x in operation.inputs if x.serial or x.ndim]
        assert len(arrows) == len(true)
        for arrow, x in zip(arrows, true, strict=True):
            if x.op is not None:
                assert of_part[arrow.tail] == x.serial
            elif x.serial:
                assert of_leaf[arrow.tail] == name_of(x)
        numbered = [arrow.operand for arrow in arrows]
        same = len({(x.serial, x.index) if x.serial else id(x) for x in true}) <= 1
        if operation.type in COMMUTATIVE or same:
            assert not any(numbered)
        else:
            assert numbered == [ordinal(place + 1) for place in range(len(arrows))]
        assert boxes[head].ordered == (operation.type not in COMMUTATIVE)


@pytest.mark.parametrize("seed", range(60))
def test_arrows_are_numbered_as_the_operands_are(seed: int) -> None:
    check_operands(seed)


@pytest.mark.parametrize("seed", range(20))
def test_arrows_end_in_the_order_of_the_operands(seed: int) -> None:
    random = Random(seed)
    with np.errstate(all="ignore"):
        outputs = Program(seed).outputs()
    options: dict[str, Any] = {
        "direction": random.choice(["TB", "LR"]),
        "limit": random.choice([None, 12, 40]),
        "view": random.choice(["operations", "tensors"]),
    }
    assert not list(reversed_pairs(viz.draw(outputs, **options)))


def true_norm(values: Any) -> float:
    """Return the length of a vector, whatever the size of its numbers."""
    wide = np.ravel(np.asarray(values)).astype(np.longdouble)
    return float(np.sqrt(np.sum(wide**2)))


@pytest.mark.parametrize("seed", range(40))
def test_statistics_are_those_of_the_numbers(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = SIZES[seed % len(SIZES)]
    dtype = np.float32 if 1e-30 < size < 1e30 and seed % 2 else np.float64
    w = am.tensor((random.normal(size=5) * size).astype(dtype), name="w", requires_grad=True)
    factor = (random.normal(size=5) * size).astype(dtype)
    with np.errstate(all="ignore"):
        loss = (w * factor).sum()
    gradient = viz.draw(loss, overlay="gradients").picture.boxes[0].lines[-1]
    assert read(gradient.removeprefix("‖∂‖ ")) == pytest.approx(true_norm(factor), rel=0.06)
    frames = viz.frames(loss).drawing.picture.boxes[0].lines[-1]
    assert read(frames.strip().removeprefix("‖grad‖ ")) == pytest.approx(
        true_norm(factor), rel=1e-3
    )
    mean, deviation = viz.draw(loss, overlay="values").picture.boxes[0].lines[-1].split(" ± ")
    wide = w.data.astype(np.longdouble)
    assert read(mean.removeprefix("mean ")) == pytest.approx(float(wide.mean()), rel=0.06)
    assert read(deviation) == pytest.approx(float(wide.std()), rel=0.06)


def read(text: str) -> float:
    """Read a number as pictures write it."""
    found = re.fullmatch(r"−?[\d.]+(e[+−]\d+)?", text)
    assert found, text
    return float(text.replace("−", "-"))


@pytest.mark.slow
def test_arrows_are_numbered_as_the_operands_are_1000_times() -> None:
    for seed in range(100, 1100):
        check_operands(seed)
