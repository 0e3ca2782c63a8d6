"""Formula: the graph of a checked function, recorded from plain NumPy code.

If a function can be recorded, and the gradient of its graph agrees with the numeric one, then every
step of the right gradient is known. So a mistake can be inserted at each step.

A function that writes into arrays is rewritten first: `y[i] += v` becomes `y = add(y, i, v)`, so
that every written value is part of the formula. The user's function is not changed. Functions of
the same package that it calls are copied too. If two names share an array, the copy computes
something else; `record_formula` notices this, because it compares the gradient.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os.path
import textwrap
import warnings
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.contexts import recorder
from ...core.forward import Key, Values, jvp_pass, key_of, vertex_of
from ...core.record import Record, Site, record, user_line, variable_of
from ...core.reverse import apply_joint_rule, check_result, swap_convention, vertices_between
from ...core.tensor import Tensor, leaf
from ...core.tree import flatten
from ...ops.indexing import scatter, set_at, split_index
from ..inputs import coordinates, from_coordinates
from .evidence import Evidence

if TYPE_CHECKING:
    from ...core.arrays import Array, Numbers
    from ...core.primitive import Primitive

WORK = 80_000.0
"""Rules on small arrays that may be applied for all inputs together."""

SMALL = 2_000
"""Up to this many entries, a rule costs about the same."""

SECONDS = 20.0
"""The diagnosis stops after this many seconds, whatever was counted."""


class Budget:
    """The work that is left, and the share of it that one input may use.

    Attributes:
        left: rules that may still be applied.
        least: rules that are reserved for other inputs.
    """

    def __init__(self, work: float = WORK) -> None:
        self.left = work
        self.least = 0.0
        self._stop = perf_counter() + SECONDS

    def share(self, inputs: int) -> None:
        """Give the next input its share of the work that is left.

        The first input gets more, because one mistake is often the cause of everything.
        """
        self.least = self.left * (1 - max(0.6, 1 / inputs))

    def spend(self, rules: float, entries: int = 0) -> None:
        """Count rules that are applied to arrays of a size."""
        self.left -= rules * (1 + entries / SMALL)

    @property
    def is_spent(self) -> bool:
        """Has the input used its share?"""
        return self.left <= self.least or perf_counter() > self._stop


MOST_OPERATIONS = 1500
"""A graph with more operations is not used."""

MOST_RECORDED, MOST_ENTRIES = 4 * MOST_OPERATIONS, 50_000_000
"""Recording stops after this many operations, or this many numbers in their results."""

Edge = tuple[int, int]
"""The serial of an operation, and the position of an operand."""

NumpyFunction = Callable[[list[Any]], object]
"""A function of a list of its arguments."""

Vertex = Tensor | Record
"""An operation: the tensor that it made, or the record of several."""

Alter = Callable[[Any, int, Any, Any], "Array"]
"""Computes a wrong cotangent from the operation, operand position, g, and the right cotangent."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A recorded function.

    Attributes:
        evidence: the facts of the check.
        leaves: the inputs.
        outputs: the results.
        vertices: the operations between them, in order.
        sites: the source line of each operation, by serial.
        budget: the work that is left.
        still: serials of operations whose result is treated as constant.
        found: the faults that explain other inputs.
        memo: a cache of computed values.
    """

    evidence: Evidence
    leaves: list[Tensor]
    outputs: list[Tensor]
    vertices: list[Any]
    sites: dict[int, Site]
    budget: Budget = field(default_factory=Budget)
    still: frozenset[int] = frozenset()
    found: list[Any] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def values(self) -> list[Tensor]:
        """The inputs and the results of all operations, each once, in order."""
        if "values" not in self.memo:
            operands = [x for v in self.vertices for x in v._operands if type(x) is Tensor]
            results = [v for v in self.vertices if type(v) is Tensor]
            moving = [x for x in (*operands, *results, *self.outputs) if x._requires_grad]
            found = {key_of(x): x for x in (*self.leaves, *moving)}
            self.memo["values"] = [found[key] for key in sorted(found)]
        return list(self.memo["values"])

    @property
    def consumers(self) -> dict[int, list[Vertex]]:
        """The operations that use the result of an operation, by its serial."""
        if "consumers" not in self.memo:
            found: dict[int, list[Any]] = {}
            for vertex in self.vertices:
                for x in vertex._operands:
                    if type(x) is Tensor and x._requires_grad:
                        found.setdefault(x.serial, []).append(vertex)
            self.memo["consumers"] = found
        return dict(self.memo["consumers"])

    def without_cancelled_paths(self) -> Formula | None:
        """Return the formula with cancelling paths treated as constant; None if there are none.

        A person does not differentiate the maximum that is subtracted before an exponential,
        because its paths cancel.
        """
        cancelled = [
            self._cancelled_operations(w)
            for w in (self.evidence.weights, self.evidence.other_weights)
        ]
        still = frozenset.intersection(*cancelled)
        return replace(self, still=still, memo={}) if still else None

    def _cancelled_operations(self, weights: list[np.ndarray]) -> frozenset[int]:
        """Return the operations whose cotangent is 0 up to rounding."""
        sizes: Values = {}
        _, found = self.pull_back(weights, sizes=sizes)
        return frozenset(
            v.serial for v in self.vertices
            if (at := (v.serial, 0)) in sizes and type(v) is Tensor
            and 0 < np.max(sizes[at], initial=0.0) < np.inf
            and np.max(np.abs(found[at]), initial=0.0) <= 1e-12 * np.max(sizes[at])
        )  # fmt: skip

    @property
    def is_elementwise(self) -> bool:
        """Is the formula a single elementwise operation?"""
        return len(self.vertices) == 1 and self.vertices[0]._primitive.kind == "elementwise"

    def pull_back(
        self,
        weights: list[np.ndarray],
        edges: frozenset[Edge] = frozenset(),
        alter: Any = None,
        *,
        only: Container[Key] | None = None,
        sizes: Values | None = None,
    ) -> tuple[list[np.ndarray], Values]:
        """Carry a cotangent back to the inputs, with a mistake at some edges.

        Args:
            weights: the cotangent of the results.
            edges: the edges of the mistake.
            alter: computes the wrong cotangent there.
            only: the tensors that need a cotangent; None for all.
            sizes: receives the sum of the sizes of the cotangents of each tensor.

        Returns:
            the gradients in real coordinates, and the cotangent of each tensor.
        """
        found: Values = {}
        for y, g, is_complex in zip(
            self.outputs, weights, self.evidence.complex_outputs, strict=True
        ):
            add_cotangent(
                found, y, swap_convention(np.asarray(from_coordinates(g, is_complex), y.dtype))
            )
        if hasattr(alter, "cotangents"):  # it reads the cotangents of other tensors
            alter.cotangents = found
        for vertex in reversed(self.vertices):
            for position, x, gx, g in self.steps(vertex, found, only):
                if (vertex.serial, position) in edges:
                    gx = check_result(alter(vertex, position, g, gx), x._value, vertex, position)
                add_cotangent(found, x, gx)
                if sizes is not None:
                    add_cotangent(sizes, x, np.abs(gx))
        gradients = []
        for x, is_complex in zip(self.leaves, self.evidence.complex, strict=True):
            g = swap_convention(np.asarray(found.get(key_of(x), np.zeros(x.shape, x.dtype))))
            gradients.append(np.asarray(coordinates(g) if is_complex else g, float))
        return gradients, found

    def steps(
        self, vertex: Vertex, found: Values, only: Container[Key] | None = None
    ) -> list[tuple[int, Tensor, Any, Any]]:
        """Apply the rules of an operation: operand, cotangent of it, cotangent of the result."""
        if vertex.serial in self.still:
            return []
        if isinstance(vertex, Record):
            arrays = vertex.arrays
            g: Any = [found.get((vertex.serial, i)) for i in range(len(arrays))]
            if all(part is None for part in g):
                return []
            if not vertex._primitive.partial:
                pairs = zip(arrays, g, strict=True)
                g = [np.zeros_like(a) if h is None else h for a, h in pairs]
        else:
            g = found.get((vertex.serial, 0))
            if g is None:
                return []
        rows = []
        for position, gx in enumerate(apply_rules(vertex, g, only=only)):
            x = vertex._operands[position]
            if gx is not None:
                rows.append((position, x, check_result(gx, x._value, vertex, position), g))
        return rows

    def tangents(self, position: int, direction: np.ndarray) -> Values:
        """Push a direction in one input forward to every tensor."""
        x = self.leaves[position]
        start = np.asarray(from_coordinates(direction, self.evidence.complex[position]), x.dtype)[
            ()
        ]
        found: Values = {key_of(x): start}
        needed, _ = vertices_between(self.outputs, {x.serial})
        needed = {serial: t for serial, t in needed.items() if serial not in self.still}
        jvp_pass(needed, found, recorded=False, exact=False)
        return found


def apply_rules(
    vertex: Vertex,
    g: object,
    xs: list[object] | None = None,
    y: Any = None,
    only: Container[object] | None = None,
) -> list[Any]:
    """Apply the rules of an operation, at other values if given."""
    operands, rules, params = vertex._operands, vertex._primitive.vjp, vertex._params
    xs = [x._value if type(x) is Tensor else x for x in operands] if xs is None else xs
    if y is None:
        y = vertex.arrays if isinstance(vertex, Record) else vertex._value
    wanted = [
        type(x) is Tensor and x._requires_grad and (only is None or key_of(x) in only)
        for x in operands
    ]
    if type(rules) is not tuple:
        results = apply_joint_rule(vertex, g, y, xs)
        return [gx if want else None for gx, want in zip(results, wanted, strict=True)]
    return [
        rule(g, y, *xs, **params) if want and rule is not None else None
        for rule, want in zip(rules, wanted, strict=True)
    ]


def add_cotangent(found: Values, x: Tensor, g: Array) -> None:
    """Add a cotangent to those of a tensor."""
    key = key_of(x)
    found[key] = found[key] + g if key in found else g


def record_formula(evidence: Evidence) -> Formula | None:
    """Record the function; None if this fails, or if the graph's gradient is not the numeric one.

    If the function writes into arrays, a copy of it that creates new arrays is recorded.
    """
    if evidence.function is None:
        return None
    found = _record_function(evidence, evidence.function)
    if found is None and evidence.rewritten is not None:
        function = evidence.rewritten()
        found = None if function is None else _record_function(evidence, function)
    return found


def _record_function(evidence: Evidence, function: NumpyFunction) -> Formula | None:
    pairs = zip(evidence.xs, evidence.complex, strict=True)
    leaves = [leaf(from_coordinates(x.copy(), c)[()], requires_grad=True) for x, c in pairs]
    sites: dict[int, Site] = {}
    try:
        with (
            warnings.catch_warnings(),
            recorder(_make_site_recorder(sites)),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            outputs = _results_of(evidence, function, leaves)
        if not all(type(y) is Tensor for y in outputs):
            return None
        shapes = [np.shape(from_coordinates(y, c)) for y, c in zip(
            evidence.outputs, evidence.complex_outputs, strict=True)]  # fmt: skip
        if [y.shape for y in outputs] != shapes:
            return None
        needed, _ = vertices_between(outputs, {x.serial for x in leaves})
        vertices = {t.serial: vertex_of(t) for t in needed.values() if t._primitive is not None}
        if not vertices or len(vertices) > MOST_OPERATIONS:
            return None
        ordered = [vertices[serial] for serial in sorted(vertices)]
        formula = Formula(evidence, leaves, outputs, ordered, sites)
        return formula if is_right(formula) else None
    except Exception:  # plain NumPy code may fail with tensors
        return None
    finally:
        evidence.refresh()


def _results_of(evidence: Evidence, function: NumpyFunction, leaves: list[Tensor]) -> list[Any]:
    """Return the results of a function of tensors.

    A function that returns a loss and its gradient may fail after computing the loss. Then the loss
    is still among its variables.
    """
    try:
        return flatten(function(leaves))[0]
    except Exception as error:
        if len(evidence.outputs) != 1 or evidence.outputs[0].size != 1:
            raise
        wanted, trace = evidence.outputs[0], error.__traceback__
        while trace is not None:
            for value in reversed(trace.tb_frame.f_locals.values()):
                if _is_result(value, wanted):
                    return [value]
            trace = trace.tb_next
        raise


def _is_result(value: object, wanted: np.ndarray) -> bool:
    """Is a variable the result of a function?"""
    if type(value) is not Tensor or not value._requires_grad or value.shape != wanted.shape:
        return False
    return np.allclose(value._value, wanted, rtol=1e-12, atol=0)


def _make_site_recorder(sites: dict[int, Site]) -> Callable[..., object]:
    """Return a recorder that also notes source lines; it raises for too many operations."""
    entries = 0

    def record_with_site(
        primitive: Primitive, operands: tuple[object, ...], params: dict[str, object]
    ) -> object:
        nonlocal entries
        results = record(primitive, operands, params)
        entries += sum(y.size for y in (results if isinstance(results, tuple) else (results,)))
        if len(sites) > MOST_RECORDED or entries > MOST_ENTRIES:
            raise OverflowError("too many operations for a diagnosis")
        first = results[0] if isinstance(results, tuple) else results
        sites[first.serial] = user_line()
        return results

    return record_with_site


def is_right(formula: Formula) -> bool:
    """Is the gradient of the graph the numeric one, within its error bars?"""
    evidence = formula.evidence
    exact, _ = formula.pull_back(evidence.weights)
    for position, g in enumerate(exact):
        known = evidence.known_entries(position) & evidence.smooth(position)
        off = np.abs(g - evidence.numeric[position])[known]
        if not np.all(np.isfinite(g)) or np.any(off > evidence.slack(position)[known]):
            return False
    return True


def name_of(x: object, formula: Formula) -> str:
    """Name a value: an input, a number, a variable, or the operation that computed it."""
    key = ("name", key_of(x)) if type(x) is Tensor else ("name", id(x))
    if key not in formula.memo:
        formula.memo[key] = _name_of(x, formula)
    return str(formula.memo[key])


def _name_of(x: Any, formula: Formula) -> str:
    if type(x) is not Tensor or x._primitive is None:
        for t, name in zip(formula.leaves, formula.evidence.names, strict=True):
            if t is x:
                return name
        values = x._value if type(x) is Tensor else x
        return f"{values:.6g}" if np.ndim(values) == 0 else f"a constant of shape {values.shape}"
    place = formula.sites.get(x.serial)
    inner = any(  # part of a longer expression, so not the variable
        line_of(formula, v) == line_of(formula, x) for v in formula.consumers.get(x.serial, ())
    )
    variable = variable_of(place) if place is not None and not inner else None
    what = f"{variable}, " if variable else ""
    return f"{what}the result of {x._primitive.name} ({place_of(formula, x, 40)})"


def line_of(formula: Formula, vertex: Record | Tensor) -> str:
    """Write the line that recorded an operation."""
    place = formula.sites.get(vertex.serial)
    if place is None:
        return "a line that is not known"
    return f"{os.path.basename(place.code.co_filename)}:{place.line}"


def place_of(formula: Formula, vertex: Record | Tensor, length: int = 70) -> str:
    """Write the line that recorded an operation, with its source text."""
    key = "place", vertex.serial, length
    if key not in formula.memo:
        formula.memo[key] = _place_of(formula, vertex, length)
    return str(formula.memo[key])


def _place_of(formula: Formula, vertex: Record | Tensor, length: int) -> str:
    place = formula.sites.get(vertex.serial)
    text = linecache.getline(place.code.co_filename, place.line).strip() if place else ""
    quoted = text[:length].replace("{", "{{").replace("}", "}}")  # part of a format
    return line_of(formula, vertex) + (f", `{quoted}`" if text else "")


# ── a copy that can be recorded ──────────────────────────────────────────────────────────────
SET, ADD, INDEX = "_recorded_set", "_recorded_add", "_recorded_index"
"""Names that a rewritten function uses."""


def rewrite(function: Callable[..., object]) -> Callable[..., object] | None:
    """Return a copy of a function that does not write into arrays; None if this is not possible."""
    inner = function.func if isinstance(function, partial) else function
    if not isinstance(inner, FunctionType):
        return None
    try:
        copied = _Copies(inner.__module__.partition(".")[0]).copy(inner)
    except Exception:  # no source, or unexpected names
        return None
    if isinstance(function, partial):
        return partial(copied, *function.args, **function.keywords)
    return copied


def _set_value(x: Any, index: Any, value: Numbers) -> object:
    """Write into an array, or return a tensor with the value in its place."""
    if isinstance(x, Tensor) or isinstance(value, Tensor):
        return set_at(x, index, value)
    x[index] = value
    return x


def add_value(x: Any, index: Any, value: Any) -> Any:
    """Add at an index; repeated places are added repeatedly."""
    if not isinstance(x, Tensor) and not isinstance(value, Tensor):
        np.add.at(x, index, value)
        return x
    static, arrays = split_index(index)
    whole = value + np.zeros(np.shape(x[index]))
    return x + scatter(whole, *arrays, shape=x.shape, index=static)


class _Copies:
    """Copies of the functions of one package; each is made once."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.made: dict[int, FunctionType] = {}
        self.globals: dict[int, dict[str, Any]] = {}

    def copy(self, function: FunctionType) -> FunctionType:
        """Copy a function and the functions that it calls."""
        if id(function) in self.made:
            return self.made[id(function)]
        names = self._names(function)
        code = _compile_without_writes(function, names) or function.__code__
        cells = {
            name: _copy_cell(cell)
            for name, cell in zip(
                function.__code__.co_freevars, function.__closure__ or (), strict=True
            )
        }
        closure = tuple(cells[name] for name in code.co_freevars)
        made = FunctionType(code, names, function.__name__, function.__defaults__, closure)
        made.__kwdefaults__ = function.__kwdefaults__
        self.made[id(function)] = made
        for name in _names_in(code):
            called = function.__globals__.get(name)
            if isinstance(called, FunctionType) and self._is_near(called):
                names[name] = self.copy(called)
        return made

    def _names(self, function: FunctionType) -> dict[str, object]:
        """Return a copy of the globals of a function; shared by all functions of a module."""
        own = function.__globals__
        if id(own) not in self.globals:
            tools = {SET: _set_value, ADD: add_value, INDEX: np.s_}
            self.globals[id(own)] = {**own, **tools}
        return self.globals[id(own)]

    def _is_near(self, function: FunctionType) -> bool:
        return (function.__module__ or "").partition(".")[0] == self.package


