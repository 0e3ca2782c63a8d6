"""Absent: stands in for an array that does not exist yet; only its shape and dtype are known."""

from __future__ import annotations

from math import prod
from typing import NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..errors import ConversionError


class Absent(NDArrayOperatorsMixin):
    """The value of a tensor in the graph of a compiled program, which holds no numbers.

    Attributes:
        shape, dtype: of the array that the program will compute or read.

    >>> Absent((100, 2), np.dtype("float32"))
    <float32 (100, 2), known when the program runs>
    """

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    def item(self, *args: int) -> NoReturn:
        """Raise: no number exists yet."""
        self._refuse()

    def __array__(self, dtype: object = None, copy: bool | None = None) -> NoReturn:
        self._refuse()

    def __array_ufunc__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse()

    def _refuse(self, *args: object) -> NoReturn:
        raise ConversionError(
            f"a {self.dtype} value of shape {self.shape} in the graph of a compiled program is not "
            "there: such a graph holds no numbers; call the compiled function for its results"
        )

    __float__ = __int__ = __complex__ = __bool__ = _refuse
    __hash__ = object.__hash__  # operators refuse, and comparing is one of them

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape}, known when the program runs>"
