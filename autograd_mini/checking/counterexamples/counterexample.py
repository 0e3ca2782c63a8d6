"""A counterexample: inputs at which a gradient is wrong, written as a script that runs alone."""

from __future__ import annotations

import ast
import functools
import inspect
import keyword
import linecache
import math
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...core.source_text import dtype_text, literal, reference
from ...core.tensor import Tensor
from ...core.visible import show_text
from ..inputs import argument_names
from ..report import Report

if TYPE_CHECKING:
    from ...core.arrays import Array

NumberWriter = Callable[[Any], str]

USUAL: Final = (np.float64, np.complex128, np.bool_, np.int64)
"""Dtypes that NumPy infers from written numbers."""

MOST = 2000
"""A larger array is not written."""

WIDE = 90
"""A longer array is written row by row."""


class Script:
    """A script that grows with each value it has to express.

    Attributes:
        imports, definitions: the lines of each section.
        names: the value of each name.
        future: whether annotations must stay unevaluated.
        complete: whether the script runs without changes.
    """

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        self.definitions: list[str] = []
        self.names: dict[str, Any] = {}
        self.complete = True
        self.future = False
        self._expressions: dict[int, str] = {}

    def lines(self) -> list[str]:
        """Return the imports and definitions."""
        future = ["from __future__ import annotations", ""] if self.future else []
        return [*future, *self.imports, *([""] if self.definitions else []), *self.definitions]

    def free_name(self, wanted: str) -> str:
        """Return this name, or a variant of it that is not used yet."""
        name = wanted if wanted.isidentifier() and not keyword.iskeyword(wanted) else "x"
        while name in self.names:
            name += "_"
        return name

    def import_(self, line: str, name: str, value: object) -> str:
        """Add an import that binds a name, and return the name."""
        self.imports[line] = None
        self.names[name] = value
        return name

    def function(self, value: Callable[..., object], wanted: str) -> str:
        """Return an expression for a function; a definition gets the wanted name."""
        if id(value) not in self._expressions:
            for way in (
                self._write_library_name,
                self._write_partial,
                self._write_import,
                self._write_source,
            ):
                found = way(value, wanted)
                if found is not None:
                    break
            else:
                found = self._leave_to_reader(value, wanted)
            self._expressions[id(value)] = found
        return self._expressions[id(value)]

    def _leave_to_reader(self, value: object, wanted: str) -> str:
        """Add a name that the reader has to define."""
        name = self.free_name(wanted)
        self.names[name] = value
        self.definitions.append(f"{name} = ...  # put here {_describe_value(value)}")
        self.complete = False
        return name

    def _write_library_name(self, value: Callable[..., object], wanted: str) -> str | None:
        """Write a function of NumPy, SciPy or this library."""
        found = reference(value)
        if found is not None:
            root = found[0].partition(".")[0]
            line = found[1] or ("import numpy as np" if root == "np" else "")
            if line:
                self.import_(line, root, sys.modules["numpy" if root == "np" else root])
            return found[0]
        name = getattr(value, "__name__", None)
        library = sys.modules["autograd_mini"]
        if isinstance(name, str) and vars(library).get(name) is value:
            return f"{self.import_('import autograd_mini as am', 'am', library)}.{name}"
        return None

    def _write_partial(self, value: Callable[..., object], wanted: str) -> str | None:
        """Write a `functools.partial`."""
        if type(value) is not functools.partial:
            return None
        inner = self.function(value.func, wanted)
        parts = [self.value(x) for x in value.args]
        parts += [f"{key}={self.value(x)}" for key, x in value.keywords.items()]
        self.import_("from functools import partial", "partial", functools.partial)
        return f"partial({', '.join([inner, *parts])})"

    def _write_import(self, value: Callable[..., object], wanted: str) -> str | None:
        """Import a function from a module."""
        place = _importable_name(value)
        if place is None:
            return None
        module, name = place
        first, dot, rest = name.partition(".")
        holder = getattr(sys.modules[module], first)
        taken = first in self.names and self.names[first] is not holder
        bound = self.free_name(first) if taken else first
        line = f"from {module} import {first}" + (f" as {bound}" if bound != first else "")
        return self.import_(line, bound, holder) + dot + rest

    def _write_source(self, value: Callable[..., object], wanted: str) -> str | None:
        """Write the source of a function, after everything it uses."""
        source = _source_of(value)
        if source is None:
            return None
        anonymous = source.startswith("lambda")
        name = self.free_name(wanted) if anonymous else value.__name__
        if name in self.names:  # the name of the def is already used
            return None
        self._expressions[id(value)] = name
        self.names[name] = value
        for used, stands_for in _names_used_by(value, source).items():
            self._define(used, stands_for)
        if anonymous:
            self.definitions.append(f"{name} = {source}")
        else:
            self.future = True  # annotations may use names that are missing
            self.definitions += ["", source, ""]
        return name

    def _define(self, name: str, value: object) -> None:
        """Bind a name that a copied function uses."""
        if name in self.names:
            if self.names[name] is not value:
                self.complete = False
                self.definitions.append(f"# {name} stands for {_describe_value(value)}, too")
            return
        if isinstance(value, ModuleType):
            module = value.__name__
            self.import_(
                f"import {module}" + (f" as {name}" if name != module else ""), name, value
            )
            return
        found = self.function(value, name) if callable(value) else self.value(value)
        if found != name:
            self.names[name] = value
            self.definitions.append(f"{name} = {found}")

    def value(self, value: object) -> str:
        """Return an expression for a value."""
        if callable(value) and not isinstance(value, type):
            return self.function(value, "function")
        text = _value_source(value)
        if text is None:
            return self._leave_to_reader(value, "value")
        if "np." in text:
            self.import_("import numpy as np", "np", sys.modules["numpy"])
        if "am." in text:
            self.import_("import autograd_mini as am", "am", sys.modules["autograd_mini"])
        return text


