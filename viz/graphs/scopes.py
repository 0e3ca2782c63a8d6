"""The tree of scopes, and which fold, by `limit=` and `open=`; `outline` joins what repeats.

A `Part` is what one box stands for: operations, or a leaf. With a limit, functions of the library
fold first, such as `np.trace`. Then other scopes fold until there is room: the deepest first, and
among scopes of one depth the largest first. Scopes of one depth whose names differ only by a number
(`block_1`, `block_2`…) fold at the same time, so that what is alike looks alike. `apply_open` folds
or keeps open what the caller asked for with `open=`, which wins over `limit=`. Scopes of one kind
that are folded one by one may be joined to one box in `outline`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from autograd_mini.core.contexts import FunctionScope
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope
from autograd_mini.core.tensor import Tensor

from ..errors import PictureError
from ..reading import scope_of, scope_path


@dataclass(slots=True, eq=False)
class Part:
    """One box of the picture, and the operations behind it, in order.

    Attributes:
        kind: "operation" for one, "scope" for a folded scope, "earlier" for left-out operations.
        branch: the open scope around it; the scope itself if it is folded.
        operations: in order.
        members: the alike parts that it replaces, if it stands for a repetition.
        count: of how many rounds the repetition is; each has as many members.
        whole: how many operations its scope has, if it is a piece of a scope.
        follows: whether it needs a part that is shown; if not, it comes before all of them.
        name: the function of the library that this one operation is all of, as the user called it.
    """

    kind: Literal["operation", "scope", "earlier"]
    branch: Branch
    operations: list[Operation] = field(default_factory=list)
    members: list[Part] = field(default_factory=list)
    count: int = 0
    whole: int = 0
    follows: bool = False
    name: str = ""

    def rounds(self) -> list[list[Operation]]:
        """Return the operations of each round of a repetition, empty for other parts."""
        length = len(self.members) // self.count if self.count else 0
        return [
            [op for part in self.members[start : start + length] for op in part.operations]
            for start in range(0, length * self.count, length or 1)
        ]

    @property
    def around(self) -> Branch:
        """The open scope in which it is drawn."""
        parent = self.branch.parent
        return parent if self.kind == "scope" and parent is not None else self.branch


@dataclass(slots=True, eq=False)
class Source:
    """One box of a leaf: a tensor, or a plain array operand.

    Attributes:
        value: the tensor or array.
        consumers: the parts that take it from this box.
    """

    value: Any
    consumers: list[Part]

    @property
    def role(self) -> Literal["input", "parameter"]:
        """Its role: a parameter if it requires a gradient."""
        wanted = isinstance(self.value, Tensor) and self.value.requires_grad
        return "parameter" if wanted else "input"

    def around(self, root: Branch) -> Branch:
        """Return the scope in which it is drawn: that of its consumers, the root for an input."""
        if isinstance(self.value, Tensor) and self.role == "input":
            return root
        return common_branch(part.around for part in self.consumers)


DEEPEST: Final = 8
"""Scopes nested deeper than this are never drawn open."""
Open = str | int | Iterable[str] | Callable[[str], bool | None] | None
"""A path or several, with wildcards; a depth; or a function of a path."""


class Branch:
    """One scope in the tree; the root stands for the whole graph.

    Attributes:
        visible: how many boxes it shows, 1 if it is folded.
        folded: whether it is one box; then the scopes inside it do not matter.
    """

    __slots__ = ("depth", "folded", "parent", "scope", "size", "visible")

    def __init__(self, scope: Scope | None, parent: Branch | None) -> None:
        self.scope = scope
        self.parent = parent
        self.depth: int = parent.depth + 1 if parent else 0
        self.folded = False
        self.size = 0
        self.visible = 0

    @property
    def caption(self) -> str:
        """The scope's name, empty for the root."""
        return self.scope.name if self.scope else ""

    @property
    def is_function(self) -> bool:
        """Whether it is a function of the library, drawn open only if the caller asks for it."""
        return isinstance(self.scope, FunctionScope)

    @property
    def path(self) -> str:
        """The names from the outermost scope to this one, joined by `/`."""
        return "/".join(reversed([branch.caption for branch in self._ancestors()]))

    def _ancestors(self) -> list[Branch]:
        """Return the scope and those around it, without the root."""
        found = []
        branch = self
        while branch.parent is not None:
            found.append(branch)
            branch = branch.parent
        return found

    def folded_ancestor(self) -> Branch | None:
        """Return the outermost folded scope among it and those around it; None if all are open."""
        found = None
        branch: Branch | None = self
        while branch is not None:
            if branch.folded:
                found = branch
            branch = branch.parent
        return found

    def outside_functions(self) -> Branch:
        """Return the scope around the outermost function of the library that it belongs to."""
        outside = self
        for branch in self._ancestors():
            if branch.is_function and branch.parent is not None:
                outside = branch.parent
        return outside

    def single_function(self) -> Branch | None:
        """Return the outermost function of the library that is one operation, if there is one."""
        found = None
        for branch in self._ancestors():
            if branch.is_function and branch.size == 1:
                found = branch
        return found

    def count_boxes(self, count: int) -> None:
        """Add to the number of visible boxes, here and in the scopes around."""
        branch: Branch | None = self
        while branch is not None:
            branch.visible += count
            branch = branch.parent

    def fold(self) -> None:
        """Fold it into one box."""
        self.folded = True
        self.count_boxes(1 - self.visible)


def common_branch(branches: Iterable[Branch]) -> Branch:
    """Return the innermost branch that contains all of these."""
    first, *others = branches
    for other in others:
        while first is not other:
            if first.depth >= other.depth:
                assert first.parent is not None  # the root contains everything
                first = first.parent
            else:
                assert other.parent is not None
                other = other.parent
    return first


