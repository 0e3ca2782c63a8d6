"""debug(): every operation knows its source line, and NaN or infinity is named where it appears."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, NonFiniteError
from .contexts import Block, recorder, run_quietly
from .extraction import plain_value
from .record import Operation, lines, record, user_line
from .reverse import watching
from .tensor import Params, Tensor, vertex_of

if TYPE_CHECKING:
    from .arrays import Array, Numbers
    from .primitive import Primitive


def finite(x: Numbers) -> bool:
    """Tell whether all numbers are finite."""
    data = np.asarray(plain_value(x))
    return data.dtype.kind not in "fc" or bool(np.isfinite(data).all())


def _kind_of(x: Array) -> str:
    """Name the values that are not finite: NaN, or infinity."""
    return "NaN" if np.isnan(np.asarray(plain_value(x))).any() else "infinity"


def _describe_operand(x: Tensor) -> str:
    """Describe an operand: its shape and range, or its value."""
    data = np.asarray(plain_value(x))
    name = f"{x.name}: " if isinstance(x, Tensor) and x.name else ""
    if data.size == 1 or data.dtype.kind not in "fiu" or not data.size:
        return f"{name}{data.item()!r}" if data.size == 1 else f"{name}{data.dtype} {data.shape}"
    low, high = run_quietly(lambda: (np.min(data), np.max(data)), invalid="ignore")
    return f"{name}{data.dtype} {data.shape} from {low:.6g} to {high:.6g}"


def _describe_operation(vertex: Tensor) -> str:
    """Describe an operation: name and scope, line, inputs."""
    operands = "; ".join(map(_describe_operand, vertex._operands))
    place = lines.get(vertex.serial)
    return f"{Operation(vertex)}{f', recorded at {place}' if place else ''}. Its inputs: {operands}"


def _recorded_with_line(
    primitive: Primitive, operands: tuple[object, ...], params: Params
) -> tuple[object, Any]:
    """Record an operation with its line; return its result, and the vertex."""
    results = run_quietly(lambda: record(primitive, operands, params), all="ignore")
    tensor = results
    if isinstance(results, tuple):
        if not results:
            return results, None
        tensor = results[0]
    vertex = vertex_of(tensor)
    lines.attach(vertex, str(user_line()))
    return results, vertex


def _record_and_look(primitive: Primitive, operands: tuple[object, ...], params: Params) -> object:
    """Record an operation with its line; raise if finite inputs give a non-finite result."""
    results, vertex = _recorded_with_line(primitive, operands, params)
    for y in results if isinstance(results, tuple) else (results,):
        if not finite(y) and all(map(finite, vertex._operands)):
            raise NonFiniteError(f"{_kind_of(y)} appears in {_describe_operation(vertex)}")
    return results


def _only_line(primitive: Primitive, operands: tuple[object, ...], params: Params) -> object:
    """Record an operation with its line."""
    return _recorded_with_line(primitive, operands, params)[0]


def _look_at_rule(vertex: Tensor, what: str, given: object, made: Array) -> None:
    """Raise if a derivative rule turns finite numbers into NaN or infinity."""
    for x in made if isinstance(made, (list, tuple)) else (made,):
        if not finite(x) and all(map(finite, given if isinstance(given, list) else (given,))):
            raise NonFiniteError(
                f"{_kind_of(x)} appears in {what} of {_describe_operation(vertex)}"
            )


class debug(Block):  # noqa: N801  # used as a statement, like a function
    """Note the source line of every operation in the block, and watch for NaN and infinity.

    The first operation that makes NaN or infinity out of finite numbers, forward or in a gradient,
    raises with its name and scope, its line and its inputs. Errors of a rule get the line as a
    note, `op.line` has it afterwards. Operations under `no_grad` are not watched.

    Args:
        nonfinite: "raise", or "ignore" to note the lines only, for programs that compute infinities
            on purpose, as in the untaken branch of `np.where`.

    >>> import numpy as np, autograd_mini as am
    >>> x = am.tensor([1.0, 0.0], requires_grad=True, name="x")
    >>> with am.debug():
    ...     y = np.log(x)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    autograd_mini.errors.NonFiniteError: infinity appears in log_2((2,)), recorded at <stdin>:2. …
    """

    __slots__ = ("_recorder", "_watch")

    def __init__(self, nonfinite: str = "raise") -> None:
        if nonfinite not in ("raise", "ignore"):
            raise ArgumentError(f"nonfinite must be 'raise' or 'ignore', got {nonfinite!r}")
        raising = nonfinite == "raise"
        self._recorder = recorder(_record_and_look if raising else _only_line)
        self._watch = _look_at_rule if raising else None

    def __enter__(self) -> None:
        self._recorder.__enter__()
        watching.set((self._watch, watching.get()))

    def __exit__(self, *error: object) -> None:
        self._recorder.__exit__(*error)
        found = watching.get()
        watching.set(found[1] if found else None)

    def __repr__(self) -> str:
        return "debug()"
