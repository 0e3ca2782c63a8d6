"""The draw: one operation of the graph, with no operands and new numbers at each call."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.arrays import as_array
from ..core.extraction import plain_value, value_or_refuse
from ..core.primitive import general
from ..core.source_text import literal
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError, ShapeError
from ..ops.checks import demand

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ..core.arrays import Array

Arguments = tuple[tuple[str, Any], ...]
FILLS: Final = frozenset({"random", "standard_normal", "standard_exponential"})
"""The methods that can write into an array: NumPy's take `out=`, with float32 and float64."""


class Frozen:
    """An array among the arguments of a draw: never changed, compared by its content."""

    __slots__ = ("array",)

    def __init__(self, array: object) -> None:
        self.array = np.array(array)
        self.array.flags.writeable = False

    def _content(self) -> tuple[object, ...]:
        return self.array.shape, self.array.dtype, self.array.tobytes()

    def __eq__(self, other: object) -> bool:
        return type(other) is Frozen and self._content() == other._content()

    is_identical = __eq__

    def __hash__(self) -> int:
        return hash(self._content())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.array)

    def __repr__(self) -> str:
        return repr(self.array)


def _saying_what(function: Callable[..., Array]) -> Callable[..., object]:
    """Wrap the forward function: NumPy's errors become this library's, and name the draw."""

    @wraps(function)
    def write_words(*, generator: np.random.Generator, method: str, arguments: Arguments) -> Array:
        try:
            return function(generator=generator, method=method, arguments=arguments)
        except (TypeError, ValueError) as error:
            kind = OperandError if isinstance(error, TypeError) else ArgumentError
            given = ", ".join(f"{name}={x!r:.60}" for name, x in arguments)
            raise kind(
                f"random.{method}({given}): {error}; expected arguments that "
                f"np.random.Generator.{method} takes"
            ) from error

    return write_words


@_saying_what
def _evaluate_draw(*, generator: np.random.Generator, method: str, arguments: Arguments) -> Array:
    """Draw: it happens here, once for each call."""
    return np.asarray(getattr(generator, method)(**dict(arguments)))[()]


def write_draw(
    generator: str, method: str, arguments: Arguments, out: str | None = None
) -> str | None:
    """Write a draw as a NumPy program does, or None if an argument has no text.

    Args:
        generator: the variable that holds NumPy's generator.
        method: its method.
        arguments: pairs of name and value.
        out: the variable of an array to fill, of the draw's shape and dtype; the method must be
            one of `FILLS`, and the array C-contiguous.

    >>> write_draw("rng", "random", (("size", (2, 3)), ("dtype", np.dtype("f4"))))
    'rng.random(size=(2, 3), dtype=np.float32)'
    >>> write_draw("rng", "standard_normal", (("size", (2, 3)),), out="noise")
    'rng.standard_normal(out=noise)'
    >>> write_draw("rng", "random", ())
    'np.asarray(rng.random())[()]'
    """
    given = dict(arguments)
    if out is not None:
        given.pop("size", None)
    plain_ones = {name: x.array if type(x) is Frozen else x for name, x in given.items()}
    if "dtype" in given and given["dtype"].isnative:
        plain_ones["dtype"] = given["dtype"].type
    texts = [(name, literal(x)) for name, x in plain_ones.items()]
    if any(text is None for _, text in texts):
        return None
    parts = [f"{name}={text}" for name, text in texts] + ([f"out={out}"] if out else [])
    call = f"{generator}.{method}({', '.join(parts)})"
    one = not given.get("size") and out is None and method != "permutation"
    return f"np.asarray({call})[()]" if one else call


draw: Final = general(
    _evaluate_draw,
    "~",
    "Random numbers: `method` of `generator`, called with `arguments`, pairs of name and value. "
    "Those of `random.FILLS` can write into an array of float32 or float64: "
    "generator.random(out=array, dtype=array.dtype).  No gradient; a tensor as location or scale "
    "has one by loc + scale · z",
    name="draw",
    vjp=None,
    samples=(),
    params=("generator", "method", "arguments"),
    effect=True,
)


