"""Who looks at a tensor in a trace, and what to write in its place."""

from __future__ import annotations

from types import FrameType
from typing import Final

from ..core.sites import in_library
from ..core.tensor import Tensor
from .observe import kind_questions, origin_of

PROTOCOLS: Final = frozenset({Tensor.__array_ufunc__.__code__, Tensor.__array_function__.__code__})
"""Where NumPy's functions come in."""

CURE: Final = "keep it a tensor, and look at the value outside of the compiled function"
WHOLE: Final = (
    "give a Python int, as int(n): it is static, and another one makes another program. As an "
    "index, take it of a tensor: am.tensor(table)[n]"
)
"""What to do where a NumPy integer is to be an axis, a size, a bound or a key."""
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
"""What to write in place of what looks at a value, by what that is called."""


def is_asked(frame: FrameType | None, what: str) -> bool:
    """Tell whether code outside of this library asks, in a frame that reads a class or a hash.

    NumPy's C code reads the class too, when it looks for whom to ask.
    """
    while frame is not None and frame.f_code.co_filename.startswith("<frozen abc"):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_name == "isscalar":
        return True
    if frame is None or origin_of(frame.f_code) == "library":
        return False
    return what == KEY or frame.f_lasti in kind_questions(frame.f_code)


def is_called_by_numpy(frame: FrameType | None) -> bool:
    """Tell whether a function of NumPy was called, and no operator, in code of this library."""
    while frame is not None and in_library(frame.f_code):
        if frame.f_code in PROTOCOLS:
            return True
        frame = frame.f_back
    return False
