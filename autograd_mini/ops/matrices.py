"""Shared parts of matrix rules: triangles, division by gaps, and arbitrary signs and phases.

Cotangents here act by Re Σ g·t, without conjugates, so the adjoint Aᴴ of a matrix enters a rule
only where the function itself is not holomorphic: eigenvectors, orthogonal factors, lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.batch_rules import leading
from ..core.declaration import Rules
from ..core.primitive import Primitive, case, elementwise, general
from ..core.record import value_of
from ..errors import GradientError, MatrixError
from .selection import where

RAISING: set[Callable[..., Any]] = set()
"""Forwards that raise for some values, which a function may want to know."""


def lapack(function: Callable[..., object]) -> Callable[..., object]:
    """Make a forward whose LinAlgError is ours, and names the function and the shapes."""
    name = function.__name__

    @wraps(function)
    def forward(*xs: Array, **params: object) -> Any:
        try:
            return function(*xs, **params)
        except np.linalg.LinAlgError as error:
            shapes = ", ".join(str(np.shape(x)) for x in xs)
            raise MatrixError(
                f"{name} of {shapes}: {error}; check the matrix (np.linalg.cond, matrix_rank), or "
                "add a small multiple of the identity"
            ) from error

    RAISING.add(forward)
    return forward


def of_matrices(
    function: Callable[..., object], symbol: str, doc: str, vjp: Rules, **fields: Any
) -> Primitive:
    """Declare an operation of one stack of matrices by LAPACK; `fields` are those of `general`."""
    fields.setdefault("samples", SQUARES)
    fields.setdefault("batch", leading(2))
    return general(lapack(function), symbol, doc, vjp=vjp, **fields)


SQUARES = (case((3, 3)), case((2, 2, 2)), case((1, 1)), case((0, 0)))


def conj(x: Any) -> Any:
    """Return the complex conjugate, and a real x as it is."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def adjoint(x: Numbers) -> Array:
    """Return the conjugate transpose of each matrix."""
    return conj(x).mT


def unit(x: Any) -> Array:
    """Return where the diagonal of a square matrix like x is, as booleans."""
    return np.eye(x.shape[-1], dtype=bool)


def diagonal_of(x: Numbers) -> Array:
    """Return the diagonal of each matrix."""
    return np.diagonal(x, axis1=-2, axis2=-1)


def diagonal_matrix(x: Array) -> Any:
    """Put each vector on a diagonal, among zeros."""
    return where(unit(x), x[..., None], 0)


def off_diagonal(x: Numbers) -> Array:
    """Put zeros on the diagonal."""
    return where(unit(x), 0, x)


def hermitian_of(x: Numbers, lower: bool) -> Array:
    """Mirror one triangle of each matrix; imaginary parts on the diagonal do not count."""
    strict = _strict_triangle(x, lower)
    half = where(strict, x, 0)
    return half + adjoint(half) + where(unit(x), np.real(x), 0)


def one_triangle(g: Array, lower: bool) -> Array:
    """Return the cotangent of a matrix of which one triangle is read, from that of the whole.

    The transpose of `hermitian_of`: the entries that are not read get 0.
    """
    return where(_strict_triangle(g, lower), g + adjoint(g), where(unit(g), np.real(g), 0))


def _strict_triangle(x: Any, lower: bool) -> np.ndarray:
    """Return where one triangle is, without the diagonal, as booleans."""
    below = np.tri(x.shape[-1], k=-1, dtype=bool)
    return below if lower else below.T


def rounding(x: Any, n: int = 1) -> float:
    """Return how far apart numbers of size 1 may be by rounding, after n operations."""
    return n * float(np.finfo(x.dtype).eps)


def vanishing(x: Any, scale: Any, n: int = 1) -> Array:
    """Return x with exact zeros where it is nothing but rounding next to the largest of `scale`."""
    largest = np.max(np.abs(scale), axis=-1, keepdims=True)
    small = np.abs(x) <= rounding(x, n) * (largest if x.ndim == scale.ndim else largest[..., None])
    return where(small, 0, x)


def gaps(w: Any) -> Array:
    """Return wⱼ − wᵢ, exactly 0 where they are equal up to rounding, and 1 on the diagonal."""
    differences = w[..., None, :] - w[..., :, None]
    return where(unit(w), 1, vanishing(differences, w, w.shape[-1]))


