"""The names of values: after the variables to which the traced function assigns them."""

from __future__ import annotations

from itertools import groupby

from ..core.sites import Site, variable_of
from .program import Instruction, Program, Value


def name_variables(program: Program) -> None:
    """Give what a statement `variable = …` of the user computed its name.

    Several operations may be recorded at one place, as those of `np.std`; the variable is the last
    of them if the others lead to it alone, and not if they return several arrays. What a
    reverse walk leaves may be a part of a tuple. A pass may take an operation apart and drop what
    is not needed, so this is done before all of them.
    """
    for place, run in groupby(program.instructions, key=lambda step: step.line):
        steps = list(run)
        made, taken = results_of(steps), {x for step in steps for x in step.values}
        ends = [y for y in made if y not in taken]
        if type(place) is not Site or ends != made[-1:] or not ends or steps[-1].in_walk:
            continue
        ends[0].name = ends[0].name or variable_of(place)


def results_of(steps: list[Instruction]) -> list[Value]:
    """Return the results of some instructions, in order."""
    return [y for step in steps for y in step.results]
