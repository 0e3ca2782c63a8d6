"""Operations that only compiled programs have, first of all BLAS products that accumulate.

They are not listed in the table. `out ← alpha·a@b + beta·out` is done by the BLAS that NumPy has
loaded. NumPy's own products only overwrite, so `w -= rate * (x.T @ g)` takes three passes and an
array between them. BLAS does it in one: 0.9 against 2.1 µs for (2, 100) @ (100, 16), 0.8 of the
time for (784, 128) @ (128, 512).

The routine is Fortran's `sgemm`, not `cblas_sgemm`. Its arguments are addresses: they are made
once, and a factor can change behind its address. A library of 32-bit integers reads a 64-bit one
rightly on a little-endian machine. A product of (1, 1) matrices takes 0.6 µs this way; converting
fourteen values at each call took 1.1 µs.
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

from ..core.arrays import Array
from ..core.primitive import Primitive
from ..core.source_text import Written
from ..errors import ArgumentError, OperandError, ShapeError
from ..ops.indexing import fill_index, places, subscripts

KINDS: Final[dict[np.dtype[Any], str]] = {np.dtype(np.float32): "s", np.dtype(np.float64): "d"}
"""The dtypes that the products take, and the letter that their routines begin with."""

SPELLINGS: Final = ("scipy_{}_64_", "{}_64_", "scipy_{}_", "{}_", "{}")
"""How libraries call a Fortran routine: NumPy's wheels, 64-bit integers, everybody, MKL."""

BRIEF: Final = 2**18
"""Up to this many multiplications, 10 µs, a call keeps the GIL: giving it away and getting it back
costs 0.1 µs alone, and a wait of up to `sys.getswitchinterval` if another thread takes it."""

LARGEST: Final = 2**31 - 1
"""The largest size or distance between rows that every library accepts."""


@dataclass(frozen=True)
class Library:
    """A loaded BLAS: the same routines twice, by name as `sgemm`.

    Attributes:
        keeping: called without giving the GIL away.
        releasing: while one of these runs, other threads run Python.
    """

    keeping: dict[str, Any]
    releasing: dict[str, Any]

    def routine(self, name: str, multiplications: int) -> Callable[..., object]:
        """Return a routine for a call of this many multiplications."""
        return (self.keeping if multiplications <= BRIEF else self.releasing)[name]


@cache
def find_blas() -> Library | None:
    """Return NumPy's BLAS, or None if it cannot be called: then NumPy multiplies.

    A symbol looked up in NumPy's compiled module is found in the library to which that module is
    linked, even if other libraries (SciPy's, PyTorch's) are loaded too. Some systems, as Windows,
    do not search linked libraries; there it is the library next to NumPy. A library is used only
    after a test on small matrices.
    """
    if sys.byteorder != "little" or sys.maxsize < 2**32:
        return None
    for path in blas_files():
        try:
            found = Library(_find_routines(ctypes.PyDLL(path)), _find_routines(ctypes.CDLL(path)))
        except (OSError, AttributeError):
            continue
        if all(_multiplies_rightly(found, dtype) for dtype in KINDS):
            return found
    return None


def blas_files() -> Iterator[str]:
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


def _find_routines(opened: ctypes.CDLL) -> dict[str, object]:
    """Look the routines up in an opened library; AttributeError if it lacks one."""
    return {
        kind + name: find_routine(opened, kind + name)
        for kind in KINDS.values()
        for name in ("gemm", "gemv")
    }


def find_routine(opened: ctypes.CDLL, name: str) -> Callable[..., object]:
    """Look one routine up under all its spellings."""
    for spelling in SPELLINGS:
        found = getattr(opened, spelling.format(name), None)
        if found is not None:
            found.restype = None
            return found
    raise AttributeError(f"no BLAS routine {name}")


def _multiplies_rightly(found: Library, dtype: np.dtype[np.generic]) -> bool:
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


