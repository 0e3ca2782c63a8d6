"""What can go wrong while drawing, and the advice."""

from __future__ import annotations

from autograd_mini.errors import AutogradError


class PictureError(AutogradError, ValueError):
    """A subject, a view, a format or a path that cannot be drawn as asked."""


class LayoutError(AutogradError, RuntimeError):
    """The layout program is missing, failed or took too long."""


class SlowLayoutError(LayoutError):
    """The layout program took too long, even for a simple layout."""
