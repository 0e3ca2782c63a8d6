"""Comparison: may a trace become a program? Two traces must agree, and all shapes must be fixed.

A plain array, number or counter that changes between calls would be frozen at its first value. So
a function is traced twice. Where the traces differ, the function depends on something that a trace
cannot see.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import numpy as np

from ..errors import CompileError, UnsupportedError
from .guards import is_identical
from .program import Instruction, Operand, Program, Value

CURE = (
    "make it an argument of the compiled function, or a tensor from outside of it that is changed "
    "with assign; draw random numbers with am.random"
)


def compare_programs(first: Program, second: Program) -> None:
    """Check that two traces, both without dead code, are one program.

    Raises:
        CompileError: naming the line and the cure, if they differ.
    """
    comparison = Comparison(first, second)
    for a, b in zip(first.instructions, second.instructions, strict=False):
        comparison.operation(a, b)
    if len(first.instructions) != len(second.instructions):
        longer = max(first, second, key=lambda p: len(p.instructions)).instructions
        extra = longer[min(len(first.instructions), len(second.instructions))]
        _raise_difference(extra, f"{extra.primitive.name} in one of them only")
    for x, y in zip(first.outputs, second.outputs, strict=True):
        comparison.operand(None, x, y)
    if len(first.updates) != len(second.updates):
        _raise_difference(
            None, f"{len(first.updates)} and {len(second.updates)} tensors are assigned"
        )
    for (leaf, x), (other, y) in zip(first.updates, second.updates, strict=True):
        comparison.operand(None, leaf, other)
        comparison.operand(None, x, y)


class Comparison:
    """Which values of two programs are known to be the same."""

    def __init__(self, first: Program, second: Program) -> None:
        self._first, self._second = first, second
        self._same: dict[Value, Value] = dict(zip(first.inputs, second.inputs, strict=True))
        ours = {id(tensor): v for v, tensor in first.leaves.items()}
        for v, tensor in second.leaves.items():
            if id(tensor) in ours:
                self._same[ours[id(tensor)]] = v

    def operation(self, a: Instruction, b: Instruction) -> None:
        """Check that two operations are the same."""
        if a.primitive is not b.primitive or len(a.operands) != len(b.operands):
            _raise_difference(
                a, f"{a.primitive.name} in the first, {b.primitive.name} in the second"
            )
        same = self._same
        for x, y in zip(a.operands, b.operands, strict=True):
            if type(x) is not Value or same.get(x) is not y:  # half the time of a further call
                self.operand(a, x, y)
        if a.params or b.params:
            _compare_params(a, b)
        for v, w in zip(a.results, b.results, strict=True):
            if v.shape != w.shape or (v.dtype is not w.dtype and v.dtype != w.dtype):
                _raise_difference(
                    a, f"a result of shape {v.shape} in the first, {w.shape} in the second"
                )
            same[v] = w

    def operand(self, at: Instruction | None, x: Operand, y: Operand) -> None:
        """Check that an operand, output or new value is the same one in both."""
        if type(x) is not Value or type(y) is not Value:
            if not is_identical(x, y):
                a, b = _describe_captured(x, self._first), _describe_captured(y, self._second)
                _raise_difference(at, f"the number {a} in the first, {b} in the second")
            return
        known = self._same.get(x)
        if known is None and x in self._first.constants and y in self._second.constants:
            if not is_identical(self._first.constants[x], self._second.constants[y]):
                a, b = _describe_captured(x, self._first), _describe_captured(y, self._second)
                _raise_difference(at, f"the plain value {a} in the first, {b} in the second")
            self._same[x] = y
        elif known is not y:
            _raise_difference(at, f"another tensor in the place of {x.name or y.name or 'one'}")


def _compare_params(a: Instruction, b: Instruction) -> None:
    """Check that two operations have the same parameters."""
    for name, value in a.params.items():
        other = b.params.get(name)
        if not is_identical(value, other):
            _raise_difference(
                a, f"{a.primitive.name} with {name}={value!r:.40} in the first, {other!r:.40} now"
            )


def _describe_captured(x: Any, program: Program) -> str:
    """Describe a captured value."""
    data = program.constants.get(x, x) if type(x) is Value else x
    if np.size(data) == 1:
        return repr(np.asarray(data).item())
    return f"of shape {np.shape(data)}, {np.ravel(data)[:3]}…"


def _raise_difference(step: Instruction | None, what: str) -> NoReturn:
    """Raise: the two traces differ at an operation.

    Raises:
        CompileError: always.
    """
    place = "in what is returned or assigned"
    if step is not None:
        place = f"in {step.primitive.name}, at {step.line}"
    raise CompileError(
        f"compile: the first two calls recorded different programs, {place}: {what}. The function "
        f"depends on something that changes between calls and that a trace cannot see; {CURE}. "
        "The second call changed nothing"
    )


# ── shapes and dtypes that follow from values ─────────────────────────────────────────────────────
# A program has fixed shapes and dtypes, so what would change them is refused.
CHOSEN: Final = frozenset({"getitem", "scatter"})
"""Operations that take an index: of booleans, the number of elements depends on the values."""
EIGENVALUES: Final = frozenset({"eig", "eigvals"})
"""Of a real matrix they are real or complex, depending on its values."""


def refuse_dynamic_shapes(program: Program) -> None:
    """Refuse a program in which the shape or dtype of a result depends on values.

    The program must still have dead code: Python may have read the shape of a result that nothing
    else needs.

    Raises:
        UnsupportedError: naming the line and the cure.
    """
    for step in program.instructions:
        name = step.operation_name
        if name not in CHOSEN and name not in EIGENVALUES:
            continue
        kinds = [_varying_kind(x, program) for x in step.operands]
        if name in CHOSEN and "b" in kinds[1:]:
            raise UnsupportedError(
                f"compile: the index of booleans at {step.line} gives a result whose shape depends "
                "on their values, which can change between calls; use np.where(mask, x, 0), or "
                "where=mask of a reduction"
            )
        if name in EIGENVALUES and kinds not in (["c"], [None]):
            raise UnsupportedError(
                f"compile: the eigenvalues at {step.line} are real or complex, depending on the "
                "values of the matrix, which can change between calls; give a.astype(complex), or "
                "use eigvalsh or eigh if the matrix is symmetric"
            )


def _varying_kind(x: Operand, program: Program) -> str | None:
    """Return the kind of an operand's dtype; None if the operand never differs between calls."""
    return x.dtype.kind if type(x) is Value and x not in program.constants else None
