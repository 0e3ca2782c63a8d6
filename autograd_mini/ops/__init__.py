"""The table: every primitive, and the lenient functions that users call.

A primitive takes one canonical form; the function over it, entered in the table under NumPy's
function or a name of ours, accepts every argument form and normalises it at this border.
"""

from importlib import import_module

from ..core.table import later
from . import (
    activations,
    calculus,
    checks,
    conversion,
    eigen,
    einsum,
    elementwise,
    fourier,
    functional,
    indexing,
    joining,
    matrices,
    nondifferentiable,
    norms,
    order,
    polynomials,
    products,
    rearranging,
    reductions,
    selection,
    shapes,
    singular_values,
    solving,
    statistics,
    windows,
)

later["scipy.special"] = lambda: import_module(f"{__name__}.special")