class ScopeTree:
    """The scopes of a graph's operations, outer ones first."""

    def __init__(self, graph: Graph) -> None:
        self.root = Branch(None, None)
        self.branches: list[Branch] = []
        self._of_scope: dict[Scope, Branch] = {}
        for operation in graph.operations:
            branch = self.branch(operation)
            branch.size += 1
            branch.count_boxes(1)
        self._fold_single_functions()

    def branch(self, operation: Operation) -> Branch:
        """Return the branch of the innermost scope of an operation."""
        scope = scope_of(operation)
        unknown = []
        while scope is not None and scope not in self._of_scope:
            unknown.append(scope)
            scope = scope.parent
        branch = self.root if scope is None else self._of_scope[scope]
        for scope in reversed(unknown):
            if branch.depth < DEEPEST:
                branch = Branch(scope, branch)
                self.branches.append(branch)
            self._of_scope[scope] = branch
        return branch

    def _fold_single_functions(self) -> None:
        """Fold the functions of the library that are one operation, which gets their name."""
        sizes: dict[Branch, int] = {}
        for branch in reversed(self.branches):  # inner ones first
            sizes[branch] = branch.size + sizes.get(branch, 0)
            if branch.parent is not None:
                sizes[branch.parent] = sizes.get(branch.parent, 0) + sizes[branch]
        for branch in self.branches:
            branch.size = sizes[branch]
            if branch.is_function and branch.size == 1:
                branch.fold()

    def _paths_too_deep(self) -> list[str]:
        """Return the paths of the scopes that are nested too deep to be drawn open."""
        return [
            scope_path(scope)
            for scope, branch in self._of_scope.items()
            if branch.depth == DEEPEST and branch.scope is not scope
        ]

    def fold(self, limit: int | None, kept: Container[Branch] = ()) -> None:
        """Fold scopes until at most `limit` boxes are visible; never fold those in `kept`."""
        if limit is None:
            return
        for branch in self.branches:
            if branch.is_function and branch not in kept and not branch.folded:
                branch.fold()
        groups: dict[tuple[int, str], list[Branch]] = {}
        for branch in self.branches:
            if branch in kept or branch.folded:
                continue
            stem = re.sub(r"[_\-.]?\d+$", "", branch.caption)
            groups.setdefault((branch.depth, stem), []).append(branch)
        depths: dict[int, list[list[Branch]]] = {}
        for (depth, _), group in groups.items():
            depths.setdefault(depth, []).append(group)
        for depth in sorted(depths, reverse=True):
            for group in sorted(depths[depth], key=_boxes_saved, reverse=True):
                if self.root.visible <= limit:
                    return
                if _boxes_saved(group):
                    for branch in group:
                        branch.fold()


def _boxes_saved(group: list[Branch]) -> int:
    """Count the boxes that disappear when these scopes fold."""
    return sum(branch.visible - 1 for branch in group)


def apply_open(wanted: Open, tree: ScopeTree) -> frozenset[Branch]:
    """Fold the scopes that the caller wants folded; return those that have to stay open.

    A scope is open together with those around it. The limit decides about all other scopes.

    Args:
        wanted: a path as "mlp/dense_2" or "block_*", or several; a depth down to which scopes are
            open, 0 for none; or a function of a path that returns True, False, or None, which
            leaves the scope to the limit.
        tree: the scopes of a graph.

    Raises:
        PictureError: for a path that no scope has, or a value of another type.
    """
    if wanted is None:
        return frozenset()
    if isinstance(wanted, bool) or (isinstance(wanted, int) and wanted < 0):
        raise _bad_open_error(wanted)
    if isinstance(wanted, int):
        said: dict[Branch, bool | None] = {b: b.depth <= wanted for b in tree.branches}
    elif callable(wanted):
        said = {b: wanted(b.path) for b in tree.branches}
    else:
        said = dict.fromkeys(_match_scopes(wanted, tree), True)
    kept = frozenset(
        around for branch, yes in said.items() if yes for around in branch._ancestors()
    )
    for branch, yes in said.items():
        if yes is False and branch not in kept:
            branch.fold()
    return kept


def _match_scopes(wanted: object, tree: ScopeTree) -> list[Branch]:
    """Return the scopes with these paths.

    Raises:
        PictureError: for a path that no scope has.
    """
    patterns = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(patterns, Iterable):
        raise _bad_open_error(wanted)
    patterns = list(patterns)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise _bad_open_error(wanted)
    paths = {branch: branch.path for branch in tree.branches}
    found: list[Branch] = []
    for pattern in patterns:
        matching = [b for b, path in paths.items() if path == pattern or fnmatchcase(path, pattern)]
        if not matching:
            if any(
                path == pattern or fnmatchcase(path, pattern) for path in tree._paths_too_deep()
            ):
                raise PictureError(
                    f"open={pattern!r:.60}: this scope is nested too deep to be drawn open; scopes "
                    f"down to depth {DEEPEST} can be, so name one of those around it"
                )
            raise PictureError(_no_scope_text(pattern, list(dict.fromkeys(paths.values()))))
        found += matching
    return found


def _no_scope_text(pattern: str, paths: list[str]) -> str:
    """Return the message that no scope has this path, with the paths that exist."""
    near = get_close_matches(pattern, paths, 3, 0.4) or paths[:5]
    listed = ", ".join(f"{path:.60}" for path in near) or "none; name parts with am.scope"
    return f"open={pattern!r:.60}: no scope of the graph has this path; there is {listed}"


def _bad_open_error(wanted: object) -> PictureError:
    """Return the error for a value that `open=` does not take."""
    return PictureError(
        f"open={wanted!r:.60} is not known; expected a path as 'mlp/dense_2' or 'block_*', a list "
        "of them, a depth from 0, or a function of a path"
    )
