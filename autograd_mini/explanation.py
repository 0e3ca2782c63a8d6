"""explain: the chain rule of one derivative, told path by path with the present numbers.

Every path of the graph from one element to the output carries a share of its derivative: the
product of the local derivatives along it. Where a step moves several numbers, the path carries
their tangents, and the shares add up in the last step. All shares together are the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .core.contexts import run_quietly
from .core.forward import jvp_pass, key_of, push_through, vertex_of
from .core.primitive import differentiable
from .core.record import Operation, Record, value_of
from .core.reverse import vertices_between
from .core.tensor import Tensor
from .core.visible import show_text
from .errors import ArgumentError, GradientError, IndexingError, OperandError

MOST_PATHS = 8
"""Paths that are told one by one, unless the caller asks for more."""

MOST_OPERANDS = 3
"""Other operands of a step that are written."""

MOST_STEPS = 10_000
"""Operands of the steps along paths that are followed until the rest is told as one sum."""

NUMBERS_PER_STEP = 1_000
"""So many numbers count as much as one operand."""

SHOWN_STEPS = 8
"""Steps that are written at each end of a path; those between them are counted."""

LONGEST_COUNT = 15
"""Digits of a count that is written in full."""

Key = tuple[int, int]
Users = dict[Key, list[tuple[Tensor | Record, int]]]
"""The operations that take a tensor, and at which place."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on a path.

    Attributes:
        operation: the operation.
        operand: the place of the operand through which the path comes, from 0.
        output: the index of the result through which it goes on.
        value: that result.
        moved: how many of its numbers move.
        factor: the local derivative where one number moves one number; otherwise None.
        move: how the result moves if the element grows by 1, if the result is one number.
        text: what the operation gave and how it moves, in words.
    """

    operation: Operation
    operand: int
    output: int
    value: Any
    moved: int
    factor: float | None
    move: float | complex | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """One path from the element to the output, and its share of the derivative."""

    steps: tuple[Step, ...]
    share: float

    def __str__(self) -> str:
        """Write the steps, of a long path both ends."""
        return "\n".join(
            f"    {item if isinstance(item, str) else item.text}" for item in self._shorten()
        )

    @property
    def product(self) -> str:
        """The share as a product of local derivatives; empty if they are not single numbers."""
        factors = [step.factor for step in self.steps]
        if len(factors) < 2 or None in factors:
            return ""
        parts = (x if isinstance(x, str) else _write_factor(x.factor or 0) for x in self._shorten())
        return " · ".join("…" if part.startswith("…") else part for part in parts)

    def _shorten(self) -> list[Step | str]:
        """Return the steps; in a long path a text stands for those in the middle."""
        between = len(self.steps) - 2 * SHOWN_STEPS
        if between < 2:
            return list(self.steps)
        text = f"… {between:,} more operations"
        factors = [step.factor for step in self.steps[SHOWN_STEPS:-SHOWN_STEPS]]
        if None not in factors:
            product = math.prod(f for f in factors if f is not None)
            text += f", together {_write(product)} times as much"
        return [*self.steps[:SHOWN_STEPS], text, *self.steps[-SHOWN_STEPS:]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The derivative of an output by one element, as a sum over paths.

    Attributes:
        output: what is differentiated.
        tensor, index: the element by which.
        value: that element, when it was explained.
        derivative: the whole derivative.
        paths: those that are told, the largest share first.
        others: how many more there are; `rest` is their share together.
    """

    output: Tensor
    tensor: Tensor
    index: tuple[int, ...]
    value: float
    derivative: float
    paths: tuple[Path, ...]
    others: int
    rest: float

    @property
    def element(self) -> str:
        """The element, as `w[0, 1]`."""
        name = show_text(self.tensor.name or "x", one_line=True)
        return f"{name}[{', '.join(map(str, self.index))}]" if self.index else name

    def __str__(self) -> str:
        name = show_text(self.output.name or "the output", one_line=True)
        head = f"∂({name})/∂{self.element} = {_write(self.derivative)}"
        head += f" at {self.element} = {_write(self.value)}"
        if not self.paths:
            return f"{head}. No path leads from it to {name}."
        if np.isfinite(self.derivative):
            head += f": near there, {name} changes {_write(self.derivative)} times as much"
        lines = [f"{head}."]
        for number, path in enumerate(self.paths, 1):
            product = f" = {path.product}" if path.product else ""
            lines += ["", f"Path {number}: its share is {_write(path.share)}{product}", str(path)]
        if self.others:
            lines += ["", f"{_write_count(self.others)}: {_write(self.rest)} together"]
        if len(self.paths) + self.others > 1:
            shares = [path.share for path in self.paths] + ([self.rest] if self.others else [])
            total = " + ".join(_write_factor(share) for share in shares)
            lines += ["", f"Together: {total} = {_write(self.derivative)}"]
        return "\n".join(lines)

    def draw(self, path: int = 0, **options: object) -> Any:
        """Draw the graph with one path lit; `options` are those of `viz.draw`.

        Raises:
            IndexingError: if no path of this number is told.
        """
        from .display import import_viz

        if not self.paths and path == 0:  # none to light
            return import_viz().draw(self, **options)
        if not _is_whole(path) or not 0 <= path < len(self.paths):
            raise IndexingError(
                f"path {path!r} is not told; expected a number from 0 to {len(self.paths) - 1}"
            )
        return import_viz().draw(replace(self, paths=(self.paths[path],)), **options)

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        bundle: dict[str, object] = {"text/plain": str(self)}
        if self.paths:
            bundle["image/svg+xml"] = self.draw().svg
        return bundle


