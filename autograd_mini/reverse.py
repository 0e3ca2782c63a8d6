"""The reverse walk: from outputs to leaves, one rule after the other.

There is one walk. With plain arrays it computes gradients; with tensors it records them, so that
they can be differentiated again. Operations are visited in falling order of serial, the order in
which nothing is visited before all its consumers; a heap holds the frontier only, so a graph of a
million operations needs neither recursion nor a list of itself.

Complex numbers: inside the walk a cotangent g acts on a tangent t by Re Σ g·t, without conjugates,
so the rule of a holomorphic function reads as for real numbers. Outside, gradients are PyTorch's:
∂L/∂(Re z) + i·∂L/∂(Im z). The two differ by a conjugation, done where cotangents enter and leave.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .arrays import as_array
from .errors import (
    AutogradError,
    GradientError,
    ShapeError,
    StaleGraphError,
)
from .operation import Operation, Record
from .ops.conversion import alias, astype, conjugate, real
from .ops.selection import where
from .ops.shapes import summed_to
from .table import table
from .tensors import Tensor, describe

Gradients = list[tuple[Tensor, Any]]
VALUES = (Tensor, np.ndarray, np.generic)


class Frontier:
    """The vertices that have received a cotangent and wait to be visited, latest first."""

    __slots__ = ("_heap", "_waiting", "leaves")

    def __init__(self) -> None:
        self._heap: list[int] = []
        self.leaves: dict[int, tuple[Tensor, Any]] = {}  # they need no order, so no heap
        self._waiting: dict[int, list[Any]] = {}  # serial → [vertex, cotangents, selected]

    def __bool__(self) -> bool:
        return bool(self._heap)

    def receive(self, tensor: Tensor, g: Any, selected: bool) -> None:
        """Add a cotangent to what a tensor has received."""
        serial = tensor.serial
        if tensor._primitive is None:
            held = self.leaves.get(serial)
            self.leaves[serial] = (tensor, g if held is None else held[1] + g)
            return
        entry = self._waiting.get(serial)
        multiple = type(tensor._operands) is Record
        if entry is None:
            if multiple:
                entry = [tensor._operands, [None] * len(tensor._operands.arrays), selected]
                entry[1][tensor._index] = g
            else:
                entry = [tensor, g, selected]
            self._waiting[serial] = entry
            heappush(self._heap, -serial)
            return
        if multiple:
            held = entry[1][tensor._index]
            entry[1][tensor._index] = g if held is None else held + g
        else:
            entry[1] = entry[1] + g
        entry[2] = entry[2] or selected

    def latest(self) -> list[Any]:
        """Take out the vertex with the highest serial."""
        return self._waiting.pop(-heappop(self._heap))


def walk(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Any],
    *,
    needed: Container[int] | None = None,
    recorded: bool = False,
    every: bool = False,
    exact: bool = False,
) -> Gradients:
    """Carry cotangents back to the leaves.

    Args:
        outputs: where to start; each gets its entry of `cotangents`, of the same shape.
        needed: serials of the vertices to follow, by default all that require a gradient.
        recorded: whether the rules get tensors, which records what they do, or arrays.
        every: whether to return the cotangent of every tensor on the way, not of leaves only.
        exact: whether a cotangent of 0 means that nothing flows, so that 0 · ∞ is 0.

    Returns:
        (tensor, cotangent) for each leaf, or vertex whose operands are not needed, reached.

    Raises:
        StaleGraphError: if a leaf was assigned after an operation that uses it.
        ShapeError: if a rule returns a cotangent of a shape that its input does not have.
    """
    frontier = Frontier()
    reached: Gradients = []
    for tensor, g in zip(outputs, cotangents, strict=True):
        frontier.receive(tensor, conjugated(g), exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        while frontier:
            vertex, g, selected = frontier.latest()
            last = not visit(vertex, g, selected, frontier, needed, recorded)
            if every and type(vertex) is Record:
                reached.extend((vertex.output(i), x) for i, x in enumerate(g) if x is not None)
            elif last or every:
                reached.append((vertex, g))
    reached.extend(frontier.leaves.values())
    return [(tensor, conjugated(g)) for tensor, g in reached]


def conjugated(g: Any) -> Any:
    """Turn a cotangent of complex numbers from the inner convention to the outer one, or back."""
    return conjugate(g) if g.dtype.kind == "c" else g


def visit(
    vertex: Any,
    g: Any,
    selected: bool,
    frontier: Frontier,
    needed: Container[int] | None,
    recorded: bool,
) -> bool:
    """Apply the rules of one operation and pass the cotangents on; tell if any was needed."""
    primitive, operands, params = vertex._primitive, vertex._operands, vertex._params
    xs = current_values(vertex)
    if recorded:
        xs = operands
    if type(vertex) is Record:
        g = [np.zeros_like(a) if h is None else h for a, h in zip(vertex.arrays, g, strict=True)]
        y = [vertex.output(i) for i in range(len(g))] if recorded else vertex.arrays
    else:
        y = vertex if recorded else vertex._value
    rules = primitive.vjp
    masked = selected and primitive.kind == "elementwise"
    passed = False
    try:
        at_once = None if type(rules) is tuple else all_at_once(vertex, g, y, xs)
        for position, x in enumerate(operands):
            if type(x) is not Tensor:
                continue
            if not (x._requires_grad if needed is None else x.serial in needed):
                continue
            if at_once is not None:
                gx = at_once[position]
            elif rules[position] is not None:
                gx = rules[position](g, y, *xs, **params)
            else:
                continue  # as the condition of where
            if masked and (recorded or type(g) is Tensor or not np.isfinite(np.sum(gx))):
                gx = where((g == 0) & ~np.isfinite(gx), 0, gx)
            data = x._value
            if type(gx) is not np.ndarray and not isinstance(gx, VALUES):
                gx = returned(gx, vertex, position)
            if gx.shape != data.shape or gx.dtype != data.dtype:
                gx = fitted(gx, data, vertex, position)
            frontier.receive(x, gx, selected or primitive.selects)
            passed = True
    except AutogradError:
        raise
    except Exception as error:
        error.add_note(f"in the gradient of {Operation(vertex)}")
        raise
    return passed


def current_values(vertex: Any) -> list[Any]:
    """Return the operands' arrays, which must still be those that were recorded."""
    values = []
    for x in vertex._operands:
        if type(x) is Tensor:
            if x._primitive is None and x._assigned > vertex.serial:
                raise StaleGraphError(
                    f"{describe(x)} was changed after {Operation(vertex)} was recorded, so the "
                    "gradient would be wrong; compute the result again after the change"
                )
            values.append(x._value)
        else:
            values.append(x)
    return values


