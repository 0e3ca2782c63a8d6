"""Terms: the source of a rule, rewritten so that one operand of a sum or difference is gone."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

Rule = Callable[..., Any]


@cache
def parsed(path: str) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def definition(code: CodeType) -> ast.Lambda | ast.FunctionDef | None:
    """Find where a function is written: the definition that has its first line and its body."""
    body = [p for p in code.co_positions() if p[0] is not None and p[2] is not None]
    line, column = max((p[0], p[2]) for p in body if p[0] and p[2] is not None)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for node in ast.walk(parsed(code.co_filename)):
        if not isinstance(node, (ast.Lambda, ast.FunctionDef)):
            continue
        arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        arguments += [a.arg for a in node.args.kwonlyargs]
        start = (node.lineno, node.col_offset)
        end = (node.end_lineno or 0, node.end_col_offset or 0)
        first = node.decorator_list[0] if getattr(node, "decorator_list", None) else node
        fits = first.lineno == code.co_firstlineno and tuple(arguments) == names
        if fits and start <= (line, column) <= end:
            return node
    return None


class Dropping(ast.NodeTransformer):
    """Replace the sum or difference with a number by one of its operands."""

    def __init__(self, number: int, right: bool) -> None:
        self.number, self.right, self.seen = number, right, -1

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Count sums and differences, and drop from one of them."""
        if isinstance(node.op, (ast.Add, ast.Sub)):
            self.seen += 1
            if self.seen == self.number:
                if self.right:
                    return node.left
                minus = isinstance(node.op, ast.Sub)
                return ast.UnaryOp(ast.USub(), node.right) if minus else node.right
        return self.generic_visit(node)


def sums(node: ast.AST) -> int:
    """Count the sums and differences in an expression or function."""
    found = (n for n in ast.walk(node) if isinstance(n, ast.BinOp))
    return sum(isinstance(n.op, (ast.Add, ast.Sub)) for n in found)


def without_a_term(rule: Any) -> Iterator[Rule]:
    """Yield the rule with one operand dropped of each of its sums and differences, in turn."""
    if not inspect.isfunction(rule):
        return
    node = definition(rule.__code__)
    for number in range(sums(node) if node is not None else 0):
        for right in (True, False):
            again = definition(rule.__code__)
            fresh = ast.parse(ast.unparse(again)) if again is not None else None
            if fresh is not None:
                yield compiled(Dropping(number, right).visit(fresh), rule)


def compiled(tree: Any, rule: Any) -> Rule:
    """Make a function of a syntax tree, with the names that a rule sees."""
    scope = dict(inspect.getclosurevars(rule).nonlocals)
    names = {**rule.__globals__, **scope}
    statement = tree.body[0]
    ast.fix_missing_locations(tree)
    if isinstance(statement, ast.Expr):
        made = eval(compile(ast.Expression(statement.value), "<rule>", "eval"), names)
    else:
        statement.decorator_list = []
        exec(compile(tree, "<rule>", "exec"), names)
        made = names[statement.name]
    return made  # type: ignore[no-any-return]
