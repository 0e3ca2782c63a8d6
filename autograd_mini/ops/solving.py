"""Linear systems: inv, pinv, det, slogdet, solve, lstsq, tensorsolve; and cholesky and qr."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.batch_rules import leading
from ..core.primitive import Primitive, case, general, implements
from ..core.record import check_operand, scope, value_of
from ..core.table import table
from ..core.tensor import Tensor
from ..errors import ArgumentError, MatrixError, UnsupportedError
from .checks import demand
from .matrices import (
    adjoint,
    conj,
    diagonal_matrix,
    diagonal_of,
    hermitian_of,
    lapack,
    of_matrices,
    one_triangle,
    over_regular,
    quotient,
    rounding,
    size_of,
    unit,
    vanishing,
)
from .selection import where
from .singular_values import without_rest

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


cholesky_ = of_matrices(
    np.linalg.cholesky,
    "chol",
    "L with x = L·Lᴴ, from x's lower triangle.  ∂x: L⁻ᴴ·Φ(Lᴴ·g)·L⁻¹, Φ the lower triangle with "
    "half the diagonal, summed to the lower triangle, as only that is read",
    vjp=(_cholesky_rule,),
    domain=(0.2, 2.0),
    kink=positive,
)


@implements(np.linalg.cholesky)
def cholesky(a: Numbers, /, *, upper: bool = False) -> Array:
    """Return L with a = L·Lᴴ, read from a's lower triangle; or U with a = Uᴴ·U, from its upper."""
    a = check_operand(a)
    return adjoint(cholesky_(adjoint(a))) if upper else cholesky_(a)


def _qr_rule(g: tuple[Array, Array], y: tuple[Array, Array], x: Array, *, mode: str) -> Array:
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


qr_ = of_matrices(
    np.linalg.qr,
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
    multiple=True,
)


@implements(np.linalg.qr)
def qr(a: Array, mode: str = "reduced") -> Array | tuple[Array, Array]:
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


def _wide_qr(a: Array) -> tuple[Array, Array]:
    """Return Q and R of a matrix with more columns than rows: Q comes from the first ones alone."""
    m = a.shape[-2]
    q, r = qr_(a[..., :m], mode="reduced")
    return q, np.concatenate([r, adjoint(q) @ a[..., m:]], axis=-1)


NOT_GIVEN: Any = np._NoValue  # the default of np.linalg.pinv


def smallest(x: Numbers, *others: object) -> np.ndarray:
    """Return the smallest singular values: near 0 an inverse is too large for a sample."""
    return np.linalg.svdvals(x)[..., -1:] / 10


inv_ = of_matrices(
    np.linalg.inv,
    "inv",
    "Inverse.  ∂x: −yᵀ·g·yᵀ",
    vjp=(lambda g, y, x: -(y.mT @ g @ y.mT),),
    kink=smallest,
)


def _solve_matrix(g: Array, y: Array, a: Array, b: Array) -> Array:
    """∂a: −a⁻ᵀ·g·yᵀ."""
    return -(np.linalg.solve(a.mT, g) @ y.mT)


solve_ = general(
    lapack(np.linalg.solve),
    "solve",
    "y with a·y = b, for matrices b.  ∂a: −a⁻ᵀ·g·yᵀ  ∂b: a⁻ᵀ·g",
    vjp=(_solve_matrix, lambda g, y, a, b: np.linalg.solve(a.mT, g)),
    samples=(
        case((3, 3), (3, 2)),
        case((2, 2, 2), (2, 3)),
        case((2, 2), (3, 2, 1)),
        case((2, 1, 2, 2), (3, 2, 1)),
        case((0, 0), (0, 2)),
        case((2, 2), (2, 0)),
    ),
    kink=smallest,
    broadcasts=True,
    batch=leading(2, 2),
)


def _pinv_forward(x: np.ndarray, cutoff: float) -> np.ndarray:
    """Return the pseudoinverse without singular values up to cutoff times the largest."""
    return np.linalg.pinv(x, rcond=cutoff)


