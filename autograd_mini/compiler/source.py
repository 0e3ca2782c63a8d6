"""The source of a compiled program: a function `build` that returns the step, in readable NumPy.

`build` takes the arrays that the program keeps, allocates the working memory and makes the views
that stay the same; `step`, which it returns, does the work of one call. Names are those of the
user's variables where there are any, and each scope is a comment.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from .draw_source import draw_text, fills, is_draw
from .forms import RESERVED, Form, form_of, is_view, takes_out, works_in_place
from .memory import Abilities, Plan, planned
from .product_source import PREPARED, product_lines
from .program import Instruction, Operand, Program, Value
from .rows import flat, parts
from .sites import variable_of

WIDTH: Final = 100
QUIET: Final = 'with np.errstate(divide="ignore", invalid="ignore"):'


@dataclass(slots=True, eq=False)
class Source:
    """A program written out.

    Attributes:
        text: of the module.
        plan: of its memory.
        names: of the values.
        inputs: the values that a call gives.
        read: the leaves whose values follow them: 0-d ones.
        states: the leaves that `build` copies and `step` changes.
        kept: all values whose arrays `build` takes, in order: states, then constants.
        scalars: the 0-d leaves whose new values are returned after the outputs.
        count: of the outputs.
        bound: objects that have no text, by the name under which the module expects them.
        effects_from: the line from which on states change.
    """

    text: str
    plan: Plan
    names: dict[Value, str]
    inputs: list[Value]
    read: list[Value]
    states: list[Value]
    kept: list[Value]
    scalars: list[Value]
    count: int
    bound: dict[str, Any]
    effects_from: int


@dataclass(slots=True, eq=False)
class Writer:
    """Collects the lines of a program.

    Attributes:
        quiet: whether the present block is a reverse walk, in which 0 · ∞ gives no warning.
    """

    program: Program
    plan: Plan
    names: dict[Value, str] = field(default_factory=dict)
    wanted: dict[Value, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=lambda: {"build", "step", "memory", *RESERVED})
    setup: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    definitions: dict[str, None] = field(default_factory=dict)
    bound: dict[str, Any] = field(default_factory=dict)
    rows_of_ones: dict[str, str] = field(default_factory=dict)
    scope: str | None = None
    quiet: bool = False

    # ── names ────────────────────────────────────────────────────────────────────────────────
    def name(self, value: Value, wanted: str) -> str:
        """Give a value a name of its own, near the wanted one."""
        base = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_") or "value"
        if base[0].isdigit() or keyword.iskeyword(base):
            base = f"_{base}"
        name, count = base, 1
        while name in self.used:
            count += 1
            name = f"{base}_{count}"
        self.used.add(name)
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
        return self.names[x] if type(x) is Value else number(x)

    def bind(self, wanted: str, value: Any) -> str:
        """Return the name of an object that has no text, the same in every process."""
        for name, known in self.bound.items():
            if known is value:
                return name
        base = re.sub(r"_([0-9a-f]{6,}|\d+)$", "", wanted).strip("_")
        name = self.name(Value((), np.dtype(bool)), base)
        self.bound[name] = value
        return name

    def with_objects(self, form: Form) -> Form:
        """Return a form in which objects that have no text have names of this program."""
        if not form.objects:
            return form
        names = {old: self.bind(old, value) for old, value in form.objects.items()}
        pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
        return form._replace(
            expression=pattern.sub(lambda found: names[found[0]], form.expression), objects={}
        )

    # ── instructions ─────────────────────────────────────────────────────────────────────────
    def write(self, step: Instruction) -> None:
        """Write one instruction."""
        if step.scope != self.scope:
            self.enter(step.scope)
        block = step.params.get("schedule")
        if block is not None:
            self.write_block(step, block)
            return
        results = [self.name_result(step, y) for y in step.results]
        if step.primitive in (flat, parts):
            self.write_vector(step, results)
            return
        first = step.results[0]
        product = product_lines(step, self.plan, self.text, partial(self.ones, dtype=first.dtype))
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
            text = draw_text(step, generator, results[0] if kind == "buffer" else None)
            if text is not None:
                if kind == "buffer":
                    self.setup.append(self.buffer(first, results[0]))
                self.add(text if kind == "buffer" else f"{results[0]} = {text}")
                return
        form = self.with_objects(form_of(step, [self.text(x) for x in step.operands]))
        self.definitions |= dict.fromkeys(form.definitions)
        if kind in ("buffer", "state"):
            if first in self.plan.offsets:
                self.setup.append(self.buffer(first, results[0]))
            self.add(*form.into(results[0]))
        elif kind == "view" and self.plan.is_static(first):
            self.setup.append(f"{results[0]} = {form.expression}")
        elif step.primitive.multiple:
            self.add(f"{', '.join(results)}{',' * (len(results) == 1)} = {form.expression}")
        else:
            self.add(f"{results[0]} = {form.expression}")

    def enter(self, scope: str) -> None:
        """Begin the lines of another scope."""
        self.scope = scope
        self.body += ["", f"# {scope}"] if scope else [""]
        self.quiet = scope.rpartition("/")[2] == "gradient"
        if self.quiet:
            self.body.append(QUIET)

    def add(self, *lines: str) -> None:
        """Add lines to the step."""
        self.body += indented(lines, 1) if self.quiet else lines

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


def can_write(step: Instruction) -> bool:
    """Whether an instruction can write its result into an array."""
    if is_draw(step):
        return fills(step)
    return "schedule" not in step.params and takes_out(step)


ABILITIES: Final = Abilities(
    is_view=is_view,
    takes_out=lambda step: can_write(step),
    in_place=works_in_place,
)


def number(x: Any) -> str:
    """Write a Python number."""
    if type(x) is float and not np.isfinite(x):
        return f'float("{x}")'
    if type(x) is complex:
        return f"complex({number(x.real)}, {number(x.imag)})"
    return f"({x!r})" if type(x) in (int, float) and x < 0 else repr(x)


def written(program: Program, name: str) -> Source:
    """Write a program as the source of a module."""
    name_variables(program)
    plan = planned(program, ABILITIES)
    writer = Writer(program, plan)
    for y in plan.written:  # the user's variable may be the last to be written into a buffer
        base = plan.base(y)
        if y.name and plan.kinds[base] == "buffer":
            writer.wanted[base] = y.name
    for position, x in enumerate(program.inputs):
        writer.name(x, x.name or f"x{position}")
    for x in (*program.leaves, *program.constants):
        writer.name(x, x.name or ("leaf" if x in program.leaves else "constant"))
    read = [x for x in program.leaves if plan.kinds[x] == "argument"]
    arguments = [*program.inputs, *read]
    states = [x for x in program.leaves if plan.kinds[x] == "state"]
    borrowed = [x for x in program.leaves if plan.kinds[x] == "constant"]
    kept = [*states, *borrowed, *program.constants]
    for vector, members in plan.groups.items():
        kinds = {x.name for x in members}
        writer.name(vector, f"all_{kinds.pop()}" if len(kinds) == 1 else "all_parameters")
    for step in plan.head:
        writer.write(step)
    writer.quiet = False
    saved = saved_states(writer)
    early = {y: taken_out(writer, y) for y in program.outputs if y in writer.names}
    effects = len(writer.body)
    for step in plan.tail:
        writer.write(step)
    writer.quiet = False
    for leaf, new in program.updates:
        if leaf.shape and plan.written.get(new) is not leaf:
            name = saved.get(new) or writer.names[new]
            writer.body.append(f"np.copyto({writer.names[leaf]}, {name})")
    results = [
        number(y) if type(y) is not Value else early[y] if y in early else taken_out(writer, y)
        for y in program.outputs
    ]
    count = len(results)
    results += [writer.names[new] for leaf, new in program.updates if not leaf.shape]
    writer.body += ["return ()" if not results else f"return ({', '.join(results)},)"]
    text, start = module(writer, name, arguments, kept, states)
    return Source(
        text=text,
        plan=plan,
        names=writer.names,
        inputs=program.inputs,
        read=read,
        states=states,
        kept=kept,
        scalars=[leaf for leaf, _ in program.updates if not leaf.shape],
        count=count,
        bound=writer.bound,
        effects_from=start + effects,
    )


def taken_out(writer: Writer, y: Value) -> str:
    """Return the name of an output, copied if it lies in memory that changes."""
    name = writer.names[y]
    if not y.shape or writer.plan.kinds[writer.plan.base(y)] == "local":
        return name
    copied = writer.name(Value(y.shape, y.dtype), f"{name}_copy")
    writer.body.append(f"{copied} = {name}.copy()")
    return copied


def saved_states(writer: Writer) -> dict[Value, str]:
    """Copy old values of states, or views of them, that other states take over."""
    plan, saved = writer.plan, {}
    for leaf, new in writer.program.updates:
        if leaf.shape and new in writer.names and plan.kinds[plan.base(new)] == "state":
            saved[new] = taken_out(writer, new)
    return saved


def name_variables(program: Program) -> None:
    """Give the last result that a statement `variable = …` of the user recorded its name."""
    previous = None
    for step in [*program.instructions, None]:
        if previous is not None and (step is None or statement(step) != statement(previous)):
            result = previous.results[-1]
            if len(previous.results) == 1 and result.name is None and previous.line is not None:
                result.name = variable_of(previous.line)
        previous = step


def statement(step: Instruction) -> Any:
    """Return what is the same for the operations of one line."""
    return step.line and (step.line.code, step.line.line)


def module(
    writer: Writer,
    name: str,
    arguments: Sequence[Value],
    kept: Sequence[Value],
    states: Sequence[Value],
) -> tuple[str, int]:
    """Put the module together; return it, and the line of it at which the step's body starts."""
    names = writer.names
    size = writer.plan.size
    lines = [f'"""{name}, as a NumPy program."""', "", "import numpy as np", ""]
    for definition in writer.definitions:
        lines += ["", *definition.splitlines(), ""]
    lines += ["", *signature("build", [names[x] for x in kept])]
    own = kept_states(writer, states)
    setup = [f"memory = np.empty({size}, np.uint8)", *own, *writer.setup]
    lines += indented([f'"""Allocate {size:,} bytes of working memory; return the step."""'], 1)
    lines += indented(setup, 1)
    lines += ["", *indented(signature("step", [names[x] for x in arguments]), 1)]
    start = len(lines) + 1
    lines += indented(writer.body, 2)
    lines += ["", f"    return step, ({''.join(names[x] + ', ' for x in states).rstrip()})"]
    return "\n".join(lines) + "\n", start


def kept_states(writer: Writer, states: Sequence[Value]) -> list[str]:
    """Write copies of the states that the program owns, side by side where it wants them so."""
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


def signature(name: str, parameters: Sequence[str]) -> list[str]:
    """Write the head of a function, over several lines if need be."""
    line = f"def {name}({', '.join(parameters)}):"
    if len(line) <= WIDTH - 4:
        return [line]
    return [f"def {name}(", *(f"    {p}," for p in parameters), "):"]


def indented(lines: Iterable[str], depth: int) -> list[str]:
    """Indent lines, but for empty ones."""
    return [f"{'    ' * depth}{line}" if line else "" for line in lines]
