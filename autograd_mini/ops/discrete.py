"""Operations whose derivative is zero wherever it exists: comparisons, logic, rounding, order.

They are recorded, so that every computation can be drawn, and carry no gradient.
"""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..operation import value_of
from ..primitives import elementwise, implements, nonlinear
from ..table import table
from ..tensors import Tensor
from .conversion import astype

COMPARISONS: tuple[tuple[Any, str, Any], ...] = (
    (np.equal, "=", operator.eq),
    (np.not_equal, "≠", operator.ne),
    (np.less, "<", operator.lt),
    (np.less_equal, "≤", operator.le),
    (np.greater, ">", operator.gt),
    (np.greater_equal, "≥", operator.ge),
    (np.logical_and, "and", None),
    (np.logical_or, "or", None),
    (np.logical_xor, "xor", None),
    (np.bitwise_and, "&", operator.and_),
    (np.bitwise_or, "|", operator.or_),
    (np.bitwise_xor, "^", operator.xor),
    (np.left_shift, "<<", operator.lshift),
    (np.right_shift, ">>", operator.rshift),
    (np.floor_divide, "//", operator.floordiv),
    (np.gcd, "gcd", None),
    (np.lcm, "lcm", None),
)
"""Of two operands: function, symbol, faster spelling."""

PROPERTIES: tuple[tuple[Any, str], ...] = (
    (np.logical_not, "not"),
    (np.invert, "~"),
    (np.isnan, "isnan"),
    (np.isinf, "isinf"),
    (np.isfinite, "isfinite"),
    (np.signbit, "signbit"),
    (np.floor, "floor"),
    (np.ceil, "ceil"),
    (np.rint, "rint"),
    (np.trunc, "trunc"),
    (np.spacing, "spacing"),
    (np.bitwise_count, "bits"),
)
"""Of one operand: function, symbol."""

for function, symbol, eager in COMPARISONS:
    elementwise(
        function,
        symbol,
        f"a {symbol} b.  No gradient",
        eager=eager,
        vjp=(None, None),
        samples=(),
    )
for function, symbol in PROPERTIES:
    elementwise(
        function,
        symbol,
        f"{function.__name__} x.  No gradient: it is 0 wherever it exists",
        vjp=(None,),
        samples=(),
    )


def enter(function: Any, *names: str, operands: int = 1) -> None:
    """Record a NumPy function whose arguments after the operands are static, in this order."""
    row = nonlinear(
        function,
        function.__name__,
        f"numpy.{function.__name__}.  No gradient",
        vjp=None,
        samples=(),
        params=tuple(name for name in names if name != "out"),
    )

    @implements(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        static = dict(zip(names, args[operands:], strict=False)) | kwargs
        if static.pop("out", None) is not None:
            raise UnsupportedError(
                f"np.{row.name}(…, out=…) of a tensor is not recorded; write y = np.{row.name}(…)"
            )
        return row(*args[:operands], **static)


enter(np.argmax, "axis", "out", "keepdims")
enter(np.argmin, "axis", "out", "keepdims")
enter(np.all, "axis", "out", "keepdims", "where")
enter(np.any, "axis", "out", "keepdims", "where")
enter(np.count_nonzero, "axis", "keepdims")
enter(np.argsort, "axis", "kind", "order", "stable")
enter(np.argpartition, "kth", "axis", "kind", "order")
enter(np.searchsorted, "side", "sorter", operands=2)
enter(np.round, "decimals", "out")
enter(np.isclose, "rtol", "atol", "equal_nan", operands=2)

VALUES_ONLY: tuple[Any, ...] = (
    np.allclose,
    np.array_equal,
    np.array_equiv,
    np.array_repr,
    np.array_str,
    np.array2string,
    np.bincount,
    np.can_cast,
    np.digitize,
    np.empty_like,
    np.flatnonzero,
    np.histogram,
    np.iscomplex,
    np.iscomplexobj,
    np.isin,
    np.isreal,
    np.isrealobj,
    np.lexsort,
    np.min_scalar_type,
    np.may_share_memory,
    np.ndim,
    np.nonzero,
    np.ones_like,
    np.result_type,
    np.save,
    np.savetxt,
    np.savez,
    np.savez_compressed,
    np.shape,
    np.shares_memory,
    np.size,
    np.unique,
    np.zeros_like,
)
"""Functions that look at values or shapes and return plain ones: nothing flows through them."""


DIFFERENTIABLE_ARGUMENTS = {
    np.bincount: "weights",
    np.histogram: "weights",
    np.unique: "ar",
}
"""Arguments of functions above through which a gradient would flow."""


def _on_values(function: Any) -> Any:
    carrying = DIFFERENTIABLE_ARGUMENTS.get(function)

    def call(*args: Any, **kwargs: Any) -> Any:
        argument = None
        if carrying:
            argument = inspect.signature(function).bind(*args, **kwargs).arguments.get(carrying)
        if isinstance(argument, Tensor) and argument.requires_grad:
            raise UnsupportedError(
                f"np.{function.__name__} would lose the gradient of {carrying}; give "
                f"{carrying}.data if that is meant"
            )
        return function(*map(value_of, args), **{k: value_of(v) for k, v in kwargs.items()})

    call.__name__ = function.__name__
    return call


@implements(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """Repeat a value to the shape of `a`; a tensor's gradient flows through."""
    kind = np.result_type(value_of(a)) if dtype is None else np.dtype(dtype)
    if not isinstance(fill_value, Tensor):
        return np.full_like(value_of(a), fill_value, kind, **kwargs)
    shape = kwargs.get("shape") or np.shape(value_of(a))
    return np.broadcast_to(astype(fill_value, kind), shape)


for function in VALUES_ONLY:
    table[function] = _on_values(function)
