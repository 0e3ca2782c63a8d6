"""Fourier transforms: all of `numpy.fft`, over four transforms along one axis.

The matrix of `fft` is symmetric, so the transform is its own transpose, and likewise `ifft`. Those
of real numbers leave out the half of the spectrum that is the conjugate of the other: `rfft` and
`irfft` are each other's transposes only with the elements that stand for two weighted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.primitive import Primitive, case, implements, linear
from ..core.record import scope
from ..core.table import Axis
from ..errors import ArgumentError, ShapeError
from .checks import axes_of, axis_of, implements_by_name, slice_along, whole_number
from .products import conjugate_if_complex, tensor_like

TRANSPOSED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm with which the opposite transform has the same factor."""

SPECTRUM = ("n", "axis", "norm")
SAMPLES = tuple(
    case(shape, n=n, axis=axis, norm=norm)
    for shape, n, axis, norm in (
        ((4,), 4, 0, "backward"),
        ((2, 5), 5, 1, "ortho"),
        ((3, 2), 2, 0, "forward"),
        ((3,), 6, 0, "backward"),
        ((4, 2), 1, 0, "ortho"),
        ((0, 3), 3, 1, "backward"),
    )
)


def _resize_axis(x: Array, n: int, axis: int) -> Array:
    """Cut an axis to n elements, or fill it up with zeros."""
    size = x.shape[axis]
    if size > n:
        return x[slice_along(axis, 0, n)]
    if size == n:
        return x
    missing = (*x.shape[:axis], n - size, *x.shape[axis + 1 :])
    return np.concatenate([x, np.zeros(missing, x.dtype)], axis=axis)


