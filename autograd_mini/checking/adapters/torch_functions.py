"""Check functions of PyTorch tensors: autograd functions, modules, and plain functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from importlib import import_module
from inspect import Parameter, Signature, signature
from typing import Any, TypeGuard

import numpy as np

from ..agreement import is_rounding
from ..inputs import Arrays, Inputs, problem
from ..report import Kind
from ..subjects import Function
from .foreign import Foreign, Framework, FrameworkSubject


class Torch(Framework):
    """PyTorch; creating one imports it."""

    title = "PyTorch"

    def __init__(self) -> None:
        self.torch: Foreign = import_module("torch")

    def owns(self, value: object) -> TypeGuard[Foreign]:
        """Is a value a tensor?"""
        return isinstance(value, self.torch.Tensor)

    def array(self, tensor: Foreign) -> np.ndarray:
        """Return the values of a tensor; the array shares its memory if possible."""
        torch, plain = self.torch, tensor.detach()
        plain = plain.to_dense() if plain.layout is not torch.strided else plain
        plain = plain.cpu().resolve_conj().resolve_neg()
        plain = plain.float() if self._is_short(plain) else plain
        found: np.ndarray = plain.numpy()
        return found

    def _is_short(self, tensor: Foreign) -> bool:
        """Does a tensor have a floating-point dtype that NumPy lacks?"""
        known = (self.torch.float16, self.torch.float32, self.torch.float64)
        return bool(tensor.is_floating_point()) and tensor.dtype not in known

    def foreign_unit(self, tensor: Foreign) -> float:
        """Return the rounding unit of a tensor whose dtype NumPy lacks; 0 for any other."""
        return float(self.torch.finfo(tensor.dtype).eps) if self._is_short(tensor) else 0.0

    def tensor(self, value: object, like: object = None) -> Foreign:
        """Convert an array to a tensor; on the CPU they share memory, so in-place writes show."""
        shared = self.torch.from_numpy(np.asarray(value))
        return shared if like is None or not self.owns(like) else shared.to(like.device)

    def wide(self, tensor: Foreign) -> Foreign:
        """Convert a floating-point tensor to double precision."""
        if tensor.is_complex():
            return tensor.detach().to(self.torch.complex128)
        return tensor.detach().double() if tensor.is_floating_point() else tensor

    def has_changed(self, tensor: Foreign, value: np.ndarray) -> bool:
        """Did the function write into a tensor, in a way that its array does not show?"""
        if isinstance(value, np.ndarray) and tensor.device.type == "cpu":
            return False  # the same memory
        return not np.array_equal(self.array(tensor), value, equal_nan=True)

    def _is_function(self, f: object) -> TypeGuard[Foreign]:
        """Is this an autograd function, a class with a forward and a backward?"""
        return isinstance(f, type) and issubclass(f, self.torch.autograd.Function)

    def function(self, f: Function) -> Function:
        """Return the callable form: `apply` for an autograd function."""
        if not self._is_function(f):
            return f

        def apply_function(*xs: object) -> object:
            return f.apply(*xs)

        apply_function.__name__ = f.__name__
        return apply_function

    def wide_function(self, f: Function) -> Function:
        """Return a copy of a module in double precision; the user's module is not changed."""
        if isinstance(f, ModuleFunction):
            return ModuleFunction(self.wide_function(f.module))
        if not isinstance(f, self.torch.nn.Module):
            return f
        try:
            return deepcopy(f).double()
        except Exception:  # a module that cannot be copied is checked as it is
            return f

    def declaring_function(self, f: Function) -> Function:
        """Return the function whose signature names the inputs: `forward` of a class or module."""
        if self._is_function(f):
            separate = f.setup_context is not self.torch.autograd.Function.setup_context
            return f.forward if separate else partial(f.forward, None)
        return f.forward if isinstance(f, self.torch.nn.Module) else f

    def with_parameters(self, f: object) -> tuple[Function, dict[str, Foreign]] | None:
        """Return a module as a function of its parameters and inputs, and the parameters."""
        if not isinstance(f, self.torch.nn.Module):
            return None
        function, parameters = with_parameters(f)
        return (function, parameters) if parameters else None

    def subject(
        self, f: Function, inputs: Inputs, arguments: Sequence[object], wide: bool
    ) -> FrameworkSubject:
        """Return the subject for a function."""
        return TorchSubject(self, f, inputs, arguments, wide)


MANY_RESULTS = 16
"""With more results than this, they are not differentiated one by one."""


