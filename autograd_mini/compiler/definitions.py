"""Definitions: functions of this package as source that runs with NumPy alone.

A function's own text is taken from its file, without annotations and decorators, and with it go the
functions, constants and errors that it names, and those that these name.
"""

from __future__ import annotations

import ast
import builtins
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

from ..core.primitive import Primitive
from ..core.source_text import literal, reference

PACKAGE: Final = __name__.partition(".")[0]
Function = ast.FunctionDef | ast.Lambda


class UnwritableError(Exception):
    """What has no source of its own: a user's function, an object of state, a missing file."""


@cache
def functions_in_file(path: str) -> dict[int, list[Function]]:
    """Return the functions and lambdas of a file by the line on which their code starts."""
    found: dict[int, list[Function]] = {}
    for node in ast.walk(ast.parse("".join(linecache.getlines(path)))):
        if isinstance(node, Function):
            lines = [d.lineno for d in getattr(node, "decorator_list", ())]
            found.setdefault(min(lines, default=node.lineno), []).append(node)
    return found


def node_of(function: FunctionType) -> Function:
    """Return the syntax tree of a function or lambda of this package.

    Raises:
        UnwritableError: if it is not from this package, or its file is not there.
    """
    code = function.__code__
    if not is_own(function):
        raise UnwritableError(f"{function.__qualname__} of {function.__module__}")
    try:
        candidates = functions_in_file(code.co_filename).get(code.co_firstlineno, [])
    except SyntaxError:
        candidates = []
    for node in candidates:
        if getattr(node, "name", "<lambda>") == code.co_name and is_node_of(node, code):
            return node
    raise UnwritableError(f"{function.__qualname__} has no source")


def is_own(function: FunctionType) -> bool:
    """Whether a function was written in this package, whatever it wraps."""
    return str(function.__globals__.get("__name__")).partition(".")[0] == PACKAGE


def unwrap_forward(forward: Any) -> Any:
    """Return what a forward wraps: in this package a wrapper only words errors."""
    while isinstance(forward, FunctionType) and is_own(forward):
        if not hasattr(forward, "__wrapped__"):
            break
        forward = forward.__wrapped__
    return forward


def is_node_of(node: Function, code: CodeType) -> bool:
    """Whether a function's code comes from a node: its arguments, and where its body stands."""
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    count = code.co_argcount + code.co_kwonlyargcount
    if tuple(a.arg for a in named) != code.co_varnames[:count]:
        return False
    body = node.body[-1] if isinstance(node.body, list) else node.body
    last = (body.end_lineno, body.end_col_offset)
    return last == max((p[1], p[3]) for p in code.co_positions() if p[1] and p[3]) or (
        isinstance(node, ast.FunctionDef)
    )


class AnnotationRemover(ast.NodeTransformer):
    """Drop annotations, decorators and all but the first line of docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop what only a reader of this package needs."""
        node.decorator_list, node.returns = [], None
        self.shorten(node)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep an error's class, with the first line of its docstring."""
        self.shorten(node)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop an argument's annotation."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Write an annotated assignment as a plain one."""
        if node.value is None:
            return None
        plain = ast.Assign([node.target], self.visit(node.value))
        return ast.copy_location(plain, node)

    def shorten(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        """Keep the first line of a docstring."""
        text = ast.get_docstring(node)
        if text:
            node.body[0] = ast.Expr(ast.Constant(text.partition("\n")[0]))


class ClosureInliner(ast.NodeTransformer):
    """Put the values of a closure in the place of its variables."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a variable that is read."""
        return self.values.get(node.id, node) if isinstance(node.ctx, ast.Load) else node


def closed_over(function: FunctionType) -> dict[str, ast.expr]:
    """Return what a function's closure holds, as expressions.

    Raises:
        UnwritableError: for a value that has no literal.
    """
    found = {}
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        text = literal(cell.cell_contents)
        if text is None:
            raise UnwritableError(f"{name} in {function.__qualname__}")
        found[name] = ast.parse(text, mode="eval").body
    return found


def copy_syntax(node: Any) -> Any:
    """Return a copy of a syntax tree, which may be changed; twice as fast as `deepcopy`."""
    if isinstance(node, list):
        return [copy_syntax(part) for part in node]
    if not isinstance(node, ast.AST):
        return node
    parts = {name: copy_syntax(getattr(node, name, None)) for name in node._fields}
    made = type(node)(**parts)
    return ast.copy_location(made, node)


def global_names(code: CodeType) -> Iterator[str]:
    """Yield the global names that code reads, its inner functions included."""
    import dis  # here, since a program that defines no function needs none of it

    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from global_names(inner)


@dataclass(slots=True)
class Definitions:
    """Imports and definitions by name, each after those that it needs."""

    texts: dict[str, str] = field(default_factory=dict)

    def add_names(self, names: Iterator[str], namespace: Mapping[str, Any]) -> None:
        """Add what a module's names stand for.

        Raises:
            UnwritableError: if one cannot be written.
        """
        for name in names:
            if name in namespace:
                self.add(name, namespace[name])
            elif not hasattr(builtins, name):
                raise UnwritableError(name)

    def add(self, name: str, value: Any) -> None:
        """Add one definition under a name.

        Raises:
            UnwritableError: if it cannot be written.
        """
        if name in self.texts or (name == "np" and value is np):
            return
        if isinstance(value, Primitive):
            value = value.ufunc or unwrap_forward(value.forward)
        if isinstance(value, ModuleType):
            self.add_module(name, value)
        elif found := reference(value):
            self.add_import(found[1])
            self.texts[name] = f"{name} = {found[0]}"
        elif isinstance(value, FunctionType):
            self.add_function(name, value)
        elif isinstance(value, type):
            self.add_class(name, value)
        elif text := literal(value):
            self.texts[name] = f"{name} = {text}"
        else:
            raise UnwritableError(name)

    def add_module(self, name: str, module: ModuleType) -> None:
        """Add the import of a module that is not of this package."""
        if module.__name__.partition(".")[0] == PACKAGE:
            raise UnwritableError(module.__name__)
        alias = "" if module.__name__ == name else f" as {name}"
        self.add_import(f"import {module.__name__}{alias}")

    def add_import(self, line: str) -> None:
        """Add an import, if there is one."""
        if line:
            self.texts[line] = line

    def add_function(self, name: str, function: FunctionType) -> None:
        """Add a function after what it needs."""
        node = ClosureInliner(closed_over(function)).visit(copy_syntax(node_of(function)))
        self.texts[name] = ""  # a function may name itself
        self.add_names(global_names(function.__code__), function.__globals__)
        del self.texts[name]
        if isinstance(node, ast.Lambda):
            self.texts[name] = f"{name} = {ast.unparse(AnnotationRemover().visit(node))}"
            return
        node.name = name
        self.texts[name] = ast.unparse(ast.fix_missing_locations(AnnotationRemover().visit(node)))

    def add_class(self, name: str, kind: type) -> None:
        """Add an error of this package after its bases."""
        if not issubclass(kind, Exception) or kind.__module__ != f"{PACKAGE}.errors":
            raise UnwritableError(kind.__qualname__)
        bases = []
        for base in kind.__bases__:
            found = reference(base)
            if found is None:
                self.add(base.__name__, base)
            bases.append(found[0] if found else base.__name__)
        doc = (kind.__doc__ or "").partition("\n")[0]
        self.texts[name] = f'class {name}({", ".join(bases)}):\n    """{doc}"""'
