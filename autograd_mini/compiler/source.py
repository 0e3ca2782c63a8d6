"""The source of a compiled program: a function `build` that returns the step, in readable NumPy.

`build` takes the arrays that the program keeps, allocates the working memory and makes the static
views. It returns `step`, which does the work of one call, except that it writes no new values into
the states. The functions of `commit` do that. They are written in C and called one after the other
from C, so no interrupt can come between them. Values are named after the user's variables where
there are any, and each scope becomes a comment.
"""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.primitive import PRIMITIVES
from .expressions import RESERVED, Expression, expression_of
from .fused_ops import accumulated, affine, column_sums, dot, flat, parts, row_sums
from .memory import Plan, new_vector
from .program import Instruction, Operand, Program, Value, singular_scopes

if TYPE_CHECKING:
    from .passes.schedule import Schedule

ARITHMETIC: Final = frozenset(
    {"add", "subtract", "multiply", "divide", "maximum", "minimum", "where"}
)
"""Operations in which a number takes the dtype of the array operand."""
OWN: Final = frozenset(
    {"build", "step", "commit", "partial", "setitem", "memory", "load", "pathlib"}
    | {"prepare_product"}
)
"""Names that every program uses, or every saved program."""
LONGEST_NAME: Final = 60
LONGEST_COMMENT: Final = 80
DERIVED: Final = ("product", "bias", "update", "dot", "of", "next")
"""Words that matrix products add to the name of their result."""
NUMBER_NAMES: Final = {0: "zero", 1: "one", 2: "two", 0.5: "half"}
QUIET: Final = 'with np.errstate(divide="ignore", invalid="ignore"):'


