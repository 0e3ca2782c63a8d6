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
from typing import Any, Final

import numpy as np

from .forms import RESERVED, form_of, is_view, takes_out, works_in_place
from .memory import Abilities, Plan, planned
from .program import Instruction, Operand, Program, Value
from .sites import variable_of

WIDTH: Final = 100
QUIET: Final = 'with np.errstate(divide="ignore", invalid="ignore"):'


@dataclass(slots=True, eq=False)
class Source:
    """A program written out.

    Attributes:
        text: of the module.
        plan: of its memory.
        kept: the values whose arrays `build` takes, in order: states, then constants.
        bound: objects that have no text, by the name under which the module expects them.
        effects_from: the line from which on states change.
    """

    text: str
    plan: Plan
    kept: list[Value]
    bound: dict[str, Any]
    effects_from: int


@dataclass(slots=True, eq=False)
class Writer:
    """Collects the lines of a program."""

    program: Program
    plan: Plan
    names: dict[Value, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=lambda: {"build", "step", "memory", *RESERVED})
    setup: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    definitions: dict[str, None] = field(default_factory=dict)
    bound: dict[str, Any] = field(default_factory=dict)
    scope: str | None = None

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
        return self.name(value, value.name or usual)

    def text(self, x: Operand) -> str:
        """Return how an operand is written."""
        return self.names[x] if type(x) is Value else number(x)

    # ── instructions ─────────────────────────────────────────────────────────────────────────
    def write(self, step: Instruction) -> None:
        """Write one instruction."""
        if step.scope != self.scope:
            self.scope = step.scope
            self.body += ["", f"# {step.scope}"] if step.scope else [""]
        block = step.params.get("schedule")
        if block is not None:
            self.write_block(step, block)
            return
        results = [self.name_result(step, y) for y in step.results]
        form = form_of(step, [self.text(x) for x in step.operands])
        self.definitions |= dict.fromkeys(form.definitions)
        self.bound |= form.objects
        first = step.results[0]
        kind = self.plan.kinds[first]
        if kind in ("buffer", "state"):
            if first in self.plan.offsets:
                self.setup.append(self.buffer(first, results[0]))
            self.body += form.into(results[0])
        elif kind == "view" and self.plan.is_static(first):
            self.setup.append(f"{results[0]} = {form.expression}")
        elif step.primitive.multiple:
            self.body.append(f"{', '.join(results)}{',' * (len(results) == 1)} = {form.expression}")
        else:
            self.body.append(f"{results[0]} = {form.expression}")

    def write_block(self, step: Instruction, block: Any) -> None:
        """Write an instruction that stands for many."""
        name = self.name(Value((), np.dtype(bool)), "packed")
        results = [self.name_result(step, y) for y in step.results]
        self.bound |= block.arrays(name)
        self.setup += block.setup(name)
        self.body += block.body(name, [self.text(x) for x in step.operands], results)

    def buffer(self, value: Value, name: str) -> str:
        """Write where a buffer lies in the working memory."""
        dtype = f"np.{value.dtype.name}"
        offset = self.plan.offsets[value]
        return f"{name} = np.ndarray({value.shape}, {dtype}, memory, {offset})"


ABILITIES: Final = Abilities(
    is_view=is_view,
    takes_out=lambda step: "schedule" not in step.params and takes_out(step),
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
    plan = planned(program, ABILITIES)
    writer = Writer(program, plan)
    name_variables(program)
    for position, x in enumerate(program.inputs):
        writer.name(x, x.name or f"x{position}")
    for x in (*program.leaves, *program.constants):
        writer.name(x, x.name or ("leaf" if x in program.leaves else "constant"))
    arguments = [*program.inputs, *(x for x in program.leaves if plan.kinds[x] == "argument")]
    states = [x for x in program.leaves if plan.kinds[x] == "state"]
    kept = [*states, *program.constants]
    for step in plan.head:
        writer.write(step)
    results = finished(writer, program)
    effects = len(writer.body)
    for step in plan.tail:
        writer.write(step)
    for leaf, new in program.updates:
        if leaf.shape and plan.written.get(new) is not leaf:
            writer.body.append(f"np.copyto({writer.names[leaf]}, {writer.names[new]})")
    scalars = [writer.names[new] for leaf, new in program.updates if not leaf.shape]
    writer.body += [f"return ({', '.join([*results, *scalars])},)"]
    text, start = module(writer, name, arguments, kept, states)
    return Source(text, plan, kept, writer.bound, start + effects)


def finished(writer: Writer, program: Program) -> list[str]:
    """Write copies of outputs that lie in memory which changes; return what is returned."""
    plan, results = writer.plan, []
    for y in program.outputs:
        if type(y) is not Value:
            results.append(number(y))
            continue
        if y not in writer.names:  # made in the tail
            late = next(s for s in plan.tail if y in s.results)
            writer.name_result(late, y)
        elif y.shape and plan.kinds[plan.base(y)] != "local":
            copied = writer.name(Value(y.shape, y.dtype), f"{writer.names[y]}_copy")
            writer.body.append(f"{copied} = {writer.names[y]}.copy()")
            results.append(copied)
            continue
        results.append(writer.names[y])
    return results


def name_variables(program: Program) -> None:
    """Give the last result that a statement `variable = …` of the user recorded its name."""
    previous = None
    for step in [*program.instructions, None]:
        if previous is not None and (step is None or step.line != previous.line):
            result = previous.results[-1]
            if len(previous.results) == 1 and result.name is None and previous.line is not None:
                result.name = variable_of(previous.line)
        previous = step


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
    own = [f"{names[x]} = {names[x]}.copy()" for x in states]
    setup = [f"memory = np.empty({size}, np.uint8)", *own, *writer.setup]
    lines += indented([f'"""Allocate {size:,} bytes of working memory; return the step."""'], 1)
    lines += indented(setup, 1)
    lines += ["", *indented(signature("step", [names[x] for x in arguments]), 1)]
    start = len(lines) + 1
    lines += indented(writer.body, 2)
    lines += ["", f"    return step, ({''.join(names[x] + ', ' for x in states).rstrip()})"]
    return "\n".join(lines) + "\n", start


def signature(name: str, parameters: Sequence[str]) -> list[str]:
    """Write the head of a function, over several lines if need be."""
    line = f"def {name}({', '.join(parameters)}):"
    if len(line) <= WIDTH - 4:
        return [line]
    return [f"def {name}(", *(f"    {p}," for p in parameters), "):"]


def indented(lines: Iterable[str], depth: int) -> list[str]:
    """Indent lines, but for empty ones."""
    return [f"{'    ' * depth}{line}" if line else "" for line in lines]
