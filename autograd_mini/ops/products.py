"""Matrix and tensor products: the primitive `matmul`, the functions made of it, convolution.

Products of several matrices, and the names of products in `np.linalg`, stand at the end.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.extraction import tracing
from ..core.primitive import Primitive, case, implements, multilinear
from ..core.record import check_operand, scope
from ..core.table import numpy_functions, table
from ..core.tensor import Tensor
from ..errors import ArgumentError, AutogradError, MatrixError, OperandError, ShapeError
from .checks import axis_of, places_of, refuse_out, whole_number
from .conversion import astype
from .elementwise import multiply
from .selection import where
from .shapes import moveaxis, reshape, reshape_function


def conjugate_if_complex(x: Array) -> Array:
    """Return the complex conjugate, or real numbers as they are."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


@implements(np.tensordot, np.linalg.tensordot)
@scope("tensordot")
def tensordot(a: Numbers, b: Numbers, axes: Numbers = 2) -> Array:
    """Sum products over axes of both: the last n of a and first n of b, or two lists of them.

    ∂a: g and b, summed over b's other axes  ∂b: a and g, summed over a's other axes.
    """
    a, b = tensor_like(a), tensor_like(b)
    left, right = _summed_axes(a, b, axes)
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(
            f"tensordot: the axes {left} of the shape {a.shape} and {right} of {b.shape} differ in "
            "length"
        )
    kept_a = tuple(i for i in range(a.ndim) if i not in left)
    kept_b = tuple(i for i in range(b.ndim) if i not in right)
    shape = tuple(a.shape[i] for i in kept_a) + tuple(b.shape[i] for i in kept_b)
    length = math.prod(a.shape[i] for i in left)
    rows = _as_matrix(a, kept_a + left, (math.prod(a.shape[i] for i in kept_a), length))
    columns = _as_matrix(b, right + kept_b, (length, math.prod(b.shape[i] for i in kept_b)))
    result = matmul(rows, columns)
    return result if result.shape == shape else np.reshape(result, shape)