@dataclass(slots=True, eq=False)
class Writer:
    """Collects the lines of a program.

    Attributes:
        commit: functions without arguments that write new values into states, as source.
        singular: scopes of backward passes that divide; there, 0 · ∞ gives no warning.
        arrays: the names of small arrays that several instructions share, by what they hold.
        quiet: whether the present block is in such a scope.
    """

    program: Program
    plan: Plan
    names: dict[Value, str] = field(default_factory=dict)
    wanted: dict[Value, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=lambda: {*OWN, *RESERVED})
    setup: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    commit: list[str] = field(default_factory=list)
    definitions: dict[str, None] = field(default_factory=dict)
    bound: dict[str, Any] = field(default_factory=dict)
    singular: frozenset[str] = frozenset()
    arrays: dict[str, str] = field(default_factory=dict)
    scope: str | None = None
    in_walk: bool = False
    quiet: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    # ── names ────────────────────────────────────────────────────────────────────────────────
    def name(self, value: Value, wanted: str) -> str:
        """Give a value a unique name, like the wanted one."""
        base = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_")[:LONGEST_NAME] or "value"
        if base[0].isdigit() or keyword.iskeyword(base):
            base = f"_{base}"
        elif base.startswith("packed_"):  # as the names of a block's buffers
            base = f"x_{base}"
        count = self.counts.get(base, 1)
        name = base if count == 1 else f"{base}_{count}"
        while not self.used.isdisjoint(family := {name, *(f"{name}_{x}" for x in DERIVED)}):
            count += 1
            name = f"{base}_{count}"
        self.counts[base] = count
        self.used |= family
        self.names[value] = name
        return name

    def _name_result(self, step: Instruction, value: Value) -> str:
        """Name a result after the user's variable, or the operation and the innermost scope."""
        if value in self.names:
            return self.names[value]
        if value in self.plan.written:
            self.names[value] = self.names[self.plan.written[value]]
            return self.names[value]
        inner = step.scope.rpartition("/")[2]
        usual = f"{inner}_{step.primitive.name}" if inner else step.primitive.name
        return self.name(value, self.wanted.get(value) or value.name or usual)

    def text(self, x: Operand) -> str:
        """Return how an operand is written."""
        return self.names[x] if type(x) is Value else number_source(x)

    def bind(self, wanted: str, value: object) -> str:
        """Return the name of an object that has no text, the same in every process."""
        for name, known in self.bound.items():
            if known is value:
                return name
        base = re.sub(r"_([0-9a-f]{6,}|\d+)$", "", wanted).strip("_")
        name = self.name(Value((), np.dtype(bool)), base)
        self.bound[name] = value
        return name

    def _with_objects(self, form: Expression) -> Expression:
        """Return a form in which objects that have no text have names of this program."""
        if not form.objects:
            return form
        names = {old: self.bind(old, value) for old, value in form.objects.items()}
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
        return form._replace(
            expression=pattern.sub(lambda found: names[found[0]], form.expression), objects={}
        )

    def texts(self, step: Instruction) -> list[str]:
        """Return how the operands of an operation are written.

        Next to an array operand, a number is written as a 0-d array: NumPy takes half the time.
        """
        y = step.results[0]
        if not (step.operation_name in ARITHMETIC and y.shape and y.dtype.char in "fd"):
            return [self.text(x) for x in step.operands]
        constants = self.program.constants
        texts = []
        for x in step.operands:
            if isinstance(x, int | float) and not isinstance(x, bool):
                texts.append(self.number(x, y.dtype))
            elif type(x) is Value and x in constants and not x.shape and x.dtype == y.dtype:
                texts.append(self.number(constants[x].item(), y.dtype))
            else:
                texts.append(self.text(x))
        return texts

    def number(self, x: float, dtype: np.dtype[np.generic]) -> str:
        """Return the name of an array without axes that holds a number."""
        text = f"np.array({number_source(x)}, np.{dtype.name})"
        return self._share(text, NUMBER_NAMES.get(x, "number"), dtype)

    def ones(self, count: int, dtype: np.dtype[np.generic]) -> str:
        """Return the name of a row of this many ones."""
        return self._share(f"np.ones({count}, np.{dtype.name})", "ones", dtype)

    def _share(self, text: str, wanted: str, dtype: np.dtype[np.generic]) -> str:
        """Return the name of an array that is made once, with this text."""
        if text not in self.arrays:
            self.arrays[text] = self.name(Value((), dtype), wanted)
            self.setup.append(f"{self.arrays[text]} = {text}")
        return self.arrays[text]

    # ── instructions ─────────────────────────────────────────────────────────────────────────
    def write(self, step: Instruction) -> None:
        """Write one instruction."""
        if (step.scope, step.in_walk) != (self.scope, self.in_walk):
            self.enter(step.scope, step.in_walk)
        block = step.params.get("schedule")
        if block is not None:
            self._write_block(step, block)
            return
        results = [self._name_result(step, y) for y in step.results]
        if step.primitive in (flat, parts):
            self._write_vector(step, results)
            return
        first = step.results[0]
        product = _product_lines(step, self)
        if product is not None:
            self._write_buffer(first, results[0])
            self.definitions[PREPARED] = None
            self.setup += product[0]
            self.add(*product[1])
            return
        kind = self.plan.kinds[first]
        draw = self._write_draw(step, results[0] if kind == "buffer" else None)
        if draw is not None:
            self._write_buffer(first, results[0])
            self.add(draw if kind == "buffer" else f"{results[0]} = {draw}")
            return
        form = self._with_objects(expression_of(step, self.texts(step)))
        self.definitions |= dict.fromkeys(form.definitions)
        if kind in ("buffer", "state"):
            self._write_buffer(first, results[0])
            self.add(*form.into(results[0]))
        else:
            single = step.primitive.multiple and len(results) == 1
            line = f"{', '.join(results)}{',' * single} = {form.expression}"
            if kind == "view" and self.plan.is_static(first):
                self.setup.append(line)
            else:
                self.add(line)

    def enter(self, scope: str, in_walk: bool) -> None:
        """Begin the lines of another scope, which may be one of a backward pass."""
        self.scope, self.in_walk = scope, in_walk
        self.body += ["", f"# {on_one_line(scope)}"] if scope else [""]
        self.quiet = in_walk and scope in self.singular
        if self.quiet:
            self.body.append(QUIET)

    def add(self, *lines: str) -> None:
        """Add lines to the step."""
        self.body += indent_lines(lines, 1) if self.quiet else lines

    def _write_vector(self, step: Instruction, results: list[str]) -> None:
        """Write how arrays form a vector: an array that is not in its memory yet is copied."""
        plan = self.plan
        vector = step.results[0] if step.primitive is flat else step.operands[0]
        assert type(vector) is Value
        members = step.values if step.primitive is flat else step.results
        name, at = self.names[vector], 0
        if step.primitive is flat:
            self._write_buffer(vector, name)
        for i, x in enumerate(members):
            place = f"{name}[{at}:{at + x.size}].reshape({x.shape})"
            at += x.size
            if step.primitive is parts and plan.kinds[x] == "view":
                self.setup.append(f"{results[i]} = {place}")
            elif step.primitive is flat and vector not in plan.groups and x not in plan.placed:
                part = self.name(Value(x.shape, x.dtype), f"{name}_part")
                self.setup.append(f"{part} = {place}")
                self.add(f"{part}[...] = {self.names[x]}")

    def _write_draw(self, step: Instruction, out: str | None) -> str | None:
        """Write a random draw as a call of NumPy's generator; None for other instructions.

        None too if an argument has no text.
        """
        if not step.is_draw:
            return None
        from ..random.generator import write_draw

        generator, params = self.bind("rng", step.params["generator"]), step.params
        return write_draw(generator, params["method"], params["arguments"], out)

    def _write_block(self, step: Instruction, block: Schedule) -> None:
        """Write a packed instruction, which stands for many."""
        name = self.name(Value((), np.dtype(bool)), "packed")
        results = [self._name_result(step, y) for y in step.results]
        lines = block.write(name, [self.text(x) for x in step.operands], results)
        self.bound |= lines.arrays
        self.setup += lines.setup
        self.add(*lines.body)

    def _is_contiguous(self, value: Value) -> bool:
        """Whether an array that stays in its place is known to be contiguous."""
        if value in self.program.constants:
            return bool(self.program.constants[value].flags.c_contiguous)
        return self.plan.kinds[value] in ("buffer", "state")

    def scale(self, factor: str, dtype: np.dtype[np.generic]) -> tuple[str, list[str], list[str]]:
        """Return the name of an array that holds a factor of this call, and lines that set it."""
        key = f"{factor} {dtype}"
        if key in self.arrays:
            return self.arrays[key], [], []
        name = self.arrays[key] = self.name(Value((), dtype), "scale")
        return name, [f"{name} = np.empty((), np.{dtype.name})"], [f"{name}[...] = {factor}"]

    def _write_buffer(self, value: Value, name: str) -> None:
        """Write where a buffer lies in the working memory, if the value has one of its own."""
        if value in self.plan.offsets:
            place = f"np.{value.dtype.name}, memory, {self.plan.offsets[value]}"
            self.setup.append(f"{name} = np.ndarray({value.shape}, {place})")


