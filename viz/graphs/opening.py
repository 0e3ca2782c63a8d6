"""Which scopes a caller wants open or folded, as `open=` says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from ..errors import PictureError
from .scopes import DEEPEST, Branch, ScopeTree

Open = str | int | Iterable[str] | Callable[[str], bool | None] | None
"""A path or several, with wildcards; a depth; or a function of a path."""


def apply_open(wanted: Open, tree: ScopeTree) -> frozenset[Branch]:
    """Fold the scopes that are to be folded; return those that are to stay open.

    A scope is open together with those around it. What is not asked for is left to the limit.

    Args:
        wanted: a path as "mlp/dense_2" or "block_*", or several; a depth down to which scopes are
            open, 0 for none; or a function of a path that returns True, False, or None for no
            opinion.
        tree: the scopes of a graph.

    Raises:
        PictureError: for a path that no scope has, or another kind of thing.
    """
    if wanted is None:
        return frozenset()
    if isinstance(wanted, bool) or (isinstance(wanted, int) and wanted < 0):
        raise bad_open_error(wanted)
    if isinstance(wanted, int):
        said: dict[Branch, bool | None] = {b: b.depth <= wanted for b in tree.branches}
    elif callable(wanted):
        said = {b: wanted(b.path) for b in tree.branches}
    else:
        said = dict.fromkeys(match_scopes(wanted, tree), True)
    kept = frozenset(around for branch, yes in said.items() if yes for around in branch.ancestors())
    for branch, yes in said.items():
        if yes is False and branch not in kept:
            branch.fold()
    return kept


def match_scopes(wanted: Any, tree: ScopeTree) -> list[Branch]:
    """Return the scopes with these paths.

    Raises:
        PictureError: for a path that no scope has.
    """
    patterns = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(patterns, Iterable):
        raise bad_open_error(wanted)
    patterns = list(patterns)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise bad_open_error(wanted)
    paths = {branch: branch.path for branch in tree.branches}
    found: list[Branch] = []
    for pattern in patterns:
        matching = [b for b, path in paths.items() if path == pattern or fnmatchcase(path, pattern)]
        if not matching:
            if any(path == pattern or fnmatchcase(path, pattern) for path in tree.paths_too_deep()):
                raise PictureError(
                    f"open={pattern!r:.60}: this scope is nested too deep to be drawn open; scopes "
                    f"down to depth {DEEPEST} can be, so name one of those around it"
                )
            raise PictureError(no_scope_text(pattern, list(dict.fromkeys(paths.values()))))
        found += matching
    return found


def no_scope_text(pattern: str, paths: list[str]) -> str:
    """Say that no scope has a path, and which ones there are."""
    near = get_close_matches(pattern, paths, 3, 0.4) or paths[:5]
    listed = ", ".join(f"{path:.60}" for path in near) or "none; name parts with am.scope"
    return f"open={pattern!r:.60}: no scope of the graph has this path; there is {listed}"


def bad_open_error(wanted: Any) -> PictureError:
    """Return the error for something that says of no scope whether it is open."""
    return PictureError(
        f"open={wanted!r:.60} is not known; expected a path as 'mlp/dense_2' or 'block_*', a list "
        "of them, a depth from 0, or a function of a path"
    )