def _importable_name(value: Callable[..., object]) -> tuple[str, str] | None:
    """Return the module of a function, and its name there; None if it cannot be imported."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and _look_up_name(module, name) is value:
        return module, name
    name = getattr(value, "__name__", None) or getattr(value, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        return None
    for module in list(sys.modules):
        if "._" not in module and _look_up_name(module, name) is value:
            return module, name
    return None


def _look_up_name(module: str, name: str) -> Callable[..., object] | None:
    """Return the value of a dotted name in an importable module; None if there is none."""
    if module in ("__main__", "builtins") or "<" in name:
        return None
    first, *rest = name.split(".")
    found: Any = vars(sys.modules[module]).get(first) if module in sys.modules else None
    for part in rest:
        found = getattr(found, part, None)
    return found


def _describe_value(value: object) -> str:
    """Describe a value to a reader who has to define it."""
    code = getattr(value, "__code__", None)
    if isinstance(code, CodeType):
        return f"the function {code.co_name} of {code.co_filename}, line {code.co_firstlineno}"
    return " ".join(f"{type(value).__name__} {value!r:.60}".split())


def _source_of(value: Callable[..., object]) -> str | None:
    """Return the source of a plain function: a def, or a lambda expression."""
    if not isinstance(value, FunctionType):
        return None
    if value.__name__ == "<lambda>":
        return _lambda_text(value.__code__)
    try:
        text = textwrap.dedent(inspect.getsource(value)).rstrip()
        parsed = ast.parse(text).body
    except (OSError, TypeError, SyntaxError):
        return None
    names = [node.name for node in parsed if isinstance(node, ast.FunctionDef)]
    return text if names == [value.__name__] and len(parsed) == 1 else None


def _lambda_text(code: CodeType) -> str | None:
    """Return the source of the lambda with this code."""
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
    """Return the position of an expression, in the format of code positions."""
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _names_used_by(function: Callable[..., object], source: str) -> dict[str, object]:
    """Return the outside names that the source of a function uses, with their values."""
    try:
        found = inspect.getclosurevars(function)
    except (TypeError, ValueError):  # a variable that is not bound yet
        return {}
    names = {name for code in _nested_codes(function.__code__) for name in code.co_names}
    names |= _names_in_definition(source)
    known = function.__globals__
    return {
        **{n: known[n] for n in sorted(names & known.keys())},
        **found.globals,
        **found.nonlocals,
    }


def _names_in_definition(source: str) -> set[str]:
    """Return the names used when a function is defined: in defaults and decorators."""
    try:
        node = ast.parse(source).body[0]
    except SyntaxError:
        return set()
    if not isinstance(node, ast.FunctionDef):
        return set()
    defaults = [x for x in node.args.kw_defaults if x is not None]
    parts = [*node.decorator_list, *node.args.defaults, *defaults]
    return {n.id for part in parts for n in ast.walk(part) if isinstance(n, ast.Name)}


def _nested_codes(code: CodeType) -> list[CodeType]:
    """Return the code objects of all functions inside a function."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return inner + [c for part in inner for c in _nested_codes(part)]


