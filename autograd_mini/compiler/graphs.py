"""Graphs of programs: the same vertices that recording leaves behind, but without numbers.

So everything that reads a graph can read a program: `print`, `viz`, a user's loop over the
operations. Inputs, leaves and results are tensors without a value; captured arrays keep theirs. The
change of a leaf is an operation `assign` of the leaf and its new value.
"""

from __future__ import annotations

from os.path import commonprefix
from typing import Any

import numpy as np

from ..core.absent import Absent
from ..core.contexts import Phase, PhaseScope, Scope, ScopePath, serials
from ..core.graph import Graph, as_graph
from ..core.record import Record, lines
from ..core.tensor import NO_PARAMS, Tensor, leaf
from ..ops.conversion import set_leaf
from .phases import phases_of
from .program import Instruction, Operand, Program, Value

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
        vertex._primitive = step.primitive
        vertex._operands = operands
        vertex._params = step.params
        vertex._scope = scope
        vertex._requires_grad = False
        vertex.serial = next(serials)
        if type(vertex) is Record:
            vertex.arrays = tuple(map(_absent_array, step.results))
            made = [vertex.output(i) for i in range(len(step.results))]
        else:
            vertex._value = _absent_array(step.results[0])
            vertex.grad = None
            made = [vertex]
        for value, tensor in zip(step.results, made, strict=True):
            tensor.name = value.name
            self.tensors[value] = tensor
        if step.line is not None:
            lines.attach(vertex, self.line(step.line))

    def line(self, site: object) -> str:
        """Write where an instruction was recorded; many share a place."""
        text = self.written.get(site)
        if text is None:
            text = self.written[site] = str(site)
        return text

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
            after._value = _absent_array(old)
            after._requires_grad = before._requires_grad
            after._primitive = set_leaf
            after._operands = (before, self.tensors[new])
            after._params = NO_PARAMS
            after._scope = self._scope_of_update(new)
            after.serial = next(serials)
            after.grad = None
            after.name = before.name
            changed.append(after)
        return changed

    def scope(self, phase: Phase, path: str) -> Scope | None:
        """Return the scope of a path, the same scope for each entry; phases do not share scopes.

        The outermost scope of a phase is its own scope, or a new one around all of the phase.
        """
        entries = _entries_of(path)
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
            found = Scope(inner.rpartition("/")[2], found)
            self.scopes[phase, inner, known] = found
        return found

    def part(self, phase: Phase, entries: Entries = ()) -> Scope:
        """Return the scope around a phase: one for each entry, if the phase has its own scope."""
        path = self.own[phase]
        found = self.scopes.get((phase, "", entries))
        if found is None:
            found = self.scopes[phase, "", entries] = PhaseScope(phase, path)
        return found

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


def _absent_array(value: Value) -> Absent:
    """Return what stands for an array of the program."""
    return Absent(value.shape, value.dtype)
