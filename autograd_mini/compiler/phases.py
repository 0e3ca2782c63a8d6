"""Phases of a training step: which instructions are its forward, its backward and its update.

Phases are not recorded; they follow from the data flow. The gradient of a trained leaf is what
flows into its new value through the arithmetic of an optimizer. The forward is what the outputs
need that do not depend on a gradient. The backward is what the gradients need besides. The update
is the rest: the optimizer's arithmetic, its schedule, running statistics.

A step may not return its loss. So a result that is not used is an output of the forward too. Scopes
may tell which instructions the backward pass recorded; then everything independent of it is
forward.

A step may train several models in turn, or one model several times. So what is computed with a new
value of a trained leaf is a forward again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..core.contexts import Phase
from ..ops.conversion import cast
from .fused_ops import add_n, flat, parts
from .program import Instruction, Program, Value

Ends = frozenset[Value] | None
"""The new values of trained leaves to which a value leads; None if it leads elsewhere too."""
NOWHERE: Final[Ends] = frozenset()


def phases_of(program: Program) -> list[Phase]:
    """Return the phase of each instruction, in order; without trained leaves all are forward."""
    trained = {new for leaf, new in program.updates if program.leaves[leaf].requires_grad}
    instructions = program.instructions
    if not trained:
        return ["forward"] * len(instructions)
    news = trained | _values_between(program, trained)
    arithmetic = _optimizer_arithmetic(program, news)
    certain, possible = _gradients_of(program, news, arithmetic)
    late = _descendants(instructions, certain, news) | news
    outputs = {y for y in program.outputs if type(y) is Value}
    outputs |= _unused_results(program, arithmetic)
    forward = _ancestors(instructions, outputs - late, news)
    backward = _ancestors(instructions, certain | possible, news)
    needed = backward | _ancestors(instructions, outputs, news)
    forward |= (needed & _independent_of_walks(instructions, news)) - arithmetic
    backward |= _unused_backward(instructions, backward - forward, forward | arithmetic)
    return [
        "forward" if i in forward else "backward" if i in backward else "update"
        for i in range(len(instructions))
    ]


def _values_between(program: Program, trained: set[Value]) -> set[Value]:
    """Find the values that trained leaves have for a while: what an optimizer's scope hands on.

    They have the shape of a leaf, and are made in a scope in which a last value is made.
    """
    makers = {y: step.scope for step in program.instructions for y in step.results}
    scopes = {makers[new] for new in trained if makers.get(new)}
    shapes = {leaf.shape for leaf in program.leaves if program.leaves[leaf].requires_grad}
    return {
        x
        for step in program.instructions
        if step.scope not in scopes
        for x in step.values
        if makers.get(x) in scopes and x.shape in shapes
    }


def _unused_results(program: Program, arithmetic: set[int]) -> set[Value]:
    """Find the results that are not used, as a loss that is not returned.

    Results of a backward pass or an optimizer are left out: they belong to it.
    """
    instructions = program.instructions
    scopes = {instructions[place].scope for place in arithmetic} - {""}
    taken = {x for step in instructions for x in step.values}
    taken |= {new for _, new in program.updates if type(new) is Value}
    return {
        step.results[0]
        for step in instructions
        if taken.isdisjoint(step.results) and step.scope not in scopes and not step.in_walk
    }


def _independent_of_walks(instructions: list[Instruction], news: set[Value]) -> set[int]:
    """Find what no backward pass recorded and what takes nothing of one, if there are walks."""
    walks = {place for place, step in enumerate(instructions) if step.in_walk}
    if not walks:
        return set()
    carried = {y for place in walks for y in instructions[place].results}
    carried = _descendants(instructions, carried, news)
    return {
        place
        for place, step in enumerate(instructions)
        if place not in walks and carried.isdisjoint(step.results)
    }


def _unused_backward(
    instructions: list[Instruction], backward: set[int], others: set[int]
) -> set[int]:
    """Find what nothing needs of a backward pass: it is in a scope of the backward alone."""
    scopes = [(step.scope, step.in_walk) for step in instructions]
    alone = {scopes[i] for i in backward} - {scopes[i] for i in others}
    return {i for i, scope in enumerate(scopes) if scope in alone and i not in others}


def _optimizer_arithmetic(program: Program, news: set[Value]) -> set[int]:
    """Find the elementwise instructions that only the new value of one trained leaf needs.

    All of them have the shape of the leaf. An instruction that another trained leaf needs too is
    not one of them; new values of untrained leaves (velocities, moments) may need them. Leaves that
    are updated together, as parts of a vector, count as one leaf. What is computed with a new value
    does not count.
    """
    ends: dict[Value, Ends] = {y: None for y in program.outputs if type(y) is Value}
    for _, new in program.updates:
        ends.setdefault(new, NOWHERE)
    flats = {y for step in program.instructions if step.primitive is flat for y in step.results}
    found: set[int] = set()
    for place in range(len(program.instructions) - 1, -1, -1):
        step = program.instructions[place]
        ends |= {y: frozenset((y,)) for y in step.results if y in news}
        result = step.results[0]
        reached = None if _sums_gradients(step, flats) else _end_of_update(step, ends)
        if reached:
            found.add(place)
        for x in step.values:
            mine_too = reached if x.shape == result.shape or step.primitive is parts else None
            ends[x] = _unite_ends(ends.get(x, NOWHERE), mine_too)
    return found


def _sums_gradients(step: Instruction, flats: set[Value]) -> bool:
    """Whether an instruction is of a backward pass, and not on the vectors of an update."""
    return step.in_walk and flats.isdisjoint(step.values)


def _end_of_update(step: Instruction, ends: dict[Value, Ends]) -> Ends:
    """Return the only new value to which an optimizer's instruction leads; None for others."""
    if step.primitive is parts:
        reached: Ends = NOWHERE
        for y in step.results:
            reached = _unite_ends(reached, ends.get(y, NOWHERE))
        return None if reached is None else frozenset(list(reached)[:1])
    if len(step.results) > 1 or not _is_arithmetic(step):
        return None
    found = ends.get(step.results[0], NOWHERE)
    return found if found is None or len(found) <= 1 else None


