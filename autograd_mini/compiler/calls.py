"""Calls in source: which function of NumPy they name, and whether it takes an array to write to."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any, Final

import numpy as np

from ..core.source_text import reference


def function_of(text: str) -> str:
    """Return what an expression calls in the end, as `np.add.reduce`, or ""."""
    start = CALLED.match(text)
    if start is None:
        return ""
    depth = 0
    for place in BRACKET.finditer(text):
        depth += 1 if place[0] == "(" else -1
        if not depth:
            return start[1] if place.end() == len(text) else ""
    return ""


CALLED: Final = re.compile(r"([\w.]+)\(")
BRACKET: Final = re.compile(r"[()]")


@cache
def path_of(ufunc: np.ufunc) -> tuple[str, tuple[str, ...]] | None:
    """Return how a program names a ufunc of NumPy or SciPy, and the import that it needs."""
    found = reference(ufunc)
    return found and (found[0], (found[1],) if found[1] else ())


NO_OUT: Final = frozenset({"np.round", "np.around"})
"""Functions that refuse an array for their result where they should not: of rounded integers."""


@cache
def has_out(path: str) -> bool:
    """Whether a function of NumPy, as `np.add.reduce`, takes an array for its result."""
    if path in NO_OUT:
        return False
    function, owner = resolve_path(path)
    if isinstance(function, np.ufunc):
        return bool(function.nout == 1)
    if isinstance(owner, np.ufunc):
        return path.endswith((".reduce", ".accumulate"))
    try:
        return function is not None and "out" in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False


@cache
def is_elementwise(path: str) -> bool:
    """Whether a function of NumPy is a ufunc that works element by element."""
    function, _ = resolve_path(path)
    return isinstance(function, np.ufunc) and function.signature is None and function.nout == 1


@cache
def is_type(path: str) -> bool:
    """Whether a path names a type of numbers, as `np.float32`, which makes one of them."""
    function, _ = resolve_path(path)
    return isinstance(function, type) and issubclass(function, np.generic)


def resolve_path(path: str) -> tuple[Any, Any]:
    """Return what a path as `np.add.reduce` names, and in what; None for other paths."""
    module, *parts = path.split(".")
    if module != "np" or not parts:
        return None, None
    function: Any = np
    owner: Any = None
    for part in parts:
        owner, function = function, getattr(function, part, None)
    return function, owner
