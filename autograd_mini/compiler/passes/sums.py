"""Sums and products: a chain of additions is one sum, x + x is 2·x; BLAS takes sums along.

A power of two multiplies without rounding, so the results are the same bit for bit, unless one of
them overflows or is too small to be exact.

Sums, biases and updates that follow a matrix product are part of the BLAS call. Rounding changes
there: BLAS adds in another order, and applies a factor to the sum of products instead of to each.
Results are within n·eps of those before, n being the number of terms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Set
from typing import Any, Final, TypeGuard

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..fused_ops import accumulated, add_n, affine, column_sums, dot, row_sums
from ..program import Instruction, Operand, Program, Value
from .cleanup import eliminate_dead_code
from .facts import Uses, has_arrays

ADD, SUBTRACT, NEGATIVE = (PRIMITIVES[name] for name in ("add", "subtract", "negative"))


ADDING: Final = (ADD, add_n)


LARGEST: Final = 1024
"""Bytes of a term up to which terms are collected. A sum of many terms keeps all of them until its
end; with larger ones, adding each as soon as it is there takes less memory and stays in cache."""


def flatten_sums(program: Program) -> Program:
    """Make one `add_n` of additions of one shape and dtype whose partial sums are used only there.

    A sum of two terms stays `add`, or becomes `subtract`, which is exact, if one was negated for it
    alone. `add_n` adds from left to right, so a chain, the accumulation of cotangents for one, is
    bit for bit what it was: its terms are listed from its innermost addition outwards. Where two
    partial sums of several terms meet, the right one's terms follow the left one's, and the result
    agrees within (n − 1)·eps·Σ|terms| for n terms.
    """
    sums: dict[Value, Instruction] = {}
    negated: dict[Value, Instruction] = {}
    for step in program.instructions:
        if step.primitive in ADDING:
            if _has_small_equal_terms(step):
                sums[step.results[0]] = step
        elif step.primitive is NEGATIVE:
            negated[step.results[0]] = step
    single = _values_used_once(program, sums.keys() | negated.keys())
    inner = {x for step in sums.values() for x in step.operands if x in sums and x in single}
    kept: list[Instruction] = []
    differences = 0
    for step in program.instructions:
        if step.primitive in ADDING:
            if step.results[0] in inner:
                continue
            old = step
            if not inner.isdisjoint(step.operands) and step.results[0] in sums:
                terms = _terms_of(step, sums, inner)
                step = Instruction(add_n, terms, {}, step.results, step.scope, step.line)
            elif step.primitive is ADD and not single.isdisjoint(step.operands):
                step = _subtract_instead_of_add(step, negated, single)
                differences += step is not old
        kept.append(step)
    if differences:
        return eliminate_dead_code(program.with_instructions(kept))
    return program.with_instructions(kept) if inner else program


def _values_used_once(program: Program, values: Set[Value]) -> set[Value]:
    """Find the values among these that one operand is, and no output or update."""
    once: set[Value] = set()
    again: set[Value] = set(program.ends())
    for step in program.instructions:
        for x in step.operands:
            if type(x) is Value and x in values:
                if x in once:
                    again.add(x)
                else:
                    once.add(x)
    return once - again


def _subtract_instead_of_add(
    step: Instruction, negated: dict[Value, Instruction], single: set[Value]
) -> Instruction:
    """Return a + (−b) or (−b) + a as a − b, if −b is needed for nothing else."""
    a, b = step.operands
    for x, other in ((a, b), (b, a)):
        if type(other) is Value and other in single and other in negated and not other.weak:
            operands = (x, negated[other].operands[0])
            return Instruction(SUBTRACT, operands, {}, step.results, step.scope, step.line)
    return step


def _has_small_equal_terms(step: Instruction) -> bool:
    """Tell whether all terms are small arrays of the result's shape and dtype."""
    y = step.results[0]
    shape, dtype = y.shape, y.dtype
    for x in step.operands:
        if type(x) is not Value or x.weak or x.shape != shape:
            return False
        if x.dtype is not dtype and x.dtype != dtype:
            return False
    return not shape or y.nbytes <= LARGEST


