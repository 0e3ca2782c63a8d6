"""The tree of scopes of a graph, and which of them fold into one box so that the picture fits.

Scopes fold deepest first, the largest first among equals, and always together with their namesakes
at the same depth (`block_1`, `block_2`…), so that what is alike looks alike.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope

from ..reading import scope_of, scope_path

FUNCTIONS: Final = frozenset({"softmax", "log_softmax", "logsumexp"})
"""Scopes of the library's own functions: what is inside of them is open only if asked for."""
DEEPEST: Final = 8
"""Scopes nested deeper than this are never drawn open."""


class Branch:
    """One scope in the tree; the root stands for the whole graph.

    Attributes:
        visible: how many boxes it shows, itself when it is folded.
        folded: whether it is one box; then nothing inside it is looked at.
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
    def path(self) -> str:
        """The names from the outermost scope to this one, joined by `/`."""
        return "/".join(reversed([branch.caption for branch in self.ancestors()]))

    def ancestors(self) -> list[Branch]:
        """Return the scope and those around it, without the root."""
        found = []
        branch = self
        while branch.parent is not None:
            found.append(branch)
            branch = branch.parent
        return found

    def folded_ancestor(self) -> Branch | None:
        """Return the outermost folded scope around it or it, which is the box that shows it."""
        found = None
        branch: Branch | None = self
        while branch is not None:
            if branch.folded:
                found = branch
            branch = branch.parent
        return found

    def add(self, count: int) -> None:
        """Count boxes that stand directly in it."""
        branch: Branch | None = self
        while branch is not None:
            branch.visible += count
            branch = branch.parent

    def fold(self) -> None:
        """Become one box."""
        self.folded = True
        self.add(1 - self.visible)


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
            branch.add(1)

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

    def paths_too_deep(self) -> list[str]:
        """Return the paths of the scopes that are nested too deep to be drawn open."""
        return [
            scope_path(scope)
            for scope, branch in self._of_scope.items()
            if branch.depth == DEEPEST and branch.scope is not scope
        ]

    def fold(self, limit: int | None, kept: Container[Branch] = ()) -> None:
        """Fold scopes until at most `limit` boxes are visible, or nothing is left but `kept`."""
        if limit is None:
            return
        for branch in self.branches:
            if branch.caption in FUNCTIONS and branch not in kept and not branch.folded:
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
            for group in sorted(depths[depth], key=boxes_saved, reverse=True):
                if self.root.visible <= limit:
                    return
                if boxes_saved(group):
                    for branch in group:
                        branch.fold()


def boxes_saved(group: list[Branch]) -> int:
    """Count the boxes that disappear when these scopes fold."""
    return sum(branch.visible - 1 for branch in group)
