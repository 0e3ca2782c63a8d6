"""Mistakes that type checkers find in a user's program: every comment here must be needed.

mypy reports a `type: ignore` that silences nothing, and pyright a `pyright: ignore`; so a line on
which one of them finds nothing fails the test.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as am


def energy(x: Any, scale: float = 1.0) -> Any:
    """Return a number that depends on x."""
    return scale * np.sum(x)


@am.compile
def step(x: am.Tensor, times: int) -> am.Tensor:
    """Return a tensor."""
    return x * times


@am.compile(keep_grads=True)
def other(x: am.Tensor) -> am.Tensor:
    """Return a tensor."""
    return x * x


@am.primitive
def cube(x: Any) -> Any:
    """Return x³."""
    return x**3


@am.no_grad()
def measure(x: Any) -> float:
    """Return a plain number."""
    return float(x)


t = am.tensor(1.0)
am.grad(energy)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
am.grad(energy)(t, "much")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
am.grad(energy)(t, factor=2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
am.value_and_grad(energy)(t, "much")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
am.vmap(energy)(t, scale="much")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
am.grad(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
step(t, "twice")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
step(t)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
step(t, 2).nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
other("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
cube(t, t)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
measure()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
am.relu("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
am.special.erf("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
am.optim.Adam([t], lr="fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
am.tensor(1.0, requires_grads=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
am.gradient  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
am.nn.Sigmoid  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
