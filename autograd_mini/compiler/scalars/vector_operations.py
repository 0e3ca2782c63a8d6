"""Vector operations of packed programs: what computes many scalar instructions of one kind at once.

Each is a function of arrays and the line of NumPy that writes its result into an array. In a line,
`{out}` is that array, `{0}`, `{1}`, … are the operands and `{extra}` is an array of the step's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ...ops import activations, conversion, elementwise, selection
from ..fused_ops import add_n


@dataclass(frozen=True, slots=True, eq=False)
class VectorOperation:
    """One kind of vector operation.

    Attributes:
        name: of the kind, as `multiply`.
        forward: computes it, for arrays (and the step's own array, if it has one).
        line: NumPy source that writes the result into `{out}`, one line or more.
        sign: how Python writes it between two scalars, or None.
    """

    name: str
    forward: Callable[..., Any]
    line: str
    sign: str | None = None

    def __repr__(self) -> str:
        return self.name


SIGNS: Final = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}

CODE: Final = {
    selection.where: "{out}[...] = np.where({0}, {1}, {2})",
    selection.clip: "np.clip({0}, {1}, {2}, out={out})",
    activations.relu: "np.maximum({0}, 0, out={out})",
    activations.sigmoid: (
        "np.exp(-np.abs({0}), out={out})\n"
        "np.divide(np.where({0} >= 0, 1, {out}), 1 + {out}, out={out})"
    ),
    activations.softplus: (
        "np.log1p(np.exp(-np.abs({0})), out={out})\nnp.add({out}, np.maximum({0}, 0), out={out})"
    ),
}
"""Elementwise primitives that are not ufuncs."""

SAME: Final = frozenset({conversion.alias, conversion.stop_gradient, conversion.copy})
"""Primitives whose result is their operand."""

CASTS: Final = frozenset({conversion.cast, conversion.truncate})

WITH_NUMBERS: Final = frozenset(
    PRIMITIVES[name]
    for name in (
        *("add", "subtract", "multiply", "divide", "remainder", "fmod", "power", "arctan2"),
        *("hypot", "copysign", "maximum", "minimum", "fmax", "fmin", "where", "clip"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logaddexp", "logaddexp2"),
    )
)
"""Primitives in which a Python number takes the dtype of the other operands."""

SUM: Final = VectorOperation(
    "sum", lambda x: np.add.reduce(x, axis=0), "np.add.reduce({0}, axis=0, out={out})"
)
"""(terms, results) → (results,), added from the first term to the last; in pairs for one result."""

RAGGED_SUM: Final = VectorOperation(
    "ragged sum", np.add.reduceat, "np.add.reduceat({0}, {extra}, out={out})"
)
"""(all terms,), with the places where each sum starts → (results,)."""

DOT: Final = VectorOperation(
    "dot",
    lambda x, y: np.einsum("kn,kn->n", x, y),
    'np.einsum("kn,kn->n", {0}, {1}, out={out})',
)
"""(terms, results) twice → (results,): sums of products."""

PRODUCT: Final = VectorOperation("product", np.matmul, "np.matmul({0}, {1}, out={out})")
"""(…, m, k), (…, k, n) → (…, m, n): sums of products that are all pairs of rows and columns."""

CAST: Final = VectorOperation("cast", lambda x: x, "{out}[...] = {0}")


def _find_direct_operations() -> dict[Primitive, VectorOperation]:
    """Return the primitives that a vector operation of the same operands computes."""
    found = {}
    for primitive in PRIMITIVES.values():
        ufunc = primitive.ufunc
        if ufunc is not None and ufunc.nout == 1 and ufunc.nin == _primitive_arity(primitive):
            slots = ", ".join(f"{{{i}}}" for i in range(ufunc.nin))
            name = ufunc.__name__
            line = f"np.{name}({slots}, out={{out}})"
            public = getattr(np, name, None) is ufunc
            if public:
                sign = SIGNS.get(name)
                found[primitive] = VectorOperation(primitive.name, ufunc, line, sign)
    for primitive, code in CODE.items():
        found[primitive] = VectorOperation(primitive.name, primitive.forward, code)
    return found


def _primitive_arity(primitive: Primitive) -> int:
    """Return how many operands an elementwise primitive takes, or -1."""
    if primitive.kind != "elementwise" and primitive is not conversion.conjugate:
        return -1
    return len(primitive.vjp) if isinstance(primitive.vjp, tuple) else -1


def power_operation(exponent: float) -> VectorOperation:
    """Return the power by one number, for which NumPy has short cuts."""
    return VectorOperation(
        f"power {exponent}",
        lambda x: x**exponent,
        f"np.power({{0}}, {exponent!r}, out={{out}})",
    )


DIRECT: Final = _find_direct_operations()
ADD: Final = DIRECT[elementwise.add]
MULTIPLY: Final = DIRECT[elementwise.multiply]
SQUARE: Final = DIRECT[elementwise.square]
DIRECT[add_n] = SUM
