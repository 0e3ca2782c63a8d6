"""Diagnosis: find the cause of a wrong gradient by trying usual mistakes.

A mistake is named only if it turns the numeric gradient into the given one. `explanation` is the
driver: it lists all mistakes in the order in which they are tried. `evidence` holds the facts, and
describes which entries are wrong. The other modules hold mistakes of one kind each.
"""

from __future__ import annotations

from .evidence import Evidence
from .explanation import diagnose

__all__ = ["Evidence", "diagnose"]
