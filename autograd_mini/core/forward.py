"""The forward walks: along a recorded graph from arguments to outputs, one rule after the other.

`jvp_pass` carries tangents (forward mode), `batch_pass` carries a further axis (`vmap`). Both visit
the vertices between the arguments and the outputs in rising order of serial; with plain arrays they
compute, with tensors they record. What each operation does follows from its row of the table.

Tangents and batches are keyed by (serial, index): a vertex and which of its outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AutogradError, GradientError
from ..ops.conversion import astype, real
from ..ops.selection import where
from .arrays import scalar_if_0d
from .batch_rules import rule_of
from .contexts import run_quietly
from .record import Operation, Record, record_always
from .reverse import (
    Watch,
    backward_pass,
    current_values,
    current_watch,
    match_input,
    swap_convention,
    vertices_between,
)
from .tensor import Tensor, leaf
from .tensor import vertex_of as vertex_of

if TYPE_CHECKING:
    from .arrays import Array

Key = tuple[int, int]
Values = dict[Key, Any]


def key_of(tensor: Tensor) -> Key:
    """Return a tensor's vertex and which output it is."""
    return tensor.serial, tensor.index


def store_outputs(vertex: Record | Tensor, results: Any, values: Values) -> None:
    """Store the values of an operation's outputs."""
    if type(vertex) is not Record:
        values[vertex.serial, 0] = results
        return
    for index, result in enumerate(results):
        if result is not None:
            values[vertex.serial, index] = result


def jvp_pass(
    needed: Mapping[int, Tensor], tangents: Values, *, recorded: bool, exact: bool
) -> None:
    """Carry tangents from the arguments to the outputs.

    Args:
        needed: the vertices between them, by serial, as `vertices_between` finds them.
        tangents: those of the arguments; those of every vertex reached are added.
        recorded: whether the rules get tensors for inputs and outputs, or arrays.
        exact: whether a tangent of 0 means that nothing moves, so that 0 · ∞ is 0.
    """
    watch = current_watch()
    run_quietly(lambda: _push_vertices(needed, tangents, recorded, exact, watch))


def _push_vertices(
    needed: Mapping[int, Tensor], tangents: Values, recorded: bool, exact: bool, watch: Watch | None
) -> None:
    """Carry tangents through all vertices, the first recorded first."""
    for serial in sorted(needed):
        vertex = vertex_of(needed[serial])
        if vertex._primitive is None or (serial, 0) in tangents:
            continue
        operands = vertex._operands
        ts = [tangents.get(key_of(x)) if type(x) is Tensor else None for x in operands]
        if all(t is None for t in ts):
            continue
        xs = current_values(vertex)
        try:
            found = _tangents_of(vertex, ts, operands if recorded else xs, recorded, exact)
        except AutogradError:
            raise
        except Exception as error:
            error.add_note(f"in the tangent of {Operation(vertex)}")
            raise
        if found is not None:
            if watch is not None:
                watch(vertex, "the tangent", [t for t in ts if t is not None], found)
            store_outputs(vertex, found, tangents)


def push_through(vertex: Record | Tensor, ts: list[object]) -> Any:
    """Return the tangent of an operation's output, or of each; None where none.

    Args:
        vertex: the operation.
        ts: a tangent for each operand, None for an operand that does not move.
    """
    return _tangents_of(vertex, ts, current_values(vertex), recorded=False, exact=True)


def _tangents_of(
    vertex: Any, ts: list[object], xs: Sequence[object], recorded: bool, exact: bool
) -> Any:
    """Return the tangent of an operation's output, or of each, fitted to it; None where none."""
    primitive = vertex._primitive
    if type(vertex) is Record:
        y = [vertex.output(i) for i in range(len(vertex.arrays))] if recorded else vertex.arrays
        arrays = vertex.arrays
    else:
        y = vertex if recorded else vertex._value
        arrays = (vertex._value,)
    found = _apply_jvp(vertex, ts, y, xs, exact)
    if found is None:
        return None
    if not primitive.multiple:
        return _cast_tangent(found, arrays[0])
    if len(found) != len(arrays):
        raise GradientError(
            f"the jvp of {Operation(vertex)} returned {len(found)} tangents for {len(arrays)} "
            "outputs; expected one each"
        )
    return [None if t is None else _cast_tangent(t, a) for t, a in zip(found, arrays, strict=True)]