def canonical(method: str, name: str, x: object) -> object:
    """Return an argument as it is recorded: hashable, equal if it means the same.

    Raises:
        OperandError: for what is no number, array, size or dtype.
        ConversionError: for a tensor that requires a gradient, which would be lost.
    """
    if name == "size":
        return _shape_of(x)
    if name == "dtype":
        return _dtype_of(x)
    if type(x) in (int, float, bool) or name == "method":
        return x
    array = as_array(
        value_or_refuse(x, f"{name} of random.{method}") if isinstance(x, Tensor) else x
    )
    if array.ndim:
        return Frozen(array)
    return float(array) if array.dtype.kind == "f" else array.item()


def _shape_of(size: Any) -> tuple[int, ...]:
    """Return a size as a shape.

    Raises:
        OperandError: for what is neither an integer nor a sequence of them.
    """
    try:
        if type(size) is tuple:
            return tuple([operator.index(n) for n in size])
        return tuple(map(operator.index, size)) if np.iterable(size) else (operator.index(size),)
    except TypeError as error:
        raise OperandError(
            f"size is {size!r:.60}; expected an integer, a tuple of integers, or None"
        ) from error


def _dtype_of(dtype: Any) -> np.dtype[np.generic]:
    """Return a dtype; raise OperandError if the value is not one."""
    try:
        return np.dtype(dtype)
    except TypeError as error:
        raise OperandError(f"dtype is {dtype!r:.60}; expected one such as np.float32") from error


def tensorial(*parameters: object) -> bool:
    """Whether a tensor is among some parameters."""
    return any(isinstance(x, Tensor) for x in parameters)


def drawn_shape(name: str, size: object, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of a draw: the size, or that to which the parameters broadcast.

    Raises:
        ShapeError: if they do not broadcast to it.
    """
    try:
        common = np.broadcast_shapes(*shapes)
        shape = common if size is None else _shape_of(size)
        if np.broadcast_shapes(shape, common) == shape:
            return shape
    except ValueError:
        pass
    raise ShapeError(
        f"random.{name}: size {size} for parameters of shapes {', '.join(map(str, shapes))}; "
        "expected shapes that broadcast to the size, or to each other without one"
    )


def non_negative(method: str, name: str, x: Any) -> None:
    """Raise ArgumentError for negative numbers, as NumPy does."""
    value = plain_value(x)
    if np.any(np.less(value, 0)):
        raise ArgumentError(
            f"random.{method}: {name} is {np.min(value)} somewhere; expected at least 0"
        )
    demand(lambda: x >= 0, f"random.{method}: {name} is negative somewhere; expected at least 0")


def count_of(x: Any) -> int | None:
    """Return an integer in whatever form, or None for anything else."""
    if isinstance(x, Tensor) and (x.ndim or x.dtype.kind not in "iu"):
        return None
    try:
        return operator.index(x)
    except TypeError:
        return None


def length(x: Array, axis: int) -> int:
    """Return how long an axis is; raise ShapeError if there is none."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(
            f"random: shape {x.shape} has no axis {axis}; expected an integer, or an array with "
            "that axis"
        )
    return int(x.shape[axis])


def check_probabilities(p: Tensor, count: int) -> None:
    """Raise ArgumentError unless these are probabilities of `count` outcomes, as NumPy does."""
    given, p = p, plain_value(p)
    if p.shape != (count,):
        raise ShapeError(f"random.choice: p has shape {p.shape}; expected ({count},)")
    tolerance = np.sqrt(np.finfo(p.dtype).eps) if p.dtype.kind == "f" else 0.0
    total = float(np.sum(p, dtype=np.float64))
    if np.any(p < 0) or not abs(total - 1) <= max(tolerance, 1.5e-8):
        raise ArgumentError(
            f"random.choice: p has the sum {total:.6g} and the least {np.min(p, initial=1):.6g}; "
            "expected probabilities, at least 0, of sum 1 (p / p.sum())"
        )
    allowed = max(tolerance, 1.5e-8)
    demand(
        lambda: (given >= 0) & (np.abs(np.sum(given, dtype=np.float64) - 1) <= allowed),
        "random.choice: p must be probabilities, at least 0, of sum 1 (p / p.sum())",
    )
