"""Tensor: a value and where it came from; Operation: one vertex of the graph.

A tensor holds a NumPy array (a NumPy scalar when it is 0-d) and, if an operation made it, that
operation's record: primitive, operands, parameters, scope. One object is both the value and the
vertex, which keeps a node at about 240 bytes. What a tensor shares with a NumPy array, operators
and methods, is in `methods`. Hooks are registered here and called in `reverse`.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from ..errors import ConversionError, GradientError, OperandError, UnsupportedError
from .absent import Absent
from .arrays import Array, Numbers, as_array
from .contexts import Phase, PhaseScope, Scope, serials
from .declaration import Declaration
from .extraction import describe, note_text, read_value, tracing, value_or_refuse
from .methods import ArrayMethods
from .table import table
from .visible import show_text

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Params = dict[str, Any]
NO_PARAMS: Final[Params] = {}


@final
class Tensor(ArrayMethods):
    """A NumPy array that remembers the operation which computed it; made by `am.tensor`.

    It has no `__init__`, which makes recording an operation 50 ns faster.

    Attributes:
        grad: the sum of the gradients that `backward()` brought here, a NumPy array, or None.
        name: shown in pictures and errors.
        serial: its place in the order of creation.
    """

    __slots__ = (
        "_assigned",  # leaves: the serial of the last assign, 0 if never
        "_value",  # not _data, which np.ma takes without asking
        "_index",  # only outputs of a multi-output operation
        "_operands",  # a tuple; leaves: None; multi-output: the shared Record
        "_params",
        "_primitive",  # None for a leaf
        "_requires_grad",
        "_scope",
        "__weakref__",
        "grad",
        "name",
        "serial",
    )

    _assigned: int
    _value: Any
    _index: int
    _operands: Any
    _params: Params
    _primitive: Any
    _requires_grad: bool
    _scope: Any
    grad: Any
    name: str | None
    serial: int

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Refuse: recording recognises tensors by their exact class."""
        raise TypeError("Tensor is final; hold a tensor in an attribute instead of subclassing it")

    @property  # type: ignore[misc]  # `isinstance` reads it where the class is another one
    def __class__(self) -> type[Tensor]:
        """The class; in a trace, asking whether an argument is an array is an error."""
        trace = tracing.get()
        if trace is not None:
            trace.ask_kind(self, "isinstance(x, …), which np.isscalar(x) asks too")
        return Tensor

    def __hash__(self) -> int:
        trace = tracing.get()
        if trace is not None:
            trace.ask_kind(self, "x as the key of a dict")
        return object.__hash__(self)

    # ── the value ────────────────────────────────────────────────────────────────────────────
    @property
    def data(self) -> Any:
        """The value. Setting it calls `assign`; the graph does not see writes to elements."""
        return read_value(self, "t.data")

    @data.setter
    def data(self, value: Numbers) -> None:
        self.assign(value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value.size

    def numpy(self) -> np.ndarray:
        """Return the value as a NumPy array (a scalar when 0-d), outside of every graph."""
        return read_value(self, "t.numpy()")

    def detach(self) -> Tensor:
        """Return a new leaf with the same value and no history.

        The history can then be freed; `stop_gradient(t)` is the recorded form.
        """
        if tracing.get() is not None:
            return table["stop_gradient"](self)
        return leaf(as_array(self._value, copy=True), name=self.name)

    # ── where it came from ───────────────────────────────────────────────────────────────────
    @property
    def op(self) -> Operation | None:
        """The operation that computed this tensor, or None for a leaf."""
        return None if self._primitive is None else Operation(vertex_of(self))

    @property
    def index(self) -> int:
        """Which output of its operation this tensor is."""
        return 0 if self._operands is None or isinstance(self._operands, tuple) else self._index

    @property
    def is_leaf(self) -> bool:
        """Whether no operation computed it."""
        return self._primitive is None

    @property
    def requires_grad(self) -> bool:
        """Whether the reverse walk follows this tensor. Only a leaf's can be set."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self._primitive is not None:
            raise UnsupportedError(
                f"requires_grad of {self.op} follows from its inputs; set it on a leaf that it is "
                "computed from. t.detach() is a new leaf, at which the gradient ends"
            )
        if wanted and self.serial == 0:
            raise UnsupportedError(
                "a constant seen through op.inputs is a copy outside of the graph; make the "
                "operand a tensor with am.tensor(…, requires_grad=True)"
            )
        if wanted and self._value.dtype.kind not in "fc":
            raise OperandError(
                f"a {self._value.dtype} tensor cannot carry a gradient; expected a "
                "floating-point dtype such as float64 (use t.astype(float))"
            )
        self._requires_grad = bool(wanted)

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor."""
        self.requires_grad = wanted
        return self

    def backward(self, gradient: object = None, *, retain_grads: bool = False) -> None:
        """Add d(self)/d(leaf), weighted by `gradient`, into `.grad` of every leaf.

        The graph is kept, and a second call adds again.

        Args:
            gradient: the cotangent of this tensor, of its shape; 1 for a scalar by default.
            retain_grads: whether the results of operations get their `.grad` too.

        Raises:
            GradientError: if it depends on no leaf that requires a gradient, or is not a scalar and
                has no cotangent.
            StaleGraphError: if a leaf changed since this was computed; no `.grad` changes then.
        """
        table["backward"](self, gradient, retain_grads=retain_grads)

    def register_hook(self, function: Callable[[Any], object]) -> Hook:
        """Call `function(g)` with the cotangent of this tensor whenever a reverse walk has it.

        If it returns something, that goes on in its place. `.remove()` of what is returned here
        takes the hook away. Forward mode calls no hooks.
        """
        return register_hook(self, function)

    def assign(self, value: Numbers) -> Tensor:
        """Give a leaf a new value of the same shape; its dtype stays. Returns the leaf.

        Graphs recorded before it become stale, and the reverse walk refuses them.
        """
        table["assign"](self, value)
        return self

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    # ── NumPy's protocols ────────────────────────────────────────────────────────────────────
    def __array_ufunc__(
        self,
        ufunc: object,
        method: str,
        a: Numbers,
        b: object = None,
        *more: object,
        **kwargs: object,
    ) -> object:
        # Named operands instead of *inputs: 25 ns less on the way to every recorded operation.
        if method == "__call__" and not kwargs:
            try:
                function = table[ufunc]
            except KeyError:
                pass
            else:
                if b is None:
                    return function(a)
                return function(a, b, *more) if more else function(a, b)
        inputs = (a, *more) if b is None else (a, b, *more)
        return table["__array_ufunc__"](ufunc, method, inputs, kwargs)

    def __array_function__(self, func: object, types: object, args: object, kwargs: object) -> Any:
        return table["__array_function__"](func, types, args, kwargs)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(value_or_refuse(self, "np.asarray(t) or a[i] = t"), dtype=dtype, copy=copy)

    __array_priority__ = 1000.0

    # ── conversions: plain values lose the gradient, so they ask first ────────────────────────
    def __float__(self) -> float:
        return float(value_or_refuse(self, "float(t) or a math function"))

    def __int__(self) -> int:
        return int(value_or_refuse(self, "int(t)"))

    def __complex__(self) -> complex:
        return complex(value_or_refuse(self, "complex(t)"))

    def __index__(self) -> int:
        if self._value.ndim or self._value.dtype.kind not in "iu":
            raise ConversionError(
                f"{describe(self)} with dtype {self.dtype} is not an index; expected one integer "
                "(t.astype(int), or int(t.item()))"
            )
        return read_value(self, "t as an index").__index__()

    def __bool__(self) -> bool:
        return bool(read_value(self, "a branch on t"))

    def __format__(self, spec: str) -> str:
        return note_text(format(self._value, spec)) if spec else str(self)

    def __str__(self) -> str:
        return note_text(str(self._value))

    def __repr__(self) -> str:
        if type(self._value) is Absent:
            body = repr(self._value)
        else:
            body = np.array2string(np.asarray(self._value), separator=", ", prefix="tensor(")
        notes = [body]
        usual = (np.dtype(float), np.dtype(int), np.dtype(bool))
        if self._value.dtype not in usual and type(self._value) is not Absent:
            notes.append(f"dtype={self._value.dtype}")
        if self.name is not None:
            notes.append(f"name={self.name!r}")
        if self._primitive is not None:
            name = self.op.name  # type: ignore[union-attr]  # not a leaf
            notes.append(f"op={show_text(name, one_line=True)}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return note_text(f"tensor({', '.join(notes)})")

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        """Show the graph behind this tensor in a notebook."""
        from ..display import mimebundle

        return mimebundle(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Tensor:
        make, state = self.__reduce__()
        return make(*state)

    def __reduce__(self) -> tuple[Callable[..., Tensor], tuple[object, ...]]:
        """Pickle and copy value, name and gradient of a leaf, or of what needs no gradient."""
        if self._primitive is not None:
            value_or_refuse(self, "copying or pickling the result of an operation")
        data = read_value(self, "copying or pickling")
        return _restore, (data, self._requires_grad, self.name, self.grad)

    def __setitem__(self, index: object, value: Numbers) -> None:
        raise UnsupportedError(
            "t[index] = value would change a value that the graph still needs; "
            "use t = am.set_at(t, index, value), or np.where"
        )


def tensor(
    data: object,
    requires_grad: bool = False,
    name: str | None = None,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """Make a leaf tensor.

    Args:
        data: numbers of any shape; copied.
        requires_grad: whether gradients flow to it. Integers and booleans become float64.
        name: shown in pictures and errors.
        dtype: as in `np.array`.

    Raises:
        OperandError: for text, ragged lists, objects.
        ConversionError: for a tensor that requires a gradient, which a copy would lose.

    >>> w = tensor([0.5, -1.0], requires_grad=True, name="w")
    >>> (w * w).sum().backward()
    >>> w.grad
    array([ 1., -2.])
    """
    if isinstance(data, Tensor):
        data = value_or_refuse(data, "am.tensor(t), which copies values only (np.copy(t) records),")
    if name is not None and not isinstance(name, str):
        raise OperandError(
            f"the name of a tensor must be a string, got {name!r}; use name=str({name!r})"
        )
    array = as_array(data, dtype, copy=True)
    if requires_grad and array.dtype.kind in "biu":
        array = array.astype(np.float64)
    made = leaf(array, name=name)
    if requires_grad:
        made.requires_grad = True
    return made


def leaf(data: object, *, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """Wrap an array that is already validated, without copying it."""
    made = Tensor()
    made._value = data
    made._requires_grad = requires_grad
    made._primitive = made._operands = made._scope = None
    made._params = NO_PARAMS
    made._assigned = 0
    made.grad = None
    made.name = name
    made.serial = next(serials)
    return made


def tensor_or_array(value: object) -> Array:
    """Return a tensor as it is, anything else as a numeric array; errors as of `as_array`."""
    return value if isinstance(value, Tensor) else as_array(value)


RUN: Final = deque[Any](maxlen=0).extend
"""Goes through an iterator in C. Python raises KeyboardInterrupt between instructions of its own,
and there are none in there: what is called in one such run is done whole or not at all."""
SET_VALUE: Final = vars(Tensor)["_value"].__set__
SET_GRAD: Final = vars(Tensor)["grad"].__set__


def bind_all(leaves: Sequence[Tensor], values: Iterable[object]) -> None:
    """Bind arrays that fit to leaves, all of them or, if an interrupt comes, none."""
    now = next(serials)
    for leaf in leaves:  # too early is safe: graphs recorded before are refused
        leaf._assigned = now
    RUN(map(SET_VALUE, leaves, values))


def _restore(data: Array, requires_grad: bool, name: str | None, grad: np.ndarray | None) -> Tensor:
    made = tensor(data, requires_grad, name)
    made.grad = None if grad is None else as_array(grad, copy=True)
    return made


@final
class Record:
    """The record that all outputs of one operation share; it holds arrays, not tensors."""

    __slots__ = (
        "__weakref__",
        "_operands",
        "_params",
        "_primitive",
        "_requires_grad",
        "_scope",
        "arrays",
        "serial",
    )

    _primitive: Declaration
    _operands: tuple[Any, ...]
    _params: Params
    _requires_grad: bool
    _scope: Scope | None
    arrays: tuple[Any, ...]
    serial: int

    def output(self, index: int) -> Tensor:
        """Return the tensor of output `index`: a new object, the same vertex."""
        tensor = Tensor()
        tensor._value = self.arrays[index]
        tensor._requires_grad = self._requires_grad and tensor._value.dtype.kind in "fc"
        tensor._primitive = self._primitive
        tensor._operands = self
        tensor._params = self._params
        tensor._scope = self._scope
        tensor.serial = self.serial
        tensor._index = index
        tensor.grad = tensor.name = None
        return tensor


def vertex_of(tensor: Tensor) -> Any:
    """Return what holds a tensor's operation: the tensor itself, or the record of several."""
    return tensor._operands if type(tensor._operands) is Record else tensor


class Operation:
    """One vertex of the graph, seen from a tensor: a view, equal to others by serial.

    >>> import autograd_mini as am
    >>> y = am.tensor(3.0, name="x") * 2
    >>> y.op.type, [t.data for t in y.op.inputs]
    ('multiply', [np.float64(3.0), np.int64(2)])
    """

    __slots__ = ("_record",)

    def __init__(self, record: Tensor | Record) -> None:
        self._record = record

    @property
    def primitive(self) -> Declaration:
        """The row of the table that it applies."""
        return self._record._primitive

    @property
    def type(self) -> str:
        """Name of the primitive, as `multiply`."""
        return self.primitive.name

    @property
    def serial(self) -> int:
        """Its place in the order of creation."""
        return self._record.serial

    @property
    def name(self) -> str:
        """Scope, type and serial: unique in this process, as `mlp/dense_1/matmul_12`."""
        path = f"{self.scope}/" if self.scope else ""
        return f"{path}{self.type}_{self.serial}"

    @property
    def params(self) -> Params:
        """The static parameters, as `{"axis": (0,)}`."""
        return dict(self._record._params)

    @property
    def scope(self) -> str:
        """Path of the scope in which it was recorded, `""` outside of all."""
        scope = self._record._scope
        return scope.path if scope else ""

    @property
    def phase(self) -> Phase:
        """The part of a compiled training step to which it belongs; "forward" without one."""
        scope = self._record._scope
        while scope is not None:
            if type(scope) is PhaseScope:
                return scope.phase
            scope = scope.parent
        return "forward"

    @property
    def line(self) -> str | None:
        """Where it was recorded, as "file.py:12", if that was in `am.debug()`."""
        return lines.get(self.serial)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The operands; plain numbers and arrays are wrapped as leaves with serial 0."""
        operands: Any = self._record._operands
        return tuple(x if isinstance(x, Tensor) else wrap_constant(x) for x in operands)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The results."""
        record = self._record
        if isinstance(record, Tensor):
            return (record,)
        return tuple(record.output(i) for i in range(len(record.arrays)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self.serial == other.serial

    def __hash__(self) -> int:
        return hash(self.serial)

    def __repr__(self) -> str:
        shapes = ", ".join(str(np.shape(x)) for x in self._record._operands)
        return f"{show_text(self.name, one_line=True)}({shapes})"


def wrap_constant(value: object) -> Tensor:
    """Wrap a plain operand so that it can be looked at."""
    if type(value) is Tensor:  # a large array was wrapped when it was recorded
        return value
    tensor = leaf(np.asarray(value)[()])
    tensor.serial = 0
    return tensor


class Notes(dict[int, Any]):
    """A value for the serial of a vertex, forgotten with the vertex.

    Attributes:
        leaf_changes: how often something was noted for a leaf or taken away, for those who have
            made something of the notes.
    """

    leaf_changes = 0

    def attach(self, vertex: Record | Tensor, value: object) -> None:
        """Note a value for a tensor or a multi-output record."""
        if vertex.serial not in self:
            weakref.finalize(vertex, self.pop, vertex.serial, None).atexit = False
        self[vertex.serial] = value


hooks: Final = Notes()
"""Functions of a cotangent: serial → {key: (index of the output, function)}."""

lines: Final = Notes()
"""Source lines that `debug` noted: serial → "file.py:12"."""


HOOK_KEYS: Final = count()


class Hook:
    """A registered hook; `remove()` takes it away again."""

    __slots__ = ("_key", "_of_leaf", "_serial")

    def __init__(self, serial: int, key: int, of_leaf: bool) -> None:
        self._serial = serial
        self._key = key
        self._of_leaf = of_leaf

    def remove(self) -> None:
        """Take the hook away; doing it twice does no harm."""
        hooks.get(self._serial, {}).pop(self._key, None)
        hooks.leaf_changes += self._of_leaf


def register_hook(tensor: Tensor, function: Callable[[Any], object]) -> Hook:
    """Call a function with the whole cotangent of a tensor in every reverse walk that reaches it.

    Raises:
        GradientError: for a tensor that requires no gradient, which no walk reaches.
    """
    if not tensor._requires_grad:
        raise GradientError(f"{describe(tensor)} requires no gradient, so a hook is never called")
    vertex = vertex_of(tensor)
    key = next(HOOK_KEYS)
    hooks.attach(vertex, {**hooks.get(vertex.serial, {}), key: (tensor.index, function)})
    hooks.leaf_changes += tensor.is_leaf
    return Hook(vertex.serial, key, tensor.is_leaf)
