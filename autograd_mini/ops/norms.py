"""Lengths of vectors and matrices: norm, vector_norm, matrix_norm, cond, matrix_rank.

Each norm is a short chain of recorded functions: the Euclidean length is a primitive; the others
are sums and extremes of absolute values, or of singular values. Every norm of 0 has the gradient 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.primitive import Primitive, case, elementwise, general, implements
from ..core.record import check_operand, scope, value_of
from ..core.table import Axis
from ..core.tensor import Tensor
from ..errors import ArgumentError, MatrixError, OperandError, ShapeError
from .checks import axes_of, places_of
from .conversion import stop_gradient
from .matrices import conj, rounding
from .reductions import add_reduce, restore
from .selection import where
from .shapes import expand_dims, moveaxis

Axes = tuple[int, ...]


def _length_forward(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the square root of the sum of squares."""
    return np.sqrt(add_reduce((np.conj(x) * x).real, axis=axis, keepdims=keepdims))


def _length_rule(g: Array, y: Array, x: Array, *, axis: Axes, keepdims: bool) -> Array:
    """∂x: x̄/y, 0 where y is 0."""
    share = where(y == 0, 0, g / where(y == 0, 1, y))
    return restore(share, axis, keepdims) * conj(x)


length = general(
    _length_forward,
    "‖ ‖",
    "Euclidean length over axes.  ∂x: x/y, 0 where y is 0",
    name="length",
    vjp=(_length_rule,),
    samples=(
        case((3, 4), axis=(0, 1), keepdims=False),
        case((3, 4), axis=(1,), keepdims=True),
        case((2, 3, 2), axis=(0, 2), keepdims=False),
        case((), axis=(), keepdims=False),
        case((0, 2), axis=(0,), keepdims=False),
    ),
    params=("axis", "keepdims"),
    domain=(0.2, 2.0),
)


def _floating(a: Numbers) -> Array:
    """Return an operand in floating point, as norms have it."""
    x = check_operand(a)
    x = x if hasattr(x, "dtype") else np.asarray(x)[()]
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _absolute_power_forward(x: np.ndarray, *, order: float) -> np.ndarray:
    """Compute |x|ᵖ of real numbers."""
    if np.iscomplexobj(x):
        raise TypeError("it is defined for real numbers")
    return np.abs(x) ** order


def _signed_power_forward(x: np.ndarray, *, order: float) -> np.ndarray:
    """Compute sign x·|x|ᵖ of real numbers; 0 at 0."""
    if np.iscomplexobj(x):
        raise TypeError("it is defined for real numbers")
    zero = np.equal(x, 0)
    return np.where(zero, 0, np.sign(x) * np.abs(np.where(zero, 1, x)) ** order)[()]


ORDERS = (case((3, 4), order=3), case((), order=0.5), case((2, 0), order=-1.5))

absolute_power: Primitive = elementwise(
    _absolute_power_forward,
    "|x|ᵖ",
    "|x|ᵖ of real x.  ∂x: p·sign x·|x|ᵖ⁻¹; 0 at 0  ∂x²: p·(p − 1)·|x|ᵖ⁻², inf at 0 for 1 < p < 2",
    name="absolute_power",
    vjp=(lambda g, y, x, order: g * (order * signed_power(x, order=order - 1)),),
    samples=ORDERS,
    kink=lambda x: x,
    params=("order",),
)
signed_power: Primitive = elementwise(
    _signed_power_forward,
    "±|x|ᵖ",
    "sign x·|x|ᵖ of real x, 0 at 0.  ∂x: p·|x|ᵖ⁻¹",
    name="signed_power",
    vjp=(lambda g, y, x, order: g * (order * absolute_power(x, order=order - 1)),),
    samples=ORDERS,
    kink=lambda x: x,
    params=("order",),
)


def _power_norm(x: Array, p: float, axis: Axes, keepdims: bool) -> Array:
    """Return (Σ |x|ᵖ)^(1/p); no derivatives where the norm is 0."""
    over = np.all if p > 0 else np.any
    zero = over(np.equal(x, 0), axis=axis, keepdims=True)
    size = where(zero, 1, x)
    size = absolute_power(np.abs(size) if x.dtype.kind == "c" else size, order=p)
    total = np.sum(size, axis=axis, keepdims=True)
    lost = total == 0  # by underflow, or of infinities for a negative order
    y = where(lost, 0.0 if p > 0 else np.inf, where(lost, 1, total) ** (1 / p))
    y = where(zero, 0.0, y)
    return y if keepdims else np.squeeze(y, axis=axis)


def largest(x: Array, axis: Axes, keepdims: bool = False) -> Array:
    """Return the largest of non-negative numbers over axes, 0 of none."""
    if x.size:
        return np.max(x, axis=axis, keepdims=keepdims)
    return np.max(x, axis=axis, keepdims=keepdims, initial=0)


def _norm_over(x: Array, p: float | str | None, axis: Axes, keepdims: bool) -> Array:
    """Return the vector norm of order p over axes.

    Raises:
        ArgumentError: for an order that is not a number.
    """
    if isinstance(p, str):
        raise ArgumentError(f"norm: {p!r} is a norm of matrices; give a number for a vector")
    if p is None or p == 2:
        return length(x, axis=axis, keepdims=keepdims)
    return _other_norm_over(x, p, axis, keepdims)


@scope("norm")
def _other_norm_over(x: Array, p: float, axis: Axes, keepdims: bool) -> Array:
    """Return the vector norm of any order but 2."""
    if p == np.inf:
        return largest(np.abs(x), axis, keepdims)
    if p == -np.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if p == 0:
        present = np.not_equal(x, 0).astype(np.real(value_of(x)).dtype)
        return np.sum(present, axis=axis, keepdims=keepdims)
    if p == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    return _power_norm(x, p, axis, keepdims)


