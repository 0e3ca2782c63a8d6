"""Scatter-add: a sum at a few places of an array is computed there, not everywhere.

The gradient of indexing is an array of zeros, with the cotangent added at the index. If it is added
to another array, the zeros are not needed. The result is the same up to the sign of zeros if no
place is named twice, as where a captured array counts the rows; else it is the same up to the order
of the additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.primitive import PRIMITIVES
from ...ops.index_batching import ARRAY
from ..fused_ops import added_at, picked
from ..program import Instruction, Operand, Program, Value
from .cleanup import eliminate_dead_code
from .facts import Uses, has_arrays


def fuse_scatter_add(program: Program) -> Program:
    """Add a scattered cotangent to the other operand directly, without zeros between."""
    if not has_arrays(program):
        return program
    program, places = _index_by_places(program)
    uses = Uses(program)
    changed: dict[Value, Instruction] = {}
    for step in program.instructions:
        if step.operation_name != "add" or len(step.operands) != 2:
            continue
        for other, x in (step.operands, step.operands[::-1]):
            flattened = uses.only(x, "reshape")
            scatter = uses.only(flattened.operands[0] if flattened else x, "scatter")
            y = step.results[0]
            if scatter is None or type(other) is not Value or other.dtype != y.dtype:
                continue
            if not other.shape == y.shape == (flattened or scatter).results[0].shape:
                continue
            g, *arrays = scatter.operands
            if flattened is not None and scatter.params["index"] != (ARRAY,):
                continue
            unique = places.issuperset(arrays) or _names_no_place_twice(arrays, program)
            params = {"index": scatter.params["index"], "unique": unique}
            params["flat"] = flattened is not None
            changed[y] = Instruction(
                added_at, (other, g, *arrays), params, step.results, step.scope, step.line
            )
            break
    if not changed:
        return program
    return eliminate_dead_code(
        program.with_instructions(
            [changed.get(s.results[0], s) if s.results else s for s in program.instructions]
        )
    )


def _index_by_places(program: Program) -> tuple[Program, set[Operand]]:
    """Pick one element of each row by its place in all of the matrix: half the time.

    The column must be a class number, which was checked: it counts from the front.

    Returns:
        the program, and the places in it at which no two elements lie.
    """
    makers = {y: s for s in program.instructions for y in s.results}
    found: dict[tuple[Value, Value], Value] = {}
    constants: dict[Value, Any] = {}
    kept: list[Instruction] = []
    for step in program.instructions:
        new = [step]
        if step.operation_name in ("getitem", "scatter"):
            x = step.operands[0]
            shape = step.params.get("shape", x.shape if type(x) is Value else ())
            places = _places_in_matrix(step, shape, makers, program, found, constants, kept)
            if places is not None:
                new = _index_vector(step, shape, places)
        kept += new
    if not found:
        return program, set()
    places_of_rows: set[Operand] = {
        places
        for (rows, _), places in found.items()
        if np.unique(program.constants[rows]).size == rows.size
    }
    return program.with_instructions(kept, constants=program.constants | constants), places_of_rows


def _places_in_matrix(
    step: Instruction,
    shape: tuple[int, ...],
    makers: dict[Value, Instruction],
    program: Program,
    found: dict[tuple[Value, Value], Value],
    constants: dict[Value, object],
    kept: list[Instruction],
) -> Value | None:
    """Return the places of rows and columns in a matrix, or None for another kind of index."""
    if len(shape) != 2 or step.params["index"] != (ARRAY, ARRAY):
        return None
    _, rows, columns = step.operands
    if type(rows) is not Value or type(columns) is not Value:
        return None
    numbers = program.constants.get(rows)
    classes = makers.get(columns)
    if numbers is None or classes is None or classes.operation_name != "class_numbers":
        return None
    plain = numbers.ndim == 1 and numbers.dtype.kind in "iu" and rows.shape == columns.shape
    if not plain or not numbers.size or numbers.min() < 0 or shape[1] != classes.params["classes"]:
        return None
    if (rows, columns) not in found:
        starts = Value(rows.shape, np.dtype(np.intp), "row_starts")
        constants[starts] = numbers.astype(np.intp) * shape[1]
        places = found[rows, columns] = Value(rows.shape, np.dtype(np.intp))
        add = PRIMITIVES["add"]
        kept.append(Instruction(add, (columns, starts), {}, (places,), step.scope, step.line))
    return found[rows, columns]


def _index_vector(step: Instruction, shape: tuple[int, ...], places: Value) -> list[Instruction]:
    """Return the same operation of a vector."""
    x, y = step.operands[0], step.results[0]
    assert type(x) is Value
    length, scope, line = shape[0] * shape[1], step.scope, step.line
    reshape, params = PRIMITIVES["reshape"], dict(step.params) | {"index": (ARRAY,)}
    vector = Value((length,), x.dtype)
    if step.operation_name == "getitem":
        return [Instruction(picked, (x, places), {}, (y,), scope, line)]
    params["shape"] = (length,)
    put = Instruction(step.primitive, (x, places), params, (vector,), scope, line)
    return [put, Instruction(reshape, (vector,), {"shape": shape}, (y,), scope, line)]


def _names_no_place_twice(arrays: list[Any], program: Program) -> bool:
    """Whether captured indices show that no place is named twice."""
    if any(type(x) is not Value for x in arrays):
        return False
    if any(x.dtype.kind == "b" for x in arrays):
        return len(arrays) == 1
    shape = np.broadcast_shapes(*(x.shape for x in arrays)) if arrays else ()
    for x in arrays:
        rows = program.constants.get(x)
        if rows is not None and rows.size == int(np.prod(shape)):
            # A negative index may name a place that another one names, too.
            return bool((rows >= 0).all()) and np.unique(rows).size == rows.size
    return False
