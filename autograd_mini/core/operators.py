"""Python's operators on tensors, one lookup each."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .table import table


class Operators:
    """The operators of `numpy.ndarray`, recorded."""

    __slots__ = ()

    def __add__(self, other: Any) -> Self:
        return table[np.add](self, other)

    def __radd__(self, other: Any) -> Self:
        return table[np.add](other, self)

    def __sub__(self, other: Any) -> Self:
        return table[np.subtract](self, other)

    def __rsub__(self, other: Any) -> Self:
        return table[np.subtract](other, self)

    def __mul__(self, other: Any) -> Self:
        return table[np.multiply](self, other)

    def __rmul__(self, other: Any) -> Self:
        return table[np.multiply](other, self)

    def __truediv__(self, other: Any) -> Self:
        return table[np.true_divide](self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return table[np.true_divide](other, self)

    def __floordiv__(self, other: Any) -> Self:
        return table[np.floor_divide](self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return table[np.floor_divide](other, self)

    def __mod__(self, other: Any) -> Self:
        return table[np.remainder](self, other)

    def __rmod__(self, other: Any) -> Self:
        return table[np.remainder](other, self)

    def __pow__(self, other: Any) -> Self:
        return table[np.power](self, other)

    def __rpow__(self, other: Any) -> Self:
        return table[np.power](other, self)

    def __matmul__(self, other: Any) -> Self:
        return table[np.matmul](self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return table[np.matmul](other, self)

    def __and__(self, other: Any) -> Self:
        return table[np.bitwise_and](self, other)

    def __rand__(self, other: Any) -> Self:
        return table[np.bitwise_and](other, self)

    def __or__(self, other: Any) -> Self:
        return table[np.bitwise_or](self, other)

    def __ror__(self, other: Any) -> Self:
        return table[np.bitwise_or](other, self)

    def __xor__(self, other: Any) -> Self:
        return table[np.bitwise_xor](self, other)

    def __rxor__(self, other: Any) -> Self:
        return table[np.bitwise_xor](other, self)

    def __lshift__(self, other: Any) -> Self:
        return table[np.left_shift](self, other)

    def __rlshift__(self, other: Any) -> Self:
        return table[np.left_shift](other, self)

    def __rshift__(self, other: Any) -> Self:
        return table[np.right_shift](self, other)

    def __rrshift__(self, other: Any) -> Self:
        return table[np.right_shift](other, self)

    def __eq__(self, other: Any) -> Self:  # type: ignore[override]  # elementwise
        return table[np.equal](self, other)

    def __ne__(self, other: Any) -> Self:  # type: ignore[override]  # elementwise
        return table[np.not_equal](self, other)

    def __lt__(self, other: Any) -> Self:
        return table[np.less](self, other)

    def __le__(self, other: Any) -> Self:
        return table[np.less_equal](self, other)

    def __gt__(self, other: Any) -> Self:
        return table[np.greater](self, other)

    def __ge__(self, other: Any) -> Self:
        return table[np.greater_equal](self, other)

    def __neg__(self) -> Self:
        return table[np.negative](self)

    def __pos__(self) -> Self:
        return table[np.positive](self)

    def __abs__(self) -> Self:
        return table[np.absolute](self)

    def __invert__(self) -> Self:
        return table[np.invert](self)

    def __iadd__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.add](self, other))

    def __isub__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.subtract](self, other))

    def __imul__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.multiply](self, other))

    def __itruediv__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.true_divide](self, other))

    def __ifloordiv__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.floor_divide](self, other))

    def __imod__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.remainder](self, other))

    def __ipow__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.power](self, other))

    def __imatmul__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.matmul](self, other))

    def __iand__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.bitwise_and](self, other))

    def __ior__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.bitwise_or](self, other))

    def __ixor__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.bitwise_xor](self, other))

    def __ilshift__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.left_shift](self, other))

    def __irshift__(self, other: Any) -> Self:
        return table["in_place"](self, table[np.right_shift](self, other))

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __round__(self, digits: int | None = None) -> Self:
        return table["round"](self, digits)

    def __getitem__(self, index: Any) -> Self:
        return table["getitem"](self, index)
