"""The cause of a wrong gradient: hypotheses, tried in order, on the evidence of a check.

A hypothesis is named only if it reproduces the given gradient from the numeric one. `explanation`
has the order in which they are tried; `evidence` and `views` what is known; the other modules hold
hypotheses of one kind each, and `conditions` what tells wrong entries from right ones.
"""

from __future__ import annotations

from .evidence import Evidence
from .explanation import diagnose

__all__ = ["Evidence", "diagnose"]