def _copy_cell(cell: CellType) -> CellType:
    """Copy a closure cell whose function is copied: it may be the wrapped function."""
    copied = rewrite(cell.cell_contents) if callable(cell.cell_contents) else None
    return cell if copied is None else CellType(copied)


def _names_in(code: CodeType) -> list[str]:
    """Return the global names that a function and its inner functions use."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [*code.co_names, *(name for c in inner for name in _names_in(c))]


def _compile_without_writes(function: FunctionType, names: dict[str, object]) -> CodeType | None:
    """Compile a function again without writes; None if its source is not a `def`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    (node,) = tree.body
    if not isinstance(node, ast.FunctionDef):
        return None
    node = _Rewriter().visit(node)
    node.decorator_list, node.returns = [], None
    node.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
    node.args.kw_defaults = [d and ast.Constant(None) for d in node.args.kw_defaults]
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    outer = ast.parse(f"def outer({', '.join(function.__code__.co_freevars)}):\n pass")
    (around,) = outer.body
    assert isinstance(around, ast.FunctionDef)
    around.body = [node, ast.Return(ast.Name(node.name, ast.Load()))]
    ast.increment_lineno(ast.fix_missing_locations(node), function.__code__.co_firstlineno - 1)
    found: dict[str, Any] = {}
    exec(
        compile(ast.fix_missing_locations(outer), function.__code__.co_filename, "exec"),
        names, found,
    )  # fmt: skip
    inner = found["outer"](*(None,) * len(function.__code__.co_freevars))
    code: CodeType = inner.__code__
    return code


