"""Packing: many scalar instructions become one, whose numbers lie in slots of one vector.

Instructions are sorted into stages, even ones for arrays and odd ones for scalars, each as early as
its operands allow; so a region, the scalar instructions of one odd stage, can be one instruction
without a cycle. Regions that would gain nothing stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...core.contexts import run_quietly
from ...ops.elementwise import power
from ...ops.indexing import getitem
from ...ops.joining import stack, unstack
from ..program import Instruction, Program, Value
from .scalar_graph import (
    OUTSIDE,
    Reader,
    ScalarGraph,
    common_dtype,
    fuse_products,
    has_vector_operation,
    node_heights,
)
from .schedule import (
    CASTS,
    DOT,
    MULTIPLY,
    PRODUCT,
    RAGGED_SUM,
    SUM,
    WITH_NUMBERS,
    Index,
    Load,
    Schedule,
    SlotPlaces,
    VectorOperation,
    VectorStep,
    packed_row,
)

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

    def constants(self) -> list[np.ndarray]:
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
    found: list[tuple[Index, Index, Index]], rows: Index, columns: Index, row: Index, column: Index
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


FEWEST = 100
"""Regions of fewer scalar instructions are left as they are."""

INSTRUCTION, FUNCTION, GROUP, ELEMENT, PASSED_SCALAR = 0.06, 0.5, 1.2, 0.003, 0.025
"""Measured µs: of a scalar instruction of Python's operators, one that calls a NumPy function, a
vector operation with its gathers, one gathered element, and one scalar that goes in or out."""

LARGEST_VIEW = 1_000_000
"""Single elements are followed in arrays of fewer elements."""


@dataclass(slots=True, eq=False)
class ScalarRegion:
    """The scalar instructions of one stage, as a graph."""

    instructions: list[Instruction]
    graph: ScalarGraph
    groups: list[Index]


def vectorize_scalars(program: Program) -> Program:
    """Replace regions of many scalar instructions by one instruction `packed` each.

    Sums of products are computed as matrix products, so results are equal within the rounding of
    a sum, n·eps·Σ|terms|; all others are equal up to the last bits of transcendental functions.
    """
    stages = Stages(program)
    wanted = _stages_that_need(program, stages)
    regions = {}
    for stage, steps in stages.listed.items():
        if stage % 2 and len(steps) >= FEWEST:
            region = _plan_region(steps, program, stages, wanted)
            if region is not None:
                regions[stage] = region
    if not regions:
        return program
    return _assemble_program(program, stages, regions)


class Stages:
    """The stage of every instruction.

    Attributes:
        listed: the instructions of each stage, in order.
        made: the stage that makes each value; 0 for values that are there from the start.
        elements: scalars that are elements of an array, and at which place.
        views: the instructions that make parts of arrays.
    """

    def __init__(self, program: Program) -> None:
        self.listed: dict[int, list[Instruction]] = {}
        self.made: dict[Value, int] = {}
        self.elements: dict[Value, tuple[Value, int]] = {}
        self.views: set[Instruction] = set()
        self._parts: dict[Value, tuple[Value, Any]] = {}
        listed, made = self.listed, self.made
        latest = 0
        for step in program.instructions:
            stage = max([made.get(x, 0) for x in step.values], default=0)
            if _is_vectorizable(step):
                stage |= 1
            else:
                stage += stage % 2
                if getattr(step.primitive, "effect", False):
                    stage = latest = max(stage, latest)
                elif step.primitive is getitem or step.primitive is unstack:
                    self.follow(step)
            made.update(dict.fromkeys(step.results, stage))
            listed.setdefault(stage, []).append(step)

    def follow(self, step: Instruction) -> None:
        """Note which elements of an array an instruction takes."""
        source = step.operands[0]
        alone = len(step.operands) == 1
        if not alone or type(source) is not Value or not 0 < source.size < LARGEST_VIEW:
            return
        if source not in self._parts:
            self._parts[source] = source, np.arange(source.size).reshape(source.shape)
        root, places = self._parts[source]
        values = {source: places}
        step.compute(values)
        for y in step.results:
            self._parts[y] = root, values[y]
            if y.shape == ():
                self.elements[y] = root, int(values[y])
        self.views.add(step)


def _is_vectorizable(step: Instruction) -> bool:
    """Whether an instruction can be part of a packed one."""
    primitive, results = step.primitive, step.results
    if len(results) != 1 or results[0].weak:
        return False
    if primitive is stack:
        dtype = results[0].dtype
        return all(
            type(x) is Value and not x.shape and not x.weak and x.dtype == dtype
            for x in step.operands
        )
    if results[0].shape or not has_vector_operation(primitive):
        return False
    dtype = results[0].dtype
    for x in step.operands:
        if type(x) is not Value or x.weak:
            return _has_fitting_numbers(step)
        dtype = x.dtype
    return primitive not in CASTS or dtype.kind != "c" or results[0].dtype.kind == "c"


def _has_fitting_numbers(step: Instruction) -> bool:
    """Whether the numbers of an instruction have a dtype that gives the same result."""
    primitive, operands = step.primitive, step.operands
    if primitive not in WITH_NUMBERS or all(type(x) is not Value for x in operands):
        return False
    if primitive.name == "where" and (type(operands[0]) is not Value or operands[0].weak):
        return False
    if primitive is power and (
        step.results[0].dtype.kind not in "fc" or type(operands[1]) is complex
    ):
        return False
    try:
        found = common_dtype(step)
    except (OverflowError, TypeError):
        return False
    return step.results[0].dtype in (found, np.dtype(bool)) or found.kind in "biu"


def _stages_that_need(program: Program, stages: Stages) -> dict[Value, set[int]]:
    """Return the other stages that need each value; −1 for the end of the program."""
    made = stages.made
    needed: dict[Value, set[int]] = {}
    for y in program.ends():
        needed.setdefault(y, set()).add(-1)
    for stage, steps in stages.listed.items():
        for step in steps:
            for x in step.operands:
                if type(x) is Value and made.get(x, stage) != stage:
                    needed.setdefault(x, set()).add(stage)
    return needed


def _plan_region(
    steps: list[Instruction], program: Program, stages: Stages, wanted: dict[Value, set[int]]
) -> ScalarRegion | None:
    """Return a region as a graph, or None if packing it would gain nothing."""
    reader = Reader(program.constants, stages.elements)
    graph = reader.read(steps)
    if not np.any(graph.kinds >= 0):
        return None
    before = estimate_separate_time(graph)
    needed = np.zeros(len(graph.kinds), bool)
    for step in steps:
        if step.primitive is stack:
            needed[[graph.nodes[x] for x in step.operands]] = True
        elif step.results[0] in wanted:
            needed[graph.nodes[step.results[0]]] = True
    fuse_products(graph, needed)
    ordered = group_nodes(graph, node_heights(graph))
    after = GROUP * len(ordered) + ELEMENT * len(graph.operands)
    after += PASSED_SCALAR * (len(graph.scalars) + int(needed.sum()))
    return ScalarRegion(steps, graph, ordered) if after < 0.9 * before else None


def estimate_separate_time(graph: ScalarGraph) -> float:
    """Estimate the µs that the instructions of a graph take one by one."""
    cost = [
        INSTRUCTION if operation.sign or operation is SUM else FUNCTION
        for operation in graph.operations
    ]
    computed = graph.kinds >= 0
    each = np.array([*cost, 0.0])[graph.kinds[computed]]
    return float(each @ np.maximum(graph.counts[computed] - 1, 1))


def _assemble_program(
    program: Program, stages: Stages, regions: dict[int, ScalarRegion]
) -> Program:
    """Return the program in the order of stages, with one instruction for each region."""
    wanted = _stages_that_need(program, stages)
    instructions: list[Instruction] = []
    for stage in sorted(stages.listed):
        if stage in regions:
            made = _make_instruction(regions[stage], stages, wanted, set(regions))
        instructions += [made] if stage in regions else stages.listed[stage]
    return program.with_instructions(_drop_unused_views(program, stages, instructions))


def _make_instruction(
    region: ScalarRegion, stages: Stages, wanted: dict[Value, set[int]], packing: set[int]
) -> Instruction:
    """Return the instruction of a region.

    Scalars that only later regions need go there in one array for each dtype.
    """
    graph = region.graph
    graph.elements += [(n, *stages.elements[x]) for n, x in graph.scalars if x in stages.elements]
    graph.scalars = [(n, x) for n, x in graph.scalars if x not in stages.elements]
    results: list[Value] = []
    passed: dict[np.dtype[Any], list[Value]] = {}
    arrays: list[tuple[Value, Index]] = []
    for step in region.instructions:
        y = step.results[0]
        if step.primitive is stack:
            nodes = [graph.nodes[x] for x in step.operands if type(x) is Value]
            arrays.append((y, np.array(nodes, np.intp)))
        elif y in wanted:
            if wanted[y] <= packing:
                passed.setdefault(y.dtype, []).append(y)
            else:
                results.append(y)
    for dtype, values in passed.items():
        array = Value((len(values),), dtype)
        arrays.append((array, np.array([graph.nodes[y] for y in values], np.intp)))
        stages.elements |= {y: (array, place) for place, y in enumerate(values)}
    take = [graph.nodes[y] for y in results]
    schedule, taken, order = plan_schedule(graph, region.groups, take, [x for _, x in arrays])
    made = (*(results[i] for i in order), *(array for array, _ in arrays))
    return Instruction(packed_row, tuple(taken), {"schedule": schedule}, made)


def _drop_unused_views(
    program: Program, stages: Stages, instructions: list[Instruction]
) -> list[Instruction]:
    """Drop instructions that take parts of arrays which are no longer needed."""
    needed = set(program.ends())
    kept = []
    for step in reversed(instructions):
        if step not in stages.views or any(y in needed for y in step.results):
            needed.update(step.values)
            kept.append(step)
    return kept[::-1]
