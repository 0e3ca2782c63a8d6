"""Faults in arrays: a cotangent or operand is transposed, cut, summed wrongly or split wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report import Kind
from .formula import Formula, Vertex, apply_rules, name_of, place_of
from .reductions import simple_factors
from .step_faults import (
    PASSED,
    BackwardStep,
    Fault,
    alter_operand_cotangent,
    alter_result_cotangent,
    array_of,
    multiply_by,
)

if TYPE_CHECKING:
    from ...core.arrays import Array
    from ...core.tensor import Tensor

Move = tuple[str, Kind, Callable[[Any], Any]]
"""A change of an array: its name, the kind of mistake, and the function."""

REDUCING = ("max", "min", "prod", "sum", "mean")
"""Operations that combine several entries."""


MOST_PARTS = 8
"""Parts beyond this many are not compared with each other."""


def _array_mistakes(shape: tuple[int, ...], is_complex: bool) -> Iterator[Move]:
    """Yield changes of an array that keep its shape."""
    if is_complex:
        yield "conjugated", Kind.CONJUGATED, np.conj
    for i, j in combinations(range(len(shape)), 2):
        if shape[i] == shape[j] > 1:
            how = "transposed" if len(shape) == 2 else f"transposed (axes {i} and {j} swapped)"
            yield how, Kind.TRANSPOSED, partial(np.swapaxes, axis1=i, axis2=j)
    for axis, length in enumerate(shape):
        along = f" along axis {axis}" if len(shape) > 1 else ""
        if length > 1:
            yield f"flipped, in reversed order{along}", Kind.MOVED, partial(np.flip, axis=axis)
        if length > 2:
            for shift in (1, -1):
                how = f"shifted by {shift}, off by one{along}"
                yield how, Kind.MOVED, partial(np.roll, shift=shift, axis=axis)


def _array_cuts(shape: tuple[int, ...]) -> Iterator[Move]:
    """Yield changes that drop or add up parts of an array."""
    for axis, length in enumerate(shape):
        if length < 2:
            continue
        along = f"along axis {axis}" if len(shape) > 1 else "of it"
        where = np.arange(length).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        for text, kept in (
            (f"cut to the last one {along}: only the last counts", where == length - 1),
            (f"cut to the first one {along}: only the first counts", where == 0),
            (f"without the last one {along}, which is dropped", where < length - 1),
            (f"without the first one {along}, which is dropped", where > 0),
        ):
            yield text, Kind.TERM, partial(np.multiply, kept)
        how = f"summed over axis {axis}, and the sum given to each"
        yield how, Kind.SUM, partial(_sum_to_each, axis=axis)
        yield f"without its mean {along}", Kind.TERM, partial(_subtract_mean, axis=axis)
    if len(shape) > 1 and shape[-1] == shape[-2] > 1:
        yield "cut to the lower triangle", Kind.TERM, np.tril
        yield "cut to the upper triangle", Kind.TERM, np.triu
        yield "added to its transpose, as for a symmetric matrix", Kind.TERM, lambda x: x + x.mT
        yield "symmetric, half its sum with its transpose", Kind.TERM, lambda x: (x + x.mT) / 2


def _sum_to_each(x: np.ndarray, axis: int) -> np.ndarray:
    """Sum over an axis, and give the sum to each entry."""
    return np.broadcast_to(x.sum(axis, keepdims=True), x.shape)


def _subtract_mean(x: np.ndarray, axis: int) -> np.ndarray:
    """Subtract the mean over an axis."""
    return x - x.mean(axis, keepdims=True)


def cotangent_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults that rearrange or cut the cotangent passed back."""
    what = f"what comes back through {step.vertex._primitive.name}"
    where = f"{{name}} ({place_of(formula, step.vertex)})"
    for how, kind, move in (
        *_array_mistakes(step.x.shape, step.x.dtype.kind == "c"), *_array_cuts(step.x.shape),
    ):  # fmt: skip
        text = f"{what} is {how} in the gradient of {where}"
        yield Fault(kind, text, step.edges, alter_operand_cotangent(move))


