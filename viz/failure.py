"""A picture of an error: what was recorded until it was raised, and what did not fit.

The traceback of the error still holds the operation that failed, and its operands. An operation
that has no result stands in the picture with its operands' shapes; the error's text is below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from inspect import getfile
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.contexts import serials
from autograd_mini.core.graph import Graph
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from autograd_mini.core.record import Record, Scope, value_of
from autograd_mini.core.tensor import Tensor

from .errors import PictureError
from .graphs.graph_views import graph_picture
from .graphs.operations import OperationsView
from .graphs.scopes import Open
from .picture import Direction, Picture
from .texts import clean_text, format_shape

PACKAGE: Final = Path(getfile(Tensor)).parents[1]
"""Frames of code in this folder are the library's."""

PASSING_ON: Final = frozenset({"__call__", "__array_function__", "__array_ufunc__", "call"})
"""Functions of the library that only pass a call on."""

LONGEST: Final = 60
"""Characters in a line of an error's text."""

MOST_LINES: Final = 4
"""Lines of an error's text in the picture; its tooltip has more of it."""

LONGEST_TEXT: Final = 1000
"""Characters in a tooltip."""


def failure_picture(
    error: BaseException,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
) -> Picture:
    """Draw the graph up to the operation that raised an error, with that operation marked.

    Args:
        error: as caught by `except … as error`, or `sys.last_value` in a notebook.
        limit: about how many boxes to draw at most.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.

    Raises:
        PictureError: if no operation on tensors raised the error.
    """
    found = _find_failure(error)
    if found is None:
        raise PictureError(
            f"{type(error).__name__} was not raised by an operation on tensors, so there is no "
            "graph to draw; catch the error where it is raised: except ValueError as error: "
            "viz.render(error, path)"
        )
    failed, made = found
    title = title or f"What ran before the {type(error).__name__}"
    picture, view = graph_picture(Graph(failed), "operations", limit, direction, title, open)
    return _mark_failure(picture, view, failed, error, made)


def _find_failure(error: BaseException) -> tuple[Tensor, bool] | None:
    """Return a tensor of the operation that failed, and whether it has a result.

    The deepest frame that applies a primitive knows it best. Errors of checks before it, as for a
    target of another shape, come from a function of the library with tensors among its arguments:
    the first one that users know by name.
    """
    frames = list(_frames_of(error))
    for frame in reversed(frames):
        inside = frame.f_locals
        vertex = inside.get("vertex")
        if frame.f_code.co_name == "_look_at_rule" and isinstance(vertex, (Tensor, Record)):
            return (vertex if isinstance(vertex, Tensor) else vertex.output(0)), True
        primitive = inside.get("primitive")
        if isinstance(primitive, Primitive):
            operands = inside.get("operands") or [inside[k] for k in ("a", "b") if k in inside]
            result = inside.get("results")
            if isinstance(result, Tensor):
                return result, True
            if any(isinstance(x, Tensor) for x in operands):
                params = inside.get("params") or {}
                return _stand_in(primitive, tuple(operands), params, inside.get("scope")), False
    layer = None
    for frame in frames:
        code, inside = frame.f_code, frame.f_locals
        if not Path(code.co_filename).is_relative_to(PACKAGE) or code.co_name in PASSING_ON:
            continue
        taken = [inside.get(name) for name in code.co_varnames[: code.co_argcount]]
        arrays = tuple(x for x in taken if isinstance(x, (Tensor, np.ndarray)))
        if not any(isinstance(x, Tensor) for x in arrays):
            continue
        if code.co_name != "forward":
            name = code.co_name.removesuffix("_function")
            return _stand_in(_primitive_named(name), arrays), False
        layer = _stand_in(_primitive_named(type(taken[0]).__name__), arrays)
    return None if layer is None else (layer, False)


def _frames_of(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of an error's traceback, the user's first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _primitive_named(name: str) -> Primitive:
    """Return the primitive of a function, or one that only has its name."""
    found = PRIMITIVES.get(name)
    return found or replace(PRIMITIVES["alias"], name=name, symbol=name)


def _stand_in(
    primitive: Primitive,
    operands: tuple[Any, ...],
    params: dict[str, Any] | None = None,
    scope: Scope | None = None,
) -> Tensor:
    """Return a tensor for the result that an operation does not have."""
    tensor = Tensor()
    tensor._value = Absent((), np.dtype(float))
    tensor._requires_grad = False
    tensor._primitive, tensor._operands, tensor._params = primitive, operands, params or {}
    tensor._scope = scope
    tensor.serial = next(serials)
    tensor.grad = tensor.name = None
    return tensor


def _mark_failure(
    picture: Picture, view: OperationsView, failed: Tensor, error: BaseException, made: bool
) -> Picture:
    """Mark the operation that failed, its operands, and write the error in place of its result."""
    box = next((b for part, b in view.box_of_part.items() if failed.op in part.operations), None)
    ends = {b for y, b in view.box_of_output if y is failed or y.serial == failed.serial}
    words = _error_lines(error)
    for place, one in enumerate(picture.boxes):
        if one.id == box:
            shapes = [format_shape(np.asarray(value_of(x))) or "number" for x in failed._operands]
            lines = one.lines if made else (*one.lines, " and ".join(shapes))
            picture.boxes[place] = replace(one, role="failed", lines=lines, first=True)
        elif one.id in ends:
            picture.boxes[place] = replace(
                one,
                role="error",
                lines=words,
                tooltip=clean_text(str(error), LONGEST_TEXT, MOST_LINES),
                tensors=(),
            )
    for place, arrow in enumerate(picture.arrows):
        if arrow.head == box:
            picture.arrows[place] = replace(arrow, lit="failed")
    return picture


def _error_lines(error: BaseException) -> tuple[str, ...]:
    """Write the kind of an error and the beginning of its text, in short lines."""
    words, lines = str(error).split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 1 > LONGEST:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]} …"]
    return (type(error).__name__, *(clean_text(line, LONGEST + 2) for line in lines if line))
