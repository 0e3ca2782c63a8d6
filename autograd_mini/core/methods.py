"""Operators and methods of a tensor. Each one looks up a function of the table.

Methods that would change a recorded value refuse, and say what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar

import numpy as np

from ..errors import UnsupportedError
from .extraction import Vertex, read_value, reads_no_elements, value_or_refuse
from .table import Axis, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


Recorded = TypeVar("Recorded")
"""The class of a tensor."""


# The table is asked at each call: the modules of `ops` fill it later.
def _unary(function: Callable[..., object] | str) -> Callable[[Recorded], Recorded]:
    def call_unary(self: Recorded) -> Recorded:
        return table[function](self)

    call_unary.__name__ = getattr(function, "__name__", str(function))
    return call_unary


def _binary(function: np.ufunc) -> Callable[[Recorded, object], Recorded]:
    def call_binary(self: Recorded, other: object) -> Recorded:
        return table[function](self, other)

    return call_binary


def _reflected(function: np.ufunc) -> Callable[[Recorded, object], Recorded]:
    def call_reflected(self: Recorded, other: object) -> Recorded:
        return table[function](other, self)

    return call_reflected


def _in_place(function: np.ufunc) -> Callable[[Recorded, object], Recorded]:
    def call_in_place(self: Recorded, other: object) -> Recorded:
        return table["in_place"](self, table[function](self, other))

    return call_in_place


class Operators:
    """The operators of `numpy.ndarray`, recorded."""

    __slots__ = ()

    __add__ = _binary(np.add)
    __radd__ = _reflected(np.add)
    __sub__ = _binary(np.subtract)
    __rsub__ = _reflected(np.subtract)
    __mul__ = _binary(np.multiply)
    __rmul__ = _reflected(np.multiply)
    __truediv__ = _binary(np.true_divide)
    __rtruediv__ = _reflected(np.true_divide)
    __floordiv__ = _binary(np.floor_divide)
    __rfloordiv__ = _reflected(np.floor_divide)
    __mod__ = _binary(np.remainder)
    __rmod__ = _reflected(np.remainder)
    __pow__ = _binary(np.power)
    __rpow__ = _reflected(np.power)
    __matmul__ = _binary(np.matmul)
    __rmatmul__ = _reflected(np.matmul)
    __and__ = _binary(np.bitwise_and)
    __rand__ = _reflected(np.bitwise_and)
    __or__ = _binary(np.bitwise_or)
    __ror__ = _reflected(np.bitwise_or)
    __xor__ = _binary(np.bitwise_xor)
    __rxor__ = _reflected(np.bitwise_xor)
    __lshift__ = _binary(np.left_shift)
    __rlshift__ = _reflected(np.left_shift)
    __rshift__ = _binary(np.right_shift)
    __rrshift__ = _reflected(np.right_shift)
    __eq__ = _binary(np.equal)  # type: ignore[assignment]  # elementwise
    __ne__ = _binary(np.not_equal)  # type: ignore[assignment]  # elementwise
    __lt__ = _binary(np.less)
    __le__ = _binary(np.less_equal)
    __gt__ = _binary(np.greater)
    __ge__ = _binary(np.greater_equal)
    __neg__ = _unary(np.negative)
    __pos__ = _unary(np.positive)
    __abs__ = _unary(np.absolute)
    __invert__ = _unary(np.invert)
    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.true_divide)
    __ifloordiv__ = _in_place(np.floor_divide)
    __imod__ = _in_place(np.remainder)
    __ipow__ = _in_place(np.power)
    __imatmul__ = _in_place(np.matmul)
    __iand__ = _in_place(np.bitwise_and)
    __ior__ = _in_place(np.bitwise_or)
    __ixor__ = _in_place(np.bitwise_xor)
    __ilshift__ = _in_place(np.left_shift)
    __irshift__ = _in_place(np.right_shift)

    def __divmod__(self, other: object) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: object) -> tuple[Self, Self]:
        return other // self, other % self

    def __round__(self, digits: int | None = None) -> Self:
        return table["round"](self, digits)

    def __getitem__(self, index: object) -> Self:
        return table["getitem"](self, index)


def _refuse(method: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
        raise UnsupportedError(f"t.{method}() is not recorded; use {instead}")

    refuse.__name__, refuse.__doc__ = method, f"Not recorded; use {instead}."
    return refuse


class ArrayMethods(Operators):
    """The methods of `numpy.ndarray`, recorded."""

    __slots__ = ()
    _value: Any
    data: Any

    # ── a sequence of its rows ──────────────────────────────────────────────────────────────
    def __len__(self) -> int:
        if not self._value.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._value)

    def __iter__(self) -> Iterator[Self]:
        if not self._value.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(table["unstack"](self))

    def __contains__(self, value: object) -> bool:
        return bool(table[np.any](self == value))

    def __delitem__(self, index: object) -> NoReturn:
        raise UnsupportedError(
            "del t[index] would change a value that the graph still needs; use t = np.delete(t, "
            "index, axis), or a slice"
        )

    # ── plain values ─────────────────────────────────────────────────────────────────────────
    nbytes = property(lambda self: self._value.nbytes, doc="Bytes of the elements.")
    itemsize = property(lambda self: self._value.itemsize, doc="Bytes of one element.")
    strides = property(lambda self: self._value.strides, doc="Bytes to step along each axis.")
    flags = property(lambda self: self._value.flags, doc="Memory layout of the array.")
    base = property(lambda self: self.data.base, doc="The array whose memory the value uses.")
    ctypes = property(lambda self: np.asarray(self.data).ctypes, doc="The memory, for C.")
    device = property(lambda self: "cpu", doc="Always 'cpu' (Array API).")

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """Return NumPy, whose functions record tensors (Array API)."""
        return np

    def __dlpack__(self: Vertex, **kwargs: Any) -> Any:
        """Hand the value to another library; the gradient does not go with it."""
        return np.asarray(value_or_refuse(self, "from_dlpack(t)")).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.asarray(self._value).__dlpack_device__()

    def item(self: Vertex, *args: int) -> Any:
        """Return one element as a plain Python number."""
        return read_value(self, "t.item()").item(*args)

    def tolist(self: Vertex) -> Sequence[object]:
        """Return the elements as nested Python lists."""
        return read_value(self, "t.tolist()").tolist()

    def tobytes(self: Vertex, order: Literal["C", "F", "A"] = "C") -> bytes:
        """Return the raw bytes of the elements."""
        return read_value(self, "t.tobytes()").tobytes(order)

    # ── reductions ───────────────────────────────────────────────────────────────────────────
    def sum(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.sum](self, axis, *args, **kwargs)

    def prod(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.prod](self, axis, *args, **kwargs)

    def max(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.max](self, axis, *args, **kwargs)

    def min(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.min](self, axis, *args, **kwargs)

    def mean(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.mean](self, axis, *args, **kwargs)

    def var(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.var](self, axis, *args, **kwargs)

    def std(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.std](self, axis, *args, **kwargs)

    def all(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.all](self, axis, *args, **kwargs)

    def any(self, axis: Axis = None, *args: object, **kwargs: object) -> Self:
        return table[np.any](self, axis, *args, **kwargs)

    def cumsum(self, axis: int | None = None, *args: object, **kwargs: object) -> Self:
        return table[np.cumsum](self, axis, *args, **kwargs)

    def cumprod(self, axis: int | None = None, *args: object, **kwargs: object) -> Self:
        return table[np.cumprod](self, axis, *args, **kwargs)

    def argmax(self, axis: int | None = None, *args: object, **kwargs: object) -> Self:
        return table[np.argmax](self, axis, *args, **kwargs)

    def argmin(self, axis: int | None = None, *args: object, **kwargs: object) -> Self:
        return table[np.argmin](self, axis, *args, **kwargs)

    # ── shapes ───────────────────────────────────────────────────────────────────────────────
    def reshape(self, *shape: object, **kwargs: object) -> Self:
        sizes = shape[0] if len(shape) == 1 else shape
        return table[np.reshape](self, sizes, **kwargs)

    def transpose(self, *axes: object) -> Self:
        order = axes[0] if len(axes) == 1 else axes or None
        return table[np.transpose](self, order)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        return table[np.swapaxes](self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Self:
        return table[np.squeeze](self, axis)

    def ravel(self, order: str = "C") -> Self:
        return table[np.ravel](self, order)

    def flatten(self, order: str = "C") -> Self:
        return table[np.ravel](self, order)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        return table[np.diagonal](self, offset, axis1, axis2)

    def trace(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, *args: object, **kwargs: object
    ) -> Self:
        return table[np.trace](self, offset, axis1, axis2, *args, **kwargs)

    def take(
        self, indices: object, axis: int | None = None, *args: object, **kwargs: object
    ) -> Self:
        return table[np.take](self, indices, axis, *args, **kwargs)

    def repeat(self, repeats: object, axis: int | None = None) -> Self:
        return table[np.repeat](self, repeats, axis)

    def compress(self, condition: object, *args: object, **kwargs: object) -> Self:
        return table[np.compress](condition, self, *args, **kwargs)

    def choose(self, choices: object, *args: object, **kwargs: object) -> Self:
        return table[np.choose](self, choices, *args, **kwargs)

    nonzero = _unary(np.nonzero)

    def argsort(self, axis: int | None = -1, *args: object, **kwargs: object) -> Self:
        return table[np.argsort](self, axis, *args, **kwargs)

    def argpartition(
        self, kth: object, axis: int | None = -1, *args: object, **kwargs: object
    ) -> Self:
        return table[np.argpartition](self, kth, axis, *args, **kwargs)

    def searchsorted(self, v: object, *args: object, **kwargs: object) -> Self:
        return table[np.searchsorted](self, v, *args, **kwargs)

    @reads_no_elements
    def dot(self, other: object, *args: object, **kwargs: object) -> Self:
        return table[np.dot](self, other, *args, **kwargs)

    def clip(self, min: object = None, max: object = None, **kwargs: object) -> Self:
        return table[np.clip](self, min, max, **kwargs)

    def round(self, decimals: int = 0, *args: object, **kwargs: object) -> Self:
        return table[np.round](self, decimals, *args, **kwargs)

    conj = _unary(np.conjugate)
    conjugate = _unary("conjugate")

    def copy(self, order: str = "C") -> Self:
        return table[np.copy](self)

    def astype(self, dtype: object, *args: object, **kwargs: object) -> Self:
        return table["astype"](self, dtype, *args, **kwargs)

    flat = property(lambda self: table[np.ravel](self), doc="The elements along one axis.")
    T = property(lambda self: table[np.transpose](self), doc="The axes reversed.")
    mT = property(lambda self: table[np.matrix_transpose](self), doc="The last two axes swapped.")
    real = property(lambda self: table[np.real](self), doc="The real part.")
    imag = property(lambda self: table[np.imag](self), doc="The imaginary part.")

    # ── functions of the field, as methods ───────────────────────────────────────────────────
    exp = _unary(np.exp)
    log = _unary(np.log)
    sqrt = _unary(np.sqrt)
    tanh = _unary(np.tanh)
    sigmoid = _unary("sigmoid")
    relu = _unary("relu")
    softplus = _unary("softplus")

    def softmax(self, axis: Axis = -1) -> Self:
        return table["softmax"](self, axis=axis)

    def log_softmax(self, axis: Axis = -1) -> Self:
        return table["log_softmax"](self, axis=axis)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Self:
        return table["logsumexp"](self, axis=axis, keepdims=keepdims)

    # ── what would change a recorded value, or leave the numbers ──────────────────────────────
    fill = _refuse("fill", "np.full_like(t, value)")
    put = _refuse("put", "am.set_at(t, index, value)")
    sort = _refuse("sort", "np.sort(t), which returns a sorted tensor")
    partition = _refuse("partition", "np.partition(t, kth), which returns a new tensor")
    resize = _refuse("resize", "np.reshape(t, shape)")
    setfield = _refuse("setfield", "am.set_at(t, index, value)")
    setflags = _refuse("setflags", "t.data.setflags(...)")
    byteswap = _refuse("byteswap", "t.data.byteswap()")
    getfield = _refuse("getfield", "t.data.getfield(...)")
    view = _refuse("view", "np.reshape(t, shape) or t.astype(dtype)")
    tofile = _refuse("tofile", "t.data.tofile(...) or np.savez")
    dump = _refuse("dump", "pickle.dump(t, file) or np.savez")
    dumps = _refuse("dumps", "pickle.dumps(t) or np.savez")
    to_device = _refuse("to_device", "the tensor as it is: every tensor is on the CPU")
