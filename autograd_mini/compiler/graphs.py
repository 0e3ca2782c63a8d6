"""Graphs of programs: vertices without numbers, with their phase: forward, backward, update.

So everything that reads a graph can read a program: `print`, `viz`, a user's loop over the
operations. Inputs, leaves and results are tensors without a value; captured arrays keep theirs. The
change of a leaf is an operation `assign` of the leaf and its new value. A program can also be one
operation of the captured tensors, with a gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import Any, Final

import numpy as np

from ..core.absent import Absent
from ..core.contexts import FunctionScope, Phase, PhaseScope, Scope, ScopePath, run_apart, serials
from ..core.graph import Graph, as_graph
from ..core.primitive import Primitive
from ..core.record import Record, lines, record, record_always
from ..core.reverse import backward_pass, swap_convention, vertices_between
from ..core.tensor import NO_PARAMS, Tensor, leaf
from ..ops.conversion import cast, set_leaf
from .executable import Executable
from .fused_ops import add_n, declare_operation, flat, parts
from .passes.cleanup import eliminate_dead_code
from .program import Instruction, Operand, Params, Program, Value

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
    makers = {y: step.scope for y, step in program.makers().items()}
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


Entries = tuple[int, ...]
"""Which entries of the scopes of a path are meant, the outermost first; () if that is not known."""


@as_graph.register
def graph_of(program: Program) -> Graph:
    """Return the graph of a program, whose outputs are those of the program and its updates.

    The operations stand in the program's order. Where the program trains something, those of the
    backward and of the update are in scopes of these names, or in their own where they have one.
    Outputs of None are left out.
    """
    return GraphMaker(program).graph()


class GraphMaker:
    """Makes the tensors of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.tensors: dict[Value, Any] = {}
        self.phases = phases_of(program)
        self.own = _phase_scopes(program, self.phases)
        self.scopes: dict[tuple[Phase, str, Entries], Scope] = {}
        self.written: dict[object, str] = {}

    def graph(self) -> Graph:
        """Return the graph."""
        program = self.program
        for x in program.inputs:
            self.tensors[x] = leaf(_absent_array(x), name=x.name)
        for x, t in program.leaves.items():
            name = x.name or t.name
            self.tensors[x] = leaf(_absent_array(x), requires_grad=t._requires_grad, name=name)
        for x, data in program.constants.items():
            self.tensors[x] = leaf(data, name=x.name) if x.name else data
        for step, phase in zip(program.instructions, self.phases, strict=True):
            self.add(step, phase)
        outputs = [self.output(y) for y in program.outputs if y is not None]
        graph = Graph(*outputs, *self.updates())
        graph.origins = {(y.serial, y.index): ("output", i) for i, y in enumerate(graph.outputs)}
        known = [*((x, ("input", i)) for i, x in enumerate(program.inputs))]
        known += [(x, ("leaf", t.serial)) for x, t in program.leaves.items()]
        graph.origins |= {(self.tensors[x].serial, 0): origin for x, origin in known}
        return graph

    def add(self, step: Instruction, phase: Phase) -> None:
        """Add the vertex of an instruction."""
        operands = tuple(
            self.tensors[x] if type(x) is Value else x for x in step.operands if x is not None
        )
        scope = self.scope(phase, step.scope)
        vertex: Any = Record() if step.primitive.multiple else Tensor()
        _set_operation(vertex, step.primitive, operands, step.params, scope)
        if type(vertex) is Record:
            vertex.arrays = tuple(map(_absent_array, step.results))
            made = [vertex.output(i) for i in range(len(step.results))]
        else:
            vertex._value, vertex.grad = _absent_array(step.results[0]), None
            made = [vertex]
        for value, tensor in zip(step.results, made, strict=True):
            tensor.name = value.name
            self.tensors[value] = tensor
        if step.line is not None:  # many share a place
            if step.line not in self.written:
                self.written[step.line] = str(step.line)
            lines.attach(vertex, self.written[step.line])

    def output(self, y: Operand) -> Tensor:
        """Return an output as a tensor: plain numbers and arrays become leaves."""
        found = self.tensors[y] if type(y) is Value else y
        return found if type(found) is Tensor else leaf(np.asarray(found)[()])

    def updates(self) -> list[Tensor]:
        """Return the changed leaves: each the result of an assignment to it."""
        changed = []
        for old, new in self.program.updates:
            before = self.tensors[old]
            after = Tensor()
            operands = (before, self.tensors[new])
            _set_operation(after, set_leaf, operands, NO_PARAMS, self._scope_of_update(new))
            after._requires_grad = before._requires_grad
            after._value, after.grad, after.name = _absent_array(old), None, before.name
            changed.append(after)
        return changed

    def scope(self, phase: Phase, path: str) -> Scope | None:
        """Return the scope of a path, the same scope for each entry; phases do not share scopes.

        The outermost scope of a phase is its own scope, or a new one around all of the phase.
        """
        entries = _entries_of(path)
        functions = path.functions if type(path) is ScopePath else frozenset()
        own = self.own.get(phase)
        missing = []
        found = None
        while path and path != own:
            found = self.scopes.get((phase, path, entries))
            if found is not None:
                break
            missing.append((path, entries))
            path, entries = path.rpartition("/")[0], entries[:-1]
        if found is None and own is not None:
            found = self.part(phase, entries if path else ())
        for inner, known in reversed(missing):
            kind = FunctionScope if known and known[-1] in functions else Scope
            found = kind(inner.rpartition("/")[2], found)
            self.scopes[phase, inner, known] = found
        return found

    def part(self, phase: Phase, entries: Entries = ()) -> Scope:
        """Return the scope around a phase: one for each entry, if the phase has its own scope."""
        path = self.own[phase]
        if (phase, "", entries) not in self.scopes:
            self.scopes[phase, "", entries] = PhaseScope(phase, path)
        return self.scopes[phase, "", entries]

    def _scope_of_update(self, new: Operand) -> Scope | None:
        """Return the scope around the update that makes a new value."""
        if "update" not in self.own:
            return None
        vertex = self.tensors[new] if type(new) is Value else None
        scope = vertex._scope if type(vertex) is Tensor and vertex._primitive is not None else None
        while scope is not None and type(scope) is not PhaseScope:
            scope = scope.parent
        if type(scope) is PhaseScope and scope.phase == "update":
            return scope
        return self.part("update")