def _apply_jvp(
    vertex: Record | Tensor, ts: list[Any], y: object, xs: Sequence[Any], exact: bool
) -> Any:
    """Return the output's tangent by the row's own jvp, or as its kind says.

    Elementwise: a Jacobian is diagonal, so the vjp's formula serves; if zeros are exact, an operand
    that does not move adds nothing, even if its slope is infinite or NaN. Linear: the operation
    itself, of the tangents. Multilinear: the sum of it with one operand replaced. Others: see
    `_transpose_vjp`.
    """
    primitive, params = vertex._primitive, vertex._params
    if primitive.jvp is not None and not isinstance(primitive.jvp, tuple):
        return primitive.jvp(ts, y, *xs, **params)
    if primitive.kind == "elementwise" or primitive.jvp is not None:
        rules: Any = primitive.jvp or primitive.vjp
        moved = [
            _drop_unmoved(rule(t, y, *xs, **params), t) if exact else rule(t, y, *xs, **params)
            for rule, t in zip(rules, ts, strict=True)
            if rule is not None and t is not None
        ]
        return _add_tangents(moved)
    if primitive.kind == "linear":
        count = len(xs) if primitive.linear_in is None else primitive.linear_in
        if all(t is None for t in ts[:count]) or not primitive.differentiable:
            return None
        moving = [
            np.zeros_like(x)[()] if t is None else t
            for x, t in zip(xs[:count], ts[:count], strict=True)
        ]
        return primitive(*moving, *xs[count:], **params)
    if primitive.kind == "multilinear":
        return _add_tangents(
            [
                primitive(*xs[:i], t, *xs[i + 1 :], **params)
                for i, t in enumerate(ts)
                if t is not None
            ]
        )
    return _transpose_vjp(vertex, ts, y, xs)


def _drop_unmoved(part: Array, t: Array) -> Array:
    """Put 0 for NaN and infinity where the tangent t of the operand is 0."""
    if type(part) is not Tensor and np.isfinite(part).all():
        return part
    return where(np.logical_and(np.equal(t, 0), ~np.isfinite(part)), 0, part)


def _add_tangents(parts: Sequence[Array]) -> Array | None:
    """Add up tangents, which may have shapes that broadcast; None where there are none."""
    if not parts:
        return None
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result


def _transpose_vjp(vertex: Any, ts: Sequence[object], y: Any, xs: Sequence[object]) -> Any:
    """Return J·t where only g ↦ Jᵀ·g is known: it is linear in g, and its own transpose is J.

    The rule is recorded once with a g of zeros, and walked back from the inputs' cotangents.
    """
    primitive, params = vertex._primitive, vertex._params
    if not primitive.differentiable:
        return None
    outputs = y if primitive.multiple else [y]
    with record_always():
        gs = [
            leaf(np.zeros(h.shape, h.dtype)[()], requires_grad=h.dtype.kind in "fc")
            for h in outputs
        ]
        g: Any = gs if primitive.multiple else gs[0]
        rules = primitive.vjp
        if isinstance(rules, tuple):
            pulled = [
                None if rule is None or t is None else rule(g, y, *xs, **params)
                for rule, t in zip(rules, ts, strict=True)
            ]
        else:
            assert rules is not None
            pulled = rules(g, y, *xs, **params)
        ends: list[Any] = []
        seeds = []
        for position, (gx, x, t) in enumerate(zip(pulled, xs, ts, strict=True)):
            if t is None or gx is None or type(gx) is not Tensor or not gx._requires_grad:
                continue
            like = x._value if type(x) is Tensor else np.asarray(x)
            if gx.shape != like.shape or gx.dtype != like.dtype:
                gx = match_input(gx, like, vertex, position)
            ends.append(gx)
            seeds.append(swap_convention(t))
        needed = vertices_between(ends, {h.serial for h in gs})[0]
        recorded = any(type(t) is Tensor for t in (*ts, *xs))
        reached = backward_pass(ends, seeds, needed=needed, recorded=recorded)
    found = {h.serial: swap_convention(t) for h, t in reached}
    tangents = [found.get(h.serial) for h in gs]
    return tangents if primitive.multiple else tangents[0]


def _cast_tangent(t: Any, y: Array) -> Array:
    """Bring a tangent to the shape and dtype of its output."""
    if t.dtype.kind == "c" and y.dtype.kind != "c":
        t = real(t)
    if t.shape != y.shape:
        t = np.broadcast_to(t, y.shape)
        t = t if type(t) is Tensor else scalar_if_0d(np.array(t))
    return t if t.dtype == y.dtype else astype(t, y.dtype)


def batch_pass(needed: Mapping[int, Tensor], batches: Values, size: int, *, recorded: bool) -> None:
    """Compute the vertices between arguments and outputs for many examples at once.

    Args:
        needed: those vertices, by serial.
        batches: the arguments, with the new axis in front; every vertex reached is added.
        size: the length of the new axis.
        recorded: whether the operations are called with tensors, or with arrays.
    """
    watch = current_watch()
    for serial in sorted(needed):
        vertex = vertex_of(needed[serial])
        if vertex._primitive is None or (serial, 0) in batches:
            continue
        operands = vertex._operands
        found = [batches.get(key_of(x)) if type(x) is Tensor else None for x in operands]
        mapped = [x is not None for x in found]
        if not any(mapped):
            continue
        values = current_values(vertex)
        single = operands if recorded else values
        xs = [one if many is None else many for one, many in zip(single, found, strict=True)]
        primitive = vertex._primitive
        try:
            results = rule_of(primitive)(primitive, size, xs, mapped, vertex._params)
        except Exception as error:
            error.add_note(f"in vmap, for {size} examples of {Operation(vertex)}")
            raise
        if watch is not None:
            watch(vertex, "an example, after the first one,", xs, results)
        store_outputs(vertex, results, batches)