def explain(
    output: Tensor, tensor: Tensor, index: int | Sequence[int] = (), *, paths: int = MOST_PATHS
) -> Explanation:
    """Tell the chain rule for the derivative of a scalar by one element, with the numbers.

    Args:
        output: a scalar, recorded.
        tensor: a tensor that it was computed from; one that requires a gradient, or any other.
        index: the element of the tensor; empty for a scalar.
        paths: how many paths are told one by one, the largest share first.

    Returns:
        the explanation: print it, or draw it.

    Raises:
        GradientError: if the output is not a scalar.
        IndexingError: for an index that the tensor does not have.
        OperandError: if one of them is not a tensor.

    >>> import autograd_mini as am
    >>> w, x = am.tensor(2.0, requires_grad=True, name="w"), am.tensor(3.0, name="x")
    >>> loss = (w * x - 5) ** 2
    >>> print(am.explain(loss, w))
    ∂(the output)/∂w = 6 at w = 2: near there, the output changes 6 times as much.
    <BLANKLINE>
    Path 1: its share is 6 = 3 · 1 · 2
        multiply with x = 3 gives 6, and moves 3 times as much
        subtract with 5 gives 1, and moves as much
        power with 2 gives 1, and moves 2 times as much
    """
    place = _check_element(output, tensor, index)
    if not _is_whole(paths) or paths < 1:
        raise ArgumentError(f"explain: paths must be a whole number from 1, got {paths!r}")
    return run_quietly(lambda: _explain_element(output, tensor, place, int(paths)), all="ignore")


def _explain_element(
    output: Tensor, tensor: Tensor, place: tuple[int, ...], most: int
) -> Explanation:
    """Find the derivative and the paths, after the arguments are checked."""
    start = np.zeros(tensor.shape, np.result_type(tensor.dtype, np.float32))
    start[place] = 1.0
    needed = vertices_between([output], {tensor.serial}, every=True)[0]
    tangents = {key_of(tensor): start[()]}
    jvp_pass(needed, tangents, recorded=False, exact=True)
    derivative = float(np.asarray(tangents.get(key_of(output), 0.0)).item())
    users = _find_users(needed)
    found, complete = _follow_paths(tensor, start[()], output, users)
    found.sort(key=lambda path: -abs(path.share) if path.share == path.share else -np.inf)
    told, untold = tuple(map(_tell_path, found[:most])), found[most:]
    if complete:
        others, rest = len(untold), sum(path.share for path in untold)
    else:
        others = _count_paths(tensor, output, users) - len(told)
        rest = derivative - sum(path.share for path in told)
    value = float(np.asarray(tensor._value)[place])
    return Explanation(output, tensor, place, value, derivative, told, others, rest)


