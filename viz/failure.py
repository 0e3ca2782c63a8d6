"""A picture of an error: what was recorded until it was raised, and what did not fit.

The traceback of the error still holds the operation that failed, and its operands. An operation
that has no result stands in the picture with its operands' shapes; the error's text is below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from inspect import CO_VARARGS, getfile
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.contexts import serials
from autograd_mini.core.graph import Graph
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from autograd_mini.core.record import Record
from autograd_mini.core.tensor import Tensor

from .errors import PictureError
from .graphs.graph_views import graph_picture
from .graphs.operations import OperationsView
from .graphs.scopes import Open
from .picture import Direction, Picture
from .texts import clean_text, format_shape
from .wording.language import say, say_list

PACKAGE: Final = Path(getfile(Tensor)).parents[1]
"""Frames of code in this folder are the library's."""

ROOMS: Final = ("ops", "nn/losses.py", "nn/layers.py", "core/methods.py")
"""Where the operations, losses, layers and methods are whose checks raise errors."""

PYTHON: Final = Path(getfile(getfile)).parent
"""Frames of code in this folder are those of Python's own library."""

CHECKS: Final = "autograd_mini.nn.operands"
"""The module of the checks of labels and other arguments."""

RULES: Final = dict.fromkeys(("_look_at_rule", "apply_vjp", "_apply_jvp"), "its gradient")
RULES["_call_hook"] = "its hook"
"""Functions that apply the rule of an operation's derivative, or its hook → what failed."""

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
    for one in _chained_errors(error):
        found = _find_failure(one)
        if found is None:
            continue
        failed, made, taken = found
        title = title or say("What ran before the {error}", error=type(one).__name__)
        picture, view = graph_picture(Graph(failed), "operations", limit, direction, title, open)
        return _mark_failure(picture, view, failed, one, made, taken)
    lost = "; its traceback is lost" if error.__traceback__ is None else ""
    raise PictureError(
        f"no operation on tensors is in the traceback of the {type(error).__name__}{lost}. Draw "
        "the error where it is caught: except am.AutogradError as error: viz.render(error, path)"
    )


def _chained_errors(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, those of its group, and those that it was raised from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*getattr(one, "exceptions", ()), one.__cause__]


Found = tuple[Tensor, bool, tuple[Any, ...]]
"""A tensor of the operation that failed, whether it has a result, and what it was given."""


def _find_failure(error: BaseException) -> Found | None:
    """Return the operation that failed; None if no operation on tensors did.

    A rule of a derivative belongs to its operation. Otherwise the deepest frame that applies a
    primitive knows it best. Errors of checks before it, as for a target of another shape, come from
    an operation or loss, the outermost of several, or else from a layer, the innermost one. If it
    called a function of the user that raised the error, it did not fail itself.
    """
    frames = list(_frames_of(error))
    ours = [frame for frame in frames if _is_of_library(frame)]
    for frame in ours:
        vertex = frame.f_locals.get("vertex")
        if frame.f_code.co_name in RULES and isinstance(vertex, (Tensor, Record)):
            found = vertex if isinstance(vertex, Tensor) else vertex.output(0)
            return None if found.op is None else (found, True, ())  # a leaf's hook failed
    for frame in reversed(ours):
        inside = frame.f_locals
        primitive = inside.get("primitive")
        if isinstance(primitive, Primitive) and not _is_check(primitive):
            given = inside.get("operands") or [inside[k] for k in ("a", "b") if k in inside]
            result = inside.get("results")
            if isinstance(result, Tensor):
                return result, True, ()
            if any(isinstance(x, (Tensor, np.ndarray)) for x in given):
                return _stand_in(primitive.name, primitive.symbol, given), False, tuple(given)
    known = [frame for frame in ours if _checks_arrays(frame)]
    functions = [frame for frame in known if frame.f_code.co_name != "forward"]
    if not known:
        return None
    frame = functions[0] if functions else known[-1]
    if any(map(_is_of_user, frames[frames.index(frame) :])):
        return None
    taken, name = _arguments_of(frame), frame.f_code.co_name.removesuffix("_function").strip("_")
    if not functions:
        name, taken = type(taken[0]).__name__, taken[1:]
    row = PRIMITIVES.get(name)
    arrays = tuple(x for x in taken if isinstance(x, (Tensor, np.ndarray)))
    return _stand_in(name, row.symbol if row else name, arrays), False, arrays


