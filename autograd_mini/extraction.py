"""Taking a plain value out of the graph: what would be lost or baked in is an error."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from .errors import ConversionError

if TYPE_CHECKING:
    from .tensors import Tensor

tracing: Final[ContextVar[Callable[[Tensor, str], None] | None]] = ContextVar(
    "autograd_mini_tracing", default=None
)
"""While a graph is recorded in order to be computed again for other values: who must be asked
before a value is looked at, since it would be baked into that graph."""


def plain(tensor: Tensor, what: str) -> Any:
    """Return the value for a conversion out of the graph.

    Raises:
        ConversionError: if the tensor requires a gradient, which would be lost.
    """
    if tensor._requires_grad:
        raise ConversionError(
            f"{what} would lose the gradient of {describe(tensor)}; take t.item() or t.data for "
            "the plain value, np.stack / np.concatenate to join tensors, and np.tanh(t) instead "
            "of math.tanh(t)"
        )
    return looked_at(tensor, what)


def looked_at(tensor: Tensor, what: str) -> Any:
    """Return the value for something that a trace could not see.

    Raises:
        ConversionError: if a trace is under way which would bake the value in.
    """
    ask = tracing.get()
    if ask is not None:
        ask(tensor, what)
    return tensor._value


def describe(tensor: Tensor) -> str:
    """Name a tensor in an error: its name or operation, and its shape."""
    if tensor._primitive is not None:
        return f"{tensor.op.name} of shape {tensor.shape}"  # type: ignore[union-attr]  # not a leaf
    return f"leaf {tensor.name or tensor.serial!r} of shape {tensor.shape}"