class _Rewriter(ast.NodeTransformer):
    """Replaces writes into arrays by assignments of new values."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """Rewrite `a[i] = v`, and `a[i], b[j] = v, w`."""
        self.generic_visit(node)
        if len(node.targets) != 1:
            return node
        (target,) = node.targets
        if isinstance(target, ast.Subscript):
            return _assign(node, target, node.value)
        if not isinstance(target, ast.Tuple):
            return node
        if not any(isinstance(part, ast.Subscript) for part in target.elts):
            return node
        names = [f"_part_{i}" for i in range(len(target.elts))]
        stored: list[ast.expr] = [ast.Name(name, ast.Store()) for name in names]
        first = ast.Assign([ast.Tuple(stored, ast.Store())], node.value)
        rows: list[ast.stmt] = [ast.copy_location(first, node)]
        for part, name in zip(target.elts, names, strict=True):
            value = ast.Name(name, ast.Load())
            if isinstance(part, ast.Subscript):
                rows.append(_assign(node, part, value))
            else:
                rows.append(ast.copy_location(ast.Assign([part], value), node))
        return rows

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """Rewrite `a[i] += v` and `a += v`."""
        self.generic_visit(node)
        read = ast.parse(ast.unparse(node.target), mode="eval").body
        value = ast.BinOp(read, node.op, node.value)
        if isinstance(node.target, ast.Subscript):
            return _assign(node, node.target, value)
        return ast.copy_location(ast.Assign([node.target], value), node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Rewrite `np.add.at(a, i, v)` and `np.subtract.at(a, i, v)`."""
        self.generic_visit(node)
        call = node.value
        if not isinstance(call, ast.Call) or len(call.args) != 3 or call.keywords:
            return node
        words = ast.unparse(call.func).split(".")[-2:]
        if words not in (["add", "at"], ["subtract", "at"]):
            return node
        into, index, value = call.args
        if words[0] == "subtract":
            value = ast.UnaryOp(ast.USub(), value)
        found = ast.Call(ast.Name(ADD, ast.Load()), [into, index, value], [])
        return ast.copy_location(ast.Assign([_as_target(into)], found), node)

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        """Give each of several results a name, so that the first survives an error."""
        self.generic_visit(node)
        if not isinstance(node.value, ast.Tuple):
            return node
        rows: list[ast.stmt] = []
        for i, part in enumerate(node.value.elts):
            if isinstance(part, ast.Starred):
                return node
            rows.append(ast.Assign([ast.Name(f"_result_{i}", ast.Store())], part))
        parts: list[ast.expr] = [ast.Name(f"_result_{i}", ast.Load()) for i in range(len(rows))]
        rows.append(ast.Return(ast.Tuple(parts, ast.Load())))
        return [ast.copy_location(row, node) for row in rows]


def _assign(node: ast.stmt, target: ast.Subscript, value: ast.expr) -> ast.stmt:
    """Return the assignment of a new array in place of a write, if its name is simple."""
    if not isinstance(target.value, (ast.Name, ast.Attribute)):
        return ast.copy_location(ast.Assign([target], value), node)
    read = ast.parse(ast.unparse(target.value), mode="eval").body
    index = ast.Subscript(ast.Name(INDEX, ast.Load()), target.slice, ast.Load())
    call = ast.Call(ast.Name(SET, ast.Load()), [read, index, value], [])
    return ast.copy_location(ast.Assign([_as_target(target.value)], call), node)


def _as_target(target: ast.expr) -> ast.expr:
    """Return a name or attribute as an assignment target."""
    found = ast.parse(ast.unparse(target), mode="eval").body
    found.ctx = ast.Store()  # type: ignore[attr-defined]
    return found
