"""Recording: how each operation becomes a vertex of the graph, with its line; `no_grad`.

Every primitive asks the context which recorder is in force. By default that is `record`, which runs
the forward and returns a tensor that knows its operands; `no_grad` installs `record_nothing`, which
only runs it. Debuggers, tracers and profilers install their own with `recorder`.

A site is where in the user's program an operation was recorded: its line, and the variable it went
to.
"""

from __future__ import annotations

import ast
import linecache
import os.path
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import islice
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import (
    ArgumentError,
    AutogradError,
    IndexingError,
    OperandError,
    ShapeError,
    StaleGraphError,
)
from .arrays import (
    PLAIN,
    as_array,
    fingerprint,
    foreign_error,
    is_foreign,
    refuse_special,
    scalar_if_0d,
)
from .contexts import Recorder as Recorder
from .contexts import Scope as Scope
from .contexts import context as context
from .contexts import recorder as recorder
from .contexts import scope as scope
from .contexts import serials
from .declaration import Declaration
from .extraction import describe, tracing
from .tensor import NO_PARAMS, Params, Tensor, leaf
from .tensor import Operation as Operation
from .tensor import Record as Record
from .tensor import hooks as hooks
from .tensor import lines as lines
from .tensor import wrap_constant as wrap_constant
from .visible import show_text

if TYPE_CHECKING:
    from .arrays import Array

PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARIES: Final = tuple(os.path.join(path, "") for path in (PACKAGE, os.path.dirname(np.__file__)))


Position = tuple[int | None, int | None, int | None, int | None]
"""The first and the last line of an expression, its first column, and the one after it."""
NOWHERE: Final[Position] = (None, None, None, None)


class Site:
    """A place in a program, one object each: where a code object calls. Reads as "file.py:12"."""

    __slots__ = ("__weakref__", "code", "line", "offset")

    def __init__(self, code: CodeType, offset: int) -> None:
        self.code = code
        self.offset = offset
        self.line = _line_of(code, offset)

    def __str__(self) -> str:
        return f"{self.code.co_filename}:{self.line}"

    def __repr__(self) -> str:
        return f"Site({self})"


def _line_of(code: CodeType, offset: int) -> int:
    """Return the number of the line to which an instruction of a code object belongs."""
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


# By id: a code object's hash and equality go through all of its constants.
KNOWN: Final[dict[int, tuple[CodeType, bool]]] = {}
SITES: Final[dict[tuple[int, int], Site]] = {}
MANY: Final = 10_000
"""So many places are remembered at a time."""


def user_line() -> Site:
    """Return where the code outside of this library and of NumPy stands."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        code = frame.f_code
        known = KNOWN.get(id(code))
        if not (known[1] if known is not None else in_library(code)):
            break
        frame = frame.f_back
    key = id(frame.f_code), frame.f_lasti
    found = SITES.get(key)
    if found is None or found.code is not frame.f_code:
        found = _new_site(key, frame.f_code)
    return found


def _new_site(key: tuple[int, int], code: CodeType) -> Site:
    """Enter a place that was not met before."""
    if len(SITES) > MANY:
        SITES.clear()
    SITES[key] = made = Site(code, key[1])
    return made


def in_library(code: CodeType) -> bool:
    """Whether code belongs to this library or to NumPy; remembered."""
    if len(KNOWN) > MANY:
        KNOWN.clear()
    known = KNOWN.get(id(code))
    if known is None:  # the code is kept, so that its id stays its own
        known = KNOWN[id(code)] = (code, code.co_filename.startswith(LIBRARIES))
    return known[1]


def variable_of(site: Site) -> str | None:
    """Return the variable that receives the value computed at a source position, or None.

    What is computed in the middle of an expression, or elsewhere on the line, has no variable.
    """
    names = _assigned_names(site.code.co_filename)
    return names.get(_position_of(site.code, site.offset)) if names else None


def _position_of(code: CodeType, offset: int) -> Position:
    """Return where the expression stands that an instruction of a code object computes."""
    return next(islice(code.co_positions(), offset // 2, None), NOWHERE)


@cache
def _assigned_names(filename: str) -> dict[Position, str]:
    """Map each expression that is the whole right side of `variable = …` to the variable."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return {}
    names: dict[Position, str] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            value = node if isinstance(node, ast.AugAssign) else node.value
            names |= dict.fromkeys(_positions_of(value), targets[0].id)
    return names