over_kept = quotient(
    "over_kept",
    "pinv: a singular value that is not 0 was cut off (rcond, rtol), and the derivative of that is "
    "not known here; build it from u, s, vh = np.linalg.svd(x, full_matrices=False)",
)


def _pinv_rule(g: Array, y: Array, x: Array, cutoff: float) -> Array:
    """∂x: −yᵀ·g·yᵀ, and conjugates of (I − x·y)·gᵀ·y·yᴴ, what x does not reach, and its mirror.

    The last two terms are 0, but their derivative is not: a change of the part of x that is cut
    off turns what is not.
    """
    rest = x - x @ y @ x
    size = size_of(x)
    cut = np.any(np.abs(rest) > rounding(x) ** 0.5 * size, axis=(-2, -1), keepdims=True)
    h = over_kept(g, where(cut, 0, np.ones_like(size)), size_of(g)).mT
    left = (h - x @ (y @ h)) @ y @ adjoint(y)
    right = adjoint(y) @ y @ (h - (h @ y) @ x)
    cube = adjoint(y) @ y @ adjoint(y)
    turned = cube @ adjoint(h) @ rest + rest @ adjoint(h) @ cube
    return conj(left + right + turned) - y.mT @ h.mT @ y.mT


pinv_ = general(
    lapack(_pinv_forward),
    "pinv",
    "Pseudoinverse, for matrices that keep their rank.  "
    "∂x: −yᴴ·g·yᴴ + (I − x·y)·gᴴ·y·yᴴ + yᴴ·y·gᴴ·(I − y·x); second ones are those of the "
    "pseudoinverse of the nearest matrix of that rank",
    name="pinv",
    vjp=(_pinv_rule, None),
    samples=(
        case((3, 3), 1e-15),
        case((3, 2), 1e-15),
        case((2, 3), 1e-15),
        case((2, 2, 2), np.array([1e-15, 1e-14])),
        case((0, 2), 1e-15),
    ),
    kink=smallest,
    batch=leading(2, 0),
)


@implements(np.linalg.inv)
def inv(a: Numbers) -> Tensor:
    """Return the inverse of each matrix."""
    return inv_(check_operand(a))


@implements(np.linalg.pinv)
def pinv(
    a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: object = NOT_GIVEN
) -> Tensor:
    """Return the pseudoinverse; singular values up to rcond times the largest count as 0.

    Of a matrix that is said to be Hermitian, the lower triangle is read.
    """
    a = check_operand(a)
    if rcond is None:
        wanted = 1e-15 if rtol is NOT_GIVEN else rtol
        rcond = max(a.shape[-2:]) * float(np.finfo(a.dtype).eps) if wanted is None else wanted
    elif rtol is not NOT_GIVEN:
        raise ArgumentError("pinv: rtol and rcond are two names of one limit; give one of them")
    return pinv_(hermitian_of(a, True) if hermitian else a, rcond)


@implements(np.linalg.solve)
def solve(a: Array, b: Array) -> Tensor:
    """Return y with a·y = b: a vector if b has one axis, else a stack of matrices."""
    a, b = check_operand(a), check_operand(b)
    if np.ndim(b) == 1:
        return solve_(a, b[:, None])[..., 0]
    return solve_(a, b)


