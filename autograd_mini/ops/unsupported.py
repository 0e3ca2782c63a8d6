"""The functions of NumPy that leave no record: why, and what to write instead.

Some have nothing to differentiate by their nature; some could have, and are not supported. Names
are as in NumPy, with `linalg.` or `fft.` in front where they live there. The errors for tensors and
`docs/coverage.md` both say what stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

NATURE: Final[dict[str, str]] = {
    "makes an array from sizes and plain numbers": (
        "arange bartlett blackman diag_indices empty eye hamming hanning identity indices "
        "mask_indices ones tri tril_indices triu_indices zeros"
    ),
    "calls a function of yours, which gets plain indices or objects": "frompyfunc fromfunction",
    "reads or writes files and buffers": (
        "frombuffer fromfile fromregex fromstring genfromtxt load loadtxt save savetxt savez "
        "savez_compressed"
    ),
    "writes text": (
        "array2string array_repr array_str base_repr binary_repr format_float_positional "
        "format_float_scientific get_printoptions info printoptions set_printoptions typename"
    ),
    "reads or changes NumPy's settings": (
        "fft.test get_include getbufsize geterr geterrcall linalg.test setbufsize seterr "
        "seterrcall show_config show_runtime test"
    ),
    "answers a question about dtypes": (
        "can_cast common_type iscomplexobj isdtype isrealobj issubdtype min_scalar_type "
        "mintypecode promote_types result_type"
    ),
    "answers a question about shapes, memory or kinds": (
        "broadcast_shapes isfortran isscalar iterable may_share_memory ndim nested_iters shape "
        "shares_memory size"
    ),
    "answers a question about values": ("allclose array_equal array_equiv"),
    "takes the shape of a tensor, and none of its values": "empty_like ones_like zeros_like",
    "returns places, which are integers": (
        "argwhere diag_indices_from flatnonzero ix_ lexsort nonzero ravel_multi_index "
        "tril_indices_from triu_indices_from unravel_index"
    ),
    "works on the bits of integers": "packbits unpackbits",
    "works on dates": (
        "busday_count busday_offset datetime_as_string datetime_data is_busday isnat"
    ),
}
"""Reason → the functions that have nothing to differentiate."""

PLAIN = "NumPy converts its argument to an array before a library can intercept it"
IN_PLACE = "it changes an array in place"
INSTEAD: Final[dict[str, tuple[str, str]]] = {
    "copyto": (IN_PLACE, "np.where(mask, new, old), or np.broadcast_to(t, shape) for np.full"),
    "fill_diagonal": (IN_PLACE, "am.set_at(a, np.diag_indices(n), values)"),
    "place": (IN_PLACE, "am.set_at(a, mask, values)"),
    "put": (IN_PLACE, "am.set_at(a.ravel(), indices, values).reshape(a.shape)"),
    "put_along_axis": (IN_PLACE, "am.set_at(a, index, values) with the index of all axes"),
    "putmask": (IN_PLACE, "np.where(mask, values, a)"),
    "array": (PLAIN, "np.stack of a list of tensors, t itself for one"),
    "asanyarray": (PLAIN, "t itself"),
    "asarray": (PLAIN, "t itself"),
    "asarray_chkfinite": (PLAIN, "t itself, and np.isfinite(t)"),
    "ascontiguousarray": (PLAIN, "np.copy(t)"),
    "asfortranarray": (PLAIN, "np.copy(t)"),
    "asmatrix": (PLAIN, "t itself, and @ for products"),
    "bmat": (PLAIN, "np.block"),
    "fft.fftfreq": (PLAIN, "np.fft.fftfreq(n) / d"),
    "fft.rfftfreq": (PLAIN, "np.fft.rfftfreq(n) / d"),
    "from_dlpack": (PLAIN, "t itself"),
    "fromiter": (PLAIN, "np.stack(list(…))"),
    "full": (PLAIN, "np.broadcast_to(t, shape)"),
    "kaiser": (PLAIN, "np.i0(beta * np.sqrt(1 - np.linspace(-1, 1, n) ** 2)) / np.i0(beta)"),
    "require": (PLAIN, "t itself"),
}
"""Function → why it is not supported, and what to write instead."""
CONSTANT: Final = "take t.data for the plain array, a constant"
CURE: Final = (
    "build it from recorded functions, or give it a derivative with am.primitive; t.data is a "
    "constant"
)


@dataclass(frozen=True)
class Reason:
    """Why a function leaves no record; `instead` is empty if there is nothing to differentiate."""

    text: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {f'write {self.instead}' if self.instead else CONSTANT}"


def function_of(name: str) -> Any:
    """Return NumPy's function of a name, None if this NumPy has none."""
    module, _, attribute = name.rpartition(".")
    return getattr(getattr(np, module) if module else np, attribute, None)


def reasons() -> Iterator[tuple[str, Reason]]:
    """Yield each function's name and the reason, those without anything to differentiate first."""
    for text, names in NATURE.items():
        for name in names.split():
            yield name, Reason(f"it {text}")
    for name, (text, instead) in INSTEAD.items():
        yield name, Reason(text, instead)


def why(function: object) -> str:
    """Say why a function of a tensor is not recorded, and what to do."""
    for name, reason in reasons():
        if function_of(name) is function:
            return f"is not recorded: {reason}"
    return f"is not recorded; {CURE}"
