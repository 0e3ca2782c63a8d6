"""Updates: many of one rule become one, and a sum at a few places is computed only there.

An optimizer does the same arithmetic for each parameter. For small parameters the calls cost more
than the arithmetic. So values, gradients and states are joined: `flat` makes a vector, the rule
runs once, `parts` cuts the vector. If states and gradients can be next to each other in memory from
the start, neither of the two copies anything. Results are the same bit for bit.

Scatter-add: the gradient of indexing is an array of zeros, with the cotangent added at the index.
If it is added to another array, the zeros are not needed. The result is the same up to the sign of
zeros if no place is named twice, as where a captured array counts the rows; else it is the same up
to the order of the additions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES
from ...ops.checks import finite
from ...ops.index_batching import ARRAY
from ..fused_ops import added_at, flat, parts, picked
from ..program import Instruction, Operand, Program, Value
from .cleanup import eliminate_dead_code
from .facts import Uses, has_arrays

LARGEST: Final = 2**14
"""Larger tensors are updated one by one: there the arithmetic costs more than the calls."""
LONGEST: Final = 64
"""Rules with more operations are not joined."""


@dataclass(slots=True, eq=False)
class Bundle:
    """The updates that share what they compute: a parameter and the optimizer's states of it.

    Attributes:
        roots: their new values.
        leaves, inputs: what the rule reads, in the order in which it meets it.
        steps: the instructions of the rule, in order of the program.
        signature: equal for bundles that follow the same rule.
    """

    roots: list[Value]
    leaves: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    steps: list[Instruction] = field(default_factory=list)
    signature: tuple[Any, ...] = ()


def join_optimizer_updates(program: Program) -> Program:
    """Update small tensors that follow one rule together."""
    if not has_arrays(program):
        return program
    finder = BundleFinder(program)
    groups: dict[tuple[Any, ...], list[Bundle]] = {}
    for bundle in finder._bundles():
        if finder.describe(bundle):
            groups.setdefault(bundle.signature, []).append(bundle)
    for bundles in groups.values():
        if len(bundles) > 1 and finder._may_move(bundles):
            program = _join_bundles(program, bundles)
    return program


class BundleFinder:
    """Finds the rules that end in new values of small tensors."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.order = {s: i for i, s in enumerate(program.instructions)}
        self.maker = {y: s for s in program.instructions for y in s.results}
        self.readers: dict[Value, list[Instruction]] = {}
        for step in program.instructions:
            for x in step.values:
                self.readers.setdefault(x, []).append(step)
        self.updated = {new: leaf for leaf, new in program.updates}
        self.states = {leaf for leaf, _ in program.updates}
        self.outputs = {y for y in program.outputs if type(y) is Value}

    def _bundles(self) -> Iterable[Bundle]:
        """Yield the updates of small tensors, those that share an operation together."""
        owner: dict[Instruction, Bundle] = {}
        found: dict[int, Bundle] = {}
        for leaf, new in self.program.updates:
            if not leaf.shape or not 0 < leaf.size <= LARGEST or new not in self.maker:
                continue
            bundle = Bundle([new])
            for step in self._arithmetic_behind(new, leaf):
                other = owner.get(step)
                if other is not None and other is not bundle:
                    other.roots += bundle.roots
                    for s, b in list(owner.items()):
                        if b is bundle:
                            owner[s] = other
                    found.pop(id(bundle), None)
                    bundle = other
                owner[step] = bundle
            found[id(bundle)] = bundle
        return list(found.values())

    def _arithmetic_behind(self, root: Value, leaf: Value) -> list[Instruction]:
        """Return the operations on arrays of the leaf's shape from which its new value comes."""
        seen: dict[Instruction, None] = {}
        stack = [root]
        while stack and len(seen) <= LONGEST:
            step = self.maker.get(stack.pop())
            if step is None or step in seen or not self._is_rule(step, leaf):
                continue
            seen[step] = None
            stack += [x for x in step.values if x.shape == leaf.shape]
        return list(seen)

    def _is_rule(self, step: Instruction, leaf: Value) -> bool:
        """Whether an operation works element by element on arrays of the leaf's shape."""
        y = step.results[0]
        return (
            step.primitive.kind == "elementwise"
            and len(step.results) == 1
            and y.shape == leaf.shape
            and y.dtype == leaf.dtype
            and all(x.shape in ((), leaf.shape) for x in step.values)
        )

    def describe(self, bundle: Bundle) -> bool:
        """Fill in a bundle; tell whether it can be joined with others of the same signature."""
        program, shape = self.program, bundle.roots[0].shape
        leaf_of = {root: self.updated[root] for root in bundle.roots}
        steps: dict[Instruction, None] = {}
        for root in bundle.roots:
            steps |= dict.fromkeys(self._arithmetic_behind(root, leaf_of[root]))
        chosen = self._drop_shared_steps(set(steps), set(bundle.roots))
        bundle.steps = sorted(chosen, key=self.order.__getitem__)
        if not all(self.maker[root] in chosen for root in bundle.roots):
            return False
        names: dict[Value, Any] = {}
        words: list[Any] = []
        for step in bundle.steps:
            words += [step.primitive, *sorted(step.params.items())]
            for x in step.operands:
                words.append(self._signature_word(x, shape, names, bundle))
            names[step.results[0]] = len(names)
        ends = [
            (names[r], self._signature_word(leaf_of[r], shape, names, bundle)) for r in bundle.roots
        ]
        bundle.signature = (*words, *ends, program.leaves[leaf_of[bundle.roots[0]]].dtype)
        return all(x.dtype == bundle.roots[0].dtype for x in (*bundle.leaves, *bundle.inputs))

    def _drop_shared_steps(self, steps: set[Instruction], roots: set[Value]) -> set[Instruction]:
        """Drop operations whose result is needed outside of the rule: they become its inputs."""
        while True:
            outside = {
                s
                for s in steps
                if s.results[0] not in roots
                and (
                    s.results[0] in self.outputs
                    or any(r not in steps for r in self.readers.get(s.results[0], ()))
                )
            }
            if not outside:
                return steps
            steps = steps - outside

    def _signature_word(
        self, x: Operand, shape: tuple[int, ...], names: dict[Value, object], bundle: Bundle
    ) -> Any:
        """Return what stands for an operand in a signature."""
        if type(x) is not Value:
            return type(x), repr(x)
        if x not in names:
            if not x.shape and shape:
                return x
            kind, held = ("leaf", bundle.leaves) if x in self.states else ("input", bundle.inputs)
            names[x] = kind, len(held)
            held.append(x)
        return names[x]

    def _may_move(self, bundles: list[Bundle]) -> bool:
        """Whether the rules may all run where the last of them does."""
        last = max(self.order[s] for b in bundles for s in b.steps)
        leaves = [x for b in bundles for x in b.leaves]
        return len(set(leaves)) == len(leaves) and all(
            self.order[reader] > last
            for b in bundles
            for root in b.roots
            for reader in self.readers.get(root, ())
            if reader not in b.steps
        )


