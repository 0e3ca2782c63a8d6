"""Check functions of JAX arrays, with any custom derivatives they have.

JAX's cotangents of complex numbers are the complex conjugates of ours (and of PyTorch's).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, TypeGuard

import numpy as np

from ...core.tree import flatten
from ..inputs import Arrays, Inputs
from ..subjects import Function
from .foreign import Foreign, Framework, FrameworkSubject


class Jax(Framework):
    """JAX; creating one imports it."""

    title = "JAX"

    def __init__(self) -> None:
        self.jax: Foreign = import_module("jax")
        self.numpy: Foreign = import_module("jax.numpy")

    def owns(self, value: object) -> TypeGuard[Foreign]:
        """Is a value a JAX array?"""
        return isinstance(value, self.jax.Array)

    def array(self, tensor: Foreign) -> np.ndarray:
        """Return the values of an array."""
        if self.is_short(tensor.dtype):
            tensor = tensor.astype(np.float32)
        return np.array(tensor)

    def is_short(self, dtype: np.dtype) -> bool:
        """Is this a floating-point dtype that NumPy lacks?"""
        numbers = self.numpy
        return bool(numbers.issubdtype(dtype, numbers.floating)) and np.dtype(dtype).kind == "V"

    def foreign_unit(self, tensor: Foreign) -> float:
        """Return the rounding unit of an array whose dtype NumPy lacks; 0 for any other."""
        short = self.is_short(tensor.dtype)
        return float(self.numpy.finfo(tensor.dtype).eps) if short else 0.0

    def tensor(self, value: object, like: object = None) -> Foreign:
        """Copy a NumPy array to JAX. JAX may read it after NumPy has overwritten the original."""
        made = self.numpy.array(np.array(value))
        if not self.owns(like) or like.devices() == self.numpy.zeros(()).devices():
            return made
        return self.jax.device_put(made, like.sharding)

    def wide(self, tensor: Foreign) -> Foreign:
        """Convert a floating-point array to double precision."""
        numbers = self.numpy
        if numbers.issubdtype(tensor.dtype, numbers.complexfloating):
            return tensor.astype(np.complex128)
        floating = numbers.issubdtype(tensor.dtype, numbers.floating)
        return tensor.astype(np.float64) if floating else tensor

    def open_containers(
        self, f: Function, arguments: Sequence[object]
    ) -> tuple[Function, Sequence[object]]:
        """Replace JAX's registered containers by dicts, for the function and its arguments.

        Models are often registered classes. The dict has one item for each leaf, named by its path.
        """
        trees = [self._as_dict(x) for x in arguments]
        if all(tree is None for tree in trees):
            return f, arguments
        tree_util = self.jax.tree_util

        def over_dicts(*xs: Any) -> object:
            rows = zip(xs, trees, strict=True)
            return f(
                *[
                    x if t is None else tree_util.tree_unflatten(t[1], [x[k] for k in t[0]])
                    for x, t in rows
                ]
            )

        over_dicts.__name__ = str(getattr(f, "__name__", type(f).__name__))
        return over_dicts, [x if t is None else t[0] for x, t in zip(arguments, trees, strict=True)]

    def _as_dict(self, argument: object) -> tuple[dict[str, object], object] | None:
        """Return the leaves of an argument by path, and its structure; None if it needs no dict.

        An argument needs one if JAX opens a container that is a leaf for us.
        """
        tree_util = self.jax.tree_util
        if tree_util.all_leaves(x for x in flatten(argument)[0] if x is not None):
            return None
        rows, structure = tree_util.tree_flatten_with_path(argument)
        return {tree_util.keystr(path).lstrip("."): leaf for path, leaf in rows}, structure

    def precision(self, wide: bool) -> AbstractContextManager[object]:
        """Return a context with 64-bit types; the global JAX setting is not changed."""
        if not wide:
            return nullcontext()
        context = getattr(self.jax, "enable_x64", None)
        if context is None:
            context = import_module("jax.experimental").enable_x64
        made: AbstractContextManager[object] = context()
        return made

    def subject(
        self, f: Function, inputs: Inputs, arguments: Sequence[object], wide: bool
    ) -> FrameworkSubject:
        """Return the subject for a function."""
        return JaxSubject(self, f, inputs, arguments, wide)


class JaxSubject(FrameworkSubject):
    """A function of JAX arrays."""

    framework: Jax

    @property
    def jax(self) -> Foreign:
        """The module."""
        return self.framework.jax

    def leaves(self, outputs: object) -> list[object]:
        """Return the leaves of a result, in any container that JAX knows."""
        found: list[object] = self.jax.tree_util.tree_leaves(outputs)
        return found

    def _flat_outputs(self, *tensors: object) -> list[object]:
        """Call the function and return the leaves of its result."""
        return self.leaves(self.call_with_tensors(*tensors))

    def call_batched(self, tensors: list[Foreign], position: int) -> object:
        """Call the function with `jax.vmap`."""
        axes = [0 if i == position else None for i in range(len(tensors))]
        return self.jax.vmap(self._flat_outputs, in_axes=axes)(*tensors)

    # ── reverse ───────────────────────────────────────────────────────────────────────────────
    def run_backward(
        self, tensors: Sequence[Foreign], gs: Sequence[Foreign | None]
    ) -> Sequence[Foreign]:
        """Return the gradient by `jax.vjp`, in our convention for complex numbers."""
        outputs, back = self.jax.vjp(self._flat_outputs, *tensors)
        cotangents = [self.cotangent(y, g) for y, g in zip(outputs, gs, strict=True)]
        return [self.framework.numpy.conj(g) for g in back(cotangents)]

    def cotangent(self, y: Foreign, g: Foreign | None) -> object:
        """Convert our cotangent of an output to what JAX expects."""
        numbers, dtype = self.framework.numpy, self.framework.numpy.result_type(y)
        if not numbers.issubdtype(dtype, numbers.inexact):
            return np.zeros(y.shape, self.jax.dtypes.float0)
        return numbers.conj(numbers.asarray(g)).astype(dtype)

    # ── forward, and again ────────────────────────────────────────────────────────────────────
    def forward(self, values: Arrays, tangents: Arrays) -> list[np.ndarray | None]:
        """Push tangents forward with `jax.jvp`."""
        moved = [self.framework.tensor(t) for t in tangents]
        found = self.jax.jvp(self._flat_outputs, tuple(self.tensors(values)), tuple(moved))[1]
        constant = self.jax.dtypes.float0
        return [None if t.dtype == constant else self.framework.array(t) for t in found]
