"""Coverage: how much of a large gradient random projections have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a large gradient was looked at by random projections.

    Attributes:
        entries: how many the inputs have together.
        projections: how many random directions were tried.
        sensitivity: the norm of an error in the gradient that all projections together miss with a
            probability of less than one in a million.
        norm: the norm of the gradient.
        complete: whether the search for wrong entries came to its end.
    """

    entries: int
    projections: int
    sensitivity: float
    norm: float
    complete: bool = True

    def __str__(self) -> str:
        """Say what was seen and what could have been missed."""
        more = "" if self.complete else "; there may be more wrong entries than these"
        share = f", {self.sensitivity / self.norm:.1e} of its norm" if self.norm > 0 else ""
        return (
            f"{self.entries:,} entries along {self.projections} random directions: an error of "
            f"norm {self.sensitivity:.1e}{share}, would have been seen but for one case in a "
            f"million{more}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain Python values."""
        return {
            "entries": self.entries,
            "projections": self.projections,
            "sensitivity": self.sensitivity,
            "norm": self.norm,
            "complete": self.complete,
        }
