"""All cases, and whether a report names the cause of a mistake."""

import re

from . import (
    activations,
    attention,
    convolutions,
    dense,
    indexing,
    linalg,
    losses,
    metrics,
    networks,
    norms,
    physics,
    recurrent,
    signals,
    statistics,
)
from .case import Case

MODULES = (
    dense,
    activations,
    losses,
    norms,
    convolutions,
    recurrent,
    attention,
    indexing,
    linalg,
    statistics,
    physics,
    signals,
    metrics,
    networks,
)

# Lines that say nothing of the cause: the table's rows, its head, and how values are weighted.
_TABLE = re.compile(r"^\s*(verdict\b|\(values |and \d+ more|\w+ +\S+(\[.*?\])? +[-+]?(\d|nan|inf))")
_RANGE = re.compile(r"; it is between \S+ and \S+ times the right one")


def list_cases() -> list[Case]:
    """Return the cases of all topics."""
    return [case for module in MODULES for case in module.CASES]


def names_cause(report: str, words: tuple[str, ...]) -> bool:
    """Return whether a line of the report has one of the words.

    The headline does not count, since it repeats the function's name, nor do the numbers.
    """
    lines = [
        _RANGE.sub("", line) for line in report.lower().splitlines()[1:] if not _TABLE.match(line)
    ]
    return any(re.search(word, line) for word in words for line in lines)
