"""What a computation costs: floating-point operations, memory, trained numbers and time.

A multiplication and an addition count one each. An elementary function of one number also counts
one, although it takes more time. Source of the formulas of linear algebra: Golub and Van Loan,
"Matrix Computations"; of the fast Fourier transform, 5·n·log₂ n: Cooley and Tukey 1965.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import log2, prod
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..errors import PictureError
from ..graphs.scopes import Part
from ..reading import Key, has_changed, has_values, key, operands
from ..texts import format_count
from ..wording.language import say, say_count
from .readings import Overlay, Reading

if TYPE_CHECKING:
    from autograd_mini.core.tensor import Tensor

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
REPEATS: Final = 5
"""Calls of an operation; the quickest counts. When the time is up, each is called once."""
TIME_BUDGET: Final = 2.0
"""Seconds for all calls of all operations together."""


class Memory(Overlay):
    """Bytes of the results. A result that shares the memory of an operand takes none."""

    title = "memory of the results"
    scale = "linear"

    def read_part(self, part: Part) -> Reading | None:
        """Return the bytes of all results of a part."""
        return self.reading(sum(map(result_bytes, part.operations)))

    def read_leaf(self, leaf: object) -> Reading | None:
        """Return the bytes of a leaf for its tooltip; only results have a colour."""
        size = _byte_size(leaf._value if isinstance(leaf, Tensor) else leaf)
        return Reading(tooltip=say("{size} of memory", size=self.format_value(size)))

    def reading(self, size: int) -> Reading:
        """Return the reading for a number of bytes."""
        return Reading(self.format_value(size), float(size))

    def format_value(self, value: float) -> str:
        """Write bytes in the largest unit that suits."""
        power = min(int(np.log2(max(value, 1)) // 10), len(UNITS) - 1)
        return f"{value / 1024**power:.3g} {UNITS[power]}"


def result_bytes(operation: Operation) -> int:
    """Return the bytes of an operation's results; a view of an operand takes none.

    If the values are absent, as in a program, or an operand was assigned after the recording, the
    primitive says which results are views.
    """
    taken = operands(operation)
    values = [x._value if isinstance(x, Tensor) else x for x in taken]
    results = [y._value for y in operation.outputs]
    changed = any(isinstance(x, Tensor) and has_changed(x, operation) for x in taken)
    if changed or any(type(y) is Absent for y in results):
        view = operation.primitive.view
        is_view = view(*values, **operation.params) if callable(view) else view
        return 0 if is_view else sum(map(_byte_size, results))
    arrays = [x for x in values if isinstance(x, np.ndarray)]
    return sum(_byte_size(y) for y in results if not any(np.may_share_memory(y, x) for x in arrays))


def _byte_size(value: Any) -> int:
    """Return the bytes of an array, or of an absent one with this shape and dtype."""
    dtype = getattr(value, "dtype", None)
    itemsize = np.asarray(value).dtype.itemsize if dtype is None else np.dtype(dtype).itemsize
    return int(np.prod(np.shape(value), dtype=np.int64)) * itemsize


class Parameters(Overlay):
    """How many trained numbers an operation or a scope takes as operands."""

    title = "trained numbers"
    scale = "linear"

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.users: dict[tuple[Key, str], list[int]] = defaultdict(list)
        for operation in graph.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and x.is_leaf:
                    self.users[key(x), operation.phase].append(operation.serial)

    def read_part(self, part: Part) -> Reading | None:
        """Count the numbers of the parameters that a part takes, each once."""
        found = {
            key(x): x.size
            for operation in part.operations
            for x in operands(operation)
            if isinstance(x, Tensor) and x.is_leaf and x.requires_grad
        }
        count = sum(found.values())
        if not count:
            return None
        inside = {operation.serial for operation in part.operations}
        phase = part.operations[0].phase
        shared = sum(
            size
            for name, size in found.items()
            if any(other not in inside for other in self.users[name, phase])
        )
        text = self.format_value(count)
        if shared:
            some = self._count(shared)
            text = (
                say("{numbers}, {some} of them shared", numbers=text, some=some)
                if shared < count
                else say("{numbers}, shared", numbers=text)
            )
        return Reading(
            text,
            float(count),
            say("what is shared is counted in each box that takes it") if shared else "",
        )

    def read_leaf(self, leaf: object) -> Reading | None:
        """Count the numbers of a parameter."""
        if not isinstance(leaf, Tensor) or not leaf.requires_grad:
            return None
        return Reading(self.format_value(leaf.size), float(leaf.size))

    def format_value(self, value: float) -> str:
        """Write a count with its noun."""
        return format_count(int(value), "number")

    def _count(self, value: int) -> str:
        """Write a count alone."""
        return f"{value:,}".replace(",", "\N{NO-BREAK SPACE}")


class Time(Overlay):
    """Seconds of each forward, the quickest of a few calls, and its share; random draws have 0."""

    title = "time of the forward"
    scale = "linear"

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError(
                "overlay='time' needs values, and a compiled program has none; draw what the "
                "function returns without am.compile"
            )
        self.seconds: dict[int, float] = {}
        end = perf_counter() + TIME_BUDGET
        with np.errstate(all="ignore"):
            for operation in graph.operations:
                if operation.primitive.effect:  # a draw would go on with the generator
                    self.seconds[operation.serial] = 0.0
                    continue
                calls = REPEATS if perf_counter() < end else 1
                self.seconds[operation.serial] = min(_time_forward(operation) for _ in range(calls))
        self.whole = sum(self.seconds.values())

    def read_part(self, part: Part) -> Reading | None:
        """Return the time of a part, and its share."""
        found = sum(self.seconds[operation.serial] for operation in part.operations)
        share = found / self.whole if self.whole else 0.0
        return Reading(f"{self.format_value(found)}, {share:.0%}", found)

    def format_value(self, value: float) -> str:
        """Write seconds in the unit that suits."""
        for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
            if value * factor >= 1:
                return f"{value * factor:.3g} {unit}"
        return f"{value * 1e9:.3g} ns"


def _time_forward(operation: Operation) -> float:
    """Return the seconds of one call of an operation's forward on its recorded operands."""
    taken: list[Any] = [x._value if isinstance(x, Tensor) else x for x in operands(operation)]
    forward, params = operation.primitive.forward, operation.params
    started = perf_counter()
    forward(*taken, **params)
    return perf_counter() - started


