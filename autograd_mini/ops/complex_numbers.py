"""Complex numbers that may be real after all, and their order.

The convention of complex gradients is in `core.reverse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.primitive import implements
from ..core.tensor import Tensor
from .conversion import astype
from .products import tensor_like

if TYPE_CHECKING:
    from ..core.arrays import Numbers


def read_values(x: Numbers) -> Any:
    """Return values that decide about the shape or dtype of a result, which vmap must not bake."""
    return x.data if isinstance(x, Tensor) else x


@implements(np.real_if_close)
def real_if_close(a: Numbers, tol: float = 100) -> Any:
    """Return the real part if all imaginary parts are nearly 0, which is seen from the values.

    ∂a: g.
    """
    x = tensor_like(a)
    if x.dtype.kind != "c":
        return x
    limit = tol * np.finfo(x.dtype).eps if tol > 1 else tol
    return np.real(x) if np.all(np.abs(read_values(x).imag) < limit) else x


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    """Sort by real, then imaginary parts, and make it complex.  ∂a: g follows the elements."""
    x = np.sort(tensor_like(a))
    if x.dtype.kind == "c":
        return x
    kinds = {"g": np.clongdouble} | dict.fromkeys("bhBH", np.complex64)
    return astype(x, kinds.get(x.dtype.char, np.complex128))