def _value_source(value: object) -> str | None:
    """Write a value as source; None if no text creates an equal one."""
    if isinstance(value, Tensor):
        text = _value_source(np.asarray(value._value))
        return text and f"am.tensor({text}, requires_grad={value.requires_grad})"
    if type(value) is np.ndarray:
        return _array_source(value)
    if type(value) is complex:
        return _complex_source(value)
    if isinstance(value, (list, tuple, dict)) and type(value) in (list, tuple, dict):
        return _container_source(value)
    return literal(value)


def _container_source(
    value: list[object] | tuple[object, ...] | dict[object, object],
) -> str | None:
    """Write a list, tuple or dict."""
    if isinstance(value, dict):
        keys, texts = [literal(key) for key in value], [_value_source(x) for x in value.values()]
        if None in keys or None in texts:
            return None
        return "{" + ", ".join(f"{k}: {x}" for k, x in zip(keys, texts, strict=True)) + "}"
    texts = [_value_source(x) for x in value]
    if None in texts:
        return None
    inner = ", ".join(map(str, texts))
    if isinstance(value, list):
        return f"[{inner}]"
    return f"({inner},)" if len(texts) == 1 else f"({inner})"


def _array_source(x: np.ndarray) -> str | None:
    """Write an array."""
    if x.size > MOST or x.dtype.kind not in "biufc" or x.dtype.itemsize > 16:
        return None
    dtype = "" if x.dtype.type in USUAL and x.dtype.isnative else f", {dtype_text(x.dtype)}"
    if not x.any() and x.size != 1 and x.dtype.kind != "b" and not np.signbit(x.real).any():
        kept = "" if x.dtype == np.float64 else f", {dtype_text(x.dtype)}"
        return f"np.zeros({x.shape}{kept})"
    text = _nested_source(x, _number_writer(x.dtype))
    if len(text) > WIDE and x.ndim > 1:
        rows = "".join(f"\n    {_nested_source(row, _number_writer(x.dtype))}," for row in x)
        text = f"[{rows}\n]"
    return f"np.array({text}{dtype})"


def _nested_source(x: np.ndarray, number: NumberWriter) -> str:
    """Write an array as nested lists."""
    if x.ndim == 0:
        return number(x[()])
    return f"[{', '.join(_nested_source(np.asarray(part), number) for part in x)}]"


def _number_writer(dtype: np.dtype) -> NumberWriter:
    """Return a writer of numbers of a dtype; narrow dtypes need few digits."""
    if dtype.kind == "c":
        narrow = dtype.itemsize // 2
        return lambda z: _complex_source(
            complex(_shortest_float(z.real, narrow), _shortest_float(z.imag, narrow))
        )
    if dtype.kind == "f":
        return lambda x: str(literal(_shortest_float(x, dtype.itemsize)))
    return lambda x: str(literal(x.item()))


def _shortest_float(x: Array, size: int) -> float:
    """Return the float with the fewest digits that equals x in its dtype."""
    return float(x) if size == 8 else float(str(x.dtype.type(x)))


def _complex_source(z: complex) -> str:
    """Write a complex number, including the signs of its zeros."""
    plain = math.isfinite(abs(z)) and all(p or math.copysign(1, p) > 0 for p in (z.real, z.imag))
    return repr(z).strip("()") if plain else str(literal(z))


