"""Tracing: a function runs once with real values, and every operation is noted as an instruction.

What it reads becomes an input, a leaf, or a constant; `backward()` and assignments are noted as
well, so that a whole training step is one program. The values themselves are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ..arrays import normal
from ..contexts import Scope
from ..errors import ConversionError, UnsupportedError
from ..extraction import describe, tracing
from ..notes import hooks
from ..operation import Record, context, evaluate, record, recorder, run
from ..operation import operand as plain
from ..ops.conversion import cast, set_leaf
from ..primitives import PRIMITIVES, Primitive
from ..sites import Site, site
from ..tensors import NO_PARAMS, Tensor, leaf, serials
from .guards import Condition, conditions_of
from .program import Instruction, Operand, Program, Value
from .rows import scalar

GRADIENT: Final = "gradient"
"""The scope of reverse walks."""
NUMBERS: Final = frozenset({int, float, bool, complex, type(None)})


Key = int | tuple[int, int]


class Tracer:
    """Notes every operation while a function runs; see `extraction.Trace`.

    Attributes:
        guards: what the function read from models and optimizers.
    """

    effects = True

    def __init__(self, lines: bool = True) -> None:
        """Begin; without `lines` it does not note where operations were recorded."""
        self._notes_lines = lines
        self.start = next(serials)
        self.hooks = hooks.leaf_changes
        self.inputs: list[Value] = []
        self.leaves: dict[Value, Tensor] = {}
        self.constants: dict[Value, Any] = {}
        self.instructions: list[Instruction] = []
        self.guards: list[Condition] = []
        self.tensorial: set[Value] = set()
        self._values: dict[Key, Value] = {}
        self._arrays: dict[int, Value] = {}
        self._roots: dict[int, Value] = {}
        self._updates: dict[int, Value] = {}
        self._weak: set[int] = set()
        self._arguments: set[int] = set()
        self._scalars: dict[Value, Value] = {}
        self._walks: dict[int, Site] = {}
        self._paths: dict[int, str] = {}

    def stand_in(self, given: Any, name: str | None) -> Tensor:
        """Return a fresh tensor in place of an argument: an array, a tensor, or a Python float."""
        if isinstance(given, Tensor):
            tensor, weak = leaf(given._value, name=given.name or name), False
        else:
            weak = type(given) in NUMBERS
            tensor = leaf(np.asarray(given)[()], name=name)
        value = Value(tensor.shape, tensor.dtype, tensor.name, weak)
        self.inputs.append(value)
        self._values[tensor.serial] = value
        self._arguments.add(tensor.serial)
        if isinstance(given, Tensor):
            self.tensorial.add(value)
        if weak:
            self._weak.add(tensor.serial)
        return tensor

    # ── what recorders do ────────────────────────────────────────────────────────────────────
    def record(
        self, primitive: Any, operands: tuple[Any, ...], params: dict[str, Any] = NO_PARAMS
    ) -> Any:
        """Record an operation with its history, and note it."""
        if primitive is set_leaf:
            return self._assign(*operands)
        if not primitive.multiple and not self._takes_number(operands):
            tensor = record(primitive, operands, params)
            self._note_one(primitive, tensor._operands, params, tensor)
            return tensor
        operands = tuple([x if type(x) is Tensor else plain(x) for x in operands])
        results = record(primitive, self._given(primitive, operands), params)
        for t in results if primitive.multiple else (results,):
            t._requires_grad = t._requires_grad or self._wanted(primitive, operands)
            if type(t._operands) is tuple:
                t._operands = operands
        self._note(primitive, operands, params, results)
        return results

    def evaluate(
        self, primitive: Any, operands: tuple[Any, ...], params: dict[str, Any] = NO_PARAMS
    ) -> Any:
        """Compute an operation without history, and note it."""
        if primitive is set_leaf:
            return self._assign(*operands)
        if not primitive.multiple and not self._takes_number(operands):
            operands, data, _ = run(primitive, operands, params)
            tensor = leaf(normal(data))
            self._note_one(primitive, operands, params, tensor)
            return tensor
        operands = tuple([x if type(x) is Tensor else plain(x) for x in operands])
        _, data, _ = run(primitive, self._given(primitive, operands), params)
        multiple = primitive.multiple
        results: Any = tuple(leaf(_scalar(part)) for part in data) if multiple else leaf(data)
        self._note(primitive, operands, params, results)
        return results

    def look(self, tensor: Tensor, what: str) -> None:
        """Refuse to let a value out: it may be another one at the next call."""
        raise ConversionError(
            f"compile: {what}, at {site()}, looks at the value of {describe(tensor)}, which may "
            "differ from call to call; use np.where instead of a branch, NumPy's functions instead "
            "of Python's, and print or convert outside of the compiled function"
        )

    def is_number(self, tensor: Tensor) -> bool:
        """Whether a tensor stands for a Python number."""
        return tensor.serial in self._weak

    def depends(self, owner: Any, attributes: Sequence[str]) -> None:
        """Note that the program holds only while attributes are what they are now."""
        self.guards += conditions_of(owner, attributes)

    # ── values ───────────────────────────────────────────────────────────────────────────────
    def _takes_number(self, operands: tuple[Any, ...]) -> bool:
        """Whether a tensor among operands stands for a Python number."""
        if self._weak:
            for x in operands:
                if type(x) is Tensor and x.serial in self._weak:
                    return True
        return False

    def _note_one(
        self, primitive: Any, operands: tuple[Any, ...], params: dict[str, Any], y: Tensor
    ) -> None:
        """Note an operation with one result, whose operands are arrays: a third of the time."""
        scope = context.get()[1]
        where = self._place(scope) if self._notes_lines else None
        values = self._values
        taken = []
        for x in operands:
            found = values.get(x.serial) if type(x) is Tensor else None
            taken.append(self.operand(x) if found is None else found)
        data = y._value
        value = values[y.serial] = Value(data.shape, data.dtype)
        path = self._path(scope) if scope is not None else ""
        step = Instruction(primitive, tuple(taken), params, (value,), path, where)
        self.instructions.append(step)

    def _given(self, primitive: Primitive, operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the operands with Python numbers in place of the tensors that stand for them."""
        if self._weak and takes_numbers(primitive):
            for x in operands:
                if type(x) is Tensor and x.serial in self._weak:
                    return tuple(
                        x._value.item() if type(x) is Tensor and x.serial in self._weak else x
                        for x in operands
                    )
        return operands

    def _wanted(self, primitive: Any, operands: tuple[Any, ...]) -> bool:
        return bool(
            self._weak
            and primitive.differentiable
            and any(type(x) is Tensor and x._requires_grad for x in operands)
        )

    def _note(
        self, primitive: Any, operands: tuple[Any, ...], params: dict[str, Any], results: Any
    ) -> None:
        scope = context.get()[1]
        where = self._place(scope) if self._notes_lines else None
        taken = tuple([self.operand(x) for x in operands])
        if self._weak and not takes_numbers(primitive):
            taken = tuple([self._scalar(x) for x in taken])
        made = []
        for t in results if primitive.multiple else (results,):
            weak = type(t._value) in NUMBERS
            t._value = _scalar(t._value)
            value = Value(t._value.shape, t._value.dtype, None, weak)
            if weak:
                self._weak.add(t.serial)
            self._values[key_of(t)] = value
            made.append(value)
        path = self._path(scope) if scope is not None else ""
        self.instructions.append(Instruction(primitive, taken, params, tuple(made), path, where))

    def _place(self, scope: Scope | None) -> Site:
        """Return the user's line; that from which a reverse walk is called is looked up once."""
        if scope is None or scope.name != GRADIENT:
            return site()
        found = self._walks.get(scope.serial)
        if found is None:
            found = self._walks[scope.serial] = site()
        return found

    def _path(self, scope: Scope) -> str:
        path = self._paths.get(scope.serial)
        if path is None:
            path = self._paths[scope.serial] = scope.path
        return path

    def operand(self, x: Any) -> Operand:
        """Return the value of a tensor or captured array; Python numbers stay as they are."""
        if type(x) is Tensor:
            key = key_of(x)
            return self._values.get(key) or self._met(x, key)
        if type(x) in NUMBERS:
            return x
        value = self._arrays.get(id(x))
        if value is None:
            value = self._constant(x, None)
            if type(x) is np.ndarray:
                self._arrays[id(x)] = value
        return value

    def _met(self, x: Tensor, key: Key) -> Value:
        """Return the value of a tensor that is met for the first time."""
        outside = 0 < x.serial < self.start
        if x._primitive is None and outside:
            value = Value(x.shape, x.dtype, x.name)
            self.leaves[value] = x
            self._roots[x.serial] = value
        elif x._primitive is not None and not outside:
            raise UnsupportedError(
                f"compile: {describe(x)} was recorded by a recorder of its own, as that of "
                "am.debug(); use it outside of the compiled function"
            )
        else:
            value = self._constant(x._value, x.name)
        self.tensorial.add(value)
        self._values[key] = value
        return value

    def _scalar(self, x: Operand) -> Operand:
        """Return a NumPy scalar in place of a Python number that differs from call to call."""
        if type(x) is not Value or not x.weak:
            return x
        if x not in self._scalars:
            self._scalars[x] = Value((), x.dtype, x.name)
            made = (self._scalars[x],)
            self.instructions.append(Instruction(scalar, (x,), {}, made, "", site()))
        return self._scalars[x]

    def _constant(self, data: Any, name: str | None) -> Value:
        value = Value(data.shape, data.dtype, name)
        self.constants[value] = data
        return value

    def _assign(self, target: Tensor, given: Any) -> Any:
        """Note that a leaf has a new value from here on."""
        self.operand(target)
        new = self._scalar(self.operand(given))
        if target.serial in self._arguments:
            raise UnsupportedError(
                f"compile: {describe(target)} is an argument of the compiled function and cannot "
                "be assigned in it; return the new value, or use a tensor from outside"
            )
        if type(new) is not Value or new.dtype != target.dtype:
            cast_value = Value(target.shape, target.dtype)
            self.instructions.append(
                Instruction(cast, (new,), {"dtype": target.dtype}, (cast_value,), "", site())
            )
            new = cast_value
        self._values[target.serial] = new
        if target.serial in self._roots:
            self._updates[target.serial] = new
        return given

    def program(self, name: str, outputs: list[Operand]) -> Program:
        """Return what was noted.

        Raises:
            UnsupportedError: if a gradient was read that was there before.
        """
        for x in self.leaves.values():
            if type(x.grad) is np.ndarray and id(x.grad) in self._arrays:
                raise UnsupportedError(
                    f"compile: the gradient of {describe(x)}, which was there before the call, may "
                    "differ from call to call; call backward() in the compiled function, too"
                )
        updates = [(self._roots[serial], new) for serial, new in self._updates.items()]
        return Program(
            name=name,
            inputs=self.inputs,
            leaves=self.leaves,
            constants=self.constants,
            instructions=self.instructions,
            outputs=outputs,
            updates=[(root, new) for root, new in updates if root is not new],
        )


def takes_numbers(primitive: Primitive) -> bool:
    """Whether an operation gets Python numbers as they are, which leave float32 what it is.

    Where NumPy makes an array of a number first, a scalar of the default dtype stands for it.
    """
    usual = PRIMITIVES.get(primitive.name) is primitive
    return not usual or primitive.kind == "elementwise" or primitive.ufunc is not None


def key_of(tensor: Tensor) -> Key:
    """Return what tells a tensor from all others: its serial, and which output it is of several."""
    return (tensor.serial, tensor._index) if type(tensor._operands) is Record else tensor.serial


def _scalar(data: Any) -> Any:
    """Return a Python number as a NumPy scalar, and a 0-d array too."""
    return data if type(data) is np.ndarray and data.ndim else np.asarray(data)[()]


def traced(tracer: Tracer, function: Callable[[], Any], recording: bool) -> Any:
    """Run a function while a tracer notes its operations; without `recording` as in no_grad."""
    token = tracing.set(tracer)
    try:
        with recorder(tracer.record if recording else evaluate):
            return function()
    finally:
        tracing.reset(token)