class ModuleFunction:
    """A module as a function of its parameters and its inputs."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.__name__ = type(module).__name__
        try:
            named = signature(module.forward).parameters.values()
        except (TypeError, ValueError):  # the signature is not available
            return
        self.__signature__ = Signature([Parameter("parameters", Parameter.POSITIONAL_ONLY), *named])

    def __call__(self, parameters: dict[str, object], *inputs: object) -> object:
        """Call the module with other parameters; writes into buffers are dropped."""
        buffers = {k: b.clone() for k, b in self.module.named_buffers()}
        values = {**buffers, **parameters}
        return import_module("torch").func.functional_call(self.module, values, inputs)


def with_parameters(module: Any) -> tuple[Function, dict[str, Foreign]]:
    """Return a PyTorch module as a function of its parameters and inputs, and the parameters.

    `gradcheck(*with_parameters(module), x)` checks the gradients of all parameters and of x.
    """
    return ModuleFunction(module), {k: p.detach() for k, p in module.named_parameters()}


class TorchSubject(FrameworkSubject):
    """A function of PyTorch tensors.

    Attributes:
        recording: whether the function itself computes gradients, so that it needs a graph.
    """

    unsteady = (
        "the function gives another result when called again; a module that draws random numbers, "
        "as dropout in training mode does, is checked after module.eval(); other functions call "
        "torch.manual_seed(0) first"
    )
    framework: Torch
    recording = False
    _first: Arrays | None = None
    _laid_out = False

    @property
    def torch(self) -> Foreign:
        """The module."""
        return self.framework.torch

    def call_for_values(self, tensors: list[Foreign]) -> object:
        """Call the function, without recording if possible."""
        if self.recording:
            with self.torch.enable_grad():
                return self.call_with_tensors(*[x.requires_grad_() for x in tensors])
        with self.torch.no_grad():
            return self.call_with_tensors(*tensors)

    def try_run(self) -> int:
        """Return how much runs; a function that fails without a graph is recorded."""
        reached = super().try_run()
        if reached == 0:
            self.recording = True
            reached = super().try_run()
        return reached

    def call_batched(self, tensors: list[Foreign], position: int) -> object:
        """Call the function with `torch.func.vmap`."""
        axes = tuple(0 if i == position else None for i in range(len(tensors)))
        with self.torch.no_grad():
            mapped = self.torch.func.vmap(
                lambda *ts: self.leaves(self.call_with_tensors(*ts)), axes
            )
            return mapped(*tensors)

    # ── reverse ───────────────────────────────────────────────────────────────────────────────
    def run_backward(
        self,
        tensors: Sequence[Foreign],
        gs: Sequence[Foreign | None],
        create_graph: bool = False,
    ) -> Sequence[Foreign | None]:
        """Record the function and differentiate, so that this can be done again if asked for."""
        with self.torch.enable_grad():
            moved = [x if x.requires_grad else x.requires_grad_() for x in tensors]
            outputs = self.leaves(self.call_with_tensors(*moved))
            rows = [(y, g) for y, g in zip(outputs, gs, strict=True) if g is not None]
            pairs = [(y, g) for y, g in rows if self.framework.owns(y) and y.requires_grad]
            if not pairs:
                return [None] * len(tensors)
            ys = [y for y, _ in pairs]
            cotangents = [g if g.dtype == y.dtype else g.to(y.dtype) for y, g in pairs]
            placed = [g.to(y.device) for g, y in zip(cotangents, ys, strict=True)]
            found = self.torch.autograd.grad(
                ys, moved, placed, create_graph=create_graph, allow_unused=True
            )
        return list(found)

    def gradient(self, weights: Arrays, point: Arrays | None = None) -> Arrays:
        """Return the gradient. Once, also compare with cotangents of unusual layout or with None.

        Raises:
            Problem: if these give another gradient, or if computing one raises an error.
        """
        found = super().gradient(weights, point)
        if point is not None:
            return found
        if self._first is None:
            self._first = found
        elif not self._laid_out and _gradients_agree(found, self._first):
            self._laid_out = True
            self._check_with_gaps(weights, found)
            self._check_with_undefined(weights, found)
        return found

    def _check_with_gaps(self, weights: Arrays, expected: Arrays) -> None:
        """Compare with the gradient for the same cotangent in memory with gaps.

        Raises:
            Problem: if the gradient differs.
        """
        what = f"{self.what}, given a cotangent that is not contiguous in memory,"
        gs = [_add_memory_gaps(g) for g in self.natural_weights(weights)]
        if not self.agrees(lambda point: self._gradient_for(gs, what, point), weights, expected):
            raise problem(Kind.COTANGENT, f"{what} is another one")

    def _gradient_for(self, gs: Sequence[np.ndarray | None], what: str, point: Arrays) -> Arrays:
        """Return the gradient at a point for unusual cotangents.

        Raises:
            Problem: if PyTorch raises an error; it starts with `what`.
        """
        values = self.inputs.values(point)
        try:
            found = self.reverse(values, gs)
        except Exception as error:
            said = str(error).strip().split("\n")[0]
            text = f"{what} raises {type(error).__name__}: {said:.160}"
            raise problem(Kind.COTANGENT, text) from error
        rows = enumerate(zip(found, values, strict=True))
        return [self.check_cotangent(g, x, i) for i, (g, x) in rows]

    def agrees(self, other: Callable[[Arrays], Arrays], weights: Arrays, expected: Arrays) -> bool:
        """Is a gradient that was computed in another way the same, up to rounding?"""
        point = self.inputs.arrays
        if _gradients_agree(other(point), expected, 1e3 * self.epsilon):
            return True

        def difference(at: Arrays) -> np.ndarray:
            rows = zip(other(at), self.gradient(weights, at), strict=True)
            parts = [np.where(np.isnan(a) & np.isnan(b), 0.0, a - b).ravel() for a, b in rows]
            return np.concatenate(parts)

        return is_rounding(difference, difference(point), point, 0)

    def _check_with_undefined(self, weights: Arrays, expected: Arrays) -> None:
        """Compare with the sum of the gradients of each single result, with None for the others.

        After `ctx.set_materialize_grads(False)`, a backward receives None for a result that is not
        used.

        Raises:
            Problem: if the gradient differs.
        """
        if not 2 <= len(weights) <= MANY_RESULTS:
            return
        natural = self.natural_weights(weights)

        def sum_of_gradients(point: Arrays) -> Arrays:
            total = [np.zeros_like(x) for x in expected]
            for k, g in enumerate(natural):
                gs = [g if i == k else None for i in range(len(weights))]
                what = f"{self.what} of result {k} alone, with None for those of the others,"
                rows = zip(total, self._gradient_for(gs, what, point), strict=True)
                total = [t + x for t, x in rows]
            return total

        if not self.agrees(sum_of_gradients, weights, expected):
            text = f"{self.what} differs from the sum of those of each result alone, with None for"
            raise problem(Kind.COTANGENT, f"{text} the others")

    # ── forward, and again ────────────────────────────────────────────────────────────────────
    def forward(self, values: Arrays, tangents: Arrays) -> list[np.ndarray | None]:
        """Push tangents forward with dual numbers."""
        dual: Foreign = import_module("torch.autograd.forward_ad")
        with dual.dual_level(), self.torch.enable_grad():
            moved = [self.framework.tensor(t) for t in tangents]
            rows = zip(self.tensors(values), moved, strict=True)
            pairs = [dual.make_dual(x.requires_grad_(), t.to(x.device)) for x, t in rows]
            outputs = self.leaves(self.call_with_tensors(*pairs))
            found = [
                dual.unpack_dual(y).tangent if self.framework.owns(y) else None for y in outputs
            ]
            return [None if t is None else np.array(self.framework.array(t)) for t in found]

    def differentiable_gradient(self, gs: list[Foreign], *tensors: Foreign) -> Sequence[object]:
        """Return the gradient as tensors that can be differentiated again."""
        moved = [x if x.requires_grad else x.detach() for x in tensors]
        found = self.run_backward(moved, gs, create_graph=True)
        rows = zip(found, tensors, strict=True)
        return [self.torch.zeros_like(x) if g is None else g for g, x in rows]


def _add_memory_gaps(array: object) -> np.ndarray:
    """Copy an array to memory with unused gaps, and with its axes in reverse order."""
    turned = np.asarray(array).T
    spread = np.zeros((*turned.shape, 2), turned.dtype)
    spread[..., 0] = turned
    return spread[..., 0].T


def _gradients_agree(a: Arrays, b: Arrays, share: float = 0.0) -> bool:
    """Do gradients agree up to a share of their largest entry?"""
    for x, y in zip(a, b, strict=True):
        allowed = share * np.max(np.abs(y), initial=0.0, where=np.isfinite(y))
        if not np.allclose(x, y, rtol=share, atol=allowed, equal_nan=True):
            return False
    return True
