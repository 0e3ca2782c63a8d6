"""The memory plan: which values live in static buffers, which share one, what is written in place.

A value is held in one of these ways. An argument is given at each call. A state is an array that
the program owns and changes: an updated leaf. A constant is there from the start: a captured array,
and a leaf that is only read, as long as nobody assigns it. A buffer is a
part of the working memory, taken by other values when it is not needed any more. A view is written
once where its base is static. What is left is local: a scalar, a result that is returned, or
something that NumPy can only make anew.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from .program import Instruction, Operand, Program, Value
from .rows import added_at, flat, parts

Kind = Literal["argument", "state", "constant", "buffer", "view", "local"]
ALIGNMENT: Final = 64
"""Buffers start at multiples of so many bytes, a cache line."""


@dataclass(slots=True, eq=False)
class Plan:
    """How a program runs in memory.

    Attributes:
        head: the instructions that change nothing.
        tail: those that write new values into states, after all others.
        kinds: how each value is held.
        bases: the value whose memory a view shows.
        written: the state or buffer into which a result is written in place of its own buffer.
        groups: vectors of states that lie side by side, and the states in order.
        placed: results that are computed where a vector of several shall be, and at which element.
        offsets: where each buffer starts in the working memory.
        size: of the working memory, in bytes.
    """

    head: list[Instruction]
    tail: list[Instruction]
    kinds: dict[Value, Kind] = field(default_factory=dict)
    bases: dict[Value, Value] = field(default_factory=dict)
    written: dict[Value, Value] = field(default_factory=dict)
    groups: dict[Value, tuple[Value, ...]] = field(default_factory=dict)
    placed: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    offsets: dict[Value, int] = field(default_factory=dict)
    size: int = 0

    def base(self, value: Value) -> Value:
        """Return the value in whose memory another one lies."""
        while True:
            under = self.bases.get(value) or self.written.get(value)
            if under is None:
                return value
            value = under

    def is_static(self, value: Value) -> bool:
        """Whether the memory of a value is the same at each call."""
        return self.kinds[self.base(value)] in ("state", "constant", "buffer")


Asks = Callable[[Instruction], bool]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the written form of an instruction can do.

    Attributes:
        is_view: whether its result shares the memory of its first operand.
        takes_out: whether it can write its result into an array.
        in_place: whether that may be one of its operands, of the same shape and dtype.
    """

    is_view: Asks
    takes_out: Asks
    in_place: Asks


def planned(program: Program, can: Abilities) -> Plan:
    """Plan the memory of a program, after the passes."""
    states = {leaf for leaf, _ in program.updates if leaf.shape}
    groups = side_by_side(program, states)
    direct = direct_updates(program, states, groups, can)
    head, tail = split(program, direct)
    plan = Plan(head, tail, groups=groups)
    plan.kinds |= dict.fromkeys(program.inputs, "argument")
    for leaf in program.leaves:
        held: Kind = "constant" if leaf.shape else "argument"
        plan.kinds[leaf] = "state" if leaf in states else held
    plan.kinds |= dict.fromkeys(program.constants, "constant")
    outputs = {y for y in program.outputs if type(y) is Value}
    steps = [*head, *tail]
    for step in steps:
        hold(plan, step, outputs, direct, can)
    for step in steps:
        if step.primitive is flat and step.results[0] not in groups:
            lay_out(plan, step)
    place(plan, steps, program, can.in_place)
    return plan


def side_by_side(program: Program, states: set[Value]) -> dict[Value, tuple[Value, ...]]:
    """Find the vectors that consist of states, each of which can be a part of one vector only."""
    groups: dict[Value, tuple[Value, ...]] = {}
    taken: set[Operand] = set()
    for step in program.instructions:
        members = step.operands
        if step.primitive is flat and states.issuperset(members) and taken.isdisjoint(members):
            taken.update(members)
            groups[step.results[0]] = tuple(step.values)
    return groups


def lay_out(plan: Plan, step: Instruction) -> None:
    """Let results be computed where a vector of them shall be."""
    vector, at = step.results[0], 0
    for x in step.values:
        own = plan.kinds[x] == "buffer" and x not in plan.placed and x not in plan.bases
        if own and plan.kinds[vector] == "buffer":
            plan.placed[x] = vector, at
            plan.bases[x] = vector
        at += x.size


def direct_updates(
    program: Program,
    states: set[Value],
    groups: dict[Value, tuple[Value, ...]],
    can: Abilities,
) -> dict[Value, Value]:
    """Find the new values that can be written into their states by the instruction itself.

    Nothing may read the old value after that, neither itself nor through a view.
    """
    maker = {y: i for i, step in enumerate(program.instructions) for y in step.results}
    last_reader: dict[Value, int] = {}
    shown: dict[Value, Value] = {x: vector for vector, xs in groups.items() for x in xs}
    for i, step in enumerate(program.instructions):
        for x in step.values:
            root = shown.get(x, x)
            last_reader[root] = i
        first = step.operands[0] if step.operands else None
        if type(first) is Value and can.is_view(step):
            shown[step.results[0]] = shown.get(first, first)
    news = [new for _, new in program.updates]
    direct: dict[Value, Value] = {}
    whole = [(v, new) for v, xs in groups.items() if (new := new_vector(program, xs)) is not None]
    members = {x for vector, _ in whole for x in groups[vector]}
    single = [(leaf, new) for leaf, new in program.updates if leaf in states - members]
    states = states | set(groups)
    for state, new in [*whole, *single]:
        if state not in states or new not in maker or news.count(new) > 1:
            continue
        at = maker[new]
        step = program.instructions[at]
        own = len(step.results) == 1 and not can.is_view(step) and can.takes_out(step)
        if any(shown.get(x, x) is state for x in step.values):
            viewed = any(x is not state and shown.get(x, x) is state for x in step.values)
            own = own and can.in_place(step) and not viewed
        if own and last_reader.get(state, -1) <= at and new not in program.outputs:
            direct[new] = state
    for vector, new in whole:
        if new in direct:
            direct |= {n: leaf for leaf, n in program.updates if leaf in groups[vector]}
    return direct


