"""Passes: functions Program → Program; `CLEANUP_PASSES` and `FUSION_PASSES` here list them all.

Each makes a program smaller or faster. A pass that finds nothing to do returns its argument: so
`optimize_program` knows when to stop. It asks too whether a program has what a pass is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ..program import Program, has_arrays
from . import vectorize
from .algebra import factor_products, flatten_sums, simplify_algebra
from .cleanup import eliminate_common_subexpressions, eliminate_dead_code, fold_constants
from .fusion import fuse_matmul, fuse_scatter_add, join_optimizer_updates

Pass = Callable[[Program], Program]

CLEANUP_PASSES: Final[tuple[Pass, ...]] = (
    eliminate_dead_code,
    eliminate_common_subexpressions,
    simplify_algebra,
    fold_constants,
)
"""Passes that help each other, in rounds until nothing changes. Repetitions are simplified before
constants are folded, so a repeated constant does not become a large one."""
FUSION_PASSES: Final[tuple[Pass, ...]] = (
    flatten_sums,
    factor_products,
    fuse_scatter_add,
    fuse_matmul,
    join_optimizer_updates,
    vectorize.vectorize_scalars,
)
"""Passes that make one operation of many, once each, in order."""
ARRAY_PASSES: Final = frozenset(
    {factor_products, fuse_scatter_add, fuse_matmul, join_optimizer_updates}
)
"""Passes for programs with arrays: others are left as they are."""
ROUNDING_PASSES: Final = frozenset({*FUSION_PASSES} - {join_optimizer_updates})
"""Passes that change the order of sums or products, or the sign of a zero."""
ROUNDS: Final = 6
"""The largest number of rounds. A pass sees what it has rewritten, so few rounds are needed."""
LARGE: Final = 10_000
"""In programs with more instructions, another round must drop 1 % of them. If they are all scalars,
there is no round: in the two-moons demo it takes 0.5 s and drops 0.2 % of the instructions."""


def optimize_program(program: Program, fusion: Sequence[Pass] = FUSION_PASSES) -> Program:
    """Return a program that computes the same with fewer operations.

    Args:
        program: as recorded; it is not changed.
        fusion: the passes after the cleanup.
    """
    for _ in range(ROUNDS if len(program.instructions) <= LARGE or has_arrays(program) else 0):
        before, count = program, len(program.instructions)
        for clean_up in CLEANUP_PASSES:
            program = clean_up(program)
        dropped = count - len(program.instructions)
        if program is before or (count > LARGE and dropped < count // 100):
            break
    for fuse in fusion:
        if not _may_help(fuse, program):
            continue
        before, program = program, fuse(program)
        if program is not before and fuse in ROUNDING_PASSES:
            program = replace(program, rounded=True)
    return eliminate_dead_code(program)


def _may_help(fuse: Pass, program: Program) -> bool:
    """Tell whether a program has enough of the arrays or the scalars that a pass is for."""
    if fuse is vectorize.vectorize_scalars:
        single = (step.results[0] for step in program.instructions if step.results)
        return sum(not y.shape for y in single) >= vectorize.FEWEST
    return fuse not in ARRAY_PASSES or has_arrays(program)
