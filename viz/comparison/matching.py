"""Which operations of two graphs match, and which leaves.

Two operations are *the same* if primitive, parameters, numbers among the operands, the shapes and
types of all operands and results, the scope and the name of the result are equal. Nothing that
differs in one of them is ever called the same. What an operation takes is told by the arrows.

Matching keeps the order of both graphs: if p matches q, nothing before p matches something after q.
So both graphs together have no cycle and can be drawn as one. Under this rule as many operations as
possible match (a longest common subsequence, found by dynamic programming). Among the ways to match
as many, the one wins whose operations agree most in what they are computed from and used for, by
hashes of their surroundings. Orders are the ones of recording, and one of the second graph that
follows the first, so independent parts may be recorded in another order.

Operations that are left over between two matches, of one primitive in one scope, are *changed*.
Leaves match if they are one tensor, have one name, or are the same operand of matching operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..reading import Key, key, operands, scope_of, scope_path

MOST_CELLS: Final = 9_000_000
"""The largest table of the dynamic program. Longer parts are cut in pieces at sure matches, then
aligned by Myers' algorithm, or else cut evenly: then a match may be missed, but none is false."""
MOST_EDITS: Final = 400
"""Myers' algorithm finds no more differences than this; its work grows with their square."""
RADII: Final = (1, 2)
"""How far around an operation surroundings are compared, besides all of them."""
BONUS: Final = 10
"""What equal surroundings count; a match counts more than the surroundings of all others."""
Pairs = list[tuple[int, int]]


@dataclass(slots=True)
class Matching:
    """The matches of two graphs.

    Attributes:
        first, second: the operations of each graph, in the order that the matches keep.
        same: places of matching operations in them.
        changed: places of operations that stand for each other but differ.
        leaves: leaf of the first graph → leaf of the second.
    """

    first: list[Operation]
    second: list[Operation]
    same: Pairs = field(default_factory=list)
    changed: Pairs = field(default_factory=list)
    leaves: dict[Key, Key] = field(default_factory=dict)


def match_graphs(first: Graph, second: Graph) -> Matching:
    """Match the operations and leaves of two graphs."""
    sides = _Side(first), _Side(second)
    known = _match_known_leaves(*sides)
    interned: dict[Hashable, int] = {}
    for side, names in zip(sides, (list(known), list(known.values())), strict=True):
        side.number_leaves({name: number for number, name in enumerate(names)})
        side.label(interned)
        side.look_around(interned)
    order = list(range(len(sides[1].operations)))
    if np.array_equal(sides[0].above[0], sides[1].above[0]):
        return _complete(list(zip(order, order, strict=True)), order, *sides, known)
    for side in sides:
        side.look_near(interned)
    other = _order_like(*sides)
    found = [(_align(*sides, order), order), (_align(*sides, other), other)]
    best, order = max(found, key=lambda pair: _worth(pair[0], *sides))
    return _complete(best, order, *sides, known)


