"""Templates: a forward as source, with places for its operands and parameters."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from ..notation import reference
from ..primitives import Primitive
from .definitions import (
    Definitions,
    UnwritableError,
    closed_over,
    copied,
    global_names,
    node_of,
)


class Template:
    """What a forward returns if that is one expression, else a call of its definition.

    Attributes:
        name: of the definition, with an underscore: no variable of a program has one in front.
        body: the expression, or None.
        operands: the names of its positional parameters.
        rest: the name of the parameter that takes all others, or None.
        definitions: what the expression or the call needs.
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
        self.body = None if closed else returned(node)
        self.name = f"_{primitive.name if closed else forward.__name__}"
        self.operands = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        self.rest = node.args.vararg.arg if node.args.vararg else None
        found = Definitions()
        if self.body is None:
            found.add(self.name, forward)
        else:
            names = list(global_names(forward.__code__))
            self.body = entered(self.body, names, forward.__globals__, found)
        self.definitions = tuple(found.texts.values())

    def filled(self, names: Sequence[str], texts: Mapping[str, str]) -> ast.expr:
        """Return the expression with operands and parameters in their places."""
        count = len(self.operands)
        given = {**dict(zip(self.operands, names, strict=False)), **texts}
        rest = [ast.parse(name, mode="eval").body for name in names[count:]]
        tree: ast.expr = Filled(given, self.rest, rest).visit(copied(self.body))
        return tree


def entered(
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
    made: ast.expr = Filled(texts, None, []).visit(tree)
    return made


def returned(node: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
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
    made: ast.expr = copied(body)
    return made


class Filled(ast.NodeTransformer):
    """Put texts in the place of names; `*xs` and `xs` become the operands that are left."""

    def __init__(self, texts: Mapping[str, str], rest: str | None, parts: list[ast.expr]) -> None:
        self.texts = texts
        self.rest = rest
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a name."""
        if node.id == self.rest:
            return ast.Tuple(self.parts, ast.Load())
        text = self.texts.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace the arguments of a call, and `*xs` by as many as there are."""
        arguments: list[ast.expr] = []
        for part in node.args:
            inner = part.value if isinstance(part, ast.Starred) else None
            if isinstance(inner, ast.Name) and inner.id == self.rest:
                arguments += self.parts
            else:
                arguments.append(self.visit(part))
        node.args = arguments
        node.func = self.visit(node.func)
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return node
