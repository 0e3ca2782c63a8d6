"""The table: every primitive, and the lenient functions that users call.

A primitive takes one canonical form; the function over it, entered in the table under NumPy's
function or a name of ours, accepts every argument form and normalises it at this border.
"""

from . import (
    activations,
    calculus,
    chains,
    checks,
    complex_numbers,
    conversion,
    eigen,
    einsum,
    elementwise,
    fourier,
    functional,
    indexing,
    joining,
    matrices,
    nan_functions,
    nondifferentiable,
    norms,
    order,
    picking,
    polynomials,
    products,
    rearranging,
    reductions,
    selection,
    shapes,
    singular_values,
    solving,
    statistics,
)
from . import calculus as ranges
from . import elementwise as sinc_and_bessel
from . import joining as padding
from . import products as convolution
from . import rearranging as triangles
from . import solving as factorizations
from . import statistics as histograms

__all__ = [
    "activations",
    "sinc_and_bessel",
    "calculus",
    "chains",
    "checks",
    "complex_numbers",
    "conversion",
    "convolution",
    "eigen",
    "einsum",
    "elementwise",
    "factorizations",
    "fourier",
    "functional",
    "histograms",
    "indexing",
    "joining",
    "matrices",
    "nan_functions",
    "nondifferentiable",
    "norms",
    "order",
    "padding",
    "picking",
    "polynomials",
    "products",
    "ranges",
    "rearranging",
    "reductions",
    "selection",
    "shapes",
    "singular_values",
    "solving",
    "statistics",
    "triangles",
]
