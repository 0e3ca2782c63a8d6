"""The number of floating-point operations.

A multiplication and an addition count one each. An elementary function of one number also counts
one, although it takes more time. Source of the formulas of linear algebra: Golub and Van Loan,
"Matrix Computations"; of the fast Fourier transform, 5·n·log₂ n: Cooley and Tukey 1965.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2, prod
from typing import TYPE_CHECKING, Final

from autograd_mini.core.record import Operation

from ..graphs.parts import Part
from ..texts import format_count
from .readings import Overlay, Reading

if TYPE_CHECKING:
    from autograd_mini.core.tensor import Tensor

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
            return Reading("? flop", tooltip="no formula for its floating-point operations")
        missing = len(found) - len(known)
        tooltip = f"without {format_count(missing, 'operation')} that no formula is known for"
        return Reading(self.format_value(sum(known)), sum(known), tooltip if missing else "")

    def format_value(self, value: float) -> str:
        """Write a count with the prefix that suits."""
        power = min(max(int(log2(max(value, 1)) / log2(1000)), 0), len(PREFIXES) - 1)
        return f"{value / 1000**power:.3g} {PREFIXES[power]}flop"