def on_one_line(text: str) -> str:
    """Return a user's text as it can stand in a comment or docstring."""
    kept = "".join(c if c.isprintable() else " " for c in text[: LONGEST_COMMENT + 1])
    kept = kept if len(kept) <= LONGEST_COMMENT else f"{kept[: LONGEST_COMMENT - 1]}…"
    return kept.replace("\\", "/").replace('"', "'")


def number_source(x: object) -> str:
    """Write a Python number."""
    if isinstance(x, float) and not np.isfinite(x):
        return f'float("{x}")'
    if isinstance(x, complex):
        return f"complex({number_source(x.real)}, {number_source(x.imag)})"
    return f"({x!r})" if isinstance(x, int | float) and x < 0 else repr(x)


def indent_lines(lines: Iterable[str], depth: int) -> list[str]:
    """Indent all lines that are not empty."""
    return [f"{'    ' * depth}{line}" if line else "" for line in lines]


# ── matrix products ───────────────────────────────────────────────────────────────────────────────
# A product is prepared once, for arrays that stay in place, and called at each step.
PREPARED: Final = '''\
try:  # the BLAS that NumPy has loaded, without the detour through NumPy
    from autograd_mini.compiler.fused_ops import prepare_product
except ImportError:

    def prepare_product(a, b, out, alpha=1.0, beta=0.0):
        """Prepare out ← alpha·a@b + beta·out: a function to call. alpha may be an array."""
        def product():
            out[...] = alpha * (a @ b) + beta * out if beta else alpha * (a @ b)

        return product'''

NARROW: Final = 64
"""Rows shorter than this are filled faster by a product with a column of ones than by copying."""

