"""Layout: which slot each node of a scalar graph gets, and the steps that compute the nodes.

Nodes of one kind and height form a group. A group gets consecutive slots, in the order of the slots
of its first operand: then that operand is often a view and no gather is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...core.contexts import run_quietly
from ..program import Value
from .graph import OUTSIDE, ScalarGraph
from .schedule import Index, Load, Schedule, SlotPlaces, VectorStep
from .vector_operations import DOT, MULTIPLY, PRODUCT, RAGGED_SUM, SUM, VectorOperation

FEW = 8
"""Sums of one length that are fewer share a step with sums of other lengths."""


def group_nodes(graph: ScalarGraph, height: Index) -> list[Index]:
    """Return the nodes that one vector operation can compute, group by group, in order."""
    nodes = np.flatnonzero(graph.kinds >= 0)
    counts, starts = graph.counts[nodes], graph.starts[nodes]
    kinds, buffers = graph.kinds[nodes], graph.buffers[nodes]
    signature = np.zeros(len(nodes), np.intp)
    for position in range(3):
        there = counts > position
        operand = graph.operands[np.where(there, starts + position, 0)]
        signature = signature * 64 + np.where(there, graph.buffers[operand] + 1, 0)
    lengths = np.where(
        np.isin(kinds, [graph.kind(SUM), graph.kind(DOT)]), _shared_lengths(nodes, graph, height), 0
    )
    keys = np.stack((-height[nodes], kinds, buffers, signature * (lengths == 0), lengths))
    order = np.lexsort(keys[::-1])
    changes = np.flatnonzero(np.any(np.diff(keys[:, order], axis=1), axis=0)) + 1
    return np.split(nodes[order], changes)


def _shared_lengths(nodes: Index, graph: ScalarGraph, height: Index) -> Index:
    """Return the number of operands, or −1 where few nodes have as many."""
    keys = np.stack((height[nodes], graph.kinds[nodes], graph.buffers[nodes], graph.counts[nodes]))
    _, which, count = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    return np.where(count[which.reshape(-1)] < FEW, -1, graph.counts[nodes])


class SlotLayout:
    """Gives slots to the nodes of a graph.

    Attributes:
        slots: of each node, −1 until it has one.
        sizes: how many slots of each buffer are in use.
    """

    def __init__(self, graph: ScalarGraph) -> None:
        self.graph = graph
        self.slots: Index = np.full(len(graph.kinds), -1, np.intp)
        self.sizes = [0] * len(graph.dtypes)
        self._starts = graph.starts

    def _take_slots(self, nodes: Index, buffer: int) -> SlotPlaces:
        """Give the next slots to nodes of one buffer."""
        places = self._reserve_slots(buffer, len(nodes))
        self.slots[nodes] = places.index
        return places

    def _reserve_slots(self, buffer: int, count: int) -> SlotPlaces:
        """Return the next slots of a buffer."""
        start = self.sizes[buffer]
        self.sizes[buffer] += count
        return SlotPlaces(buffer, np.arange(start, start + count))

    def _by_buffer(self, nodes: Sequence[int]) -> Iterator[tuple[int, Index]]:
        """Yield the buffers of nodes, each with the positions of its nodes."""
        buffers = self.graph.buffers[np.array(nodes, np.intp)]
        for buffer in range(len(self.sizes)):
            found = np.flatnonzero(buffers == buffer)
            if len(found):
                yield buffer, found

    def constants(self) -> list[Any]:
        """Give slots to constants, and return the values of each buffer."""
        nodes = [node for node, _ in self.graph.constants]
        values = [np.zeros(0, dtype) for dtype in self.graph.dtypes]
        for buffer, found in self._by_buffer(nodes):
            self._take_slots(np.array(nodes)[found], buffer)
            dtype, numbers = self.graph.dtypes[buffer], [self.graph.constants[i][1] for i in found]
            values[buffer] = run_quietly(partial(np.array, numbers, dtype), over="ignore")
        return values

    def steps(self, nodes: Index) -> Iterator[VectorStep]:
        """Yield the steps that compute a group of nodes."""
        graph = self.graph
        operation = graph.operations[graph.kinds[nodes[0]]]
        counts = graph.counts[nodes]
        if operation in (SUM, DOT) and np.any(counts != counts[0]):
            yield from self._ragged_steps(nodes, operation)
            return
        operands = graph.operands[self._starts[nodes][:, None] + np.arange(counts[0])]
        if operation is DOT:
            yield from self._dot_steps(nodes, operands)
            return
        slots = self.slots[operands]
        order = np.lexsort(slots.T[::-1][-3:] if operation is SUM else slots.T[::-1])
        nodes, operands, slots = nodes[order], operands[order], slots[order]
        buffers = graph.buffers[operands[0]]
        if operation is SUM:
            taken: tuple[SlotPlaces, ...] = (SlotPlaces(buffers[0], slots.T),)
        else:
            taken = tuple(SlotPlaces(b, slots[:, i]) for i, b in enumerate(buffers))
        yield VectorStep(operation, taken, self._take_slots(nodes, graph.buffers[nodes[0]]))

    def _ragged_steps(self, nodes: Index, operation: VectorOperation) -> Iterator[VectorStep]:
        """Yield the steps of sums, or sums of products, of different lengths."""
        graph, buffer = self.graph, int(self.graph.buffers[nodes[0]])
        spans = [
            self.slots[graph.operands[start : start + count]]
            for start, count in zip(self._starts[nodes], graph.counts[nodes], strict=True)
        ]
        lengths = graph.counts[nodes]
        if operation is DOT:
            lengths = lengths // 2
            left = np.concatenate([x[: len(x) // 2] for x in spans])
            right = np.concatenate([x[len(x) // 2 :] for x in spans])
            terms = self._reserve_slots(buffer, len(left))
            yield VectorStep(MULTIPLY, (SlotPlaces(buffer, left), SlotPlaces(buffer, right)), terms)
        else:
            terms = SlotPlaces(buffer, np.concatenate(spans))
        starts = np.cumsum(lengths) - lengths
        yield VectorStep(RAGGED_SUM, (terms,), self._take_slots(nodes, buffer), starts)

    def _dot_steps(self, nodes: Index, operands: Index) -> Iterator[VectorStep]:
        """Yield the steps of sums of equally many products; matrix products where possible."""
        buffer, terms = int(self.graph.buffers[nodes[0]]), operands.shape[1] // 2
        left, right = self.slots[operands[:, :terms]], self.slots[operands[:, terms:]]
        scattered = np.ones(len(nodes), bool)
        for part in _find_matrix_products(left, right):
            target = self._reserve_slots(buffer, part.size)
            index = target.index.reshape(part.shape)
            self.slots[nodes[part.members]] = index[part.places]
            scattered[part.members] = False
            taken = (SlotPlaces(buffer, part.left), SlotPlaces(buffer, part.right))
            yield VectorStep(PRODUCT, taken, SlotPlaces(buffer, index))
        if scattered.any():
            order = np.flatnonzero(scattered)[np.argsort(left[scattered, 0], kind="stable")]
            taken = (SlotPlaces(buffer, left[order].T), SlotPlaces(buffer, right[order].T))
            yield VectorStep(DOT, taken, self._take_slots(nodes[order], buffer))


def plan_schedule(
    graph: ScalarGraph, ordered: list[Index], results: list[int], arrays: list[Index]
) -> tuple[Schedule, list[Value], list[int]]:
    """Plan the schedule of a graph.

    Args:
        ordered: the groups of nodes, in order.
        results: the nodes that go out as scalars.
        arrays: nodes that go out as arrays, in the shape of each.

    Returns:
        the schedule, the operands of the instruction, and the order in which `results` go out.
    """
    layout = SlotLayout(graph)
    constants = layout.constants()
    taken: list[Value] = []
    scalars = []
    nodes = [node for node, _ in graph.scalars]
    for buffer, found in layout._by_buffer(nodes):
        scalars.append(layout._take_slots(np.array(nodes)[found], buffer))
        taken += [graph.scalars[i][1] for i in found]
    loads = []
    for array, pairs in _elements_by_array(graph).items():
        places = np.array([place for _, place in pairs])
        members = np.array([node for node, _ in pairs])
        whole = np.array_equal(places, np.arange(array.size))
        target = layout._take_slots(members, int(graph.buffers[members[0]]))
        loads.append(Load(target, None if whole else places))
        taken.append(array)
    steps = [step for group in ordered for step in layout.steps(group)]
    order: list[int] = []
    out = []
    for buffer, found in layout._by_buffer(results):
        out.append(SlotPlaces(buffer, layout.slots[np.array(results)[found]]))
        order += found.tolist()
    schedule = Schedule(
        dtypes=tuple(graph.dtypes),
        sizes=tuple(layout.sizes),
        constants=tuple(constants),
        scalars=tuple(scalars),
        loads=tuple(loads),
        steps=tuple(steps),
        results=tuple(out),
        arrays_out=tuple(
            SlotPlaces(int(graph.buffers[x.flat[0]]), layout.slots[x]) for x in arrays
        ),
    )
    return schedule, taken, order


def _elements_by_array(graph: ScalarGraph) -> dict[Value, list[tuple[int, int]]]:
    """Return the nodes that are elements of each array, with their places, in order of place."""
    found: dict[Value, list[tuple[int, int]]] = {}
    for node, array, place in graph.elements:
        assert graph.kinds[node] == OUTSIDE
        found.setdefault(array, []).append((node, place))
    return {array: sorted(pairs, key=lambda pair: pair[1]) for array, pairs in found.items()}


# ── sums of products as matrix products ───────────────────────────────────────────────────────────
# Output n is Σₖ left[n, k]·right[n, k]. If the outputs use few different rows of `left` and
# `right`, in (nearly) all pairs, they are the entries of one product. The rows and the pairs in
# use are a bipartite graph; each of its connected components is a candidate.
WORTH = 64
"""How many multiplications make a matrix product faster than gathering both factors of each."""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixProduct:
    """One matrix product, or several of one shape at once.

    Attributes:
        members: which outputs are entries of it.
        places: the index of each of them in the product.
        left, right: the slots of the matrices, (…, m, k) and (…, k, n).
    """

    members: Index
    places: tuple[Index, ...]
    left: Index
    right: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the product."""
        return (*self.left.shape[:-1], self.right.shape[-1])

    @property
    def size(self) -> int:
        """The number of entries, in use or not."""
        return int(np.prod(self.shape))