# ── what is compared ─────────────────────────────────────────────────────────────────────────
class _Side:
    """One graph, with a number for each operation that is equal where operations are."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.operations = list(graph.operations)
        self.place = {op.serial: i for i, op in enumerate(self.operations)}
        self.taken = [operands(op) for op in self.operations]
        self.leaf_number: dict[Key, Hashable] = {}
        self.labels = np.zeros(0, np.int64)
        self.coarse = np.zeros(0, np.int64)
        self.users: list[list[tuple[int, int, int]]] = [[] for _ in self.operations]
        self.ends: list[list[tuple[int, int]]] = [[] for _ in self.operations]
        self.above: list[np.ndarray] = []
        self.below: list[np.ndarray] = []

    def leaves(self) -> list[Tensor]:
        """Return the leaves, in order of creation."""
        return sorted([*self.graph.inputs, *self.graph.parameters], key=lambda x: x.serial)

    def number_leaves(self, known: dict[Key, int]) -> None:
        """Remember what leaves are equal to: their match, or what they look like."""
        self.leaf_number = {
            key(x): ("match", known[key(x)]) if key(x) in known else describe_leaf(x)
            for x in self.leaves()
        }

    def label(self, interned: dict[Hashable, int]) -> None:
        """Number the operations, finely and coarsely."""
        paths: dict[Any, str] = {}
        fine, coarse = [], []
        for op, taken in zip(self.operations, self.taken, strict=True):
            scope = scope_of(op)
            if scope not in paths:
                paths[scope] = f"{op.phase}:{scope_path(scope)}"
            label = describe_operation(op, taken, paths[scope])
            fine.append(interned.setdefault(label, len(interned)))
            rough = ("rough", id(op.primitive), paths[scope])
            coarse.append(interned.setdefault(rough, len(interned)))
        self.labels, self.coarse = np.array(fine, np.int64), np.array(coarse, np.int64)

    def look_around(self, interned: dict[Hashable, int]) -> None:
        """Number all that each operation is computed from, and all that it is used for."""
        for i, taken in enumerate(self.taken):
            for position, x in enumerate(taken):
                if _is_made(x, self):
                    self.users[self.place[x.serial]].append((i, position, x.index))
        for number, y in enumerate(self.graph.outputs):
            if y.serial in self.place:
                self.ends[self.place[y.serial]].append((number, y.index))
        labels = self.labels.tolist()
        whole = [0] * len(labels)
        for i in range(len(labels)):
            whole[i] = self._look_above(i, whole, labels, interned)
        self.above = [np.array(whole, np.int64)]
        for i in reversed(range(len(labels))):
            whole[i] = self._look_below(i, whole, labels, interned)
        self.below = [np.array(whole, np.int64)]

    def look_near(self, interned: dict[Hashable, int]) -> None:
        """Number the near surroundings of each operation."""
        labels = self.labels.tolist()
        for near, look in ((self.above, self._look_above), (self.below, self._look_below)):
            now = labels
            for _ in RADII:
                now = [look(i, now, labels, interned) for i in range(len(labels))]
                near.append(np.array(now, np.int64))

    def _look_above(
        self, i: int, known: list[int], labels: list[int], interned: dict[Hashable, int]
    ) -> int:
        """Return the number of an operation with what it takes."""
        seen: list[Hashable] = ["above", labels[i]]
        for x in self.taken[i]:
            if type(x) is Tensor and x.serial in self.place:
                seen.append((known[self.place[x.serial]], x.index))
            elif type(x) is Tensor:
                seen.append(self.leaf_number.get(key(x)))
        return interned.setdefault(tuple(seen), len(interned))

    def _look_below(
        self,
        i: int,
        known: list[int],
        labels: list[int],
        interned: dict[Hashable, int],
    ) -> int:
        """Return the number of an operation with what takes it."""
        taking = sorted((known[user], position, index) for user, position, index in self.users[i])
        seen = ("below", labels[i], tuple(taking), tuple(self.ends[i]))
        return interned.setdefault(seen, len(interned))


def describe_operation(op: Operation, taken: Sequence[Any], path: str) -> Hashable:
    """Return everything in which the same operations agree."""
    made = op._record
    results = (made,) if isinstance(made, Tensor) else made.arrays
    return (
        id(op.primitive),
        path,
        tuple([(name, freeze(value)) for name, value in sorted(made._params.items())]),
        tuple(map(_describe_operand, taken)),
        tuple([(y.shape, y.dtype) for y in results]),
        made.name if isinstance(made, Tensor) else None,
    )


def _describe_operand(x: Any) -> Hashable:
    """Return the kind of an operand: a number in full, of arrays and tensors shape and type."""
    if type(x) is Tensor:
        return "tensor", x.shape, x.dtype
    if isinstance(x, np.ndarray) and x.ndim:
        return "array", x.shape, x.dtype
    return "number", freeze(x)


def describe_leaf(x: Tensor) -> Hashable:
    """Return everything in which the same leaves agree, but for their values."""
    return x.requires_grad, x.name, x.shape, x.dtype


def freeze(value: Any) -> Hashable:
    """Return something hashable that is equal for equal parameters only.

    An object of another kind than numbers, texts, arrays and collections of them is equal to itself
    only.

    >>> freeze([1, 2.0]) == freeze([1, 2.0]), freeze(1) == freeze(1.0), freeze(1) == freeze(True)
    (True, False, False)
    """
    if value is None or value is Ellipsis or isinstance(value, (bool, int, str, bytes)):
        return type(value).__name__, value
    if isinstance(value, (float, complex, np.dtype)):
        return type(value).__name__, repr(value)
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        return "array", value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, (tuple, list)):
        return type(value).__name__, tuple(map(freeze, value))
    if isinstance(value, dict):
        return "dict", tuple((freeze(name), freeze(x)) for name, x in value.items())
    if isinstance(value, slice):
        return "slice", freeze((value.start, value.stop, value.step))
    return "object", id(value)


# ── aligning ─────────────────────────────────────────────────────────────────────────────────
def _align(first: _Side, second: _Side, order: list[int]) -> Pairs:
    """Return the places of matching operations; `order` is that of the second graph."""
    picked = np.array(order, np.int64)
    start, (n, m) = 0, (len(first.operations), len(order))
    while start < min(n, m) and first.above[0][start] == second.above[0][picked[start]]:
        start += 1
    end = 0
    while (
        end < min(n, m) - start
        and first.below[0][n - 1 - end] == second.below[0][picked[m - 1 - end]]
    ):
        end += 1
    here, there = np.arange(start, n - end), picked[start : m - end]
    found = [(i, order[i]) for i in range(start)]
    found += _align_parts(first, second, here, there, coarse=False)
    return found + [(n - i, order[m - i]) for i in range(end, 0, -1)]


def _align_parts(
    first: _Side, second: _Side, here: np.ndarray, there: np.ndarray, *, coarse: bool
) -> Pairs:
    """Align two lists of operations; if they are too long, piece by piece."""
    if not len(here) or not len(there):
        return []
    if len(here) * len(there) <= MOST_CELLS:
        return _align_table(first, second, here, there, coarse=coarse)
    cuts = [] if coarse else _sure_matches(first, second, here, there)
    found: Pairs = []
    i = j = 0
    for a, b in [*cuts, (len(here), len(there))]:
        found += _align_piece(first, second, here[i:a], there[j:b], coarse=coarse)
        if a < len(here):
            found.append((int(here[a]), int(there[b])))
        i, j = a + 1, b + 1
    return found


def _align_piece(
    first: _Side, second: _Side, here: np.ndarray, there: np.ndarray, *, coarse: bool
) -> Pairs:
    """Align two lists without sure matches; only if they differ much, in even pieces."""
    if len(here) * len(there) > MOST_CELLS:
        ours, theirs = (first.coarse, second.coarse) if coarse else (first.labels, second.labels)
        greedy = align_greedily(ours[here].tolist(), theirs[there].tolist())
        if greedy is not None:
            return [(int(here[i]), int(there[j])) for i, j in greedy]
    pieces = -(-len(here) * len(there) // MOST_CELLS)
    parts = int(np.ceil(np.sqrt(pieces))) if pieces > 1 else 1
    found: Pairs = []
    for one, other in zip(np.array_split(here, parts), np.array_split(there, parts), strict=True):
        if len(one) and len(other):
            found += _align_table(first, second, one, other, coarse=coarse)
    return found


def align_greedily(ours: list[int], theirs: list[int]) -> Pairs | None:
    """Return a longest common subsequence of lists that differ little; None if they differ much.

    Source: Myers 1986, "An O(ND) difference algorithm and its variations".

    >>> align_greedily([1, 2, 3], [1, 3])
    [(0, 0), (2, 1)]
    """
    n, m = len(ours), len(theirs)
    ends = {1: 0}  # diagonal i − j → how far a path with so many edits comes
    trail = []
    for edits in range(MOST_EDITS + 1):
        trail.append(dict(ends))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and ends[k - 1] < ends[k + 1])
            i = ends[k + 1] if down else ends[k - 1] + 1
            while i < n and i - k < m and ours[i] == theirs[i - k]:
                i += 1
            ends[k] = i
            if i >= n and i - k >= m:
                return _follow_trail(trail, n, m)
    return None


def _follow_trail(trail: list[dict[int, int]], n: int, m: int) -> Pairs:
    """Return the matches on the way back from the end of both lists."""
    found: Pairs = []
    i, k = n, n - m
    for edits in reversed(range(len(trail))):
        ends = trail[edits]
        down = k == -edits or (k != edits and ends[k - 1] < ends[k + 1])
        start = ends[k + 1] if down else ends[k - 1] + 1
        found += [(x, x - k) for x in range(i - 1, start - 1, -1)]
        k = k + 1 if down else k - 1
        i = ends[k]
    return found[::-1]


def _sure_matches(first: _Side, second: _Side, here: np.ndarray, there: np.ndarray) -> Pairs:
    """Return places of operations whose surroundings are equal and unique, in both orders."""
    found: dict[int, int] = {}
    for ours, theirs in ((first.below[0], second.below[0]), (first.above[0], second.above[0])):
        values, at, count = np.unique(ours[here], return_index=True, return_counts=True)
        unique = dict(zip(values[count == 1].tolist(), at[count == 1].tolist(), strict=True))
        values, at, count = np.unique(theirs[there], return_index=True, return_counts=True)
        for value, place in zip(values[count == 1].tolist(), at[count == 1].tolist(), strict=True):
            if value in unique:
                found[unique[value]] = place
    return _longest_increasing(sorted(found.items()))


def _longest_increasing(pairs: Pairs) -> Pairs:
    """Return a longest part of sorted pairs whose second places increase, too."""
    from bisect import bisect_left

    tails: list[int] = []
    ends: list[int] = []
    before = [-1] * len(pairs)
    for number, (_, place) in enumerate(pairs):
        at = bisect_left(tails, place)
        before[number] = ends[at - 1] if at else -1
        tails[at : at + 1], ends[at : at + 1] = [place], [number]
    found: Pairs = []
    number = ends[-1] if ends else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _align_table(
    first: _Side, second: _Side, here: np.ndarray, there: np.ndarray, *, coarse: bool
) -> Pairs:
    """Align two lists by dynamic programming: the most matches, then the most equal surroundings.

    Row i, column j of the table is the best worth of the first i and the first j operations.
    """
    most = BONUS * 2 * (len(RADII) + 1) * min(len(here), len(there)) + 1
    ours, theirs = (first.coarse, second.coarse) if coarse else (first.labels, second.labels)
    looks = list(zip([*first.above, *first.below], [*second.above, *second.below], strict=True))
    columns = theirs[there]
    table = np.zeros((len(here) + 1, len(there) + 1), np.int64)
    for i, a in enumerate(here):
        alike = np.flatnonzero(columns == ours[a])
        row = table[i].copy()
        if len(alike):
            b = there[alike]
            worth = np.full(len(alike), most, np.int64)
            for mine, others in looks:
                worth += BONUS * (others[b] == mine[a])
            row[alike + 1] = np.maximum(row[alike + 1], table[i, alike] + worth)
        np.maximum.accumulate(row, out=table[i + 1])
    found: Pairs = []
    i, j = len(here), len(there)
    while i and j:
        if table[i, j] == table[i - 1, j]:
            i -= 1
        elif table[i, j] == table[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            found.append((int(here[i]), int(there[j])))
    return found[::-1]


def _order_like(first: _Side, second: _Side) -> list[int]:
    """Return an order of the second graph in which what looks like the first comes as there."""
    wanted: dict[int, int] = {}
    below, above = (first.below[0], second.below[0]), (first.above[0], second.above[0])
    both = [
        list(zip(a.tolist(), b.tolist(), strict=True)) for a, b in zip(above, below, strict=True)
    ]
    for ours, theirs in ((*below,), (*above,), both):  # the last one is the surest
        places: dict[Hashable, list[int]] = {}
        for i, value in enumerate(ours):
            places.setdefault(value, []).append(i)
        seen: Counter[Hashable] = Counter()
        for j, value in enumerate(theirs):
            known = places.get(value, [])
            if seen[value] < len(known):
                wanted[j] = known[seen[value]]
                seen[value] += 1
    rank = [0] * len(second.operations)
    waiting = [0] * len(rank)
    after: list[list[int]] = [[] for _ in rank]
    for j, taken in enumerate(second.taken):
        before = {second.place[x.serial] for x in taken if _is_made(x, second)}
        rank[j] = wanted.get(j, max((rank[i] for i in before), default=0))
        waiting[j] = len(before)
        for i in before:
            after[i].append(j)
    ready = [(rank[j], j) for j, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        _, j = heappop(ready)
        order.append(j)
        for k in after[j]:
            waiting[k] -= 1
            if not waiting[k]:
                heappush(ready, (rank[k], k))
    return order


def _is_made(x: Any, side: _Side) -> bool:
    """Is an operand the result of an operation of a graph?"""
    return type(x) is Tensor and x.serial in side.place


def _worth(pairs: Pairs, first: _Side, second: _Side) -> tuple[int, int]:
    """Return how many operations match, and how many of their arrows do."""
    partner = dict(pairs)
    kept = 0
    for i, j in pairs:
        kept += first.ends[i] == second.ends[j]
        for x, y in zip(first.taken[i], second.taken[j], strict=True):
            if _is_made(x, first) and _is_made(y, second):
                maker = partner.get(first.place[x.serial])
                kept += maker == second.place[y.serial] and x.index == y.index
            elif type(x) is Tensor and type(y) is Tensor and x.is_leaf and y.is_leaf:
                kept += first.leaf_number[key(x)] == second.leaf_number[key(y)]
    return len(pairs), kept


def _complete(
    same: Pairs, order: list[int], first: _Side, second: _Side, known: dict[Key, Key]
) -> Matching:
    """Add the changed operations between the matches, and the leaves of matching operations."""
    at = {j: place for place, j in enumerate(order)}
    picked = np.array(order, np.int64)
    changed: Pairs = []
    i = j = 0
    for a, b in [*((i, at[j]) for i, j in same), (len(first.operations), len(order))]:
        here, there = np.arange(i, a), picked[j:b]
        changed += _align_parts(first, second, here, there, coarse=True)
        i, j = a + 1, b + 1
    missed = [pair for pair in changed if first.labels[pair[0]] == second.labels[pair[1]]]
    same = sorted(same + missed)  # of graphs that were cut in pieces
    changed = [x for x in changed if first.labels[x[0]] != second.labels[x[1]]]
    leaves = _match_leaves(same, changed, first, second, known)
    ordered = [second.operations[j] for j in order]
    return Matching(
        first.operations,
        ordered,
        [(i, at[j]) for i, j in same],
        [(i, at[j]) for i, j in changed],
        leaves,
    )


# ── leaves ───────────────────────────────────────────────────────────────────────────────────
def _match_known_leaves(first: _Side, second: _Side) -> dict[Key, Key]:
    """Match the leaves that are one tensor, have one origin, or one name that no others have."""
    found: dict[Key, Key] = {}
    ours, theirs = first.leaves(), second.leaves()
    for identify in (
        lambda x, graph: key(x),
        lambda x, graph: graph.origins.get(key(x)),
        lambda x, graph: x.name,
    ):
        taken = set(found.values())
        places: dict[Hashable, list[Tensor]] = {}
        for y in theirs:
            if key(y) not in taken:
                places.setdefault(identify(y, second.graph), []).append(y)
        names = [identify(x, first.graph) for x in ours if key(x) not in found]
        counts = Counter(names)
        for x in ours:
            if key(x) in found:
                continue
            name = identify(x, first.graph)
            others = places.get(name, [])
            if name is not None and counts[name] == 1 and len(others) == 1:
                found[key(x)] = key(others[0])
    return found


def _match_leaves(
    same: Pairs, changed: Pairs, first: _Side, second: _Side, known: dict[Key, Key]
) -> dict[Key, Key]:
    """Match the other leaves by the operations that take them; most uses first, then by order."""
    votes: Counter[tuple[Key, Key]] = Counter()
    alike: dict[tuple[Key, Key], bool] = {}
    found, used = dict(known), set(known.values())
    for i, j in (*same, *changed):
        for x, y in zip(first.taken[i], second.taken[j], strict=False):
            if not (type(x) is Tensor and x.is_leaf and type(y) is Tensor and y.is_leaf):
                continue
            if key(x) not in found and key(y) not in used and x.name == y.name:
                votes[key(x), key(y)] += 1
                alike[key(x), key(y)] = describe_leaf(x) == describe_leaf(y)
    ranked = sorted(votes, key=lambda pair: (not alike[pair], -votes[pair], pair))
    for mine, other in ranked:
        if mine not in found and other not in used:
            found[mine] = other
            used.add(other)
    return found
