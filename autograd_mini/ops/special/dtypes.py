"""SciPy's dtypes: its functions compute float16 and small integers otherwise than NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ...core.record import operand, value_of
from ..conversion import convert_operand

NUMBERS = (int, float, complex)


def in_dtypes_of(ufunc: Any, ours: Callable[..., Any]) -> Callable[..., Any]:
    """Call a function with operands in the dtypes in which a ufunc of SciPy computes.

    Plain numbers, as the order of a Bessel function, stay as they are.
    """

    @wraps(ours)
    def call(*operands: Any) -> Any:
        xs = [operand(x) for x in operands]
        given = [type(x) if type(x) in NUMBERS else np.result_type(value_of(x)) for x in xs]
        wanted = ufunc.resolve_dtypes((*given, None))
        return ours(
            *(
                convert_operand(x, kind) if hasattr(x, "dtype") and x.dtype != kind else x
                for x, kind in zip(xs, wanted, strict=False)
            )
        )

    return call
