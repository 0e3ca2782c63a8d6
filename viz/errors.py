"""The errors of drawing. Each message says how to avoid the error."""

from __future__ import annotations

from autograd_mini.errors import AutogradError


class PictureError(AutogradError, ValueError):
    """A subject that cannot be drawn, or an unknown view, format or path."""


class LayoutError(AutogradError, RuntimeError):
    """The layout program is missing, failed, or took too long."""


class SlowLayoutError(LayoutError):
    """The layout program took too long, even for a simple layout."""
