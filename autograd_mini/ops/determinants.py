"""Determinants: det, whose gradient is exact for singular matrices too, and slogdet.

The gradient of det is the matrix of cofactors, a polynomial: det·x⁻ᵀ where x is regular, and from
the singular value decomposition where it is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.batch_rules import leading
from ..core.primitive import Primitive, case, implements, nonlinear
from ..core.record import operand
from .matrices import (
    conj,
    diagonal_matrix,
    diagonal_of,
    lapack,
    over_regular,
    rounding,
    size_of,
    unit,
)
from .selection import where

SlogdetResult: Any = type(np.linalg.slogdet(np.ones((1, 1))))


def cofactor_forward(x: Any) -> Any:
    """Return the cofactors, from the inverse if all matrices of the stack are far from singular."""
    if x.shape[-1] == 1:
        return np.ones_like(x)
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return cofactors_by_svd(x)
    condition = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
    if not np.all(condition * rounding(x) ** 0.5 < 1):
        return cofactors_by_svd(x)
    return np.linalg.det(x)[..., None, None] * inverse.mT


def signed_svd(x: Any) -> Any:
    """Return det U·det Vᴴ, and U, s, Vᴴ."""
    u, s, vh = np.linalg.svd(x)
    return (np.linalg.det(u) * np.linalg.det(vh))[..., None, None], u, s, vh


def cofactors_by_svd(x: Any) -> Any:
    """Return the cofactors: those of s are the products of the other singular values."""
    sign, u, s, vh = signed_svd(x)
    others = np.prod(where(unit(x), 1, s[..., None, :]), axis=-1)
    return sign * ((conj(u) * others[..., None, :]) @ conj(vh))


def cofactor_rule(g: Any, y: Any, x: Any) -> Any:
    """∂x: (Σ g·C)·x⁻ᵀ − C·gᵀ·x⁻ᵀ for regular x, C being y; else by singular values."""
    n = x.shape[-1]
    if n < 2:
        return np.zeros_like(x)
    s = np.linalg.svdvals(x)
    singular = (s[..., -1] <= rounding(s, 100 * n) * s[..., 0])[..., None, None]
    transposed = np.linalg.inv(where(singular, unit(x), x)).mT
    regular = np.sum(g * y, axis=(-2, -1), keepdims=True) * transposed - y @ g.mT @ transposed
    return where(singular, singular_rule(g, x, singular), regular)


def singular_forward(g: Any, x: Any, singular: Any) -> Any:
    """Carry a cotangent of the cofactors back, exactly at every rank; 0 for regular matrices."""
    if not np.any(singular):
        return np.zeros(np.broadcast_shapes(g.shape, x.shape), np.result_type(g, x))
    sign, u, s, vh = signed_svd(x)
    n = x.shape[-1]
    i, j, k = np.ogrid[:n, :n, :n]
    pairs = np.prod(where((k == i) | (k == j), 1, s[..., None, None, :]), axis=-1)
    pairs = where(unit(x), 0, pairs)
    inner = sign * (conj(u).mT @ g @ conj(vh).mT)
    diagonal = (pairs @ diagonal_of(inner)[..., None])[..., 0]
    inner = diagonal_matrix(diagonal) - (pairs * inner).mT
    return where(singular, conj(u) @ inner @ conj(vh), 0)


def third_order(g: Any, y: Any, h: Any, x: Any, singular: Any) -> Any:
    """∂x: none for two rows; else an error for a singular matrix with a cotangent."""
    if x.shape[-1] < 3:
        return np.zeros_like(x)
    return over_regular(g, where(singular, 0.0, np.inf), size_of(g))


singular_rule: Primitive = nonlinear(
    singular_forward,
    "∂cof",
    "The vjp of cofactor for singular matrices.  ∂g: itself; a third derivative of det is an error",
    name="cofactor_vjp",
    vjp=(
        lambda g, y, h, x, singular: singular_rule(g, x, singular),
        third_order,
        None,
    ),
    samples=(case((2, 2), (2, 2), np.array([[True]])), case((3, 3), (3, 3), np.array([[False]]))),
    batch=leading(2, 2, 2),
)
cofactor = nonlinear(
    lapack(cofactor_forward),
    "cof",
    "Matrix of cofactors, the gradient of det.  ∂x: ((Σ g·y)·I − y·gᵀ)·x⁻ᵀ, exact at every rank",
    name="cofactor",
    vjp=(cofactor_rule,),
    samples=(case((3, 3)), case((2, 2, 2)), case((1, 1)), case((0, 0))),
    kink=lambda x: np.linalg.svdvals(x)[..., -1:] / 10,
    batch=leading(2),
)
det_ = nonlinear(
    lapack(np.linalg.det),
    "det",
    "Determinant.  ∂x: the matrix of cofactors, exact for singular matrices too",
    vjp=(lambda g, y, x: g[..., None, None] * cofactor(x),),
    samples=(case((3, 3)), case((2, 2, 2)), case((1, 1)), case((0, 0))),
    batch=leading(2),
)


def slogdet_rule(g: Any, y: Any, x: Any) -> Any:
    """∂x: (gₗ + i·Im(gₛ·sign))·x⁻ᵀ."""
    (gs, gl), (sign, _) = g, y
    singular = sign == 0
    total = gl if sign.dtype.kind != "c" else gl + np.imag(gs * sign) * 1j
    total = over_regular(total, where(singular, 0, np.ones_like(gl)), np.abs(total))
    regular = where(singular[..., None, None], np.eye(x.shape[-1], dtype=bool), x)
    return total[..., None, None] * np.linalg.inv(regular).mT


slogdet_ = nonlinear(
    lapack(np.linalg.slogdet),
    "slogdet",
    "Sign and logarithm of the absolute determinant.  ∂x: gₗ·x⁻ᴴ, with i·Im of the sign's for "
    "complex x; an error for singular x",
    vjp=(slogdet_rule,),
    samples=(case((3, 3)), case((2, 2, 2)), case((1, 1)), case((0, 0))),
    kink=lambda x: np.linalg.svdvals(x)[..., -1:] / 10,
    batch=leading(2),
    multiple=True,
)


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """Return the determinant of each matrix."""
    return det_(operand(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """Return sign and logarithm of the absolute determinant of each matrix."""
    return SlogdetResult(*slogdet_(operand(a)))
