"""Checks for pytest: a failing test shows the report, without lines of this library.

from autograd_mini.checking.testing import gradcheck

def test_my_gradient():
    gradcheck(f, x, vjp=f_vjp)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from .check import gradcheck as check_gradient
from .layers import layer as check_layer
from .report import Report

__all__ = ["gradcheck", "layer"]

Parameters = ParamSpec("Parameters")


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


def _fail_briefly(check: Callable[Parameters, Report]) -> Callable[Parameters, Report]:
    """Wrap a check so that a failing test shows only the report."""

    @wraps(check)
    def check_or_fail(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Report:
        __tracebackhide__ = True
        import pytest

        raises = kwargs.get("raises", True)
        report = check(*args, **{**kwargs, "raises": False})  # type: ignore[arg-type]
        if raises and not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return check_or_fail


gradcheck = _fail_briefly(check_gradient)
layer = _fail_briefly(check_layer)
