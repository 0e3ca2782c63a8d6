"""Operations that keep the values: alias, copy, astype, stop_gradient, and assign to a leaf."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, as_array
from ..core.batch_rules import call_unchanged
from ..core.extraction import describe, tracing
from ..core.primitive import case, implements, linear
from ..core.record import assignment_recorder, context, record_nothing
from ..core.source_text import Written, dtype_text
from ..core.table import table
from ..core.tensor import Tensor, bind_all
from ..errors import OperandError, ShapeError, UnsupportedError
from .checks import without_gradient


def _cast_text(x: Written, dtype: np.dtype[np.generic]) -> str:
    """Write a cast; a number is cast by calling the type, ten times faster."""
    if x.shape == () and dtype.isnative and (x.dtype is None or x.dtype.kind != "c"):
        return f"{dtype_text(dtype)}({x})"
    return f"{x}.astype({dtype_text(dtype)})"


_unchanged = partial(linear, samples=(case((2, 3)),), batch=call_unchanged)

alias = _unchanged(
    lambda x: x,
    "=",
    "x under a new identity, so that it can be differentiated on its own.  ∂x: 1",
    name="alias",
    vjp=(lambda g, y, x: g,),
    view=True,
)
copy = linear(
    lambda x: x.copy(),
    "copy",
    "A copy of x.  ∂x: 1",
    name="copy",
    vjp=(lambda g, y, x: g,),
    samples=(case((2, 3)), case(())),
    batch=call_unchanged,
    into=lambda out, x: [f"{out}[...] = {x}"],
)
stop_gradient = without_gradient(
    lambda x: x,
    "stop",
    "x, recorded, without a gradient",
    name="stop_gradient",
    batch=call_unchanged,
    view=True,
)
conjugate = _unchanged(
    np.conjugate,
    "conj",
    "The complex conjugate; real x as it is.  ∂x: ḡ",
    vjp=(lambda g, y, x: np.conjugate(g),),
)
real = _unchanged(
    np.real,
    "Re",
    "The real part.  ∂x: g, which is real",
    vjp=(lambda g, y, x: g,),
    view=True,
    code=lambda x: f"{x}.real",
)
imag = _unchanged(
    np.imag,
    "Im",
    "The imaginary part.  ∂x: i·g; 0 for real x",
    vjp=(lambda g, y, x: g * -1j,),
    view=lambda x: x.dtype.kind == "c",
    code=lambda x: f"{x}.imag",
)
cast = linear(
    lambda x, *, dtype: x.astype(dtype),
    "cast",
    "x in another floating-point dtype.  ∂x: g, cast back by the walk",
    name="cast",
    vjp=(lambda g, y, x, dtype: g,),
    samples=(case((2, 3), dtype=np.dtype("f8")),),
    params=("dtype",),
    batch=call_unchanged,
    code=lambda x, dtype: _cast_text(x, dtype),
    into=lambda out, x, dtype: [f"{out}[...] = {x}"],
)
truncate = without_gradient(
    lambda x, *, dtype: x.astype(dtype),
    "cast",
    "x as integers or booleans.  No gradient",
    name="truncate",
    params=("dtype",),
    batch=call_unchanged,
    code=lambda x, dtype: f"{x}.astype({dtype_text(dtype)})",
    into=lambda out, x, dtype: [f"{out}[...] = {x}"],
)
set_leaf = without_gradient(
    lambda leaf, value: value,
    "←",
    "The new value of a leaf.  No gradient: a leaf has no history",
    name="assign",
    code=lambda leaf, value: f"np.array({value})",
    into=lambda out, leaf, value: [f"{out}[...] = {value}"],
)

table["stop_gradient"] = stop_gradient.call
rounded_number = without_gradient(
    lambda x, *, digits: round(x, digits),
    "round",
    "A Python number that a program is given, rounded.  No gradient",
    name="rounded_number",
    params=("digits",),
    listed=False,
)
conjugate_number = linear(
    lambda x: x.conjugate(),
    "conj",
    "The complex conjugate of a Python number that a program is given.  ∂x: ḡ",
    name="conjugate_number",
    vjp=(lambda g, y, x: np.conjugate(g),),
    samples=(),
    listed=False,
)
table[np.conjugate] = conjugate.call
table[np.real] = real.call
table[np.imag] = imag.call
table[np.copy] = lambda a, *args, **kwargs: copy(a)


@implements("astype", np.astype)
def astype(x: Numbers, dtype: np.typing.DTypeLike, *args: object, **kwargs: object) -> Any:
    """Convert the elements.  ∂x: g, cast back; none through integers or booleans.

    Raises:
        OperandError: for a dtype that holds no numbers, or none at all.
    """
    try:
        wanted = np.dtype(dtype)
    except TypeError as error:
        raise OperandError(f"astype: {error}; expected a dtype such as float") from error
    if wanted.kind not in "biufc":
        raise OperandError(
            f"astype: {wanted} values are not numbers; expected a dtype such as float, or take "
            "t.data.astype(...) for a plain array, a constant"
        )
    return (cast if wanted.kind in "fc" else truncate)(x, dtype=wanted)


def convert_operand(x: object, dtype: object) -> Array:
    """Convert any operand, a tensor or a plain number, to a dtype."""
    return astype(x if type(x) is Tensor else as_array(x), dtype)


@implements("assign")
def assign(leaf: Tensor, value: Numbers) -> None:
    """Give a leaf a new value; nothing changes if the value does not fit.

    Raises:
        UnsupportedError: if the tensor is the result of an operation.
        ShapeError, OperandError: if shape or kind of the value do not fit.
    """
    if leaf._primitive is not None:
        raise UnsupportedError(
            f"{describe(leaf)} is the result of an operation; only leaves can be assigned"
        )
    bind_all((leaf,), (_new_data(leaf, value),))


def _new_data(leaf: Tensor, value: object) -> Array:
    """Return the array that a leaf will hold, and report the assignment to the recorder.

    Raises:
        ShapeError, OperandError: if shape or kind of the value do not fit.
    """
    given = value if type(value) is Tensor else as_array(value)
    data = fitting(leaf, given)
    recorder = assignment_recorder()
    if recorder is not None:
        # Only a recorder of its own can see this operation: no tensor leads back to it.
        data = fitting(leaf, recorder(set_leaf, (leaf, given), {}))
    return as_array(data, copy=True)


def assign_all(leaves: Sequence[Tensor], values: Sequence[Any]) -> None:
    """Give several leaves new values: all of them or, if one does not fit, none.

    Ctrl-C does not come in between either. Arrays are taken as they are, not copied.

    Raises:
        ShapeError, OperandError: if shape or kind of a value do not fit.
    """
    ready = []
    for leaf, value in zip(leaves, values, strict=True):
        held = leaf._value
        if type(value) is Tensor or value.shape != held.shape or value.dtype is not held.dtype:
            value = fitting(leaf, value)
        ready.append(value)
    if assignment_recorder() is not None:
        ready = [_new_data(leaf, value) for leaf, value in zip(leaves, values, strict=True)]
    bind_all(leaves, ready)


def fitting(leaf: Tensor, value: Array) -> Array:
    """Return a tensor's or array's data in the dtype of a leaf.

    Raises:
        ShapeError, OperandError: if shape or kind do not fit.
    """
    data = value._value if type(value) is Tensor else value
    held = leaf._value
    if data.shape != held.shape:
        raise ShapeError(
            f"assign: {describe(leaf)} cannot take a value of shape {data.shape}; "
            "a leaf keeps its shape, make a new tensor instead"
        )
    if data.dtype == held.dtype:
        return data
    if not np.can_cast(data.dtype, held.dtype, "same_kind"):
        raise OperandError(f"assign: {data.dtype} values do not fit a {held.dtype} leaf")
    return data.astype(held.dtype)


@implements("round")
def round_as_python(x: Tensor, digits: int | None = None) -> Tensor:
    """Round as `round(x, digits)` does; the stand-in of a Python number stays one."""
    trace = tracing.get()
    if trace is not None and trace.is_number(x):
        return rounded_number(x, digits=digits)
    return table[np.round](x, digits or 0)


@implements("conjugate")
def conjugate_as_python(x: Tensor) -> Tensor:
    """Return x.conjugate(); the stand-in of a Python number stays one."""
    trace = tracing.get()
    if trace is not None and trace.is_number(x):
        return conjugate_number(x)
    return table[np.conjugate](x)


@implements("in_place")
def in_place(target: Tensor, result: Tensor) -> Tensor:
    """Finish `target += …`: assign to a leaf in no_grad, else the new tensor takes its name."""
    if result is NotImplemented:
        return result
    trace = tracing.get()
    if trace is not None:
        trace.refuse_write(target)
    if target._primitive is not None:
        return result
    if context.get()[0] is record_nothing and (trace is None or trace.effects):
        return target.assign(result)
    if target.requires_grad:
        raise UnsupportedError(
            f"{describe(target)} requires a gradient and cannot change while operations are "
            "recorded; write `with am.no_grad(): w -= …`, or let an optimizer change it, as "
            "am.optim.SGD"
        )
    return result