SHOWN = 8
"""Number of report lines that are printed."""


@dataclass(frozen=True)
class Counterexample:
    """The simplest inputs found for which a gradient is wrong.

    Attributes:
        inputs: the arguments of the function.
        report: the report of a check at these inputs.
        code: a script that repeats the check. If the function can neither be imported nor written
            as source, a comment says what to insert.
        complete: whether the script runs without changes.
        looked_at: which inputs were checked before it was found.
    """

    inputs: tuple[Any, ...]
    report: Report
    code: str
    complete: bool = True
    looked_at: LookedAt | None = None

    def __str__(self) -> str:
        """Write the first lines of the report, then the script."""
        lines = str(self.report).splitlines()
        shown = lines[:SHOWN] + (["  ..."] if len(lines) > SHOWN else [])
        if self.looked_at is not None:
            shown += ["", show_text(str(self.looked_at))]
        return "\n".join([*shown, "", show_text(self.code)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def write_counterexample(
    function: Callable[..., object],
    inputs: Sequence[object],
    report: Report,
    rules: Mapping[str, Any],
    options: Mapping[str, Any],
    looked_at: LookedAt,
) -> Counterexample:
    """Build a counterexample with its script.

    Args:
        function: the function that was checked.
        inputs: its arguments.
        report: the report of the check.
        rules: the hand-written gradients, by keyword of `gradcheck`.
        options: the other keywords that the user gave.
        looked_at: which inputs were checked.
    """
    script = Script()
    script.import_("import autograd_mini as am", "am", sys.modules["autograd_mini"])
    called = [script.function(function, "f")]
    keywords = [
        f"{key}={rule if rule is True else script.function(rule, key)}"
        for key, rule in rules.items()
    ]
    keywords += [f"{key}={script.value(x)}" for key, x in options.items()]
    lines = []
    names = argument_names(function, len(inputs), options.get("names"))
    for name, x in zip(names, inputs, strict=True):
        bound = script.free_name(name)
        lines.append(f"{bound} = {script.value(x)}")
        script.names[bound] = x
        called.append(bound)
    call = f"am.gradcheck({', '.join([*called, *keywords])})"
    body = [*script.lines(), "", *lines, call]
    code = _drop_empty_lines("\n".join(body))
    return Counterexample(tuple(inputs), report, code, script.complete, looked_at)


def _drop_empty_lines(text: str) -> str:
    """Reduce several empty lines to one."""
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Which inputs a search has checked, and what it kept of the examples.

    Attributes:
        checked: how many inputs were checked.
        refused: how many more were useless, because the function raised an error or was not finite.
        shapes: the shapes of the examples, by name.
        other_shapes: how many other combinations of shapes were checked.
        kept: the properties kept of each example, by name.
        order: names of numbers that stayed in this order.
        any_values: whether the user asked for values unlike the examples.
    """

    checked: int
    refused: int
    shapes: Mapping[str, tuple[int, ...]]
    other_shapes: int
    kept: Mapping[str, str]
    order: tuple[str, ...]
    any_values: bool

    def __str__(self) -> str:
        """Describe the checked inputs in one or two lines."""
        return "\n".join([self._of_shapes(), self._of_values()])

    def _of_shapes(self) -> str:
        """Describe how many inputs were checked, and their shapes."""
        given = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        others = f", and {self.other_shapes} others" if self.other_shapes else " only"
        shapes = f" of the shapes given, {given}{others}" if given else ""
        refused = f"; {self.refused} more were outside the domain" if self.refused else ""
        return f"looked at {self.checked} inputs{shapes}{refused}"

    def _of_values(self) -> str:
        """Describe which properties of the values were kept."""
        if self.any_values:
            return "values of any kind"
        kept = [f"{name} {what}" for name, what in self.kept.items()]
        kept += [" < ".join(self.order)] if self.order else []
        return f"values like those given: {'; '.join(kept)}" if kept else "values of any sign"

    def to_dict(self) -> dict[str, object]:
        """Return the facts as plain Python values."""
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        return {**asdict(self), "shapes": shapes, "order": list(self.order)}
