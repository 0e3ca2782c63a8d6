"""Expressions: how one instruction is written in a NumPy program.

Most of it follows from the primitive's forward. A ufunc is called. Python's operators stand between
numbers. A forward of one expression is written out; a longer one is defined in the program and
called. A primitive has its own text only where that would read badly, or could not write into an
array.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import linecache
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from ..core.primitive import Primitive
from ..core.source_text import Written, literal, reference
from .program import Instruction, Value

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
        name = f"{function.__qualname__} of {function.__module__}"
        raise UnwritableError(f"{name} is not of this package")
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
        text = ast.get_docstring(node)
        if text:
            node.body[0] = ast.Expr(ast.Constant(text.partition("\n")[0]))
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
        node = NameReplacer(_closed_over(function)).visit(copy.deepcopy(_node_of(function)))
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
        places = {name: ast.Name(f"⟨{name}⟩") for name in (*self.operands, *keywords)}
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
    texts: dict[str, str] = {}
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
    return NameReplacer({name: ast.Name(text) for name, text in texts.items()}).visit(tree)


def _program_name(name: str) -> str:
    """Return what a program calls a function: with one underscore, private or not."""
    return f"_{name.lstrip('_')}"


def _returned_expression(node: ast.FunctionDef | ast.Lambda) -> ast.expr | None:
    """Return a copy of a function's only expression; None if it is longer or binds names."""
    if isinstance(node, ast.Lambda):
        body: ast.expr | None = node.body
    else:
        documented = ast.get_docstring(node) is not None
        last = node.body[-1]
        alone = len(node.body) == 1 + documented and isinstance(last, ast.Return)
        body = last.value if alone and isinstance(last, ast.Return) else None
    own = (ast.comprehension, ast.Lambda, ast.NamedExpr)
    if body is None or any(isinstance(part, own) for part in ast.walk(body)):
        return None
    return copy.deepcopy(body)


class NameReplacer(ast.NodeTransformer):
    """Put expressions in the place of names, and marks for the operands that are left."""

    def __init__(self, values: Mapping[str, ast.expr], rest: str | None = None) -> None:
        self.values = {**values, rest: ast.Name("⟨()⟩")} if rest else values
        self.rest = rest

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a name that is read."""
        is_set = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
        return node if is_set else self.values.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace `*xs` in a call by ⟨*⟩."""
        for i, part in enumerate(node.args):
            inner = part.value if isinstance(part, ast.Starred) else None
            if isinstance(inner, ast.Name) and inner.id == self.rest:
                node.args[i] = ast.Name("⟨*⟩")
        return self.generic_visit(node)


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
    objects: Mapping[str, object] = {}
    writing: Callable[[str], list[str]] | None = None

    def into(self, name: str) -> list[str]:
        """Return statements that write the result into an array; [] if that is impossible."""
        if self.out:
            return [f"{self.expression[:-1]}, out={name})"]
        return self.writing(name) if self.writing else []


RESERVED: Final = frozenset({"np", "scipy", "abs", "tuple", "slice", "complex", "float"})
"""Names that forms use, and no variable of a program may have."""

SIGNS: Final = dict(
    add="+", sub="-", mul="*", truediv="/", floordiv="//", mod="%", pow="**", eq="==", ne="!=",
    lt="<", le="<=", gt=">", ge=">=", and_="&", or_="|", xor="^", lshift="<<", rshift=">>",
)  # fmt: skip
OPERATORS: Final[dict[Any, str]] = {
    operator.neg: "-{}",
    operator.pos: "+{}",
    operator.abs: "abs({})",
} | {getattr(operator, name): f"{{}} {sign} {{}}" for name, sign in SIGNS.items()}
"""Forwards that are Python operators; on scalars they are ten times faster than a ufunc."""


def expression_of(step: Instruction, names: Sequence[str]) -> Expression:
    """Write an instruction whose operands have these names; numbers are written as they are."""
    primitive = step.primitive
    if primitive.forward in OPERATORS and _is_scalar(step):
        return Expression(OPERATORS[primitive.forward].format(*map(parenthesize, names)))
    if primitive.code is primitive.into is None:
        return _expression_from_forward(step, names)
    written = [
        Written(name, x.shape, x.dtype) if type(x) is Value else Written(name, number=x)
        for name, x in zip(names, step.operands, strict=True)
    ]
    text = primitive.code and primitive.code(*written, **step.params)
    form = _expression_from_code(step, text, names) if text else None
    form = form or _expression_from_forward(step, names)
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
    return not any(x.shape for x in (*step.values, *step.results))


def _has_array_result(step: Instruction) -> bool:
    """Whether an instruction has one result, an array."""
    return not step.primitive.multiple and bool(step.results[0].shape)


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
    if ufunc is not None and (found := reference(ufunc)):
        out = _has_array_result(step) and ufunc.nout == 1
        text = f"{found[0]}({', '.join(names)})"
        return Expression(text, out, out and ufunc.signature is None, _without_empty(found[1]))
    objects: dict[str, object] = {}
    texts = {key: _write_parameter(key, value, objects) for key, value in step.params.items()}
    forward = unwrap_forward(step.primitive.forward)
    if found := reference(forward):
        text, needed = _write_call(found[0], names, texts), _without_empty(found[1])
        return _make_expression(step, text, found[0], needed, objects)
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


def _without_empty(definition: str) -> tuple[str, ...]:
    """Return the definitions that an expression needs: one import, or none."""
    return (definition,) if definition else ()


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
        return callable(function) and "out" in inspect.signature(function).parameters
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


def _resolve_path(path: str) -> tuple[object, object]:
    """Return the object that a path as `np.add.reduce` names, and its owner; or None."""
    module, *parts = path.split(".")
    if module != "np" or not parts:
        return None, None
    function: object = np
    owner: object = None
    for part in parts:
        owner, function = function, getattr(function, part, None)
    return function, owner
