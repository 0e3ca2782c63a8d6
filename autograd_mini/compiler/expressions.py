"""Expressions: how one instruction is written in a NumPy program.

Most of it follows from the primitive's forward. A ufunc is called. Python's operators stand between
numbers. A forward of one expression is written out; a longer one is defined in the program and
called. A primitive has its own text only where that would read badly, or could not write into an
array.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from ..core.source_text import Written, literal, reference
from .definitions import (
    Definitions,
    Template,
    UnwritableError,
    parenthesize,
    unwrap_forward,
    use_program_names,
)
from .program import Instruction, Value


class Expression(NamedTuple):
    """An instruction as source.

    Attributes:
        expression: what it computes; a tuple if it has several results. It shares memory with its
            first operand if `is_view` says so, and with no operand otherwise.
        out: whether `, out=r` may stand before its last parenthesis.
        in_place: whether that r may be an operand of the result's shape and dtype.
        definitions: imports, functions and constants that it names, each after what it needs. Their
            names in the expression begin with an underscore, except those in RESERVED.
        objects: objects without source, by their names in the expression.
        writing: makes statements that write the result into an array of a given name, which must
            not be an operand; for expressions that take no `out`.
    """

    expression: str
    out: bool = False
    in_place: bool = False
    definitions: tuple[str, ...] = ()
    objects: Mapping[str, Any] = {}
    writing: Callable[[str], list[str]] | None = None

    def into(self, name: str) -> list[str]:
        """Return statements that write the result into an array; [] if that is impossible."""
        if self.out:
            return [f"{self.expression[:-1]}, out={name})"]
        return self.writing(name) if self.writing else []


RESERVED: Final = frozenset({"np", "scipy", "abs", "tuple", "slice", "complex", "float"})
"""Names that forms use, and no variable of a program may have."""

OPERATORS: Final[dict[Any, str]] = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.truediv: "{} / {}",
    operator.floordiv: "{} // {}",
    operator.mod: "{} % {}",
    operator.pow: "{} ** {}",
    operator.neg: "-{}",
    operator.pos: "+{}",
    operator.abs: "abs({})",
    operator.eq: "{} == {}",
    operator.ne: "{} != {}",
    operator.lt: "{} < {}",
    operator.le: "{} <= {}",
    operator.gt: "{} > {}",
    operator.ge: "{} >= {}",
    operator.and_: "{} & {}",
    operator.or_: "{} | {}",
    operator.xor: "{} ^ {}",
    operator.lshift: "{} << {}",
    operator.rshift: "{} >> {}",
}
"""Forwards that are Python operators; on scalars they are ten times faster than a ufunc."""


def expression_of(step: Instruction, names: Sequence[str]) -> Expression:
    """Write an instruction whose operands have these names; numbers are written as they are."""
    primitive = step.primitive
    if primitive.forward in OPERATORS and _is_scalar(step):
        return Expression(OPERATORS[primitive.forward].format(*map(parenthesize, names)))
    if primitive.code is primitive.into is None:
        return _expression_from_forward(step, names)
    written = [_as_written(name, x) for name, x in zip(names, step.operands, strict=True)]
    text = primitive.code and primitive.code(*written, **step.params)
    form = (
        _expression_from_code(step, text, names) if text else _expression_from_forward(step, names)
    )
    if primitive.into is None or form.out or not _has_array_result(step):
        return form
    return form._replace(writing=_find_into_writer(step, written))


def is_view(step: Instruction) -> bool:
    """Whether each result shares the memory of the first operand, if that is an array."""
    view = step.primitive.view
    if callable(view):
        return type(step.operands[0]) is Value and view(*step.operands, **step.params)
    return view


def takes_out(step: Instruction) -> bool:
    """Whether the result can be written into an array: whether `into` returns statements."""
    form = expression_of(step, _placeholders(step))
    return form.out or form.writing is not None


def works_in_place(step: Instruction) -> bool:
    """Whether the result may be written into an operand of its shape and dtype."""
    return expression_of(step, _placeholders(step)).in_place


def _placeholders(step: Instruction) -> list[str]:
    """Return names for the operands of an instruction whose text is not used."""
    return [f"x{i}" if type(x) is Value else repr(x) for i, x in enumerate(step.operands)]


def _is_scalar(step: Instruction) -> bool:
    """Whether all operands and results of an instruction are scalars."""
    for x in step.operands:
        if type(x) is Value and x.shape:
            return False
    return not any(y.shape for y in step.results)


def _has_array_result(step: Instruction) -> bool:
    """Whether an instruction has one result, an array."""
    return not step.primitive.multiple and bool(step.results[0].shape)


def _as_written(name: str, x: object) -> Written:
    """Describe an operand for the primitive's own text: name, shape and dtype, or the number."""
    return Written(name, x.shape, x.dtype) if type(x) is Value else Written(name, number=x)