def _join_bundles(program: Program, bundles: list[Bundle]) -> Program:
    """Replace rules by one rule of long vectors."""
    first = bundles[0]
    steps = {s for b in bundles for s in b.steps}
    last = [s for s in program.instructions if s in steps][-1]
    scope, line = last.scope, last.line
    new: list[Instruction] = []
    stand_ins: dict[Value, Value] = {}
    for held in ("leaves", "inputs"):
        for i, x in enumerate(getattr(first, held)):
            members = tuple(getattr(b, held)[i] for b in bundles)
            long = Value((sum(m.size for m in members),), x.dtype)
            new.append(Instruction(flat, members, {}, (long,), scope, line))
            stand_ins[x] = long
    for step in first.steps:
        y = step.results[0]
        stand_ins[y] = Value(next(iter(stand_ins.values())).shape, y.dtype)
        operands = tuple(stand_ins.get(x, x) if type(x) is Value else x for x in step.operands)
        new.append(
            Instruction(step.primitive, operands, step.params, (stand_ins[y],), step.scope, line)
        )
    for i, root in enumerate(first.roots):
        members = tuple(b.roots[i] for b in bundles)
        shapes = tuple(m.shape for m in members)
        new.append(Instruction(parts, (stand_ins[root],), {"shapes": shapes}, members, scope, line))
    kept: list[Instruction] = []
    checks: list[Instruction] = []
    for step in program.instructions:
        if step is last:
            kept += [*checks, *new]
        elif step.primitive is finite and any(x in stand_ins for x in step.values):
            checks.append(_check_by_vectors(step, new))
        elif step not in steps:
            kept.append(step)
    return program.with_instructions(_move_checks(kept, checks))


def _check_by_vectors(step: Instruction, new: list[Instruction]) -> Instruction:
    """Let a check test vectors instead of their parts."""
    operands = list(step.operands)
    for other in new:
        if other.primitive is flat and set(other.operands) <= set(operands):
            operands = [x for x in operands if x not in other.operands] + [other.results[0]]
    return step.with_operands(tuple(operands))


def _move_checks(kept: list[Instruction], checks: list[Instruction]) -> list[Instruction]:
    """Move checks after the vectors that they check, of this rule or of a rule joined before."""
    if not checks:
        return kept
    rest = [s for s in kept if s not in checks]
    for check in checks:
        looked_at = set(check.values)
        made = [i for i, s in enumerate(rest) if not looked_at.isdisjoint(s.results)]
        rest.insert(max(made, default=-1) + 1, check)
    return rest


