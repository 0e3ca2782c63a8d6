"""Every function of NumPy is differentiable, or zero, or there is a reason why it is neither."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.table import table
from autograd_mini.ops import unsupported
from autograd_mini.ops.nondifferentiable import VALUES_ONLY

pytest.importorskip("scipy")
sys.path.append(str(Path(__file__).parents[1] / "docs"))

import numpy_coverage  # noqa: E402
import operations  # noqa: E402
from calls import CALLS  # noqa: E402

FUNCTIONS = [
    pytest.param(names[0], function, id=names[0])
    for names, function in numpy_coverage.functions()
    if not names[0].endswith("test")
]


def records(function: Any) -> bool:
    """Whether a call of a function of tensors that require a gradient gives one that does."""
    for call in CALLS.get(function, ()):
        form = numpy_coverage.Form([function.__name__], function, call)
        tensors = [am.tensor(x, requires_grad=True) for x in form.numbers]
        with np.errstate(all="ignore"):
            y = form.scalar(function, np.real, np.imag, *tensors)
        if isinstance(y, am.Tensor) and y.requires_grad:
            return True
    return False


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_a_function_is_in_one_class(name: str, function: Any) -> None:
    assert len(operations.class_of(function)) == 1, operations.class_of(function)


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_what_is_called_differentiable_records_a_gradient(name: str, function: Any) -> None:
    found = operations.class_of(function)
    if "differentiable" in found:
        assert records(function), f"no call in tests/calls of {name} gives a gradient"
    if "zero" in found:
        assert not records(function)


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_what_is_differentiable_states_its_derivative(name: str, function: Any) -> None:
    if "differentiable" in operations.class_of(function):
        row = operations.row_behind(function, table[function])
        assert operations.described(table[function], row)[1], f"{name}: no derivative in its doc"


def test_reasons_name_functions_that_exist() -> None:
    names = [name for name, _ in unsupported.reasons()]
    assert len(names) == len(set(names))
    assert [name for name in names if unsupported.function_of(name) is None] == []


def test_a_function_that_only_looks_has_a_reason() -> None:
    known = {unsupported.function_of(name) for name, _ in unsupported.reasons()}
    assert [f.__name__ for f in VALUES_ONLY if f not in known] == []


def test_an_error_gives_the_reason_and_what_to_write() -> None:
    t = am.tensor(np.ones(3), requires_grad=True)
    with pytest.raises(am.UnsupportedError, match=r"in place; write np\.where"):
        np.putmask(np.zeros(3), [True, False, True], t)
    with pytest.raises(am.UnsupportedError, match="works on the bits of integers; take t.data"):
        np.packbits(t)


@pytest.mark.parametrize("library", ["autograd_mini"])
def test_the_comparison_counts_gradients_that_are_right(library: str) -> None:
    differentiate = numpy_coverage.LIBRARIES[library][1]
    form = numpy_coverage.Form(["tanh"], np.tanh, CALLS[np.tanh][0])
    expected = form.numeric()
    assert numpy_coverage.right(differentiate, form, expected)
    assert not numpy_coverage.right(differentiate, form, [2 * g for g in expected])
    nothing = numpy_coverage.Form(["floor"], np.floor, CALLS[np.floor][0])
    assert nothing.numeric() is None