def _summed_axes(a: Array, b: Array, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes to be summed, of a and of b."""
    try:
        if np.iterable(axes):
            left, right = axes
            left, right = places_of("tensordot", a, left), places_of("tensordot", b, right)
        else:
            n = index(axes)
            if not 0 <= n <= min(a.ndim, b.ndim):
                raise ShapeError(f"tensordot: {a.shape} and {b.shape} have no {n} axes in common")
            left, right = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    except AutogradError:
        raise
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"tensordot: axes {axes!r} are not known; expected a number, or two lists of axes"
        ) from error
    if len(left) != len(right):
        raise ShapeError(
            f"tensordot: axes {left} of a and axes {right} of b differ in number ({len(left)} and "
            f"{len(right)}); give the same number of axes for both"
        )
    return left, right


def _as_matrix(x: Array, order: tuple[int, ...], shape: tuple[int, int]) -> Array:
    """Put axes in order and merge them to rows and columns."""
    if order != tuple(range(x.ndim)):
        x = np.transpose(x, order)
    return x if x.shape == shape else np.reshape(x, shape)


@implements(np.inner)
def inner(a: Numbers, b: Numbers, /) -> Tensor:
    """Sum products over the last axes of both.  ∂a: g·b  ∂b: gᵀ·a."""
    a, b = tensor_like(a), tensor_like(b)
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    return tensordot(a, b, ((-1,), (-1,)))


@implements(np.outer)
def outer(a: Numbers, b: Numbers, out: None = None) -> Tensor:
    """Multiply each element of a by each of b.  ∂a: g·b  ∂b: gᵀ·a."""
    return multiply(np.ravel(tensor_like(a))[:, None], np.ravel(tensor_like(b))[None, :])


@implements(np.vdot)
def vdot(a: Numbers, b: Numbers, /) -> Tensor:
    """Sum ā·b over all elements.  ∂a: g·b, conjugated  ∂b: g·ā."""
    a, b = np.ravel(tensor_like(a)), np.ravel(tensor_like(b))
    return matmul(conjugate_if_complex(a), b)


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Numbers, x2: Numbers, /, *, axis: int = -1) -> Tensor:
    """Sum ā·b over an axis of stacks of vectors.  ∂a: g·b, conjugated  ∂b: g·ā."""
    a, b = tensor_like(x1), tensor_like(x2)
    if axis != -1:
        a, b = (moveaxis(x, axis_of("vecdot", x, axis), -1) for x in (a, b))
    _check_vectors("vecdot", a, b)
    return matmul(conjugate_if_complex(a)[..., None, :], b[..., :, None])[..., 0, 0]


@implements(*numpy_functions("matvec"))  # NumPy 2.2
def matvec(x1: Numbers, x2: Numbers, /) -> Array:
    """Multiply stacks of matrices by stacks of vectors.  ∂a: g·bᵀ  ∂b: aᵀ·g."""
    a, b = tensor_like(x1), tensor_like(x2)
    _check_vectors("matvec", b)
    return matmul(a, b[..., :, None])[..., 0]


@implements(*numpy_functions("vecmat"))  # NumPy 2.2
def vecmat(x1: Numbers, x2: Numbers, /) -> Array:
    """Multiply stacks of conjugated row vectors by stacks of matrices.  ∂a: g·bᵀ, conjugated."""
    a, b = tensor_like(x1), tensor_like(x2)
    _check_vectors("vecmat", a)
    return matmul(conjugate_if_complex(a)[..., None, :], b)[..., 0, :]


def _check_vectors(name: str, *xs: Array) -> None:
    """Check that there are vectors to multiply.

    Raises:
        ShapeError: for an operand without axes, or vectors of different lengths.
    """
    shapes = [x.shape for x in xs]
    if not all(shapes) or len({shape[-1] for shape in shapes}) > 1:
        found = " and ".join(map(str, shapes))
        raise ShapeError(f"{name}: expected stacks of vectors of one length, got shapes {found}")


@implements(np.kron)
@scope("kron")
def kron(a: Numbers, b: Numbers) -> Array:
    """Put a copy of b, times aᵢ, in the place of each aᵢ.  ∂aᵢ: Σ b·g in its place  ∂b: Σ aᵢ·g."""
    a, b = tensor_like(a), tensor_like(b)
    ndim = max(a.ndim, b.ndim)
    left = (1,) * (ndim - a.ndim) + a.shape
    right = (1,) * (ndim - b.ndim) + b.shape
    if not ndim:
        return multiply(a, b)
    spread = multiply(
        np.reshape(a, [n for size in left for n in (size, 1)]),
        np.reshape(b, [n for size in right for n in (1, size)]),
    )
    return np.reshape(spread, tuple(n * m for n, m in zip(left, right, strict=True)))


@implements(np.cross)
@scope("cross")
def cross(
    a: Array,
    b: Array,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Array:
    """Vector product along axes of length 3, or 2 where NumPy has it.  ∂a: b × g  ∂b: g × a."""
    a, b = tensor_like(a), tensor_like(b)
    if axis is not None:
        axisa = axisb = axisc = axis
    a = moveaxis(a, axis_of("cross", a, axisa), -1)
    b = moveaxis(b, axis_of("cross", b, axisb), -1)
    if not {a.shape[-1], b.shape[-1]} <= {2, 3}:
        raise ShapeError(
            f"cross: vectors have 3 elements; got axes of length {a.shape[-1]} and {b.shape[-1]}"
        )
    if 2 in (a.shape[-1], b.shape[-1]):
        try:  # NumPy warned of vectors of the plane from 2.0 on, and refuses them since 2.5
            np.cross(np.ones(a.shape[-1]), np.ones(b.shape[-1]))
        except ValueError as error:
            raise ShapeError(f"cross: {error}") from error
        if a.shape[-1] == b.shape[-1]:
            return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        a, b = _in_space(a), _in_space(b)
    rows = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.stack(rows, axis=axis_of("cross", rows[0], axisc, 1))


def _in_space(x: Array) -> Array:
    """Give vectors of the plane a third element 0."""
    return x if x.shape[-1] == 3 else np.concatenate([x, np.zeros_like(x[..., :1])], axis=-1)


def rows(x: Array) -> np.ndarray:
    """Return a batch of matrices as one tall matrix; sizes written out, as −1 fails for size 0."""
    return np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _matmul_left(g: Array, y: Array, a: Array, b: Array) -> Array:
    """∂a: g·bᵀ, with a vector standing for a row (a) or a column (b)."""
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ (b.T if b.ndim == 2 else b.mT)


def _matmul_right(g: Array, y: Array, a: Array, b: Array) -> Array:
    """∂b: aᵀ·g, with a vector standing for a row (a) or a column (b)."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (g[..., None, :] @ a)[..., 0, :]
    if a.ndim == 2:
        return a.T @ g
    if b.ndim == 2:  # one product of tall matrices instead of a sum over the batch
        return rows(a).T @ rows(g)
    return a.mT @ g


matmul = multilinear(
    np.matmul,
    "@",
    "(…, m, k) @ (…, k, n) → (…, m, n); vectors as rows and columns.  ∂a: g·bᵀ  ∂b: aᵀ·g",
    eager=operator.matmul,
    vjp=(_matmul_left, _matmul_right),
    samples=(
        case((3, 4), (4, 2)),
        case((4,), (4,)),
        case((4,), (4, 2)),
        case((3, 4), (4,)),
        case((2, 3, 4), (4, 2)),
        case((3, 4), (2, 4, 2)),
        case((2, 1, 3, 4), (5, 4, 2)),
        case((4,), (2, 4, 3)),
        case((2, 3, 4), (4,)),
        case((2, 0), (0, 3)),
        case((2, 3, 0), (0, 4)),
        case((2, 3, 4), (4, 0)),
    ),
    broadcasts=True,
)
table[np.matmul] = table[np.linalg.matmul] = matmul.call


def tensor_like(x: object) -> Array:
    """Return an operand that has a shape: a plain number becomes a NumPy one, as NumPy does.

    So does what stands for a number in a trace.
    """
    given = check_operand(x)
    trace = tracing.get()
    if trace is not None and type(given) is Tensor and trace.is_number(given):
        return reshape(given, shape=())
    return given if hasattr(given, "dtype") else np.asarray(given)[()]


def floating(value: object) -> Array:
    """Return an operand in floating point: integers and booleans in float64."""
    x = tensor_like(value)
    return astype(x, np.float64) if x.dtype.kind in "biu" else x


@implements(np.dot)
def dot(a: Array, b: Any, out: None = None) -> Tensor:
    """Product over a's last axis and b's last but one, or its only one.  ∂a: g·bᵀ  ∂b: aᵀ·g."""
    a, b = check_operand(a), check_operand(b)
    if not np.ndim(a) or not np.ndim(b):  # a plain number is a NumPy one here, as in np.dot
        return multiply(tensor_like(a), tensor_like(b))
    if np.ndim(b) <= 2:
        return matmul(a, b)
    moved = moveaxis(b, -2, 0)
    flat = matmul(a, reshape_function(moved, (moved.shape[0], math.prod(moved.shape[1:]))))
    return reshape_function(flat, (*a.shape[:-1], *moved.shape[1:]))


OPPOSITE = {"full": "valid", "valid": "full"}


def _convolve_long(g: Array, y: Array, a: Array, v: Array, *, mode: str) -> Array:
    """∂a: the other mode of g and the reversed v."""
    if mode == "valid" and g.shape < v.shape:
        return convolve_(v[::-1], g, mode="full")
    return convolve_(g, v[::-1], mode=OPPOSITE[mode])


def _convolve_short(g: Array, y: Array, a: Array, v: Array, *, mode: str) -> Array:
    """∂v: where a and g overlap in full, the shorter one reversed."""
    if mode == "full":
        return convolve_(g, a[::-1], mode="valid")
    return convolve_(a, g[::-1], mode="valid")[::-1]


convolve_: Primitive = multilinear(
    np.convolve,
    "conv",
    "Convolution of a with the shorter v.  ∂a: g ∗ reversed v  ∂v: g ∗ reversed a",
    name="convolve",
    vjp=(_convolve_long, _convolve_short),
    samples=(
        case((5,), (3,), mode="full"),
        case((5,), (4,), mode="valid"),
        case((3,), (3,), mode="valid"),
        case((4,), (1,), mode="full"),
    ),
    params=("mode",),
)


def _sequence(name: str, x: Numbers) -> Array:
    """Return an operand that has one axis and some elements.

    Raises:
        ShapeError: if it has not.
    """
    x = tensor_like(x)
    if x.ndim != 1 or not x.size:
        raise ShapeError(f"{name}: expected sequences with one axis, not empty, got {x.shape}")
    return x


def middle(full: Array, long: int, short: int) -> Array:
    """Return the part of a full convolution where NumPy's mode "same" lies."""
    start = (short - 1) // 2
    return full[start : start + long]


@implements(np.convolve)
def convolve(a: Numbers, v: Numbers, mode: str = "full") -> Array:
    """Sum aᵢ·vₖ₋ᵢ for each k; "same" keeps the longer length, "valid" where both overlap in full.

    ∂a: g ∗ reversed v  ∂v: g ∗ reversed a.
    """
    _check_mode("convolve", mode)
    a, v = (_sequence("convolve", np.atleast_1d(tensor_like(x))) for x in (a, v))
    if a.size < v.size:
        a, v = v, a
    if mode == "same":
        return middle(convolve_(a, v, mode="full"), a.size, v.size)
    return convolve_(a, v, mode=mode)


@implements(np.correlate)
def correlate(a: Numbers, v: Numbers, mode: str = "valid") -> Array:
    """Sum aₖ₊ᵢ·v̄ᵢ for each k: the convolution with the reversed v.  ∂a: g ∗ v  ∂v: g ∗ a."""
    _check_mode("correlate", mode)
    a, v = _sequence("correlate", a), conjugate_if_complex(_sequence("correlate", v))
    if a.size < v.size:
        return convolve(v, a[::-1], mode)[::-1]
    return convolve(a, v[::-1], mode)


def _check_mode(name: str, mode: str) -> None:
    """Check the name of a mode.

    Raises:
        ArgumentError: if there is none of this name.
    """
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"{name}: mode {mode!r} is not known; expected 'full', 'same', 'valid'")