def _find_matrix_products(left: Index, right: Index) -> Iterator[MatrixProduct]:
    """Yield the matrix products among sums of products; the other sums are left over.

    Args:
        left, right: the slots of the factors, (outputs, terms) each.
    """
    rows, row = _distinct_rows(left)
    columns, column = _distinct_rows(right)
    label = _connected_components(row, column, len(rows), len(columns))
    order = np.argsort(label, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    equal: dict[tuple[int, int], list[tuple[Index, Index, Index]]] = {}
    for members in blocks:
        used_rows, used_columns = np.unique(row[members]), np.unique(column[members])
        shape = len(used_rows), len(used_columns)
        pairs = len(np.unique(row[members] * len(columns) + column[members]))
        if 2 * pairs >= shape[0] * shape[1] and pairs * left.shape[1] >= WORTH:
            equal.setdefault(shape, []).append((members, used_rows, used_columns))
    for found in equal.values():
        yield _stack_blocks(found, rows, columns, row, column)


def _stack_blocks(
    found: list[tuple[Index, Index, Index]],
    rows: Index,
    columns: Index,
    row: Index,
    column: Index,
) -> MatrixProduct:
    """Stack blocks of one shape to one matrix product; a single block stays a matrix."""
    left, right, places = [], [], []
    for number, (members, used_rows, used_columns) in enumerate(found):
        order = np.argsort(rows[used_rows[0]], kind="stable")  # neighbours in memory, if they are
        left.append(rows[used_rows][:, order])
        right.append(columns[used_columns][:, order].T)
        at = (
            np.searchsorted(used_rows, row[members]),
            np.searchsorted(used_columns, column[members]),
        )
        places.append((np.full(len(members), number), *at))
    members = np.concatenate([block[0] for block in found])
    batch, i, j = (np.concatenate(x) for x in zip(*places, strict=True))
    if len(found) == 1:
        return MatrixProduct(members, (i, j), left[0], right[0])
    return MatrixProduct(members, (batch, i, j), np.stack(left), np.stack(right))


def _distinct_rows(rows: Index) -> tuple[Index, Index]:
    """Return the distinct rows in order, and the index of each row among them."""
    found, which = np.unique(rows, axis=0, return_inverse=True)
    return found, which.reshape(-1)


def _connected_components(row: Index, column: Index, rows: int, columns: int) -> Index:
    """Return a label of the connected component of each pair: its lowest row."""
    label = np.arange(rows)
    while True:
        lowest = np.full(columns, rows)
        np.minimum.at(lowest, column, label[row])
        new = label.copy()
        np.minimum.at(new, row, lowest[column])
        if np.array_equal(new, label):
            return label[row]
        label = new
