"""Operations that only compiled programs have; they are not listed in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.primitive import Primitive
from ..core.source_text import Written
from ..ops.indexing import fill_index, places, subscripts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import Array

FUSED_OPS: Final[dict[str, Primitive]] = {}
"""The operations below, by name."""


def declare_operation(
    name: str, forward: Callable[..., object], symbol: str, doc: str, **fields: Any
) -> Primitive:
    """Declare an operation of the compiler's own: few have a gradient, since nothing records it."""
    fields = {"vjp": None} | fields
    return Primitive(
        name=name, forward=forward, symbol=symbol, doc=doc, kind="general", samples=(),
        listed=False, **fields,
    )  # fmt: skip


def _declare_fused(name: str, forward: Any, symbol: str, doc: str, **fields: object) -> Primitive:
    """Declare an operation that passes know by its name."""
    made = FUSED_OPS[name] = declare_operation(name, forward, symbol, doc, **fields)
    return made


def add_terms(*terms: Any) -> Array:
    """Add terms of one shape and dtype, from left to right."""
    total = terms[0] + terms[1]
    for x in terms[2:]:
        total = total + x
    return total


def _write_add_terms(out: Written, a: Written, b: Written, *terms: Written) -> list[str]:
    """Add one term after the other to a sum in an array."""
    first = f"np.add({a}, {b}, out={out})"
    return [first, *(f"np.add({out}, {x}, out={out})" for x in terms)]


add_n: Final = _declare_fused(
    "add_n",
    add_terms,
    "Σ",
    "The sum of its operands, all of one shape and dtype.",
    code=lambda *terms: " + ".join(map(str, terms)) if len(terms) <= 8 else None,
    into=_write_add_terms,
)


affine: Final = _declare_fused(
    "affine",
    lambda x, weight, bias: np.matmul(x, weight) + bias,
    "@ +",
    "x·W + b, with b added to each row.",
    code=lambda x, weight, bias: f"{x} @ {weight} + {bias}",
    into=lambda out, x, weight, bias: [
        f"np.matmul({x}, {weight}, out={out})",
        f"np.add({out}, {bias}, out={out})",
    ],
)


def accumulate(
    c: np.ndarray, a: np.ndarray | None, b: np.ndarray, factor: float, *, negative: bool
) -> np.ndarray:
    """Compute c ± factor·a·b; without an a it is a row of ones."""
    product = c.dtype.type(factor) * np.matmul(np.ones(len(b), b.dtype) if a is None else a, b)
    return c - product if negative else c + product


def _write_accumulate(c: Written, a: Written, b: Written, factor: Written, negative: bool) -> str:
    """Write c ± factor·a·b."""
    product = f"np.add.reduce({b}, axis=0)" if a.text == "None" else f"({a} @ {b})"
    scale = factor.text if factor.dtype == c.dtype else f"{c}.dtype.type({factor})"
    return f"np.{'subtract' if negative else 'add'}({c}, {scale} * {product})"


accumulated: Final = _declare_fused(
    "accumulated",
    accumulate,
    "+ @",
    "c ± factor·a·b, computed in c's place.",
    params=("negative",),
    code=_write_accumulate,
)
column_sums: Final = _declare_fused(
    "column_sums",
    lambda x: np.matmul(np.ones(len(x), x.dtype), x),
    "Σ",
    "The sum of each column of a matrix, as a product with a row of ones.",
    code=lambda x: f"np.add.reduce({x}, axis=0)",
)
row_sums: Final = _declare_fused(
    "row_sums",
    lambda x, *, keepdims: np.matmul(x, np.ones(x.shape[1:] + (1,) * keepdims, x.dtype)),
    "Σ",
    "The sum of each row of a matrix, as a product with a column of ones.",
    params=("keepdims",),
    code=lambda x, keepdims: f"np.add.reduce({x}, axis=1, keepdims={keepdims})",
)
dot: Final = _declare_fused(
    "dot",
    lambda x, y: np.vdot(x, y),
    "·",
    "Σ x·y over all elements of two real arrays of one shape.",
    code=lambda x, y: f"np.vdot({x}, {y})",
)


picked: Final = _declare_fused(
    "picked",
    lambda x, places: x.reshape(-1)[places],
    "[ ]",
    "The elements of x at places counted through all of it.",
    code=lambda x, places: f"{x}.reshape(-1)[{places}]",
)


def added_in_copy(x: np.ndarray, g: Any, index: Any, unique: bool) -> np.ndarray:
    """Copy x, and add g at an index, once for each time that a place is named."""
    result = np.array(x)
    if unique:
        result[index] += g
    else:
        np.add.at(result, index, g)
    return result


def _add_at(
    x: np.ndarray,
    g: np.ndarray,
    *arrays: object,
    index: tuple[object, ...],
    unique: bool,
    flat: bool,
) -> np.ndarray:
    """Add at an index that has its arrays as operands; if `flat`, of all elements in a row."""
    if flat:
        return added_in_copy(x.reshape(-1), g, fill_index(index, arrays), unique).reshape(x.shape)
    return added_in_copy(x, g, fill_index(index, arrays), unique)


def _write_added_at(
    x: Written, g: Written, *arrays: Written, index: tuple[object, ...], unique: bool, flat: bool
) -> str:
    """Write it as a call."""
    if flat:
        row = f"{x}.reshape(-1)"
        call = f"added_in_copy({row}, {g}, {places(index, arrays)}, {unique})"
        return f"{call}.reshape({x}.shape)"
    return f"added_in_copy({x}, {g}, {places(index, arrays)}, {unique})"


def _write_added_at_into(
    out: Written,
    x: Written,
    g: Written,
    *arrays: Written,
    index: tuple[object, ...],
    unique: bool,
    flat: bool,
) -> list[str]:
    """Write the addition at an index, in x's place if the result is to be there."""
    copied = [] if out.text == x.text else [f"{out}[...] = {x}"]
    target = f"{out}.reshape(-1)" if flat else f"{out}"
    if unique:
        return [*copied, f"{target}[{subscripts(index, arrays)}] += {g}"]
    return [*copied, f"np.add.at({target}, {places(index, arrays)}, {g})"]


added_at: Final = _declare_fused(
    "added_at",
    _add_at,
    "[ ]+",
    "x with g added at an index.",
    params=("index", "unique", "flat"),
    code=_write_added_at,
    into=_write_added_at_into,
)


scalar: Final = _declare_fused(
    "scalar",
    lambda x: np.asarray(x)[()],
    "=",
    "A Python number as a NumPy scalar of the default dtype.",
    code=lambda x: f"np.asarray({x})[()]",
)


def _split_vector(x: np.ndarray, *, shapes: tuple[tuple[int, ...], ...]) -> tuple[object, ...]:
    """Cut a vector into arrays of these shapes, one after the other."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return tuple(
        part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)
    )


flat: Final = _declare_fused(
    "flat",
    lambda *xs: np.concatenate([x.reshape(-1) for x in xs]),
    "flat",
    "All elements of its operands, one after the other.",
    code=lambda *xs: f"np.concatenate([{', '.join(f'{x}.reshape(-1)' for x in xs)}])",
)
parts: Final = _declare_fused(
    "parts",
    _split_vector,
    "parts",
    "A vector cut into arrays, which show its memory.",
    params=("shapes",),
    multiple=True,
)
