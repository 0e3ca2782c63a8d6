"""The memory plan: which values live in static buffers, which share one, what is written in place.

Each value has one kind of storage:

- argument: it is given at each call.
- state: an array that the program owns and changes, for an updated leaf.
- constant: it is there from the start: a captured array, or a leaf that is only read.
- buffer: a part of the working memory. Other values take it when it is no longer needed.
- view: it shows the memory of another value, and is made once if that memory is static.
- local: a scalar, a returned result, or a result that NumPy can only make as a new array.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from .expressions import is_view, takes_out, works_in_place
from .fused_ops import accumulated, added_at, flat, parts
from .program import Instruction, Operand, Program, Value

Kind = Literal["argument", "state", "constant", "buffer", "view", "local"]
ALIGNMENT: Final = 64
"""Buffers start at multiples of this many bytes, a cache line."""


@dataclass(slots=True, eq=False)
class Plan:
    """The memory of a program.

    Attributes:
        head: the instructions that change no state.
        tail: products that are added into states, after all other instructions.
        products: the same by their results.
        kinds: the kind of storage of each value.
        bases: for each view, the value whose memory it shows.
        written: the state or buffer into which a result is written, if not into a new buffer.
        groups: vectors whose parts are states, and these states in order.
        placed: results that are computed as parts of a vector, with it and the first element.
        offsets: where each buffer starts in the working memory.
        size: of the working memory, in bytes.
    """

    head: list[Instruction]
    tail: list[Instruction]
    kinds: dict[Value, Kind] = field(default_factory=dict)
    bases: dict[Value, Value] = field(default_factory=dict)
    written: dict[Value, Value] = field(default_factory=dict)
    groups: dict[Value, tuple[Value, ...]] = field(default_factory=dict)
    products: dict[Value, Instruction] = field(default_factory=dict)
    placed: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    offsets: dict[Value, int] = field(default_factory=dict)
    size: int = 0

    def base(self, value: Value) -> Value:
        """Return the value whose memory a value uses."""
        while True:
            under = self.bases.get(value) or self.written.get(value)
            if under is None:
                return value
            value = under

    def is_static(self, value: Value) -> bool:
        """Whether the memory of a value is the same at each call."""
        return self.kinds[self.base(value)] in ("state", "constant", "buffer")

    def stays(self, product: Instruction) -> bool:
        """Whether the factors of a product stay in place, in memory that no other one changes."""
        factors = (x for x in product.operands[1:3] if type(x) is Value)
        return all(self.kinds[self.base(x)] in ("constant", "buffer") for x in factors)


def _takes_out(step: Instruction) -> bool:
    """Whether an instruction can write its result into an array."""
    if not step.is_draw:
        return "schedule" not in step.params and takes_out(step)
    from ..random.generator import FILLS

    y = step.results[0]
    return bool(y.shape) and y.dtype.char in "fd" and step.params["method"] in FILLS


def plan_memory(program: Program, in_place: bool = True) -> Plan:
    """Plan the memory of a program, after the passes.

    Args:
        program: the program.
        in_place: whether products may be added into states, which needs a BLAS that can be called.
    """
    states = {leaf for leaf, _ in program.updates if leaf.shape}
    groups = _find_state_vectors(program, states)
    direct = _find_accumulations(program, states) if in_place else {}
    while True:
        plan = _choose_all_storage(program, states, groups, direct)
        stays = [y for y in direct if plan.stays(plan.products[y])]
        if len(stays) == len(direct):
            break
        direct = {y: direct[y] for y in stays}
    for step in plan.head:
        if step.primitive is flat and step.results[0] not in groups:
            _compute_in_vector(plan, step)
    _assign_offsets(plan, [*plan.head, *plan.tail], program)
    return plan


def _choose_all_storage(
    program: Program,
    states: set[Value],
    groups: dict[Value, tuple[Value, ...]],
    direct: dict[Value, Value],
) -> Plan:
    """Choose the storage of each value; products that are added into states come last."""
    products = {
        s.results[0]: s for s in program.instructions if s.results[:1] and s.results[0] in direct
    }
    head = [s for s in program.instructions if not (s.results and s.results[0] in direct)]
    plan = Plan(head, list(products.values()), groups=groups, products=products)
    plan.kinds |= dict.fromkeys(program.inputs, "argument")
    for leaf in program.leaves:
        kind: Kind = "constant" if leaf.shape else "argument"
        plan.kinds[leaf] = "state" if leaf in states else kind
    plan.kinds |= dict.fromkeys(program.constants, "constant")
    outputs = {y for y in program.outputs if type(y) is Value}
    for step in [*plan.head, *plan.tail]:
        _choose_storage(plan, step, outputs, direct)
    return plan


def _find_state_vectors(program: Program, states: set[Value]) -> dict[Value, tuple[Value, ...]]:
    """Find the vectors that consist of states; a state can be part of one vector only."""
    groups: dict[Value, tuple[Value, ...]] = {}
    taken: set[Operand] = set()
    for step in program.instructions:
        members = step.operands
        if step.primitive is flat and states.issuperset(members) and taken.isdisjoint(members):
            taken.update(members)
            groups[step.results[0]] = tuple(step.values)
    return groups


def _compute_in_vector(plan: Plan, step: Instruction) -> None:
    """Compute results directly in the vector that joins them, where that is possible."""
    vector, at = step.results[0], 0
    for x in step.values:
        own = plan.kinds[x] == "buffer" and x not in plan.placed and x not in plan.bases
        if own and plan.kinds[vector] == "buffer":
            plan.placed[x] = vector, at
            plan.bases[x] = vector
        at += x.size


def _find_accumulations(program: Program, states: set[Value]) -> dict[Value, Value]:
    """Find the new values that a matrix product adds into their states: nothing else reads them.

    They are all computed at the end, when nothing reads an old value any more.
    """
    readers = {x for step in program.instructions for x in step.values}
    news = [new for _, new in program.updates]
    state_of = {new: leaf for leaf, new in program.updates if leaf in states}
    found: dict[Value, Value] = {}
    for step in program.instructions:
        new = step.results[0]
        state = state_of.get(new)
        if step.primitive is not accumulated or state is None or step.operands[0] is not state:
            continue
        read = new in readers or new in program.outputs or news.count(new) > 1
        if not read and _can_accumulate_by_blas(step):
            found[new] = state
    return found


def _can_accumulate_by_blas(step: Instruction) -> bool:
    """Tell whether BLAS can take the operands of an accumulating product."""
    y, (_, a, b, _) = step.results[0], step.operands
    return y.dtype.char in "fd" and all(
        x is None or (type(x) is Value and x.dtype == y.dtype and x.size and len(x.shape) <= 2)
        for x in (a, b)
    )


def new_vector(program: Program, states: tuple[Value, ...]) -> Value | None:
    """Return the vector whose parts are the new values of these states, in order."""
    new_of = dict(program.updates)
    wanted = tuple(new_of[x] for x in states)
    for step in program.instructions:
        if step.primitive is parts and step.results == wanted:
            return step.values[0]
    return None


def _choose_storage(
    plan: Plan, step: Instruction, outputs: set[Value], direct: dict[Value, Value]
) -> None:
    """Choose the storage of an instruction's results."""
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
        elif type(first) is Value and first.shape and y.shape and is_view(step):
            plan.kinds[y], plan.bases[y] = "view", first
        elif y.shape and y.nbytes and y not in outputs and _takes_out(step):
            plan.kinds[y] = "buffer"
        else:
            plan.kinds[y] = "local"


