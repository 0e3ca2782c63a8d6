"""Operations that only compiled programs have; they are not listed in the table."""

from __future__ import annotations

from typing import Any, Final

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


add_n: Final = row("add_n", added, "Σ", "The sum of its operands, all of one shape and dtype.")