@implements(np.linalg.lstsq)
@scope("lstsq")
def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[object, object, object, object]:
    """Return the y of least length that minimises |a·y − b|, the residuals, the rank, and a's
    singular values.  ∂: as those of pinv(a)·b, |a·y − b|² and svdvals(a).
    """
    a, b = check_operand(a), check_operand(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise MatrixError(
            f"lstsq: expected a matrix a and a b of equal length, got {a.shape} and {b.shape}"
        )
    m, n = a.shape
    s = np.linalg.svdvals(a)
    eps = float(np.finfo(s.dtype).eps)
    limit = eps * max(m, n) if rcond is None else eps if rcond < 0 else float(rcond)
    count: Any = table[np.count_nonzero](s > limit * s[:1])
    rank = count.astype(np.int32)
    columns = b[:, None] if b.ndim == 1 else b
    y = pinv_(a, limit) @ columns
    left_over = np.zeros(0, s.dtype)
    whole = bool(value_of(rank) == n)
    if m > n:  # whether there are residuals
        demand(
            lambda: (rank == n) == whole,
            "lstsq: the matrix has full rank at some calls only, and only then residuals; take "
            "np.linalg.pinv(a) @ b instead",
        )
    if m > n and whole:
        left_over = np.sum(np.square(np.abs(a @ y - columns)), axis=0)
    return (y[:, 0] if b.ndim == 1 else y), left_over, rank, s


@implements(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    """Return the inverse of a as a map from its axes after `ind` to those before.

    ∂a: −yᵀ·g·yᵀ, with both as matrices.
    """
    a = check_operand(a)
    if ind <= 0:
        raise ArgumentError(f"tensorinv: ind counts the first axes, from 1 on, got {ind}")
    rows, columns = a.shape[:ind], a.shape[ind:]
    inverse = inv(np.reshape(a, (math.prod(rows), math.prod(columns))))
    return np.reshape(inverse, (*columns, *rows))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: tuple[int, ...] | None = None) -> Array:
    """Return y with tensordot(a, y, y.ndim) = b; `axes` of a are moved to its end first.

    ∂a: −a⁻ᵀ·g·yᵀ  ∂b: a⁻ᵀ·g, with a as a matrix.
    """
    a, b = check_operand(a), check_operand(b)
    if axes is not None:
        moved = [i for i in range(a.ndim) if i not in axes]
        a = np.transpose(a, (*moved, *axes))
    shape = a.shape[b.ndim - a.ndim :] if a.ndim > b.ndim else a.shape
    n = math.prod(shape)
    if a.size != n * n or b.size != n:
        raise MatrixError(
            f"tensorsolve: {a.shape} is not a square map from {shape} to {b.shape}; the "
            "product of the first sizes must equal that of the last"
        )
    return np.reshape(solve(np.reshape(a, (n, n)), np.reshape(b, (n,))), shape)


SlogdetResult: Any = type(np.linalg.slogdet(np.ones((1, 1))))


def _cofactor_forward(x: np.ndarray) -> np.ndarray:
    """Return the cofactors, from the inverse if all matrices of the stack are far from singular."""
    if x.shape[-1] == 1:
        return np.ones_like(x)
    try:
        inverse = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return _cofactors_by_svd(x)
    condition = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverse, axis=(-2, -1))
    if not np.all(condition * rounding(x) ** 0.5 < 1):
        return _cofactors_by_svd(x)
    return np.linalg.det(x)[..., None, None] * inverse.mT