@implements(np.linalg.matrix_power)
@scope("matrix_power")
def matrix_power(a: Array, n: int) -> Any:
    """Multiply each matrix n times with itself, by squaring; of the inverse for a negative n.

    ∂x: Σₖ (xᵀ)ᵏ·g·(xᵀ)ⁿ⁻¹⁻ᵏ; 0 for n = 0, the identity.
    """
    a = check_operand(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise MatrixError(f"matrix_power: expected square matrices, got the shape {a.shape}")
    n = whole_number(n, "matrix_power: the exponent must be an integer, got {!r}", OperandError)
    if n == 0:
        return where(np.zeros((1, 1), bool), a, np.eye(a.shape[-1], dtype=a.dtype))
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 1:
        return np.copy(a)
    square, result = a, None
    while True:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        if not n:
            return result
        square = matmul(square, square)


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return where to cut each run of a chain of matrices; the i-th is sizes[i] × sizes[i + 1].

    The classic dynamic program over the number of multiplications, O(n³).
    """
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cut = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            choices = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            cut[i, j] = min(choices, key=choices.__getitem__)
            cost[i, j] = choices[cut[i, j]]
    return cut


@implements(np.linalg.multi_dot)
@scope("multi_dot")
def multi_dot(arrays: Sequence[Numbers], *, out: None = None) -> Array:
    """Multiply matrices in the cheapest order; the first and last may be vectors.

    ∂xᵢ: (the product before)ᵀ·g·(the product behind)ᵀ.
    """
    refuse_out("linalg.multi_dot", out)
    parts = [check_operand(a) for a in arrays]
    if len(parts) < 2:
        raise ArgumentError(f"multi_dot: expected two matrices or more, got {len(parts)}")
    for i, part in enumerate(parts):
        if part.ndim != 2 and not (part.ndim == 1 and i in (0, len(parts) - 1)):
            raise MatrixError(
                f"multi_dot: expected matrices, and vectors at the ends only; operand {i} has the "
                f"shape {part.shape}"
            )
    rows = 1 if parts[0].ndim == 1 else parts[0].shape[0]
    inner = [part.shape[0] for part in parts[1:]]
    cut = _cheapest([rows, *inner, 1 if parts[-1].ndim == 1 else parts[-1].shape[1]])

    def product(i: int, j: int) -> Array:
        k = cut.get((i, j))
        return parts[i] if k is None else matmul(product(i, k), product(k + 1, j))

    return product(0, len(parts) - 1)


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Numbers, /, *, offset: int = 0) -> Tensor:
    """Return the diagonal of each matrix in the last two axes.  ∂x: g on that diagonal."""
    return table[np.diagonal](x, offset, axis1=-2, axis2=-1)


@implements(np.linalg.trace)
def linalg_trace(x: Numbers, /, *, offset: int = 0, dtype: object = None) -> Tensor:
    """Sum the diagonal of each matrix in the last two axes.  ∂x: g on that diagonal."""
    return table[np.trace](x, offset, axis1=-2, axis2=-1, dtype=dtype)


@implements(np.linalg.outer)
def linalg_outer(x1: Numbers, x2: Numbers, /) -> Tensor:
    """Multiply each element of one vector with each of another.  ∂x1: g·x2  ∂x2: gᵀ·x1."""
    x1, x2 = check_operand(x1), check_operand(x2)
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(f"outer: expected vectors, got {np.shape(x1)} and {np.shape(x2)}")
    return outer(x1, x2)


@implements(np.linalg.cross)
def linalg_cross(x1: Numbers, x2: Numbers, /, *, axis: int = -1) -> Tensor:
    """Return the vector product over an axis of length 3.  ∂x1: x2 × g  ∂x2: g × x1."""
    x1, x2 = check_operand(x1), check_operand(x2)
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ShapeError(
            f"cross: expected length 3 along axis {axis}, got {np.shape(x1)} and {np.shape(x2)}"
        )
    return cross(x1, x2, axis=axis)
