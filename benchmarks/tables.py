"""Tables of results, for a terminal and for Markdown, and what machine they come from."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from contestants import COMPILED, EAGER, Contestant
from turns import Entry

Row = list[str]


def duration(seconds: float) -> str:
    """Return seconds with a unit and three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def race_rows(entries: list[Entry]) -> list[Row]:
    """Return a row a contestant: its times, and this library's divided by them."""
    heading = [
        "contestant",
        "minimum",
        "median",
        "start-up",
        "compiled / it (min)",
        "eager / it (min)",
    ]
    rows = [heading]
    for entry in entries:
        if entry.reason is None:
            ratios = [ratio(entries, own, entry) for own in (COMPILED, EAGER)]
            times = (min(entry.seconds), entry.median, entry.startup)
            rows.append([label(entry.contestant, entry.version), *map(duration, times), *ratios])
    return rows


def left_out(entries: list[Entry]) -> list[str]:
    """Return who has no times, and why."""
    return [
        f"{label(e.contestant, e.version)}: {e.reason}" for e in entries if e.reason is not None
    ]


def label(contestant: Contestant, version: str) -> str:
    """Return the contestant's name and version; this library's version is the one at hand."""
    own = contestant in (COMPILED, EAGER)
    return contestant.name if own else f"{contestant.name} {version}".strip()


def ratio(entries: list[Entry], own: Contestant, entry: Entry) -> str:
    """Return this library's seconds / the entry's: median over the rounds (ratio of minima)."""
    ours = next((e for e in entries if e.contestant is own and e.reason is None), None)
    if ours is None:
        return "–"
    return f"{short(ours.over(entry))} ({short(min(ours.seconds) / min(entry.seconds))})"


def short(value: float) -> str:
    """Return a ratio with two digits after the point, or two in all; a large one without."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def plain(rows: list[Row]) -> str:
    """Return rows in columns for a terminal, the first one at the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def markdown(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    rule = ["---", *["---:"] * (len(rows[0]) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def machine() -> str:
    """Return processor, cores, versions and load in a line."""
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}; "
        f"Python {platform.python_version()}, NumPy {np.__version__}; load {os.getloadavg()[0]:.1f}"
    )


def processor() -> str:
    """Return the processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
