"""Polynomials as NumPy's functions take them, the highest power first; real roots and others."""

from __future__ import annotations

import warnings
from operator import index
from typing import Any, SupportsIndex

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.primitive import case, general, implements
from ..core.record import scope, value_of
from ..core.tensor import Tensor
from ..errors import ArgumentError, GradientError, OperandError, ShapeError
from .conversion import astype
from .products import convolve, floating, tensor_like


def read_values(x: Array) -> Array:
    """Return values that decide about the shape or dtype of a result, which vmap must not bake."""
    return x.data if isinstance(x, Tensor) else x


@implements(np.real_if_close)
def real_if_close(a: Numbers, tol: float = 100) -> Array:
    """Return the real part if all imaginary parts are nearly 0, which is seen from the values.

    ∂a: g.
    """
    x = tensor_like(a)
    if x.dtype.kind != "c":
        return x
    limit = tol * np.finfo(x.dtype).eps if tol > 1 else tol
    return np.real(x) if np.all(np.abs(read_values(x).imag) < limit) else x


@implements(np.sort_complex)
def sort_complex(a: Numbers) -> Array:
    """Sort by real, then imaginary parts, and make it complex.  ∂a: g follows the elements."""
    x = np.sort(tensor_like(a))
    if x.dtype.kind == "c":
        return x
    kinds = {"g": np.clongdouble} | dict.fromkeys("bhBH", np.complex64)
    return astype(x, kinds.get(x.dtype.char, np.complex128))


def coefficients(name: str, p: object) -> Array:
    """Return the coefficients of a polynomial, a number or a vector, as a vector.

    Raises:
        OperandError: for np.poly1d objects, which would hide a tensor.
        ShapeError: for more axes.
    """
    if isinstance(p, np.poly1d):
        raise OperandError(f"{name}: give the coefficients of np.poly1d, as p.coeffs")
    if isinstance(p, (list, tuple)):
        p = np.stack([tensor_like(c) for c in p]) if p else np.zeros(0)
    p = np.atleast_1d(tensor_like(p))
    if p.ndim != 1:
        raise ShapeError(f"{name}: coefficients are a vector, got the shape {p.shape}")
    return p


@implements(np.polyval)
@scope("polyval")
def polyval(p: Any, x: Numbers | np.poly1d) -> Array:
    """Evaluate a polynomial at x by Horner's rule.  ∂p: powers of x  ∂x: the derivative."""
    p = coefficients("polyval", p)
    if isinstance(x, np.poly1d):
        raise OperandError(
            "polyval: x is an np.poly1d, and a polynomial of a polynomial has no gradient; give x "
            "as numbers"
        )
    x = tensor_like(x)
    y = np.zeros_like(x)
    for c in list(p):
        y = y * x + c
    return y


@implements(np.polyder)
@scope("polyder")
def polyder(p: Array, m: int = 1) -> Array:
    """Differentiate a polynomial m times.  ∂p: g times the powers."""
    p, times = coefficients("polyder", p), _order_of("polyder", m)
    for _ in range(times):
        p = p[:-1] * np.arange(p.size - 1, 0, -1)
    return p


@implements(np.polyint)
@scope("polyint")
def polyint(p: Numbers, m: int = 1, k: object = None) -> Array:
    """Integrate a polynomial m times, with constants k.  ∂p: g over the new powers  ∂k: likewise.

    Raises:
        ShapeError: if there are fewer constants than integrations.
    """
    p, times = coefficients("polyint", p), _order_of("polyint", m)
    constants = np.zeros(times) if k is None else coefficients("polyint", k)
    if constants.size == 1 and times > 1:
        constants = np.broadcast_to(constants, (times,))
    if constants.size < times:
        raise ShapeError(f"polyint: {constants.size} constants for {times} integrations")
    for i in range(times):
        p = np.concatenate([p / np.arange(p.size, 0, -1), constants[i : i + 1]])
    return p


def _order_of(name: str, m: int) -> int:
    """Return how many times, 0 or more."""
    times = index(m) if not isinstance(m, float) else int(m)
    if times < 0:
        raise ArgumentError(f"{name}: the number of times must be 0 or more, got {m}")
    return times


