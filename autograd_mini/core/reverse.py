"""Reverse mode: the backward pass, cotangents (also complex ones), hooks, and `backward()`.

One driver, `backward_pass`, does it all. With plain arrays it computes gradients; with tensors it
records them, so that they can be differentiated again. The order: `seed` starts a cotangent;
`Frontier` collects the cotangents that have arrived; `_visit_vertices` takes the vertex with the
highest serial, all of whose consumers are done; `apply_vjp` applies its vjp rules; hooks run in
between (not those of the arguments of `am.grad(f)(x)`: f sees fresh tensors). The heap holds only
the frontier, so a graph of a million operations needs no recursion and no sorted list of all its
vertices.

Complex numbers: inside the walk a cotangent g acts on a tangent t by Re Σ g·t, without conjugates,
so the rule of a holomorphic function reads as for real numbers. Outside, gradients are PyTorch's:
∂L/∂(Re z) + i·∂L/∂(Im z). The two differ by a conjugation, done where cotangents enter and leave.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import AutogradError, GradientError, ShapeError, UnsupportedError
from ..ops.conversion import astype, conjugate, real
from ..ops.selection import where
from ..ops.shapes import summed_to
from .arrays import as_array
from .contexts import run_quietly, walk_scope
from .extraction import Trace, describe, plain_value, read_value, tracing
from .record import Operation, Record, check_unchanged, hooks, lines, no_grad
from .table import table
from .tensor import NO_PARAMS, RUN, SET_GRAD, Tensor, leaf, tensor_or_array

if TYPE_CHECKING:
    from .arrays import Array
    from .declaration import Rule
    from .record import Record


def seed(output: Tensor, cotangent: object) -> Array:
    """Return a cotangent that fits the output, 1 for a scalar by default.

    Raises:
        GradientError: if there is none for a non-scalar, or its shape is different.
    """
    if cotangent is None:
        if output.size != 1:
            raise GradientError(
                f"the gradient of {describe(output)} is not defined: it is not a scalar; reduce it "
                "with .sum() or .mean(), or give a cotangent of its shape"
            )
        if output.dtype.kind == "c":
            raise GradientError(
                f"the gradient of {describe(output)} is not defined: its value is complex; make it "
                "real with np.abs, .real or .imag, or give a cotangent (for a holomorphic function "
                "am.grad(f, holomorphic=True) gives the derivative)"
            )
        return np.ones(output.shape, output.dtype)[()]
    g = tensor_or_array(cotangent)
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


def swap_convention(g: Any) -> Any:
    """Turn a cotangent of complex numbers from the inner convention to the outer one, or back."""
    return conjugate(g) if g.dtype.kind == "c" else g


def match_input(gx: Array, data: Array, vertex: Record | Tensor, position: int) -> Array:
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


def array_of_result(gx: object, vertex: Record | Tensor, position: int) -> Array:
    """Return a rule's plain number as an array, or say that it is none."""
    if isinstance(gx, (int, float, complex)):
        return np.asarray(gx, dtype=complex if isinstance(gx, complex) else float)[()]
    raise GradientError(
        f"the rule of {Operation(vertex)} returned {gx!r:.60} for input {position}; expected an "
        "array of the input's shape"
    )


def copy_if_shared(g: Array, shared: set[int]) -> Array:
    """Return a gradient as an array that nothing else holds; `shared` has the ids of the others.

    A rule may pass its cotangent on (a + b) or a view of it (reshape), never a forward value.
    """
    if type(g) is np.ndarray:
        if g.base is not None or id(g) in shared:
            g = g.copy()
        shared.add(id(g))
    return g


Watch = Callable[[Any, str, Any, Any], None]
watching: ContextVar[tuple[Watch | None, Any] | None] = ContextVar(
    "autograd_mini_watching", default=None
)
"""The function that sees each cotangent (a debugger), and the one of the enclosing block."""

active_stand_ins: Final[set[int]] = set()
"""Serials of the aliases that stand for arguments of functions which are running now, and require a
gradient though the tensor that was given does not."""

Gradients = list[tuple[Tensor, Any]]
VALUES = (Tensor, np.ndarray, np.generic)


