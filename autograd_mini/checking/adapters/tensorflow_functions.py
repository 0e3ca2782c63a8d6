"""Check functions of TensorFlow tensors and variables, with any custom gradients they have."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TypeGuard

import numpy as np

from ..inputs import Arrays, Inputs
from ..subjects import Function
from .foreign import Foreign, Framework, FrameworkSubject, rounding_unit


class TensorFlow(Framework):
    """TensorFlow; creating one imports it."""

    title = "TensorFlow"

    def __init__(self) -> None:
        self.tf: Foreign = import_module("tensorflow")

    def owns(self, value: object) -> TypeGuard[Foreign]:
        """Is a value a tensor, a variable, or indexed slices of a tensor?"""
        tf = self.tf
        return isinstance(value, (tf.Tensor, tf.Variable, tf.IndexedSlices))

    def array(self, tensor: Foreign) -> np.ndarray:
        """Return the values of a tensor."""
        tensor = self.tf.convert_to_tensor(tensor)
        if self.is_short(tensor.dtype):
            tensor = self.tf.cast(tensor, self.tf.float32)
        return np.array(tensor.numpy())

    def is_short(self, dtype: Foreign) -> bool:
        """Is this a floating-point dtype that NumPy lacks?"""
        return bool(dtype.is_floating) and np.dtype(dtype.as_numpy_dtype).kind == "V"

    def foreign_unit(self, tensor: Foreign) -> float:
        """Return the rounding unit of a tensor whose dtype NumPy lacks; 0 for any other."""
        dtype = tensor.dtype
        return rounding_unit(dtype.as_numpy_dtype) if self.is_short(dtype) else 0.0

    def _is_variable(self, value: object) -> bool:
        """Is a value a variable?"""
        return isinstance(value, self.tf.Variable)

    def tensor(self, value: object, like: object = None) -> Foreign:
        """Make a tensor, or a variable if the user gave one."""
        made = self.tf.constant(np.array(value))
        return self.tf.Variable(made) if self._is_variable(like) else made

    def wide(self, tensor: Foreign) -> Foreign:
        """Convert a floating-point tensor to double precision."""
        dtype = tensor.dtype
        wanted = self.tf.complex128 if dtype.is_complex else self.tf.float64
        return self.tf.cast(tensor, wanted) if dtype.is_complex or dtype.is_floating else tensor

    def has_changed(self, tensor: Foreign, value: np.ndarray) -> bool:
        """Did the function assign to a variable?"""
        if not self._is_variable(tensor):
            return False
        return not np.array_equal(self.array(tensor), value, equal_nan=True)

    def declaring_function(self, f: Function) -> Function:
        """Return the function whose signature names the inputs: `call` for a layer."""
        call = getattr(f, "call", None)
        if isinstance(f, self.tf.Module) and callable(call):
            return call
        found: Function = getattr(f, "python_function", f)
        return found

    def subject(
        self, f: Function, inputs: Inputs, arguments: Sequence[object], wide: bool
    ) -> FrameworkSubject:
        """Return the subject for a function."""
        return TensorFlowSubject(self, f, inputs, arguments, wide)


class TensorFlowSubject(FrameworkSubject):
    """A function of TensorFlow tensors and variables."""

    framework: TensorFlow
    _variables: dict[tuple[int, np.dtype], Foreign] | None = None

    @property
    def tf(self) -> Foreign:
        """The module."""
        return self.framework.tf

    def tensors(self, values: Sequence[object]) -> list[Foreign]:
        """Convert values to tensors.

        A variable is created once and then assigned to, so that nothing is traced again.
        """
        if self._variables is None:
            self._variables = {}
        found = []
        for position, (x, like) in enumerate(zip(values, self.likes, strict=True)):
            key = position, np.asarray(x).dtype
            if key in self._variables:
                self._variables[key].assign(x)
            tensor = self._variables.get(key)
            tensor = self.framework.tensor(x, like) if tensor is None else tensor
            if self.framework._is_variable(tensor):
                self._variables[key] = tensor
            found.append(tensor)
        return found

    # ── reverse ───────────────────────────────────────────────────────────────────────────────
    def run_backward(
        self, tensors: Sequence[Foreign], gs: Sequence[Foreign | None]
    ) -> Sequence[Foreign | None]:
        """Record the function on a tape and differentiate."""
        with self.tf.GradientTape() as tape:
            for x in tensors:
                tape.watch(x)
            outputs = self.leaves(self.call_with_tensors(*tensors))
        rows = zip(outputs, gs, strict=True)
        pairs = [(y, g) for y, g in rows if self.framework.owns(y) and _has_derivatives(y.dtype)]
        if not pairs:
            return [None] * len(tensors)
        cotangents = [self.tf.cast(g, y.dtype) for y, g in pairs]
        found: list[Foreign | None] = tape.gradient(
            [y for y, _ in pairs], list(tensors), output_gradients=cotangents
        )
        return found

    # ── forward, and again ────────────────────────────────────────────────────────────────────
    def forward(self, values: Arrays, tangents: Arrays) -> list[np.ndarray | None]:
        """Push tangents forward with an accumulator."""
        tensors = self.tensors(values)
        moved = [self.framework.tensor(t) for t in tangents]
        with self.tf.autodiff.ForwardAccumulator(tensors, moved) as accumulator:
            outputs = self.leaves(self.call_with_tensors(*tensors))
        found = [accumulator.jvp(y) if self.framework.owns(y) else None for y in outputs]
        return [None if t is None else self.framework.array(t) for t in found]

    def differentiable_gradient(self, gs: list[Foreign], *tensors: Foreign) -> Sequence[object]:
        """Return the gradient as tensors that TensorFlow can differentiate again."""
        found = self.run_backward(tensors, gs)
        rows = zip(found, tensors, strict=True)
        return [
            self.tf.zeros_like(x) if g is None else self.tf.convert_to_tensor(g) for g, x in rows
        ]


def _has_derivatives(dtype: Foreign) -> bool:
    """Do values of this dtype have derivatives?"""
    return bool(dtype.is_floating or dtype.is_complex)