def _double_inner_frequencies(spectrum: Array, n: int, axis: int, double: float) -> Array:
    """Multiply the elements of a half spectrum that stand for two of n."""
    weights = np.full(n // 2 + 1, double, np.finfo(spectrum.dtype).dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return spectrum * np.reshape(weights, (-1, *(1,) * (spectrum.ndim - axis - 1)))


def _rfft_rule(g: Array, y: Array, x: Array, *, n: int, axis: int, norm: str) -> Array:
    """∂x: Re of the fft of g, which is an irfft of ḡ with half the weight for pairs."""
    half = _double_inner_frequencies(np.conjugate(g), n, axis, 0.5)
    return _resize_axis(irfft_(half, n=n, axis=axis, norm=TRANSPOSED[norm]), x.shape[axis], axis)


def _irfft_rule(g: Array, y: Array, x: Array, *, n: int, axis: int, norm: str) -> Array:
    """∂x: the conjugate of the rfft of g with twice the weight for pairs."""
    whole = _double_inner_frequencies(
        np.conjugate(rfft_(g, n=n, axis=axis, norm=TRANSPOSED[norm])), n, axis, 2
    )
    return _resize_axis(whole, x.shape[axis], axis)


_transform = partial(linear, samples=SAMPLES, params=SPECTRUM)

fft_: Primitive = _transform(
    np.fft.fft,
    "fft",
    "Discrete Fourier transform along an axis, of n elements.  ∂x: the fft of g, cut to x's length",
    vjp=(lambda g, y, x, axis, **to: _resize_axis(fft_(g, axis=axis, **to), x.shape[axis], axis),),
)
ifft_: Primitive = _transform(
    np.fft.ifft,
    "ifft",
    "Inverse Fourier transform along an axis, to n elements.  ∂x: the ifft of g, cut to x's length",
    vjp=(lambda g, y, x, axis, **to: _resize_axis(ifft_(g, axis=axis, **to), x.shape[axis], axis),),
)
rfft_: Primitive = _transform(
    np.fft.rfft,
    "rfft",
    "Half the Fourier transform of n real elements.  ∂x: Re of the fft of g filled up with zeros",
    vjp=(_rfft_rule,),
)
irfft_: Primitive = _transform(
    np.fft.irfft,
    "irfft",
    "The n real elements of half a spectrum.  ∂x: the conjugate rfft of g, twice where for a pair",
    vjp=(_irfft_rule,),
)


def length(name: str, n: int) -> int:
    """Return a number of points as a positive int."""
    message = f"{name}: the number of points must be an int, got {{!r}}"
    points = whole_number(n, message, ArgumentError)
    if points < 1:
        raise ArgumentError(f"{name}: expected at least one point, got {points}")
    return points


def _norm_of(name: str, norm: str | None) -> str:
    """Return the name of a norm, "backward" for None."""
    if norm is not None and norm not in TRANSPOSED:
        raise ArgumentError(
            f"{name}: norm {norm!r} is not known; expected 'backward', 'ortho' or 'forward'"
        )
    return norm or "backward"


def _along_axis(
    primitive: Primitive, a: Numbers, n: int | None, axis: int, norm: str | None
) -> Array:
    """Apply a transform along one axis; n of None is the number of elements that belongs to x."""
    x, name = tensor_like(a), primitive.name
    axis = axis_of(name, x, axis)
    size = x.shape[axis]
    if n is None:
        n = 2 * (size - 1) if primitive is irfft_ else size
    return primitive(x, n=length(name, n), axis=axis, norm=_norm_of(name, norm))


@implements_by_name(np.fft.hfft)
def hfft(a: Numbers, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """Fourier transform, real, of half a Hermitian signal.  ∂a: as of the irfft of ā."""
    norm = TRANSPOSED[_norm_of("hfft", norm)]
    return _along_axis(irfft_, conjugate_if_complex(tensor_like(a)), n, axis, norm)


@implements_by_name(np.fft.ihfft)
def ihfft(a: Numbers, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """Inverse of hfft.  ∂a: as of the conjugate of the rfft."""
    norm = TRANSPOSED[_norm_of("ihfft", norm)]
    return np.conjugate(_along_axis(rfft_, a, n, axis, norm))


Sizes = Sequence[int] | None


def steps(name: str, x: Array, s: Sizes, axes: Sizes) -> list[tuple[int | None, int]]:
    """Return number of points and axis of each transform; None for as many as there are."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(-len(s), 0)
    places = [axis_of(name, x, i) for i in axes]
    sizes: Sequence[int | None] = [None] * len(places) if s is None else list(s)
    if len(sizes) != len(places):
        raise ShapeError(f"{name}: {len(sizes)} numbers of points {s} for {len(places)} axes")
    counts = [
        None if n is None else x.shape[i] if n == -1 else length(name, n)
        for n, i in zip(sizes, places, strict=True)
    ]
    return list(zip(counts, places, strict=True))


def _over_axes(
    primitive: Primitive, a: Numbers, s: Sizes, axes: Sizes, norm: str | None, name: str
) -> Array:
    """Apply a transform along axes, the last one first; the last axis takes the real transform."""
    x = tensor_like(a)
    todo = steps(name, x, s, axes)
    with scope(name):
        if primitive is irfft_ and todo:
            for n, axis in todo[:-1]:
                x = _along_axis(ifft_, x, n, axis, norm)
            return _along_axis(irfft_, x, todo[-1][0], todo[-1][1], norm)
        for n, axis in reversed(todo):
            x = _along_axis(primitive, x, n, axis, norm)
            primitive = fft_ if primitive is rfft_ else primitive
    return x


def _enter_transform(function: Callable[..., object], primitive: Primitive, doc: str) -> None:
    """Enter one of NumPy's transforms into the table: along one axis, two, or any number."""
    name = function.__name__

    def along_axis(
        a: Numbers, n: int | None = None, axis: int = -1, norm: str | None = None
    ) -> Array:
        return _along_axis(primitive, a, n, axis, norm)

    def over_axes(
        a: Numbers, s: Sizes = None, axes: Sizes = None, norm: str | None = None
    ) -> Array:
        return _over_axes(primitive, a, s, axes, norm, name)

    def over_two(
        a: Numbers, s: Sizes = None, axes: Sizes = (-2, -1), norm: str | None = None
    ) -> Array:
        return _over_axes(primitive, a, s, axes, norm, name)

    call = over_axes if name.endswith("n") else over_two if name.endswith("2") else along_axis
    call.__name__, call.__doc__ = name, doc
    implements_by_name(function)(call)


HALF = "twice where an element is for a pair."
for function, primitive, doc in (
    (np.fft.fft, fft_, "Discrete Fourier transform along an axis.  ∂a: the fft of g."),
    (np.fft.ifft, ifft_, "Inverse Fourier transform along an axis.  ∂a: the ifft of g."),
    (np.fft.rfft, rfft_, "Half the Fourier transform of real elements.  ∂a: Re of the fft of g."),
    (np.fft.irfft, irfft_, f"Inverse of rfft.  ∂a: the conjugate rfft of g, {HALF}"),
    (np.fft.fftn, fft_, "Fourier transform along axes.  ∂a: the fftn of g."),
    (np.fft.ifftn, ifft_, "Inverse Fourier transform along axes.  ∂a: the ifftn of g."),
    (
        np.fft.rfftn,
        rfft_,
        "Fourier transform of real elements along axes, half of it.  ∂a: Re of the fftn of g.",
    ),
    (np.fft.irfftn, irfft_, f"Inverse of rfftn.  ∂a: the conjugate rfftn of g, {HALF}"),
    (np.fft.fft2, fft_, "Fourier transform along two axes.  ∂a: the fft2 of g."),
    (np.fft.ifft2, ifft_, "Inverse Fourier transform along two axes.  ∂a: the ifft2 of g."),
    (
        np.fft.rfft2,
        rfft_,
        "Fourier transform of real elements along two axes, half of it.  ∂a: Re of the fft2 of g.",
    ),
    (np.fft.irfft2, irfft_, f"Inverse of rfft2.  ∂a: the conjugate rfft2 of g, {HALF}"),
):
    _enter_transform(function, primitive, doc)


def _rotate_axis(x: Array, axis: int, first: int) -> Array:
    """Turn an axis so that its element `first` comes first."""
    size = x.shape[axis]
    if not size or first == size or not first:
        return x
    ends = (x[slice_along(axis, first, size)], x[slice_along(axis, 0, first)])
    return np.concatenate(ends, axis=axis)


@implements(np.fft.fftshift)
def fftshift(x: Numbers, axes: Axis = None) -> Array:
    """Put the frequency 0 in the middle of axes, all by default.  ∂x: g shifted back."""
    x = tensor_like(x)
    for axis in axes_of("fftshift", x, axes):
        x = _rotate_axis(x, axis, (x.shape[axis] + 1) // 2)
    return x


@implements(np.fft.ifftshift)
def ifftshift(x: Numbers, axes: Axis = None) -> Array:
    """Put the frequency 0 from the middle to the front of axes.  ∂x: g shifted back."""
    x = tensor_like(x)
    for axis in axes_of("ifftshift", x, axes):
        x = _rotate_axis(x, axis, x.shape[axis] // 2)
    return x
