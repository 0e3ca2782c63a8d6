"""Fusion: operations that follow each other become one, or many of one rule become one.

Products: sums, biases and updates that follow a matrix product are part of the BLAS call. Rounding
changes there: BLAS adds in another order, and applies a factor to the sum of products instead of to
each. Results are within n·eps of those before, n being the number of terms.

Updates: an optimizer does the same arithmetic for each parameter. For small parameters the calls
cost more than the arithmetic. So values, gradients and states are joined: `flat` makes a vector,
the rule runs once, `parts` cuts the vector. If states and gradients can be next to each other in
memory from the start, neither of the two copies anything. Results are the same bit for bit.

Scatter-add: the gradient of indexing is an array of zeros, with the cotangent added at the index.
If it is added to another array, the zeros are not needed. The result is the same up to the sign of
zeros if no place is named twice, as where a captured array counts the rows; else it is the same up
to the order of the additions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES
from ...ops.checks import finite
from ...ops.indexing import ARRAY
from ..fused_ops import (
    accumulated,
    added_at,
    affine,
    column_sums,
    dot,
    flat,
    parts,
    picked,
    row_sums,
)
from ..program import Instruction, Operand, Program, Uses, Value, has_shape_and_dtype_of
from .cleanup import eliminate_dead_code, with_stand_ins

REAL: Final = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
SMALL_ARGUMENT: Final = 2**15
"""Arguments of at most so many elements are copied for every product, larger ones for updates."""
CHEAP: Final = 2**20
"""This many bytes may always be kept for an update, else those of four gradients."""
LONGEST_COLUMN: Final = 2**14
"""Columns of at most this many elements are summed by BLAS, which adds them one after the other."""


def fuse_matmul(program: Program) -> Program:
    """Put sums, biases and updates into the matrix products to which they belong."""
    uses = Uses(program)
    leaves = {new: leaf for leaf, new in program.updates}
    changed: dict[Value, list[Instruction]] = {}
    for step in program.instructions:
        rule = MATMUL_RULES.get(step.operation_name)
        found = rule(step, uses) if rule else None
        if found:
            changed[step.results[0]] = found
            uses.replace(step, *found)
    for step in program.instructions:
        leaf = leaves.get(step.results[0]) if step.results else None
        update = _fuse_update(step, leaf, uses) if leaf is not None else None
        if update is not None:
            changed[step.results[0]] = [update]
    if changed:
        kept = _with_changes(program, changed)
        constants = program.constants | uses.constants
        program = eliminate_dead_code(program.with_instructions(kept, constants=constants))
    return _copy_small_arguments(program)


def _copy_small_arguments(program: Program) -> Program:
    """Copy small arguments of products into static memory, so that BLAS calls are prepared."""
    shown: dict[Value, Value] = {x: x for x in program.inputs if len(x.shape) == 2}
    wanted: dict[Value, bool] = {}
    for step in program.instructions:
        if step.operation_name == "transpose" and step.operands[0] in shown:
            shown[step.results[0]] = shown[step.operands[0]]
        elif step.operation_name in ("matmul", "affine", "accumulated"):
            for x in step.values:
                if x in shown and x.dtype in REAL:
                    root = shown[x]
                    wanted[root] = wanted.get(root, False) or step.primitive is accumulated
    copied = [x for x in program.inputs if x in wanted and (wanted[x] or x.size <= SMALL_ARGUMENT)]
    if not copied:
        return program
    held = {x: Value(x.shape, x.dtype, x.name) for x in copied}
    copies = [Instruction(PRIMITIVES["copy"], (x,), {}, (y,)) for x, y in held.items()]
    return program.with_instructions(
        [*copies, *(with_stand_ins(step, held) for step in program.instructions)]
    )


def _fuse_bias(step: Instruction, uses: Uses) -> list[Instruction] | None:
    """Compute x @ w + b in one instruction, where b is a row."""
    for first, bias in (step.operands, step.operands[::-1]):
        product = uses.only(first, "matmul")
        if product is None or type(bias) is not Value or bias.weak:
            continue
        x, w = product.operands
        matrices = type(x) is Value and type(w) is Value and len(x.shape) == len(w.shape) == 2
        if matrices and len(bias.shape) == 1 and _is_real_match(step, product.results[0], bias):
            return [step.with_operation(affine, x, w, bias)]
    return None


def _is_real_match(step: Instruction, *operands: Value) -> bool:
    """Whether a result is real and not empty, with the dtype of all and the shape of the first."""
    y = step.results[0]
    fits = operands[0].shape == y.shape and all(x.dtype == y.dtype for x in operands)
    return fits and y.dtype in REAL and y.size > 0


def _fuse_reduction(step: Instruction, uses: Uses) -> list[Instruction] | None:
    """Sum all elements of x·y or x², or the columns of a matrix, by BLAS."""
    (x,), axes = step.operands, step.params["axis"]
    y = step.results[0]
    if type(x) is not Value or y.dtype not in REAL or x.dtype != y.dtype or not x.size:
        return None
    whole = len(axes) == len(x.shape) and not step.params["keepdims"]
    product = uses.only(x, "square", "multiply") if whole else None
    if product is not None:
        a, b = (product.operands * 2)[:2]
        if has_shape_and_dtype_of(a, x) and has_shape_and_dtype_of(b, x):
            return _sum_of_product(a, b, step)
    if whole and x.size <= LONGEST_COLUMN:
        ones = Value(x.shape, x.dtype, "ones")
        uses.constants[ones] = np.ones(x.shape, x.dtype)
        return _sum_of_product(x, ones, step)
    if len(x.shape) != 2 or step.operation_name != "sum" or max(x.shape) > LONGEST_COLUMN:
        return None
    if axes == (0,) and not step.params["keepdims"]:
        return [step.with_operation(column_sums, x)]
    if axes == (1,):
        return [step.with_operation(row_sums, x, keepdims=step.params["keepdims"])]
    return None


def _sum_of_product(a: Value, b: Value, step: Instruction) -> list[Instruction]:
    """Return the sum or mean of a·b."""
    if step.operation_name == "sum":
        return [step.with_operation(dot, a, b)]
    total = Value((), a.dtype)
    return [step.with_operation(dot, a, b, to=total), step.with_operation("divide", total, a.size)]


def _fuse_update(step: Instruction, leaf: Value, uses: Uses) -> Instruction | None:
    """Let BLAS write p − factor·(a @ b), or p + …, into p."""
    name = step.operation_name
    if name not in ("subtract", "add") or not leaf.shape or step.operands[0] is not leaf:
        return None
    scaled = uses.only(step.operands[1], "multiply")
    if scaled is None or not _is_real_match(step, leaf):
        return None
    for factor, x in (scaled.operands, scaled.operands[::-1]):
        product = uses.only(x, "matmul", "column_sums")
        scalar = type(factor) is not Value or not factor.shape
        if product is None or not scalar or not _is_real_match(product, leaf):
            continue
        kept = sum(v.nbytes for v in product.values)  # until the update, which comes last
        if kept > max(4 * leaf.nbytes, CHEAP):
            continue
        cast = uses.makers.get(factor) if type(factor) is Value else None
        narrow = cast is not None and REAL.issuperset(x.dtype for x in cast.values)
        if cast is not None and narrow and cast.operation_name == "cast":
            factor = cast.operands[0]  # rounded as it is put into memory
        pair = product.operands if len(product.operands) == 2 else (None, *product.operands)
        return step.with_operation(accumulated, leaf, *pair, factor, negative=name == "subtract")
    return None


MATMUL_RULES: Final[dict[str, Callable[[Instruction, Uses], list[Instruction] | None]]] = {
    "add": _fuse_bias,
    "sum": _fuse_reduction,
    "mean": _fuse_reduction,
}


# ── optimizer updates ─────────────────────────────────────────────────────────────────────────────
LARGEST_JOINED: Final = 2**14
"""Larger tensors are updated one by one: there the arithmetic costs more than the calls."""
LONGEST_RULE: Final = 64
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
        self.maker = program.makers()
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
            if not leaf.shape or not 0 < leaf.size <= LARGEST_JOINED or new not in self.maker:
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
        while stack and len(seen) <= LONGEST_RULE:
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
            inside = {
                s for s in steps if s.results[0] in roots or self._is_read_by(steps, s.results[0])
            }
            if len(inside) == len(steps):
                return steps
            steps = inside

    def _is_read_by(self, steps: set[Instruction], x: Value) -> bool:
        """Whether only these operations need a value."""
        return x not in self.outputs and steps.issuperset(self.readers.get(x, ()))

    def _signature_word(
        self, x: Operand, shape: tuple[int, ...], names: dict[Value, object], bundle: Bundle
    ) -> object:
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
    new: list[Instruction] = []
    stand_ins: dict[Value, Value] = {}
    for held in ("leaves", "inputs"):
        for i, x in enumerate(getattr(first, held)):
            members = tuple(getattr(b, held)[i] for b in bundles)
            long = Value((sum(m.size for m in members),), x.dtype)
            new.append(last.with_operation(flat, *members, to=long))
            stand_ins[x] = long
    for step in first.steps:
        y = step.results[0]
        stand_ins[y] = Value(next(iter(stand_ins.values())).shape, y.dtype)
        operands, made = with_stand_ins(step, stand_ins).operands, (stand_ins[y],)
        new.append(Instruction(step.primitive, operands, step.params, made, step.scope, last.line))
    for i, root in enumerate(first.roots):
        members = tuple(b.roots[i] for b in bundles)
        shapes = tuple(m.shape for m in members)
        new.append(last.with_operation(parts, stand_ins[root], to=members, shapes=shapes))
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
    return step.with_operands(*operands)


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


# ── scatter-add ───────────────────────────────────────────────────────────────────────────────────
def fuse_scatter_add(program: Program) -> Program:
    """Add a scattered cotangent to the other operand directly, without zeros between."""
    program, places = _index_by_places(program)
    uses = Uses(program)
    changed: dict[Value, list[Instruction]] = {}
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
            params = {"index": scatter.params["index"], "flat": flattened is not None}
            added = step.with_operation(added_at, other, g, *arrays, unique=unique, **params)
            changed[y] = [added]
            break
    if not changed:
        return program
    return eliminate_dead_code(program.with_instructions(_with_changes(program, changed)))


def _with_changes(
    program: Program, changed: Mapping[Value, list[Instruction]]
) -> list[Instruction]:
    """Return the instructions, with others in place of those with these first results."""
    return [
        new
        for step in program.instructions
        for new in (changed.get(step.results[0], [step]) if step.results else [step])
    ]


def _index_by_places(program: Program) -> tuple[Program, set[Operand]]:
    """Pick one element of each row by its place in all of the matrix: half the time.

    The column must be a class number, which was checked: it counts from the front.

    Returns:
        the program, and the places in it at which no two elements lie.
    """
    makers = program.makers()
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
        kept.append(step.with_operation("add", columns, starts, to=places))
    return found[rows, columns]


def _index_vector(step: Instruction, shape: tuple[int, ...], places: Value) -> list[Instruction]:
    """Return the same operation of a vector."""
    x = step.values[0]
    if step.operation_name == "getitem":
        return [step.with_operation(picked, x, places)]
    vector = Value((shape[0] * shape[1],), x.dtype)
    params = step.params | {"index": (ARRAY,), "shape": vector.shape}
    put = step.with_operation(step.primitive, x, places, to=vector, **params)
    return [put, step.with_operation("reshape", vector, shape=shape)]


def _names_no_place_twice(given: Sequence[Operand], program: Program) -> bool:
    """Whether captured indices show that no place is named twice."""
    arrays = [x for x in given if type(x) is Value]
    if len(arrays) < len(given):
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