def _is_check(primitive: Primitive) -> bool:
    """Is it a check of a loss, which is an operation only so that it is compiled too?"""
    return str(getattr(primitive.forward, "__module__", "")).startswith(CHECKS)


def _arguments_of(frame: FrameType) -> list[Any]:
    """Return the present values of a function's positional parameters, those of `*args` too."""
    code = frame.f_code
    found = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & CO_VARARGS:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        found += frame.f_locals.get(name, ())
    return found


def _checks_arrays(frame: FrameType) -> bool:
    """Is it an operation, loss, layer or method that was given an array?"""
    name = frame.f_code.co_name
    place = Path(frame.f_code.co_filename).relative_to(PACKAGE)
    private = name == "__call__" or (name.startswith("_") and not name.startswith("__"))
    if private or not any(place.is_relative_to(room) for room in ROOMS):
        return False
    return any(isinstance(x, (Tensor, np.ndarray)) for x in _arguments_of(frame))


def _is_of_user(frame: FrameType) -> bool:
    """Is it a frame of neither this library, an installed one, nor Python's?"""
    file = frame.f_code.co_filename
    installed = "site-packages" in file or Path(file).is_relative_to(PYTHON)
    return not installed and not _is_of_library(frame)


def _is_of_library(frame: FrameType) -> bool:
    """Is it a frame of this library?"""
    return Path(frame.f_code.co_filename).is_relative_to(PACKAGE)


def _frames_of(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames of an error's traceback, the user's first."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _stand_in(name: str, symbol: str, given: Sequence[Any]) -> Tensor:
    """Return a tensor for the result that an operation does not have; only arrays are operands."""
    tensor = Tensor()
    tensor._value = Absent((), np.dtype(float))
    tensor._requires_grad = False
    unlike = f"{name}, which failed"  # it is not joined with others of its name
    tensor._primitive = replace(PRIMITIVES["alias"], name=unlike, symbol=symbol, listed=False)
    tensor._operands = tuple(x for x in given if isinstance(x, (Tensor, np.ndarray)))
    tensor._params, tensor._scope = {}, None
    tensor.serial = next(serials)
    tensor.grad = tensor.name = None
    return tensor


def _describe_operand(x: object) -> str:
    """Write an operand: its shape, the number that it is, or its type."""
    if isinstance(x, (Tensor, np.ndarray)):
        return format_shape(x) or say("a number")
    if isinstance(x, (int, float, complex, np.generic)):
        return clean_text(str(x))
    return clean_text(type(x).__name__)


def _mark_failure(
    picture: Picture,
    view: OperationsView,
    failed: Tensor,
    error: BaseException,
    made: bool,
    given: tuple[Any, ...],
) -> Picture:
    """Mark the operation that failed, its operands, and write the error in place of its result."""
    found = [(part, b) for part, b in view.box_of_part.items() if failed.op in part.operations]
    part, box = found[0] if found else (None, None)
    alone = part is not None and part.kind == "operation"
    name = "" if failed.op is None else failed.op.type
    ends = {b for y, b in view.box_of_output if y is failed or y.serial == failed.serial}
    inside = [frame.f_code.co_name for frame in _frames_of(error) if _is_of_library(frame)]
    rule = tuple(say(RULES[name]) for name in inside if name in RULES)[:1]
    for place, one in enumerate(picture.boxes):
        if one.id == box:
            lines = one.lines if alone else (*one.lines, say("in it: {operation}", operation=name))
            shapes = () if made else (say_list([_describe_operand(x) for x in given]),)
            picture.boxes[place] = replace(
                one, role="failed", lines=(*lines, *shapes, *rule), first=True
            )
        elif one.id in ends:
            picture.boxes[place] = replace(
                one,
                role="error",
                lines=_error_lines(error),
                tooltip=clean_text(str(error), LONGEST_TEXT, MOST_LINES),
                tensors=(),
            )
    for place, arrow in enumerate(picture.arrows):
        if alone and arrow.head == box:
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
