"""The BLAS that NumPy has loaded: finding it, and calling its products of real matrices.

The routine is Fortran's, `sgemm` and not `cblas_sgemm`: its arguments are addresses, so they are
made once, a factor can change behind its address, and a library of 32-bit integers, too, reads a
64-bit one rightly on a little-endian machine. Called so, a product of (1, 1) matrices takes 0.6 µs;
converting fourteen values at each call took 1.1 µs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np

KINDS: Final[dict[np.dtype[Any], str]] = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}
"""The dtypes that the products take, and the letter that their routines begin with."""

SPELLINGS: Final = ("scipy_{}_64_", "{}_64_", "scipy_{}_", "{}_", "{}")
"""How libraries call a Fortran routine: NumPy's wheels, 64-bit integers, everybody, MKL."""

BRIEF: Final = 2**18
"""Up to so many multiplications, 10 µs, a call keeps the GIL: giving it away and getting it back
costs 0.1 µs alone, and a wait of up to `sys.getswitchinterval` if another thread takes it."""

LARGEST: Final = 2**31 - 1
"""The largest size or distance between rows that every library can be told."""


@dataclass(frozen=True)
class Library:
    """A loaded BLAS: the same routines twice, by name as `sgemm`.

    Attributes:
        keeping: called without giving the GIL away.
        releasing: while one of these runs, other threads run Python.
    """

    keeping: dict[str, Any]
    releasing: dict[str, Any]

    def routine(self, name: str, multiplications: int) -> Any:
        """Return a routine for a call of so many multiplications."""
        return (self.keeping if multiplications <= BRIEF else self.releasing)[name]


@cache
def find_blas() -> Library | None:
    """Return NumPy's BLAS, or None if there is none that can be called: then NumPy multiplies.

    Looking a symbol up in NumPy's compiled module finds it in the library that the module itself is
    linked to, whichever others (SciPy's, PyTorch's) are loaded beside it. Where the system does not
    look on into linked libraries, as on Windows, it is the one that lies beside NumPy. What was
    found is tried on small matrices before it is believed.
    """
    if sys.byteorder != "little" or sys.maxsize < 2**32:
        return None
    for path in library_paths():
        try:
            found = Library(find_routines(ctypes.PyDLL(path)), find_routines(ctypes.CDLL(path)))
        except (OSError, AttributeError):
            continue
        if all(multiplies_rightly(found, dtype) for dtype in KINDS):
            return found
    return None


def library_paths() -> Iterator[str]:
    """Name the files through which the library may be reached, the surest first."""
    module = sys.modules.get("numpy._core._multiarray_umath")
    if module is not None and module.__file__:
        yield module.__file__
    import threadpoolctl  # 10 ms, and only where the linker had no answer

    # A wheel keeps its libraries in numpy.libs beside numpy, or in numpy/.dylibs.
    here = Path(np.__file__).parent
    for pool in threadpoolctl.threadpool_info():
        path = Path(pool["filepath"])
        beside = path.is_relative_to(here) or path.is_relative_to(here.with_name("numpy.libs"))
        if pool["user_api"] == "blas" and beside:
            yield str(path)


def find_routines(opened: ctypes.CDLL) -> dict[str, Any]:
    """Look the routines up in an opened library; AttributeError if it lacks one."""
    return {
        kind + name: find_routine(opened, kind + name)
        for kind in KINDS.values()
        for name in ("gemm", "gemv")
    }


def find_routine(opened: ctypes.CDLL, name: str) -> Any:
    """Look one routine up under all its spellings."""
    for spelling in SPELLINGS:
        found = getattr(opened, spelling.format(name), None)
        if found is not None:
            found.restype = None
            return found
    raise AttributeError(f"no BLAS routine {name}")


def multiplies_rightly(found: Library, dtype: np.dtype[Any]) -> bool:
    """Try a library: whether its products are NumPy's."""
    a, b = np.arange(6, dtype=dtype).reshape(2, 3), np.arange(12, dtype=dtype).reshape(3, 4)
    whole, one = np.ones((2, 4), dtype), np.ones((2, 1), dtype)
    factor = make_factor(dtype, 2.0)
    for run in (
        bind_gemm(found, a, b, whole, factor, 1.0),
        bind_gemv(found, a, b[:, 1:2], one, factor, 1.0),
    ):
        assert run is not None, "the layouts are the plainest ones"
        run()
    right = 2 * (a @ b) + 1
    return np.array_equal(whole, right) and np.array_equal(one, right[:, 1:2])


