"""Computing now what does not depend on a call."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Final

import numpy as np

from ...core.arrays import normal
from ...core.contexts import run_quietly
from ..program import Instruction, Program, Value
from .effects import is_pure

GROWTH: Final = 4
"""How many times the bytes of its operands a folded result may take."""
SMALL: Final = 1024
"""Bytes that any folded result may take."""


def fold_constants(program: Program) -> Program:
    """Compute operations of constants and numbers alone, and hold their results as constants.

    An operation stays if its result would be much larger than its operands, as a repeated constant
    is, if it has an effect, or if it fails: then it fails at the call, as it did in the function.
    """
    constants = dict(program.constants)
    kept: list[Instruction] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in program.instructions:
            for x in step.operands:
                if type(x) is Value and x not in constants:
                    kept.append(step)
                    break
            else:
                results = run_quietly(partial(compute_results, step, constants), all="ignore")
                if results is None:
                    kept.append(step)
                else:
                    constants.update(zip(step.results, results, strict=True))
    if len(kept) == len(program.instructions):
        return program
    return program.with_instructions(kept, constants=constants)


def compute_results(step: Instruction, constants: dict[Value, Any]) -> tuple[Any, ...] | None:
    """Return the results of an instruction whose operands are all known, None to leave it."""
    if not is_pure(step.primitive):
        return None
    given = sum(x.nbytes for x in step.values)
    if sum(y.nbytes for y in step.results) > max(SMALL, GROWTH * given):
        return None
    arrays = [constants[x] if type(x) is Value else x for x in step.operands]
    try:
        results = step.primitive.forward(*arrays, **step.params)
    except Exception:
        return None
    results = tuple(map(normal, results if step.primitive.multiple else (results,)))
    fits = all(
        isinstance(found, (np.ndarray, np.generic))
        and found.shape == y.shape
        and found.dtype == y.dtype
        and not y.weak
        for y, found in zip(step.results, results, strict=True)
    )
    return results if fits else None
