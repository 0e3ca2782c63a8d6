"""What can go wrong, and the advice: every error that this library raises itself.

Each one also derives from the built-in exception that a NumPy user would expect, so
`except ValueError` keeps working; `except AutogradError` catches them all.
"""

from __future__ import annotations

import numpy as np

from .core.visible import show_text


class AutogradError(Exception):
    """Base of every error that this library raises on purpose.

    What a terminal would carry out, as an escape sequence in a name, its text shows.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(show_text(x) if isinstance(x, str) else x for x in args))


class OperandError(AutogradError, TypeError):
    """A value that cannot be a tensor or an operand: text, a ragged list, an object."""


class ShapeError(AutogradError, ValueError):
    """Shapes that do not fit each other, or a gradient that does not fit its input."""


class ConversionError(AutogradError, TypeError):
    """A conversion to a plain value that would silently lose the gradient."""


class IndexingError(AutogradError, IndexError):
    """An index out of range, or of a kind that NumPy does not know."""


class UnsupportedError(AutogradError, TypeError):
    """A NumPy function, argument or in-place form that cannot be recorded."""


class StaleGraphError(AutogradError, RuntimeError):
    """A leaf was changed after the graph that uses it was recorded."""


class GradientError(AutogradError, ValueError):
    """A derivative that is not defined as asked: no scalar, no gradient, a bad cotangent."""


class ArgumentError(AutogradError, ValueError):
    """A value that makes no sense where it stands: a batch of 0, label 7 of 5 classes."""


class MatrixError(AutogradError, np.linalg.LinAlgError):
    """A matrix that an operation cannot take: singular, not square, not positive definite."""


class WeightsError(AutogradError, ValueError):
    """A file of weights that does not belong to this model."""


class NonFiniteError(AutogradError, FloatingPointError):
    """NaN or infinity appeared where training needs finite numbers."""


class ForeignModuleError(AutogradError, ImportError):
    """Another module stands where a part of this library is looked for."""


class GradcheckError(AutogradError, AssertionError):
    """A gradient that differs from the numeric one; `report` has the entries."""

    def __init__(self, report: object) -> None:
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the report when pickled, as test runners do across processes."""
        return type(self), (self.report,)


class UndecidedError(GradcheckError):
    """The numbers cannot tell whether a gradient is right; see the error's `report`."""


class CompileError(AutogradError, RuntimeError):
    """A function cannot become a program: it depends on what a trace cannot see."""
