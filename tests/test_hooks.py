"""Hooks see and change the whole cotangent of a tensor."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd_mini as am
from autograd_mini.core.record import hooks


def test_a_hook_sees_the_sum_of_all_uses_once() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    seen: list[Any] = []
    y = x * 3
    y.register_hook(seen.append)
    (y * y + y).sum().backward()
    assert len(seen) == 1
    assert_array_equal(seen[0], 2 * y.data + 1)


def test_what_a_hook_returns_goes_on_and_ends_when_removed() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    hook = x.register_hook(lambda g: np.clip(g, -1, 1))
    (x * 5).sum().backward()
    assert_array_equal(x.grad, [1, 1])
    hook.remove()
    hook.remove()
    x.zero_grad()
    (x * 5).sum().backward()
    assert_array_equal(x.grad, [5, 5])


def test_hooks_are_called_in_order_and_cannot_change_in_place() -> None:
    x = am.tensor(2.0, requires_grad=True)
    x.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g + 1)
    w = am.tensor([1.0], requires_grad=True)
    w.register_hook(lambda g: g.fill(9.0))
    (x * 3 + w.sum()).backward()
    assert x.grad == 7.0
    assert_array_equal(w.grad, [1.0])


def test_one_output_of_several_has_a_hook_of_its_own() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    a, b = np.split(x, 2)
    b.register_hook(lambda g: g * 10)
    (a + b).sum().backward()
    assert_array_equal(x.grad, [1, 10])


def test_a_hook_works_in_transforms_and_is_differentiated() -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.register_hook(lambda g: g * 2)
        return y

    assert am.grad(f)(3.0) == 12.0
    assert am.grad(am.grad(f))(3.0) == 4.0


def test_a_complex_cotangent_is_shown_in_the_outer_convention() -> None:
    z = am.tensor(1 + 2j, requires_grad=True)
    seen: list[Any] = []
    z.register_hook(seen.append)
    np.imag(z * (2 + 1j)).backward()
    assert seen == [z.grad]


def test_wrong_shape_and_useless_hooks_are_named() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: 1.0)
    with pytest.raises(am.ShapeError, match=r"hook returned shape \(\).*\(2,\)"):
        (x * 5).sum().backward()
    assert x.grad is None
    with pytest.raises(am.GradientError, match="never called"):
        am.tensor(1.0).register_hook(print)


def test_hooks_go_with_their_tensors() -> None:
    gc.collect()
    before = len(hooks)
    x = am.tensor(1.0, requires_grad=True)
    (x * 2).register_hook(print)
    x.register_hook(print)
    del x
    assert len(hooks) == before


def test_what_a_hook_returns_takes_the_kind_of_the_cotangent() -> None:
    x = am.tensor(np.float32([1, 2]), requires_grad=True)
    hook = x.register_hook(lambda g: am.tensor(np.ones(2)))
    (x * x).sum().backward()
    assert type(x.grad) is np.ndarray
    assert x.grad.dtype == np.float32
    hook.remove()
    for wrong, error in ((lambda g: g * 1j, am.GradientError), (lambda g: "ab", am.AutogradError)):
        hook = x.register_hook(wrong)
        with pytest.raises(error):
            (x * x).sum().backward()
        hook.remove()
