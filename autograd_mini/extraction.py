"""Taking a plain value out of the graph: what would be lost or baked in is an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from .errors import ConversionError, UnsupportedError
from .visible import show_text

if TYPE_CHECKING:
    from .tensors import Tensor


class Trace(Protocol):
    """Who records a graph in order to compute it again for other values.

    Attributes:
        effects: whether `backward()` and assignments are part of what is recorded.
    """

    effects: bool

    @property
    def record(self) -> Callable[..., Any] | None:
        """Records an operation with its history; None is the default recorder."""

    def evaluate(self, primitive: Any, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Record an operation that needs no gradient, as under `no_grad`."""

    def look(self, tensor: Tensor, what: str) -> None:
        """Refuse if a value that is looked at would be baked into the graph."""

    def ask_kind(self, tensor: Tensor, what: str) -> None:
        """Refuse if it is asked what an argument is for which a tensor stands."""

    def refused(self, error: Exception) -> Exception:
        """Note an error that is raised since the trace cannot go on, and return it."""

    def is_number(self, tensor: Tensor) -> bool:
        """Whether a tensor stands for a Python number, which leaves the dtype of others alone."""

    def depends(self, owner: Any, attributes: Sequence[str] = ()) -> None:
        """Note that an object is read; given attributes must be what they are at this moment."""


LONGEST_NAME: Final = 200
"""Letters of a name that an error shows."""
tracing: Final[ContextVar[Trace | None]] = ContextVar("autograd_mini_tracing", default=None)
"""The trace that is under way: it must be asked before a value is looked at."""


def plain(tensor: Tensor, what: str) -> Any:
    """Return the value for a conversion out of the graph.

    Raises:
        ConversionError: if the tensor requires a gradient, which would be lost.
    """
    if tensor._requires_grad:
        raise ConversionError(
            f"{what} would lose the gradient of {describe(tensor)}; {cure(asking_scipy())}"
        )
    return looked_at(tensor, what)


def cure(scipy_functions: list[str]) -> str:
    """Say what to write instead of a conversion, given the SciPy functions that asked for it."""
    if not scipy_functions:
        return (
            "take t.item() or t.data for the plain value, np.stack / np.concatenate to join "
            "tensors, and np.tanh(t) instead of math.tanh(t)"
        )
    from .ops import special

    for name in scipy_functions:
        if name in special.__all__:
            return f"SciPy's {name} takes arrays only, so call am.special.{name}, which records"
    return f"SciPy's {scipy_functions[0]} takes arrays only, so give it t.data"


def asking_scipy() -> list[str]:
    """Return the names of the SciPy functions that are calling into this library, if any.

    SciPy's functions that are no ufuncs convert their arguments, and cannot be dispatched.
    """
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("autograd_mini."):
        frame = frame.f_back
    names: list[str] = []
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("scipy.", "numpy.")):
        if frame.f_globals["__name__"].startswith("scipy."):
            names.insert(0, frame.f_code.co_name)
        frame = frame.f_back
    return names


def looked_at(tensor: Tensor, what: str) -> Any:
    """Return the value for something that a trace could not see.

    Raises:
        ConversionError: if a trace is under way which would bake the value in.
    """
    trace = tracing.get()
    if trace is not None:
        trace.look(tensor, what)
    return tensor._value


def refuse_in_a_program(what: str, cure: str) -> None:
    """Raise UnsupportedError while a program is traced, which could not see that `what` changes."""
    trace = tracing.get()
    if trace is not None and trace.effects:
        error = f"compile: {what} may differ from call to call; {cure}"
        raise trace.refused(UnsupportedError(error))


def plain_value(x: Any) -> Any:
    """Return the array of a tensor, anything else as it is, without asking."""
    return getattr(x, "_value", x)


def describe(tensor: Tensor) -> str:
    """Name a tensor in an error: its name or operation, and its shape."""
    if tensor._primitive is not None:
        name = show_text(tensor.op.name, longest=LONGEST_NAME)  # type: ignore[union-attr]
        return f"{name} of shape {tensor.shape}"
    name = repr(tensor.name[:LONGEST_NAME] if tensor.name else tensor.serial)
    return f"leaf {name} of shape {tensor.shape}"
