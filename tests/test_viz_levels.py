"""Levels: whatever is open, the arrows of a page join an operation with all that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor
from viz.graphs.levels import Level, build_levels, number_ports
from viz.graphs.operations import OperationsView, TensorsView
from viz.graphs.outline import Outline
from viz.reading import Key, key, operands


def levels_of(outputs: Any, limit: int | None = 40, view: Any = OperationsView) -> Level:
    graph = Graph(*outputs)
    first = Outline(graph, limit)
    return build_levels(first, lambda outline: view(outline, "", "TB"), limit, True)


def random_graph(seed: int) -> list[Tensor]:
    """Return the outputs of a program with nested scopes; some are left and entered again."""
    rng = np.random.default_rng(seed)
    made: list[Tensor] = [am.tensor(np.ones(3), name=f"x{i}") for i in range(2)]
    made += [am.tensor(np.ones(3), name=f"w{i}", requires_grad=True) for i in range(3)]
    contexts: list[Any] = []

    def compute() -> None:
        for _ in range(int(rng.integers(1, 4))):
            one, other = (made[int(i)] for i in rng.integers(0, len(made), 2))
            kind = int(rng.integers(0, 5))
            if kind == 0:
                made.append(np.sin(one))
            elif kind == 1:
                made.append(one * other)
            elif kind == 2:
                made.extend(np.split(one + other, 3)[:2])
                made[-2:] = [made[-2] + np.ones(3), made[-1] * one]
            elif kind == 3:
                made.append(one @ other + other)
            else:
                made.append(one + made[-1])

    def enter(depth: int) -> None:
        compute()
        for place in range(int(rng.integers(0, 4)) if depth < 4 else 0):
            with am.scope(f"s{place}"):
                enter(depth + 1)
                contexts.append(copy_context())
        if contexts and rng.random() < 0.4:
            contexts[int(rng.integers(0, len(contexts)))].run(compute)
        compute()

    with np.errstate(all="ignore"):
        enter(0)
    return [y for y in made[-3:] if not y.is_leaf]


def sources(level: Level, parents: dict[int, Level], box: str, name: Key) -> Iterator[Any]:
    """Yield where the arrows into a box lead back to that carry a tensor: level and box."""
    found = False
    for arrow in level.picture.arrows:
        if arrow.head != box or name not in arrow.carries:
            continue
        found = True
        tail = arrow.tail
        if ("entry", level.outline.entering.get(name)) in level.view.ports and (
            tail == level.view.ports["entry", level.outline.entering[name]]
        ):
            yield from sources(parents[id(level)], parents, level.box, name)
        elif tail in level.children:
            child = level.children[tail]
            port = child.view.ports["exit", child.outline.leaving[name]]
            yield from sources(child, parents, port, name)
        else:
            yield level, tail
    assert found, f"no arrow into {box} carries {name}"


def check_arrows(root: Level) -> int:
    """Check the operands of every operation; return how many operations there are."""
    parents = {id(c): level for level in root.all_levels() for c in level.children.values()}
    count = 0
    for level in root.all_levels():
        boxes = {box: part for part, box in level.view.box_of_part.items()}
        for part, box in level.view.box_of_part.items():
            if part.kind != "operation":
                assert box in level.children
                continue
            count += 1
            (operation,) = part.operations
            wanted = {key(x) for x in operands(operation) if isinstance(x, Tensor)}
            carried = {x for a in level.picture.arrows if a.head == box for x in a.carries}
            assert carried == wanted
            for name in wanted:
                for other, tail in sources(level, parents, box, name):
                    maker = {b: p for p, b in other.view.box_of_part.items()}.get(tail)
                    if maker is not None:
                        made = {key(y) for op in maker.operations for y in op.outputs}
                        assert name in made
                    else:
                        leaf = other.view.box_of_leaf
                        drawn = [s for s, b in other.view.box_of_source.items() if b == tail]
                        counted = other.view.leaves_of_lump.get(tail, ())
                        results = getattr(other.view, "box_of_result", {})
                        known = {key(s.value) for s in drawn} | set(counted)
                        known |= {x for x, b in [*leaf.items(), *results.items()] if b == tail}
                        assert name in known
        assert len(boxes) == len(level.outline.parts)
    return count


@pytest.mark.parametrize("seed", range(40))
def test_each_operation_is_joined_with_its_operands_across_all_scopes(seed: int) -> None:
    outputs = random_graph(seed)
    for limit in (None, 8, 40):
        root = levels_of(outputs, limit)
        assert check_arrows(root) == len(root.outline.graph.operations)


@pytest.mark.parametrize("seed", range(10))
def test_so_it_is_where_results_have_boxes(seed: int) -> None:
    outputs = random_graph(seed)
    root = levels_of(outputs, 40, TensorsView)
    assert check_arrows(root) == len(root.outline.graph.operations)


def test_so_it_is_in_repeats_and_in_what_is_left_out() -> None:
    h = am.tensor(np.ones(3), name="x")
    first = h
    for place in range(300):
        h = np.sin(h) + first if place % 3 else h * place
        if place == 50:
            first = h
    root = levels_of([h.sum()])
    assert check_arrows(root) == len(root.outline.graph.operations)
    assert any(len(level.outline.parts) > 1 for level in root.all_levels() if level is not root)


def test_the_tensors_of_one_arrow_share_a_port() -> None:
    assert number_ports([("a",), ("b", "c"), ("d", "a")]) == {"a": 0, "b": 1, "c": 1, "d": 0}
    assert number_ports([("a",), ("b",), ("a", "b")]) == {"a": 0, "b": 0}
    assert number_ports([]) == {}