def _tell_path(path: Path) -> Path:
    """Return a path with the texts that it shows, while the numbers are those of the derivative."""
    texts = {id(s): _describe_step(s) for s in path._shorten() if isinstance(s, Step)}
    steps = (replace(s, text=texts[id(s)]) if id(s) in texts else s for s in path.steps)
    return replace(path, steps=tuple(steps))


def _is_whole(x: object) -> bool:
    """Is it a whole number, and not a truth value?"""
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def _check_element(output: object, tensor: object, index: int | Sequence[int]) -> tuple[int, ...]:
    """Check what `explain` was given, and return the index without negative numbers."""
    for what, x in (("output", output), ("tensor", tensor)):
        if not isinstance(x, Tensor):
            raise OperandError(f"explain: the {what} must be a tensor, got {x!r:.60}")
    assert isinstance(output, Tensor)
    assert isinstance(tensor, Tensor)
    if output.size != 1 or output.dtype.kind != "f":
        raise GradientError(
            f"explain: the output has shape {output.shape} and dtype {output.dtype}; it must be "
            "one real number, as y.sum() or y[0]"
        )
    if tensor.dtype.kind != "f":
        raise GradientError(f"explain: the tensor is {tensor.dtype}; it must be real numbers")
    place: tuple[Any, ...] = tuple(index) if isinstance(index, (tuple, list)) else (index,)
    fits = len(place) == tensor.ndim and all(
        _is_whole(i) and -n <= i < n for i, n in zip(place, tensor.shape, strict=True)
    )
    if not fits:
        raise IndexingError(
            f"explain: index {place} is not that of an element of shape {tensor.shape}; give one "
            "whole number for each axis"
        )
    return tuple(int(i) % n for i, n in zip(place, tensor.shape, strict=True))


def _find_users(needed: Mapping[int, Tensor]) -> Users:
    """Return, for each tensor, the operations that take it, and at which place."""
    users: Users = {}
    for serial in sorted(needed):
        vertex = vertex_of(needed[serial])
        for position, x in enumerate(vertex._operands or ()):
            row = vertex._primitive
            flows = row.differentiable and differentiable(row, position)
            if flows and type(x) is Tensor and x.serial in needed:
                users.setdefault(key_of(x), []).append((vertex, position))
    return users


def _results_of(vertex: Tensor | Record) -> list[Key]:
    """Return the keys of an operation's results."""
    count = len(vertex.arrays) if type(vertex) is Record else 1
    return [(vertex.serial, i) for i in range(count)]


def _count_paths(tensor: Tensor, output: Tensor, users: Users) -> int:
    """Return how many paths lead from a tensor to the output."""
    counts: dict[Key, int] = {key_of(tensor): 1}
    waiting = [key_of(tensor)]  # a heap: operations are younger than their operands
    while waiting:
        key = heappop(waiting)
        if key == key_of(output):
            return counts[key]
        count = counts.pop(key)
        for vertex, _ in users.get(key, ()):
            for made in _results_of(vertex):
                if made not in counts:
                    heappush(waiting, made)
                counts[made] = counts.get(made, 0) + count
    return 0


