"""How an operation takes a further axis: the rules that `vmap` applies along a graph.

A rule gets the primitive, the length of the new axis, the operands (those that are `mapped` have it
in front), and the parameters; it returns the result with the new axis in front. It is plain NumPy,
so on tensors it is recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .contexts import run_quietly

if TYPE_CHECKING:
    from .arrays import Array
    from .declaration import Batch
    from .primitive import Primitive

Params = dict[str, Any]
FRONT = (slice(None),)


def rule_of(primitive: Primitive) -> Batch:
    """Return the rule of a primitive: its own, that of its kind, or example after example."""
    if primitive.batch is not None:
        own: Batch = primitive.batch
        return own
    if primitive.kind == "elementwise":
        return elementwise
    return _along_axes if "axis" in primitive.params else one_by_one


def insert_axes(x: Array, ndim: int) -> Array:
    """Insert axes of length 1 behind the new one, so that an example has `ndim` axes."""
    missing = ndim + 1 - x.ndim
    return x if missing <= 0 else np.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:]))


def repeat_for_all(x: Array, size: int) -> np.ndarray:
    """Add the batch axis to an operand that is shared by all examples."""
    return np.broadcast_to(x, (size, *np.shape(x)))


def _all_mapped(size: int, xs: Sequence[Array], mapped: Sequence[bool]) -> list[object]:
    """Give every operand the new axis."""
    return [x if m else repeat_for_all(x, size) for x, m in zip(xs, mapped, strict=True)]


def elementwise(
    primitive: object, size: int, xs: Sequence[object], mapped: Sequence[bool], params: Params
) -> Array:
    """Align the examples' axes from the right, as broadcasting does without the new axis."""
    return leading(*(0,) * len(xs))(primitive, size, xs, mapped, params)


def leading(*core: int) -> Batch:
    """Make the rule of an operation over the last axes of stacks, which broadcast.

    `core` says how many axes each operand has in one element of the stack, 2 for a matrix.
    """

    def rule(
        primitive: Primitive, size: int, xs: Sequence[Array], mapped: Sequence[bool], params: Params
    ) -> Array:
        rows = list(zip(xs, mapped, core, strict=True))
        stack = max(np.ndim(x) - m - c for x, m, c in rows)
        return primitive(*(insert_axes(x, stack + c) if m else x for x, m, c in rows), **params)

    return rule


def call_unchanged(
    primitive: Primitive, size: int, xs: Sequence[object], mapped: Sequence[bool], params: Params
) -> np.ndarray:
    """Call it as it is: for operations of one operand that do not look at axes."""
    return primitive(*xs, **params)


def _along_axes(
    primitive: Primitive, size: int, xs: Sequence[Array], mapped: Sequence[bool], params: Params
) -> Array:
    """Count the parameter `axis` one further; negative ones are counted from the end anyway."""
    axis = params.get("axis")
    if axis is None:
        return one_by_one(primitive, size, xs, mapped, params)
    places = axis if isinstance(axis, tuple) else (axis,)
    moved = tuple(i + 1 if i >= 0 else i for i in places)
    return primitive(
        *_all_mapped(size, xs, mapped),
        **{**params, "axis": moved if isinstance(axis, tuple) else moved[0]},
    )


def to_shape(
    primitive: Primitive, size: int, xs: Sequence[Array], mapped: Sequence[bool], params: Params
) -> Array:
    """Put the new axis in front of the parameter `shape`."""
    shape = params["shape"]
    return primitive(insert_axes(xs[0], len(shape)), **{**params, "shape": (size, *shape)})


def prepend_to_shape(
    primitive: Primitive, size: int, xs: Sequence[object], mapped: Sequence[bool], params: Params
) -> Array:
    """Put the new axis in front of the parameter `shape`; leave the operand as it is."""
    return primitive(xs[0], **{**params, "shape": (size, *params["shape"])})


def prepend_to_axes(
    primitive: Primitive, size: int, xs: Sequence[object], mapped: Sequence[bool], params: Params
) -> np.ndarray:
    """Keep the new axis in front of the parameter `axes`."""
    return primitive(xs[0], **{**params, "axes": (0, *(i + 1 for i in params["axes"]))})


def one_by_one(
    primitive: Primitive, size: int, xs: Sequence[Array], mapped: Sequence[bool], params: Params
) -> Any:
    """Apply it to each example and stack the results: right for any operation, and slow."""

    def example(i: int) -> Array:
        return primitive(*(x[i] if m else x for x, m in zip(xs, mapped, strict=True)), **params)

    if not size:
        nothing = [
            placeholder_array(x.shape[1:], x.dtype) if m else x
            for x, m in zip(xs, mapped, strict=True)
        ]
        y = run_quietly(lambda: primitive(*nothing, **params), all="ignore")
        parts = y if primitive.multiple else (y,)
        empty = tuple(np.zeros((0, *np.shape(part)), part.dtype) for part in parts)
        return empty if primitive.multiple else empty[0]
    results = [example(i) for i in range(size)]
    if primitive.multiple:
        return tuple(np.stack(parts) for parts in zip(*results, strict=True))
    return np.stack(results)


def placeholder_array(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> np.ndarray:
    """Return values in place of an example when there are no examples: only their shape counts.

    Floating-point ones lie between ½ and 1, all different; square matrices have a large diagonal.
    """
    if dtype.kind not in "fc":
        return np.zeros(shape, dtype)[()]
    size = math.prod(shape)
    values = (0.5 + 0.5 * (np.arange(size) * 0.6180339887 % 1)).reshape(shape)
    if len(shape) > 1 and shape[-1] == shape[-2]:
        values = values + shape[-1] * np.eye(shape[-1])
    return values.astype(dtype)[()]