def backward_pass(
    outputs: Sequence[Tensor],
    cotangents: Sequence[object],
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
        frontier.receive(tensor, swap_convention(g), exact)
    watch = current_watch()
    run_quietly(lambda: _visit_vertices(frontier, reached, needed, recorded, every, watch))
    reached.extend(
        (x, _apply_hooks(x, g)) if hooks else (x, g) for x, g in frontier.leaves.values()
    )
    return [(tensor, swap_convention(g)) for tensor, g in reached]


def _visit_vertices(
    frontier: Frontier,
    reached: Gradients,
    needed: Container[int] | None,
    recorded: bool,
    every: bool,
    watch: Watch | None,
) -> None:
    """Visit vertices, the last recorded first, until none is left."""
    plain = not recorded and watch is None
    heap, waiting = frontier.heap, frontier.waiting
    while heap:
        vertex, g, selected = waiting.pop(-heappop(heap))
        if hooks:
            g = _apply_hooks(vertex, g)
        rules, operands = vertex._primitive.vjp, vertex._operands
        try:
            if (
                plain
                and not selected
                and type(vertex) is Tensor
                and type(rules) is tuple
                and len(operands) == len(rules) == 2
                and vertex._params is NO_PARAMS
            ):
                last = not _apply_binary_vjp(vertex, rules, operands, g, frontier, needed)
            else:
                last = not apply_vjp(vertex, g, selected, frontier, needed, recorded, watch)
        except AutogradError:
            raise
        except Exception as error:
            error.add_note(f"in the gradient of {_name_with_line(vertex)}")
            raise
        if every and type(vertex) is Record:
            reached.extend((vertex.output(i), x) for i, x in enumerate(g) if x is not None)
        elif last or every:
            reached.append((vertex, g))


def current_watch() -> Watch | None:
    """Return the function that sees each cotangent, or None."""
    found = watching.get()
    return found[0] if found else None


def apply_vjp(
    vertex: Any,
    g: Any,
    selected: bool,
    frontier: Frontier,
    needed: Container[int] | None,
    recorded: bool,
    watch: Watch | None,
) -> bool:
    """Apply the vjp rules of one operation and pass the cotangents on; tell if any was needed."""
    primitive, operands, params = vertex._primitive, vertex._operands, vertex._params
    xs = current_values(vertex)
    if recorded:
        xs = operands
    if type(vertex) is Record:
        if not primitive.partial:
            pairs = zip(vertex.arrays, g, strict=True)
            g = [np.zeros_like(a) if h is None else h for a, h in pairs]
        y = [vertex.output(i) for i in range(len(g))] if recorded else vertex.arrays
    else:
        y = vertex if recorded else vertex._value
    rules = primitive.vjp
    masked = selected and primitive.kind == "elementwise"
    passed = False
    at_once = None if type(rules) is tuple else apply_joint_rule(vertex, g, y, xs)
    for position, x in enumerate(operands):
        if type(x) is not Tensor:
            continue
        if not (x._requires_grad if needed is None else x.serial in needed):
            continue
        if at_once is not None:
            gx = at_once[position]
            if gx is None and primitive.partial:
                continue
        elif (rule := rules[position]) is None:
            continue  # as the condition of where
        else:
            gx = rule(g, y, *xs, **params) if params else rule(g, y, *xs)
        if masked and (recorded or type(g) is Tensor or not np.isfinite(np.sum(gx))):
            gx = where((g == 0) & ~np.isfinite(gx), 0, gx)
        data = x._value
        if type(gx) is np.ndarray or type(gx) is not type(data):  # else two scalars, which fit
            gx = check_result(gx, data, vertex, position)
        if watch is not None:
            watch(vertex, f"the gradient for input {position}", g, gx)
        frontier.receive(x, gx, selected or primitive.selects)
        passed = True
    return passed


def _apply_binary_vjp(
    vertex: Tensor,
    rules: tuple[Rule | None, ...],
    operands: tuple[Any, ...],
    g: Array,
    frontier: Frontier,
    needed: Container[int] | None,
) -> bool:
    """Apply the vjp of a binary operation: `apply_vjp` unrolled, without recording or watching."""
    a, b = x, y = operands
    to_a = to_b = False
    if type(a) is Tensor:
        if a._primitive is None and a._assigned > vertex.serial:
            check_unchanged(a, vertex)
        x = a._value
        to_a = a._requires_grad if needed is None else a.serial in needed
    if type(b) is Tensor:
        if b._primitive is None and b._assigned > vertex.serial:
            check_unchanged(b, vertex)
        y = b._value
        to_b = b._requires_grad if needed is None else b.serial in needed
    rule_a, rule_b = rules
    if to_a and (to_a := rule_a is not None):
        gx = rule_a(g, vertex._value, x, y)
        if type(gx) is np.ndarray or type(gx) is not type(x):
            gx = check_result(gx, x, vertex, 0)
        frontier.receive(a, gx, vertex._primitive.selects)
    if to_b and (to_b := rule_b is not None):
        gx = rule_b(g, vertex._value, x, y)
        if type(gx) is np.ndarray or type(gx) is not type(y):
            gx = check_result(gx, y, vertex, 1)
        frontier.receive(b, gx, vertex._primitive.selects)
    return to_a or to_b


def check_result(gx: Array, data: Array, vertex: Record | Tensor, position: int) -> Array:
    """Return a rule's result in the shape and dtype of its input."""
    if type(gx) is not np.ndarray and not isinstance(gx, VALUES):
        gx = array_of_result(gx, vertex, position)
    if gx.shape != data.shape or gx.dtype != data.dtype:
        gx = match_input(gx, data, vertex, position)
    return gx


def _name_with_line(vertex: Tensor) -> str:
    """Name an operation and, if it is known, the line where it was recorded."""
    place = lines.get(vertex.serial)
    return f"{Operation(vertex)}{f', recorded at {place}' if place else ''}"


def current_values(vertex: Record | Tensor) -> list[Any]:
    """Return the arrays of the operands; raise if one changed since it was recorded."""
    values = []
    for x in vertex._operands:
        if type(x) is Tensor:
            if x._primitive is None and x._assigned > vertex.serial:
                check_unchanged(x, vertex)
            values.append(x._value)
        else:
            values.append(x)
    return values


def apply_joint_rule(vertex: Any, g: object, y: object, xs: Sequence[object]) -> Sequence[Any]:
    """Apply a vjp rule that returns the cotangents of all inputs at once."""
    found = vertex._primitive.vjp(g, y, *xs, **vertex._params)
    if len(found) != len(xs):
        raise GradientError(
            f"the rule of {Operation(vertex)} returned {len(found)} cotangents for {len(xs)} "
            "inputs; expected one each, None where no gradient flows"
        )
    return found


def vertices_between(
    outputs: Iterable[Tensor], wanted: Container[int], *, every: bool = False
) -> tuple[dict[int, Tensor], bool]:
    """Find the vertices on the paths from outputs to wanted vertices.

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
        followed = [o for o in _tensor_operands(x) if every or o._requires_grad]
        # It starts without being wanted: a leaf, or the stand-in of an enclosing transform.
        if x._requires_grad and (x._primitive is None or x.serial in active_stand_ins):
            foreign = True
        stack.extend(followed)
    needed: dict[int, Tensor] = {}
    for serial in sorted(seen):
        x = seen[serial]
        if serial in wanted or any(o.serial in needed for o in _tensor_operands(x)):
            needed[serial] = x
    return needed, foreign


def _tensor_operands(tensor: Tensor) -> list[Tensor]:
    """Return the tensors among the operands of the operation that computed a tensor."""
    operands = tensor._operands
    if type(operands) is Record:
        operands = operands._operands
    return [o for o in operands or () if type(o) is Tensor]


class Frontier:
    """The vertices that have received a cotangent and wait to be visited, latest first."""

    __slots__ = ("heap", "waiting", "leaves")

    def __init__(self) -> None:
        self.heap: list[int] = []
        self.leaves: dict[int, list[Any]] = {}  # serial → [leaf, g]: no order, so no heap
        self.waiting: dict[int, list[Any]] = {}  # serial → [vertex, cotangents, selected]

    def receive(self, tensor: Tensor, g: Array, selected: bool) -> None:
        """Add a cotangent to those that a tensor has received."""
        serial = tensor.serial
        if tensor._primitive is None:
            entry = self.leaves.get(serial)
            if entry is None:
                self.leaves[serial] = [tensor, g]
            else:
                entry[1] = entry[1] + g
            return
        entry = self.waiting.get(serial)
        if entry is None:
            heappush(self.heap, -serial)
            if type(tensor._operands) is not Record:
                self.waiting[serial] = [tensor, g, selected]
                return
            shared = tensor._operands
            entry = self.waiting[serial] = [shared, [None] * len(shared.arrays), selected]
        if type(entry[0]) is Record:
            held = entry[1][tensor._index]
            entry[1][tensor._index] = g if held is None else held + g
        else:
            entry[1] = entry[1] + g
        if selected:
            entry[2] = True


def _apply_hooks(vertex: Record | Tensor, g: Any) -> Any:
    """Return the cotangent of a vertex (a list for several outputs) as its hooks leave it."""
    for index, function in hooks.get(vertex.serial, {}).values():
        if type(g) is list:
            if g[index] is not None:
                g[index] = _call_hook(vertex, function, g[index])
        else:
            g = _call_hook(vertex, function, g)
    return g


def _call_hook(vertex: Record | Tensor, function: Callable[[Array], Any], g: Array) -> Array:
    """Call one hook with a copy of the cotangent; keep the cotangent if it returns None."""
    shown = swap_convention(g)
    result = function(shown.copy() if type(shown) is np.ndarray else shown)
    if result is None:
        return g
    if np.shape(plain_value(result)) != g.shape:
        raise ShapeError(
            f"a hook returned shape {np.shape(result)} for a cotangent of shape {g.shape}; "
            "expected the same shape, or None to leave it"
        )
    if type(g) is not Tensor or not isinstance(result, Tensor):
        result = as_array(plain_value(result))
    if result.dtype.kind == "c" and g.dtype.kind != "c":
        raise GradientError(
            f"a hook returned complex numbers for a {g.dtype} cotangent; return real ones"
        )
    return swap_convention(result if result.dtype == g.dtype else astype(result, g.dtype))


def backward(output: Tensor, gradient: object = None, *, retain_grads: bool = False) -> None:
    """Add the derivatives of an output into `.grad` of every leaf that requires one.

    The graph is kept, and a second call adds again.

    Args:
        output: where to start.
        gradient: its cotangent, of the same shape; 1 for a scalar by default.
        retain_grads: whether the results of operations get their `.grad` too.

    Raises:
        GradientError: if the output depends on no leaf that requires a gradient, or is not a
            scalar and has no cotangent.
        StaleGraphError: if a leaf changed since the output was computed; no `.grad` changes then.
    """
    trace = tracing.get()
    recorded = trace is not None and trace.effects
    if not recorded:
        read_value(output, "backward()")
    if not output._requires_grad:
        raise GradientError(
            f"backward: {describe(output)} depends on no tensor that requires a gradient; make "
            "those that it is computed from with am.tensor(…, requires_grad=True), and compute it "
            "outside of no_grad"
        )
    g = seed(output, gradient)
    if isinstance(g, Tensor) and not recorded:
        g = g._value
    shared = {id(g)}
    with no_grad() if recorded else nullcontext(), walk_scope() if recorded else nullcontext():
        reached = backward_pass([output], [g], every=retain_grads, recorded=recorded)
        reached = [(x, g) for x, g in reached if x._primitive is None or retain_grads]
        if trace is not None and recorded:
            for tensor, _ in reached:
                _refuse_earlier(tensor, trace)
        totals = [
            x.grad + g if x.grad is not None else copy_if_shared(g, shared) for x, g in reached
        ]
        if recorded:  # one that is the same at each call, as that of a plain sum, has no history
            totals = [g if isinstance(g, Tensor) else leaf(g) for g in totals]
    RUN(map(SET_GRAD, [x for x, _ in reached], totals))  # all of them or, interrupted, none


table["backward"] = backward


def _refuse_earlier(tensor: Tensor, trace: Trace) -> None:
    """In a trace, raise if a tensor has a gradient from outside; note that it must have none.

    Raises:
        UnsupportedError: if there is one.
    """
    if tensor.grad is None:
        trace.depends(tensor, ["grad"])
    elif not isinstance(tensor.grad, Tensor):
        raise trace.note_refusal(
            UnsupportedError(
                f"backward: {describe(tensor)} has a gradient from before the compiled call, "
                "which cannot be part of its program; call optimizer.zero_grad() in the function, "
                "before backward()"
            )
        )
