"""Inputs at which a gradient is wrong: looked for, made simple, and written as a program.

`hunt` and `trials` look with hypothesis, `variations` has what is tried near an example,
`scripts` writes what was found.
"""

from __future__ import annotations

from .counterexample import Counterexample, LookedAt
from .exploration import Exploration, explore, search

__all__ = ["Counterexample", "Exploration", "LookedAt", "explore", "search"]
