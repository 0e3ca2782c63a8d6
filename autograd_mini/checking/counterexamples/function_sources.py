"""Where a function can be imported from, or else its source and what that uses."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
from types import CodeType, FunctionType
from typing import Any


def importable_name(value: Any) -> tuple[str, str] | None:
    """Return the module that has a function, and its name there."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and look_up_name(module, name) is value:
        return module, name
    name = getattr(value, "__name__", None) or getattr(value, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        return None
    for module in list(sys.modules):
        if "._" not in module and look_up_name(module, name) is value:
            return module, name
    return None


def look_up_name(module: str, name: str) -> Any:
    """Return what a module that others can import has under a dotted name, None for nothing."""
    if module in ("__main__", "builtins") or "<" in name:
        return None
    first, *rest = name.split(".")
    found: Any = vars(sys.modules[module]).get(first) if module in sys.modules else None
    for part in rest:
        found = getattr(found, part, None)
    return found


def describe_value(value: Any) -> str:
    """Say what a value is, for the one who has to write it."""
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        return f"the function {code.co_name} of {code.co_filename}, line {code.co_firstlineno}"
    return " ".join(f"{type(value).__name__} {value!r:.60}".split())


def source_of(value: Any) -> str | None:
    """Return the source of a plain function: a def, or the expression of a lambda."""
    if not isinstance(value, FunctionType):
        return None
    if value.__name__ == "<lambda>":
        return lambda_text(value.__code__)
    try:
        text = textwrap.dedent(inspect.getsource(value)).rstrip()
        parsed = ast.parse(text).body
    except (OSError, TypeError, SyntaxError):
        return None
    names = [node.name for node in parsed if isinstance(node, ast.FunctionDef)]
    return text if names == [value.__name__] and len(parsed) == 1 else None


def lambda_text(code: CodeType) -> str | None:
    """Return the source of the lambda that has this code."""
    text = "".join(linecache.getlines(code.co_filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    found = [node for node in lambdas if node.lineno == code.co_firstlineno]
    if len(found) > 1:
        spans = set(code.co_positions())
        found = [node for node in found if span(node.body) in spans]
    if len(found) != 1:
        return None
    segment = ast.get_source_segment(text, found[0])
    return f"lambda{segment[6:]}" if segment and "\n" not in segment else ast.unparse(found[0])


def span(node: ast.expr) -> tuple[int | None, ...]:
    """Return where an expression stands, as positions of code do."""
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def names_used_by(function: Any, source: str) -> dict[str, Any]:
    """Return what the source of a function uses from around it."""
    try:
        found = inspect.getclosurevars(function)
    except (TypeError, ValueError):  # a variable without a value yet
        return {}
    names = {name for code in nested_codes(function.__code__) for name in code.co_names}
    names |= names_in_definition(source)
    known = function.__globals__
    return {
        **{n: known[n] for n in sorted(names & known.keys())},
        **found.globals,
        **found.nonlocals,
    }


def names_in_definition(source: str) -> set[str]:
    """Return the names that a function uses when it is defined: in defaults and decorators."""
    try:
        node = ast.parse(source).body[0]
    except SyntaxError:
        return set()
    if not isinstance(node, ast.FunctionDef):
        return set()
    defaults = [x for x in node.args.kw_defaults if x is not None]
    parts = [*node.decorator_list, *node.args.defaults, *defaults]
    return {n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)}


def nested_codes(code: CodeType) -> list[CodeType]:
    """Return the codes of the functions within a function, also of those within these."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return inner + [c for part in inner for c in nested_codes(part)]
