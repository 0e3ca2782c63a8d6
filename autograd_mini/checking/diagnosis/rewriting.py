"""Rewriting: copy a function so that it creates new arrays instead of writing into them.

`y[i] += v` becomes `y = add(y, i, v)`, so that every written value is part of the recorded formula.
The user's function is not changed. Functions of the same package that it calls are copied too. If
two names share an array, the copy computes something else; `record_formula` notices this, because
it compares the gradient.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import partial
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.tensor import Tensor
from ...ops.indexing import scatter, set_at, split_index

if TYPE_CHECKING:
    from ...core.arrays import Numbers

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
