"""What the tests of other frameworks' functions share: the frameworks, a point, a look."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

POINT = np.array([[-1.5, -0.3, 0.7], [0.2, 1.1, -2.0]])


def imported(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def look(f: Any, *inputs: Any, **options: Any) -> Any:
    return am.gradcheck(f, *inputs, raises=False, progress=False, **options)


def kinds(report: Any) -> list[str]:
    return [str(cause.kind) for cause in (*report.problems, *report.causes)]