def _positions_of(node: ast.stmt | ast.expr) -> Iterator[Position]:
    """List where an expression may be said to stand: all of it, or from a method's name on.

    Python says the latter of a call whose method stands on another line than its object.
    """
    yield node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        line, end = node.func.end_lineno, node.func.end_col_offset
        if line is not None and end is not None:
            yield line, node.end_lineno, end - len(node.func.attr), node.end_col_offset


def warn_user(message: str) -> None:
    """Warn at the line of the user's that called."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and in_library(frame.f_code):
        frame, level = frame.f_back, level + 1
    warnings.warn(show_text(message), RuntimeWarning, stacklevel=level)


COPIED: Final = 65_536
"""A plain array of up to this many bytes is copied when recorded, else fingerprinted."""
BORROWED: Final = sys.maxsize
"""The time of the last assign of a leaf that shows an array of the user's: perhaps right now."""


def keep_operand(array: np.ndarray) -> Array:
    """Return a plain array as the graph keeps it: derivative rules need its present values later.

    The user may write into the array in between. So a small one is copied. A large one is wrapped
    as a leaf with serial 0, which knows its fingerprint and the line; `check_unchanged` compares.
    """
    if array.nbytes <= COPIED:
        return array.copy("K")
    borrowed = leaf(array)
    borrowed.serial, borrowed._assigned = 0, BORROWED
    borrowed._index, borrowed._scope = fingerprint(array), user_line()
    return borrowed


def check_unchanged(x: Tensor, vertex: Tensor | Record) -> None:
    """Check that an operand still has the values that were recorded.

    Raises:
        StaleGraphError: if it is not.
    """
    if x._assigned is not BORROWED:
        raise StaleGraphError(
            f"{describe(x)} was changed after {Operation(vertex)} was recorded, so the "
            "gradient would be wrong; compute the result again after the change"
        )
    if fingerprint(x._value) != x._index:
        raise StaleGraphError(
            f"an array of shape {x.shape} was written into after {Operation(vertex)} was recorded "
            f"with it at {x._scope}, so the result would be wrong; give the operation a copy "
            "(a.copy()), or write into the array after the gradient is computed"
        )


def check_operand(value: object) -> Any:
    """Return a plain operand as NumPy takes it; numbers stay as they are, so float32 is kept.

    Raises:
        OperandError: for arrays of other libraries, as for what `as_array` refuses.
    """
    if type(value) is Tensor or type(value) in PLAIN or value is None or type(value) is complex:
        return value
    refuse_special(value)
    if is_foreign(value):
        raise foreign_error(value)
    return as_array(value)


def compute(
    primitive: Declaration, operands: tuple[object, ...], params: Params
) -> tuple[tuple[object, ...], Any, bool]:
    """Compute the result from the values of the operands.

    Returns:
        the operands as they are to be recorded, the result, and whether any requires a gradient.
    """
    arrays = []
    wanted = False
    for position, x in enumerate(operands):
        if type(x) is Tensor:
            arrays.append(x._value)
            if x._requires_grad:
                wanted = True
        elif type(x) in PLAIN:
            arrays.append(x)
        else:
            x = check_operand(x)
            arrays.append(x)
            operands = (*operands[:position], x, *operands[position + 1 :])
    try:
        data = primitive.forward(*arrays, **params)
    except Exception as error:
        raise with_context(error, primitive, operands) from error
    return operands, data, wanted and primitive.differentiable