Lines = tuple[list[str], list[str]]


def _product_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a product as lines of the setup and of the step, or None if BLAS cannot take it.

    Its result has a name already.
    """
    write, plan = PRODUCTS.get(step.primitive), writer.plan
    y = step.results[0]
    held = ("local",) if step.primitive is dot else ("buffer", "state")
    if write is None or plan.kinds[y] not in held or y.dtype.char not in "fd":
        return None
    for x in step.values:
        if x.shape and (x.dtype != y.dtype or not x.size or not plan.is_static(x)):
            return None
        if len(x.shape) > 2 and step.primitive is not dot:
            return None
    return write(step, writer)


def _matmul_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a plain product."""
    a, b = map(writer.text, step.operands)
    return _product_of(a, b, writer.text(step.results[0]), f"{a} @ {b}")


def _product_of(a: str, b: str, y: str, meaning: str) -> Lines:
    """Write the lines that set y to a @ b, with what that means as a comment."""
    return [f"{y}_product = prepare_product({a}, {b}, {y})"], [f"{y}_product()  # {y} = {meaning}"]


def _affine_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a product that is added to rows which hold the bias already."""
    x, weight, bias = map(writer.text, step.operands)
    result = step.results[0]
    y = writer.text(result)
    setup = [f"{y}_product = prepare_product({x}, {weight}, {y}, 1.0, 1.0)"]
    body = [f"{y}_product()  # {y} = {x} @ {weight} + {bias}"]
    if result.shape[1] >= NARROW:
        return setup, [f"{y}[...] = {bias}", *body]
    column = f"{writer.ones(result.shape[0], result.dtype)}[:, None]"
    setup.append(f"{y}_bias = prepare_product({column}, {bias}[None], {y})")
    return setup, [f"{y}_bias()", *body]


def _column_sums_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the sums of columns as a product with ones."""
    (x,) = step.values
    name, ones = writer.text(x), writer.ones(x.shape[0], x.dtype)
    return _product_of(ones, name, writer.text(step.results[0]), f"{name}.sum(axis=0)")


def _row_sums_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the sums of rows as a product with ones."""
    (x,) = step.values
    name, ones = writer.text(x), writer.ones(x.shape[1], x.dtype)
    ones += "[:, None]" if step.params["keepdims"] else ""
    return _product_of(name, ones, writer.text(step.results[0]), f"{name}.sum(axis=1)")


def _accumulated_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write a product that is added to what it changes."""
    c, a, b, factor = step.operands
    if type(c) is not Value or type(b) is not Value:
        return None
    if writer.plan.written.get(step.results[0]) is not c:
        return None
    sign = "-" if step.params["negative"] else ""
    left = writer.ones(b.shape[0], b.dtype) if a is None else writer.text(a)
    product = f"{writer.text(b)}.sum(axis=0)" if a is None else f"{left} @ {writer.text(b)}"
    name, scale = writer.text(c), writer.text(factor)
    array, setup, body = writer.scale(f"{sign}{scale}", c.dtype)
    setup.append(f"{name}_update = prepare_product({left}, {writer.text(b)}, {name}, {array}, 1.0)")
    writer.commit.append(f"{name}_update,  # {name} {sign or '+'}= {scale} * {product}")
    return setup, body