def _pad_shorter(a: Array, b: Array) -> tuple[Array, Array]:
    """Fill up the shorter polynomial with zeros in front."""
    missing = a.size - b.size
    if missing > 0:
        return a, np.concatenate([np.zeros(missing, b.dtype), b])
    return (np.concatenate([np.zeros(-missing, a.dtype), a]) if missing else a), b


@implements(np.polyadd)
def polyadd(a1: object, a2: object) -> Array:
    """Add polynomials.  ∂: the part of g of the same powers."""
    a, b = _pad_shorter(coefficients("polyadd", a1), coefficients("polyadd", a2))
    return a + b


@implements(np.polysub)
def polysub(a1: object, a2: object) -> Array:
    """Subtract polynomials.  ∂: the part of g of the same powers, negative for the second."""
    a, b = _pad_shorter(coefficients("polysub", a1), coefficients("polysub", a2))
    return a - b


@implements(np.polymul)
def polymul(a1: object, a2: object) -> Array:
    """Multiply polynomials.  ∂: the convolution of g with the other one, reversed.

    Leading zeros are cut off, so that the values are looked at.
    """
    return convolve(
        trim_zeros(coefficients("polymul", a1)), trim_zeros(coefficients("polymul", a2))
    )


def trim_zeros(p: Array) -> Array:
    """Cut off leading zeros, as NumPy's polynomials do; 0 keeps one."""
    found = np.flatnonzero(read_values(p))
    start = int(found[0]) if found.size else p.size - 1
    return p[start:] if start > 0 else p


@implements(np.polydiv)
@scope("polydiv")
def polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """Return quotient and remainder of polynomials.  ∂: as of the long division, step by step.

    Leading zeros of the remainder are cut off as in NumPy, so that its values are looked at.
    """
    u, v = coefficients("polydiv", u) + 0.0, coefficients("polydiv", v) + 0.0
    rest, kind = u, np.result_type(u.dtype, v.dtype)
    quotients = []
    for i in range(u.size - v.size + 1):
        factor = rest[i] / v[0]
        quotients.append(factor)
        taken = [rest[:i], rest[i : i + v.size] - factor * v, rest[i + v.size :]]
        rest = np.concatenate([part for part in taken if part.size])
    quotient = np.stack(quotients) if quotients else np.zeros(1, kind)
    values = read_values(rest)
    small = np.isclose(values, 0, rtol=1e-14)
    lead = int(np.argmax(~small)) if not small.all() else small.size - 1
    return quotient, rest[lead:]


@implements(np.vander)
def vander(x: Numbers, N: int | None = None, increasing: bool = False) -> Array:  # noqa: N803
    """Powers of x as columns, N of them, falling by default.  ∂x: n·xⁿ⁻¹·g, summed."""
    x = tensor_like(x)
    if x.ndim != 1:
        raise ShapeError(f"vander: expected a vector, got the shape {x.shape}")
    count = x.size if N is None else index(N)
    kind = np.promote_types(x.dtype, int)
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    return np.power(x[:, None] if x.dtype == kind else astype(x, kind)[:, None], powers)


@implements(np.poly)
@scope("poly")
def poly(seq_of_zeros: Numbers) -> Array | float:
    """Return the polynomial with these roots, or of a matrix' eigenvalues.  ∂: products of others.

    Whether complex roots are conjugate pairs, so that the result is real, is seen from the values.
    """
    zeros = np.atleast_1d(tensor_like(seq_of_zeros))
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.size:
        zeros = np.linalg.eigvals(zeros)
    elif zeros.ndim != 1:
        raise ShapeError(f"poly: expected a vector or a square matrix, got shape {zeros.shape}")
    if not zeros.size:
        return 1.0
    wide = np.dtype(np.mintypecode(zeros.dtype.char))  # float64 for integers and float16
    zeros = zeros if zeros.dtype == wide else astype(zeros, wide)
    result = np.ones(1, zeros.dtype)
    one = np.ones(1, zeros.dtype)
    for i in range(zeros.size):
        result = convolve(result, np.concatenate([one, -zeros[i : i + 1]]))
    if zeros.dtype.kind == "c":
        values = read_values(zeros)
        if np.all(np.sort(values) == np.sort(values.conj())):
            return np.real(result)
    return result


