"""Write `operations.md`, the reference of all operations, from the table and its docstrings.

    python docs/operations.py            # rewrites docs/operations.md
    python docs/operations.py --check    # says whether it is up to date, for the tests

Nothing is typed twice: what an operation computes, its derivative and its convention at kinks are
the `doc` of its row, or the docstring of the function that users call.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import numpy as np
from scipy import special

import autograd_mini as am
from autograd_mini import ops
from autograd_mini.core import batch_rules as batching
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from autograd_mini.core.table import table
from autograd_mini.files import write_file
from autograd_mini.ops.nondifferentiable import VALUES_ONLY
from autograd_mini.ops.special.dtypes import Refusal
from autograd_mini.ops.unsupported import function_of, reasons
from autograd_mini.random import generator

SPECIAL_ROWS = import_module("autograd_mini.ops.special")
PAGE = Path(__file__).with_name("operations.md")
SPECIAL = ("bessel", "exponentials", "gammas")
SPACES = (
    ("np", np), ("np.linalg", np.linalg), ("np.fft", np.fft),
    ("np.lib.stride_tricks", np.lib.stride_tricks), ("scipy.special", special),
)  # fmt: skip
GRADIENT = re.compile(r"∂[^\s:]*:|No gradient|(?<=[.;,] )(?:The|the|Its|its|a tensor's) gradient")
HEAD = """\
# Operations

Every function that records, by the module of `autograd_mini/ops` that holds it, and draws. It
is written by `python docs/operations.py` from the table itself.

- **derivative**: g is the cotangent of the output y. ∂x: 1/x is short for the cotangent g/x of x,
  at kinks and edges as it says. Complex gradients are in PyTorch's convention.
- **second derivatives** are the true ones wherever the derivative is smooth, mixed ones included.
  At a kink they are those of the derivative as it is written here: 0 where it jumps between
  constants, as for |x|, max and the norm at 0; where its slope grows without bound, the infinity of
  that side. Hessians are symmetric, and the same in forward and reverse mode. Through a composition
  a kink hides what is smooth: np.abs(x)**2 has 0 at 0, x**2 has 2.
- **kind**: how forward mode and `vmap` follow. *elementwise*: the derivative is diagonal. *linear*:
  the tangent goes the way of the value. *multilinear*: a product. *general*: neither.
  *composed*: made of other operations, and differentiated as they are.
- **forward**: *derived* from the kind or by transposing the reverse rule, or a rule of its *own*.
- **vmap**: by a *rule* for all examples at once, or *one by one*.

A name in parentheses is an operation behind the functions of its module.
"""
REST = """\
## Not recorded

These could carry a gradient, and do not. For a tensor that requires one they are an error, which
says what to write instead.

| function | because | write instead |
|---|---|---|"""


@dataclass
class Entry:
    """One line of the page."""

    names: list[str]
    symbol: str
    text: str
    rule: str
    kind: str
    forward: str
    batch: str

    def __str__(self) -> str:
        names = ", ".join(self.names)
        cells = (names, self.symbol, self.text, self.rule, self.kind, self.forward, self.batch)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rooms() -> dict[str, ModuleType]:
    """Return the modules of the table by name, SciPy's last."""
    own = (module.name for module in iter_modules(ops.__path__) if not module.ispkg)
    names = [*sorted(own), *(f"special.{name}" for name in SPECIAL)]
    found = {f"{ops.__name__}.{n}": import_module(f"{ops.__name__}.{n}") for n in names}
    return found | {generator.__name__: generator}


def room_of(row: Primitive) -> str:
    """Return the module that declares a row: that of a rule, or the only one that names it."""
    rules = row.vjp if isinstance(row.vjp, tuple) else (row.vjp,)
    found = [rule.__module__ for rule in (*rules, row.forward) if inspect.isfunction(rule)]
    holders = [name for name, module in rooms().items() if row in vars(module).values()]
    for name in (*found, *holders):
        if name in rooms() and (name in holders or not holders):
            return name
    return f"{ops.__name__}.nondifferentiable"


def spelling(function: Any) -> str | None:
    """Return how a user writes a function of NumPy or SciPy."""
    name = getattr(function, "__name__", "")
    for prefix, module in SPACES:
        if getattr(module, name, None) is function:
            return f"{prefix}.{name}"
    return f"scipy.special.{name[1:]}" if name.startswith("_") else None


def text_of(doc: str | None) -> str:
    """Return what a docstring says, without its lists of arguments and its examples."""
    text = re.split(
        r"\n\s*\n(?=Args:|Returns:|Raises:|>>>|Args|Source)|\n>>>", inspect.cleandoc(doc or "")
    )
    return " ".join(text[0].split())


def described(ours: Callable[..., Any], row: Primitive | None) -> tuple[str, str]:
    """Return what a function computes and its derivative, which may be that of its row."""
    text, rule = halves(text_of(ours.__doc__))
    behind, derivative = halves(text_of(row.doc)) if row else ("", "")
    return text or behind, (rule or derivative) + refused(row)


def halves(text: str) -> tuple[str, str]:
    """Split a text where it comes to the derivative; the partial ones get a line each."""
    found = GRADIENT.search(text)
    if found is None:
        return text.removesuffix("."), ""
    partials = re.sub(r"\s+(?=∂[^\s:]*:)", "<br>", text[found.start() :])
    return text[: found.start()].strip(" .;,"), partials.removesuffix(".")