def with_context(
    error: Exception, primitive: Declaration, operands: tuple[object, ...]
) -> Exception:
    """Return an error that names the operation, the shapes and NumPy's message."""
    if isinstance(error, AutogradError):
        return error
    kinds = ", ".join(
        f"{np.shape(x)} {getattr(x, 'dtype', type(x).__name__)}" for x in map(value_of, operands)
    )
    message = f"{primitive.name}: cannot combine {kinds}: {error}"
    if isinstance(error, ValueError):
        if any(word in str(error) for word in ("shape", "broadcast", "dimension", "axis", "axes")):
            return ShapeError(f"{message}. Check the shapes with t.shape; np.reshape changes them")
        return ArgumentError(message)
    if isinstance(error, TypeError):
        return OperandError(f"{message}. Check the dtypes with t.dtype; t.astype changes them")
    if isinstance(error, IndexError):
        return IndexingError(f"{message}. Check the shape with t.shape")
    error.add_note(show_text(f"in {primitive.name} of {kinds}"))
    return error


def value_of(operand: object) -> Any:
    """Return the array of a tensor, anything else as it is."""
    return operand._value if type(operand) is Tensor else operand


def result_dtype(*operands: object) -> np.dtype[np.generic]:
    """Return the dtype that NumPy gives to these together; Python numbers adapt to the others."""
    trace = tracing.get()
    values = [
        x._value.item() if trace and type(x) is Tensor and trace.is_number(x) else value_of(x)
        for x in operands
    ]
    return np.result_type(*values)


def record(primitive: Declaration, operands: tuple[object, ...], params: Params = NO_PARAMS) -> Any:
    """Run a primitive and return its tensor, or its tuple of tensors, with their history."""
    operands, data, wanted = compute(primitive, operands, params)
    if np.ndarray in map(type, operands):
        operands = tuple([keep_operand(x) if type(x) is np.ndarray else x for x in operands])
    scope = context.get()[1]
    if primitive.multiple:
        shared = Record()
        shared._primitive = primitive
        shared._operands = operands
        shared._params = params
        shared._requires_grad = wanted
        shared._scope = scope
        shared.arrays = tuple(map(scalar_if_0d, data))
        shared.serial = next(serials)
        return tuple(shared.output(i) for i in range(len(shared.arrays)))
    tensor = Tensor()
    tensor._value = scalar_if_0d(data)
    tensor._requires_grad = wanted
    tensor._primitive = primitive
    tensor._operands = operands
    tensor._params = params
    tensor._scope = scope
    tensor.serial = next(serials)
    tensor.grad = tensor.name = None
    return tensor


def record_nothing(
    primitive: Declaration, operands: tuple[object, ...], params: Params = NO_PARAMS
) -> Any:
    """Run a primitive and return leaves: the recorder of `no_grad`."""
    trace = tracing.get()
    if trace is not None:  # a trace needs the graph, whatever requires a gradient
        return trace.evaluate(primitive, operands, params)
    _, data, _ = compute(primitive, operands, params)
    if primitive.multiple:
        return tuple(leaf(scalar_if_0d(part)) for part in data)
    return leaf(scalar_if_0d(data))


def drop_gradients(results: Tensor) -> Tensor:
    """Mark recorded tensors so that the backward pass stops at them."""
    for tensor in results if isinstance(results, tuple) else (results,):
        tensor._requires_grad = False
    return results


def no_grad() -> recorder:
    """Record nothing in the block (`with`) or function (decorator); leaves may be changed in it.

    >>> import autograd_mini as am
    >>> w = am.tensor(1.0, requires_grad=True)
    >>> with am.no_grad():
    ...     w -= 0.25
    >>> w
    tensor(0.75, requires_grad=True)
    """
    return recorder(record_nothing)


def record_always() -> recorder:
    """Record in the block, with the recorder in force if there is one, even under `no_grad`."""
    found, trace = context.get()[0], tracing.get()
    return recorder((trace.record if trace else None) if found is record_nothing else found)


def assignment_recorder() -> Recorder | None:
    """Return the recorder that must see assignments to leaves, or None."""
    found, trace = context.get()[0], tracing.get()
    if trace is not None:
        return trace.record if trace.effects else None
    return None if found is record_nothing else found


def is_recording() -> bool:
    """Whether operations are being recorded here."""
    return context.get()[0] is not record_nothing or tracing.get() is not None
