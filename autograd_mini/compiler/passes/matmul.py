"""Products: sums, biases and updates that BLAS takes along with a matrix product.

Rounding changes: BLAS adds in another order, and applies a factor to the sum of products instead of
to each. Results are within n·eps of those before, n being the number of terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeGuard

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..fused_ops import accumulated, affine, column_sums, dot, row_sums
from ..program import Instruction, Operand, Program, Value
from .cleanup import eliminate_dead_code
from .facts import Uses, has_arrays

REAL: Final = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
SMALL: Final = 2**15
"""Arguments of at most so many elements are copied for every product, larger ones for updates."""
CHEAP: Final = 2**20
"""This many bytes may always be kept for an update, else those of four gradients."""
LONGEST: Final = 2**14
"""Columns of at most this many elements are summed by BLAS, which adds them one after the other."""


def fuse_matmul(program: Program) -> Program:
    """Put sums, biases and updates into the matrix products to which they belong."""
    if not has_arrays(program):
        return program
    uses = Uses(program)
    leaves = {new: leaf for leaf, new in program.updates}
    changed: dict[Value, list[Instruction]] = {}
    for step in program.instructions:
        rule = RULES.get(step.operation_name)
        found = rule(step, uses) if rule else None
        if found:
            changed[step.results[0]] = found
            uses.replace(step, *found)
    for step in program.instructions:
        leaf = leaves.get(step.results[0]) if step.results else None
        update = _fuse_update(step, leaf, uses) if leaf is not None else None
        if update is not None:
            changed[step.results[0]] = [update]
    kept: list[Instruction] = []
    for step in program.instructions:
        kept += changed.get(step.results[0], [step]) if step.results else [step]
    if changed:
        constants = program.constants | uses.constants
        program = eliminate_dead_code(program.with_instructions(kept, constants=constants))
    return _copy_small_arguments(program)


def _copy_small_arguments(program: Program) -> Program:
    """Copy small arguments of products into static memory, so that BLAS calls are prepared."""
    shown: dict[Value, Value] = {x: x for x in program.inputs if len(x.shape) == 2}
    wanted: dict[Value, bool] = {}
    for step in program.instructions:
        if step.operation_name == "transpose" and step.operands[0] in shown:
            shown[step.results[0]] = shown[step.operands[0]]
        elif step.operation_name in ("matmul", "affine", "accumulated"):
            for x in step.values:
                if x in shown and x.dtype in REAL:
                    root = shown[x]
                    wanted[root] = wanted.get(root, False) or step.primitive is accumulated
    held: dict[Operand, Value] = {}
    copies = []
    for x in program.inputs:
        if x in wanted and (wanted[x] or x.size <= SMALL):
            held[x] = Value(x.shape, x.dtype, x.name)
            copies.append(Instruction(PRIMITIVES["copy"], (x,), {}, (held[x],)))
    if not held:
        return program
    steps = [
        s.with_operands(tuple(held.get(x, x) for x in s.operands))
        if any(x in held for x in s.values)
        else s
        for s in program.instructions
    ]
    return program.with_instructions([*copies, *steps])


def _fuse_bias(step: Instruction, uses: Uses) -> list[Instruction] | None:
    """Compute x @ w + b in one instruction, where b is a row."""
    for first, bias in (step.operands, step.operands[::-1]):
        product = uses.only(first, "matmul")
        if product is None or type(bias) is not Value or bias.weak:
            continue
        x, w = product.operands
        matrices = type(x) is Value and type(w) is Value and len(x.shape) == len(w.shape) == 2
        if matrices and len(bias.shape) == 1 and _is_real_match(step, product.results[0], bias):
            return [_with_same_results(affine, (x, w, bias), step)]
    return None


def _is_real_match(step: Instruction, *operands: Value) -> bool:
    """Whether a result is real and not empty, with the dtype of all and the shape of the first."""
    y = step.results[0]
    return (
        y.dtype in REAL
        and y.size > 0
        and operands[0].shape == y.shape
        and all(x.dtype == y.dtype for x in operands)
    )


def _fuse_reduction(step: Instruction, uses: Uses) -> list[Instruction] | None:
    """Sum all elements of x·y or x², or the columns of a matrix, by BLAS."""
    (x,), axes = step.operands, step.params["axis"]
    y = step.results[0]
    if type(x) is not Value or y.dtype not in REAL or x.dtype != y.dtype or not x.size:
        return None
    if len(axes) == len(x.shape) and not step.params["keepdims"]:
        product = uses.only(x, "square", "multiply")
        if product is not None:
            a, b = (product.operands * 2)[:2]
            if _has_shape_and_dtype_of(a, x) and _has_shape_and_dtype_of(b, x):
                if step.operation_name == "sum":
                    return [_with_same_results(dot, (a, b), step)]
                return _mean_of_product(a, b, step)
    if len(axes) == len(x.shape) and not step.params["keepdims"] and x.size <= LONGEST:
        return _sum_by_ones(x, step, uses)
    if len(x.shape) != 2 or step.operation_name != "sum" or max(x.shape) > LONGEST:
        return None
    if axes == (0,) and not step.params["keepdims"]:
        return [_with_same_results(column_sums, (x,), step)]
    if axes == (1,):
        return [_with_same_results(row_sums, (x,), step, keepdims=step.params["keepdims"])]
    return None


def _has_shape_and_dtype_of(x: Operand, other: Value) -> TypeGuard[Value]:
    """Whether an operand is an array with the shape and dtype of another."""
    return type(x) is Value and x.shape == other.shape and x.dtype == other.dtype


def _mean_of_product(a: Value, b: Value, step: Instruction) -> list[Instruction]:
    """Return the mean of a·b."""
    total = Value((), a.dtype)
    products = Instruction(dot, (a, b), {}, (total,), step.scope, step.line)
    return [products, _with_same_results(PRIMITIVES["divide"], (total, a.size), step)]


def _sum_by_ones(x: Value, step: Instruction, uses: Uses) -> list[Instruction]:
    """Return the sum or mean of all elements, as a product with ones."""
    ones = Value(x.shape, x.dtype, "ones")
    uses.constants[ones] = np.ones(x.shape, x.dtype)
    if step.operation_name == "sum":
        return [_with_same_results(dot, (x, ones), step)]
    return _mean_of_product(x, ones, step)


def _fuse_update(step: Instruction, leaf: Value, uses: Uses) -> Instruction | None:
    """Let BLAS write p − factor·(a @ b), or p + …, into p."""
    name = step.operation_name
    if name not in ("subtract", "add") or not leaf.shape or step.operands[0] is not leaf:
        return None
    scaled = uses.only(step.operands[1], "multiply")
    if scaled is None or not _is_real_match(step, leaf):
        return None
    for factor, x in (scaled.operands, scaled.operands[::-1]):
        product = uses.only(x, "matmul", "column_sums")
        scalar = type(factor) is not Value or not factor.shape
        if product is None or not scalar or not _is_real_match(product, leaf):
            continue
        kept = sum(v.nbytes for v in product.values)  # until the update, which comes last
        if kept > max(4 * leaf.nbytes, CHEAP):
            continue
        cast = uses.makers.get(factor) if type(factor) is Value else None
        if (
            cast is not None
            and cast.operation_name == "cast"
            and REAL.issuperset(x.dtype for x in cast.values)
        ):
            factor = cast.operands[0]  # rounded as it is put into memory
        pair = product.operands if len(product.operands) == 2 else (None, *product.operands)
        return _with_same_results(
            accumulated, (leaf, *pair, factor), step, negative=name == "subtract"
        )
    return None


def _with_same_results(
    primitive: Primitive, operands: tuple[Operand, ...], step: Instruction, **params: object
) -> Instruction:
    """Return an instruction with the results of another instruction."""
    return Instruction(primitive, operands, params, step.results, step.scope, step.line)


RULES: Final[dict[str, Callable[[Instruction, Uses], list[Instruction] | None]]] = {
    "add": _fuse_bias,
    "sum": _fuse_reduction,
    "mean": _fuse_reduction,
}