def refused(row: Primitive | None) -> str:
    """Name the arguments by which there is no derivative."""
    rules = row.vjp if row and isinstance(row.vjp, tuple) else ()
    names = [rule.argument.split()[-1] for rule in rules if isinstance(rule, Refusal)]
    return f"<br>∂{', '.join(names)}: an error" if names else ""


def entry(names: list[str], ours: Callable[..., Any], row: Primitive | None) -> Entry:
    """Make the line of a function, given the row that it leads to, if it is not composed."""
    text, rule = described(ours, row)
    if row is not None and not row.differentiable and "∂" in rule:
        row = None  # one of several rows behind it
    if row is None:
        return Entry(names, "", text, rule, "composed", "derived", "as its parts")
    if not row.differentiable:
        return Entry(names, row.symbol, text, rule or "No gradient", "", "", "")
    forward = "derived" if row.jvp is None else "own"
    batch = "one by one" if batching.rule_of(row) is batching.one_by_one else "rule"
    return Entry(names, row.symbol, text, rule, row.kind, forward, batch)


def row_behind(function: Any, ours: Callable[..., Any]) -> Primitive | None:
    """Return the row that a function is the lenient form of."""
    for name in (getattr(function, "__name__", function), ours.__name__):
        row = PRIMITIVES.get(str(name))
        if row is not None and (row.call is ours or room_of(row) == ours.__module__):
            return row
    behind = (ours, getattr(ours, "__wrapped__", None))  # in the dtypes of SciPy
    return next((row for row in PRIMITIVES.values() if row.call in behind), None)


def functions() -> Iterator[tuple[str, Any, Callable[..., Any]]]:
    """Yield every function that a user can call: its name, its key in the table, and ours."""
    for key, ours in table.items():
        if key in VALUES_ONLY:
            continue
        if not isinstance(key, str):
            name = spelling(key)
            assert name is not None, key
            yield name, key, ours
        elif callable(getattr(am, key, None)):
            yield f"am.{key}", key, ours
    for name in am.special.__all__:
        ours, theirs = getattr(SPECIAL_ROWS, name), getattr(special, name)
        if theirs in table and spelling(theirs) != f"scipy.special.{name}":  # another name of it
            yield f"scipy.special.{name}", theirs, table[theirs]
        elif theirs not in table and not any(spelling(key) == spelling(theirs) for key in table):
            yield f"am.special.{name}", name, getattr(ours, "call", ours)


def class_of(function: Any) -> list[str]:
    """Return what a function of NumPy is to this library; one answer, if nothing is wrong."""
    found = []
    if function in table and function not in VALUES_ONLY:
        ours = table[function]
        rule = described(ours, row_behind(function, ours))[1]
        found.append("zero" if rule.startswith("No gradient") else "differentiable")
    for name, reason in reasons():
        if function_of(name) is function:
            found.append("not supported" if reason.instead else "nothing to differentiate")
    return found


def sections() -> dict[str, list[Entry]]:
    """Return the lines of the page by module."""
    found: dict[str, list[Entry]] = {name: [] for name in rooms()}
    lines: dict[int, Entry] = {}
    shown: set[str] = set()
    for name, key, ours in sorted(functions(), key=lambda item: item[0].rpartition(".")[::2][::-1]):
        same = id(getattr(ours, "__wrapped__", ours))
        if same in lines:
            lines[same].names.append(f"`{name}`")
            continue
        row = row_behind(key, ours)
        line = lines[same] = entry([f"`{name}`"], ours, row)
        found[room_of(row) if row else ours.__module__].append(line)
        if row:
            shown.add(row.name)
    for row in sorted(PRIMITIVES.values(), key=lambda row: row.name):
        if row.name not in shown:
            found[room_of(row)].append(entry([f"({row.name})"], row.call, row))
    return {name: entries for name, entries in found.items() if entries}


def unrecorded() -> Iterator[str]:
    """Yield the lines about NumPy's functions that leave no record."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons():
        if reason.instead:
            yield f"| `np.{name}` | {reason.text} | {reason.instead} |"
        else:
            by_reason.setdefault(reason.text, []).append(f"`np.{name}`")
    yield "\nThese have nothing to differentiate.\n"
    for text, names in by_reason.items():
        yield f"- I{text[1:]}: {', '.join(names)}."


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for name, entries in sections().items():
        idea = (rooms()[name].__doc__ or "").strip().partition("\n")[0]
        title = name.removeprefix(f"{ops.__name__}.").removeprefix(f"{am.__name__}.")
        title = title.replace(".", ": ").replace("_", " ")
        parts.append(f"## {title.capitalize()}\n\n{idea}\n")
        parts.append("| function | symbol | computes | derivative | kind | forward | vmap |")
        parts.append("|---|---|---|---|---|---|---|")
        parts.extend(f"{line}" for line in entries)
        parts.append("")
    parts.append(REST)
    parts.extend(unrecorded())
    return "\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Rewrite the page, or check it; return the exit code."""
    text = page()
    if "--check" not in arguments:
        write_file(PAGE, text)
        print(f"{PAGE.name}: {text.count(chr(10))} lines")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    print(f"{PAGE.name} is {'up to date' if same else 'old: run python docs/operations.py'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