def operand_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which a rule uses a rearranged operand or cotangent."""
    vertex = step.vertex
    if vertex._primitive.multiple or vertex._primitive.kind == "linear":
        return
    where = f"in the gradient of {{name}} ({place_of(formula, vertex)})"
    rows = [*vertex._operands, vertex]
    for place, x in enumerate(rows):
        array = np.asarray(array_of(x))
        named = "the cotangent" if place == len(rows) - 1 else name_of(x, formula)
        for how, kind, move in _array_mistakes(array.shape, array.dtype.kind == "c"):
            text = f"{named} is {how} in the derivative of {vertex._primitive.name}, {where}"
            alter = partial(_apply_rule_to_moved, place=place, move=move)
            yield Fault(kind, text, step.edges, alter)


def _apply_rule_to_moved(
    v: Vertex, p: int, g: Array, gx: Array, place: int, move: Callable[[Any], Array]
) -> Array:
    """Apply a rule with an operand rearranged, or the cotangent if the place is behind them."""
    xs = [array_of(a) for a in v._operands]
    if place == len(xs):
        return apply_rules(v, move(g), xs)[p]
    xs[place] = move(xs[place])
    return apply_rules(v, g, xs)[p]


def derivative_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which a simple expression replaces a derivative."""
    vertex = step.vertex
    moving = [x for x in vertex._operands if np.ndim(array_of(x))]
    if vertex._primitive.kind != "elementwise" or len(moving) != 1 or step.x.size < 3:
        return
    if vertex.shape != step.x.shape or vertex._primitive.name in PASSED:
        return
    name = vertex._primitive.name
    pairs = [("u", step.x._value), (f"{name}(u)", vertex._value)]
    for label, v in simple_factors(pairs):
        text = (
            f"{label} stands in the place of the derivative of {name} at u in the gradient of "
            f"{{name}} ({place_of(formula, vertex)})"
        )
        yield Fault(Kind.TERM, text, step.edges, alter_result_cotangent(multiply_by(v)))


def reduction_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which a reduction distributes its cotangent wrongly."""
    vertex, name = step.vertex, step.vertex._primitive.name
    if name not in REDUCING:
        return
    axes = tuple(a % step.x.ndim for a in vertex._params["axis"])
    count = int(np.prod([step.x.shape[a] for a in axes]))
    where = f"of {name} in the gradient of {{name}} ({place_of(formula, vertex)})"

    def spread(g: Array) -> Array:
        shape = [1 if a in axes else n for a, n in enumerate(step.x.shape)]
        return np.broadcast_to(np.reshape(g, shape), step.x.shape)

    def cut(g: Array, kept: np.ndarray) -> np.ndarray:
        return spread(g) * kept

    edges = step.edges
    extreme = "its mask is not applied: " if name in ("max", "min") else ""
    text = f"{extreme}each entry gets the whole cotangent {where}"
    yield Fault(Kind.TERM, text, edges, lambda v, p, g, gx: spread(g))
    text = f"{extreme}each entry gets the same share, 1/{count}, of the cotangent {where}"
    yield Fault(Kind.TERM, text, edges, lambda v, p, g, gx: spread(g) / count)
    text = f"each entry gets the cotangent times the result, not divided by the entry, {where}"
    yield Fault(Kind.TERM, text, edges, lambda v, p, g, gx: spread(g * v._value))
    for axis in axes:
        for k in (0, -1):
            chosen = np.arange(step.x.shape[axis]) == k % step.x.shape[axis]
            kept = chosen.reshape([-1 if a == axis else 1 for a in range(step.x.ndim)])
            first = "first" if k == 0 else "last"
            text = f"only the {first} entry along axis {axis} gets the cotangent {where}"
            yield Fault(Kind.TERM, text, edges, alter_result_cotangent(partial(cut, kept=kept)))


def indexing_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which places that an index repeats are not added up."""
    vertex = step.vertex
    if vertex._primitive.name != "getitem":
        return
    where = f"in the gradient of {{name}} ({place_of(formula, vertex)})"
    edges = step.edges
    if step.g.shape == step.x.shape:

        def again(v: Tensor, p: int, g: np.ndarray, gx: np.ndarray) -> np.ndarray:
            return v._primitive.forward(g, *map(array_of, v._operands[1:]), **v._params)

        text = f"the cotangent is indexed once more, not put back to where it came from, {where}"
        hint = "the permutation in place of its inverse, or gathered where it is scattered"
        yield Fault(Kind.TERM, f"{text}: {hint}", edges, again)
        text = f"the cotangent stays in the order of the result, it is not put back, {where}"
        yield Fault(Kind.TERM, text, edges, lambda v, p, g, gx: g)
    ones = apply_rules(vertex, np.ones_like(step.g))[step.position]
    if np.all(ones <= 1):
        return

    def one(v: Tensor, p: int, g: np.ndarray, gx: np.ndarray, last: bool = True) -> np.ndarray:
        out = np.zeros_like(gx).ravel()
        places = np.arange(out.size).reshape(gx.shape)
        at = v._primitive.forward(places, *map(array_of, v._operands[1:]), **v._params).ravel()
        pairs = list(zip(at, np.ravel(g), strict=True))
        for place, number in pairs if last else pairs[::-1]:
            out[place] = number
        return out.reshape(gx.shape)

    many = "entries that the index names more than once (repeated) are written, not added up:"
    yield Fault(Kind.TERM, f"{many} only the last use counts {where}", edges, one)
    yield Fault(
        Kind.TERM, f"{many} only the first use counts {where}", edges, partial(one, last=False)
    )
    text = f"entries that the index names more than once (repeated) are averaged {where}"
    yield Fault(Kind.TERM, text, edges, lambda v, p, g, gx: gx / np.maximum(ones, 1))