def _find_into_writer(
    step: Instruction, written: Sequence[Written]
) -> Callable[[str], list[str]] | None:
    """Return what writes into an array, if the primitive has that for these operands."""
    into, y = step.primitive.into, step.results[0]
    assert into is not None
    if into(Written("out", y.shape, y.dtype), *written, **step.params) is None:
        return None
    return lambda name: into(Written(name, y.shape, y.dtype), *written, **step.params) or []


def _expression_from_code(step: Instruction, text: str, names: Sequence[str]) -> Expression:
    """Return the primitive's own text, with the definitions of what it names."""
    namespace = getattr(step.primitive.code, "__globals__", {})
    used = {n for n in WORD.findall(text) if n in namespace and n != "np" and n not in names}
    if not used:
        return _make_expression(step, text, _called_function(text), (), {})
    tree = ast.parse(text, mode="eval").body
    words = {n.id: None for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in used}
    found = Definitions()
    text = ast.unparse(use_program_names(tree, list(words), namespace, found))
    return _make_expression(step, text, _called_function(text), tuple(found.texts.values()), {})


WORD: Final = re.compile(r"(?<![\w.])[^\W\d]\w*")
"""Matches a word that may be a name, but not an attribute."""


def _expression_from_forward(step: Instruction, names: Sequence[str]) -> Expression:
    """Write what follows from the primitive's ufunc or forward."""
    ufunc = step.primitive.ufunc
    if ufunc is not None and (path := _path_of(ufunc)):
        out = _has_array_result(step) and ufunc.nout == 1
        text = f"{path[0]}({', '.join(names)})"
        return Expression(text, out, out and ufunc.signature is None, path[1])
    objects: dict[str, Any] = {}
    texts = {key: _write_parameter(key, value, objects) for key, value in step.params.items()}
    forward = unwrap_forward(step.primitive.forward)
    if found := reference(forward):
        needed = (found[1],) if found[1] else ()
        return _make_expression(
            step, _write_call(found[0], names, texts), found[0], needed, objects
        )
    try:
        template = Template.of(step.primitive, forward)
    except UnwritableError:
        name = _name_object(step.primitive.name, step.primitive.forward, objects)
        return _make_expression(step, _write_call(name, names, texts), name, (), objects)
    text = template.fill(names, texts)
    return _make_expression(step, text, template.function, template.definitions, objects)


def _make_expression(
    step: Instruction,
    text: str,
    function: str,
    definitions: tuple[str, ...],
    objects: Mapping[str, object],
) -> Expression:
    """Make an expression of a text and of the function that it calls in the end, or ""."""
    out = _has_array_result(step) and _has_out(function)
    in_place = out and _is_elementwise(function)
    return Expression(_unwrap_number(step, text, function), out, in_place, definitions, objects)


