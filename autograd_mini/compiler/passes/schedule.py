"""Schedule: a fixed plan that computes a scalar graph by vector operations.

Every scalar has a slot in a buffer of its dtype. Constants are there from the start. A call writes
the scalars and elements that come in, runs the steps in order, and reads the results.

A vector operation is a function of arrays and the line of NumPy that writes its result into an
array. In a line, `{out}` is that array, `{0}`, `{1}`, … are the operands and `{extra}` is an array
of the step's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from textwrap import wrap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.primitive import PRIMITIVES, Primitive
from ...ops import activations, conversion, elementwise, selection
from ..fused_ops import add_n, declare_operation


@dataclass(frozen=True, slots=True, eq=False)
class VectorOperation:
    """One kind of vector operation.

    Attributes:
        name: of the kind, as `multiply`.
        forward: computes it, for arrays (and the step's own array, if it has one).
        line: NumPy source that writes the result into `{out}`, one line or more.
        sign: how Python writes it between two scalars, or None.
    """

    name: str
    forward: Callable[..., Any]
    line: str
    sign: str | None = None

    def __repr__(self) -> str:
        return self.name


SIGNS: Final = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}

CODE: Final = {
    selection.where: "{out}[...] = np.where({0}, {1}, {2})",
    selection.clip: "np.clip({0}, {1}, {2}, out={out})",
    activations.relu: "np.maximum({0}, 0, out={out})",
    activations.sigmoid: (
        "np.exp(-np.abs({0}), out={out})\n"
        "np.divide(np.where({0} >= 0, 1, {out}), 1 + {out}, out={out})"
    ),
    activations.softplus: (
        "np.log1p(np.exp(-np.abs({0})), out={out})\nnp.add({out}, np.maximum({0}, 0), out={out})"
    ),
}
"""Elementwise primitives that are not ufuncs."""

SAME: Final = frozenset({conversion.alias, conversion.stop_gradient, conversion.copy})
"""Primitives whose result is their operand."""

CASTS: Final = frozenset({conversion.cast, conversion.truncate})

WITH_NUMBERS: Final = frozenset(
    PRIMITIVES[name]
    for name in (
        *("add", "subtract", "multiply", "divide", "remainder", "fmod", "power", "arctan2"),
        *("hypot", "copysign", "maximum", "minimum", "fmax", "fmin", "where", "clip"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logaddexp", "logaddexp2"),
    )
)
"""Primitives in which a Python number takes the dtype of the other operands."""

SUM: Final = VectorOperation(
    "sum", lambda x: np.add.reduce(x, axis=0), "np.add.reduce({0}, axis=0, out={out})"
)
"""(terms, results) → (results,), added from the first term to the last; in pairs for one result."""

RAGGED_SUM: Final = VectorOperation(
    "ragged sum", np.add.reduceat, "np.add.reduceat({0}, {extra}, out={out})"
)
"""(all terms,), with the places where each sum starts → (results,)."""

DOT: Final = VectorOperation(
    "dot",
    lambda x, y: np.einsum("kn,kn->n", x, y),
    'np.einsum("kn,kn->n", {0}, {1}, out={out})',
)
"""(terms, results) twice → (results,): sums of products."""

PRODUCT: Final = VectorOperation("product", np.matmul, "np.matmul({0}, {1}, out={out})")
"""(…, m, k), (…, k, n) → (…, m, n): sums of products that are all pairs of rows and columns."""

CAST: Final = VectorOperation("cast", lambda x: x, "{out}[...] = {0}")


def _find_direct_operations() -> dict[Primitive, VectorOperation]:
    """Return the primitives that a vector operation of the same operands computes."""
    found = {}
    for primitive in PRIMITIVES.values():
        ufunc = primitive.ufunc
        if ufunc is not None and ufunc.nout == 1 and ufunc.nin == _primitive_arity(primitive):
            slots = ", ".join(f"{{{i}}}" for i in range(ufunc.nin))
            name = ufunc.__name__
            line = f"np.{name}({slots}, out={{out}})"
            public = getattr(np, name, None) is ufunc
            if public:
                sign = SIGNS.get(name)
                found[primitive] = VectorOperation(primitive.name, ufunc, line, sign)
    for primitive, code in CODE.items():
        found[primitive] = VectorOperation(primitive.name, primitive.forward, code)
    return found


def _primitive_arity(primitive: Primitive) -> int:
    """Return how many operands an elementwise primitive takes, or -1."""
    if primitive.kind != "elementwise" and primitive is not conversion.conjugate:
        return -1
    return len(primitive.vjp) if isinstance(primitive.vjp, tuple) else -1


def power_operation(exponent: float) -> VectorOperation:
    """Return the power by one number, for which NumPy has short cuts."""
    return VectorOperation(
        f"power {exponent}",
        lambda x: x**exponent,
        f"np.power({{0}}, {exponent!r}, out={{out}})",
    )


DIRECT: Final = _find_direct_operations()
ADD: Final = DIRECT[elementwise.add]
MULTIPLY: Final = DIRECT[elementwise.multiply]
SQUARE: Final = DIRECT[elementwise.square]
DIRECT[add_n] = SUM


Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class SlotPlaces:
    """Which slots of which buffer, in the shape in which they are used."""

    buffer: int
    index: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in which the slots are used."""
        return self.index.shape

    def strides(self) -> tuple[int, ...] | None:
        """Return the constant distance of neighbours on each axis, or None if there is none."""
        index = self.index
        if index.size == 0:
            return None
        steps = []
        for axis, length in enumerate(index.shape):
            first = (0,) * axis
            after = (0,) * (index.ndim - axis - 1)
            steps.append(int(index[(*first, 1, *after)]) - int(index.flat[0]) if length > 1 else 0)
        expected = index.flat[0] + sum(
            np.arange(n).reshape((-1,) + (1,) * (index.ndim - axis - 1)) * step
            for axis, (n, step) in enumerate(zip(index.shape, steps, strict=True))
        )
        return tuple(steps) if np.array_equal(expected, index) else None


@dataclass(frozen=True, slots=True, eq=False)
class VectorStep:
    """One vector operation: it reads places, and writes consecutive ones."""

    operation: VectorOperation
    operands: tuple[SlotPlaces, ...]
    target: SlotPlaces
    extra: Index | None = None

    def run(self, buffers: list[NDArray[Any]]) -> None:
        """Compute the step: what the source must do, in the plainest way."""
        arrays = [buffers[x.buffer][x.index] for x in self.operands]
        if self.extra is not None:
            arrays.append(self.extra)
        buffers[self.target.buffer][self.target.index] = self.operation.forward(*arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Elements of an input array: at these flat places, or all of them in order."""

    target: SlotPlaces
    elements: Index | None


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The work of a packed instruction.

    Its operands are all scalars, buffer by buffer, then the arrays of the loads; its results are
    the scalars, buffer by buffer, then arrays.

    Attributes:
        dtypes, sizes: of each buffer.
        constants: what each buffer starts with.
        scalars: the places of scalar inputs.
        loads: the places of elements of input arrays.
        steps: the vector operations, in order.
        results: the places of scalar results.
        arrays_out: the places of the elements of result arrays.
    """

    dtypes: tuple[np.dtype[Any], ...]
    sizes: tuple[int, ...]
    constants: tuple[NDArray[Any], ...]
    scalars: tuple[SlotPlaces, ...]
    loads: tuple[Load, ...]
    steps: tuple[VectorStep, ...]
    results: tuple[SlotPlaces, ...]
    arrays_out: tuple[SlotPlaces, ...]

    def run(self, *operands: Any) -> tuple[Any, ...]:
        """Compute the results of a call; the reference for the source."""
        buffers = [np.zeros(n, dtype) for n, dtype in zip(self.sizes, self.dtypes, strict=True)]
        for buffer, values in zip(buffers, self.constants, strict=True):
            buffer[: len(values)] = values
        given = iter(operands)
        for places in self.scalars:
            for place in places.index:
                buffers[places.buffer][place] = next(given)
        for load, array in zip(self.loads, given, strict=True):
            flat = array.reshape(-1)
            elements = flat if load.elements is None else flat[load.elements]
            buffers[load.target.buffer][load.target.index] = elements
        for step in self.steps:
            step.run(buffers)
        scalars = [x for places in self.results for x in buffers[places.buffer][places.index]]
        return (*scalars, *(buffers[x.buffer][x.index] for x in self.arrays_out))

    def setup(self, name: str) -> list[str]:
        """Write the lines that run once: buffers with their constants, views, memory for gathers.

        The lines use `np` and the arrays of `arrays(name)`; all names they make start with `name`.
        """
        return self._write(name).setup

    def body(self, name: str, operands: list[str], results: list[str]) -> list[str]:
        """Write the lines that run in each call, given the names of operands and results."""
        written = self._write(name)
        return [*written._write_operands(operands), *written.body, *written._write_results(results)]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the constants and index arrays which the lines use, by name."""
        return self._write(name).arrays

    def _write(self, name: str) -> ScheduleWriter:
        writer = ScheduleWriter(name, self.dtypes, self.sizes)
        writer.start(self.constants)
        writer._set_interface(self.scalars, self.loads, self.results, self.arrays_out)
        for step in self.steps:
            writer.step(step)
        writer.finish()
        return writer

    def __repr__(self) -> str:
        return f"<{len(self.steps)} steps on {sum(self.sizes)} slots>"


def _packed_forward(*operands: object, schedule: Schedule) -> tuple[object, ...]:
    """Run a schedule."""
    return schedule.run(*operands)


packed_row: Final = declare_operation(
    "packed",
    _packed_forward,
    "packed",
    "Many scalar operations at once, by vector operations in the order of a schedule.",
    params=("schedule",),
    multiple=True,
)


# ── the source of a schedule ──────────────────────────────────────────────────────────────────────
# Places at constant distances are views. Others are gathered into scratch memory: one array for
# each dtype and position of an operand, which all steps share.
WHOLE = frozenset({SUM, RAGGED_SUM, DOT, PRODUCT})
"""Operations that must see each operand in its full shape."""


POSITIONS = ("left", "right", "third")


class ScheduleWriter:
    """Collects the lines of one schedule.

    Attributes:
        setup, body: lines done once, and in each call.
        arrays: what the lines use, by name.
    """

    def __init__(
        self, name: str, dtypes: tuple[np.dtype[np.generic], ...], sizes: tuple[int, ...]
    ) -> None:
        self.name = name
        self.dtypes = dtypes
        self.sizes = sizes
        self.buffers = [f"{name}_{dtype.name}" for dtype in dtypes]
        self.setup: list[str] = []
        self.body: list[str] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self._views: dict[str, str] = {}
        self._indices: dict[bytes, str] = {}
        self._scratch: dict[str, tuple[str, int]] = {}
        self._rooms: dict[str, str] = {}

    def start(self, constants: Iterable[NDArray[Any]]) -> None:
        """Write the buffers and the constants in them."""
        for buffer, dtype, size, values in zip(
            self.buffers, self.dtypes, self.sizes, constants, strict=True
        ):
            self.setup.append(f"{buffer} = np.zeros({size}, np.dtype({dtype.str!r}))")
            if len(values):
                self.arrays[f"{buffer}_constants"] = values
                self.setup.append(f"{buffer}[:{len(values)}] = {buffer}_constants")

    def _set_interface(
        self,
        scalars: tuple[SlotPlaces, ...],
        loads: tuple[Load, ...],
        results: tuple[SlotPlaces, ...],
        arrays_out: tuple[SlotPlaces, ...],
    ) -> None:
        """Remember what comes in and goes out."""
        self._scalars = scalars
        self._elements = [
            x.elements if x.elements is None else self.index(x.elements) for x in loads
        ]
        self._results = [(x, self.read(x)) for x in results]
        self._arrays_out = [
            f"{self.read(x)}.copy()" if x.strides() else self.read(x) for x in arrays_out
        ]
        self._targets = [self.view(x.target) for x in loads]
        self._scalar_targets = [self.view(x) for x in scalars]

    def _write_operands(self, operands: list[str]) -> Iterator[str]:
        """Write how the operands come in."""
        given = iter(operands)
        for places, view in zip(self._scalars, self._scalar_targets, strict=True):
            names = [next(given) for _ in places.index]
            yield from _write_in_parentheses(f"{view}[:] = (", names, ")")
        for elements, view, array in zip(self._elements, self._targets, given, strict=True):
            if elements is None:
                yield f"{view}[:] = {array}.reshape(-1)"
            else:
                yield f'np.take({array}, {elements}, out={view}, mode="clip")'

    def _write_results(self, results: list[str]) -> Iterator[str]:
        """Write how the results go out."""
        taken = iter(results)
        for places, read in self._results:
            names = [next(taken) for _ in places.index]
            yield from _write_in_parentheses("(", names, f") = {read}")
        for read, name in zip(self._arrays_out, taken, strict=True):
            yield f"{name} = {read}"

    def step(self, step: VectorStep) -> None:
        """Write one vector operation, or one operation of two scalars."""
        if step.target.index.size == 1 and step.operation.sign:
            target, left, right = (
                f"{self.buffers[x.buffer]}[{x.index.flat[0]}]"
                for x in (step.target, *step.operands)
            )
            self.body.append(f"{target} = {left} {step.operation.sign} {right}")
            return
        whole = step.operation in WHOLE
        operands = [self.operand(x, i, whole) for i, x in enumerate(step.operands)]
        extra = self.index(step.extra) if step.extra is not None else ""
        line = step.operation.line.format(*operands, out=self.view(step.target), extra=extra)
        self.body += line.splitlines()

    def finish(self) -> None:
        """Put the scratch memory in front of the arrays made of it."""
        self.setup += [
            f"{name} = np.empty({size}, {buffer}.dtype)"
            for name, (buffer, size) in self._scratch.items()
        ]
        self.setup += [f"{name} = {view}" for view, name in self._rooms.items()]

    def operand(self, places: SlotPlaces, position: int, whole: bool) -> str:
        """Return the name of an operand: a view, or scratch memory that is filled first."""
        strides = places.strides()
        if strides is not None:
            if not whole and not any(strides):
                places = SlotPlaces(places.buffer, places.index.reshape(-1)[:1])
            return self.view(places)
        buffer, size = self.buffers[places.buffer], places.index.size
        memory = f"{buffer}_{POSITIONS[position]}"
        held = self._scratch.get(memory, (buffer, 0))[1]
        self._scratch[memory] = (buffer, max(size, held))
        part = f"{memory}[:{size}]"
        if len(places.shape) > 1:
            part += f".reshape({', '.join(map(str, places.shape))})"
        room = self._rooms.setdefault(part, f"{self.name}_{POSITIONS[position]}_{len(self._rooms)}")
        self.body.append(
            f'{buffer}.take({self.index(places.index)}, out={room}, mode="clip")'
        )  # fmt: skip
        return room

    def view(self, places: SlotPlaces) -> str:
        """Return the name of a view of places at constant distances."""
        text = self._view_text(places)
        if text not in self._views:
            self._views[text] = f"{self.name}_view_{len(self._views)}"
            self.setup.append(f"{self._views[text]} = {text}")
        return self._views[text]

    def _view_text(self, places: SlotPlaces) -> str:
        """Write a view of places at constant distances."""
        buffer, shape = self.buffers[places.buffer], places.shape
        strides = places.strides()
        assert strides is not None, "these places are no view"
        start, end = int(places.index.min()), int(places.index.max()) + 1
        if len(shape) == 1 and (strides[0] > 0 or shape[0] == 1):
            step = f":{strides[0]}" if strides[0] > 1 else ""
            return f"{buffer}[{start}:{end}{step}]"
        if end - start == prod(shape):
            if strides == _contiguous_strides(shape):
                return f"{buffer}[{start}:{end}].reshape({', '.join(map(str, shape))})"
            if strides[::-1] == _contiguous_strides(shape[::-1]):
                reverse = ", ".join(map(str, shape[::-1]))
                return f"{buffer}[{start}:{end}].reshape({reverse}).T"
        size = self.dtypes[places.buffer].itemsize
        nbytes = tuple(size * step for step in strides)
        first = int(places.index.flat[0])
        return f"np.lib.stride_tricks.as_strided({buffer}[{first}:], {shape}, {nbytes})"

    def read(self, places: SlotPlaces) -> str:
        """Write places of results: a view, or a copy if they are scattered."""
        if places.strides() is not None:
            return self.view(places)
        return f"{self.buffers[places.buffer]}[{self.index(places.index)}]"

    def index(self, array: NDArray[np.intp]) -> str:
        """Return the name of an index array."""
        key = str(array.shape).encode() + array.tobytes()
        if key not in self._indices:
            self._indices[key] = f"{self.name}_places_{len(self._indices)}"
            self.arrays[self._indices[key]] = np.ascontiguousarray(array)
        return self._indices[key]


def _contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of consecutive elements; an axis of one element has 0."""
    return tuple(prod(shape[i + 1 :]) if n > 1 else 0 for i, n in enumerate(shape))


def _write_in_parentheses(start: str, names: list[str], end: str) -> list[str]:
    """Write names between parentheses, over several lines if they are many."""
    if len(names) == 1:
        names = [f"{names[0]},"]
    text = ", ".join(names)
    if len(start) + len(text) + len(end) < 96:
        return [start + text + end]
    return [start, *(f"    {line}" for line in wrap(text, 90, break_long_words=False)), end]