def all_at_once(vertex: Any, g: Any, y: Any, xs: Any) -> Sequence[Any]:
    """Apply a rule that returns the cotangents of all inputs."""
    found = vertex._primitive.vjp(g, y, *xs, **vertex._params)
    if len(found) != len(xs):
        raise GradientError(
            f"the rule of {Operation(vertex)} returned {len(found)} cotangents for {len(xs)} "
            "inputs; expected one each, None where no gradient flows"
        )
    return found


def returned(gx: Any, vertex: Any, position: int) -> Any:
    """Return a rule's plain number as an array, or say that it is none."""
    if isinstance(gx, (int, float, complex)):
        return np.asarray(gx, dtype=complex if isinstance(gx, complex) else float)[()]
    raise GradientError(
        f"the rule of {Operation(vertex)} returned {gx!r:.60} for input {position}; expected an "
        "array of the input's shape"
    )


def fitted(gx: Any, data: Any, vertex: Any, position: int) -> Any:
    """Sum a cotangent over broadcast axes and cast it, so that it fits its input.

    A real input moves along the real line only, so it gets the real part.
    """
    if gx.shape != data.shape and vertex._primitive.broadcasts and gx.ndim >= data.ndim:
        gx = summed_to(gx, data.shape)
    if gx.shape != data.shape:
        raise ShapeError(
            f"the rule of {Operation(vertex)} returned a cotangent of shape {gx.shape} for input "
            f"{position} of shape {data.shape}; expected the input's shape"
        )
    if gx.dtype.kind == "c" and data.dtype.kind != "c":
        gx = real(gx)
    return gx if gx.dtype == data.dtype else astype(gx, data.dtype)


