"""Where in the user's program an operation was recorded: its line, and the variable it went to."""

from __future__ import annotations

import ast
import linecache
import os.path
import sys
import warnings
from functools import cache
from types import CodeType
from typing import Final

import numpy as np

from .visible import show_text

LIBRARIES: Final = tuple(
    os.path.join(os.path.dirname(path), "") for path in (__file__, np.__file__)
)


class Site:
    """A place in a program, one object each: a line of a code object. Reads as "file.py:12"."""

    __slots__ = ("__weakref__", "code", "line")

    def __init__(self, code: CodeType, offset: int) -> None:
        self.code = code
        self.line = line_of(code, offset)

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"

    def __repr__(self) -> str:
        return f"Site({self})"


def line_of(code: CodeType, offset: int) -> int:
    """Return the number of the line to which an instruction of a code object belongs."""
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


# By id: a code object's hash and equality go through all of its constants.
KNOWN: Final[dict[int, tuple[CodeType, bool]]] = {}
SITES: Final[dict[tuple[int, int], Site]] = {}
MANY: Final = 10_000
"""So many places are remembered at a time."""


def site() -> Site:
    """Return where the code outside of this library and of NumPy stands."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        code = frame.f_code
        known = KNOWN.get(id(code))
        if not (known[1] if known is not None else in_library(code)):
            break
        frame = frame.f_back
    key = id(frame.f_code), frame.f_lasti
    found = SITES.get(key)
    if found is None or found.code is not frame.f_code:
        found = new_site(key, frame.f_code)
    return found


def new_site(key: tuple[int, int], code: CodeType) -> Site:
    """Enter a place that was not met before."""
    if len(SITES) > MANY:
        SITES.clear()
    SITES[key] = made = Site(code, key[1])
    return made


def in_library(code: CodeType) -> bool:
    """Whether code belongs to this library or to NumPy; remembered."""
    if len(KNOWN) > MANY:
        KNOWN.clear()
    known = KNOWN.get(id(code))
    if known is None:  # the code is kept, so that its id stays its own
        known = KNOWN[id(code)] = (code, code.co_filename.startswith(LIBRARIES))
    return known[1]


def variable_of(site: Site) -> str | None:
    """Return the variable to which the statement at a site assigns, if that is one name."""
    return assigned_names(site.code.co_filename).get(site.line)


@cache
def assigned_names(filename: str) -> dict[int, str]:
    """Return the variable for each line of a file that belongs to `variable = …`."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    names: dict[int, str] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                names[line] = targets[0].id
    return names


def warn_user(message: str) -> None:
    """Warn at the line of the user's that called."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and in_library(frame.f_code):
        frame, level = frame.f_back, level + 1
    warnings.warn(show_text(message), RuntimeWarning, stacklevel=level)
