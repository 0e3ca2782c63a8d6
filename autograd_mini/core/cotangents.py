"""Cotangents: how they start, how they are matched to an input, and when they are copied.

Complex numbers: inside the walk a cotangent g acts on a tangent t by Re Σ g·t, without conjugates,
so the rule of a holomorphic function reads as for real numbers. Outside, gradients are PyTorch's:
∂L/∂(Re z) + i·∂L/∂(Im z). The two differ by a conjugation, done where cotangents enter and leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GradientError, ShapeError
from ..ops.conversion import astype, conjugate, real
from ..ops.shapes import summed_to
from .arrays import as_array
from .extraction import describe
from .record import Operation
from .tensor import Tensor

if TYPE_CHECKING:
    from .arrays import Array
    from .record import Record


def seed(output: Tensor, cotangent: object) -> Any:
    """Return a cotangent that fits the output, 1 for a scalar by default.

    Raises:
        GradientError: if there is none for a non-scalar, or its shape is different.
    """
    if cotangent is None:
        if output.size != 1:
            raise GradientError(
                f"the gradient of {describe(output)} is not defined: it is not a scalar; reduce it "
                "with .sum() or .mean(), or give a cotangent of its shape"
            )
        if output.dtype.kind == "c":
            raise GradientError(
                f"the gradient of {describe(output)} is not defined: its value is complex; make it "
                "real with np.abs, .real or .imag, or give a cotangent (for a holomorphic function "
                "am.grad(f, holomorphic=True) gives the derivative)"
            )
        return np.ones(output.shape, output.dtype)[()]
    g = cotangent if isinstance(cotangent, Tensor) else as_array(cotangent)
    if g.dtype.kind == "c" and output.dtype.kind != "c":
        raise GradientError(
            f"the cotangent is complex, but {describe(output)} is {output.dtype}; give a real one"
        )
    if g.shape != output.shape:
        raise GradientError(
            f"the cotangent has shape {g.shape}, expected {output.shape}, the shape of "
            f"{describe(output)}"
        )
    return g if g.dtype == output.dtype else astype(g, output.dtype)


def swap_convention(g: Any) -> Any:
    """Turn a cotangent of complex numbers from the inner convention to the outer one, or back."""
    return conjugate(g) if g.dtype.kind == "c" else g


def match_input(gx: Array, data: Array, vertex: Record | Tensor, position: int) -> Any:
    """Sum a cotangent over broadcast axes and cast it, so that it fits its input.

    A real input moves along the real line only, so it gets the real part.
    """
    if gx.shape != data.shape and vertex._primitive.broadcasts and gx.ndim >= data.ndim:
        gx = summed_to(gx, data.shape)
    if gx.shape != data.shape:
        raise ShapeError(
            f"the rule of {Operation(vertex)} returned a cotangent of shape {gx.shape} for input "
            f"{position} of shape {data.shape}; expected the input's shape"
        )
    if gx.dtype.kind == "c" and data.dtype.kind != "c":
        gx = real(gx)
    return gx if gx.dtype == data.dtype else astype(gx, data.dtype)


def array_of_result(gx: Any, vertex: Any, position: int) -> Any:
    """Return a rule's plain number as an array, or say that it is none."""
    if isinstance(gx, (int, float, complex)):
        return np.asarray(gx, dtype=complex if isinstance(gx, complex) else float)[()]
    raise GradientError(
        f"the rule of {Operation(vertex)} returned {gx!r:.60} for input {position}; expected an "
        "array of the input's shape"
    )


def copy_if_shared(g: Array, shared: set[int]) -> Array:
    """Return a gradient as an array that nothing else holds; `shared` has the ids of the others.

    A rule may pass its cotangent on (a + b) or a view of it (reshape), never a forward value.
    """
    if type(g) is np.ndarray:
        if g.base is not None or id(g) in shared:
            g = g.copy()
        shared.add(id(g))
    return g
