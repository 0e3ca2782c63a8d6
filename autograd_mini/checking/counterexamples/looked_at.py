"""LookedAt: which inputs a search has checked, and what it kept of the examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Which inputs a search has checked.

    Attributes:
        checked: how many.
        refused: how many more were of no use: the function raises an error or is not finite there.
        shapes: the shapes of the examples, by name.
        other_shapes: how many other combinations of shapes were checked.
        kept: what was kept of the values of an example, by name.
        order: names of numbers that stayed in this order.
        any_values: whether values unlike the examples were asked for.
    """

    checked: int
    refused: int
    shapes: Mapping[str, tuple[int, ...]]
    other_shapes: int
    kept: Mapping[str, str]
    order: tuple[str, ...]
    any_values: bool

    def __str__(self) -> str:
        """Say it in a line or two."""
        return "\n".join([self.of_shapes(), self.of_values()])

    def of_shapes(self) -> str:
        """Say how many inputs were checked, and of which shapes."""
        given = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        others = f", and {self.other_shapes} others" if self.other_shapes else " only"
        shapes = f" of the shapes given, {given}{others}" if given else ""
        refused = f"; {self.refused} more were outside the domain" if self.refused else ""
        return f"looked at {self.checked} inputs{shapes}{refused}"

    def of_values(self) -> str:
        """Say what was kept of the values."""
        if self.any_values:
            return "values of any kind"
        kept = [f"{name} {what}" for name, what in self.kept.items()]
        kept += [" < ".join(self.order)] if self.order else []
        return f"values like those given: {'; '.join(kept)}" if kept else "values of any sign"

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        return {
            "checked": self.checked,
            "refused": self.refused,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "other_shapes": self.other_shapes,
            "kept": dict(self.kept),
            "order": list(self.order),
            "any_values": self.any_values,
        }