def _dot_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the product of two arrays as that of two vectors."""
    x, other = step.operands
    assert type(x) is Value and type(other) is Value
    if not all(map(writer._is_contiguous, (x, other))):
        return None
    first, second, y = writer.text(x), writer.text(other), writer.text(step.results[0])
    setup = [f"{y}_dot = {first}.reshape(-1).dot", f"{y}_of = {second}.reshape(-1)"]
    return setup, [f"{y} = {y}_dot({y}_of)  # the sum of {first} * {second}"]


PRODUCTS: Final = {
    PRIMITIVES["matmul"]: _matmul_lines,
    affine: _affine_lines,
    column_sums: _column_sums_lines,
    row_sums: _row_sums_lines,
    dot: _dot_lines,
    accumulated: _accumulated_lines,
}


# ── the module ────────────────────────────────────────────────────────────────────────────────────
WIDTH: Final = 100


@dataclass(slots=True, eq=False)
class ProgramSource:
    """A program as the source of a module.

    Attributes:
        program, plan: what was written, and where its values lie.
        names: of the values.
        bound: objects without source, by their names in the module.
        read: the 0-d leaves, whose values follow the inputs.
        states: the leaves that `build` copies and `step` changes.
        kept: all values whose arrays `build` takes, in order: states, then constants.
        scalars: the 0-d leaves whose new values are returned after the outputs.
        fresh: the states whose new values are returned after these, as new arrays.
        text: of the module.
    """

    program: Program
    plan: Plan
    names: dict[Value, str]
    bound: dict[str, Any]
    read: list[Value]
    states: list[Value]
    kept: list[Value]
    scalars: list[Value]
    fresh: list[Value]
    text: str = ""


def write_module(program: Program, plan: Plan, name: str) -> ProgramSource:
    """Write a program as the source of a module.

    Args:
        program: after the passes.
        plan: of its memory.
        name: of the function.
    """
    writer = Writer(program, plan, singular=singular_scopes(program))
    for y in plan.written:  # the user's variable may be the last to be written into a buffer
        base = plan.base(y)
        if y.name and plan.kinds[base] == "buffer":
            writer.wanted[base] = y.name
    for position, x in enumerate(program.inputs):
        writer.name(x, x.name or f"x{position}")
    for x in (*program.leaves, *program.constants):
        writer.name(x, x.name or ("leaf" if x in program.leaves else "constant"))
    for vector, members in plan.groups.items():
        kinds = {x.name for x in members}
        writer.name(vector, f"all_{kinds.pop()}" if len(kinds) == 1 else "all_parameters")
    for step in [*plan.head, *plan.tail]:
        writer.write(step)
    writer.quiet = False
    fresh = _write_state_copies(writer)
    scalars = [(leaf, new) for leaf, new in program.updates if not leaf.shape]
    results = [
        _copy_output(writer, y) if type(y) is Value else number_source(y) for y in program.outputs
    ]
    results += [writer.names[new] for _, new in (*scalars, *fresh)]
    writer.body += [f"return ({_tuple_text(results)})"]
    read, states, borrowed = (
        [x for x in program.leaves if plan.kinds[x] == kind]
        for kind in ("argument", "state", "constant")
    )
    kept = [*states, *borrowed, *program.constants]
    changed = [leaf for leaf, _ in scalars], [leaf for leaf, _ in fresh]
    source = ProgramSource(program, plan, writer.names, writer.bound, read, states, kept, *changed)
    source.text = _join_module(writer, name, source)
    return source


def _write_state_copies(writer: Writer) -> list[tuple[Value, Value]]:
    """Write copies of new values into the states, except where a product is added to a state.

    Returns:
        the states whose new values lie elsewhere at each call, with these.
    """
    program, plan = writer.program, writer.plan
    states = {leaf: new for leaf, new in program.updates if leaf.shape and new not in plan.products}
    for vector, members in plan.groups.items():
        new = new_vector(program, members)
        in_memory = new is not None and plan.kinds[plan.base(new)] == "buffer"
        if new is not None and in_memory and states.keys() >= {*members}:
            writer.commit.append(_write_copy(writer.names[vector], writer.names[new]))
            states = {leaf: new for leaf, new in states.items() if leaf not in members}
    fresh = []
    for leaf, new in states.items():
        kind = plan.kinds[plan.base(new)]
        if kind == "state":  # the old value of a state, which may change before it is copied
            saved = writer.name(Value(new.shape, new.dtype), f"{writer.names[leaf]}_next")
            writer.setup.append(f"{saved} = np.empty({new.shape}, np.{new.dtype.name})")
            writer.body.append(f"{saved}[...] = {writer.names[new]}")
            writer.commit.append(_write_copy(writer.names[leaf], saved))
        elif kind in ("buffer", "constant"):
            writer.commit.append(_write_copy(writer.names[leaf], writer.names[new]))
        else:
            fresh.append((leaf, new))
    return fresh


def _write_copy(target: str, source: str) -> str:
    """Write a function that copies one array into another."""
    return f"partial(setitem, {target}, ..., {source}),"


def _copy_output(writer: Writer, y: Value) -> str:
    """Return the name of an output; it is copied if its memory changes later."""
    name = writer.names[y]
    if not y.shape or writer.plan.kinds[writer.plan.base(y)] == "local":
        return name
    copied = writer.name(Value(y.shape, y.dtype), f"{name}_copy")
    writer.body.append(f"{copied} = {name}.copy()")
    return copied


def _join_module(writer: Writer, name: str, source: ProgramSource) -> str:
    """Return the text of the module."""
    names, size = writer.names, writer.plan.size
    lines = [f'"""{on_one_line(name)}, as a NumPy program."""', ""]
    if any(line.startswith("partial(") for line in writer.commit):
        lines += ["from functools import partial", "from operator import setitem", ""]
    lines += ["import numpy as np", ""]
    for definition in writer.definitions:
        lines += ["", *definition.splitlines(), ""]
    lines += ["", *_write_head("build", [names[x] for x in source.kept])]
    own = _write_states(writer, source.states)
    setup = [f"memory = np.empty({size}, np.uint8)", *own, *writer.setup]
    lines += [f'    """Allocate {size:,} bytes of working memory; return the step."""']
    lines += _break_long_lines(indent_lines(setup, 1))
    arguments = [names[x] for x in (*source.program.inputs, *source.read)]
    lines += ["", *indent_lines(_write_head("step", arguments), 1)]
    lines += _break_long_lines(indent_lines(writer.body, 2))
    commit = "()"
    if writer.commit:
        commit = "commit"
        lines += ["", "    commit = (", *_break_long_lines(indent_lines(writer.commit, 2)), "    )"]
    kept = _tuple_text([names[x] for x in source.states])
    lines += ["", *_break_long_lines([f"    return step, {commit}, ({kept})"])]
    return "\n".join(lines) + "\n"


def _tuple_text(names: Sequence[str]) -> str:
    """Write the items of a tuple, without its parentheses."""
    return f"{names[0]}," if len(names) == 1 else ", ".join(names)


def _write_states(writer: Writer, states: Sequence[Value]) -> list[str]:
    """Write copies of the states; those of one vector become parts of it."""
    names, groups = writer.names, writer.plan.groups
    lines: list[str] = []
    grouped: set[Value] = set()
    for vector, members in groups.items():
        grouped.update(members)
        rows = [f"    {names[x]}.reshape(-1)," for x in members]
        lines += [f"{names[vector]} = np.concatenate([", *rows, "])"]
        at = 0
        for x in members:
            lines.append(f"{names[x]} = {names[vector]}[{at}:{at + x.size}].reshape({x.shape})")
            at += x.size
    return lines + [f"{names[x]} = {names[x]}.copy()" for x in states if x not in grouped]


def _break_long_lines(lines: Sequence[str]) -> list[str]:
    """Break lines that are too long: a comment goes above, arguments go below."""
    found: list[str] = []
    for line in lines:
        if len(line) <= WIDTH:
            found.append(line)
            continue
        margin = " " * (len(line) - len(line.lstrip()))
        code, mark, comment = line.partition("  # ")
        if mark:
            found += [margin + part for part in _wrap_text(f"# {comment}", WIDTH - len(margin))]
        head, opened, rest = code.partition("(")
        inner, closed, tail = rest.rpartition(")")
        if len(code) <= WIDTH or not opened or not closed or any(c in code for c in "\"'"):
            found.append(code)
            continue
        room = WIDTH - len(margin) - 4
        found += [f"{head}(", *(f"{margin}    {part}" for part in _wrap_text(inner, room))]
        found.append(f"{margin}){tail}")
    return found


def _wrap_text(text: str, width: int) -> list[str]:
    """Break a text at spaces; each line of a comment is a comment."""
    start = "# " if text.startswith("# ") else ""
    return textwrap.wrap(
        text, width, subsequent_indent=start, break_long_words=False, break_on_hyphens=False
    )


def _write_head(name: str, parameters: Sequence[str]) -> list[str]:
    """Write the head of a function, over several lines if need be."""
    line = f"def {name}({', '.join(parameters)}):"
    if len(line) <= WIDTH - 4:
        return [line]
    return [f"def {name}(", *(f"    {p}," for p in parameters), "):"]
