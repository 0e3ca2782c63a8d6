"""Eigenvalues and eigenvectors: eigh and eigvalsh of Hermitian matrices, eig and eigvals of others.

Eigenvalues always have a derivative here: repeated ones share theirs evenly, the subgradient of
least norm of the largest. Eigenvectors of repeated eigenvalues, and the phase of a complex one, are
arbitrary: a cotangent of them that is not 0 is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.batch_rules import leading
from ..core.primitive import case, general, implements
from ..core.record import check_operand
from ..core.tensor import Tensor
from ..errors import ArgumentError
from .elementwise import over
from .matrices import (
    adjoint,
    among_equals,
    check_determined,
    conj,
    demand_zero,
    diagonal_matrix,
    diagonal_of,
    gaps,
    hermitian_of,
    lapack,
    of_matrices,
    off_diagonal,
    one_triangle,
    over_regular,
    quotient,
    refuse_complex_weights,
    rounding,
    share_evenly,
    size_of,
    unturned,
)
from .selection import where

EighResult: Any = type(np.linalg.eigh(np.ones((1, 1))))
EigResult: Any = type(np.linalg.eig(np.ones((1, 1))))

PHASE = (
    "eigenvectors: the loss depends on the phase of a complex eigenvector, which is arbitrary; use "
    "what does not depend on it, as np.abs(v) or v[:, i, None] * v[:, i].conj()"
)
over_gaps = quotient(
    "over_gaps",
    "eigenvectors of repeated eigenvalues are arbitrary within their space, so that they have no "
    "derivative; use eigvalsh or eigvals for the eigenvalues alone, or move the eigenvalues apart "
    "by adding a small diagonal matrix",
)


def _eigh_rule(g: tuple[Array, Array], y: tuple[Array, Array], x: Array, *, UPLO: str) -> Array:  # noqa: N803  # NumPy's name
    """∂x: V̄·(F∘(Vᵀ·gᵥ) + diag gᵤ)·Vᵀ with Fᵢⱼ = 1/(wⱼ − wᵢ), summed to the triangle read."""
    (gw, gv), (w, v) = g, y
    if not x.shape[-1]:
        return np.zeros_like(x)
    m = v.mT @ gv
    size = size_of(gv)
    demand_zero(np.imag(diagonal_of(m)), size, PHASE)
    inner = over_gaps(off_diagonal(m), gaps(w), size) + diagonal_matrix(share_evenly(gw, w))
    return one_triangle(conj(v) @ inner @ v.mT, UPLO == "L")


def _eigvalsh_rule(g: np.ndarray, y: np.ndarray, x: np.ndarray, *, UPLO: str) -> Array:  # noqa: N803  # NumPy's name
    """∂x: V̄·diag g·Vᵀ, summed to the triangle read."""
    if not x.shape[-1]:
        return np.zeros_like(x)
    return one_triangle(eigenvalue_slopes(g, x, UPLO=UPLO), UPLO == "L")


def _eigenvalue_slopes_forward(g: np.ndarray, x: Any, *, UPLO: Any) -> np.ndarray:  # noqa: N803
    """Return V̄·diag g·Vᵀ, with g shared among equal eigenvalues."""
    refuse_complex_weights(g)
    w, v = np.linalg.eigh(x, UPLO)
    return (np.conj(v) * share_evenly(g, w)[..., None, :]) @ v.mT


def _with_weights(m: Array, g: Any, w: Any, v: Array) -> Any:
    """Return V̄·(m∘K)·Vᵀ, Kᵢⱼ = (gⱼ − gᵢ)/(wⱼ − wᵢ), 0 among equal eigenvalues."""
    shared = share_evenly(g, w)
    slopes = over(shared[..., None, :] - shared[..., :, None], gaps(w))
    return conj(v @ (slopes * m) @ adjoint(v))


def _slopes_by_weights(h: object, y: object, g: object, x: Any, *, UPLO: Any) -> Array:  # noqa: N803
    """∂g: the diagonal of Vᴴ·h·V; g moves with x, so that equal eigenvalues must not turn."""
    w, v = np.linalg.eigh(x, UPLO)
    inner = check_determined(adjoint(v) @ h @ v, among_equals(w), size_of(h))
    return share_evenly(np.real(diagonal_of(inner)), w)


def _slopes_by_matrix(h: object, y: object, g: object, x: Any, *, UPLO: Any) -> Array:  # noqa: N803
    """∂x: V̄·((Vᵀ·h̄·V̄)∘K)·Vᵀ, summed to the triangle read."""
    w, v = np.linalg.eigh(x, UPLO)
    return one_triangle(_with_weights(adjoint(v) @ h @ v, g, w, v), UPLO == "L")


def _slopes_tangent(
    ts: tuple[Array | None, Array | None], y: Array, g: Array, x: Array, *, UPLO: Any
) -> Any:  # noqa: N803
    """The tangent of V̄·diag g·Vᵀ, by the same formulas."""
    tg, tx = ts
    w, v = np.linalg.eigh(x, UPLO)
    moved = 0 if tg is None else (conj(v) * share_evenly(tg, w)[..., None, :]) @ v.mT
    if tx is None:
        return moved
    inner = adjoint(v) @ hermitian_of(tx, UPLO == "L") @ v
    if tg is not None:
        inner = check_determined(inner, among_equals(w), size_of(tx))
    return moved + _with_weights(inner, g, w, v)


def _independent(g: Array, w: Array, v: Array) -> Array:
    """Share g among equal eigenvalues; it must be 0 where the eigenvectors v are not a basis."""
    s = np.linalg.svdvals(v)
    defective = s[..., -1:] <= rounding(s, 10 * s.shape[-1]) * s[..., :1]
    shared = share_evenly(g, w)
    return over_regular(shared, where(defective, 0, np.ones_like(s)), np.abs(shared))


def _real_parts(g: Array, w: Array, x: Array) -> Array:
    """Leave out of g what belongs to imaginary parts that are 0 however a real matrix moves.

    Those are of real eigenvalues and of their vectors, in NumPy 2.5 complex numbers too.
    """
    if np.iscomplexobj(x) or not np.iscomplexobj(g):
        return g
    return g - 1j * np.imag(g) * (np.imag(w) == 0)


def _eig_rule(g: tuple[Array, Array], y: tuple[Array, Array], x: Array) -> Array:
    """∂x: V⁻ᵀ·(F∘M + diag gᵤ)·Vᵀ, M = Vᵀ·gᵥ less what only changes a column's length."""
    (gw, gv), (w, v) = g, y
    if not x.shape[-1]:
        return np.zeros_like(x)
    gw, gv = _real_parts(gw, w, x), _real_parts(gv, w[..., None, :], x)
    m = v.mT @ gv
    along, size = diagonal_of(m), size_of(gv)
    demand_zero(np.imag(along), size, PHASE)
    m = m - (v.mT @ conj(v)) * np.real(along)[..., None, :]
    inner = over_gaps(off_diagonal(m), gaps(w), size) + diagonal_matrix(_independent(gw, w, v))
    return np.linalg.solve(v.mT, inner) @ v.mT