def _roots_rule(g: Array, y: Array, p: Array) -> Array:
    """∂pₖ: −Σ gᵢ·yᵢⁿ⁻ᵏ/p′(yᵢ), from p(y) = 0.

    Raises:
        GradientError: where p′ is 0, at a multiple root, which moves infinitely fast.
    """
    slope = polyval(polyder(p), y)
    if np.any(value_of(slope) == 0):
        raise GradientError(
            f"roots: a root among {value_of(y)!r:.60} is a multiple one and has no derivative"
        )
    powers = np.power(y[:, None], np.arange(p.size)[::-1])
    return -((g / slope) @ powers)


roots_ = general(
    np.roots,
    "roots",
    "Roots of a polynomial.  ∂pₖ: −Σ gᵢ·yᵢⁿ⁻ᵏ/p′(yᵢ); an error at a multiple root",
    vjp=(_roots_rule,),
    samples=(case((3,)), case((5,)), case((2,))),
    domain=(0.2, 2.0),
    distinct=True,
)


@implements(np.roots)
def roots(p: Numbers) -> Array:
    """Return the roots of a polynomial.  ∂pₖ: −Σ gᵢ·yᵢⁿ⁻ᵏ/p′(yᵢ); an error at a multiple root.

    Leading zeros are cut off, so that the values are looked at; their gradient is 0.
    """
    p = coefficients("roots", p)
    found = np.flatnonzero(read_values(p))
    if not found.size:
        return np.array([])
    if found[0]:
        p = p[int(found[0]) :]
    return roots_(p)


@implements(np.polyfit)
@scope("polyfit")
def polyfit(
    x: Numbers,
    y: Numbers,
    deg: SupportsIndex,
    rcond: float | None = None,
    full: bool = False,
    w: object = None,
    cov: Numbers = False,
) -> Any:
    """Fit a polynomial by least squares.  ∂y: the transposed pseudo-inverse of the powers of x.

    x and the weights carry gradients too. Where the powers are dependent NumPy's warning is given.
    """
    x, y, order = floating(x), floating(y), index(deg) + 1
    w = None if w is None else floating(w)
    _check_points(x, y, order, w)
    lhs, rhs = vander(x, order), y
    if w is not None:
        lhs, rhs = lhs * w[:, None], rhs * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(lhs * lhs, axis=0))
    lhs = lhs / scale
    tolerance = x.size * np.finfo(x.dtype).eps if rcond is None else rcond
    fitted, residuals, rank, singular = np.linalg.lstsq(lhs, rhs, tolerance)
    fitted = fitted / (scale[:, None] if y.ndim == 2 else scale)
    if full:
        return fitted, residuals, rank, singular, tolerance
    if int(value_of(rank)) != order:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if not cov:
        return fitted
    spread = np.linalg.inv(lhs.T @ lhs) / np.outer(scale, scale)
    factor: Any = 1
    if not (isinstance(cov, str) and cov == "unscaled"):
        if x.size <= order:
            raise ArgumentError(
                f"polyfit: {x.size} points are too few to scale the covariance of {order} numbers"
            )
        factor = residuals / (x.size - order)
    return fitted, (spread * factor if y.ndim == 1 else spread[:, :, None] * factor)


def _check_points(x: Any, y: Any, order: int, w: Any) -> None:
    """Check the shapes of the points that a polynomial is fitted to."""
    if order < 1:
        raise ArgumentError(f"polyfit: the degree must be 0 or more, got {order - 1}")
    fits = x.ndim == 1 and x.size and y.ndim in (1, 2) and y.shape[0] == x.size
    if not fits or (w is not None and w.shape != x.shape):
        weights = "" if w is None else f", w {w.shape}"
        raise ShapeError(
            f"polyfit: expected a vector x, y with as many rows, and w like x; got x {x.shape}, "
            f"y {y.shape}{weights}"
        )