def _follow_paths(
    tensor: Tensor, tangent: object, output: Tensor, users: Users
) -> tuple[list[Path], bool]:
    """Return paths from a tensor to the output, and whether they are all.

    Each path is followed to its end, the way on which most moves first, until they took MOST_STEPS
    together.
    """
    end, taken = key_of(output), 0
    found: list[Path] = []
    stack: list[tuple[Key, Any, Any]] = [(key_of(tensor), tangent, None)]
    while stack and (taken < MOST_STEPS or not found):
        key, tangent, link = stack.pop()
        if key == end:
            steps = []
            while link is not None:
                step, link = link
                steps.append(step)
            found.append(Path(tuple(steps[::-1]), float(np.real(np.asarray(tangent).item()))))
            continue
        ways = []
        for vertex, position in users.get(key, ()):
            numbers = sum(np.size(value_of(x)) for x in vertex._operands)
            taken += len(vertex._operands) + numbers // NUMBERS_PER_STEP
            ts: list[object] = [None] * len(vertex._operands)
            ts[position] = tangent
            moved = push_through(vertex, ts)
            values: tuple[object, ...]
            if type(vertex) is Record:
                values = vertex.arrays
            else:
                values, moved = (vertex._value,), (moved,)
            for made, value, t in zip(_results_of(vertex), values, moved, strict=True):
                if t is not None:
                    step = _make_step(vertex, position, made[1], value, tangent, t)
                    ways.append((float(np.max(np.abs(t), initial=0.0)), (made, t, (step, link))))
        ways.sort(key=lambda way: way[0])
        stack += [way for _, way in ways]
    return found, not stack


def _make_step(
    vertex: Tensor | Record,
    position: int,
    output: int,
    value: object,
    before: object,
    after: object,
) -> Step:
    """Describe a step by how its operand and its result move."""
    old, new = np.asarray(before), np.asarray(after)
    count, factor = int(np.count_nonzero(new)), None
    if np.count_nonzero(old) == 1 and count <= 1 and old.dtype.kind == new.dtype.kind == "f":
        ratio = float(new.sum() / old.sum())
        factor = ratio if np.isfinite(ratio) else None
    move = new.item() if new.size == 1 else None
    return Step(Operation(vertex), position, output, value, count, factor, move)


def _describe_step(step: Step) -> str:
    """Write one step: what the operation gives, and how it moves."""
    name = show_text(step.operation.type, one_line=True)
    taken, made = step.operation.inputs, step.operation.outputs
    if sum(key_of(x) == key_of(taken[step.operand]) for x in taken) > 1:
        name += f" (by operand {step.operand + 1} of {len(taken)})"
    name += _describe_others(step)
    if len(made) > 1:
        name += f", result {step.output + 1} of {len(made)},"
    shape = np.shape(step.value)
    plain = step.move is not None
    gives = _write(np.asarray(step.value).item()) if plain else f"{shape} numbers"
    if step.factor is not None:
        times = "as much" if step.factor == 1 else f"{_write(step.factor)} times as much"
        return f"{name} gives {gives}, and moves {times if step.factor else 'not at all'}"
    if step.move is not None:
        return f"{name} gives {gives}; the moves add up to {_write(step.move)}"
    return f"{name} gives {gives}, {step.moved} of which move"


def _describe_others(step: Step) -> str:
    """Write the other operands of a step: their names, and numbers or shapes."""
    found: list[str] = []
    for place, x in enumerate(step.operation.inputs):
        if place != step.operand and len(found) < MOST_OPERANDS:
            plain = x.ndim == 0 and x.dtype.kind in "fiub"
            text = _write(float(x._value)) if plain else str(x.shape)
            name = show_text(x.name, one_line=True) if x.name else ""
            found.append(f"{name}{' = ' if plain else ' '}{text}" if name else text)
    return f" with {', '.join(found)}" if found else ""


def _write(x: complex) -> str:
    """Write a number in four digits."""
    return f"{x:.4g}"


def _write_factor(x: float) -> str:
    """Write a number as it stands in a product or sum."""
    return f"({_write(x)})" if x < 0 else _write(x)


def _write_count(others: int) -> str:
    """Write how many more paths there are; of a huge number only the power of ten."""
    if others == 1:
        return "1 more path"
    digits = math.log10(others)
    return f"{others:,} more paths" if digits < LONGEST_COUNT else f"10^{digits:.0f} more paths"
