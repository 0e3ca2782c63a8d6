"""The source of a compiled program: a function `build` that returns the step, in readable NumPy.

`build` takes the arrays that the program keeps, allocates the working memory and makes the static
views. It returns `step`, which does the work of one call, except that it writes no new values into
the states. The functions of `commit` do that. They are written in C and called one after the other
from C, so no interrupt can come between them. Values are named after the user's variables where
there are any, and each scope becomes a comment.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .expressions import is_view, takes_out, works_in_place
from .fused_ops import added_at
from .memory import Abilities, Plan, new_vector
from .program import Instruction, Operand, Program, Value
from .writer import Writer, can_fill_array, indent_lines, is_draw, number_source, on_one_line

WIDTH: Final = 100
REGULAR: Final = {
    *("add", "subtract", "multiply", "maximum", "minimum"),
    *("negative", "square", "tanh", "exp", "sin", "cos", "sigmoid", "softplus", "where", "cast"),
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "matmul", "sum"),
    *("reshape", "transpose", "expand_dims", "squeeze", "broadcast_to", "getitem", "scatter"),
    *(
        "add_n",
        "affine",
        "accumulated",
        "column_sums",
        "row_sums",
        "dot",
        "added_at",
        "flat",
        "parts",
        "copy",
        "draw",
    ),
}
"""Operations with finite results for finite numbers, unless they overflow."""


@dataclass(slots=True, eq=False)
class ProgramSource:
    """A program as the source of a module.

    Attributes:
        text: of the module.
        plan: of its memory.
        names: of the values.
        inputs: the arguments of a call, and after them the captured arrays.
        captured: how many arrays are captured.
        read: the 0-d leaves, whose values follow the inputs.
        states: the leaves that `build` copies and `step` changes.
        kept: all values whose arrays `build` takes, in order: states, then constants.
        scalars: the 0-d leaves whose new values are returned after the outputs.
        fresh: the states whose new values are returned after these, as new arrays.
        count: of the outputs.
        bound: objects without source, by their names in the module.
    """

    text: str
    plan: Plan
    names: dict[Value, str]
    inputs: list[Value]
    captured: int
    read: list[Value]
    states: list[Value]
    kept: list[Value]
    scalars: list[Value]
    fresh: list[Value]
    count: int
    bound: dict[str, Any]


def _can_write(step: Instruction) -> bool:
    """Whether an instruction can write its result into an array."""
    if is_draw(step):
        return can_fill_array(step)
    return "schedule" not in step.params and takes_out(step)


ABILITIES: Final = Abilities(
    is_view=is_view,
    takes_out=_can_write,
    in_place=lambda step: step.primitive is added_at or works_in_place(step),
)


def write_module(program: Program, plan: Plan, name: str) -> ProgramSource:
    """Write a program as the source of a module.

    Args:
        program: after the passes.
        plan: of its memory.
        name: of the function.
    """
    writer = Writer(program, plan, singular=_singular_scopes(program))
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
    for step in [*plan.head, *plan.tail]:
        writer.write(step)
    writer.quiet = False
    fresh = _write_state_copies(writer)
    scalars = [(leaf, new) for leaf, new in program.updates if not leaf.shape]
    results = [
        number_source(y) if type(y) is not Value else _copy_output(writer, y)
        for y in program.outputs
    ]
    count = len(results)
    results += [writer.names[new] for _, new in (*scalars, *fresh)]
    writer.body += [f"return ({_tuple_text(results)})"]
    return ProgramSource(
        text=_join_module(writer, name, arguments, kept, states),
        plan=plan,
        names=writer.names,
        inputs=program.inputs,
        captured=program.captured,
        read=read,
        states=states,
        kept=kept,
        scalars=[leaf for leaf, _ in scalars],
        fresh=[leaf for leaf, _ in fresh],
        count=count,
        bound=writer.bound,
    )


def _write_state_copies(writer: Writer) -> list[tuple[Value, Value]]:
    """Write copies of new values into the states, except where a product is added to a state.

    Returns:
        the states whose new values lie elsewhere at each call, with these.
    """
    program, plan = writer.program, writer.plan
    states = {leaf: new for leaf, new in program.updates if leaf.shape and new not in plan.products}
    for vector, members in plan.groups.items():
        new = new_vector(program, members)
        if (
            new is not None
            and plan.kinds[plan.base(new)] == "buffer"
            and states.keys() >= {*members}
        ):
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


def _singular_scopes(program: Program) -> frozenset[str]:
    """Return the scopes of backward passes with operations that are not finite everywhere."""
    makers: dict[Operand, Instruction] = {
        y: step for step in program.instructions for y in step.results
    }

    def is_regular(step: Instruction) -> bool:
        name = step.operation_name
        if name != "divide":
            return name in REGULAR
        total = makers.get(step.operands[1])  # of a softmax, it is 1 at least
        if total is None or total.operation_name not in ("sum", "row_sums", "column_sums"):
            return False
        terms = makers.get(total.operands[0])
        return terms is not None and terms.operation_name == "exp"

    return frozenset(
        step.scope for step in program.instructions if step.in_walk and not is_regular(step)
    )


def _copy_output(writer: Writer, y: Value) -> str:
    """Return the name of an output; it is copied if its memory changes later."""
    name = writer.names[y]
    if not y.shape or writer.plan.kinds[writer.plan.base(y)] == "local":
        return name
    copied = writer.name(Value(y.shape, y.dtype), f"{name}_copy")
    writer.body.append(f"{copied} = {name}.copy()")
    return copied


def _join_module(
    writer: Writer,
    name: str,
    arguments: Sequence[Value],
    kept: Sequence[Value],
    states: Sequence[Value],
) -> str:
    """Return the text of the module."""
    names = writer.names
    size = writer.plan.size
    copies = any(line.startswith("partial(") for line in writer.commit)
    imports = (
        ["from functools import partial", "from operator import setitem", ""] if copies else []
    )
    lines = [
        f'"""{on_one_line(name)}, as a NumPy program."""',
        "",
        *imports,
        "import numpy as np",
        "",
    ]
    for definition in writer.definitions:
        lines += ["", *definition.splitlines(), ""]
    lines += ["", *_write_head("build", [names[x] for x in kept])]
    own = _write_states(writer, states)
    setup = [f"memory = np.empty({size}, np.uint8)", *own, *writer.setup]
    lines += indent_lines([f'"""Allocate {size:,} bytes of working memory; return the step."""'], 1)
    lines += _break_long_lines(indent_lines(setup, 1))
    lines += ["", *indent_lines(_write_head("step", [names[x] for x in arguments]), 1)]
    lines += _break_long_lines(indent_lines(writer.body, 2))
    commit = "()"
    if writer.commit:
        commit = "commit"
        lines += ["", "    commit = (", *_break_long_lines(indent_lines(writer.commit, 2)), "    )"]
    kept_names = _tuple_text([names[x] for x in states])
    lines += ["", *_break_long_lines([f"    return step, {commit}, ({kept_names})"])]
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
