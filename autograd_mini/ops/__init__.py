"""The table: every primitive, and the lenient functions that users call.

A primitive takes one canonical form; the function over it, entered in the table under NumPy's
function or a name of ours, accepts every argument form and normalises it at this border.
"""

from . import (
    activations,
    arithmetic,
    conversion,
    discrete,
    indexing,
    joining,
    linalg,
    picking,
    reductions,
    selection,
    shapes,
)

__all__ = [
    "activations",
    "arithmetic",
    "conversion",
    "discrete",
    "indexing",
    "joining",
    "linalg",
    "picking",
    "reductions",
    "selection",
    "shapes",
]