def _unite_ends(one: Ends, other: Ends) -> Ends:
    """Return where a value with two users leads."""
    return None if one is None or other is None else one | other


def _is_arithmetic(step: Instruction) -> bool:
    """Whether an instruction works element by element."""
    primitive = step.primitive
    return primitive.kind == "elementwise" or primitive in (add_n, cast)


def _gradients_of(
    program: Program, news: set[Value], arithmetic: set[int]
) -> tuple[set[Value], set[Value]]:
    """Return the gradients that enter an optimizer's arithmetic, and what may hold some.

    An accumulating matrix product is not elementwise, and makes a new value directly. The backward
    leads to its operands; to which of them remains open.
    """
    made = {y: place for place, step in enumerate(program.instructions) for y in step.results}
    certain: set[Value] = set()
    for place in arithmetic:
        step = program.instructions[place]
        for x in step.values:
            if x.shape != step.results[0].shape or x not in made or made[x] in arithmetic:
                continue
            maker = program.instructions[made[x]]
            side_by_side = maker.values if maker.primitive is flat else (x,)
            certain.update(y for y in side_by_side if y in made)
    places = {made[new] for new in news if new in made} - arithmetic
    possible = {x for place in places for x in program.instructions[place].values if x in made}
    return certain - news, possible - news


def _ancestors(
    instructions: list[Instruction], wanted: Iterable[Value], news: set[Value]
) -> set[int]:
    """Return the places of the instructions that some values need, no further than new values."""
    needed = set(wanted)
    found: set[int] = set()
    for place in range(len(instructions) - 1, -1, -1):
        step = instructions[place]
        if not needed.isdisjoint(step.results):
            found.add(place)
            needed.update(x for x in step.values if x not in news)
    return found


def _descendants(
    instructions: list[Instruction], roots: Iterable[Value], news: set[Value]
) -> set[Value]:
    """Return values and all that depend on them, except through new values."""
    found = set(roots)
    for step in instructions:
        if not found.isdisjoint(step.values):
            found.update(y for y in step.results if y not in news)
    return found
