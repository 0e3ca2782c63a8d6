"""What a trace refuses: who looks at a tensor, the error, and what to write instead.

A program must do the same at each call. So a trace cannot go on where the function looks at a value
that may differ, or does something that a program would not do.
"""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Final

import numpy as np

from ..core.extraction import describe
from ..core.record import in_library, user_line
from ..core.tensor import Tensor
from ..errors import ConversionError, UnsupportedError
from .observe import kind_questions, origin_of

if TYPE_CHECKING:
    from ..core.primitive import Primitive

PROTOCOLS: Final = frozenset({Tensor.__array_ufunc__.__code__, Tensor.__array_function__.__code__})
"""Where NumPy's functions come in."""

CURE: Final = "keep it a tensor, and read the value outside of the compiled function"
WHOLE: Final = (
    "give a Python int, as int(n): it is static, and each value makes another program. To index, "
    "use a tensor: am.tensor(table)[n]"
)
"""The cure where a NumPy integer is used as an axis, a size, a bound or a key."""
KIND: Final = (
    "Ask for np.ndim(x), x.shape or x.dtype, which are the same for both, or decide outside of the "
    "compiled function"
)
KEY: Final = "x as the key of a dict"
CURES: Final = (
    ("a branch on t", "use np.where(condition, a, b), or branch outside of the compiled function"),
    ("t.item", CURE),
    ("np.asarray", "NumPy converts what is in a plain array or function: write am.tensor(table)[i] "
     "in place of table[i], np.stack([s, 1.0]) of np.array([s, 1.0]), s * np.ones(3) of "
     "np.full(3, s), np.where in place of a mask; sizes are Python ints"),
    ("float(t)", "use NumPy's functions, as np.sqrt(t) in place of math.sqrt(t)"),
    ("t.data", "use t itself. A leaf is changed with w.assign(w - …), or w -= … in no_grad, not "
     "with w.data -= …"),
    ("t as an index", "take it of a tensor: am.tensor(table)[i]; sizes and bounds are Python ints"),
    ("int(t)", "give a Python int as an argument: it is static"),
)  # fmt: skip
"""What to write instead of code that looks at a value, by the beginning of its description."""


def is_asked(frame: FrameType | None, what: str) -> bool:
    """Tell whether code outside of this library asks for a class or a hash in a frame.

    NumPy's C code reads the class too, to find an `__array_function__`.
    """
    while frame is not None and frame.f_code.co_filename.startswith("<frozen abc"):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_name == "isscalar":
        return True
    if frame is None or origin_of(frame.f_code) == "library":
        return False
    return what == KEY or frame.f_lasti in kind_questions(frame.f_code)


def is_called_by_numpy(frame: FrameType | None) -> bool:
    """Tell whether a function of NumPy led to this library, and not an operator."""
    while frame is not None and in_library(frame.f_code):
        if frame.f_code in PROTOCOLS:
            return True
        frame = frame.f_back
    return False


# ── errors ───────────────────────────────────────────────────────────────────────────────────────
def value_error(tensor: Tensor, what: str, is_argument: bool) -> ConversionError:
    """Return the error of code that looks at a value.

    Args:
        tensor: that it looks at.
        what: it does, as "float(t)".
        is_argument: whether the tensor is an argument of the function.
    """
    whole = tensor.dtype.kind in "iu" and not tensor.ndim
    if whole and is_argument and "branch" not in what:
        cure = WHOLE
    else:
        cure = next((cure for start, cure in CURES if what.startswith(start)), CURE)
    return ConversionError(
        f"compile: {what}, at {user_line()}, reads the value of {describe(tensor)}, which can "
        f"change between calls; {cure}"
    )


def kind_error(tensor: Tensor, what: str, is_number: bool) -> ConversionError:
    """Return the error of code that asks what an argument is, and finds a tensor."""
    given = "number" if is_number else "ndarray"
    return ConversionError(
        f"compile: {what.replace('x', tensor.name or 'x')}, at {user_line()}, sees a tensor in "
        f"place of the {given} that was given. " + (WHOLE if what == KEY else KIND)
    )


def caught_error(primitive: Primitive, error: Exception) -> UnsupportedError:
    """Return the error of a function that catches what an operation raised for these values."""
    return UnsupportedError(
        f"compile: {primitive.name}, at {user_line()}, raised {type(error).__name__} ({error}), "
        "which depends on values. The function caught the error and went on; a program would go "
        "this way at each call. Decide outside of the compiled function, or use np.where"
    )


def error_state_error(kind: str) -> UnsupportedError:
    """Return the error of a function that asks NumPy to raise at what is not finite."""
    return UnsupportedError(
        f"compile: the function asks NumPy to raise or call at {kind!r}, as np.errstate does, "
        f"before {user_line()}. A program does not raise; test with np.isfinite outside of the "
        "compiled function"
    )


def in_place_error(tensor: Tensor) -> UnsupportedError:
    """Return the error of `x *= 2` for an array that was given."""
    name = tensor.name or "x"
    return UnsupportedError(
        f"compile: an operator in place, at {user_line()}, would write into an argument of the "
        f"compiled function; write {name} = {name} * 2 instead of {name} *= 2"
    )


def text_error(text: str) -> UnsupportedError:
    """Return the error of a function that returns a text with a value in it."""
    return UnsupportedError(
        f"compile: the function returns {text!r:.60}, which shows a value that can change between "
        "calls; return the value, and make the text outside"
    )


def changed_array_error(array: np.ndarray, first_line: object) -> UnsupportedError:
    """Return the error of a large array that was written into between two operations."""
    return UnsupportedError(
        f"compile: an array of shape {array.shape} was written into between two operations "
        f"that use it, the first at {first_line}, the second at {user_line()}; give each operation "
        "a separate array, as with a.copy()"
    )


def recorder_error(tensor: Tensor) -> UnsupportedError:
    """Return the error of a tensor that another recorder has recorded in the call."""
    return UnsupportedError(
        f"compile: {describe(tensor)} was recorded by another recorder, as that of am.debug(); "
        "use that recorder outside of the compiled function"
    )


def assignment_error(tensor: Tensor) -> UnsupportedError:
    """Return the error of an argument that is assigned."""
    return UnsupportedError(
        f"compile: {describe(tensor)} is an argument of the compiled function and cannot be "
        "assigned in it; return the new value, or assign a tensor from outside"
    )


def earlier_gradient_error(tensor: Tensor) -> UnsupportedError:
    """Return the error of a gradient that was there before the call, and is read in it."""
    return UnsupportedError(
        f"compile: the gradient of {describe(tensor)} was there before the call and can change "
        "between calls; call backward() in the compiled function, too"
    )