def new_vector(program: Program, states: tuple[Value, ...]) -> Value | None:
    """Return the vector whose parts are the new values of these states, in order."""
    new_of = dict(program.updates)
    wanted = tuple(new_of[x] for x in states)
    for step in program.instructions:
        if step.primitive is parts and step.results == wanted:
            return next(step.values)
    return None


def split(
    program: Program, direct: dict[Value, Value]
) -> tuple[list[Instruction], list[Instruction]]:
    """Put last what writes into states, with all that depends on it."""
    late = set(direct)
    head, tail = [], []
    for step in program.instructions:
        if any(x in late for x in step.values) or step.results[0] in direct:
            late.update(step.results)
            tail.append(step)
        else:
            head.append(step)
    return head, tail


def hold(
    plan: Plan,
    step: Instruction,
    outputs: set[Value],
    direct: dict[Value, Value],
    can: Abilities,
) -> None:
    """Say how the results of an instruction are held."""
    first = step.operands[0] if step.operands else None
    if step.results and step.results[0] in plan.groups:
        plan.kinds[step.results[0]] = "state"
        return
    for y in step.results:
        if y in direct:
            plan.kinds[y], plan.written[y] = "state", direct[y]
        elif step.primitive is parts and type(first) is Value:
            plan.kinds[y], plan.bases[y] = "view", first
        elif step.primitive is flat:
            plan.kinds[y] = "buffer"
        elif type(first) is Value and first.shape and y.shape and can.is_view(step):
            plan.kinds[y], plan.bases[y] = "view", first
        elif y.shape and y.nbytes and y not in outputs and can.takes_out(step):
            plan.kinds[y] = "buffer"
        else:
            plan.kinds[y] = "local"


def place(plan: Plan, steps: Sequence[Instruction], program: Program, in_place: Asks) -> None:
    """Give each buffer its place in the working memory, free again after its last use."""
    last: dict[Value, int] = {}
    for i, step in enumerate(steps):
        for x in (*step.values, *step.results):
            last[plan.base(x)] = i
    for y in program.ends():
        last[plan.base(y)] = len(steps)
    memory = Memory()
    for i, step in enumerate(steps):
        dying = {x for x in map(plan.base, step.values) if last[x] == i}
        made = step.results[0] if step.results else None
        if made is None:
            continue
        y = made
        if y in plan.placed:
            vector, at = plan.placed[y]
            if vector not in plan.offsets:
                plan.offsets[vector] = memory.take(vector.nbytes)
            plan.offsets[y] = plan.offsets[vector] + at * y.dtype.itemsize
        elif plan.kinds[y] == "buffer" and y not in plan.offsets:
            within = step.operands[:1] if step.primitive is added_at else step.operands
            reused = next((x for x in within if type(x) is Value and fits(x, y, dying, plan)), None)
            if reused is not None and in_place(step):
                base = plan.base(reused)
                plan.written[y] = reused
                dying.discard(base)
                last[base] = last.pop(y)
            else:
                plan.offsets[y] = memory.take(y.nbytes)
        for x in dying:
            if x in plan.offsets:
                memory.give(plan.offsets[x], x.nbytes)
        for y in step.results:  # made and never read
            if y in plan.offsets and y not in plan.placed and last.get(y) == i:
                memory.give(plan.offsets[y], y.nbytes)
    plan.size = memory.size


def fits(x: Value, y: Value, dying: set[Value], plan: Plan) -> bool:
    """Whether a result can take the buffer of an operand that is not needed any more."""
    base = plan.base(x)
    return (
        base in dying
        and base in plan.offsets
        and x not in plan.placed
        and plan.kinds[x] == "buffer"
        and x.shape == y.shape
        and x.dtype == y.dtype
    )


class Memory:
    """A line of bytes of which parts are taken and given back.

    Attributes:
        size: how far it was ever used.
    """

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # (start, length), sorted

    def take(self, nbytes: int) -> int:
        """Return where so many bytes are free: the smallest gap that holds them."""
        length = -(-nbytes // ALIGNMENT) * ALIGNMENT
        gaps = [(free, start) for start, free in self._free if free >= length]
        if gaps:
            free, start = min(gaps)
            self._free.remove((start, free))
            if free > length:
                insort(self._free, (start + length, free - length))
            return start
        start = self.size
        if self._free and sum(self._free[-1]) == self.size:  # the last gap reaches the end
            start = self._free.pop()[0]
        self.size = start + length
        return start

    def give(self, start: int, nbytes: int) -> None:
        """Give bytes back, joined with the gaps beside them."""
        end = start + -(-nbytes // ALIGNMENT) * ALIGNMENT
        joined = []
        for at, length in self._free:
            if at + length == start:
                start = at
            elif at == end:
                end = at + length
            else:
                joined.append((at, length))
        insort(joined, (start, end - start))
        self._free = joined