def _assign_offsets(plan: Plan, steps: Sequence[Instruction], program: Program) -> None:
    """Give each buffer its place in the working memory; it is free again after its last use."""
    last: dict[Value, int] = {}
    for i, step in enumerate(steps):
        for x in (*step.values, *step.results):
            last[plan.base(x)] = i
    for y in program.ends():
        last[plan.base(y)] = len(steps)
    memory = WorkingMemory()
    for i, step in enumerate(steps):
        dying = {x for x in map(plan.base, step.values) if last[x] == i}
        if not step.results:
            continue
        y = step.results[0]
        if y in plan.placed:
            vector, at = plan.placed[y]
            if vector not in plan.offsets:
                plan.offsets[vector] = memory.take(vector.nbytes)
            plan.offsets[y] = plan.offsets[vector] + at * y.dtype.itemsize
        elif plan.kinds[y] == "buffer" and y not in plan.offsets:
            only_first = step.primitive is added_at
            within = step.values[:1] if only_first else step.values
            fit = (x for x in within if _can_reuse_buffer(x, y, dying, plan))
            reused = next(fit, None)
            if reused is not None and (only_first or works_in_place(step)):
                base = plan.base(reused)
                while reused in plan.written:  # short ways: a chain may be long
                    reused = plan.written[reused]
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


def _can_reuse_buffer(x: Value, y: Value, dying: set[Value], plan: Plan) -> bool:
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


class WorkingMemory:
    """The working memory: bytes that are taken and given back.

    Attributes:
        size: the largest number of bytes in use so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # (start, length), sorted

    def take(self, nbytes: int) -> int:
        """Take bytes in the smallest gap that is large enough; return where they start."""
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
        """Give bytes back; join them with neighbouring gaps."""
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
