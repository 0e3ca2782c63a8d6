"""Triangular factors: cholesky and qr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.arrays import Array
from ..core.batch_rules import leading
from ..core.primitive import case, general, implements
from ..core.record import check_operand
from ..errors import ArgumentError, UnsupportedError
from .matrices import (
    adjoint,
    conj,
    diagonal_of,
    hermitian_of,
    lapack,
    one_triangle,
    over_regular,
    size_of,
    vanishing,
)
from .selection import where
from .singular_values import without_rest

if TYPE_CHECKING:
    from ..core.arrays import Numbers

QRResult: Any = type(np.linalg.qr(np.ones((1, 1))))


def _cholesky_rule(g: Array, y: Array, x: Array) -> Array:
    """∂x: L⁻ᵀ·Φ(Lᵀ·g)·L̄⁻¹, Φ the lower triangle with half the diagonal, summed to x's lower one."""
    m = y.mT @ g
    inner = where(np.tri(x.shape[-1], dtype=bool), m, 0)
    inner = where(np.eye(x.shape[-1], dtype=bool), inner / 2, inner)
    inverse = np.linalg.inv(y)
    return one_triangle(inverse.mT @ inner @ conj(inverse), True)


def positive(x: Numbers) -> np.ndarray:
    """Return the smallest eigenvalues of the matrix in the lower triangle; 0 if one is negative."""
    w = np.linalg.eigvalsh(x)[..., :1]
    return np.where(w > 0, w / 4, 0)


cholesky_ = general(
    lapack(np.linalg.cholesky),
    "chol",
    "L with x = L·Lᴴ, from x's lower triangle.  ∂x: L⁻ᴴ·Φ(Lᴴ·g)·L⁻¹, Φ the lower triangle with "
    "half the diagonal, summed to the lower triangle, as only that is read",
    vjp=(_cholesky_rule,),
    samples=(case((3, 3)), case((2, 2, 2)), case((1, 1)), case((0, 0))),
    domain=(0.2, 2.0),
    kink=positive,
    batch=leading(2),
)


@implements(np.linalg.cholesky)
def cholesky(a: Numbers, /, *, upper: bool = False) -> Any:
    """Return L with a = L·Lᴴ, read from a's lower triangle; or U with a = Uᴴ·U, from its upper."""
    a = check_operand(a)
    return adjoint(cholesky_(adjoint(a))) if upper else cholesky_(a)


def _qr_rule(g: Any, y: Any, x: Any, *, mode: str) -> Array:
    """∂x: (gᵩ + Q̄·(upper triangle of gᵣ·Rᵀ − Qᵀ·gᵩ, mirrored))·R⁻ᵀ."""
    (gq, gr), (q, r) = g, y
    k = x.shape[-1]
    if not k:
        return np.zeros_like(x)
    gq, q = without_rest("qr", gq, q, k), q[..., :k]
    gr, r = gr[..., :k, :], r[..., :k, :]
    total = gq + conj(q) @ hermitian_of(gr @ r.mT - q.mT @ gq, False)
    size = diagonal_of(r)
    regular = np.min(np.abs(vanishing(size, size, k)), axis=-1) > 0
    regular = where(regular, np.ones_like(regular, dtype=x.dtype), 0)[..., None, None]
    total = over_regular(total, regular, size_of(total))
    return np.linalg.solve(where(regular == 0, np.eye(k, dtype=bool), r), total.mT).mT


qr_ = general(
    lapack(np.linalg.qr),
    "qr",
    "Unitary Q and upper triangular R with x = Q·R, for no more columns than rows.  "
    "∂x: (gᵩ + Q·(upper triangle of gᵣ·Rᴴ − Qᴴ·gᵩ, mirrored))·R⁻ᴴ; an error for dependent columns",
    vjp=(_qr_rule,),
    samples=(
        *(case(shape, mode="reduced") for shape in ((3, 3), (4, 2), (2, 3, 2), (1, 1), (2, 0))),
        case((3, 2), mode="complete"),
        case((2, 2), mode="complete"),
    ),
    params=("mode",),
    kink=lambda x: np.linalg.svdvals(x)[..., -1:] / 10,
    batch=leading(2),
    multiple=True,
)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Return Q and R with a = Q·R; 'complete' has a square Q, 'r' is R alone.

    Raises:
        UnsupportedError: for 'raw', LAPACK's own storage of Q.
        ArgumentError: for a mode that NumPy does not know.
    """
    if mode == "raw":
        raise UnsupportedError("qr: LAPACK's raw factors are not recorded; use mode='reduced'")
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: the mode must be 'reduced', 'complete' or 'r', got {mode!r}")
    a = check_operand(a)
    q, r = (
        _wide_qr(a)
        if a.ndim > 1 and a.shape[-1] > a.shape[-2]
        else qr_(a, mode="complete" if mode == "complete" else "reduced")
    )
    return r if mode == "r" else QRResult(q, r)


def _wide_qr(a: Any) -> Any:
    """Return Q and R of a matrix with more columns than rows: Q comes from the first ones alone."""
    m = a.shape[-2]
    q, r = qr_(a[..., :m], mode="reduced")
    return q, np.concatenate([r, adjoint(q) @ a[..., m:]], axis=-1)