def dependents(
    outputs: Iterable[Tensor], wanted: Container[int], *, every: bool = False
) -> tuple[dict[int, Tensor], bool]:
    """Find the vertices between outputs and wanted ones.

    Args:
        outputs: where to start.
        wanted: serials of the vertices where to end.
        every: whether to look at tensors that require no gradient, too.

    Returns:
        a tensor of each vertex by its serial, and whether the outputs also depend on another tensor
        that requires a gradient.
    """
    seen: dict[int, Tensor] = {}
    stack: list[Tensor] = [x for x in outputs if every or x._requires_grad]
    foreign = False
    while stack:
        x = stack.pop()
        if x.serial in seen:
            continue
        seen[x.serial] = x
        if x.serial in wanted:
            continue
        followed = [o for o in operands_of(x) if every or o._requires_grad]
        # It starts without being wanted: a leaf, or the stand-in of an enclosing transform.
        if not followed and x._requires_grad and x._primitive in (None, alias):
            foreign = True
        stack.extend(followed)
    needed: dict[int, Tensor] = {}
    for serial in sorted(seen):
        x = seen[serial]
        if serial in wanted or any(o.serial in needed for o in operands_of(x)):
            needed[serial] = x
    return needed, foreign


def operands_of(tensor: Tensor) -> list[Tensor]:
    """Return the tensors among the operands of the operation that computed a tensor."""
    operands = tensor._operands
    if type(operands) is Record:
        operands = operands._operands
    return [o for o in operands or () if type(o) is Tensor]


def seed(output: Tensor, cotangent: Any) -> Any:
    """Return a cotangent that fits the output, 1 for a scalar by default.

    Raises:
        GradientError: if there is none for a non-scalar, or its shape is another one.
    """
    if cotangent is None:
        if output.size != 1:
            raise GradientError(
                f"the gradient of {describe(output)} is not defined: it is no scalar; reduce it "
                "with .sum() or .mean(), or give a cotangent of its shape"
            )
        if output.dtype.kind == "c":
            raise GradientError(
                f"the gradient of {describe(output)} is not defined: its value is complex; make it "
                "real with np.abs, .real or .imag, or give a cotangent (for a holomorphic function "
                "am.grad(f, holomorphic=True) has the derivative)"
            )
        return np.ones(output.shape, output.dtype)[()]
    g = cotangent if isinstance(cotangent, Tensor) else as_array(cotangent)
    if g.dtype.kind == "c" and output.dtype.kind != "c":
        raise GradientError(
            f"the cotangent is complex, but {describe(output)} is {output.dtype}; give a real one"
        )
    if g.shape != output.shape:
        raise GradientError(
            f"the cotangent has shape {g.shape}, expected {output.shape}, the shape of "
            f"{describe(output)}"
        )
    return g if g.dtype == output.dtype else astype(g, output.dtype)


def backward(output: Tensor, gradient: Any = None, *, retain_grads: bool = False) -> None:
    """Add the derivatives of an output into `.grad` of every leaf that requires one.

    The graph is kept, and a second call adds again.

    Args:
        output: where to start.
        gradient: its cotangent, of the same shape; 1 for a scalar by default.
        retain_grads: whether the results of operations get their `.grad` too.

    Raises:
        GradientError: if the output depends on no leaf that requires a gradient, or is no scalar
            and has no cotangent.
        StaleGraphError: if a leaf changed since the output was computed; no `.grad` changes then.
    """
    if not output._requires_grad:
        raise GradientError(
            f"backward: {describe(output)} depends on no tensor that requires a gradient; make "
            "one with am.tensor(…, requires_grad=True), outside of no_grad"
        )
    g = seed(output, gradient)
    g = g._value if isinstance(g, Tensor) else g
    shared = {id(g)}
    for tensor, cotangent in walk([output], [g], every=retain_grads):
        if tensor._primitive is None or retain_grads:
            deposit(tensor, cotangent, shared)


table["backward"] = backward


def deposit(tensor: Tensor, g: Any, shared: set[int]) -> None:
    """Add a gradient into `.grad`."""
    tensor.grad = owned(g, shared) if tensor.grad is None else tensor.grad + g


def owned(g: Any, shared: set[int]) -> Any:
    """Return a gradient as an array that nothing else holds; `shared` has the ids of the others.

    A rule may pass its cotangent on (a + b) or a view of it (reshape), never a forward value.
    """
    if type(g) is np.ndarray:
        if g.base is not None or id(g) in shared:
            g = g.copy()
        shared.add(id(g))
    return g
