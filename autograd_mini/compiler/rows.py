"""Operations that only compiled programs have; they are not listed in the table."""

from __future__ import annotations

from typing import Any, Final

from ..notation import Written
from ..primitives import Primitive


def row(name: str, forward: Any, symbol: str, doc: str, **fields: Any) -> Primitive:
    """Declare an operation of the compiler's own: few have a gradient, since nothing records it."""
    fields = {"vjp": None} | fields
    return Primitive(
        name=name, forward=forward, symbol=symbol, doc=doc, kind="general", samples=(),
        listed=False, **fields,
    )  # fmt: skip


def added(*terms: Any) -> Any:
    """Add terms of one shape and dtype, from left to right."""
    total = terms[0] + terms[1]
    for x in terms[2:]:
        total = total + x
    return total


def added_into(out: Written, a: Written, b: Written, *terms: Written) -> list[str]:
    """Add one term after the other to a sum in an array."""
    first = f"np.add({a}, {b}, out={out})"
    return [first, *(f"np.add({out}, {x}, out={out})" for x in terms)]


add_n: Final = row(
    "add_n",
    added,
    "Σ",
    "The sum of its operands, all of one shape and dtype.",
    code=lambda *terms: " + ".join(map(str, terms)) if len(terms) <= 8 else None,
    into=added_into,
)
