"""Read a tensor's value; raise where that would lose a gradient or freeze a value in a trace."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from ..errors import ConversionError, UnsupportedError
from .contexts import Recorder
from .table import later, table
from .visible import show_text


class Vertex(Protocol):
    """The parts of a tensor that this module uses."""

    _value: Any
    _requires_grad: bool
    _primitive: Any
    name: str | None
    serial: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""

    @property
    def op(self) -> Any:
        """The operation that made it."""


class Trace(Protocol):
    """An interpreter of primitives that records a graph, to compute it again for other values.

    Attributes:
        effects: whether `backward()` and assignments are part of what is recorded.
    """

    effects: bool

    @property
    def record(self) -> Recorder | None:
        """Records an operation with its history; None is the default recorder."""

    def evaluate(
        self, primitive: Any, operands: tuple[object, ...], params: dict[str, object]
    ) -> Any:
        """Record an operation that needs no gradient, as under `no_grad`."""

    def look(self, tensor: Any, what: str) -> None:
        """Raise if reading this value would freeze it in the graph."""

    def ask_kind(self, tensor: Any, what: str) -> None:
        """Raise if the program asks for the type of an argument that a tensor stands in for."""

    def refuse_write(self, tensor: Any) -> None:
        """Raise if an in-place operator would write into an array that the caller gave."""

    def note_text(self, text: str) -> None:
        """Remember a text that shows a value."""

    def note_refusal(self, error: Exception) -> Exception:
        """Remember the error that ends the trace, and return it."""

    def is_number(self, tensor: Any) -> bool:
        """Whether a tensor stands for a Python number, which leaves the dtype of others alone."""

    def depends(self, owner: object, attributes: Sequence[str] = ()) -> None:
        """Note that the program reads an object; the attributes must keep their present values."""


Marked = TypeVar("Marked")
MARK: Final = "_reads_no_elements"


def reads_no_elements(x: Marked) -> Marked:
    """Mark a function or class that uses arrays only as operands and never reads their elements.

    A compiled function that gives it an array need not watch the elements.
    """
    setattr(x, MARK, True)
    return x


LONGEST_NAME: Final = 200
"""Letters of a name that an error shows."""
tracing: Final[ContextVar[Trace | None]] = ContextVar("autograd_mini_tracing", default=None)
"""The trace in progress. Ask it before you read a value."""


def value_or_refuse(tensor: Vertex, what: str) -> Any:
    """Return a tensor's value for a conversion; the result has no gradient.

    Raises:
        ConversionError: if the tensor requires a gradient, which would be lost.
    """
    if tensor._requires_grad:
        raise ConversionError(
            f"{what} would lose the gradient of {describe(tensor)}; {_advice_for_conversion()}"
        )
    return read_value(tensor, what)


OWN = "am.primitive makes it an operation, with the derivative that you give"
LIBRARIES = {
    "pandas": "pandas computes with plain arrays; give x.to_numpy() in place of a Series or frame",
    "xarray": "xarray converts here; give x.to_numpy() in place of the DataArray",
    "numpy.ma": (
        "masked arrays are not recorded; give x.filled(0) and multiply by the weights "
        "~np.ma.getmaskarray(x)"
    ),
}


def _advice_for_conversion() -> str:
    """Say what to write instead of a conversion; it depends on the library that converts."""
    frames = list(_calling_frames())
    for frame in frames:
        module = frame.f_globals.get("__name__", "")
        for library, advice in LIBRARIES.items():
            if f"{module}.".startswith(f"{library}."):
                return advice
    for frame in reversed(frames):
        if name := _scipy_function(frame):
            return _cure_for_scipy(name)
    return (
        "t.item() and t.data are constants without a gradient; np.stack / np.concatenate join "
        f"tensors, np.tanh(t) records where math.tanh(t) does not, and of other functions {OWN}"
    )


def _cure_for_scipy(name: str) -> str:
    """Name what records in place of a SciPy function, given as linalg.norm."""
    package, _, function = name.partition(".")
    about = f"SciPy's {function} takes arrays only"
    if package == "special" and function in later["scipy.special"]().__all__:
        return f"{about}, so call am.special.{function}, which records"
    space = {"linalg": np.linalg, "fft": np.fft, "integrate": np}.get(package)
    if getattr(space, function, None) in table:
        prefix = "np" if space is np else f"np.{package}"
        return f"{about}; {prefix}.{function} records (its arguments may differ)"
    return f"{about}; {OWN}. Of t.data it gives a constant, without a gradient"


def _calling_frames() -> Iterator[FrameType]:
    """Yield the frames outside of this library that asked for a value, up to the user's.

    SciPy's functions that are not ufuncs convert their arguments, so no tensor can answer.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").startswith("autograd_mini."):
        frame = frame.f_back
    while frame and frame.f_globals.get("__name__", "").startswith(
        ("scipy.", "numpy.", "pandas.", "xarray.")
    ):
        yield frame
        frame = frame.f_back


def _scipy_function(frame: FrameType) -> str | None:
    """Return the public function of SciPy that a frame belongs to, as linalg.norm.

    A wrapper has the function in a variable; a method names its class.
    """
    parts = frame.f_globals.get("__name__", "").split(".")
    public = sys.modules.get(".".join(parts[:2])) if parts[0] == "scipy" else None
    if public is None:
        return None
    inside = [v for v in frame.f_locals.values() if callable(v)]
    names = [frame.f_code.co_name, *(getattr(v, "__name__", "") for v in inside)]
    names.append(type(frame.f_locals.get("self")).__name__)
    for name in names:
        if not name.startswith("_") and hasattr(public, name):
            return f"{parts[1]}.{name}"
    return None


def note_text(text: str) -> str:
    """Return a text that shows a value; a trace remembers the text."""
    trace = tracing.get()
    if trace is not None:
        trace.note_text(text)
    return text


def read_value(tensor: Vertex, what: str) -> Any:
    """Return a tensor's value where a trace could not follow its use.

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
        raise trace.note_refusal(UnsupportedError(error))


def plain_value(x: object) -> Any:
    """Return the array of a tensor, anything else as it is, without asking."""
    return getattr(x, "_value", x)


def describe(tensor: Vertex) -> str:
    """Name a tensor in an error: its name or operation, and its shape."""
    if tensor._primitive is not None:
        name = show_text(tensor.op.name, longest=LONGEST_NAME)
        return f"{name} of shape {tensor.shape}"
    name = repr(tensor.name[:LONGEST_NAME] if tensor.name else tensor.serial)
    return f"leaf {name} of shape {tensor.shape}"
