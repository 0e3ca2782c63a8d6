"""Tracing: a function runs once with real values, and every operation is noted as an instruction.

What the function reads becomes an input, a leaf or a constant. `backward()` and assignments are
noted too, so a whole training step is one program. The values are not kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np

from ..core.arrays import PLAIN, Array, as_array, fingerprint, scalar_if_0d
from ..core.contexts import ERRORS, Scope, ScopePath, WalkScope, serials
from ..core.primitive import PRIMITIVES, Primitive
from ..core.record import Record, Site, compute, context, hooks, record, user_line
from ..core.record import check_operand as plain
from ..core.tensor import NO_PARAMS, Tensor, leaf
from ..errors import ShapeError, StaleGraphError
from ..ops.conversion import cast, conjugate_number, imag, real, rounded_number, set_leaf
from . import refusals
from .expressions import is_view
from .fused_ops import scalar
from .guards import MISSING, Condition, has_same_bits
from .observe import Observer, call_observed
from .program import Instruction, Operand, Params, Program, Value
from .uses import call_watching_uses

Answer = TypeVar("Answer")
NUMBERS: Final = frozenset({int, float, bool, complex, type(None)})
SCALARS: Final = NUMBERS | PLAIN - {np.ndarray}
STATIC: Final = (ShapeError, TypeError, AttributeError, StaleGraphError)
"""Errors that an operation raises whatever the values are: about shapes, dtypes and kinds."""
OF_NUMBERS: Final = frozenset({real, imag, rounded_number, conjugate_number})
"""Operations that return a Python number for a Python number."""
COPIED: Final = 1_000_000
"""Bytes up to which a plain array is copied as an operand; a larger one gets a fingerprint."""

Key = int | tuple[int, int]
Operands = tuple[Any, ...]
"""Tensors, arrays and numbers, as a primitive takes them."""


class ArrayOperand:
    """A plain array that was an operand, as it was then.

    Attributes:
        array: the array.
        value: what stands for it in the program.
        copy: a copy of its elements, unless it is large.
        leaf: what stands for it in the graph.
        line: where it was an operand first.
    """

    __slots__ = ("_print", "array", "copy", "leaf", "line", "value")

    def __init__(self, array: np.ndarray, value: Value, line: object) -> None:
        self.array = array
        self.value = value
        self.line = line
        small = array.nbytes <= COPIED
        self.copy = array.copy("K") if small else None
        self._print = None if small else fingerprint(array)
        self.leaf = leaf(as_array(self.copy if small else array))

    def is_unchanged(self) -> bool:
        """Tell whether the array still holds the same elements."""
        if self.copy is None:
            return self._print == fingerprint(self.array)
        return self.array.shape == self.copy.shape and has_same_bits(self.array, self.copy)


class StateBefore:
    """What a traced call may change, as it was before the call, to undo a refused call."""

    def __init__(self) -> None:
        self._leaves: list[tuple[Tensor, Any, int, Any]] = []
        self._released: dict[int, Any] = {}
        self._generators: dict[int, tuple[np.random.Generator, Any]] = {}

    def keep_leaf(self, x: Tensor) -> None:
        """Remember the value and the gradient of a leaf."""
        self._leaves.append((x, x._value, x._assigned, x.grad))

    def keep_generator(self, params: dict[str, object]) -> None:
        """Remember the state of a generator before its first draw."""
        generator = params.get("generator")
        known = self._generators
        if isinstance(generator, np.random.Generator) and id(generator) not in known:
            known[id(generator)] = generator, generator.bit_generator.state

    def has_drawn_from(self, generator: object) -> bool:
        """Tell whether draws of a generator were noted, or of another one with the same bits."""
        drawn = (x for x, _ in self._generators.values())
        return any(generator is x or generator is x.bit_generator for x in drawn)

    def release_gradient(self, x: Tensor) -> None:
        """Leave an array in place of a recorded gradient."""
        assert type(x.grad) is Tensor
        x.grad = self._released[id(x)] = x.grad._value

    def restore(
        self, updated: Container[int], is_recorded_here: Callable[[object], bool], cleared: bool
    ) -> None:
        """Put back values, gradients and generators. Changes of another thread stay.

        Args:
            updated: serials of the leaves that the call assigned.
            is_recorded_here: tells whether a gradient was recorded in the call.
            cleared: whether to put back gradients that are no longer there.
        """
        for x, value, assigned, grad in reversed(self._leaves):
            if x.serial in updated:
                x._value, x._assigned = value, assigned
            found = x.grad
            ours = is_recorded_here(found) or self._released.get(id(x), MISSING) is found
            if ours or (cleared and found is None):
                x.grad = grad
        for generator, state in self._generators.values():
            generator.bit_generator.state = state


class Tracer:
    """Notes every operation while a function runs; see `extraction.Trace`.

    Attributes:
        observer: sees which Python code runs; None if that is known already.
        before: what the call may change, as it was.
        owners: objects that say that they are read: models and optimizers.
        conditions: what else the function relied on.
        array_operands: plain arrays that were operands.
        uses: how often each of them was an operand, by its id.
        watched: arrays from outside whose uses are watched.
        names: the attributes that hold them.
        proven: the ids of watched arrays that were operands only.
        refusal: the error that ended the trace, or None.
        failure: the error for an operation that raised, which the function may catch; or None.
    """

    effects = True

    def __init__(self, observer: Observer | None = None, lines: bool = True) -> None:
        """Begin. Without `lines` it does not note where operations were recorded."""
        self._notes_lines = lines
        self.observer = observer
        self.start = next(serials)
        self.hooks = hooks.leaf_changes
        self.inputs: list[Value] = []
        self.leaves: dict[Value, Tensor] = {}
        self.constants: dict[Value, Any] = {}
        self.instructions: list[Instruction] = []
        self.owners: dict[int, Any] = {}
        self.conditions: list[Condition] = []
        self.tensorial: set[Value] = set()
        self.array_operands: list[ArrayOperand] = []
        self.uses: dict[int, int] = {}
        self.watched: list[Any] = []
        self._texts: set[str] = set()
        self.names: set[str] = set()
        self.proven: set[int] = set()
        self.refusal: Exception | None = None
        self.failure: Exception | None = None
        self._errors = ERRORS.get()
        self._raising = _raising_errors()
        self._shown: set[Operand] = set()
        self._values: dict[Key, Value] = {}
        self._arrays: dict[int, ArrayOperand] = {}
        self._roots: dict[int, Value] = {}
        self._updates: dict[int, Value] = {}
        self._weak: set[int] = set()
        self._arguments: set[int] = set()
        self._plain_arguments: set[int] = set()
        self._scalars: dict[Value, Value] = {}
        self._walks: dict[int, Site] = {}
        self._paths: dict[int, str] = {}
        self.before = StateBefore()

    def stand_in(self, given: object, name: str | None) -> Tensor:
        """Return a fresh tensor in place of an argument: an array, a tensor, or a Python float."""
        if isinstance(given, Tensor):
            tensor, weak = leaf(given._value, name=given.name or name), False
        else:
            weak = type(given) in NUMBERS
            # A copy: the graph of this call keeps the numbers of this call.
            tensor = leaf(np.array(given)[()], name=name)
        value = Value(tensor.shape, tensor.dtype, tensor.name, weak)
        self.inputs.append(value)
        self._values[tensor.serial] = value
        self._arguments.add(tensor.serial)
        if isinstance(given, Tensor):
            self.tensorial.add(value)
        else:
            self._plain_arguments.add(tensor.serial)
        if type(given) is np.ndarray:
            self._shown.add(value)
        if weak:
            self._weak.add(tensor.serial)
        return tensor

    # ── what recorders do ────────────────────────────────────────────────────────────────────
    def record(
        self, primitive: Primitive, operands: Operands, params: Params = NO_PARAMS
    ) -> object:
        """Record an operation with its history, and note it."""
        return self._carry_out(primitive, operands, params, history=True)

    def evaluate(
        self, primitive: Primitive, operands: Operands, params: Params = NO_PARAMS
    ) -> object:
        """Compute an operation without history, and note it."""
        return self._carry_out(primitive, operands, params, history=False)

    def _carry_out(
        self, primitive: Primitive, operands: Operands, params: Params, history: bool
    ) -> object:
        """Carry out an operation and note it; return its results as tensors."""
        self._refuse_error_state()
        try:
            if primitive is set_leaf:
                return self._assign(*operands)
            if primitive.effect:
                self.before.keep_generator(params)
            given = self._with_tensors(operands)
            if primitive.multiple or self._takes_number(given):
                return self._carry_out_rare(primitive, given, params, history)
            tensor = (
                record(primitive, given, params)
                if history
                else leaf(scalar_if_0d(compute(primitive, given, params)[1]))
            )
            self._note_one(primitive, given, params, tensor)
            return tensor
        except Exception as error:
            self._note_failure(primitive, operands, error)
            raise

    def _carry_out_rare(
        self, primitive: Primitive, operands: Operands, params: Params, history: bool
    ) -> object:
        """Carry out an operation with several results, or of Python numbers, and note it."""
        plain_numbers = self._takes_plain_numbers(primitive, operands)
        given = self._with_python_numbers(operands) if plain_numbers else operands
        if history:
            results = record(primitive, given, params)
            for t in results if primitive.multiple else (results,):
                t._requires_grad = t._requires_grad or self._needs_gradient(primitive, operands)
                if type(t._operands) is tuple:
                    t._operands = operands
        else:
            _, data, _ = compute(primitive, given, params)
            several = primitive.multiple
            results = tuple(map(leaf, map(_as_numpy_scalar, data))) if several else leaf(data)
        self._note(primitive, operands, params, results, plain_numbers)
        return results

    def _note_failure(self, primitive: Primitive, operands: Operands, error: Exception) -> None:
        """Remember an error that depends on values: if the function catches it, it took a branch.

        Errors about shapes and dtypes do not depend on values; errors about an index do if the
        index is a tensor.
        """
        indexed = any(type(x) is Tensor and x.dtype.kind in "iu" for x in operands[1:])
        static = isinstance(error, STATIC) or (isinstance(error, IndexError) and not indexed)
        if self.failure is None and not static:
            self.failure = refusals.caught_error(primitive, error)

    def _refuse_error_state(self) -> None:
        """Refuse operations after the function asked NumPy to raise at floating-point errors."""
        state = ERRORS.get()
        if state is self._errors:
            return
        self._errors = state
        asked = sorted(_raising_errors() - self._raising)
        if asked:
            raise self.note_refusal(refusals.error_state_error(asked[0]))

    def refuse_write(self, tensor: Tensor) -> None:
        """Refuse `x *= 2` if x stands for an array that was given, or for a view of it.

        NumPy would write into the caller's array. On a tensor, `*=` makes a new tensor.
        """
        value = self._values.get(_tensor_key(tensor))
        if value is not None and value in self._shown:
            raise self.note_refusal(refusals.in_place_error(tensor))

    def note_refusal(self, error: Exception) -> Exception:
        """Note an error that ends the trace, and return it.

        The function may catch it. But without a trace it would not have been raised.
        """
        self.refusal = self.refusal or error
        return error

    def look(self, tensor: Tensor, what: str) -> None:
        """Refuse to let a value out: it may differ at the next call."""
        is_argument = tensor.serial in self._arguments
        raise self.note_refusal(refusals.value_error(tensor, what, is_argument))

    def ask_kind(self, tensor: Tensor, what: str) -> None:
        """Refuse a question about the class of an argument that was not a tensor."""
        if tensor.serial in self._plain_arguments and refusals.is_asked(sys._getframe(2), what):
            raise self.note_refusal(refusals.kind_error(tensor, what, self.is_number(tensor)))

    def is_number(self, tensor: Tensor) -> bool:
        """Whether a tensor stands for a Python number."""
        return tensor.serial in self._weak

    def note_text(self, text: str) -> None:
        """Note a text that shows a value. It may be printed, but not returned."""
        self._texts.add(text)

    def refuse_text(self, x: object) -> None:
        """Refuse a text in a result that shows a value.

        Raises:
            UnsupportedError: if the text shows a value of this call.
        """
        if type(x) is str and any(text in x for text in self._texts):
            raise self.note_refusal(refusals.text_error(x))

    def depends(self, owner: object, attributes: Sequence[str] = ()) -> None:
        """Note that an object is read; these attributes must stay as they are now."""
        self.owners[id(owner)] = owner
        for name in attributes:
            label = f"{type(owner).__name__}.{name}"
            self.conditions.append(Condition("attribute", owner, name, getattr(owner, name), label))

    # ── values ───────────────────────────────────────────────────────────────────────────────
    def _with_tensors(self, operands: Operands) -> Operands:
        """Return the operands with a leaf in place of each plain array.

        So operations of a rule on such an array are noted too, and do not become constants.
        """
        for x in operands:
            if type(x) is not Tensor and type(x) not in SCALARS:
                return tuple(map(self._as_leaf, operands))
        return operands

    def _as_leaf(self, given: object) -> object:
        """Return the leaf that stands for a plain array; others are as they are."""
        if type(given) is Tensor or type(given) in SCALARS:
            return given
        x = plain(given)
        return self._array_operand(x).leaf if type(x) is np.ndarray else x

    def _takes_number(self, operands: Operands) -> bool:
        """Whether a tensor among operands stands for a Python number."""
        weak = self._weak
        return bool(weak) and any(type(x) is Tensor and x.serial in weak for x in operands)

    def _note_one(
        self, primitive: Primitive, operands: Operands, params: Params, y: Tensor
    ) -> None:
        """Note an operation with one result whose operands are arrays: in a third of the time."""
        values = self._values
        taken: list[Operand] = []
        for x in operands:
            found = values.get(x.serial) if type(x) is Tensor else None
            taken.append(self.operand(x) if found is None else found)
        data = y._value
        value = values[y.serial] = Value(data.shape, data.dtype)
        self._add_instruction(primitive, tuple(taken), params, (value,))

    def _add_instruction(
        self,
        primitive: Primitive,
        operands: tuple[Operand, ...],
        params: Params,
        results: tuple[Value, ...],
    ) -> None:
        """Add an instruction, with its scope and the user's line.

        Results that are views of an array that was given are noted; an element is a copy.
        """
        scope = context.get()[1]
        line = self._user_line(scope) if self._notes_lines else None
        path = self._path(scope) if scope is not None else ""
        step = Instruction(primitive, operands, params, results, path, line)
        self.instructions.append(step)
        if primitive.view and operands[0] in self._shown and is_view(step):
            self._shown.update(y for y in results if y.shape)

    def _takes_plain_numbers(self, primitive: Primitive, operands: Operands) -> bool:
        """Tell whether an operation computes with Python numbers as they are.

        A function of NumPy that gets numbers only makes NumPy scalars of them.
        """
        if not _computes_with_numbers(primitive):
            return False
        alone = all(
            x.serial in self._weak if type(x) is Tensor else type(x) in NUMBERS for x in operands
        )
        return (
            not alone
            or primitive in OF_NUMBERS
            or not refusals.is_called_by_numpy(sys._getframe(2))
        )

    def _is_python_number(self, primitive: Primitive, operands: Operands, params: Params) -> bool:
        """Tell whether an operation returns a Python number; complex ones do not show it.

        It computes the operation again. That is rare: it is asked for complex numbers only.
        """
        given = [x._value if type(x) is Tensor else x for x in self._with_python_numbers(operands)]
        return type(primitive.forward(*given, **params)) in NUMBERS

    def _with_python_numbers(self, operands: Operands) -> Operands:
        """Return the operands with Python numbers in place of the tensors that stand for them."""
        return tuple(
            x._value.item() if type(x) is Tensor and x.serial in self._weak else x for x in operands
        )

    def _needs_gradient(self, primitive: Primitive, operands: Operands) -> bool:
        return bool(
            self._weak
            and primitive.differentiable
            and any(type(x) is Tensor and x._requires_grad for x in operands)
        )

    def _note(
        self,
        primitive: Primitive,
        operands: Operands,
        params: Params,
        results: Tensor | tuple[Tensor, ...],
        plain_numbers: bool,
    ) -> None:
        taken = tuple([self.operand(x) for x in operands])
        if self._weak and not plain_numbers:
            taken = tuple([self._as_scalar(x) for x in taken])
        made = []
        for t in results if isinstance(results, tuple) else (results,):
            weak = type(t._value) in NUMBERS
            if plain_numbers and type(t._value) is np.complex128:
                weak = self._is_python_number(primitive, operands, params)
            t._value = _as_numpy_scalar(t._value)
            value = Value(t._value.shape, t._value.dtype, None, weak)
            if weak:
                self._weak.add(t.serial)
            self._values[_tensor_key(t)] = value
            made.append(value)
        self._add_instruction(primitive, taken, params, tuple(made))

    def _user_line(self, scope: Scope | None) -> Site:
        """Return the user's line; for a backward pass it is looked up once."""
        if type(scope) is not WalkScope:
            return user_line()
        found = self._walks.get(scope.serial)
        if found is None:
            found = self._walks[scope.serial] = user_line()
        return found

    def _path(self, scope: Scope) -> str:
        path = self._paths.get(scope.serial)
        if path is None:
            path = self._paths[scope.serial] = ScopePath(scope)
        return path

    def operand(self, x: Any) -> Operand:
        """Return the value of a tensor or captured array; Python numbers stay as they are."""
        if type(x) is Tensor:
            if not x.serial:  # a large array, wrapped when it was recorded outside
                return self.operand(x._value)
            key = _tensor_key(x)
            return self._values.get(key) or self._meet_tensor(x, key)
        if type(x) in NUMBERS:
            return x
        if type(x) is not np.ndarray:
            return self._constant(x, None)
        return self._array_operand(x).value

    def _array_operand(self, x: np.ndarray) -> ArrayOperand:
        """Return what stands for a plain array as it is now."""
        self.uses[id(x)] = self.uses.get(id(x), 0) + 1
        operand = self._arrays.get(id(x))
        if operand is None or not operand.is_unchanged():
            return self._meet_array(x, operand)
        return operand

    def _meet_array(self, x: np.ndarray, before: ArrayOperand | None) -> ArrayOperand:
        """Return what stands for a plain array that is new, or that was written into.

        Raises:
            UnsupportedError: if its earlier elements are lost.
        """
        if before is not None and before.copy is None:
            raise self.note_refusal(refusals.changed_array_error(x, before.line))
        line = user_line() if self._notes_lines else None
        operand = ArrayOperand(x, Value(x.shape, x.dtype), line)
        self.constants[operand.value] = operand.leaf._value
        self._values[operand.leaf.serial] = operand.value
        self._arrays[id(x)] = operand
        self.array_operands.append(operand)
        return operand

    def _meet_tensor(self, x: Tensor, key: Key) -> Value:
        """Return the value for a tensor that was not an operand before."""
        outside = 0 < x.serial < self.start
        if x._primitive is None and outside:
            value = Value(x.shape, x.dtype, x.name)
            self.leaves[value] = x
            self._roots[x.serial] = value
            self.before.keep_leaf(x)
        elif x._primitive is not None and not outside:
            raise self.note_refusal(refusals.recorder_error(x))
        else:
            value = self._constant(x._value, x.name)
        self.tensorial.add(value)
        self._values[key] = value
        return value

    def _as_scalar(self, x: Operand) -> Operand:
        """Return a NumPy scalar in place of a Python number that differs from call to call."""
        if type(x) is not Value or not x.weak:
            return x
        if x not in self._scalars:
            self._scalars[x] = Value((), x.dtype, x.name)
            made = (self._scalars[x],)
            self.instructions.append(Instruction(scalar, (x,), {}, made, "", user_line()))
        return self._scalars[x]

    def _constant(self, data: Array, name: str | None) -> Value:
        value = Value(data.shape, data.dtype, name)
        self.constants[value] = data
        return value

    def _assign(self, target: Tensor, given: Tensor) -> Tensor:
        """Note that a leaf has a new value from here on."""
        self.operand(target)
        new = self._as_scalar(self.operand(given))
        if target.serial in self._arguments:
            raise self.note_refusal(refusals.assignment_error(target))
        if type(new) is not Value or new.dtype != target.dtype:
            given_as, params = new, {"dtype": target.dtype}
            new = Value(target.shape, target.dtype)
            self.instructions.append(
                Instruction(cast, (given_as,), params, (new,), "", user_line())
            )
        self._values[target.serial] = new
        if target.serial in self._roots:
            self._updates[target.serial] = new
        return given

    # ── before and after ─────────────────────────────────────────────────────────────────────
    def call_observed(self, function: Callable[[], Answer]) -> Answer:
        """Call a function; let the observer see what runs, if there is one."""
        if self.watched:
            function = partial(self._call_watched, function)
        return function() if self.observer is None else call_observed(self.observer, function)

    def _call_watched(self, function: Callable[[], Answer]) -> Answer:
        """Call a function, and find which arrays it uses as operands only."""
        result, self.proven = call_watching_uses(self.watched, self.names, self.uses, function)
        return result

    def release_gradients(self) -> None:
        """Leave arrays in place of recorded gradients, as without a trace."""
        for x in self.leaves.values():
            if self.is_recorded_here(x.grad):
                self.before.release_gradient(x)

    def is_recorded_here(self, gradient: object) -> bool:
        """Tell whether a gradient was recorded in this trace, and not in that of another thread."""
        return type(gradient) is Tensor and _tensor_key(gradient) in self._values

    def undo(self, *, cleared: bool) -> None:
        """Put back what the call changed: values, gradients, random generators.

        Args:
            cleared: whether to put back gradients that are no longer there.
        """
        self.before.restore(self._updates, self.is_recorded_here, cleared)

    def program(self, name: str, outputs: list[Operand]) -> Program:
        """Return what was noted.

        Raises:
            UnsupportedError: if a gradient was read that was there before.
        """
        for x in self.leaves.values():
            if type(x.grad) is np.ndarray and id(x.grad) in self._arrays:
                raise refusals.earlier_gradient_error(x)
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


def _raising_errors() -> set[str]:
    """Return the floating-point errors that now make NumPy raise or call a function."""
    return {name for name, what in np.geterr().items() if what in ("raise", "call")}


def _computes_with_numbers(primitive: Primitive) -> bool:
    """Whether an operation gets Python numbers as they are, which leave float32 what it is.

    Where NumPy makes an array of a number first, a scalar of the default dtype stands for it.
    """
    usual = PRIMITIVES.get(primitive.name) is primitive
    if not usual or primitive in OF_NUMBERS:
        return True
    return primitive.kind == "elementwise" or primitive.ufunc is not None


def _tensor_key(tensor: Tensor) -> Key:
    """Return a key of a tensor: its serial, and its place if the operation has several results."""
    return (tensor.serial, tensor._index) if type(tensor._operands) is Record else tensor.serial


def _as_numpy_scalar(data: object) -> Array:
    """Return a Python number as a NumPy scalar, and a 0-d array too."""
    return data if type(data) is np.ndarray and data.ndim else np.asarray(data)[()]
