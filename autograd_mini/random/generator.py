"""Generator: the methods of NumPy's generator, each draw of which is recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np

from ..core.arrays import as_array
from ..core.extraction import plain_value, tracing, value_or_refuse
from ..core.primitive import general
from ..core.record import context, record
from ..core.source_text import literal
from ..core.table import table
from ..core.tensor import Tensor, tensor_or_array
from ..errors import ArgumentError, OperandError, ShapeError, UnsupportedError
from ..ops.checks import demand
from ..ops.conversion import astype
from ..ops.rearranging import take

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ..core.arrays import Array, Numbers


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
        OperandError: for anything that is not a number, array, size or dtype.
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


class Generator:
    """Random numbers by the methods of `np.random.Generator`, each draw a recorded operation.

    Under `no_grad` a draw is a leaf. Under `vmap` the numbers are the same for all examples.
    Pickling and `deepcopy` keep the state; `copy` shares it, and so does making one from another.
    Two are equal if they draw from the same NumPy generator.

    Args:
        seed: an integer of at least 0; an np.random.Generator or a Generator to share; or None for
            other numbers each time.

    Attributes:
        numpy: NumPy's generator, which draws the numbers. What it draws by itself is not recorded.

    Raises:
        ArgumentError: for what NumPy takes for no seed.
        UnsupportedError: in a function that is being compiled, where it would be seeded only once.

    >>> Generator(0).integers(10, size=4)
    tensor([8, 6, 5, 2], op=draw_...)
    >>> Generator(0).normal(loc=2.0, size=(2, 3), scale=0.0).data
    array([[2., 2., 2.],
           [2., 2., 2.]])
    """

    numpy: np.random.Generator

    def __init__(self, seed: int | np.random.Generator | Generator | None = None) -> None:
        if isinstance(seed, Generator):
            self.numpy = seed.numpy
            return
        if not isinstance(seed, np.random.Generator):
            refuse_in_a_program("a generator made with a seed")
        try:
            self.numpy = np.random.default_rng(seed)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"seed is {seed!r:.60}; expected an integer of at least 0, a generator made by "
                "np.random.default_rng, or None"
            ) from error

    @property
    def bit_generator(self) -> np.random.BitGenerator:
        """What makes the bits; its `state` can be kept and set."""
        return self.numpy.bit_generator

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Generator) and self.numpy is other.numpy

    def __hash__(self) -> int:
        return hash(self.numpy)

    def __repr__(self) -> str:
        return f"Generator({type(self.bit_generator).__name__})"

    if not TYPE_CHECKING:  # it would take any name for one of ours

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(missing("a Generator", name))

    # ── the standard distributions ───────────────────────────────────────────────────────────
    def random(self, size: object = None, dtype: object = np.float64) -> Tensor:
        """Draw from [0, 1) evenly; dtype is float32 or float64."""
        return self._draw("random", size=size, dtype=dtype)

    def standard_normal(self, size: object = None, dtype: object = np.float64) -> Tensor:
        """Draw from the normal distribution of mean 0 and deviation 1; dtype as in `random`."""
        return self._draw("standard_normal", size=size, dtype=dtype)

    def standard_exponential(
        self, size: object = None, dtype: object = np.float64, method: str = "zig"
    ) -> Tensor:
        """Draw from the exponential distribution of mean 1; dtype as in `random`."""
        return self._draw("standard_exponential", size=size, dtype=dtype, method=method)

    # ── location and scale, which may be tensors ─────────────────────────────────────────────
    def uniform(self, low: Numbers = 0.0, high: Numbers = 1.0, size: object = None) -> Tensor:
        """Draw from [low, high) evenly.  ∂low: 1 − z, ∂high: z, for z = `random()`"""
        if not tensorial(low, high):
            return self._draw("uniform", low=low, high=high, size=size)
        width = table[np.subtract](high, low)
        non_negative("uniform", "high - low", width)
        return low + width * self._noise("random", size, low, high)

    def normal(self, loc: Numbers = 0.0, scale: Numbers = 1.0, size: object = None) -> Tensor:
        """Draw from the normal distribution: mean and deviation.  ∂loc: 1, ∂scale: z"""
        return self._locate("normal", "standard_normal", loc, scale, size)

    def laplace(self, loc: object = 0.0, scale: object = 1.0, size: object = None) -> Tensor:
        """Draw from the Laplace distribution.  ∂loc: 1, ∂scale: z"""
        return self._locate("laplace", "laplace", loc, scale, size)

    def gumbel(self, loc: object = 0.0, scale: object = 1.0, size: object = None) -> Tensor:
        """Draw from the Gumbel distribution.  ∂loc: 1, ∂scale: z"""
        return self._locate("gumbel", "gumbel", loc, scale, size)

    def logistic(self, loc: object = 0.0, scale: object = 1.0, size: object = None) -> Tensor:
        """Draw from the logistic distribution.  ∂loc: 1, ∂scale: z"""
        return self._locate("logistic", "logistic", loc, scale, size)

    def lognormal(self, mean: Numbers = 0.0, sigma: Numbers = 1.0, size: object = None) -> Tensor:
        """Draw numbers whose logarithm is normal.  ∂mean: y, ∂sigma: y·z"""
        if not tensorial(mean, sigma):
            return self._draw("lognormal", mean=mean, sigma=sigma, size=size)
        found: Tensor = table[np.exp](self.normal(mean, sigma, size))
        return found

    def exponential(self, scale: object = 1.0, size: object = None) -> Tensor:
        """Draw from the exponential distribution of mean `scale`.  ∂scale: z"""
        if not tensorial(scale):
            return self._draw("exponential", scale=scale, size=size)
        non_negative("exponential", "scale", scale)
        return scale * self._noise("standard_exponential", size, scale)

    # ── integers and places, without a gradient ──────────────────────────────────────────────
    def integers(
        self,
        low: object,
        high: object = None,
        size: object = None,
        dtype: object = np.int64,
        endpoint: bool = False,
    ) -> Tensor:
        """Draw from low … high − 1 (or high, with `endpoint`); from 0 … low − 1 without high."""
        return self._draw(
            "integers", low=low, high=high, size=size, dtype=dtype, endpoint=bool(endpoint)
        )

    def binomial(self, n: object, p: object, size: object = None) -> Tensor:
        """Draw how many of n trials succeed; for a tensor p, write `random(p.shape) < p`."""
        return self._draw("binomial", n=n, p=p, size=size)

    def poisson(self, lam: object = 1.0, size: object = None) -> Tensor:
        """Draw from the Poisson distribution of mean `lam`."""
        return self._draw("poisson", lam=lam, size=size)

    def permutation(self, x: Numbers, axis: int = 0) -> Tensor:
        """Put 0 … x − 1 in a random order, or the slices of an array or tensor along an axis.

        ∂x: g, put back in order.
        """
        count = count_of(x)
        if count is not None:
            return self._draw("permutation", x=count)
        x = tensor_or_array(x)
        return take(x, self._draw("permutation", x=length(x, axis)), axis=axis)

    def choice(
        self,
        a: Numbers,
        size: object = None,
        replace: bool = True,
        p: Numbers | None = None,
        axis: int = 0,
        shuffle: bool = True,
    ) -> Tensor:
        """Draw from 0 … a − 1, or slices of an array or tensor along an axis.

        A tensor p may differ at each call of a trace, unless `replace` is False.  ∂a: g added where
        each element came from
        """
        count = count_of(a)
        if count is not None:
            return self._places(count, size, replace, p, shuffle)
        a = tensor_or_array(a)
        return take(a, self._places(length(a, axis), size, replace, p, shuffle), axis=axis)

    def _places(
        self, count: int, size: object, replace: bool, p: Numbers | None, shuffle: bool
    ) -> Tensor:
        if not (isinstance(p, Tensor) and replace):
            return self._draw(
                "choice", a=count, size=size, replace=bool(replace), p=p, shuffle=bool(shuffle)
            )
        check_probabilities(p, count)
        heights = np.cumsum(p, dtype=np.float64)
        heights = heights / heights[-1]
        found: Tensor = table[np.searchsorted](heights, self.random(size), side="right")
        return found

    # ── one draw ─────────────────────────────────────────────────────────────────────────────
    def _draw(self, method: str, /, **arguments: object) -> Tensor:
        """Record one draw; arguments that are None are left to NumPy."""
        given = tuple(
            [(name, canonical(method, name, x)) for name, x in arguments.items() if x is not None]
        )
        params = {"generator": self.numpy, "method": method, "arguments": given}
        return (context.get()[0] or record)(draw, (), params)

    def _locate(
        self, method: str, standard: str, loc: object, scale: object, size: object
    ) -> Tensor:
        if not tensorial(loc, scale):
            return self._draw(method, loc=loc, scale=scale, size=size)
        non_negative(method, "scale", scale)
        return loc + scale * self._noise(standard, size, loc, scale)

    def _noise(self, standard: str, size: object, *parameters: object) -> Tensor:
        """Draw from a standard distribution, in the shape and dtype that parameters ask for."""
        arrays = [as_array(plain_value(x)) for x in parameters]
        if any(x.dtype.kind == "c" for x in arrays):
            raise OperandError(f"random.{standard}: a complex parameter; expected real ones")
        shape = drawn_shape(standard, size, [x.shape for x in arrays])
        noise = self._draw(standard, size=shape)
        kind = np.result_type(*(plain_value(x) for x in parameters))
        return astype(noise, kind) if kind.kind == "f" and kind.itemsize < 8 else noise


def refuse_in_a_program(what: str) -> None:
    """Raise UnsupportedError where only operations are computed again, and `what` would not be."""
    trace = tracing.get()
    if trace is not None and trace.effects:
        raise trace.note_refusal(
            UnsupportedError(
                f"random: {what} in a compiled function would be seeded at its first calls only; "
                "do it outside, before the function is called"
            )
        )


def missing(owner: str, name: str) -> str:
    """Raise for a missing method, and say what to use instead."""
    cure = {
        "shuffle": "; use permutation, which returns the result",
        "seed": "; use am.random.seed, or make another Generator",
    }.get(name, "")
    if not cure and not name.startswith("_") and hasattr(np.random.Generator, name):
        cure = f"; generator.numpy.{name} is NumPy's, whose numbers are constants in a graph"
    return f"{owner} has no {name!r}{cure}"