PREFIXES: Final = ("", "k", "M", "G", "T", "P")
MOVING: Final = frozenset(
    [
        "alias",
        "roll",
        "copy",
        "conjugate",
        "real",
        "imag",
        "cast",
        "broadcast_to",
        "reshape",
        "transpose",
        "expand_dims",
        "squeeze",
        "getitem",
        "set_at",
        "concatenate",
        "stack",
        "split",
        "unstack",
        "stop_gradient",
        "assign",
    ]
)
"""Operations that move numbers and compute nothing."""
READING: Final = frozenset(
    [
        "sum",
        "mean",
        "cumsum",
        "cumprod",
        "prod",
        "max",
        "min",
        "argmax",
        "argmin",
        "nanargmax",
        "nanargmin",
        "all",
        "any",
        "count_nonzero",
        "scatter",
        "searchsorted",
        "digitize",
        "round",
        "around",
    ]
)
"""Operations that read each number of their first operand once."""


def _count_elements(x: Tensor) -> int:
    """Return how many numbers a tensor holds."""
    return int(x.size)


def _matmul_flops(operation: Operation) -> float:
    """Return 2·m·n·k, for a matrix product."""
    return 2.0 * _count_elements(operation.outputs[0]) * (operation.inputs[0].shape or (1,))[-1]


def _einsum_flops(operation: Operation) -> float:
    """Count the products and sums of an einsum: all index lengths multiplied, per operand."""
    lengths: dict[str, int] = {}
    for letters, x in zip(operation.params["inputs"], operation.inputs, strict=True):
        named = letters.replace(".", "")
        lengths.update(zip(named, x.shape[len(x.shape) - len(named) :], strict=True))
    made = operation.params["output"]
    operands = len(operation.inputs)
    summed = set(lengths) - set(made)
    return float(prod(lengths.values()) * max(operands if summed else operands - 1, 0))


