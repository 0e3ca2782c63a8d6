"""Schedule: a fixed plan that computes a scalar graph by vector operations.

Every scalar has a slot in a buffer of its dtype. Constants are there from the start. A call writes
the scalars and elements that come in, runs the steps in order, and reads the results.

A vector operation is a line of NumPy that writes its result into an array. In the line, `{out}` is
that array, `{0}`, `{1}`, … are the operands and `{extra}` is an array of the step's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from textwrap import wrap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.primitive import PRIMITIVES, Primitive
from ...ops import activations, conversion, elementwise, selection
from ..fused_ops import add_n, declare_operation
from ..program import primitives_named


@dataclass(frozen=True, slots=True, eq=False)
class VectorOperation:
    """One kind of vector operation.

    Attributes:
        name: of the kind, as `multiply`.
        line: NumPy source that writes the result into `{out}`, one line or more.
        sign: how Python writes it between two scalars, or None.
    """

    name: str
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
    primitives_named("add subtract multiply divide remainder fmod power arctan2 hypot copysign")
    + primitives_named("maximum minimum fmax fmin where clip equal not_equal less less_equal")
    + primitives_named("greater greater_equal logaddexp logaddexp2")
)
"""Primitives in which a Python number takes the dtype of the other operands."""

SUM: Final = VectorOperation("sum", "np.add.reduce({0}, axis=0, out={out})")
"""(terms, results) → (results,), added from the first term to the last; in pairs for one result."""

RAGGED_SUM: Final = VectorOperation("ragged sum", "np.add.reduceat({0}, {extra}, out={out})")
"""(all terms,), with the places where each sum starts → (results,)."""

DOT: Final = VectorOperation("dot", 'np.einsum("kn,kn->n", {0}, {1}, out={out})')
"""(terms, results) twice → (results,): sums of products."""

PRODUCT: Final = VectorOperation("product", "np.matmul({0}, {1}, out={out})")
"""(…, m, k), (…, k, n) → (…, m, n): sums of products that are all pairs of rows and columns."""

CAST: Final = VectorOperation("cast", "{out}[...] = {0}")


def _find_direct_operations() -> dict[Primitive, VectorOperation]:
    """Return the primitives that a vector operation of the same operands computes."""
    found = {}
    for primitive in PRIMITIVES.values():
        ufunc = primitive.ufunc
        if ufunc is not None and ufunc.nout == 1 and ufunc.nin == _primitive_arity(primitive):
            name, slots = ufunc.__name__, ", ".join(f"{{{i}}}" for i in range(ufunc.nin))
            if getattr(np, name, None) is ufunc:
                line = f"np.{name}({slots}, out={{out}})"
                found[primitive] = VectorOperation(primitive.name, line, SIGNS.get(name))
    return found | {p: VectorOperation(p.name, line) for p, line in CODE.items()}


def _primitive_arity(primitive: Primitive) -> int:
    """Return how many operands an elementwise primitive takes, or -1."""
    if primitive.kind != "elementwise" and primitive is not conversion.conjugate:
        return -1
    return len(primitive.vjp) if isinstance(primitive.vjp, tuple) else -1


def power_operation(exponent: float) -> VectorOperation:
    """Return the power by one number, for which NumPy has short cuts."""
    return VectorOperation(f"power {exponent}", f"np.power({{0}}, {exponent!r}, out={{out}})")


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
        if not index.size:
            return None
        first = int(index.flat[0])
        steps = tuple(
            int(index.take(1, axis).flat[0]) - first if length > 1 else 0
            for axis, length in enumerate(index.shape)
        )
        grids: Sequence[np.ndarray] = np.indices(index.shape, sparse=True)
        expected = first + sum(step * grid for step, grid in zip(steps, grids, strict=True))
        return steps if np.array_equal(expected, index) else None


@dataclass(frozen=True, slots=True, eq=False)
class VectorStep:
    """One vector operation: it reads places, and writes consecutive ones."""

    operation: VectorOperation
    operands: tuple[SlotPlaces, ...]
    target: SlotPlaces
    extra: Index | None = None


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

    def run(self, *operands: object) -> tuple[object, ...]:
        """Compute the results of a call."""
        names = [f"x{i}" for i in range(len(operands))]
        count = sum(len(x.index) for x in self.results) + len(self.arrays_out)
        made = [f"y{i}" for i in range(count)]
        lines = self.write("packed", names, made)
        space = {"np": np, **lines.arrays, **dict(zip(names, operands, strict=True))}
        exec("\n".join([*lines.setup, *lines.body]), space)  # text and names are our own
        return tuple(space[name] for name in made)

    def write(self, name: str, operands: list[str], results: list[str]) -> ScheduleWriter:
        """Write the lines that run once and in each call; all names they make start with `name`."""
        return ScheduleWriter(name, self, operands, results)

    def __repr__(self) -> str:
        return f"<{len(self.steps)} steps on {sum(self.sizes)} slots>"


packed_row: Final = declare_operation(
    "packed",
    lambda *operands, schedule: schedule.run(*operands),
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
        setup: lines done once: buffers with their constants, views, memory for gathers.
        body: lines done in each call.
        arrays: the constants and index arrays that the lines use, by name. They use `np`, too.
    """

    def __init__(
        self, name: str, schedule: Schedule, operands: list[str], results: list[str]
    ) -> None:
        self.name = name
        self.dtypes = schedule.dtypes
        self.buffers = [f"{name}_{dtype.name}" for dtype in schedule.dtypes]
        self.setup: list[str] = []
        self.body: list[str] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._views: dict[str, str] = {}
        self._indices: dict[bytes, str] = {}
        self._scratch: dict[str, tuple[str, int]] = {}
        self._rooms: dict[str, str] = {}
        starts = zip(self.buffers, self.dtypes, schedule.sizes, schedule.constants, strict=True)
        for buffer, dtype, size, values in starts:
            self.setup.append(f"{buffer} = np.zeros({size}, np.dtype({dtype.str!r}))")
            if len(values):
                self.arrays[f"{buffer}_constants"] = values
                self.setup.append(f"{buffer}[:{len(values)}] = {buffer}_constants")
        self._write_operands(schedule, iter(operands))
        for step in schedule.steps:
            self._write_step(step)
        self._write_results(schedule, iter(results))
        self.setup += [
            f"{name} = np.empty({size}, {buffer}.dtype)"
            for name, (buffer, size) in self._scratch.items()
        ]
        self.setup += [f"{name} = {view}" for view, name in self._rooms.items()]

    def _write_operands(self, schedule: Schedule, given: Iterator[str]) -> None:
        """Write how the operands come in."""
        for places in schedule.scalars:
            names = [next(given) for _ in places.index]
            self.body += _write_in_parentheses(f"{self.view(places)}[:] = (", names, ")")
        for load, array in zip(schedule.loads, given, strict=True):
            view = self.view(load.target)
            if load.elements is None:
                self.body.append(f"{view}[:] = {array}.reshape(-1)")
            else:
                index = self.index(load.elements)
                self.body.append(f'np.take({array}, {index}, out={view}, mode="clip")')

    def _write_results(self, schedule: Schedule, taken: Iterator[str]) -> None:
        """Write how the results go out."""
        for places in schedule.results:
            names = [next(taken) for _ in places.index]
            self.body += _write_in_parentheses("(", names, f") = {self.read(places)}")
        for places, name in zip(schedule.arrays_out, taken, strict=True):
            copied = ".copy()" if places.strides() else ""
            self.body.append(f"{name} = {self.read(places)}{copied}")

    def _write_step(self, step: VectorStep) -> None:
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
        index = self.index(places.index)
        self.body.append(f'{buffer}.take({index}, out={room}, mode="clip")')
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
