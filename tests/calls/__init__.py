"""Calls of every NumPy function of the table, by the room of `ops` in which a reader would look.

Each module holds `CALLS`: a NumPy function and the argument forms in which the tests call it. What
they give on arrays is what they must give on tensors, and their gradients are compared with finite
differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.core.table import table

from . import (
    basics,
    calculus,
    fourier,
    linalg,
    order,
    products,
    ranges,
    rearranging,
    special,
    statistics,
    ufuncs,
)
from .forms import BINARY, BITS, FLAGS, INTS, UNARY, Call

MODULES = (
    basics,
    calculus,
    fourier,
    linalg,
    order,
    products,
    ranges,
    rearranging,
    special,
    statistics,
    ufuncs,
)
BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
CALLS: dict[Any, tuple[Call, ...]] = {}

for module in MODULES:
    assert not CALLS.keys() & module.CALLS.keys(), "a function has its calls in two places"
    CALLS |= {f: tuple(c for c in calls if c.installed) for f, calls in module.CALLS.items()}
FUNCTIONS = [f for f in table if callable(f)]
for ufunc in FUNCTIONS:
    if isinstance(ufunc, np.ufunc) and ufunc not in CALLS:
        if ufunc.__name__ in BITWISE:
            CALLS[ufunc] = BITS
        elif ufunc is np.invert:
            CALLS[ufunc] = (Call(INTS), Call(FLAGS))
        else:
            CALLS[ufunc] = UNARY if ufunc.nin == 1 else BINARY