def make_factor(dtype: np.dtype[Any], value: float) -> Any:
    """Make a factor in memory of its own, which may be set between calls."""
    return ctypes.c_float(value) if dtype == np.float32 else ctypes.c_double(value)


def matrix_layout(x: Any) -> tuple[bytes, int] | None:
    """Say how BLAS reads a matrix: b"N" by rows or b"T" by columns, and the distance between them.

    None: it cannot, since no axis is contiguous, or the other one goes backwards or stands still.
    """
    for letter, y in ((b"N", x), (b"T", x.T)):
        rows, columns = y.shape
        apart, rest = divmod(y.strides[0] if rows > 1 else x.itemsize * columns, x.itemsize)
        unit = columns == 1 or y.strides[1] == x.itemsize
        if unit and rest == 0 and columns <= apart <= LARGEST and rows <= LARGEST:
            return letter, apart
    return None


def vector_layout(x: Any) -> int | None:
    """Say how far apart the elements of a vector are for BLAS, or None if it cannot read it."""
    apart, rest = divmod(x.strides[0] if len(x) > 1 else x.itemsize, x.itemsize)
    return apart if rest == 0 and 0 < apart <= LARGEST else None


def bind_gemm(
    found: Library, a: Any, b: Any, out: Any, alpha: Any, beta: float
) -> Callable[[], None] | None:
    """Prepare out ← alpha·a@b + beta·out of matrices; None if BLAS cannot read one of them.

    Fortran's matrices are by columns, so it is asked for outᵀ ← alpha·bᵀ@aᵀ + beta·outᵀ.
    """
    left, right, result = matrix_layout(a), matrix_layout(b), matrix_layout(out)
    if left is None or right is None or result is None:
        return None
    if result[0] == b"T":
        return bind_gemm(found, b.T, a.T, out.T, alpha, beta)
    (rows, inner), columns = a.shape, b.shape[1]
    return bind_arguments(
        found.routine(KINDS[a.dtype] + "gemm", rows * inner * columns),
        *(right[0], left[0], columns, rows, inner, alpha, b, right[1], a, left[1]),
        *(make_factor(a.dtype, beta), out, result[1]),
    )


def bind_gemv(
    found: Library, a: Any, b: Any, out: Any, alpha: Any, beta: float
) -> Callable[[], None] | None:
    """Prepare out ← alpha·a@b + beta·out where b has one column or a has one row; as `gemm`.

    A quarter of `gemm`'s time at (1, 784) @ (784, 128).
    """
    if b.shape[1] != 1:
        a, b, out = b.T, a.T, out.T
    layout = matrix_layout(a)
    step, result_step = vector_layout(b[:, 0]), vector_layout(out[:, 0])
    if layout is None or step is None or result_step is None:
        return None
    stored = a.T if layout[0] == b"N" else a
    return bind_arguments(
        found.routine(KINDS[a.dtype] + "gemv", a.size),
        *(b"T" if layout[0] == b"N" else b"N", *stored.shape, alpha, a, layout[1]),
        *(b, step, make_factor(a.dtype, beta), out, result_step),
    )


def bind_arguments(function: Any, *arguments: Any) -> Callable[[], None]:
    """Bind a routine to its arguments, which live as long as the result."""
    bound = partial(function, *map(address_of, arguments))
    bound.arrays = arguments  # type: ignore[attr-defined]  # an address does not keep its array
    return bound


def address_of(argument: Any) -> Any:
    """Make the address of an argument, in the form that ctypes passes on without converting it."""
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p.from_param(argument.ctypes.data)
    if isinstance(argument, bytes):
        return ctypes.byref(ctypes.c_char(argument))
    if isinstance(argument, int):
        return ctypes.byref(ctypes.c_int64(argument))
    return ctypes.byref(argument)
