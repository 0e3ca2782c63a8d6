"""Checking gradients: numeric derivatives against recorded or hand-written ones.

A check evaluates a function near a point (`numeric`), judges each entry of the given gradient by
what the numbers can tell (`verdicts`), and says what it found (`report`). `subjects` makes one
interface of recorded functions and of NumPy functions with a hand-written gradient.
"""

from __future__ import annotations

from ..errors import GradcheckError
from .check import gradcheck
from .report import Entry, Report
from .verdicts import Verdict

__all__ = ["Entry", "GradcheckError", "Report", "Verdict", "gradcheck"]
