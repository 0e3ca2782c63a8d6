"""Operators and methods of a tensor. Each one looks up a function of the table.

Methods that would change a recorded value refuse, and say what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import numpy as np

from ..errors import UnsupportedError
from .extraction import Vertex, read_value, reads_no_elements, value_or_refuse
from .table import Axis, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class Operators:
    """The operators of `numpy.ndarray`, recorded."""

    __slots__ = ()

    def __add__(self, other: object) -> Self:
        return table[np.add](self, other)

    def __radd__(self, other: object) -> Self:
        return table[np.add](other, self)

    def __sub__(self, other: object) -> Self:
        return table[np.subtract](self, other)

    def __rsub__(self, other: object) -> Self:
        return table[np.subtract](other, self)

    def __mul__(self, other: object) -> Self:
        return table[np.multiply](self, other)

    def __rmul__(self, other: object) -> Self:
        return table[np.multiply](other, self)

    def __truediv__(self, other: object) -> Self:
        return table[np.true_divide](self, other)

    def __rtruediv__(self, other: object) -> Self:
        return table[np.true_divide](other, self)

    def __floordiv__(self, other: object) -> Self:
        return table[np.floor_divide](self, other)

    def __rfloordiv__(self, other: object) -> Self:
        return table[np.floor_divide](other, self)

    def __mod__(self, other: object) -> Self:
        return table[np.remainder](self, other)

    def __rmod__(self, other: object) -> Self:
        return table[np.remainder](other, self)

    def __pow__(self, other: object) -> Self:
        return table[np.power](self, other)

    def __rpow__(self, other: object) -> Self:
        return table[np.power](other, self)

    def __matmul__(self, other: object) -> Self:
        return table[np.matmul](self, other)

    def __rmatmul__(self, other: object) -> Self:
        return table[np.matmul](other, self)

    def __and__(self, other: object) -> Self:
        return table[np.bitwise_and](self, other)

    def __rand__(self, other: object) -> Self:
        return table[np.bitwise_and](other, self)

    def __or__(self, other: object) -> Self:
        return table[np.bitwise_or](self, other)

    def __ror__(self, other: object) -> Self:
        return table[np.bitwise_or](other, self)

    def __xor__(self, other: object) -> Self:
        return table[np.bitwise_xor](self, other)

    def __rxor__(self, other: object) -> Self:
        return table[np.bitwise_xor](other, self)

    def __lshift__(self, other: object) -> Self:
        return table[np.left_shift](self, other)

    def __rlshift__(self, other: object) -> Self:
        return table[np.left_shift](other, self)

    def __rshift__(self, other: object) -> Self:
        return table[np.right_shift](self, other)

    def __rrshift__(self, other: object) -> Self:
        return table[np.right_shift](other, self)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]  # elementwise
        return table[np.equal](self, other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]  # elementwise
        return table[np.not_equal](self, other)

    def __lt__(self, other: object) -> Self:
        return table[np.less](self, other)

    def __le__(self, other: object) -> Self:
        return table[np.less_equal](self, other)

    def __gt__(self, other: object) -> Self:
        return table[np.greater](self, other)

    def __ge__(self, other: object) -> Self:
        return table[np.greater_equal](self, other)

    def __neg__(self) -> Self:
        return table[np.negative](self)

    def __pos__(self) -> Self:
        return table[np.positive](self)

    def __abs__(self) -> Self:
        return table[np.absolute](self)

    def __invert__(self) -> Self:
        return table[np.invert](self)

    def __iadd__(self, other: object) -> Self:
        return table["in_place"](self, table[np.add](self, other))

    def __isub__(self, other: object) -> Self:
        return table["in_place"](self, table[np.subtract](self, other))

    def __imul__(self, other: object) -> Self:
        return table["in_place"](self, table[np.multiply](self, other))

    def __itruediv__(self, other: object) -> Self:
        return table["in_place"](self, table[np.true_divide](self, other))

    def __ifloordiv__(self, other: object) -> Self:
        return table["in_place"](self, table[np.floor_divide](self, other))

    def __imod__(self, other: object) -> Self:
        return table["in_place"](self, table[np.remainder](self, other))

    def __ipow__(self, other: object) -> Self:
        return table["in_place"](self, table[np.power](self, other))

    def __imatmul__(self, other: object) -> Self:
        return table["in_place"](self, table[np.matmul](self, other))

    def __iand__(self, other: object) -> Self:
        return table["in_place"](self, table[np.bitwise_and](self, other))

    def __ior__(self, other: object) -> Self:
        return table["in_place"](self, table[np.bitwise_or](self, other))

    def __ixor__(self, other: object) -> Self:
        return table["in_place"](self, table[np.bitwise_xor](self, other))

    def __ilshift__(self, other: object) -> Self:
        return table["in_place"](self, table[np.left_shift](self, other))

    def __irshift__(self, other: object) -> Self:
        return table["in_place"](self, table[np.right_shift](self, other))

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

    def nonzero(self) -> Self:
        return table[np.nonzero](self)

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

    def conj(self) -> Self:
        return table[np.conjugate](self)

    def conjugate(self) -> Self:
        return table["conjugate"](self)

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
    def exp(self) -> Self:
        return table[np.exp](self)

    def log(self) -> Self:
        return table[np.log](self)

    def sqrt(self) -> Self:
        return table[np.sqrt](self)

    def tanh(self) -> Self:
        return table[np.tanh](self)

    def sigmoid(self) -> Self:
        return table["sigmoid"](self)

    def relu(self) -> Self:
        return table["relu"](self)

    def softplus(self) -> Self:
        return table["softplus"](self)

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