def _signed_svd(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return det U·det Vᴴ, and U, s, Vᴴ."""
    u, s, vh = np.linalg.svd(x)
    return (np.linalg.det(u) * np.linalg.det(vh))[..., None, None], u, s, vh


def _cofactors_by_svd(x: Array) -> np.ndarray:
    """Return the cofactors: those of s are the products of the other singular values."""
    sign, u, s, vh = _signed_svd(x)
    others = np.prod(where(unit(x), 1, s[..., None, :]), axis=-1)
    return sign * ((conj(u) * others[..., None, :]) @ conj(vh))


def _cofactor_rule(g: Array, y: Array, x: Array) -> Array:
    """∂x: (Σ g·C)·x⁻ᵀ − C·gᵀ·x⁻ᵀ for regular x, C being y; else by singular values."""
    n = x.shape[-1]
    if n < 2:
        return np.zeros_like(x)
    s = np.linalg.svdvals(x)
    singular = (s[..., -1] <= rounding(s, 100 * n) * s[..., 0])[..., None, None]
    transposed = np.linalg.inv(where(singular, unit(x), x)).mT
    regular = np.sum(g * y, axis=(-2, -1), keepdims=True) * transposed - y @ g.mT @ transposed
    return where(singular, singular_rule(g, x, singular), regular)


def _singular_forward(g: Array, x: Array, singular: Array) -> Array:
    """Carry a cotangent of the cofactors back, exactly at every rank; 0 for regular matrices."""
    if not np.any(singular):
        return np.zeros(np.broadcast_shapes(g.shape, x.shape), np.result_type(g, x))
    sign, u, s, vh = _signed_svd(x)
    n = x.shape[-1]
    i, j, k = np.ogrid[:n, :n, :n]
    pairs = np.prod(where((k == i) | (k == j), 1, s[..., None, None, :]), axis=-1)
    pairs = where(unit(x), 0, pairs)
    inner = sign * (conj(u).mT @ g @ conj(vh).mT)
    diagonal = (pairs @ diagonal_of(inner)[..., None])[..., 0]
    inner = diagonal_matrix(diagonal) - (pairs * inner).mT
    return where(singular, conj(u) @ inner @ conj(vh), 0)


def _third_order(g: Array, y: Array, h: Array, x: Array, singular: np.ndarray) -> Array:
    """∂x: none for two rows; else an error for a singular matrix with a cotangent."""
    if x.shape[-1] < 3:
        return np.zeros_like(x)
    return over_regular(g, where(singular, 0.0, np.inf), size_of(g))


singular_rule: Primitive = general(
    _singular_forward,
    "∂cof",
    "The vjp of cofactor for singular matrices.  ∂g: itself; a third derivative of det is an error",
    name="cofactor_vjp",
    vjp=(
        lambda g, y, h, x, singular: singular_rule(g, x, singular),
        _third_order,
        None,
    ),
    samples=(case((2, 2), (2, 2), np.array([[True]])), case((3, 3), (3, 3), np.array([[False]]))),
    batch=leading(2, 2, 2),
)
cofactor = of_matrices(
    _cofactor_forward,
    "cof",
    "Matrix of cofactors, the gradient of det.  ∂x: ((Σ g·y)·I − y·gᵀ)·x⁻ᵀ, exact at every rank",
    name="cofactor",
    vjp=(_cofactor_rule,),
    kink=lambda x: np.linalg.svdvals(x)[..., -1:] / 10,
)
det_ = of_matrices(
    np.linalg.det,
    "det",
    "Determinant.  ∂x: the matrix of cofactors, exact for singular matrices too",
    vjp=(lambda g, y, x: g[..., None, None] * cofactor(x),),
)


def _slogdet_rule(g: tuple[Array, Array], y: tuple[Array, Array], x: Array) -> np.ndarray:
    """∂x: (gₗ + i·Im(gₛ·sign))·x⁻ᵀ."""
    (gs, gl), (sign, _) = g, y
    singular = sign == 0
    total = gl if sign.dtype.kind != "c" else gl + np.imag(gs * sign) * 1j
    total = over_regular(total, where(singular, 0, np.ones_like(gl)), np.abs(total))
    regular = where(singular[..., None, None], np.eye(x.shape[-1], dtype=bool), x)
    return total[..., None, None] * np.linalg.inv(regular).mT


slogdet_ = of_matrices(
    np.linalg.slogdet,
    "slogdet",
    "Sign and logarithm of the absolute determinant.  ∂x: gₗ·x⁻ᴴ, with i·Im of the sign's for "
    "complex x; an error for singular x",
    vjp=(_slogdet_rule,),
    kink=lambda x: np.linalg.svdvals(x)[..., -1:] / 10,
    multiple=True,
)


@implements(np.linalg.det)
def det(a: Numbers) -> Tensor:
    """Return the determinant of each matrix."""
    return det_(check_operand(a))


@implements(np.linalg.slogdet)
def slogdet(a: Numbers) -> tuple[Array, Array]:
    """Return sign and logarithm of the absolute determinant of each matrix."""
    return SlogdetResult(*slogdet_(check_operand(a)))
