"""Tables: what the checkers caught and refused, as Markdown, and what went wrong, line by line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograd_mini.files import write_file

from .checkers import OURS
from .hard import HARD_MISTAKES
from .mistakes import MISTAKES
from .mutants import SECOND
from .rights import GROUPS

Row = dict[str, Any]
Results = dict[str, list[Row]]
"""The rows of each checker, by its name."""

BEGIN, END = "<!-- mutants -->", "<!-- end mutants -->"
MISTAKE_NAMES = [m.name for m in (*MISTAKES, SECOND, *HARD_MISTAKES.values())]


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Sort rows into their groups."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["group"]].append(row)
    return found


def share(rows: Sequence[Row], holds: Callable[[Row], Any]) -> str:
    """Write the share of rows for which something holds, in percent."""
    if not rows:
        return "–"
    percent = 100 * sum(bool(holds(row)) for row in rows) / len(rows)
    return (
        "100"
        if percent == 100
        else "0"
        if percent == 0
        else f"{percent:.2f}".rstrip("0").rstrip(".")
    )


def markdown(rows: list[list[str]]) -> str:
    """Write a table whose first column is text."""
    head, *others = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *others]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def caught_table(results: Results) -> str:
    """Write the share of mutants that each checker caught, and of causes that ours named."""
    ours, *peers = results
    head = ["mistake", "mutants", "caught, %", "cause named, %", "and where, %", *peers]
    groups = {name: grouped(rows) for name, rows in results.items()}
    table = [head]
    for name in [*MISTAKE_NAMES, ALL]:
        found = {checker: chosen(groups[checker], name) for checker in results}
        own = found[ours]
        table.append(
            [
                name,
                f"{len(own):,}",
                share(own, lambda row: row["caught"]),
                share(own, lambda row: row["caught"] and row["cause"]),
                share(own, lambda row: row["caught"] and row["cause"] and row["condition"]),
                *(share(found[peer], lambda row: row["caught"]) for peer in peers),
            ]
        )
    return markdown(table)


ALL = "all"


def chosen(groups: dict[str, list[Row]], name: str) -> list[Row]:
    """Return the mutants of a mistake, or of all."""
    names = MISTAKE_NAMES if name == ALL else [name]
    return [row for n in names for row in groups.get(n, [])]


def alarm_table(results: Results) -> str:
    """Write the share of right gradients that each checker refused."""
    ours, *peers = results
    table = [["right gradients", "functions", "false alarms, %", "left open, %", *peers]]
    groups = {name: grouped(rows) for name, rows in results.items()}
    for name in GROUPS:
        own = groups[ours].get(name, [])
        table.append(
            [
                name,
                f"{len(own):,}",
                share(own, lambda row: row["alarm"]),
                share(own, lambda row: row["unresolved"] and not row["alarm"]),
                *(share(groups[p].get(name, []), lambda row: row["alarm"]) for p in peers),
            ]
        )
    return markdown(table)


def times(results: Results) -> str:
    """Write how many checks each checker did, and how long one took."""
    parts = []
    for name, rows in results.items():
        each = 1e3 * sum(row["seconds"] for row in rows) / max(1, len(rows))
        parts.append(f"{name}: {len(rows):,} checks of {each:.3g} ms")
    return "; ".join(parts) + "."


MUTANTS = """\
Every differentiable operation of this library, at each of its sample inputs, with a gradient
that is wrong on purpose. A mutant is caught if an entry is called wrong or a problem is named;
an entry that is left open does not count. The cause is right if its kind describes the mistake
exactly and it names the right input; the place is right if it also names the entry, or the
condition. The last columns are the checkers of other libraries with their default settings, on a
part of the same mutants; for them, any exception counts. They do not say causes. PyTorch sums a
gradient over broadcast axes and casts it by itself, so it lets pass what is wrong elsewhere."""

RIGHTS = """\
The same operations with their right gradients, at usual inputs and at hard ones: what was
refused though it is right. `1,000 entries` are large inputs; with float32 results the function
rounds, and its gradient does not."""


def section(results: Results, missing: Sequence[str]) -> str:
    """Write everything as the paragraphs of a page."""
    left_out = f"Not installed: {', '.join(missing)}." if missing else ""
    parts = [MUTANTS, caught_table(results), RIGHTS, alarm_table(results), times(results), left_out]
    return "\n\n".join(part for part in parts if part)


def write(path: Path, text: str) -> None:
    """Put the tables between their marks in a page, at its end if it has none."""
    page = path.read_text(encoding="utf-8") if path.exists() else "# Check a gradient\n"
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    write_file(path, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def details(results: Results) -> str:
    """List where ours failed in any way, and then what the peers missed or refused."""
    lines = []
    for row in results[OURS]:
        if row["group"] in GROUPS:
            if row["alarm"] or row["unresolved"]:
                what = "FALSE ALARM" if row["alarm"] else "left open"
                lines.append(f"{what}: {row['group']}: {row['name']}: {row['said']}")
        elif not row["caught"]:
            lines.append(f"NOT CAUGHT: {row['name']}: {row['said']}")
        elif not row["cause"]:
            lines.append(f"wrong cause: {row['name']}: {row['said']}; expected {row['expected']}")
        elif not row["condition"]:
            lines.append(f"wrong place: {row['name']}: {row['said']}; expected {row['expected']}")
    for peer, rows in results.items():
        if peer != OURS:
            for row in rows:
                bad = row["alarm"] if row["group"] in GROUPS else not row["caught"]
                if bad:
                    lines.append(f"{peer}: {row['group']}: {row['name']}: {row['said']}")
    return "\n".join(lines) + "\n"
