"""Packing: many scalar instructions become one, which computes them by vector operations.

Instructions are sorted into stages, even ones for arrays and odd ones for scalars, each as early as
its operands allow; so a region, the scalar instructions of one odd stage, can be one instruction
without a cycle. Regions that would gain nothing stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...ops.elementwise import power
from ...ops.indexing import getitem
from ...ops.joining import stack, unstack
from ..program import Instruction, Program, Value
from .graph import (
    Reader,
    ScalarGraph,
    common_dtype,
    fuse_products,
    has_vector_operation,
    node_heights,
)
from .layout import group_nodes, plan_schedule
from .schedule import Index, packed_row
from .vector_operations import CASTS, SUM, WITH_NUMBERS

FEWEST = 100
"""Programs with fewer scalar instructions are left as they are."""

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
    scalar = sum(1 for step in program.instructions if step.results and not step.results[0].shape)
    if scalar < FEWEST:
        return program
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
            stage = 0
            for x in step.operands:
                if type(x) is Value:
                    other = made.get(x, 0)
                    if other > stage:
                        stage = other
            if _is_vectorizable(step):
                stage |= 1
            else:
                stage += stage % 2
                if getattr(step.primitive, "effect", False):
                    stage = latest = max(stage, latest)
                elif step.primitive is getitem or step.primitive is unstack:
                    self.follow(step)
            for y in step.results:
                made[y] = stage
            if stage in listed:
                listed[stage].append(step)
            else:
                listed[stage] = [step]

    def follow(self, step: Instruction) -> None:
        """Note which elements of an array an instruction takes."""
        source = step.operands[0]
        if (
            len(step.operands) > 1
            or type(source) is not Value
            or not 0 < source.size < LARGEST_VIEW
        ):
            return
        if source not in self._parts:
            self._parts[source] = source, np.arange(source.size).reshape(source.shape)
        root, places = self._parts[source]
        found = step.primitive.forward(places, **step.params)
        for y, part in zip(
            step.results, found if step.primitive.multiple else (found,), strict=True
        ):
            self._parts[y] = root, part
            if y.shape == ():
                self.elements[y] = root, int(part)
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
    packing = set(regions)
    instructions: list[Instruction] = []
    for stage in sorted(stages.listed):
        if stage not in regions:
            instructions += stages.listed[stage]
            continue
        instructions.append(_make_instruction(regions[stage], stages, wanted, packing))
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
