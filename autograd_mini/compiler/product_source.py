"""How matrix products are written: prepared once, for arrays that stay in place, then called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..primitives import PRIMITIVES
from .memory import Plan
from .program import Instruction, Operand, Value
from .rows import accumulated, affine, column_sums

PREPARED: Final = '''\
try:  # the BLAS that NumPy has loaded, without the detour through NumPy
    from autograd_mini.compiler.products import prepared
except ImportError:

    def prepared(a, b, out, alpha=1.0, beta=0.0):
        """Prepare out ← alpha·a@b + beta·out: a function to call, of alpha if that is None."""
        given = alpha

        def product(alpha=1.0 if given is None else given):
            out[...] = alpha * (a @ b) + beta * out if beta else alpha * (a @ b)

        return product'''

NARROW: Final = 64
"""Rows shorter than this are filled faster by a product with a column of ones than by copying."""

Lines = tuple[list[str], list[str]]


def product_lines(
    step: Instruction, plan: Plan, text: Callable[[Operand], str], ones: Callable[[int], str]
) -> Lines | None:
    """Write a product as lines of the setup and of the step, or None if BLAS cannot take it.

    Args:
        step: its result has a name already.
        plan: tells which arrays stay where they are.
        text: gives the name of an operand.
        ones: gives the name of a row of so many ones.
    """
    writer = WRITERS.get(step.primitive)
    y = step.results[0]
    if writer is None or plan.kinds[y] not in ("buffer", "state") or y.dtype.char not in "fd":
        return None
    for x in step.values:
        if x.shape and (x.dtype != y.dtype or not x.size or not plan.is_static(x)):
            return None
        if len(x.shape) > 2:
            return None
    return writer(step, plan, text, ones)


def matmul_lines(
    step: Instruction, plan: Plan, text: Callable[[Operand], str], ones: Callable[[int], str]
) -> Lines | None:
    """Write a plain product."""
    a, b = map(text, step.operands)
    y = text(step.results[0])
    return [f"{y}_product = prepared({a}, {b}, {y})"], [f"{y}_product()  # {y} = {a} @ {b}"]


def affine_lines(
    step: Instruction, plan: Plan, text: Callable[[Operand], str], ones: Callable[[int], str]
) -> Lines | None:
    """Write a product that is added to rows which hold the bias already."""
    x, weight, bias = map(text, step.operands)
    result = step.results[0]
    y = text(result)
    setup = [f"{y}_product = prepared({x}, {weight}, {y}, 1.0, 1.0)"]
    body = [f"{y}_product()  # {y} = {x} @ {weight} + {bias}"]
    if result.shape[1] >= NARROW:
        return setup, [f"np.copyto({y}, {bias})", *body]
    column = f"{ones(result.shape[0])}[:, None]"
    setup.append(f"{y}_bias = prepared({column}, {bias}[None], {y})")
    return setup, [f"{y}_bias()", *body]


def sums_lines(
    step: Instruction, plan: Plan, text: Callable[[Operand], str], ones: Callable[[int], str]
) -> Lines | None:
    """Write the sums of columns as a product with ones."""
    (x,) = step.values
    name, y = text(x), text(step.results[0])
    setup = [f"{y}_product = prepared({ones(x.shape[0])}, {name}, {y})"]
    return setup, [f"{y}_product()  # {y} = {name}.sum(axis=0)"]


def accumulated_lines(
    step: Instruction, plan: Plan, text: Callable[[Operand], str], ones: Callable[[int], str]
) -> Lines | None:
    """Write a product that is added to what it changes."""
    c, a, b, factor = step.operands
    if plan.written.get(step.results[0]) is not c or type(b) is not Value:
        return None
    sign = "-" if step.params["negative"] else ""
    left = ones(b.shape[0]) if a is None else text(a)
    product = f"{text(b)}.sum(axis=0)" if a is None else f"{left} @ {text(b)}"
    name, scale = text(c), text(factor)
    setup = [f"{name}_update = prepared({left}, {text(b)}, {name}, None, 1.0)"]
    return setup, [f"{name}_update({sign}{scale})  # {name} {sign or '+'}= {scale} * {product}"]


WRITERS: Final = {
    PRIMITIVES["matmul"]: matmul_lines,
    affine: affine_lines,
    column_sums: sums_lines,
    accumulated: accumulated_lines,
}
