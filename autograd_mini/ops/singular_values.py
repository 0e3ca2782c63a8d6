"""Singular values and vectors: svd and svdvals.

Singular values always have a derivative here: 0 for one that is 0, at its kink; repeated ones
share theirs evenly, the subgradient of least norm of the largest. Singular vectors of repeated
values, and the common phase of a complex pair, are arbitrary: a cotangent of them that is not 0 is
an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.batch_rules import leading
from ..core.primitive import case, general, implements
from ..core.record import check_operand
from ..core.tensor import Tensor
from .eigen import eigh, eigvalsh
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
    lapack,
    of_matrices,
    off_diagonal,
    quotient,
    refuse_complex_weights,
    share_evenly,
    size_of,
    vanishing,
)
from .selection import where

SVDResult: Any = type(np.linalg.svd(np.ones((1, 1))))

PHASE = (
    "svd: the loss depends on the common phase of complex singular vectors, which is arbitrary; "
    "use what does not depend on it, as np.abs(u) or u @ vh"
)
REST = (
    "{}: the loss depends on the basis chosen for the rest of the space, which is arbitrary; "
    "use what does not depend on it, as the projector n @ n.conj().T, or the reduced form"
)
over_values = quotient(
    "over_values",
    "singular vectors of repeated singular values, or of 0, are arbitrary within their space, so "
    "that they have no derivative; use svdvals for the values alone, or move them apart by adding "
    "a small matrix",
)


def without_rest(name: str, g: Array, q: Array, k: int) -> Array:
    """Return the cotangent of the first k columns of a unitary matrix, from that of all.

    The other columns N span what is left, so they move with the first ones Q: dN = −Q·dQᴴ·N; how
    they turn among themselves is arbitrary.

    Raises:
        GradientError: if that has a cotangent.
    """
    if q.shape[-1] == k:
        return g
    n, gn = q[..., k:], g[..., k:]
    turned = n.mT @ gn
    demand_zero(turned - adjoint(turned), size_of(gn), REST.format(name))
    return g[..., :k] - conj(n) @ adjoint(gn) @ conj(q[..., :k])


def _svd_rule(
    g: tuple[Array, Array, Array], y: tuple[Array, Array, Array], x: Array, *, full_matrices: bool
) -> Array:
    """∂x: Ū·N·Vᵀ, and what lies outside of the spaces of U and V."""
    gu, gs, gvh = g
    u, s, vh = y
    k = s.shape[-1]
    if not k:
        return np.zeros_like(x)
    v, gv = adjoint(vh), adjoint(gvh)
    gu, u = without_rest("svd", gu, u, k), u[..., :k]
    gv, v = without_rest("svd", gv, v, k), v[..., :k]
    mu, mv = u.mT @ gu, v.mT @ gv
    size = np.maximum(size_of(gu), size_of(gv))
    result = conj(u) @ _svd_core(gs, s, mu, mv, size) @ v.mT
    divisor = vanishing(s, s, k)[..., None, :]
    if x.shape[-2] > k:
        result = result + over_values(gu - conj(u) @ mu, divisor, size) @ v.mT
    if x.shape[-1] > k:
        result = result + conj(u) @ adjoint(over_values(gv - conj(v) @ mv, divisor, size))
    return result


def _svd_core(gs: Array, s: Array, mu: Array, mv: Array, size: Array) -> Array:
    """Return N in the basis of singular vectors; Mᵤ = Uᵀ·gᵤ, Mᵥ = Vᵀ·gᵥ, of this size.

    Common turns of u and v are over sⱼ − sᵢ, opposite ones over sⱼ + sᵢ; kept apart, equal singular
    values spoil the first only.
    """
    demand_zero(np.imag(diagonal_of(mu + mv)), size, PHASE)
    common = over_values(off_diagonal(mu + mv), gaps(s), size)
    opposite = (mu - mv) - adjoint(mu - mv)
    if opposite.dtype.kind != "c":
        opposite = off_diagonal(opposite)
    sums = vanishing(s[..., None, :] + s[..., :, None], s, s.shape[-1])
    turns = (common + adjoint(common) + over_values(opposite, sums, size)) / 2
    return turns + diagonal_matrix(share_evenly(where(s == 0, 0, gs), s))


def _svdvals_rule(g: Array, y: Array, x: Array) -> Array:
    """∂x: Ū·diag g·Vᵀ, without the values that are 0."""
    return singular_slopes(g, x) if y.shape[-1] else np.zeros_like(x)


def shared(g: Array, s: Array) -> Array:
    """Share the cotangents of singular values among equal ones; 0 for a value of 0."""
    return share_evenly(where(s == 0, 0, g), s)


def _singular_slopes_forward(g: Array, x: Array) -> Array:
    """Return Ū·diag g·Vᵀ, with g shared among equal singular values."""
    refuse_complex_weights(g)
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (np.conj(u) * shared(g, s)[..., None, :]) @ np.conj(vh)


Parts = tuple[Any, Any, Any]


def _parts_of(h: Array, u: np.ndarray, vh: np.ndarray) -> Parts:
    """Return what of h lies within the spaces of U and V, outside of U, and outside of V."""
    v = adjoint(vh)
    inner = adjoint(u) @ h @ v
    return inner, h @ v - u @ inner, adjoint(u) @ h - inner @ vh


def _check_determined_parts(parts: Parts, s: Array, size: object) -> Parts:
    """Return the parts, which must not turn equal singular values, nor those that are 0."""
    inner, left, right = parts
    zero = vanishing(s, s, s.shape[-1]) == 0
    equal = among_equals(s) | (zero[..., :, None] & zero[..., None, :])
    return (
        check_determined(inner, equal, size),
        check_determined(left, zero[..., None, :], size),
        check_determined(right, zero[..., :, None], size),
    )


def _with_weights(parts: Parts, g: Array, u: np.ndarray, s: Array, vh: np.ndarray) -> Array:
    """Return the conjugate of U·W·Vᴴ, and of what lies outside of the spaces of U and V.

    W is the Hermitian part of the inner one times (gⱼ − gᵢ)/(sⱼ − sᵢ), and the rest of it times
    (gⱼ + gᵢ)/(sⱼ + sᵢ); what lies outside is times g/s. All are 0 over 0.
    """
    inner, left, right = parts
    k, g = s.shape[-1], shared(g, s)
    rows, columns = g[..., :, None], g[..., None, :]
    sums = vanishing(s[..., None, :] + s[..., :, None], s, k)
    core = over(columns - rows, gaps(s)) * (inner + adjoint(inner))
    core = core + over(columns + rows, sums) * (inner - adjoint(inner))
    outer = over(g, vanishing(s, s, k))
    total = u @ (core / 2) @ vh + (left * outer[..., None, :]) @ vh
    return conj(total + u @ (outer[..., :, None] * right))


def _slopes_by_weights(h: Array, y: object, g: object, x: Array) -> Array:
    """∂g: the diagonal of Uᴴ·h·V; g moves with x, so that equal values must not turn."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    inner = _check_determined_parts(_parts_of(h, u, vh), s, size_of(h))[0]
    return where(s == 0, 0, share_evenly(np.real(diagonal_of(inner)), s))