def _entries_of(path: str) -> Entries:
    """Return which entries of the scopes a path means; () if that is not known."""
    entries = path.entries if type(path) is ScopePath else ()
    return entries if len(entries) == path.count("/") + 1 else ()


def _phase_scopes(program: Program, phases: list[Phase]) -> dict[Phase, str]:
    """Return the phases after the forward, each with the path of its own scope, or "".

    A scope belongs to a phase if it has all of the phase and nothing else, as the scope of the
    backward pass or of an optimizer. Programs that train nothing have no such phases.
    """
    if not any(program.leaves[leaf].requires_grad for leaf, _ in program.updates):
        return {}
    paths: dict[Phase, set[str]] = {"forward": set(), "backward": set(), "update": set()}
    for step, phase in zip(program.instructions, phases, strict=True):
        paths[phase].add(step.scope)
    later: tuple[Phase, ...] = ("backward", "update")
    own: dict[Phase, str] = {}
    for phase in later:
        names = [path.split("/") for path in sorted(paths[phase])]
        common = "/".join(commonprefix(names))
        others = set().union(*(found for other, found in paths.items() if other != phase))
        shared = any(f"{path}/".startswith(f"{common}/") for path in others)
        own[phase] = "" if shared else common
    return own


def _set_operation(
    vertex: Tensor | Record,
    primitive: Primitive,
    operands: tuple[object, ...],
    params: Params,
    scope: Scope | None,
) -> None:
    """Make a vertex the result of an operation."""
    vertex._primitive, vertex._operands, vertex._params = primitive, operands, params
    vertex._scope, vertex._requires_grad, vertex.serial = scope, False, next(serials)


def _absent_array(value: Value) -> Absent:
    """Return what stands for an array of the program."""
    return Absent(value.shape, value.dtype)


class ProgramOperation:
    """A program as one operation of all tensors and arrays that it reads.

    Its results are the outputs that require a gradient; the other outputs pass it by. The program
    has the forward pass only. So the gradient interprets what was recorded once more, with tensors,
    and runs the backward pass from there. It does not call the function: what that reads may have
    changed.
    """

    def __init__(self, executable: Executable, wanted: Sequence[bool]) -> None:
        """Declare the operation.

        Args:
            executable: the program.
            wanted: which outputs require a gradient.
        """
        self._wanted = wanted
        self._executable = executable
        self._program = eliminate_dead_code(executable.recorded)
        self._leaves = tuple(self._program.leaves.values())
        self._primitive = declare_operation(
            executable.program.name,
            self._forward,
            "compiled",
            "A compiled function.",
            vjp=self._vjp,
            multiple=True,
            partial=True,
            params=("others",),
        )

    def record(self, values: Sequence[object]) -> Sequence[object]:
        """Run the program; return its outputs, recorded where they require a gradient."""
        others: list[Any] = []
        found = record(self._primitive, (*self._leaves, *values), {"others": others})
        recorded, plain = iter(found), iter(others[:])
        others.clear()  # the graph keeps the list
        return [next(recorded if grad else plain) for grad in self._wanted]

    def _forward(self, *arrays: object, others: list[object]) -> tuple[object, ...]:
        """Run the program; return what requires a gradient, and add what does not to a list."""
        outputs = self._executable(arrays[len(self._leaves) :])
        others += [y for y, grad in zip(outputs, self._wanted, strict=True) if not grad]
        return tuple(y for y, grad in zip(outputs, self._wanted, strict=True) if grad)

    def _vjp(self, g: Sequence[object], y: object, *xs: Any, others: list[object]) -> list[object]:
        """Return the cotangents of all operands; None for operands without a gradient."""
        recorded = any(type(x) is Tensor for x in (*g, *xs))
        tensors = xs[: len(self._leaves)]
        if not recorded:
            tensors = tuple(map(leaf, tensors))
            for tensor, own in zip(tensors, self._leaves, strict=True):
                tensor._requires_grad = own._requires_grad
        outputs = run_apart(lambda: self._interpret((*tensors, *xs[len(self._leaves) :])))
        ends, seeds = [], []
        wanted = (x for x, grad in zip(outputs, self._wanted, strict=True) if grad)
        for x, h in zip(wanted, g, strict=True):
            if h is not None and type(x) is Tensor and x._requires_grad:
                ends.append(x)
                seeds.append(swap_convention(h))
        needed, _ = vertices_between(ends, {x.serial for x in tensors if x._requires_grad})
        found = backward_pass(ends, seeds, needed=needed, recorded=recorded)
        reached = {x.serial: swap_convention(h) for x, h in found}
        return [reached.get(x.serial) for x in tensors] + [None] * (len(xs) - len(tensors))

    def _interpret(self, operands: Sequence[object]) -> list[object]:
        """Interpret what was recorded, with tensors in place of leaves; return the outputs."""
        program = self._program
        names = (*program.leaves, *program.inputs)
        values: dict[Any, Any] = dict(zip(names, operands, strict=True)) | program.constants
        with record_always():
            for step in program.instructions:
                step.compute(values, step.primitive)
        return [values[y] if type(y) is Value else y for y in program.outputs]
