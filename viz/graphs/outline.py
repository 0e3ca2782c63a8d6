"""Outline: divides a graph into parts, each of which is drawn as one box.

The steps: fold scopes (`scopes`), join parts that repeat (where there is no room, or from eight in
a row), leave out the operations furthest from the outputs, find the leaves that the boxes need.

A part is one operation, a folded scope, a repetition, or what is left out. The parts never form a
cycle, so that they can be drawn in order. Their number is limited here, so all later stages work on
a few dozen boxes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope
from autograd_mini.core.tensor import Tensor

from ..reading import Key, changed_leaves, is_assignment, is_number, key, operands
from ..texts import LONGEST_NAME, clean_text, operation_symbol
from ..wording.language import label_of, say_count
from .scopes import Branch, Open, Part, ScopeTree, Source, apply_open, common_branch

LONGEST_PERIOD: Final = 40
"""A round of a loop has no more parts than this."""
FEWEST_ROUNDS: Final = 3
"""Fewer rounds than this are not joined."""
MANY_SCOPES: Final = 8
"""This many alike scopes become one box even if there is room for all."""
MOST_NAMES: Final = 4
"""A box names no more parts of its round than this."""
NUMBER: Final = re.compile(r"[_\-. ]?\d+$")


@dataclass(frozen=True, slots=True)
class Run:
    """Rounds of `period` parts each, from the part at `start` on."""

    start: int
    period: int
    rounds: int

    @property
    def end(self) -> int:
        """The place after its last part."""
        return self.start + self.period * self.rounds


def fold_repeats(
    parts: list[Part], limit: int, *, crowded: bool, loops: bool = False
) -> list[Part]:
    """Return the parts with runs of alike ones as one part each.

    Args:
        parts: of the picture, in order.
        limit: how many boxes fit.
        crowded: whether there are more parts than that; if not, only many alike scopes are joined.
        loops: whether of these only those that take the same parameters are joined.
    """
    if not crowded and len(parts) < MANY_SCOPES:
        return parts
    found: list[Part] = []
    place = 0
    for run in _find_runs(signatures(parts), LONGEST_PERIOD if crowded else 1):
        shared = crowded or not loops or _take_same_parameters(parts[run.start : run.end])
        if shared and _is_worth_joining(parts, run, crowded):
            inner = _without_ends(run, limit) if parts[run.start].kind == "operation" else run
            found += parts[place : inner.start]
            found.append(_join_run(parts, inner))
            place = inner.end
    return [*found, *parts[place:]]


def _take_same_parameters(parts: list[Part]) -> bool:
    """Return whether alike parts take the same parameters, and some."""
    found = {
        frozenset(
            key(x)
            for operation in part.operations
            for x in operands(operation)
            if isinstance(x, Tensor) and x.is_leaf and x.requires_grad
        )
        for part in parts
    }
    return len(found) == 1 and frozenset() not in found


def _without_ends(run: Run, limit: int) -> Run:
    """Return a run of operations without its first and last round if they are short.

    These two rounds are then drawn.
    """
    if run.rounds < FEWEST_ROUNDS + 2 or 2 * run.period > limit // 3:
        return run
    return Run(run.start + run.period, run.period, run.rounds - 2)


def signatures(parts: list[Part]) -> np.ndarray:
    """Return a number for each part, equal for parts that are alike and stand in one scope."""
    numbers: dict[tuple[object, ...], int] = {}
    return np.array([numbers.setdefault(_signature(part), len(numbers)) for part in parts])


def _signature(part: Part) -> tuple[object, ...]:
    """Return the signature of a part: scope, name without number, operations."""
    name = NUMBER.sub("", part.branch.caption) if part.kind == "scope" else ""
    return (part.around, part.kind, name, *(operation.type for operation in part.operations))


def _find_runs(kinds: np.ndarray, longest: int) -> list[Run]:
    """Return the runs in order; short periods win, and no run overlaps another."""
    best: dict[int, Run] = {}
    covered = np.zeros(len(kinds), bool)
    for period in range(1, min(longest, len(kinds) // FEWEST_ROUNDS) + 1):
        same = np.concatenate([[False], kinds[:-period] == kinds[period:], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1]).reshape(-1, 2)
        long = edges[:, 1] - edges[:, 0] >= period * (FEWEST_ROUNDS - 1)
        for first, last in edges[long]:
            rounds = int(last - first) // period + 1
            end = int(first) + period * rounds
            if not covered[first:end].any():
                covered[first:end] = True
                best[int(first)] = Run(int(first), period, rounds)
    return [best[start] for start in sorted(best)]


def _is_worth_joining(parts: list[Part], run: Run, crowded: bool) -> bool:
    """Return whether a run becomes one box.

    Its operations must follow each other without others in between, and the box must save enough.
    """
    members = parts[run.start : run.end]
    if members[0].kind == "earlier" or len(members) < FEWEST_ROUNDS:
        return False
    if not crowded and (members[0].kind != "scope" or run.rounds < MANY_SCOPES):
        return False
    following = parts[run.end : run.end + 1]
    return all(
        one.operations[-1].serial < two.operations[0].serial
        for one, two in pairwise([*parts[max(run.start - 1, 0) : run.start], *members, *following])
    )


def _join_run(parts: list[Part], run: Run) -> Part:
    """Join a run to one part; its caption names the parts of a round and counts the rounds."""
    members = parts[run.start : run.end]
    first = members[0]
    names = [_part_name(part) for part in members[: run.period]]
    round_text = "  ".join(names[:MOST_NAMES]) + ("  …" if len(names) > MOST_NAMES else "")
    if first.kind == "scope":
        bare = say_count("{name}, {n} time", run.rounds, name="")
        named = clean_text(round_text, LONGEST_NAME - len(bare))
        caption = say_count("{name}, {n} time", run.rounds, name=named)
    else:
        bare = say_count("{n} round", run.rounds)
        caption = f"{clean_text(round_text, LONGEST_NAME - len(bare) - 1)}\n{bare}"
    branch = Branch(Scope(caption, None), first.around)
    operations = [operation for part in members for operation in part.operations]
    return Part("scope", branch, operations, members, run.rounds)


def _part_name(part: Part) -> str:
    """Return the name of a part in the caption of a round."""
    if part.kind == "scope":
        return label_of(NUMBER.sub("", part.branch.caption) or part.branch.caption)
    return operation_symbol(part.operations[0])


ALONE: Final = -1
"""The group of a vertex without a group."""
Place = tuple[int, int, int]
"""(round, group, 1 if the vertex comes after the group rather than in it)."""


def divide_groups(before: Sequence[Sequence[int]], groups: Sequence[int]) -> list[list[int]]:
    """Return the pieces of the groups in a topological order, each a list of vertices in order.

    Args:
        before: for each vertex, those with an edge to it; all of them have lower numbers.
        groups: the group of each vertex, numbered in the order of their first vertices.

    >>> divide_groups([[], [0], [1]], [0, ALONE, 0])
    [[0], [1], [2]]
    >>> divide_groups([[], [0], [0]], [0, ALONE, 0])
    [[0, 2], [1]]
    """
    labels = [v if group == ALONE else (group,) for v, group in enumerate(groups)]
    pieces = _group_by_label(labels)
    edges = _contract_edges(before, pieces)
    order = _sort_topologically(edges)
    if len(order) == len(pieces):
        return [pieces[i] for i in order]
    places: dict[int, Place] = {}
    for component in _strong_components(edges):
        if len(component) > 1:
            members = sorted(v for i in component for v in pieces[i])
            places |= _assign_rounds(members, before, groups)
    pieces = _group_by_label(
        [
            (*places[v][:2], "round") if v in places and groups[v] != ALONE else label
            for v, label in enumerate(labels)
        ]
    )
    return [pieces[i] for i in _sort_topologically(_contract_edges(before, pieces))]


def _group_by_label(labels: Sequence[object]) -> list[list[int]]:
    """Return the vertices of each label, in the order of their first ones."""
    found: dict[object, list[int]] = {}
    for v, label in enumerate(labels):
        found.setdefault(label, []).append(v)
    return list(found.values())


def _contract_edges(before: Sequence[Sequence[int]], pieces: list[list[int]]) -> list[set[int]]:
    """Return, for each piece, the other pieces with an edge to it."""
    piece_of = [0] * len(before)
    for i, piece in enumerate(pieces):
        for v in piece:
            piece_of[v] = i
    return [{piece_of[u] for v in piece for u in before[v]} - {i} for i, piece in enumerate(pieces)]


def _sort_topologically(before: list[set[int]]) -> list[int]:
    """Return a topological order, lower numbers first, without vertices on or after a cycle."""
    after: list[list[int]] = [[] for _ in before]
    for head, tails in enumerate(before):
        for tail in tails:
            after[tail].append(head)
    waiting = [len(tails) for tails in before]
    ready = [i for i, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for head in after[i]:
            waiting[head] -= 1
            if not waiting[head]:
                heappush(ready, head)
    return order


def _strong_components(before: list[set[int]]) -> list[list[int]]:
    """Return the strongly connected components (Kosaraju's algorithm, without recursion)."""
    after: list[list[int]] = [[] for _ in before]
    for head, tails in enumerate(before):
        for tail in tails:
            after[tail].append(head)
    finished = [i for found in _search_depth_first(range(len(before)), after) for i in found]
    return _search_depth_first(reversed(finished), before)


def _search_depth_first(starts: Iterable[int], edges: Sequence[Iterable[int]]) -> list[list[int]]:
    """Search depth first from each unseen start; return the vertices that each search finishes."""
    seen: set[int] = set()
    found = []
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        finished: list[int] = []
        stack = [(start, iter(edges[start]))]
        while stack:
            vertex, rest = stack[-1]
            following = next((i for i in rest if i not in seen), None)
            if following is None:
                stack.pop()
                finished.append(vertex)
            else:
                seen.add(following)
                stack.append((following, iter(edges[following])))
        found.append(finished)
    return found


def _assign_rounds(
    members: list[int], before: Sequence[Sequence[int]], groups: Sequence[int]
) -> dict[int, Place]:
    """Return the smallest places of a component's vertices that never fall along an edge."""
    places: dict[int, Place] = {}
    for v in members:
        latest = max((places[u] for u in before[v] if u in places), default=(0, ALONE, 1))
        if groups[v] == ALONE:
            places[v] = (*latest[:2], 1)
        else:
            late = latest > (latest[0], groups[v], 0)
            places[v] = (latest[0] + late, groups[v], 0)
    return places


NEAR_PARTS: Final = 4
"""A parameter is drawn again for a user that comes more parts than this after the first one."""
MOST_LEAVES: Final = 9
"""If a part has more leaves than this, some are shown and the rest are counted."""
MOST_OF_EARLIER: Final = 3
"""The inputs of left-out operations are shown if there are at most this many."""

LIMIT_WITH_OPEN: Final = 160
"""If the caller opens scopes, the picture may have this many boxes."""
FEWEST_HIDDEN: Final = 5
"""If fewer parts than this were left out, all are drawn."""
FEWEST_TOGETHER: Final = 2
"""A box of left-out operations stands for at least this many parts."""


class Outline:
    """The parts of a graph that fit into a picture.

    Attributes:
        parts: in topological order.
        outputs: the output tensors that are shown.
        more_outputs: the output tensors that are only counted.
        changed: the results of assignments: the leaves after a training step.
        entering: tensor → the number of the port where it enters; only the outline of one scope
            has ports.
        leaving: tensor → the number of the port where it leaves.

    With `only_loops`, alike scopes of which each has parameters of its own stay apart where there
    is room, so that measures tell of each.
    """

    def __init__(
        self,
        graph: Graph,
        limit: int | None,
        fold: bool | Callable[[ScopeTree], None] = True,
        open: Open = None,
        only_loops: bool = False,
    ) -> None:
        self.graph = graph
        self.operations: Sequence[Operation] = graph.operations
        self.tree = ScopeTree(graph)
        self.entering: dict[Key, int] = {}
        self.leaving: dict[Key, int] = {}
        outputs = [y for y in graph.outputs if not is_assignment(y.op)]
        shown = len(outputs) if limit is None else max(limit // 4, 1)
        if len(outputs) == shown + 1:
            shown += 1
        self.outputs = tuple(outputs[:shown])
        self.more_outputs = tuple(outputs[shown:])
        self.changed = tuple(y for y in graph.outputs if is_assignment(y.op))
        self._state = {key(y.op.inputs[0]) for y in self.changed if y.op is not None}
        if callable(fold):
            fold(self.tree)
        elif fold:
            self._count_leaves()
            kept = apply_open(open, self.tree)
            self.tree.fold(None if limit is None else limit - len(self.outputs), kept)
            if kept and limit is not None:
                limit = max(limit, LIMIT_WITH_OPEN)
        self._part_of: dict[int, Part] = {}
        self._users: dict[Key, list[Part]] = {}
        self.parts: list[Part] = []
        self._divide()
        if limit is not None:
            if fold is True:
                self._fold_repeats(limit, only_loops)
            self._leave_out(limit)
        self._unfold_single_operations()

    def part_of(self, tensor: Tensor) -> Part | None:
        """Return the part that computes a tensor, None for a leaf."""
        return self._part_of.get(tensor.serial)

    def sources(self) -> dict[tuple[Part, Key], Source]:
        """Return the boxes of the leaves, by the part and the tensor that it takes.

        A parameter has a box near each group of its users. A leaf that a part lists has no box.
        """
        sources: dict[tuple[Part, Key], Source] = {}
        latest: dict[Key, tuple[Source, int]] = {}
        for place, part in enumerate(self.parts):
            listed = set(map(key, self.listed_leaves(part)))
            for leaf in self.leaves(part):
                name = key(leaf)
                if name in listed or name in self.entering:
                    continue
                source, first = latest.get(name, (None, 0))
                if source is None or (leaf.requires_grad and place - first > NEAR_PARTS):
                    source, first = Source(leaf, []), place
                source.consumers.append(part)
                latest[name] = source, first
                sources[part, name] = source
        return sources

    def leaves(self, part: Part) -> list[Tensor]:
        """Return the leaf tensors that a part takes, each once, in order."""
        found: dict[Key, Tensor] = {}
        for operation in part.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and x.is_leaf:
                    found.setdefault(key(x), x)
        return list(found.values())

    def users(self, leaf: Tensor) -> list[Part]:
        """Return the parts that take a leaf, in order."""
        if not self._users:
            for part in self.parts:
                for x in self.leaves(part):
                    self._users.setdefault(key(x), []).append(part)
        return self._users.get(key(leaf), [])

    def listed_leaves(self, part: Part) -> list[Tensor]:
        """Return the leaves that the box of a part lists; they have no boxes and no arrows to it.

        A box of several operations lists its parameters, and the state that the program changes.
        A function of the library takes its operands by arrows, as an operation does.
        A box of left-out operations also lists its inputs if they are many.
        """
        if part.kind == "operation" or (part.branch.is_function and not part.members):
            return []
        leaves = self.leaves(part)
        inside = [x for x in leaves if self._is_hidden(x)]
        many = part.kind == "earlier" and len(leaves) - len(inside) > MOST_OF_EARLIER
        return leaves if many else inside

    def is_state(self, leaf: Tensor) -> bool:
        """Return whether a leaf is state: the program changes it, and it is not trained."""
        return key(leaf) in self._state and not leaf.requires_grad

    def _count_leaves(self) -> None:
        """Count each leaf in the scope where it will be drawn, so that folding counts it, too."""
        users: dict[Key, list[Branch]] = {}
        for operation in self.graph.operations:
            branch = self.tree.branch(operation).outside_functions()
            for x in operands(operation):
                if not isinstance(x, Tensor):
                    branch.count_boxes(not is_number(x))
                elif x.is_leaf:
                    users.setdefault(key(x), []).append(branch)
        for leaf in (*self.graph.inputs, *self.graph.parameters):
            around = users.get(key(leaf))
            hidden = self._is_hidden(leaf) and around
            (common_branch(around) if hidden and around else self.tree.root).count_boxes(1)

    def _is_hidden(self, leaf: Tensor) -> bool:
        """Return whether a box of several operations lists a leaf."""
        return leaf.requires_grad or key(leaf) in self._state

    def _divide(self) -> None:
        """Make a part for each visible operation and each folded scope.

        If the operations of a scope do not follow each other, it may have several parts.
        """
        folded: dict[Branch, Part] = {}
        boxes = self._folds()
        scattered = False
        for operation in self.operations:
            branch = self.tree.branch(operation)
            box = boxes.get(branch)
            part = folded.get(box) if box else None
            if part is None:
                part = Part("scope", box) if box else Part("operation", branch)
                self.parts.append(part)
                if box:
                    folded[box] = part
            elif part is not self.parts[-1]:
                scattered = True
            part.operations.append(operation)
            self._part_of[operation.serial] = part
        if scattered:
            self._divide_scattered()

    def _folds(self) -> Mapping[Branch, Branch | None]:
        """Return, for each scope, the folded scope that hides it, None if it is open."""
        return {branch: branch.folded_ancestor() for branch in self.tree.branches}

    @cached_property
    def changed_leaves(self) -> set[Key]:
        """The leaves that were assigned after an operation of the graph used them."""
        return changed_leaves(self.graph)

    @cached_property
    def all_changed(self) -> bool:
        """Whether all parameters were assigned since, and there are several."""
        trained = [key(x) for x in self.graph.parameters]
        return len(trained) > 1 and self.changed_leaves.issuperset(trained)

    def _divide_scattered(self) -> None:
        """Divide the scopes that a path leaves and enters again."""
        operations = self.operations
        numbers: dict[Part, int] = {}
        for operation in operations:
            part = self._part_of[operation.serial]
            if part.kind == "scope":
                numbers.setdefault(part, len(numbers))
        single = [Part("operation", self.tree.root, [operation]) for operation in operations]
        groups = [numbers.get(self._part_of[op.serial], ALONE) for op in operations]
        parts = []
        for piece in divide_groups(self._edges(single), groups):
            held = [operations[v] for v in piece]
            one = self._part_of[held[0].serial]
            if len(held) < len(one.operations):
                one = Part("scope", one.branch, held, whole=len(one.operations))
            parts.append(one)
        self._set_parts(parts)

    def _set_parts(self, parts: list[Part]) -> None:
        """Replace all parts."""
        self.parts = parts
        for part in parts:
            for operation in part.operations:
                self._part_of[operation.serial] = part

    def _unfold_single_operations(self) -> None:
        """Make a fold of one operation that operation."""
        parts = [self._unfold_single(part) for part in self.parts]
        if parts != self.parts:
            self._set_parts(parts)

    def _unfold_single(self, part: Part) -> Part:
        """Return the part of the operation of a fold that holds no other, else the fold itself."""
        if part.kind != "scope" or len(part.operations) > 1:
            return part
        (operation,) = part.operations
        function = self.tree.branch(operation).single_function()
        name = function.caption if function and function.caption != operation.type else ""
        return Part("operation", part.around, part.operations, name=name)

    def _edges(self, parts: list[Part]) -> list[list[int]]:
        """Return, for each of these parts, the places of the other parts that it takes from."""
        places = {op.serial: place for place, part in enumerate(parts) for op in part.operations}
        return [
            [
                places[x.serial]
                for operation in part.operations
                for x in operands(operation)
                if isinstance(x, Tensor) and places.get(x.serial, place) != place
            ]
            for place, part in enumerate(parts)
        ]

    def _fold_repeats(self, limit: int, only_loops: bool) -> None:
        """Join alike parts that follow each other, if there are too many parts."""
        room = limit - len(self.outputs)
        crowded = len(self.parts) - room >= FEWEST_HIDDEN
        found = fold_repeats(self.parts, room, crowded=crowded, loops=only_loops)
        if len(found) == len(self.parts):
            return
        group_of = {
            member: number
            for number, part in enumerate(part for part in found if part.members)
            for member in part.members
        }
        before, joined = self.parts, {m: part for part in found for m in part.members}
        parts = []
        for piece in divide_groups(self._edges(before), [group_of.get(p, ALONE) for p in before]):
            whole = joined.get(before[piece[0]])
            if whole is not None and len(piece) == len(whole.members):
                parts.append(whole)
            else:  # as one box it would be on a cycle
                parts += [before[place] for place in piece]
        self._set_parts(parts)

    def _leave_out(self, limit: int) -> None:
        """Keep the parts nearest to the outputs, as many as fit with their leaves.

        A box that says "… 1 earlier operation" would save nothing, so a few too many are drawn.
        Operations that are left out between shown parts have a box there.
        """
        budget = limit - len(self.outputs)
        if len(self.parts) + len(self.graph.inputs) + len(self.graph.parameters) <= budget:
            return
        kept = self._nearest(budget - 1)
        if len(self.parts) - len(kept) < FEWEST_HIDDEN:
            return
        before, edges = self.parts, self._edges(self.parts)
        parts = []
        for piece in divide_groups(edges, [ALONE if part in kept else 0 for part in before]):
            if before[piece[0]] in kept or len(piece) < FEWEST_TOGETHER:
                parts += [before[place] for place in piece]
                continue
            operations = [op for place in piece for op in before[place].operations]
            operations.sort(key=lambda operation: operation.serial)
            outside = {i for place in piece for i in edges[place]}.difference(piece)
            parts.append(Part("earlier", self.tree.root, operations, follows=bool(outside)))
        self._set_parts(parts)

    def _nearest(self, budget: int) -> set[Part]:
        """Return the parts nearest to an output, within budget; later ones win ties."""
        heap: list[tuple[int, int]] = []
        seen: set[Part] = set()
        for y in (*self.outputs, *self.changed):
            part = self.part_of(y)
            if part is not None and part not in seen:
                seen.add(part)
                heappush(heap, (0, -part.operations[-1].serial))
        kept: set[Part] = set()
        drawn: set[Key] = set()
        while heap:
            distance, serial = heappop(heap)
            part = self._part_of[-serial]
            budget -= 1 + self._new_boxes(part, drawn)
            if budget < 0 and kept:
                break
            kept.add(part)
            for operation in part.operations:
                for x in operands(operation):
                    before = self.part_of(x) if isinstance(x, Tensor) else None
                    if before is not None and before not in seen:
                        seen.add(before)
                        heappush(heap, (distance + 1, -before.operations[-1].serial))
        return kept

    def _new_boxes(self, part: Part, drawn: set[Key]) -> int:
        """Count the leaves that a part adds to a picture."""
        count = 0
        for operation in part.operations:
            for x in operands(operation):
                if not isinstance(x, Tensor):
                    count += part.kind == "operation" and not is_number(x)
                elif x.is_leaf and key(x) not in drawn:
                    drawn.add(key(x))
                    count += part.kind == "operation" or not x.requires_grad
        return min(count, MOST_LEAVES)