def _slopes_by_matrix(h: Array, y: Array, g: Array, x: Array) -> Array:
    """∂x: see `_with_weights`."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return _with_weights(_parts_of(h, u, vh), g, u, s, vh)


def _slopes_tangent(ts: tuple[Array | None, Array | None], y: object, g: Array, x: Array) -> Any:
    """The tangent of Ū·diag g·Vᵀ, by the same formulas."""
    tg, tx = ts
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    moved = 0 if tg is None else (conj(u) * shared(tg, s)[..., None, :]) @ conj(vh)
    if tx is None:
        return moved
    parts = _parts_of(tx, u, vh)
    if tg is not None:
        parts = _check_determined_parts(parts, s, size_of(tx))
    return moved + _with_weights(parts, g, u, s, vh)


def _closest(x: np.ndarray) -> np.ndarray:
    """Return how near two singular values are, or the smallest to 0: where the derivative jumps."""
    s = np.linalg.svdvals(x)
    return np.concatenate([s[..., -1:], np.diff(s)], axis=-1) / 4


SHAPES = ((3, 3), (4, 2), (2, 3), (2, 2, 2), (0, 0), (0, 2))

svd_ = of_matrices(
    np.linalg.svd,
    "svd",
    "U, singular values s and Vᴴ.  ∂x: U·N·Vᴴ with diag gₛ in N; U and V by 1/(sⱼ² − sᵢ²); an "
    "error if vectors of repeated values, of 0, or phases, have a cotangent; 0 for a value of 0",
    vjp=(_svd_rule,),
    samples=(
        *(case(shape, full_matrices=False) for shape in SHAPES),
        case((3, 2), full_matrices=True),
        case((2, 3), full_matrices=True),
    ),
    params=("full_matrices",),
    kink=_closest,
    multiple=True,
)
singular_slopes = general(
    lapack(_singular_slopes_forward),
    "∂s",
    "U·diag g·Vᴴ, conjugated: the vjp of svdvals.  ∂g: diag Uᴴ·h·V  ∂x: the parts of Uᴴ·h·V over "
    "the gaps and the sums of the values, 0 among repeated ones, which share g; an error if g "
    "depends on those",
    name="singular_slopes",
    vjp=(_slopes_by_weights, _slopes_by_matrix),
    jvp=_slopes_tangent,
    samples=(case((3,), (3, 3)), case((2,), (4, 2)), case((2,), (2, 3)), case((2, 2), (2, 2, 2))),
    kink=lambda g, x: _closest(x),
    broadcasts=True,
    batch=leading(1, 2),
)
svdvals_ = of_matrices(
    np.linalg.svdvals,
    "svdvals",
    "Singular values, descending.  ∂x: U·diag g·Vᴴ, 0 for a value of 0; repeated ones share "
    "theirs evenly, and have second derivatives only if their weights are constant, as 0 has",
    vjp=(_svdvals_rule,),
    samples=tuple(map(case, SHAPES)),
    kink=_closest,
)


@implements(np.linalg.svd)
def svd(
    a: Numbers, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Return U, the singular values, descending, and Vᴴ; or the singular values alone."""
    a = check_operand(a)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return svdvals_(a)
    return SVDResult(*svd_(a, full_matrices=bool(full_matrices)))


def _hermitian_svd(a: object, compute_uv: bool) -> Array:
    """Return the singular values |w| and vectors of a Hermitian matrix, from its eigenvalues w."""
    if not compute_uv:
        return np.flip(np.sort(np.abs(eigvalsh(a))), axis=-1)
    w, v = eigh(a)
    order = np.flip(np.argsort(np.abs(w)), axis=-1)
    w = np.take_along_axis(w, order, axis=-1)
    u = np.take_along_axis(v, order[..., None, :], axis=-1)
    return SVDResult(u, np.abs(w), adjoint(u * np.sign(w)[..., None, :]))


@implements(np.linalg.svdvals)
def svdvals(x: Numbers, /) -> Tensor:
    """Return the singular values, descending."""
    return svdvals_(check_operand(x))
