"""What a program must know before it runs: no shape or dtype may follow from values."""

from __future__ import annotations

from typing import Final

from ..errors import UnsupportedError
from .program import Operand, Program, Value

CHOSEN: Final = frozenset({"getitem", "scatter"})
"""Operations that take an index: of booleans, the number of elements depends on the values."""
EIGENVALUES: Final = frozenset({"eig", "eigvals"})
"""Of a real matrix they are complex or not, as its values are."""


def refuse_dynamic_shapes(program: Program) -> None:
    """Look whether the shape and the dtype of each result are the same whatever the values.

    The program is to have all that was recorded: Python may have looked at the shape of what
    nothing else needs.

    Raises:
        UnsupportedError: if they are not, naming the line and the cure.
    """
    for step in program.instructions:
        name = step.row
        if name not in CHOSEN and name not in EIGENVALUES:
            continue
        kinds = [varying_kind(x, program) for x in step.operands]
        if name in CHOSEN and "b" in kinds[1:]:
            raise UnsupportedError(
                f"compile: the index of booleans at {step.line} gives a result whose shape depends "
                "on their values, which may differ from call to call; use np.where(mask, x, 0), or "
                "where=mask of a reduction"
            )
        if name in EIGENVALUES and kinds not in (["c"], [None]):
            raise UnsupportedError(
                f"compile: the eigenvalues at {step.line} are real or complex as the values of the "
                "matrix are, which may differ from call to call; give a.astype(complex), or use "
                "eigvalsh or eigh if the matrix is symmetric"
            )


def varying_kind(x: Operand, program: Program) -> str | None:
    """Return the kind of dtype of what may differ from call to call, None for what does not."""
    return x.dtype.kind if type(x) is Value and x not in program.constants else None
