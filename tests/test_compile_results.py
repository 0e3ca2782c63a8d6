"""The gradient of what a compiled function returned is that of the call, whatever changes later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.core.reverse import backward_pass


class Late:
    """What a compiled function reads, and a result of it whose gradient is asked for later."""

    def __init__(self, size: int) -> None:
        self.w = am.tensor(np.ones(size), requires_grad=True)
        self.scale, self.shift = np.ones(size), am.tensor(np.full(size, 2.0))
        self.x, self.beta = np.ones(size), 1.0
        self.call = am.compile(
            lambda x: np.sum(x * self.w**2 * self.scale * self.shift) * self.beta
        )
        for _ in range(4):
            self.y = self.call(self.x)
        assert self.call.program


def change_attribute(late: Late) -> None:
    late.beta = 5.0


def write_captured(late: Late) -> None:
    late.scale[:] = 5.0


def replace_captured(late: Late) -> None:
    late.scale = np.full(late.x.shape, 5.0)


def write_argument(late: Late) -> None:
    late.x[:] = 5.0


def assign_other(late: Late) -> None:
    late.shift.assign(np.full(late.x.shape, 5.0))


def assign_leaf(late: Late) -> None:
    late.w.assign(np.full(late.x.shape, 5.0))


@pytest.mark.parametrize("size", [3, 10_000])
@pytest.mark.parametrize(
    "change",
    [change_attribute, write_captured, replace_captured, write_argument, assign_other, assign_leaf],
)
def test_a_late_gradient_is_that_of_the_call(change: Any, size: int) -> None:
    """Or an error: a graph keeps no copy of large arrays, nor of leaves."""
    late = Late(size)
    change(late)
    written = change in (write_captured, write_argument) and size > 8192
    if written or change is assign_leaf:
        with pytest.raises(am.StaleGraphError):
            late.y.backward()
        assert late.w.grad is None
    else:
        late.y.backward()
        np.testing.assert_allclose(late.w.grad, np.full(size, 4.0))


def test_the_gradient_of_a_float32_result_is_float32() -> None:
    w = am.tensor(np.ones(3, np.float32), requires_grad=True)
    call = am.compile(lambda x, factor: (np.sum(w * x) * factor, np.ones(2), w[0]))
    for _ in range(4):
        y, one, first = call(np.ones(3, np.float32), 0.1)
    assert call.program
    (y + first).backward()
    assert w.grad.dtype == np.float32 and type(one) is np.ndarray
    np.testing.assert_allclose(w.grad, [1.1, 0.1, 0.1], rtol=1e-6)


def test_the_backward_of_a_result_can_be_recorded() -> None:
    w = am.tensor([1.0, 2.0], requires_grad=True, name="w")
    call = am.compile(lambda x: np.sum(np.sin(w) * x))
    x = np.array([3.0, 5.0])
    for _ in range(4):
        y = call(x)
    ((found, g),) = backward_pass([y], [np.ones(())], recorded=True)
    assert found is w and g.requires_grad
    np.sum(g).backward()
    np.testing.assert_allclose(w.grad, -np.sin(w.data) * x)
    drawn = viz.draw(y, view="backward")
    assert drawn


def test_the_gradient_of_a_traced_call_has_the_numbers_of_the_call() -> None:
    """One buffer is refilled between two calls, before one backward."""
    w = am.tensor(np.ones(3), requires_grad=True)
    call = am.compile(lambda x: np.sum((w * x) ** 2))
    buffer = np.zeros(3)
    for _ in range(4):
        w.zero_grad()
        buffer[:] = 2
        y = call(buffer)
        buffer[:] = 1
        (y + call(buffer)).backward()
        np.testing.assert_array_equal(w.grad, [10.0, 10.0, 10.0])
    assert call.program


@pytest.mark.parametrize("make", [am.optim.Adam, lambda x, lr: am.optim.SGD(x, lr, momentum=0.9)])
def test_a_leaf_that_the_used_output_does_not_need_keeps_no_gradient(make: Any) -> None:
    def trained(compiled: bool) -> list[Any]:
        w, v = (am.tensor(np.ones(3), requires_grad=True) for _ in "ab")
        heads: Any = lambda x: (np.sum(w * x), np.sum(v * x * x))  # noqa: E731
        heads = am.compile(heads) if compiled else heads
        optimizer = make([w, v], lr=0.1)
        for i in range(8):
            optimizer.zero_grad()
            heads(np.arange(3.0))[i % 2].backward()
            assert (w if i % 2 else v).grad is None
            optimizer.step()
        return [w.data, v.data]

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-12)
