"""Where in the user's program an operation was recorded: its line, and the variable it went to."""

from __future__ import annotations

import ast
import linecache
import os.path
import sys
from functools import cache
from types import CodeType
from typing import Final, NamedTuple

import numpy as np

LIBRARIES: Final = tuple(
    os.path.join(os.path.dirname(path), "") for path in (os.path.dirname(__file__), np.__file__)
)


class Site(NamedTuple):
    """A place in a program: a code object, and an instruction in it. Reads as "file.py:12"."""

    code: CodeType
    offset: int

    @property
    def line(self) -> int:
        """The number of the line."""
        for start, end, line in self.code.co_lines():
            if start <= self.offset < end and line is not None:
                return line
        return self.code.co_firstlineno

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"


def site() -> Site:
    """Return where the code outside of this library and of NumPy stands."""
    frame = sys._getframe(1)
    while in_library(frame.f_code) and frame.f_back is not None:
        frame = frame.f_back
    return Site(frame.f_code, frame.f_lasti)


@cache
def in_library(code: CodeType) -> bool:
    """Whether code belongs to this library or to NumPy."""
    return code.co_filename.startswith(LIBRARIES)


@cache
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