def _terms_of(
    step: Instruction, sums: dict[Value, Instruction], inner: set[Value]
) -> tuple[Operand, ...]:
    """List the terms of a sum in the order in which `add_n` must add them, without recursion.

    Two operands may change places bit for bit, so a partial sum goes before a single term.
    """
    terms: list[Operand] = []
    waiting: list[Operand] = list(step.operands[::-1])
    if len(waiting) == 2 and waiting[0] in inner and waiting[1] not in inner:
        waiting.reverse()
    while waiting:
        x = waiting.pop()
        if x not in inner:
            terms.append(x)
            continue
        found = sums[x].operands
        if len(found) == 2 and found[1] in inner and found[0] not in inner:
            waiting += found  # the second is taken first
        else:
            waiting += found[::-1]
    return tuple(terms)


# ── factors ───────────────────────────────────────────────────────────────────────────────────────
def factor_products(program: Program) -> Program:
    """Multiply by numbers once, where one of them is a power of two."""
    if not has_arrays(program):
        return program
    uses = Uses(program)
    changed = False
    kept: list[Instruction] = []
    for step in program.instructions:
        found: Instruction | None = _double_instead_of_sum(step) or _join_factors(
            step, uses, program
        )
        while found is not None:
            changed = True
            uses.replace(step, found)
            step, found = found, _join_factors(found, uses, program)
        kept.append(step)
    return eliminate_dead_code(program.with_instructions(kept)) if changed else program


def _double_instead_of_sum(step: Instruction) -> Instruction | None:
    """Return 2·x for x + x."""
    if step.operation_name != "add" or step.operands[0] is not step.operands[1]:
        return None
    x, y = step.operands[0], step.results[0]
    if type(x) is not Value or not y.shape or y.dtype.kind != "f" or x.dtype != y.dtype:
        return None
    return _multiply_by_number(step, 2.0, x)


def _join_factors(step: Instruction, uses: Uses, program: Program) -> Instruction | None:
    """Return (a·b)·x for a·(b·x)."""
    outer = _number_and_array(step, program)
    if outer is None:
        return None
    inner_step = uses.only(outer[1], "multiply")
    inner = _number_and_array(inner_step, program) if inner_step is not None else None
    if inner is None or inner[1].dtype != outer[1].dtype:
        return None
    if not (_is_power_of_two(outer[0]) or _is_power_of_two(inner[0])):
        return None
    kind = outer[1].dtype.type
    return _multiply_by_number(step, (kind(outer[0]) * kind(inner[0])).item(), inner[1])


def _number_and_array(step: Instruction, program: Program) -> tuple[float, Value] | None:
    """Return what an instruction multiplies, if that is a number and an array of floats."""
    y = step.results[0] if step.results else None
    if step.operation_name != "multiply" or y is None or not y.shape or y.dtype.kind != "f":
        return None
    for a, x in (step.operands, step.operands[::-1]):
        number = _number_of(a, program)
        if number is not None and type(x) is Value and x.shape == y.shape and x.dtype == y.dtype:
            return number, x
    return None


def _number_of(x: Operand, program: Program) -> float | None:
    """Return the number that an operand is in every call."""
    if type(x) is Value and not x.shape and x in program.constants:
        found: Any = program.constants[x].item()
        return found if type(found) is float else None
    return float(x) if type(x) in (int, float) else None  # type: ignore[arg-type]  # a number


def _is_power_of_two(x: float) -> bool:
    """Whether a number is ±2ⁿ with a small n."""
    return math.isfinite(x) and abs(math.frexp(x)[0]) == 0.5 and 2**-16 <= abs(x) <= 2**16


def _multiply_by_number(step: Instruction, number: float, x: Value) -> Instruction:
    """Return an instruction with the same result that multiplies an array by a number."""
    multiply = PRIMITIVES["multiply"]
    return Instruction(multiply, (number, x), {}, step.results, step.scope, step.line)


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
