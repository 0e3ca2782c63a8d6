"""SciPy's dtypes: its functions compute float16 and small integers otherwise than NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import numpy as np

from ...core.arrays import Array
from ...core.record import check_operand, value_of
from ...errors import UnsupportedError
from ..conversion import convert_operand
from ..selection import where

NUMBERS = (int, float, complex)


def in_dtypes_of(ufunc: np.ufunc, ours: Callable[..., object]) -> Callable[..., object]:
    """Call a function with operands in the dtypes in which a ufunc of SciPy computes.

    Plain numbers, as the order of a Bessel function, stay as they are.
    """

    @wraps(ours)
    def call(*operands: object) -> Any:
        xs = [check_operand(x) for x in operands]
        given = [type(x) if type(x) in NUMBERS else np.result_type(value_of(x)) for x in xs]
        wanted = ufunc.resolve_dtypes((*given, None))
        return ours(
            *(
                convert_operand(x, kind) if hasattr(x, "dtype") and x.dtype != kind else x
                for x, kind in zip(xs, wanted, strict=False)
            )
        )

    return call


class Refusal:
    """The rule of such an argument: an error, where a rule of None would lose the gradient."""

    refuses = True

    def __init__(self, function: str, argument: str) -> None:
        self.function, self.argument = function, argument

    def __call__(self, g: object, y: object, *xs: object, **params: object) -> NoReturn:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        name = self.argument.split()[-1]
        raise UnsupportedError(
            f"the derivative of scipy.special.{self.function} by {self.argument} is not recorded; "
            f"give {name} as a plain number, or am.stop_gradient({name}) if no gradient should flow"
        )


def times(factor: Array, value: Array) -> Array:
    """Multiply by a factor; 0 where the factor is 0, even if the value is infinite."""
    return where(factor == 0, 0, factor * value)
