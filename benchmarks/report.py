"""The report: what `compare.py --write` measured, as sections of a Markdown page.

A section says on which machine it was measured, so that one can be measured again alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tables
from contestants import COMPILED
from peaks import METHOD, Peak
from turns import Entry
from workloads import Workload

from autograd_mini.files import write_file

INTRODUCTION = """\
# Benchmarks

Written by `python benchmarks/compare.py --write`; [benchmarks](../benchmarks/README.md) says how it
measures. Every contestant runs in a process of its own, and the processes take turns; a time is the
mean of a turn. Start-up is what the first three steps take beyond three usual ones: tracing and
compiling, without imports. Ratios are this library's time divided by the contestant's: the median
over the rounds, and in brackets the ratio of the minima. Threads are each library's default. Under
each table stands the machine, and its load when the measurement ended: the numbers of different
tables are not of one moment, those of one table are.
"""


def race_section(workload: Workload, entries: list[Entry]) -> list[str]:
    """Return the paragraphs of a race."""
    table = tables.markdown(tables.race_rows(entries))
    return [f"## {heading(workload.title)}", table, *omissions(tables.left_out(entries))]


def peak_rows(peaks: list[Peak]) -> list[tables.Row]:
    """Return a row a contestant: its peaks, and the ratio of the later ones."""
    rows = [["contestant", "first steps", "later steps", "compiled / it", "planned"]]
    own = next((p.later for p in peaks if p.contestant is COMPILED and p.reason is None), None)
    for peak in peaks:
        if peak.reason is None:
            name = tables.label(peak.contestant, peak.version)
            planned = "–" if peak.planned is None else megabytes(peak.planned)
            ratio = "–" if own is None else f"{own / peak.later:.2f}"
            rows.append([name, megabytes(peak.first), megabytes(peak.later), ratio, planned])
    return rows


def peak_section(workload: Workload, peaks: list[Peak]) -> list[str]:
    """Return the paragraphs of the memory."""
    reasons = [f"{tables.label(p.contestant, p.version)}: {p.reason}" for p in peaks if p.reason]
    title = f"## Memory of a {workload.title}"
    return [title, METHOD, tables.markdown(peak_rows(peaks)), *omissions(reasons)]


def growth_section(picture: str, left_out: Sequence[str]) -> list[str]:
    """Return the paragraphs of the growth."""
    text = "A training step (squared error) as one quantity grows: the fastest turn. Axes are logs."
    return [
        "## Growth",
        text,
        f"![How a training step's cost grows]({picture})",
        *omissions(left_out),
    ]


def write(path: Path, title: str, paragraphs: list[str]) -> None:
    """Put a section into the page, in the place of the old one of this title, or at the end."""
    text = path.read_text(encoding="utf-8") if path.exists() else INTRODUCTION
    before, found, after = text.partition(f"{title}\n")
    _, following, others = after.partition("\n## ")
    section = "\n\n".join([title, *paragraphs]) + "\n"
    if not found:
        before += "\n"
    write_file(path, before + section + following + others)


def heading(title: str) -> str:
    """Return a title with its first letter large."""
    return title[0].upper() + title[1:]


def omissions(reasons: Sequence[str]) -> list[str]:
    """Return the paragraph of those that are left out."""
    return [f"Left out: {'; '.join(reasons)}."] if reasons else []


def megabytes(count: int) -> str:
    """Return bytes in MB of 1,000,000."""
    return f"{count / 1e6:.1f} MB"
