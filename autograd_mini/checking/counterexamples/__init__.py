"""Search for inputs at which a gradient is wrong, simplify them, and write them as a program.

`hypothesis_search` runs the search, and `trials` checks one input. `contract` says which properties
of the examples are kept, and `variations` generates similar inputs. `scripts` writes the result.
"""

from __future__ import annotations

from .counterexample import Counterexample, LookedAt
from .exploration import Exploration, explore, search

__all__ = ["Counterexample", "Exploration", "LookedAt", "explore", "search"]
