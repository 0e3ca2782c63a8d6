"""Windows that slide over an array: the way to write a convolution in NumPy.

>>> import numpy as np, autograd_mini as am
>>> x = am.tensor([1.0, 2.0, 4.0, 8.0], requires_grad=True)
>>> means = np.mean(np.lib.stride_tricks.sliding_window_view(x, 2), axis=-1)
>>> am.grad(lambda x: np.sum(np.lib.stride_tricks.sliding_window_view(x, 2)))(x.data)
array([1., 2., 2., 1.])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.primitive import Primitive, case, implements, linear
from ..errors import ArgumentError, ShapeError, UnsupportedError
from .checks import axis_of
from .rearranging import plain_value
from .reductions import subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.arrays import Array
    from ..core.tensor import Tensor


def _add_windows(
    g: np.ndarray, *, shape: tuple[int, ...], window: tuple[int, ...], axes: tuple[int, ...]
) -> np.ndarray:
    """Add the windows up where they lie, one element of all windows at a time."""
    total = np.zeros(shape, g.dtype)
    counts = g.shape[: len(shape)]
    for offsets in np.ndindex(*window):
        start = [0] * len(shape)
        for axis, offset in zip(axes, offsets, strict=True):  # an axis may come twice
            start[axis] += offset
        place = tuple(slice(i, i + n) for i, n in zip(start, counts, strict=True))
        total[place] += g[(..., *offsets)]
    return total


def _with_batch_axis(
    primitive: Primitive,
    size: int,
    xs: Sequence[Array],
    mapped: Sequence[bool],
    params: dict[str, Any],
) -> Array:
    """Leave the new axis in front, and count the other ones behind it."""
    behind = {"axes": tuple(i + 1 for i in params["axes"])}
    if "shape" in params:
        behind["shape"] = (size, *params["shape"])
    return primitive(xs[0], **{**params, **behind})


windows: Primitive = linear(
    lambda x, *, window, axes: np.lib.stride_tricks.sliding_window_view(x, window, axes),
    "windows",
    "All windows of a size, which overlap.  ∂x: the windows of g added up where they lie",
    name="sliding_window_view",
    vjp=(lambda g, y, x, window, axes: windows_added(g, shape=x.shape, window=window, axes=axes),),
    samples=(
        case((5,), window=(3,), axes=(0,)),
        case((3, 2, 4), window=(2, 3), axes=(0, 2)),
        case((4, 2), window=(2, 2), axes=(0, 0)),
        case((3, 0), window=(2,), axes=(0,)),
        case((), window=(), axes=()),
    ),
    params=("window", "axes"),
    batch=_with_batch_axis,
    view=True,
)
windows_added: Primitive = linear(
    _add_windows,
    "add windows",
    "Windows added up where they lie in the whole.  ∂g: the windows",
    name="add_windows",
    vjp=(lambda h, y, g, shape, window, axes: windows(h, window=window, axes=axes),),
    samples=(
        case((3, 3), shape=(5,), window=(3,), axes=(0,)),
        case((2, 2, 2, 2, 3), shape=(3, 2, 4), window=(2, 3), axes=(0, 2)),
        case((2, 2, 2, 2), shape=(4, 2), window=(2, 2), axes=(0, 0)),
    ),
    params=("shape", "window", "axes"),
    batch=_with_batch_axis,
)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Array,
    window_shape: int | tuple[int, ...],
    axis: int | tuple[int, ...] | None = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Tensor:
    """Return all windows of a size; their elements lie along new last axes.

    ∂x: each element gets the sum of g over the windows that it is in.

    Raises:
        ShapeError: if there are not as many axes as sizes, or a window is longer than its axis.
        UnsupportedError: for `writeable=True`, which would change x through its windows.
    """
    name = "sliding_window_view"
    if writeable:
        raise UnsupportedError(f"{name}(…, writeable=True) of a tensor is not recorded; leave it")
    a, given = subject(x), np.atleast_1d(plain_value(name, window_shape))
    if given.dtype.kind not in "iu" and given.size:
        raise ShapeError(f"{name}: the window shape {window_shape!r} must be ints")
    window = tuple(int(n) for n in given.ravel())
    places = range(a.ndim) if axis is None else np.atleast_1d(np.array(axis, dtype=int)).tolist()
    axes = tuple(axis_of(name, a, i) for i in places)
    if len(axes) != len(window):
        raise ShapeError(
            f"{name}: the window shape {window} must have one size for each of the {len(axes)} "
            f"axes that it slides over, in an array of shape {a.shape}; name them with axis="
        )
    left = list(a.shape)
    for i, n in zip(axes, window, strict=True):
        if n < 0:
            raise ArgumentError(f"{name}: the window shape {window} must have no negative size")
        if n > left[i]:
            raise ShapeError(
                f"{name}: a window of {window} is longer than the axes {axes} of {a.shape}; pad "
                "the array, or make the window shorter"
            )
        left[i] -= n - 1
    return windows(a, window=window, axes=axes)