def _fft_flops(operation: Operation) -> float:
    """Return 5·n·log₂ n, for each Fourier transform."""
    y, x = operation.outputs[0], operation.inputs[0]
    n = max(y.shape[-1], x.shape[-1], 1)
    return 5.0 * max(_count_elements(y), _count_elements(x)) * log2(max(n, 2))


def _cubic_flops(factor: float) -> Callable[[Operation], float]:
    """Return a formula: factor·n³ for each square matrix, factor·m·n² for m×n with n ≤ m."""

    def formula(operation: Operation) -> float:
        x = operation.inputs[0]
        m, n = x.shape[-2:]
        return factor * _count_elements(x) * min(m, n)

    return formula


def _solve_flops(operation: Operation) -> float:
    """Return 2/3·n³ for the factors and 2·n² for each right-hand side."""
    a, y = operation.inputs[0], operation.outputs[0]
    return _cubic_flops(2 / 3)(operation) + 2.0 * _count_elements(y) * a.shape[-1]


FORMULAS: Final[dict[str, Callable[[Operation], float]]] = {
    "matmul": _matmul_flops,
    "einsum": _einsum_flops,
    "convolve": lambda op: 2.0 * _count_elements(op.inputs[0]) * _count_elements(op.inputs[1]),
    "fft": _fft_flops,
    "ifft": _fft_flops,
    "rfft": _fft_flops,
    "irfft": _fft_flops,
    "inv": _cubic_flops(2.0),
    "det": _cubic_flops(2 / 3),
    "slogdet": _cubic_flops(2 / 3),
    "solve": _solve_flops,
    "cholesky": _cubic_flops(1 / 3),
    "qr": _cubic_flops(4 / 3),
    "svd": _cubic_flops(22.0),
    "svdvals": _cubic_flops(4 / 3),
    "pinv": _cubic_flops(22.0),
    "eigh": _cubic_flops(9.0),
    "eigvalsh": _cubic_flops(4 / 3),
    "eig": _cubic_flops(25.0),
    "eigvals": _cubic_flops(10.0),
    "std": lambda op: 4.0 * _count_elements(op.inputs[0]),
    "add_n": lambda op: float(_count_elements(op.outputs[0]) * (len(op.inputs) - 1)),
}


def count_flops(operation: Operation) -> float | None:
    """Return the number of floating-point operations, None if no formula is known.

    >>> import numpy as np, autograd_mini as am
    >>> count_flops((am.tensor(np.ones((2, 3))) @ np.ones((3, 4))).op)
    48.0
    """
    name = operation.type
    if name in FORMULAS:
        return FORMULAS[name](operation)
    if name in MOVING:
        return 0.0
    if name in READING:
        return float(_count_elements(operation.inputs[0]))
    if operation.primitive.kind == "elementwise":
        return float(_count_elements(operation.outputs[0]))
    return None


class Flops(Overlay):
    """Floating-point operations of the forward."""

    title = "floating-point operations"
    scale = "linear"

    def read_part(self, part: Part) -> Reading | None:
        """Return the sum over a part; the tooltip counts the operations without a formula."""
        found = [count_flops(operation) for operation in part.operations]
        known = [x for x in found if x is not None]
        if not known:
            tooltip = say("no formula for its floating-point operations")
            return Reading("? flop", tooltip=tooltip)
        missing = len(found) - len(known)
        tooltip = say_count("without {n} operation that no formula is known for", missing)
        return Reading(self.format_value(sum(known)), sum(known), tooltip if missing else "")

    def format_value(self, value: float) -> str:
        """Write a count with the prefix that suits."""
        power = min(max(int(log2(max(value, 1)) / log2(1000)), 0), len(PREFIXES) - 1)
        return f"{value / 1000**power:.3g} {PREFIXES[power]}flop"