def _eigvals_rule(g: Array, y: Array, x: Array) -> np.ndarray:
    """∂x: V⁻ᵀ·diag g·Vᵀ."""
    if not x.shape[-1]:
        return np.zeros_like(x)
    g = _real_parts(g, y, x)
    v = np.linalg.eig(x)[1]
    inner = unturned(diagonal_matrix(_independent(g, y, v)), among_equals(y))
    return np.linalg.solve(v.mT, inner) @ v.mT


def _eigvals_forward(x: np.ndarray) -> np.ndarray:
    """Return the eigenvalues in the order of the rule's eigenvectors."""
    return np.linalg.eig(x)[0]


def _closest(x: np.ndarray) -> np.ndarray:
    """Return how near two eigenvalues of a symmetric matrix are: where the derivative jumps."""
    return np.diff(np.linalg.eigvalsh(x)) / 4


def _closest_real(x: np.ndarray) -> np.ndarray:
    """Return how near two eigenvalues of a matrix are, 0 if they are complex."""
    w = np.linalg.eigvals(x)
    return np.diff(np.sort(np.real(w))) / 4 * np.all(np.imag(w) == 0)


MATRICES = ((3, 3), (2, 2, 2), (1, 1), (0, 0))

eigh_ = of_matrices(
    np.linalg.eigh,
    "eigh",
    "Eigenvalues w and eigenvectors V of the Hermitian matrix in one triangle.  "
    "∂x: V·(diag gᵤ + (Vᴴ·gᵥ)∘F)·Vᴴ, Fᵢⱼ = 1/(wⱼ − wᵢ), summed to that triangle; an error if "
    "vectors of repeated eigenvalues, or phases, have a cotangent",
    vjp=(_eigh_rule,),
    samples=tuple(case(shape, UPLO="L") for shape in MATRICES) + (case((3, 3), UPLO="U"),),
    params=("UPLO",),
    kink=lambda x: np.minimum(_closest(x), _closest(x.mT)),
    multiple=True,
)
eigvalsh_ = of_matrices(
    np.linalg.eigvalsh,
    "eigvalsh",
    "Eigenvalues of the Hermitian matrix in one triangle, ascending.  ∂x: V·diag g·Vᴴ, summed to "
    "that triangle; repeated ones share theirs evenly, and have second derivatives only if their "
    "weights are constant",
    vjp=(_eigvalsh_rule,),
    samples=tuple(case(shape, UPLO="L") for shape in MATRICES) + (case((3, 3), UPLO="U"),),
    params=("UPLO",),
    kink=lambda x: np.minimum(_closest(x), _closest(x.mT)),
)
eigenvalue_slopes = general(
    lapack(_eigenvalue_slopes_forward),
    "∂w",
    "V·diag g·Vᴴ, conjugated: the vjp of eigvalsh.  ∂g: diag Vᴴ·h·V  ∂x: V·((Vᴴ·h·V)∘K)·Vᴴ, "
    "Kᵢⱼ = (gⱼ − gᵢ)/(wⱼ − wᵢ), 0 among repeated eigenvalues, which share g; an error if g depends "
    "on those",
    name="eigenvalue_slopes",
    vjp=(_slopes_by_weights, _slopes_by_matrix),
    jvp=_slopes_tangent,
    samples=(case((3,), (3, 3), UPLO="L"), case((2, 2), (2, 2, 2), UPLO="U")),
    params=("UPLO",),
    kink=lambda g, x: np.minimum(_closest(x), _closest(x.mT)),
    broadcasts=True,
    batch=leading(1, 2),
)
eig_ = of_matrices(
    np.linalg.eig,
    "eig",
    "Eigenvalues w and eigenvectors V, of length 1, of any square matrix.  "
    "∂x: V⁻ᴴ·(diag gᵤ + M∘F)·Vᴴ, Fᵢⱼ = 1/(wⱼ − wᵢ), M = Vᴴ·gᵥ − VᴴV·diag Re(Vᴴ·gᵥ); an error if "
    "vectors of repeated eigenvalues, or phases, have a cotangent",
    vjp=(_eig_rule,),
    kink=_closest_real,
    multiple=True,
)
eigvals_ = of_matrices(
    _eigvals_forward,
    "eigvals",
    "Eigenvalues of any square matrix, complex if one is.  ∂x: V⁻ᴴ·diag g·Vᴴ; repeated ones share "
    "theirs evenly, and a matrix without a basis of eigenvectors is an error",
    name="eigvals",
    vjp=(_eigvals_rule,),
    kink=_closest_real,
)


