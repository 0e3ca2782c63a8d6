"""How a random draw is written: a call of NumPy's generator, into a buffer where it can be."""

from __future__ import annotations

from .program import Instruction


def is_draw(step: Instruction) -> bool:
    """Whether an instruction draws random numbers."""
    return step.row == "draw" and "generator" in step.params


def can_fill_array(step: Instruction) -> bool:
    """Whether a draw can be written into an array."""
    from ..random.draws import FILLS

    y = step.results[0]
    return bool(y.shape) and y.dtype.char in "fd" and step.params["method"] in FILLS


def write_draw(step: Instruction, generator: str, out: str | None) -> str | None:
    """Write a draw from a generator of that name, or return None if an argument has no text."""
    from ..random.draws import written

    return written(generator, step.params["method"], step.params["arguments"], out)