def among_equals(w: Numbers) -> np.ndarray:
    """Return which pairs of values are equal up to rounding; a value alone makes no pair."""
    equal = gaps(w) == 0
    return equal | (unit(w) & np.any(equal, axis=-1, keepdims=True))


def share_evenly(g: Array, w: Array) -> Array:
    """Share cotangents evenly among values that are equal up to rounding."""
    equal = np.logical_or(gaps(w) == 0, unit(w)).astype(g.dtype)
    return ((equal / np.sum(equal, axis=-1, keepdims=True)) @ g[..., None])[..., 0]


def size_of(x: Any) -> Array:
    """Return the largest absolute value in each matrix, the axes kept; of vectors, over all."""
    over = tuple(range(max(x.ndim - 2, 0), x.ndim))
    return np.max(np.abs(x), axis=over, keepdims=True, initial=0)


def demand_zero(x: Numbers, size: Numbers, message: str) -> None:
    """Raise if a component of the cotangent is there that belongs to an arbitrary choice.

    It is there by the form of the loss, whatever the values, so that one example of `vmap` tells.

    Raises:
        GradientError: with this message, if it is more than rounding of numbers of this size.
    """
    found, limit = np.abs(value_of(x)), rounding(x) ** 0.5 * np.max(value_of(size), initial=0)
    if np.max(found, initial=0) > limit:
        raise GradientError(message)


def quotient(name: str, message: str) -> Primitive:
    """Declare m/d where 0/0 is 0, and anything else over 0 an error with this message.

    What is no more than rounding of numbers of the third operand's size counts as 0.
    """

    def forward(m: Array, d: Array, size: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(m), np.shape(d), np.shape(size))
        if np.shape(m) != shape and np.shape(d) != shape:
            m = np.broadcast_to(m, shape)
        zero = np.equal(d, 0)
        if not np.any(zero):
            return m / d
        if np.any(zero & (np.abs(m) > rounding(m) ** 0.5 * size)):
            raise GradientError(message)
        return np.where(zero, 0, m / np.where(zero, 1, d))

    row = elementwise(
        forward,
        "÷",
        "m/d, 0 for 0/0, an error for anything else over 0.  ∂m: 1/d  ∂d: −y/d",
        name=name,
        vjp=(
            lambda g, y, m, d, size: row(g, d, size_of(g)),
            lambda g, y, m, d, size: -row(g * y, d, size_of(g * y)),
            None,
        ),
        samples=(case((3, 4), (4,), 1.0), case((), (), 1.0), case((2, 0), (2, 1), 1.0)),
        domain=(0.5, 2.0),
    )
    return row


over_regular = quotient(
    "over_regular",
    "the matrix is singular up to rounding, and the derivative does not exist there; add a small "
    "multiple of the identity, or leave the matrix out",
)
over_distinct = quotient(
    "over_distinct",
    "second derivatives of a function of repeated eigenvalues or singular values, or of a singular "
    "value 0, are not known from the values alone; write it without them, as np.sum(x * x) for the "
    "sum of their squares, or move them apart by adding a small matrix",
)


def check_determined(m: object, equal: object, size: object) -> Array:
    """Return m, which must be 0 where it turns equal values among themselves."""
    return over_distinct(m, where(equal, 0, np.ones_like(size)), size)


unturned = general(
    lambda m, equal: np.where(equal, m, m),
    "=",
    "m.  ∂m: itself, which must be 0 where `equal` holds: there equal values turn",
    name="unturned",
    vjp=(lambda g, y, m, equal: check_determined(g, equal, size_of(g)), None),
    jvp=(lambda t, y, m, equal: check_determined(t, equal, size_of(t)), None),
    samples=(case((3, 3), np.zeros((3, 3), bool)), case((2, 0, 0), np.zeros((0, 0), bool))),
    broadcasts=True,
    batch=leading(2, 2),
)


def refuse_complex_weights(g: Array) -> None:
    """Refuse complex weights of real eigenvalues or singular values."""
    if np.iscomplexobj(g):
        raise TypeError("the weights of real values are real")