def fuse_scatter_add(program: Program) -> Program:
    """Add a scattered cotangent to the other operand directly, without zeros between."""
    if not has_arrays(program):
        return program
    program, places = _index_by_places(program)
    uses = Uses(program)
    changed: dict[Value, Instruction] = {}
    for step in program.instructions:
        if step.operation_name != "add" or len(step.operands) != 2:
            continue
        for other, x in (step.operands, step.operands[::-1]):
            flattened = uses.only(x, "reshape")
            scatter = uses.only(flattened.operands[0] if flattened else x, "scatter")
            y = step.results[0]
            if scatter is None or type(other) is not Value or other.dtype != y.dtype:
                continue
            if not other.shape == y.shape == (flattened or scatter).results[0].shape:
                continue
            g, *arrays = scatter.operands
            if flattened is not None and scatter.params["index"] != (ARRAY,):
                continue
            unique = places.issuperset(arrays) or _names_no_place_twice(arrays, program)
            params = {"index": scatter.params["index"], "unique": unique}
            params["flat"] = flattened is not None
            changed[y] = Instruction(
                added_at, (other, g, *arrays), params, step.results, step.scope, step.line
            )
            break
    if not changed:
        return program
    return eliminate_dead_code(
        program.with_instructions(
            [changed.get(s.results[0], s) if s.results else s for s in program.instructions]
        )
    )


def _index_by_places(program: Program) -> tuple[Program, set[Operand]]:
    """Pick one element of each row by its place in all of the matrix: half the time.

    The column must be a class number, which was checked: it counts from the front.

    Returns:
        the program, and the places in it at which no two elements lie.
    """
    makers = {y: s for s in program.instructions for y in s.results}
    found: dict[tuple[Value, Value], Value] = {}
    constants: dict[Value, Any] = {}
    kept: list[Instruction] = []
    for step in program.instructions:
        new = [step]
        if step.operation_name in ("getitem", "scatter"):
            x = step.operands[0]
            shape = step.params.get("shape", x.shape if type(x) is Value else ())
            places = _places_in_matrix(step, shape, makers, program, found, constants, kept)
            if places is not None:
                new = _index_vector(step, shape, places)
        kept += new
    if not found:
        return program, set()
    places_of_rows: set[Operand] = {
        places
        for (rows, _), places in found.items()
        if np.unique(program.constants[rows]).size == rows.size
    }
    return program.with_instructions(kept, constants=program.constants | constants), places_of_rows


def _places_in_matrix(
    step: Instruction,
    shape: tuple[int, ...],
    makers: dict[Value, Instruction],
    program: Program,
    found: dict[tuple[Value, Value], Value],
    constants: dict[Value, object],
    kept: list[Instruction],
) -> Value | None:
    """Return the places of rows and columns in a matrix, or None for another kind of index."""
    if len(shape) != 2 or step.params["index"] != (ARRAY, ARRAY):
        return None
    _, rows, columns = step.operands
    if type(rows) is not Value or type(columns) is not Value:
        return None
    numbers = program.constants.get(rows)
    classes = makers.get(columns)
    if numbers is None or classes is None or classes.operation_name != "class_numbers":
        return None
    plain = numbers.ndim == 1 and numbers.dtype.kind in "iu" and rows.shape == columns.shape
    if not plain or not numbers.size or numbers.min() < 0 or shape[1] != classes.params["classes"]:
        return None
    if (rows, columns) not in found:
        starts = Value(rows.shape, np.dtype(np.intp), "row_starts")
        constants[starts] = numbers.astype(np.intp) * shape[1]
        places = found[rows, columns] = Value(rows.shape, np.dtype(np.intp))
        add = PRIMITIVES["add"]
        kept.append(Instruction(add, (columns, starts), {}, (places,), step.scope, step.line))
    return found[rows, columns]


def _index_vector(step: Instruction, shape: tuple[int, ...], places: Value) -> list[Instruction]:
    """Return the same operation of a vector."""
    x, y = step.operands[0], step.results[0]
    assert type(x) is Value
    length, scope, line = shape[0] * shape[1], step.scope, step.line
    reshape, params = PRIMITIVES["reshape"], dict(step.params) | {"index": (ARRAY,)}
    vector = Value((length,), x.dtype)
    if step.operation_name == "getitem":
        return [Instruction(picked, (x, places), {}, (y,), scope, line)]
    params["shape"] = (length,)
    put = Instruction(step.primitive, (x, places), params, (vector,), scope, line)
    return [put, Instruction(reshape, (vector,), {"shape": shape}, (y,), scope, line)]


def _names_no_place_twice(arrays: list[Any], program: Program) -> bool:
    """Whether captured indices show that no place is named twice."""
    if any(type(x) is not Value for x in arrays):
        return False
    if any(x.dtype.kind == "b" for x in arrays):
        return len(arrays) == 1
    shape = np.broadcast_shapes(*(x.shape for x in arrays)) if arrays else ()
    for x in arrays:
        rows = program.constants.get(x)
        if rows is not None and rows.size == int(np.prod(shape)):
            # A negative index may name a place that another one names, too.
            return bool((rows >= 0).all()) and np.unique(rows).size == rows.size
    return False
