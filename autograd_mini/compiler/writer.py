"""The writer: collects the lines of a program, and gives each value its name."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .draw_source import is_draw, write_draw
from .forms import RESERVED, Expression, expression_of
from .memory import Plan
from .product_source import PREPARED, product_lines
from .program import Instruction, Operand, Program, Value
from .rows import flat, parts

ARITHMETIC: Final = frozenset(
    {"add", "subtract", "multiply", "divide", "maximum", "minimum", "where"}
)
"""Operations whose numbers have the dtype of the arrays beside them."""
OWN: Final = frozenset(
    {"build", "step", "commit", "partial", "setitem", "memory", "load", "pathlib"}
    | {"prepare_product"}
)
"""Names of every program, or of every saved one."""
LONGEST_NAME: Final = 60
LONGEST_COMMENT: Final = 80
DERIVED: Final = ("product", "bias", "update", "dot", "of", "next")
"""What matrix products add to the name of their result."""
NUMBER_NAMES: Final = {0: "zero", 1: "one", 2: "two", 0.5: "half"}
QUIET: Final = 'with np.errstate(divide="ignore", invalid="ignore"):'


@dataclass(slots=True, eq=False)
class Writer:
    """Collects the lines of a program.

    Attributes:
        commit: functions without arguments that write new values into states, as source.
        singular: scopes of reverse walks that divide, in which 0 · ∞ gives no warning.
        quiet: whether the present block is such a one.
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
        """Give a value a name of its own, near the wanted one."""
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

    def name_result(self, step: Instruction, value: Value) -> str:
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
        return self.names[x] if type(x) is Value else number_text(x)

    def bind(self, wanted: str, value: Any) -> str:
        """Return the name of an object that has no text, the same in every process."""
        for name, known in self.bound.items():
            if known is value:
                return name
        base = re.sub(r"_([0-9a-f]{6,}|\d+)$", "", wanted).strip("_")
        name = self.name(Value((), np.dtype(bool)), base)
        self.bound[name] = value
        return name

    def with_objects(self, form: Expression) -> Expression:
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

        Beside an array, a number is an array without axes: NumPy takes that in half the time.
        """
        y = step.results[0]
        if not (step.row in ARITHMETIC and y.shape and y.dtype.char in "fd"):
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

    def number(self, x: Any, dtype: np.dtype[Any]) -> str:
        """Return the name of an array without axes that holds a number."""
        array = f"np.array({number_text(x)}, np.{dtype.name})"
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
            self.write_block(step, block)
            return
        results = [self.name_result(step, y) for y in step.results]
        if step.primitive in (flat, parts):
            self.write_vector(step, results)
            return
        first = step.results[0]
        product = product_lines(step, self)
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
        form = self.with_objects(expression_of(step, self.texts(step)))
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
        """Begin the lines of another scope, which may be one of a reverse walk."""
        self.scope, self.in_walk = scope, in_walk
        self.body += ["", f"# {on_one_line(scope)}"] if scope else [""]
        self.quiet = in_walk and scope in self.singular
        if self.quiet:
            self.body.append(QUIET)

    def add(self, *lines: str) -> None:
        """Add lines to the step."""
        self.body += indent_lines(lines, 1) if self.quiet else lines

    def write_vector(self, step: Instruction, results: list[str]) -> None:
        """Write how arrays lie side by side in a vector: what is not there yet is copied."""
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

    def write_block(self, step: Instruction, block: Any) -> None:
        """Write an instruction that stands for many."""
        name = self.name(Value((), np.dtype(bool)), "packed")
        results = [self.name_result(step, y) for y in step.results]
        self.bound |= block.arrays(name)
        self.setup += block.setup(name)
        self.add(*block.body(name, [self.text(x) for x in step.operands], results))

    def is_contiguous(self, value: Value) -> bool:
        """Whether an array that stays in its place is known to be contiguous."""
        if value in self.program.constants:
            return bool(self.program.constants[value].flags.c_contiguous)
        return self.plan.kinds[value] in ("buffer", "state")

    def scale(self, factor: str, dtype: np.dtype[Any]) -> tuple[str, list[str], list[str]]:
        """Return the name of an array that holds a factor of this call, and lines that set it."""
        key = f"{factor} {dtype}"
        if key in self.scales:
            return self.scales[key], [], []
        name = self.scales[key] = self.name(Value((), dtype), "scale")
        return name, [f"{name} = np.empty((), np.{dtype.name})"], [f"{name}[...] = {factor}"]

    def ones(self, count: int, dtype: np.dtype[Any]) -> str:
        """Return the name of a row of so many ones."""
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


def number_text(x: Any) -> str:
    """Write a Python number."""
    if type(x) is float and not np.isfinite(x):
        return f'float("{x}")'
    if type(x) is complex:
        return f"complex({number_text(x.real)}, {number_text(x.imag)})"
    return f"({x!r})" if type(x) in (int, float) and x < 0 else repr(x)


def indent_lines(lines: Iterable[str], depth: int) -> list[str]:
    """Indent lines, but for empty ones."""
    return [f"{'    ' * depth}{line}" if line else "" for line in lines]
