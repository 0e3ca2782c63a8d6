"""The gradient of the gradient, as a function that is checked in its turn."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ArgumentError
from .causes import Cause, Kind
from .examination import Options, examine
from .reporting.report import Report
from .subjects import Subject


def second_order(subject: Subject, options: Options) -> Report:
    """Check how the gradient depends on the inputs and on the cotangent.

    Raises:
        ArgumentError: if the gradient cannot be differentiated, as one written for NumPy arrays.
    """
    gradient = subject.second()
    if gradient is None:
        raise ArgumentError(
            f"gradcheck: order=2 differentiates the gradient, and {subject.what} cannot be "
            "differentiated; check it as a function of its own, with a gradient of its own"
        )
    report = examine(gradient, options)
    if report.ok or report.undecided:
        return replace(report, order=2)
    text = "right at first order, wrong when differentiated again"
    first = Cause(Kind.SECOND_ORDER, text)
    if report.problems:
        return replace(report, order=2, problems=(first, *report.problems))
    return replace(report, order=2, causes=(first, *report.causes))
