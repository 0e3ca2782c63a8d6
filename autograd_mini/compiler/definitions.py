"""Definitions: functions of this package as source that runs with NumPy alone.

The text of a function comes from its file, without annotations and decorators. The functions,
constants and errors that it names come along, and those that these name. A forward that is one
expression becomes a template, into which operands are filled.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from ..core.primitive import Primitive
from ..core.source_text import literal, reference

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE: Final = __name__.partition(".")[0]
Function = ast.FunctionDef | ast.Lambda


class UnwritableError(Exception):
    """Something has no source: a user's function, an object with state, a missing file."""


@cache
def _functions_in_file(path: str) -> dict[int, list[Function]]:
    """Return the functions and lambdas of a file by the line on which their code starts."""
    found: dict[int, list[Function]] = {}
    for node in ast.walk(ast.parse("".join(linecache.getlines(path)))):
        if isinstance(node, Function):
            lines = [d.lineno for d in getattr(node, "decorator_list", ())]
            found.setdefault(min(lines, default=node.lineno), []).append(node)
    return found


def _node_of(function: FunctionType) -> Function:
    """Return the syntax tree of a function or lambda of this package.

    Raises:
        UnwritableError: if it is not from this package, or its file is not there.
    """
    code = function.__code__
    if not _is_own(function):
        raise UnwritableError(f"{function.__qualname__} of {function.__module__}")
    try:
        candidates = _functions_in_file(code.co_filename).get(code.co_firstlineno, [])
    except SyntaxError:
        candidates = []
    for node in candidates:
        if getattr(node, "name", "<lambda>") == code.co_name and _is_node_of(node, code):
            return node
    raise UnwritableError(f"{function.__qualname__} has no source")


def _is_own(function: FunctionType) -> bool:
    """Whether a function was written in this package, whatever it wraps."""
    return str(function.__globals__.get("__name__")).partition(".")[0] == PACKAGE


def unwrap_forward(forward: Callable[..., object]) -> Callable[..., object]:
    """Return what a forward wraps: in this package, wrappers only explain errors."""
    while isinstance(forward, FunctionType) and _is_own(forward):
        if not hasattr(forward, "__wrapped__"):
            break
        forward = forward.__wrapped__
    return forward


