"""Where in the user's program an operation was recorded: its line, and the variable it went to."""

from __future__ import annotations

import ast
import linecache
import os.path
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import islice
from types import CodeType
from typing import Final

import numpy as np

from .visible import show_text

PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARIES: Final = tuple(os.path.join(path, "") for path in (PACKAGE, os.path.dirname(np.__file__)))


Position = tuple[int | None, int | None, int | None, int | None]
"""The first and the last line of an expression, its first column, and the one after it."""
NOWHERE: Final[Position] = (None, None, None, None)


class Site:
    """A place in a program, one object each: where a code object calls. Reads as "file.py:12"."""

    __slots__ = ("__weakref__", "code", "line", "offset")

    def __init__(self, code: CodeType, offset: int) -> None:
        self.code = code
        self.offset = offset
        self.line = _line_of(code, offset)

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"

    def __repr__(self) -> str:
        return f"Site({self})"


def _line_of(code: CodeType, offset: int) -> int:
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


def user_line() -> Site:
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
        found = _new_site(key, frame.f_code)
    return found


def _new_site(key: tuple[int, int], code: CodeType) -> Site:
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
    """Return the variable that receives the value computed at a source position, or None.

    What is computed in the middle of an expression, or elsewhere on the line, has no variable.
    """
    names = _assigned_names(site.code.co_filename)
    return names.get(_position_of(site.code, site.offset)) if names else None


def _position_of(code: CodeType, offset: int) -> Position:
    """Return where the expression stands that an instruction of a code object computes."""
    return next(islice(code.co_positions(), offset // 2, None), NOWHERE)


@cache
def _assigned_names(filename: str) -> dict[Position, str]:
    """Map each expression that is the whole right side of `variable = …` to the variable."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    names: dict[Position, str] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            value = node if isinstance(node, ast.AugAssign) else node.value
            names |= dict.fromkeys(_positions_of(value), targets[0].id)
    return names


def _positions_of(node: ast.stmt | ast.expr) -> Iterator[Position]:
    """List where an expression may be said to stand: all of it, or from a method's name on.

    Python says the latter of a call whose method stands on another line than its object.
    """
    yield node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        line, end = node.func.end_lineno, node.func.end_col_offset
        if line is not None and end is not None:
            yield line, node.end_lineno, end - len(node.func.attr), node.end_col_offset


def warn_user(message: str) -> None:
    """Warn at the line of the user's that called."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and in_library(frame.f_code):
        frame, level = frame.f_back, level + 1
    warnings.warn(show_text(message), RuntimeWarning, stacklevel=level)