def triangle(name: str, UPLO: object) -> str:  # noqa: N803  # NumPy's name
    """Return which triangle is read, 'L' or 'U'.

    Raises:
        ArgumentError: for anything else.
    """
    chosen = str(UPLO).upper()
    if chosen not in ("L", "U"):
        raise ArgumentError(f"{name}: UPLO must be 'L' or 'U', got {UPLO!r}")
    return chosen


@implements(np.linalg.eigh)
def eigh(a: Numbers, UPLO: str = "L") -> tuple[Array, Array]:  # noqa: N803  # NumPy's name
    """Return eigenvalues, ascending, and eigenvectors of the Hermitian matrix in one triangle."""
    return EighResult(*eigh_(check_operand(a), UPLO=triangle("eigh", UPLO)))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Numbers, UPLO: str = "L") -> Tensor:  # noqa: N803  # NumPy's name
    """Return the eigenvalues, ascending, of the Hermitian matrix in one triangle."""
    return eigvalsh_(check_operand(a), UPLO=triangle("eigvalsh", UPLO))


@implements(np.linalg.eig)
def eig(a: Numbers) -> tuple[Array, Array]:
    """Return eigenvalues and eigenvectors of any square matrix."""
    return EigResult(*eig_(check_operand(a)))


@implements(np.linalg.eigvals)
def eigvals(a: Numbers) -> Tensor:
    """Return the eigenvalues of any square matrix."""
    return eigvals_(check_operand(a))