def broadcast_sum_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which a broadcast operand is not summed over the right axes."""
    vertex = step.vertex
    if not vertex._primitive.broadcasts or vertex._primitive.multiple:
        return
    raw = np.shape(apply_rules(vertex, step.g)[step.position])
    if raw == step.x.shape:
        return
    where = f"in the gradient of {{name}} ({place_of(formula, vertex)})"
    what = f"the gradient of {name_of(step.x, formula)}"
    for count in range(1, len(raw) + 1):
        for axes in combinations(range(len(raw)), count):
            left = [n for i, n in enumerate(raw) if i not in axes]
            if int(np.prod(left)) != step.x.size:
                continue
            for verb, reduce in (("summed", np.sum), ("averaged", np.mean)):
                alter = lambda v, p, g, gx, a=axes, r=reduce: r(
                    apply_rules(v, g)[p], axis=a
                ).reshape(gx.shape)
                over = f"axis {axes[0]}" if count == 1 else f"the axes {axes}"
                text = f"{what} is {verb} over {over} of {raw}, the wrong axis, {where}"
                if verb == "averaged":
                    text = f"{what} is averaged where a sum is meant, {where}"
                yield Fault(Kind.SUM, text, step.edges, alter)


def exchanged_part_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which two parts of a value get the cotangent of each other."""
    vertex = step.vertex
    if not vertex._primitive.multiple or not isinstance(step.g, list):
        return
    for i, j in combinations(range(min(len(step.g), MOST_PARTS)), 2):
        if np.shape(step.g[i]) != np.shape(step.g[j]):
            continue
        order = list(range(len(step.g)))
        order[i], order[j] = j, i
        alter = lambda v, p, g, gx, order=order: apply_rules(v, [g[k] for k in order])[p]
        text = (
            f"the gradients of the parts {i} and {j} are exchanged (swapped), by "
            f"{vertex._primitive.name}, in the gradient of {{name}} ({place_of(formula, vertex)})"
        )
        yield Fault(Kind.SWAPPED, text, step.edges, alter)


def reshape_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which axes are not put back, or numbers are read in another order."""
    name = step.vertex._primitive.name
    where = f"in the gradient of {{name}} ({place_of(formula, step.vertex)})"
    edges, shape = step.edges, step.x.shape
    if name in ("transpose", "swapaxes", "moveaxis", "permute_dims"):
        text = f"what comes back through {name} is not transposed back, only reshaped, {where}"
        yield Fault(
            Kind.TRANSPOSED, text, edges, partial(_reshape_in_order, shape=shape, order="C")
        )
    if name == "reshape" and step.x.ndim + step.vertex.ndim > 2:
        text = f"what comes back through {name} is read column by column, as if transposed, {where}"
        yield Fault(
            Kind.TRANSPOSED, text, edges, partial(_reshape_in_order, shape=shape, order="F")
        )


def _reshape_in_order(
    v: Tensor, position: int, g: Array, gx: np.ndarray, shape: tuple[int, ...], order: Any
) -> np.ndarray:
    """Reshape a cotangent, reading it by rows or by columns."""
    return np.reshape(np.ravel(g, order=order), shape)