def nuclear(x: Array) -> Array:
    """Sum the singular values. Those that are 0 up to rounding are at a kink: no gradient."""
    s = np.linalg.svdvals(x)
    limit = rounding(s, max(x.shape[-2:])) * largest(s, (s.ndim - 1,), True)
    return np.sum(where(s > limit, s, stop_gradient(s)), axis=-1)


def _norm_of_matrices(x: Array, order: float | str) -> Array:
    """Return the norm, not the length, of each matrix in the last two axes.

    Raises:
        ArgumentError: for an order that NumPy does not know.
    """
    last = (x.ndim - 2,)
    if isinstance(order, str):
        if order == "nuc":
            return nuclear(x)
    elif order == 2:
        return largest(np.linalg.svdvals(x), last)
    elif order == -2:
        return np.min(np.linalg.svdvals(x), axis=-1)
    elif abs(order) in (1, np.inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(order) == 1 else -1)
        return largest(sums, last) if order > 0 else np.min(sums, axis=-1)
    raise ArgumentError(
        f"norm: {order!r} is no order of a matrix norm; expected None, 'fro', 'nuc', ±1, ±2 or ±inf"
    )


def _matrices_over(x: Array, order: float | str | None, axis: Axes, keepdims: bool) -> Array:
    """Return the norm of the matrices in two axes, the first the rows."""
    places = tuple(sorted(axis))
    if order is None or (isinstance(order, str) and order in ("fro", "f")):
        return length(x, axis=places, keepdims=keepdims)
    with scope("norm"):
        y = _norm_of_matrices(moveaxis(x, axis, (-2, -1)), order)
        return expand_dims(y, axis=places) if keepdims else y


@implements(np.linalg.norm)
def norm(
    x: Numbers, ord: float | str | None = None, axis: Axis | None = None, keepdims: bool = False
) -> Array:
    """Return the norm of vectors (one axis) or matrices (two); without order and axis, the length.

    Orders of vectors: any number, ±inf, None for 2; of matrices: 'fro' or None, 'nuc', ±1, ±2,
    ±inf. ∂x: x/y for the length, with 0 at 0; sign x·|x/y|ᵖ⁻¹ for order p; split evenly among ties
    for ±inf and the sums of ±1; U·Vᴴ without singular values of 0 for 'nuc'. Second derivatives
    are 0 where the norm is; by an element that is 0, inf for 1 < p < 2 and −inf for 0 < p < 1.
    """
    x = _floating(x)
    if axis is None:
        if ord is None:
            return length(x, axis=tuple(range(x.ndim)), keepdims=bool(keepdims))
        axis = tuple(range(x.ndim))
    elif not isinstance(axis, tuple):
        try:
            axis = (int(axis),)
        except (TypeError, ValueError) as error:
            raise OperandError(f"norm: axis must be an integer or a pair, got {axis!r}") from error
    places = places_of("norm", x, axis)
    if len(places) == 1:
        return _norm_over(x, ord, places, bool(keepdims))
    if len(places) == 2:
        return _matrices_over(x, ord, places, bool(keepdims))
    raise ShapeError(
        f"norm: an order needs one axis or two, got {len(places)} of the shape {x.shape}; give axis"
    )


@implements(np.linalg.vector_norm)
def vector_norm(
    x: Numbers, /, *, axis: Axis = None, keepdims: bool = False, ord: float | None = 2
) -> Array:
    """Return the norm of order `ord` over axes, by default all, as of one vector.

    ∂x: x/y for order 2, sign x·|x/y|ᵖ⁻¹ for order p, 0 at 0; even among ties for ±inf.
    """
    x = _floating(x)
    return _norm_over(x, ord, axes_of("vector_norm", x, axis), bool(keepdims))


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Numbers, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Array:
    """Return the norm of each matrix in the last two axes.

    ∂x: x/y for 'fro', 0 at 0; U·Vᴴ for 'nuc'; even among ties for the others.
    """
    x = _floating(x)
    return _matrices_over(x, ord, places_of("matrix_norm", x, (-2, -1)), bool(keepdims))


@implements(np.linalg.cond)
@scope("cond")
def cond(x: Numbers, p: float | str | None = None) -> Array:
    """Return the condition number in a norm, inf for a singular matrix.

    ∂x: those of |x|·|x⁻¹|, for p None or ±2 of the ratio of singular values; 0 where it is inf.
    """
    x = _floating(x)
    if 0 in x.shape[-2:]:
        raise MatrixError(f"cond: an empty matrix of shape {x.shape} has no condition number")
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        s = np.linalg.svdvals(x)
        largest, least = s[..., 0], s[..., -1]
        if p == -2:
            return where(largest == 0, np.inf, least / where(largest == 0, 1, largest))
        return where(least == 0, np.inf, largest / where(least == 0, 1, least))
    singular = np.linalg.slogdet(x)[0] == 0
    identity = np.eye(x.shape[-1], dtype=bool)
    regular = where(singular[..., None, None], identity, x)
    inverse, last = np.linalg.inv(regular), (x.ndim - 2, x.ndim - 1)
    number = _matrices_over(regular, p, last, False) * _matrices_over(inverse, p, last, False)
    return where(singular, np.inf, number)


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:  # noqa: N803  # NumPy's name
    """Count the singular values above a limit.  No gradient: it is read from the values."""
    A, tol, rtol = (t.data if isinstance(t, Tensor) else t for t in (A, tol, rtol))
    return np.linalg.matrix_rank(A, tol, hermitian, rtol=rtol)