def make_factor(dtype: np.dtype[np.generic], value: float) -> ctypes.c_float | ctypes.c_double:
    """Make a factor that can be set between calls."""
    return ctypes.c_float(value) if dtype == np.float32 else ctypes.c_double(value)


def matrix_layout(x: np.ndarray) -> tuple[bytes, int] | None:
    """Return how BLAS reads a matrix: b"N" by rows or b"T" by columns, and their distance.

    None if it cannot: no axis is contiguous, or the other axis goes backwards or has no stride.
    """
    for letter, y in ((b"N", x), (b"T", x.T)):
        rows, columns = y.shape
        apart, rest = divmod(y.strides[0] if rows > 1 else x.itemsize * columns, x.itemsize)
        unit = columns == 1 or y.strides[1] == x.itemsize
        if unit and rest == 0 and columns <= apart <= LARGEST and rows <= LARGEST:
            return letter, apart
    return None


def _vector_layout(x: np.ndarray) -> int | None:
    """Return the distance of a vector's elements, or None if BLAS cannot read the vector."""
    apart, rest = divmod(x.strides[0] if len(x) > 1 else x.itemsize, x.itemsize)
    return apart if rest == 0 and 0 < apart <= LARGEST else None


def bind_gemm(
    found: Library, a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: object, beta: float
) -> Callable[[], object] | None:
    """Prepare out ← alpha·a@b + beta·out of matrices; None if BLAS cannot read one of them.

    Fortran's matrices are by columns, so it is asked for outᵀ ← alpha·bᵀ@aᵀ + beta·outᵀ.
    """
    left, right, result = matrix_layout(a), matrix_layout(b), matrix_layout(out)
    if left is None or right is None or result is None:
        return None
    if result[0] == b"T":
        return bind_gemm(found, b.T, a.T, out.T, alpha, beta)
    (rows, inner), columns = a.shape, b.shape[1]
    return _bind_arguments(
        found.routine(KINDS[a.dtype] + "gemm", rows * inner * columns),
        *(right[0], left[0], columns, rows, inner, alpha, b, right[1], a, left[1]),
        *(make_factor(a.dtype, beta), out, result[1]),
    )


def bind_gemv(
    found: Library, a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: object, beta: float
) -> Callable[[], object] | None:
    """Prepare out ← alpha·a@b + beta·out where b has one column or a has one row; as `bind_gemm`.

    A quarter of `bind_gemm`'s time at (1, 784) @ (784, 128).
    """
    if b.shape[1] != 1:
        a, b, out = b.T, a.T, out.T
    layout = matrix_layout(a)
    step, result_step = _vector_layout(b[:, 0]), _vector_layout(out[:, 0])
    if layout is None or step is None or result_step is None:
        return None
    stored = a.T if layout[0] == b"N" else a
    return _bind_arguments(
        found.routine(KINDS[a.dtype] + "gemv", a.size),
        *(b"T" if layout[0] == b"N" else b"N", *stored.shape, alpha, a, layout[1]),
        *(b, step, make_factor(a.dtype, beta), out, result_step),
    )


