"""The writer: it collects the lines of a program and gives each value its name.

`write` writes one instruction. Matrix products, random draws and packed scalars have their own
lines; every other instruction is an expression (see `expressions`).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ..core.primitive import PRIMITIVES
from .expressions import RESERVED, Expression, expression_of
from .fused_ops import accumulated, affine, column_sums, dot, flat, parts, row_sums
from .memory import Plan
from .program import Instruction, Operand, Program, Value

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
    numbers: dict[str, str] = field(default_factory=dict)
    scales: dict[str, str] = field(default_factory=dict)
    rows_of_ones: dict[str, str] = field(default_factory=dict)
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
        target = self.plan.written.get(value)
        if target is not None:
            self.names[value] = self.names[target]
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
            if type(x) in (int, float):
                texts.append(self.number(x, y.dtype))
            elif type(x) is Value and x in constants and not x.shape and x.dtype == y.dtype:
                texts.append(self.number(constants[x].item(), y.dtype))
            else:
                texts.append(self.text(x))
        return texts

    def number(self, x: Any, dtype: np.dtype[np.generic]) -> str:
        """Return the name of an array without axes that holds a number."""
        array = f"np.array({number_source(x)}, np.{dtype.name})"
        if array not in self.numbers:
            name = self.name(Value((), dtype), NUMBER_NAMES.get(x, "number"))
            self.setup.append(f"{name} = {array}")
            self.numbers[array] = name
        return self.numbers[array]

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
            if first in self.plan.offsets:
                self.setup.append(self.buffer(first, results[0]))
            self.definitions[PREPARED] = None
            self.setup += product[0]
            self.add(*product[1])
            return
        kind = self.plan.kinds[first]
        if is_draw(step):
            generator = self.bind("rng", step.params["generator"])
            text = write_draw(step, generator, results[0] if kind == "buffer" else None)
            if text is not None:
                if kind == "buffer":
                    self.setup.append(self.buffer(first, results[0]))
                self.add(text if kind == "buffer" else f"{results[0]} = {text}")
                return
        form = self._with_objects(expression_of(step, self.texts(step)))
        self.definitions |= dict.fromkeys(form.definitions)
        if kind in ("buffer", "state"):
            if first in self.plan.offsets:
                self.setup.append(self.buffer(first, results[0]))
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
        if step.primitive is flat and vector in plan.offsets:
            self.setup.append(self.buffer(vector, name))
        for i, x in enumerate(members):
            place = f"{name}[{at}:{at + x.size}].reshape({x.shape})"
            at += x.size
            if step.primitive is parts and plan.kinds[x] == "view":
                self.setup.append(f"{results[i]} = {place}")
            elif step.primitive is flat and vector not in plan.groups and x not in plan.placed:
                part = self.name(Value(x.shape, x.dtype), f"{name}_part")
                self.setup.append(f"{part} = {place}")
                self.add(f"{part}[...] = {self.names[x]}")

    def _write_block(self, step: Instruction, block: Any) -> None:
        """Write a packed instruction, which stands for many."""
        name = self.name(Value((), np.dtype(bool)), "packed")
        results = [self._name_result(step, y) for y in step.results]
        self.bound |= block.arrays(name)
        self.setup += block.setup(name)
        self.add(*block.body(name, [self.text(x) for x in step.operands], results))

    def _is_contiguous(self, value: Value) -> bool:
        """Whether an array that stays in its place is known to be contiguous."""
        if value in self.program.constants:
            return bool(self.program.constants[value].flags.c_contiguous)
        return self.plan.kinds[value] in ("buffer", "state")

    def scale(self, factor: str, dtype: np.dtype[np.generic]) -> tuple[str, list[str], list[str]]:
        """Return the name of an array that holds a factor of this call, and lines that set it."""
        key = f"{factor} {dtype}"
        if key in self.scales:
            return self.scales[key], [], []
        name = self.scales[key] = self.name(Value((), dtype), "scale")
        return name, [f"{name} = np.empty((), np.{dtype.name})"], [f"{name}[...] = {factor}"]

    def ones(self, count: int, dtype: np.dtype[np.generic]) -> str:
        """Return the name of a row of this many ones."""
        key = f"{count} {dtype}"
        if key not in self.rows_of_ones:
            name = self.name(Value((count,), dtype), "ones")
            self.setup.append(f"{name} = np.ones({count}, np.{dtype.name})")
            self.rows_of_ones[key] = name
        return self.rows_of_ones[key]

    def buffer(self, value: Value, name: str) -> str:
        """Write where a buffer lies in the working memory."""
        dtype = f"np.{value.dtype.name}"
        offset = self.plan.offsets[value]
        return f"{name} = np.ndarray({value.shape}, {dtype}, memory, {offset})"


def on_one_line(text: str) -> str:
    """Return a user's text as it can stand in a comment or docstring."""
    kept = "".join(c if c.isprintable() else " " for c in text[: LONGEST_COMMENT + 1])
    kept = kept if len(kept) <= LONGEST_COMMENT else f"{kept[: LONGEST_COMMENT - 1]}…"
    return kept.replace("\\", "/").replace('"', "'")


def number_source(x: Any) -> str:
    """Write a Python number."""
    if type(x) is float and not np.isfinite(x):
        return f'float("{x}")'
    if type(x) is complex:
        return f"complex({number_source(x.real)}, {number_source(x.imag)})"
    return f"({x!r})" if type(x) in (int, float) and x < 0 else repr(x)


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
    y = writer.text(step.results[0])
    return [f"{y}_product = prepare_product({a}, {b}, {y})"], [f"{y}_product()  # {y} = {a} @ {b}"]


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
    name, y = writer.text(x), writer.text(step.results[0])
    setup = [f"{y}_product = prepare_product({writer.ones(x.shape[0], x.dtype)}, {name}, {y})"]
    return setup, [f"{y}_product()  # {y} = {name}.sum(axis=0)"]


def _row_sums_lines(step: Instruction, writer: Writer) -> Lines | None:
    """Write the sums of rows as a product with ones."""
    (x,) = step.values
    name, y = writer.text(x), writer.text(step.results[0])
    column = "[:, None]" if step.params["keepdims"] else ""
    setup = [
        f"{y}_product = prepare_product({name}, {writer.ones(x.shape[1], x.dtype)}{column}, {y})"
    ]
    return setup, [f"{y}_product()  # {y} = {name}.sum(axis=1)"]


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


# ── random draws ──────────────────────────────────────────────────────────────────────────────────
# A draw is a call of NumPy's generator. It writes into a buffer where NumPy allows that.
def is_draw(step: Instruction) -> bool:
    """Whether an instruction draws random numbers."""
    return step.operation_name == "draw" and "generator" in step.params


def can_fill_array(step: Instruction) -> bool:
    """Whether a draw can be written into an array."""
    from ..random.draws import FILLS

    y = step.results[0]
    return bool(y.shape) and y.dtype.char in "fd" and step.params["method"] in FILLS


def write_draw(step: Instruction, generator: str, out: str | None) -> str | None:
    """Write a draw from a generator of that name, or return None if an argument has no text."""
    from ..random.draws import write_draw

    return write_draw(generator, step.params["method"], step.params["arguments"], out)
