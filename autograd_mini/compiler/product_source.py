"""How matrix products are written: prepared once, for arrays that stay in place, then called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..core.primitive import PRIMITIVES
from .program import Instruction, Value
from .rows import accumulated, affine, column_sums, dot, row_sums

if TYPE_CHECKING:
    from .writer import Writer

PREPARED: Final = '''\
try:  # the BLAS that NumPy has loaded, without the detour through NumPy
    from autograd_mini.compiler.products import prepare_product
except ImportError:

    def prepare_product(a, b, out, alpha=1.0, beta=0.0):
        """Prepare out ← alpha·a@b + beta·out: a function to call. alpha may be an array."""
        def product():
            out[...] = alpha * (a @ b) + beta * out if beta else alpha * (a @ b)

        return product'''

NARROW: Final = 64
"""Rows shorter than this are filled faster by a product with a column of ones than by copying."""

Lines = tuple[list[str], list[str]]


def product_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a product as lines of the setup and of the step, or None if BLAS cannot take it.

    Its result has a name already.
    """
    write, plan = PRODUCTS.get(step.primitive), writer.plan
    y = step.results[0]
    held = ("local",) if step.primitive is dot else ("buffer", "state")
    if write is None or plan.kinds[y] not in held or y.dtype.char not in "fd":
        return None
    for x in step.values:
        if x.shape and (x.dtype != y.dtype or not x.size or not plan.is_static(x)):
            return None
        if len(x.shape) > 2 and step.primitive is not dot:
            return None
    return write(step, writer)


def matmul_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a plain product."""
    a, b = map(writer.text, step.operands)
    y = writer.text(step.results[0])
    return [f"{y}_product = prepare_product({a}, {b}, {y})"], [f"{y}_product()  # {y} = {a} @ {b}"]


def affine_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a product that is added to rows which hold the bias already."""
    x, weight, bias = map(writer.text, step.operands)
    result = step.results[0]
    y = writer.text(result)
    setup = [f"{y}_product = prepare_product({x}, {weight}, {y}, 1.0, 1.0)"]
    body = [f"{y}_product()  # {y} = {x} @ {weight} + {bias}"]
    if result.shape[1] >= NARROW:
        return setup, [f"{y}[...] = {bias}", *body]
    column = f"{writer.ones(result.shape[0], result.dtype)}[:, None]"
    setup.append(f"{y}_bias = prepare_product({column}, {bias}[None], {y})")
    return setup, [f"{y}_bias()", *body]


def column_sums_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the sums of columns as a product with ones."""
    (x,) = step.values
    name, y = writer.text(x), writer.text(step.results[0])
    setup = [f"{y}_product = prepare_product({writer.ones(x.shape[0], x.dtype)}, {name}, {y})"]
    return setup, [f"{y}_product()  # {y} = {name}.sum(axis=0)"]


def row_sums_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the sums of rows as a product with ones."""
    (x,) = step.values
    name, y = writer.text(x), writer.text(step.results[0])
    column = "[:, None]" if step.params["keepdims"] else ""
    setup = [
        f"{y}_product = prepare_product({name}, {writer.ones(x.shape[1], x.dtype)}{column}, {y})"
    ]
    return setup, [f"{y}_product()  # {y} = {name}.sum(axis=1)"]


def accumulated_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a product that is added to what it changes."""
    c, a, b, factor = step.operands
    if type(c) is not Value or type(b) is not Value:
        return None
    if writer.plan.written.get(step.results[0]) is not c:
        return None
    sign = "-" if step.params["negative"] else ""
    left = writer.ones(b.shape[0], b.dtype) if a is None else writer.text(a)
    product = f"{writer.text(b)}.sum(axis=0)" if a is None else f"{left} @ {writer.text(b)}"
    name, scale = writer.text(c), writer.text(factor)
    array, setup, body = writer.scale(f"{sign}{scale}", c.dtype)
    setup.append(f"{name}_update = prepare_product({left}, {writer.text(b)}, {name}, {array}, 1.0)")
    writer.commit.append(f"{name}_update,  # {name} {sign or '+'}= {scale} * {product}")
    return setup, body


def dot_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the product of two arrays as that of two vectors."""
    x, other = step.operands
    assert type(x) is Value and type(other) is Value
    if not all(map(writer.is_contiguous, (x, other))):
        return None
    first, second, y = writer.text(x), writer.text(other), writer.text(step.results[0])
    setup = [f"{y}_dot = {first}.reshape(-1).dot", f"{y}_of = {second}.reshape(-1)"]
    return setup, [f"{y} = {y}_dot({y}_of)  # the sum of {first} * {second}"]


PRODUCTS: Final = {
    PRIMITIVES["matmul"]: matmul_lines,
    affine: affine_lines,
    column_sums: column_sums_lines,
    row_sums: row_sums_lines,
    dot: dot_lines,
    accumulated: accumulated_lines,
}