def _bind_arguments(function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    """Bind a routine to its arguments, which live as long as the result."""
    bound = partial(function, *map(_address_of, arguments))
    bound.arrays = arguments  # type: ignore[attr-defined]  # an address does not keep its array
    return bound


def _address_of(argument: Any) -> object:
    """Make the address of an argument, in the form that ctypes passes on without converting it."""
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p.from_param(argument.ctypes.data)
    if isinstance(argument, bytes):
        return ctypes.byref(ctypes.c_char(argument))
    if isinstance(argument, int):
        return ctypes.byref(ctypes.c_int64(argument))
    return ctypes.byref(argument)


# ── accumulating products ─────────────────────────────────────────────────────────────────────────
# BLAS computes them; NumPy does where BLAS cannot take the arrays. Both mean the same.
def gemm(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, alpha: float = 1.0, beta: float = 0.0
) -> None:
    """Set out ← alpha·a@b + beta·out.

    Args:
        a, b: arrays of any layout and dtype, with shapes that `np.matmul` takes.
        out: an array of the product's shape; with beta = 0 it is not read, so it may be
            uninitialised. It may overlap with a and b.
        alpha, beta: real numbers. Zero times infinity is NaN, as everywhere in NumPy.

    Raises:
        OperandError: a, b or out is not an array, or out's dtype cannot hold the product.
        ShapeError: the shapes do not fit.
        ArgumentError: out is read-only.
    """
    prepare_product(a, b, out, float(alpha), beta)()


def prepare_product(
    a: np.ndarray,
    b: np.ndarray,
    out: np.ndarray,
    alpha: float | np.ndarray = 1.0,
    beta: float = 0.0,
) -> Callable[[], object]:
    """Prepare `gemm` of three arrays, which stay where they are: a function to call many times.

    Everything is checked and converted here, so that a call takes the time of the product and
    0.5 µs. It reads what the arrays hold when it is called, and keeps them alive. Calls in several
    threads do not disturb each other if their outs differ; small products keep the GIL, others
    release it. Arguments and errors as for `gemm`.

    Args:
        a, b, out, beta: as for `gemm`.
        alpha: a number, or an array without axes of out's dtype, which is read at each call. BLAS
            does not look at a and b where that array holds 0.
    """
    _refuse_operands(a, b, out)
    beta = float(beta)  # a NumPy scalar would make float64 of float32
    plain = _prepare_with_numpy(a, b, out, beta)
    varies = isinstance(alpha, np.ndarray)
    if not varies and alpha == 0:  # BLAS would not look at a and b, and miss their NaN
        return lambda: plain(alpha)
    if can_use_blas(a, b, out):
        found = find_blas()
        factor = alpha if isinstance(alpha, np.ndarray) else make_factor(out.dtype, alpha)
        matrices = _as_matrices(a, b, out)
        vector = 1 in (a.ndim, b.ndim) or 1 in out.shape
        routine = bind_gemv if vector else bind_gemm
        run = routine(found, *matrices, factor, beta) if found else None
        if run is not None:
            return run
    return lambda: plain(alpha)


def _prepare_with_numpy(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, beta: float
) -> Callable[[float | np.ndarray], None]:
    """Prepare the product by NumPy alone, as a function of alpha."""
    direct = (
        beta == 0
        and out.dtype == np.result_type(a, b)
        and out.dtype.kind in "fc"
        and not _may_overlap(a, b, out)
    )

    def call(alpha: float | np.ndarray) -> None:
        alpha = float(alpha)
        if direct:
            np.matmul(a, b, out=out)
            if alpha != 1:
                np.multiply(out, alpha, out=out)
            return
        product = np.matmul(a, b)
        if alpha != 1:
            product = product * alpha
        if beta != 0:
            product = product + (out if beta == 1 else out * beta)
        if not np.can_cast(product.dtype, out.dtype, "same_kind"):
            raise OperandError(
                f"gemm: {product.dtype} numbers do not go into an {out.dtype} out; "
                f"give an out of {product.dtype}"
            )
        out[...] = product

    return call


def _refuse_operands(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Refuse operands that cannot be multiplied."""
    for name, x in (("a", a), ("b", b), ("out", out)):
        if not isinstance(x, np.ndarray):
            raise OperandError(f"gemm: {name} is a {type(x).__name__}; give a NumPy array")
    try:
        shape = _product_shape(a.shape, b.shape)
    except ValueError:
        raise ShapeError(
            f"gemm: {a.shape} and {b.shape} cannot be multiplied; the last axis of a must be as "
            "long as the last but one of b, and further axes in front must broadcast"
        ) from None
    if out.shape != shape:
        raise ShapeError(
            f"gemm: out has shape {out.shape}, {a.shape} @ {b.shape} has {shape}; give such an out"
        )
    if not out.flags.writeable:
        raise ArgumentError("gemm: out is read-only; give an array that may be written")


def _product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a product; ValueError if there is none."""
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ValueError
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    return np.broadcast_shapes(a[:-2], b[:-2]) + rows + columns


def can_use_blas(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Whether BLAS takes such arrays: real, of one dtype, at most matrices, none of them empty."""
    arrays = (a, b, out)
    return (
        out.dtype in KINDS
        and all(type(x) is np.ndarray and x.dtype == out.dtype for x in arrays)
        and all(x.ndim <= 2 and x.size > 0 and x.flags.aligned for x in arrays)
        and not _may_overlap(a, b, out)
    )


def _may_overlap(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> bool:
    """Whether writing out might change an operand that is still to be read."""
    return np.may_share_memory(out, a) or np.may_share_memory(out, b)


def _as_matrices(
    a: np.ndarray, b: np.ndarray, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """View vectors as a matrix of one row (a) or of one column (b), and out accordingly."""
    rows, columns = a.ndim > 1, b.ndim > 1
    if not rows and not columns:
        out = out[None]
    if not rows:
        a, out = a[None], out[None]
    elif not columns:
        out = out[:, None]
    return a, b if columns else b[:, None], out


Index = tuple[object, ...]
FUSED_OPS: Final[dict[str, Primitive]] = {}
"""The operations below, by name."""


def declare_operation(
    name: str, forward: Callable[..., object], symbol: str, doc: str, **fields: Any
) -> Primitive:
    """Declare an operation of the compiler's own: few have a gradient, since nothing records it."""
    fields = {"vjp": None} | fields
    return Primitive(
        name=name, forward=forward, symbol=symbol, doc=doc, kind="general", samples=(),
        listed=False, **fields,
    )  # fmt: skip


def _declare_fused(
    name: str, forward: Callable[..., object], symbol: str, doc: str, **fields: object
) -> Primitive:
    """Declare an operation that passes know by its name."""
    made = FUSED_OPS[name] = declare_operation(name, forward, symbol, doc, **fields)
    return made


def add_terms(*terms: Array) -> Array:
    """Add terms of one shape and dtype, from left to right."""
    total = terms[0] + terms[1]
    for x in terms[2:]:
        total = total + x
    return total


def _write_add_terms(out: Written, a: Written, b: Written, *terms: Written) -> list[str]:
    """Add one term after the other to a sum in an array."""
    first = f"np.add({a}, {b}, out={out})"
    return [first, *(f"np.add({out}, {x}, out={out})" for x in terms)]


add_n: Final = _declare_fused(
    "add_n",
    add_terms,
    "Σ",
    "The sum of its operands, all of one shape and dtype.",
    code=lambda *terms: " + ".join(map(str, terms)) if len(terms) <= 8 else None,
    into=_write_add_terms,
)


affine: Final = _declare_fused(
    "affine",
    lambda x, weight, bias: np.matmul(x, weight) + bias,
    "@ +",
    "x·W + b, with b added to each row.",
    code=lambda x, weight, bias: f"{x} @ {weight} + {bias}",
    into=lambda out, x, w, b: [f"np.matmul({x}, {w}, out={out})", f"np.add({out}, {b}, out={out})"],
)


def accumulate(
    c: np.ndarray, a: np.ndarray | None, b: np.ndarray, factor: float, *, negative: bool
) -> np.ndarray:
    """Compute c ± factor·a·b; without an a it is a row of ones."""
    product = c.dtype.type(factor) * np.matmul(np.ones(len(b), b.dtype) if a is None else a, b)
    return c - product if negative else c + product


def _write_accumulate(c: Written, a: Written, b: Written, factor: Written, negative: bool) -> str:
    """Write c ± factor·a·b."""
    product = f"np.add.reduce({b}, axis=0)" if a.text == "None" else f"({a} @ {b})"
    scale = factor.text if factor.dtype == c.dtype else f"{c}.dtype.type({factor})"
    return f"np.{'subtract' if negative else 'add'}({c}, {scale} * {product})"


accumulated: Final = _declare_fused(
    "accumulated",
    accumulate,
    "+ @",
    "c ± factor·a·b, computed in c's place.",
    params=("negative",),
    code=_write_accumulate,
)
column_sums: Final = _declare_fused(
    "column_sums",
    lambda x: np.matmul(np.ones(len(x), x.dtype), x),
    "Σ",
    "The sum of each column of a matrix, as a product with a row of ones.",
    code=lambda x: f"np.add.reduce({x}, axis=0)",
)
row_sums: Final = _declare_fused(
    "row_sums",
    lambda x, *, keepdims: np.matmul(x, np.ones(x.shape[1:] + (1,) * keepdims, x.dtype)),
    "Σ",
    "The sum of each row of a matrix, as a product with a column of ones.",
    params=("keepdims",),
    code=lambda x, keepdims: f"np.add.reduce({x}, axis=1, keepdims={keepdims})",
)
dot: Final = _declare_fused(
    "dot",
    lambda x, y: np.vdot(x, y),
    "·",
    "Σ x·y over all elements of two real arrays of one shape.",
    code=lambda x, y: f"np.vdot({x}, {y})",
)


picked: Final = _declare_fused(
    "picked",
    lambda x, places: x.reshape(-1)[places],
    "[ ]",
    "The elements of x at places counted through all of it.",
    code=lambda x, places: f"{x}.reshape(-1)[{places}]",
)


def added_in_copy(x: np.ndarray, g: np.ndarray, index: Any, unique: bool) -> np.ndarray:
    """Copy x, and add g at an index, once for each time that a place is named."""
    result = np.array(x)
    if unique:
        result[index] += g
    else:
        np.add.at(result, index, g)
    return result


def _add_at(
    x: np.ndarray, g: np.ndarray, *arrays: object, index: Index, unique: bool, flat: bool
) -> np.ndarray:
    """Add at an index that has its arrays as operands; if `flat`, of all elements in a row."""
    row = x.reshape(-1) if flat else x
    return added_in_copy(row, g, fill_index(index, arrays), unique).reshape(x.shape)


def _write_added_at(
    x: Written, g: Written, *arrays: Written, index: Index, unique: bool, flat: bool
) -> str:
    """Write it as a call."""
    row = f"{x}.reshape(-1)" if flat else f"{x}"
    call = f"added_in_copy({row}, {g}, {places(index, arrays)}, {unique})"
    return f"{call}.reshape({x}.shape)" if flat else call


def _write_added_at_into(
    out: Written, x: Written, g: Written, *arrays: Written, index: Index, unique: bool, flat: bool
) -> list[str]:
    """Write the addition at an index, in x's place if the result is to be there."""
    copied = [] if out.text == x.text else [f"{out}[...] = {x}"]
    target = f"{out}.reshape(-1)" if flat else f"{out}"
    if unique:
        return [*copied, f"{target}[{subscripts(index, arrays)}] += {g}"]
    return [*copied, f"np.add.at({target}, {places(index, arrays)}, {g})"]


added_at: Final = _declare_fused(
    "added_at",
    _add_at,
    "[ ]+",
    "x with g added at an index.",
    params=("index", "unique", "flat"),
    code=_write_added_at,
    into=_write_added_at_into,
)


scalar: Final = _declare_fused(
    "scalar",
    lambda x: np.asarray(x)[()],
    "=",
    "A Python number as a NumPy scalar of the default dtype.",
    code=lambda x: f"np.asarray({x})[()]",
)


def _split_vector(x: np.ndarray, *, shapes: tuple[tuple[int, ...], ...]) -> tuple[object, ...]:
    """Cut a vector into arrays of these shapes, one after the other."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return tuple(
        part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)
    )


flat: Final = _declare_fused(
    "flat",
    lambda *xs: np.concatenate([x.reshape(-1) for x in xs]),
    "flat",
    "All elements of its operands, one after the other.",
    code=lambda *xs: f"np.concatenate([{', '.join(f'{x}.reshape(-1)' for x in xs)}])",
)
parts: Final = _declare_fused(
    "parts",
    _split_vector,
    "parts",
    "A vector cut into arrays, which show its memory.",
    params=("shapes",),
    multiple=True,
)
