"""Search for inputs at which a gradient is wrong, simplify them, and write them as a program.

`hypothesis_search` runs the search and checks each input. `variations` generates inputs that are
similar to the examples, and says which of their properties are kept. `counterexample` writes the
result. `exploration` has the public functions.
"""

from __future__ import annotations

from .counterexample import Counterexample, LookedAt
from .exploration import Exploration, explore, search

__all__ = ["Counterexample", "Exploration", "LookedAt", "explore", "search"]