def _unwrap_number(step: Instruction, text: str, function: str) -> str:
    """Take the number out of a 0-d array, which some functions return, but no ufunc."""
    if step.primitive.multiple or step.results[0].shape or not PRIMARY.fullmatch(text):
        return text
    if step.results[0].weak:  # a Python number
        return text
    if _is_elementwise(function) or function.endswith(".reduce") or _is_type(function):
        return text
    return f"{text}[()]"


PRIMARY: Final = re.compile(r"[\w.]+[(\[].*(?<!\[\(\))[)\]]|\w+\.[a-zA-Z]+")
"""A call, a subscript but for `[()]`, or an attribute."""


def _write_call(function: str, names: Sequence[str], texts: Mapping[str, str]) -> str:
    """Write a call: operands by position, parameters by keyword."""
    return f"{function}({', '.join([*names, *(f'{k}={v}' for k, v in texts.items())])})"


def _write_parameter(key: str, value: object, objects: dict[str, object]) -> str:
    """Write a parameter, or enter it among the objects."""
    text = literal(value)
    return _name_object(key, value, objects) if text is None else text


KNOWN: Final[WeakValueDictionary[str, Any]] = WeakValueDictionary()
"""Name → object without source; two custom operations may have the same name."""


def _name_object(wanted: str, value: object, objects: dict[str, object]) -> str:
    """Enter an object under a unique name, as `_cube` or `_cube_2`; return the name."""
    base = name = "_" + re.sub(r"\W", "_", wanted, flags=re.ASCII)
    count = 1
    while KNOWN.get(name, value) is not value:
        count += 1
        name = f"{base}_{count}"
    try:
        KNOWN[name] = value
    except TypeError:  # a generator, say; its address is its own while the form holds it
        name = f"{base}_{id(value):x}"
    objects[name] = value
    return name


# ── functions of NumPy in source ──────────────────────────────────────────────────────────────────
# Which function a text calls, and whether that takes an array for its result.
def _called_function(text: str) -> str:
    """Return what an expression calls in the end, as `np.add.reduce`, or ""."""
    start = CALLED.match(text)
    if start is None:
        return ""
    depth = 0
    for place in BRACKET.finditer(text):
        depth += 1 if place[0] == "(" else -1
        if not depth:
            return start[1] if place.end() == len(text) else ""
    return ""


CALLED: Final = re.compile(r"([\w.]+)\(")
BRACKET: Final = re.compile(r"[()]")


@cache
def _path_of(ufunc: np.ufunc) -> tuple[str, tuple[str, ...]] | None:
    """Return how a program names a ufunc of NumPy or SciPy, and the import that it needs."""
    found = reference(ufunc)
    return found and (found[0], (found[1],) if found[1] else ())


NO_OUT: Final = frozenset({"np.round", "np.around"})
"""Functions that refuse an array for their result where they should not: of rounded integers."""


@cache
def _has_out(path: str) -> bool:
    """Whether a function of NumPy, as `np.add.reduce`, takes an array for its result."""
    if path in NO_OUT:
        return False
    function, owner = _resolve_path(path)
    if isinstance(function, np.ufunc):
        return bool(function.nout == 1)
    if isinstance(owner, np.ufunc):
        return path.endswith((".reduce", ".accumulate"))
    try:
        return function is not None and "out" in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False


@cache
def _is_elementwise(path: str) -> bool:
    """Whether a function of NumPy is a ufunc that works element by element."""
    function, _ = _resolve_path(path)
    return isinstance(function, np.ufunc) and function.signature is None and function.nout == 1


@cache
def _is_type(path: str) -> bool:
    """Whether a path names a scalar type, as `np.float32`."""
    function, _ = _resolve_path(path)
    return isinstance(function, type) and issubclass(function, np.generic)


def _resolve_path(path: str) -> tuple[Any, Any]:
    """Return the object that a path as `np.add.reduce` names, and its owner; or None."""
    module, *parts = path.split(".")
    if module != "np" or not parts:
        return None, None
    function: Any = np
    owner: Any = None
    for part in parts:
        owner, function = function, getattr(function, part, None)
    return function, owner
