"""Templates: a forward as source, with places for its operands and parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..core.primitive import Primitive
from ..core.source_text import reference
from .definitions import (
    Definitions,
    UnwritableError,
    closed_over,
    copy_syntax,
    global_names,
    node_of,
)


class Template:
    """What a forward returns if that is one expression, else a call of its definition.

    Attributes:
        text: with each parameter in angles, as `np.maximum(⟨x⟩, 0)`; ⟨*⟩ and ⟨()⟩ stand for the
            operands that are left, as arguments and as a tuple.
        function: what the text calls, as `np.maximum`, or "".
        operands: the names of the positional parameters.
        definitions: what the text needs.
    """

    made: WeakKeyDictionary[FunctionType, Template] = WeakKeyDictionary()

    @classmethod
    def of(cls, primitive: Primitive, forward: Any) -> Template:
        """Return the template of a row's forward, made once.

        Raises:
            UnwritableError: if it cannot be written.
        """
        if not isinstance(forward, FunctionType):
            raise UnwritableError(f"{forward!r}")
        if forward not in cls.made:
            cls.made[forward] = cls(primitive, forward)
        return cls.made[forward]

    def __init__(self, primitive: Primitive, forward: FunctionType) -> None:
        node = node_of(forward)
        closed = closed_over(forward)
        body = None if closed else returned_expression(node)
        self.operands = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        rest = node.args.vararg.arg if node.args.vararg else None
        found = Definitions()
        if body is None:
            name = f"_{primitive.name if closed else forward.__name__}"
            found.add(name, forward)
            body = call_by_parameters(name, node.args)
        else:
            names = list(global_names(forward.__code__))
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


def call_by_parameters(name: str, given: ast.arguments) -> ast.expr:
    """Return a call of a function with its parameters as they are named there."""
    positional: list[ast.expr] = [ast.Name(a.arg) for a in (*given.posonlyargs, *given.args)]
    if given.vararg:
        positional.append(ast.Starred(ast.Name(given.vararg.arg)))
    keywords = [ast.keyword(a.arg, ast.Name(a.arg)) for a in given.kwonlyargs]
    return ast.Call(ast.Name(name), positional, keywords)


def use_program_names(
    tree: ast.expr, names: Sequence[str], namespace: Mapping[str, Any], found: Definitions
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
            found.add_import(path[1])
        else:
            texts[name] = f"_{name}"
            found.add(texts[name], namespace[name])
    made: ast.expr = NameReplacer(texts).visit(tree)
    return made


def returned_expression(node: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    """Return a copy of the expression that is all of a function, without names of its own."""
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
    made: ast.expr = copy_syntax(body)
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
        """Replace `*xs` in a call by a mark of its own."""
        arguments: list[ast.expr] = []
        for part in node.args:
            inner = part.value if isinstance(part, ast.Starred) else None
            is_rest = isinstance(inner, ast.Name) and inner.id == self.rest
            arguments.append(ast.Name("⟨*⟩") if is_rest else self.visit(part))
        node.args = arguments
        node.func = self.visit(node.func)
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return node
