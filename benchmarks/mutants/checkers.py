"""Checkers: this library's and those of the peers, behind one interface.

A checker gets `value(*arrays)` and `vjp(g, *arrays)` and says whether it accepts the gradient. An
exception of any kind is a refusal. Settings are each checker's defaults.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .functions import Arrays, Vjp

Value = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Case:
    """What a checker gets: a function, its gradient, the point, and whether it returns a tuple."""

    value: Value
    vjp: Vjp
    arrays: Arrays
    multiple: bool


@dataclass(frozen=True, slots=True)
class Checker:
    """A checker of a peer.

    Attributes:
        name: in tables.
        package: that it needs.
        make: imports it and returns the check.
        every: how many mutants there are for one that it gets, since it is slow.
    """

    name: str
    package: str
    make: Callable[[], Callable[[Case], bool]]
    every: int = 1

    @property
    def missing(self) -> bool:
        """Whether its package is not installed."""
        return importlib.util.find_spec(self.package) is None


def conjugate(g: Any) -> Any:
    """Turn a cotangent between conventions; a real one stays the very same array."""
    return np.conj(g) if np.iscomplexobj(g) else g


def torch_checker(fast: bool) -> Callable[[Case], bool]:
    """Make a check by `torch.autograd.gradcheck`, of a function that calls NumPy."""
    import torch

    torch.set_num_threads(1)

    def accepts(case: Case) -> bool:
        class Hand(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *xs: Any) -> Any:
                ctx.save_for_backward(*xs)
                y = case.value(*(x.detach().numpy()[()] for x in xs))
                ys = tuple(
                    torch.from_numpy(np.array(part)) for part in (y if case.multiple else (y,))
                )
                return ys if case.multiple else ys[0]

            @staticmethod
            def backward(ctx: Any, *gs: Any) -> Any:
                parts = tuple(g.resolve_conj().numpy()[()] for g in gs)
                xs = [x.detach().numpy()[()] for x in ctx.saved_tensors]
                found = case.vjp(parts if case.multiple else parts[0], *xs)
                return tuple(torch.from_numpy(np.array(c)) for c in found)

        xs = [torch.from_numpy(np.array(x)).requires_grad_() for x in case.arrays]
        return bool(torch.autograd.gradcheck(Hand.apply, xs, fast_mode=fast))

    return accepts


def jax_checker() -> Callable[[Case], bool]:
    """Make a check by `jax.test_util.check_grads`, of a function that calls NumPy back."""
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def accepts(case: Case) -> bool:
        def shapes(values: Any) -> Any:
            return jax.tree.map(
                lambda a: jax.ShapeDtypeStruct(np.shape(a), np.asarray(a).dtype), values
            )

        outputs = shapes(case.value(*case.arrays))
        inputs = shapes(tuple(case.arrays))

        def plain(values: Any) -> list[Any]:
            return [np.asarray(x)[()] for x in values]

        def forward(*xs: Any) -> Any:
            return jax.pure_callback(lambda *a: case.value(*plain(a)), outputs, *xs)

        def pull(xs: Any, g: Any) -> Any:
            def call(h: Any, *a: Any) -> Any:
                h = jax.tree.map(lambda part: conjugate(np.asarray(part))[()], h)
                return tuple(conjugate(np.asarray(c)) for c in case.vjp(h, *plain(a)))

            return jax.pure_callback(call, inputs, g, *xs)

        f = jax.custom_vjp(forward)
        f.defvjp(lambda *xs: (forward(*xs), xs), pull)
        check_grads(f, tuple(map(jax.numpy.asarray, case.arrays)), order=1, modes=["rev"])
        return True

    return accepts


def autograd_checker() -> Callable[[Case], bool]:
    """Make a check by `autograd.test_util.check_grads`; several results are one vector there."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def accepts(case: Case) -> bool:
        shapes = [np.shape(y) for y in case.value(*case.arrays)] if case.multiple else []

        def value(*xs: Any) -> Any:
            y = case.value(*xs)
            return np.concatenate([np.ravel(part) for part in y]) if case.multiple else y

        def split(g: Any) -> Any:
            ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
            parts = np.split(g, ends)
            return tuple(p.reshape(s)[()] for p, s in zip(parts, shapes, strict=True))

        def rule(i: int) -> Any:
            def maker(ans: Any, *xs: Any) -> Any:
                def back(g: Any) -> Any:
                    h = conjugate(g)
                    return conjugate(case.vjp(split(h) if case.multiple else h, *xs)[i])

                return back

            return maker

        f = primitive(value)
        defvjp(f, *(rule(i) for i in range(len(case.arrays))))
        np.random.seed(0)  # noqa: NPY002 (where that check draws from)
        check_grads(f, tuple(range(len(case.arrays))), modes=["rev"], order=1)(*case.arrays)
        return True

    return accepts


CHECKERS = (
    Checker("PyTorch gradcheck", "torch", lambda: torch_checker(False), 4),
    Checker("PyTorch gradcheck, fast mode", "torch", lambda: torch_checker(True), 4),
    Checker("JAX check_grads", "jax", jax_checker, 20),
    Checker("autograd check_grads", "autograd", autograd_checker, 4),
)
"""The peers."""

OURS = "autograd_mini gradcheck"


def accepted(check: Callable[[Case], bool], case: Case) -> tuple[bool, str]:
    """Return whether a peer accepts a gradient, and else what it said."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return check(case), ""
    except Exception as error:
        return False, f"{type(error).__name__}: {error}".replace("\n", " ")[:160]