def _is_node_of(node: Function, code: CodeType) -> bool:
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
        self._shorten(node)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep an error's class, with the first line of its docstring."""
        self._shorten(node)
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

    def _shorten(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        """Keep the first line of a docstring."""
        text = ast.get_docstring(node)
        if text:
            node.body[0] = ast.Expr(ast.Constant(text.partition("\n")[0]))


class ClosureInliner(ast.NodeTransformer):
    """Replace the variables of a closure by their values."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a variable that is read."""
        return self.values.get(node.id, node) if isinstance(node.ctx, ast.Load) else node


def _closed_over(function: FunctionType) -> dict[str, ast.expr]:
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


def _copy_syntax(node: object) -> Any:
    """Return a copy of a syntax tree, which may be changed; twice as fast as `deepcopy`."""
    if isinstance(node, list):
        return [_copy_syntax(part) for part in node]
    if not isinstance(node, ast.AST):
        return node
    parts = {name: _copy_syntax(getattr(node, name, None)) for name in node._fields}
    made = type(node)(**parts)
    return ast.copy_location(made, node)


def _global_names(code: CodeType) -> Iterator[str]:
    """Yield the global names that code reads, its inner functions included."""
    import dis  # here, since a program that defines no function needs none of it

    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _global_names(inner)


@dataclass(slots=True)
class Definitions:
    """Imports and definitions by name, each after those that it needs."""

    texts: dict[str, str] = field(default_factory=dict)

    def _add_names(self, names: Iterator[str], namespace: Mapping[str, object]) -> None:
        """Add what a module's names stand for.

        Raises:
            UnwritableError: if one cannot be written.
        """
        for name in names:
            if name in namespace:
                self.add(name, namespace[name])
            elif not hasattr(builtins, name):
                raise UnwritableError(name)

    def add(self, name: str, value: object) -> None:
        """Add one definition under a name.

        Raises:
            UnwritableError: if it cannot be written.
        """
        if name in self.texts or (name == "np" and value is np):
            return
        if isinstance(value, Primitive):
            value = value.ufunc or unwrap_forward(value.forward)
        if isinstance(value, ModuleType):
            self._add_module(name, value)
        elif found := reference(value):
            self._add_import(found[1])
            self.texts[name] = f"{name} = {found[0]}"
        elif isinstance(value, FunctionType):
            self._add_function(name, value)
        elif isinstance(value, type):
            self._add_class(name, value)
        elif text := literal(value):
            self.texts[name] = f"{name} = {text}"
        else:
            raise UnwritableError(name)

    def _add_module(self, name: str, module: ModuleType) -> None:
        """Add the import of a module that is not of this package."""
        if module.__name__.partition(".")[0] == PACKAGE:
            raise UnwritableError(module.__name__)
        alias = "" if module.__name__ == name else f" as {name}"
        self._add_import(f"import {module.__name__}{alias}")

    def _add_import(self, line: str) -> None:
        """Add an import, if there is one."""
        if line:
            self.texts[line] = line

    def _add_function(self, name: str, function: FunctionType) -> None:
        """Add a function after what it needs."""
        node = ClosureInliner(_closed_over(function)).visit(_copy_syntax(_node_of(function)))
        self.texts[name] = ""  # a function may name itself
        self._add_names(_global_names(function.__code__), function.__globals__)
        del self.texts[name]
        if isinstance(node, ast.Lambda):
            self.texts[name] = f"{name} = {ast.unparse(AnnotationRemover().visit(node))}"
            return
        node.name = name
        self.texts[name] = ast.unparse(ast.fix_missing_locations(AnnotationRemover().visit(node)))

    def _add_class(self, name: str, kind: type) -> None:
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


# ── templates ─────────────────────────────────────────────────────────────────────────────────────
# A forward as source, with places for its operands and parameters.
class Template:
    """The expression that a forward returns, or a call of its definition if it is longer.

    Attributes:
        text: with each parameter in angle brackets, as `np.maximum(⟨x⟩, 0)`; ⟨*⟩ and ⟨()⟩ stand for
            the other operands, as arguments and as a tuple.
        function: what the text calls, as `np.maximum`, or "".
        operands: the names of the positional parameters.
        definitions: what the text needs.
    """

    made: WeakKeyDictionary[FunctionType, Template] = WeakKeyDictionary()

    @classmethod
    def of(cls, primitive: Primitive, forward: Callable[..., object]) -> Template:
        """Return the template of a primitive's forward, made once.

        Raises:
            UnwritableError: if it cannot be written.
        """
        if not isinstance(forward, FunctionType):
            raise UnwritableError(f"{forward!r}")
        if forward not in cls.made:
            cls.made[forward] = cls(primitive, forward)
        return cls.made[forward]

    def __init__(self, primitive: Primitive, forward: FunctionType) -> None:
        node = _node_of(forward)
        closed = _closed_over(forward)
        body = None if closed else _returned_expression(node)
        self.operands = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        rest = node.args.vararg.arg if node.args.vararg else None
        found = Definitions()
        if body is None:
            name = _program_name(primitive.name if closed else forward.__name__)
            found.add(name, forward)
            body = _call_by_parameters(name, node.args)
        else:
            names = list(_global_names(forward.__code__))
            body = use_program_names(body, names, forward.__globals__, found)
        keywords = (a.arg for a in node.args.kwonlyargs)
        places = {name: f"⟨{name}⟩" for name in (*self.operands, *keywords)}
        body = NameReplacer(places, rest).visit(body)
        self.text = ast.unparse(ast.fix_missing_locations(body))
        self.function = ast.unparse(body.func) if isinstance(body, ast.Call) else ""
        self.definitions = tuple(found.texts.values())

    def fill(self, names: Sequence[str], texts: Mapping[str, str]) -> str:
        """Return the text with operands and parameters in their places."""
        count = len(self.operands)
        given = {**dict(zip(self.operands, names, strict=False)), **texts}
        given = {name: parenthesize(text) for name, text in given.items()}
        rest = ", ".join(names[count:])
        given |= {"*": rest, "()": f"({rest}{',' * (len(names) - count == 1)})"}
        return PLACE.sub(lambda place: given[place[1]], self.text)


PLACE: Final = re.compile("⟨(.+?)⟩")


def parenthesize(text: str) -> str:
    """Return an operand or a literal for any place in an expression."""
    return f"({text})" if text[0] == "-" else text


def _call_by_parameters(name: str, given: ast.arguments) -> ast.expr:
    """Return a call of a function with its parameters as they are named there."""
    positional: list[ast.expr] = [ast.Name(a.arg) for a in (*given.posonlyargs, *given.args)]
    if given.vararg:
        positional.append(ast.Starred(ast.Name(given.vararg.arg)))
    keywords = [ast.keyword(a.arg, ast.Name(a.arg)) for a in given.kwonlyargs]
    return ast.Call(ast.Name(name), positional, keywords)


def use_program_names(
    tree: ast.expr, names: Sequence[str], namespace: Mapping[str, object], found: Definitions
) -> ast.expr:
    """Replace a module's names by what a program calls them, and add their definitions.

    Functions of NumPy get their path; others a name with an underscore.

    Raises:
        UnwritableError: if one cannot be written.
    """
    texts = {}
    for name in names:
        if name not in namespace or name == "np":
            continue
        path = reference(namespace[name])
        if path is not None:
            texts[name] = path[0]
            found._add_import(path[1])
        else:
            own = _program_name(name)
            texts[name] = f"_{name}" if own in texts.values() else own
            found.add(texts[name], namespace[name])
    made: ast.expr = NameReplacer(texts).visit(tree)
    return made


def _program_name(name: str) -> str:
    """Return what a program calls a function: with one underscore, private or not."""
    return f"_{name.lstrip('_')}"


def _returned_expression(node: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    """Return a copy of a function's only expression; None if it is longer or binds names."""
    if isinstance(node, ast.Lambda):
        body: Any = node.body
    else:
        documented = ast.get_docstring(node) is not None
        last = node.body[-1]
        if len(node.body) != 1 + documented or not isinstance(last, ast.Return):
            return None
        body = last.value
    own = (ast.comprehension, ast.Lambda, ast.NamedExpr)
    if body is None or any(isinstance(part, own) for part in ast.walk(body)):
        return None
    made: ast.expr = _copy_syntax(body)
    return made


class NameReplacer(ast.NodeTransformer):
    """Put other names in the place of names, and marks for the operands that are left."""

    def __init__(self, texts: Mapping[str, str], rest: str | None = None) -> None:
        self.texts = texts
        self.rest = rest

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a name."""
        if node.id == self.rest:
            return ast.Name("⟨()⟩")
        return ast.Name(self.texts.get(node.id, node.id))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace `*xs` in a call by ⟨*⟩."""
        arguments: list[ast.expr] = []
        for part in node.args:
            inner = part.value if isinstance(part, ast.Starred) else None
            is_rest = isinstance(inner, ast.Name) and inner.id == self.rest
            arguments.append(ast.Name("⟨*⟩") if is_rest else self.visit(part))
        node.args = arguments
        node.func = self.visit(node.func)
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return node
