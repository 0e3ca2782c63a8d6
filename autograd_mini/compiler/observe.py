"""Which Python code runs while a function is traced, which objects it holds, and what they hold.

A trace sees operations, not the Python that chose them. So the interpreter reports each call of a
Python function. Its code tells which names it reads; its frame tells of which objects. What these
can reach is guarded: see `reach`. Code of this library and of NumPy is left out: models and
optimizers report themselves that they are read.

Objects hold attributes, and parts of them as containers. A guard reads these anew each time. None
of the user's code runs: attributes are read without `__getattr__` and `__getattribute__`.
"""

from __future__ import annotations

import dis
import os.path
import sys
import sysconfig
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from types import CodeType, FrameType
from typing import Any, Final, Literal, NamedTuple, TypeVar

import numpy as np

from ..core.record import LIBRARIES
from ..core.tensor import Tensor
from .guards import MISSING, read_attribute

Answer = TypeVar("Answer")


class MappingValues:
    """The values of a mapping, as a container that is read anew each time."""

    def __init__(self, of: Mapping[object, object]) -> None:
        self._of = of

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[object]:
        return iter(dict.values(self._of) if isinstance(self._of, dict) else self._of.values())


class MappingItems:
    """The items of a mapping whose class does more at `[key]`."""

    def __init__(self, of: Mapping[object, object]) -> None:
        self._of = of

    def __getitem__(self, key: object) -> object:
        if not isinstance(self._of, dict):
            return self._of[key]
        found = dict.get(self._of, key, MISSING)  # which makes no default
        if found is MISSING:
            raise KeyError(key)
        return found


class Cached:
    """A result in a cache: it is looked up while it is there, and never computed."""

    def __init__(
        self, results: Mapping[object, object], key: object, call: Callable[[], object]
    ) -> None:
        self._results = results
        self._key = key
        self._call = call

    def __call__(self) -> object:
        """Return the result, `MISSING` if it is no longer there."""
        return self._call() if self._key in self._results else MISSING


class Attributes(Mapping[str, object]):
    """The attributes that an object has for the thread that asks."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __getitem__(self, key: str) -> object:
        return self._of.__dict__[key]

    def __len__(self) -> int:
        return len(self._of.__dict__)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.__dict__)


def cached_call(key: object, typed: bool) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return the arguments of the call that a cache has under a key."""
    parts = key if isinstance(key, tuple | list) else (key,)
    mark = next((place for place, x in enumerate(parts) if type(x) is object), None)
    if mark is None:
        return tuple(parts[: len(parts) // 2] if typed else parts), {}
    last = mark + 1 + 2 * ((len(parts) - 2 * mark - 1) // 3) if typed else len(parts)
    return tuple(parts[:mark]), dict(
        zip(parts[mark + 1 : last : 2], parts[mark + 2 : last : 2], strict=True)
    )


# ── attributes and classes ────────────────────────────────────────────────────────────────────────
OWN_MODULES: Final = frozenset({"builtins", "functools", "collections", "operator", "array"})
"""Modules whose classes are opened as containers."""


def is_class_of_user(kind: type) -> bool:
    """Tell whether the user wrote a class, and not an installed package."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    installed = isinstance(file, str) and file.startswith(INSTALLED)
    return origin_of_module(kind) == "user" and not installed


def value_in(cell: types.CellType) -> object:
    """Return what a variable of a closure holds, `MISSING` if there is nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def is_special(name: str) -> bool:
    """Tell whether Python calls a method by itself, as `__len__`."""
    return name.startswith("__") and name.endswith("__")


def is_base_of_modules(kind: type) -> bool:
    """Tell whether a class is `nn.Module`."""
    return (kind.__module__, kind.__name__) == ("autograd_mini.nn.module", "Module")


def is_mode(x: object) -> bool:
    """Tell whether an object is the descriptor of `training`, which is not a usual attribute."""
    kind = type(x)
    return (kind.__module__, kind.__name__) == ("autograd_mini.nn.inference", "Mode")


def is_module_or_optimizer(kind: type) -> bool:
    """Tell whether a class is a module or an optimizer: this library calls its methods."""
    return hasattr(kind, "named_tensors") or hasattr(kind, "rule")


def is_made_in_python(kind: type) -> bool:
    """Tell whether a `class` statement made a class: it is on the heap, and can be changed."""
    return kind.__flags__ & (1 << 9 | 1 << 8) == 1 << 9 and kind.__module__ not in OWN_MODULES


def instance_attributes(x: object) -> dict[object, object] | None:
    """Return the dict of an object's own attributes, or None."""
    try:
        found = object.__getattribute__(x, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def attribute_of(x: object, name: str) -> Any:
    """Return an attribute, without asking a `__getattr__`; `MISSING` if there is none."""
    try:
        return read_attribute(x, name)
    except Exception:
        return MISSING


def origin_of_namespace(namespace: dict[str, object]) -> str | None:
    """Return whose module a namespace belongs to; None for one of the interpreter's."""
    name, file = str(namespace.get("__name__", "")), namespace.get("__file__")
    if name.partition(".")[0] == "autograd_mini":
        return "library"
    if isinstance(file, str):
        return origin_of_file(file)
    return "user" if name == "__main__" or namespace.get("__spec__") is None else None


Origin = Literal["library", "foreign", "user"]
"""Whose code it is. "library": this library, NumPy and SciPy. "foreign": the standard library.
"user": the user, and other installed packages."""

INSTALLED: Final = tuple(
    {os.path.join(sysconfig.get_path(name), "") for name in ("purelib", "platlib")}
)
STANDARD: Final = tuple(
    {os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib")}
)
NUMERIC: Final = ("numpy", "scipy", "optree")
HOLDING: Final = ("collections", "configparser")
"""Modules of the standard library whose objects hold what the user put there."""
READS_ANY: Final = frozenset(
    {"vars", "__dict__", "dir", "eval", "exec", "locals", "globals", "__getattribute__", "format"}
    | {"attrgetter", "methodcaller", "asdict", "astuple", "import_module", "__import__", "modules"}
)
"""Code that names one of these may read any attribute."""
SHOWING: Final = frozenset({"repr", "str", "print", "ascii", "copy", "deepcopy", "eq", "ne"})
"""Functions that look at all that an object holds."""
NAMING: Final = ("LOAD", "IMPORT", "DELETE", "STORE")
"""How instructions begin that read or change something by its name."""
MANY: Final = 10_000
"""So many pieces of code are remembered at a time."""
UNINTERESTING: Final = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(...), slice, range, Tensor, CodeType}
    | {np.ndarray, np.float64, np.float32, np.int64, np.bool}
)
"""Types of objects with nothing to guard, or that are guarded elsewhere."""


class Names(NamedTuple):
    """What a piece of code may read.

    Attributes:
        attributes: names of attributes, and texts that may become such names.
        texts: those of them that are texts, as in `getattr(x, "name")`.
        globals: global and built-in names.
        modules: names of modules that it imports.
        any: whether it may read attributes whose names are not seen.
        catches: whether it goes on after an error, as that an attribute is not there.
        compares: whether it compares or shows objects, which may look at all that they hold.
    """

    attributes: frozenset[str]
    texts: frozenset[str]
    globals: frozenset[str]
    modules: frozenset[str]
    any: bool
    catches: bool
    compares: bool


@lru_cache(MANY)
def names_read_by(code: CodeType) -> Names:
    """Return which names a piece of code reads."""
    attributes, globals_, modules = set[str](), set[str](), set[str]()
    any_ = bool(READS_ANY.intersection(code.co_names))
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        any_ |= step.opname == "MATCH_CLASS"
        if not step.opname.startswith(NAMING) or type(step.argval) is not str:
            continue
        if step.opname == "IMPORT_NAME":
            modules.add(step.argval)
        elif "ATTR" in step.opname or "METHOD" in step.opname or step.opname == "IMPORT_FROM":
            attributes.add(step.argval)
        elif "GLOBAL" in step.opname or step.opname.endswith("NAME"):
            globals_.add(step.argval)
            if step.argval == "getattr" and not _is_constant_name(steps, place):
                any_ = True
    texts = frozenset(_texts_in(code.co_consts))
    if "globals" in globals_:
        globals_ |= texts
    return Names(
        frozenset(attributes) | texts,
        texts,
        frozenset(globals_),
        frozenset(modules),
        any_,
        _goes_on_after_errors(steps),
        any(map(_compares_or_shows, steps)),
    )


def _compares_or_shows(step: dis.Instruction) -> bool:
    """Tell whether an instruction may look at everything that an object holds."""
    if step.opname == "COMPARE_OP":
        return str(step.argval) in ("==", "!=")
    shows = step.opname.startswith(("FORMAT", "CONVERT")) or step.argrepr in ("%", "%=")
    return shows or step.argval in SHOWING


def _goes_on_after_errors(steps: list[dis.Instruction]) -> bool:
    """Tell whether code has an `except` clause, with an error or without."""
    names = [step.opname for step in steps]
    if any(step.argval == "suppress" for step in steps):
        return True
    bare = ("PUSH_EXC_INFO", "POP_TOP")
    return "CHECK_EXC_MATCH" in names or bare in zip(names, names[1:], strict=False)


def _is_constant_name(steps: list[dis.Instruction], place: int) -> bool:
    """Tell whether the name given to `getattr` is a constant."""
    for at in range(place + 1, min(place + 24, len(steps))):
        if steps[at].opname.startswith("STORE"):
            return False
        if steps[at].opname.startswith("LOAD_CONST") and type(steps[at].argval) is str:
            rest = (step.opname for step in steps[at + 1 :])
            ends = ("CALL", "PRECALL", "BINARY_OP", "BUILD_STRING", "LOAD_METHOD", "LOAD_ATTR")
            return next((x for x in rest if x.startswith(ends)), "") in ("CALL", "PRECALL")
    return False


@lru_cache(MANY)
def kind_questions(code: CodeType) -> frozenset[int]:
    """Return the offsets at which code calls `isinstance`, or matches a class."""
    found, pending = set(), False
    for step in dis.get_instructions(code):
        if step.opname.startswith("LOAD") and step.argval == "isinstance":
            pending = True
        elif step.opname == "MATCH_CLASS" or (pending and step.opname in ("PRECALL", "CALL")):
            found.add(step.offset)
            pending = step.opname == "PRECALL"
    return frozenset(found)


def _texts_in(constants: Iterable[object]) -> Iterator[str]:
    """Yield the texts among the constants of a piece of code that may be names."""
    for x in constants:
        if type(x) is str and all(map(str.isidentifier, x.split("."))):
            yield from x.split(".")
        elif isinstance(x, tuple | frozenset):
            yield from _texts_in(x)


# By id: a code object's hash and equality go through all of its constants.
ORIGINS: Final[dict[int, tuple[CodeType, Origin]]] = {}


def origin_of(code: CodeType) -> Origin:
    """Return whose code it is; remembered."""
    known = ORIGINS.get(id(code))
    if known is None:  # the code is kept, so that its id stays its own
        if len(ORIGINS) > MANY:
            ORIGINS.clear()
        known = ORIGINS[id(code)] = (code, origin_of_file(code.co_filename))
    return known[1]


@cache
def origin_of_file(filename: str) -> Origin:
    """Return whose code a file holds."""
    if filename.startswith(LIBRARIES) or filename.startswith("<__array_function__"):
        return "library"
    if filename.startswith(INSTALLED):
        package = filename[len(max((p for p in INSTALLED if filename.startswith(p)), key=len)) :]
        return "library" if package.split(os.path.sep)[0] in NUMERIC else "user"
    if filename.startswith(tuple(f"{path}{name}" for path in STANDARD for name in HOLDING)):
        return "user"
    if filename.startswith(("<frozen", *STANDARD)):
        return "foreign"
    return "user"


class Observer:
    """What was seen of the Python code that ran.

    Attributes:
        codes: pieces of code, with whose they are.
        globals: global namespaces, with the names in them that the user's code and that others'
            code read.
        objects: what functions had as arguments and local variables, by id.
        outer: by the id of a piece of code, the ids of what its closures held when it ran.
        before: what some objects held when they were first seen.
        failure: why nothing could be seen, or None.
    """

    def __init__(self) -> None:
        self.codes: dict[int, tuple[CodeType, Origin]] = {}
        self.globals: dict[int, tuple[dict[str, Any], set[str], set[str]]] = {}
        self.objects: dict[int, Any] = {}
        self.outer: dict[int, set[tuple[int, ...]]] = {}
        self.before: dict[int, Any] = {}
        self.failure: str | None = None

    def see_call(self, frame: FrameType) -> None:
        """Note a function that begins, and its arguments."""
        code = frame.f_code
        origin = origin_of(code)
        if origin == "library" or (is_standard(code) and is_called_by_library(frame)):
            return
        if id(code) not in self.codes:
            self.codes[id(code)] = code, origin
            found = self.globals.setdefault(id(frame.f_globals), (frame.f_globals, set(), set()))
            _, own, others = found
            (own if origin == "user" else others).update(names_read_by(code).globals)
            for name in names_read_by(code).globals:
                self._hold(frame.f_globals.get(name), first=True)
        variables = frame.f_locals
        for x in variables.values():
            self._hold(x, first=True)
        if code.co_freevars and origin == "user":
            self._note_closure(code, variables)

    def _see_return(self, frame: FrameType) -> None:
        """Note the local variables of a user's function that ends."""
        if origin_of(frame.f_code) == "user":
            variables = frame.f_locals
            for x in variables.values():
                self._hold(x)
            if frame.f_code.co_freevars:
                self._note_closure(frame.f_code, variables)

    def _note_closure(self, code: CodeType, variables: Mapping[str, object]) -> None:
        """Note the variables of a closure, to know later which function it was."""
        values = tuple(id(variables.get(name, MISSING)) for name in code.co_freevars)
        self.outer.setdefault(id(code), set()).add(values)

    def _hold(self, x: object, first: bool = False) -> None:
        """Keep an object; with `first` also what it holds now, if it is new here."""
        if type(x) in UNINTERESTING or id(x) in self.objects:
            return
        self.objects[id(x)] = x
        if first:
            shallow = _shallow_copy(x)
            if shallow is not None:
                self.before[id(x)] = shallow

    def forget_temporary(self, returned: set[int]) -> None:
        """Drop objects that were made in the call, which nothing else holds, and what was returned.

        Args:
            returned: ids of objects in the result of the call.
        """
        for key in returned:
            self.objects.pop(key, None)
        count = -1
        while count != len(self.objects):
            count = len(self.objects)
            for key in list(self.objects):
                x = self.objects[key]
                if sys.getrefcount(x) <= ALONE:
                    del self.objects[key]
                del x

    def has_changed(self) -> bool:
        """Tell whether an object has changed since it was first seen."""
        return any(
            key in self.objects
            and not _holds_same_objects(_shallow_copy(self.objects[key]), before)
            for key, before in self.before.items()
        )


def is_standard(code: CodeType) -> bool:
    """Tell whether code belongs to the standard library."""
    file = code.co_filename
    return file.startswith(("<frozen", *STANDARD)) and not file.startswith(INSTALLED)


def is_called_by_library(frame: FrameType) -> bool:
    """Tell whether code of the standard library runs for this library, as to look up a line."""
    caller = frame.f_back
    while caller is not None and is_standard(caller.f_code):
        caller = caller.f_back
    return caller is not None and origin_of(caller.f_code) == "library"


def _shallow_copy(x: object) -> list[object] | None:
    """Return what an object holds: keys and values, elements, or attributes; None for others."""
    if isinstance(x, dict):
        return [*x, *x.values()]
    if isinstance(x, list | set):
        return list(x)
    named = getattr(x, "__dict__", None) if not isinstance(x, type) else None
    if type(named) is dict and origin_of_module(type(x)) != "library":
        return [*named, *named.values()]
    return None


def _holds_same_objects(xs: Sequence[object] | None, ys: Sequence[object]) -> bool:
    """Tell whether two sequences hold the same objects in the same order."""
    return (
        xs is not None and len(xs) == len(ys) and all(x is y for x, y in zip(xs, ys, strict=True))
    )


def origin_of_module(kind: type) -> Origin:
    """Return whose class it is."""
    name = getattr(kind, "__module__", None)
    return origin_of_name(name) if isinstance(name, str) else "user"


@cache
def origin_of_name(name: str) -> Origin:
    """Return whose module has a name."""
    if name.partition(".")[0] in ("autograd_mini", *NUMERIC):
        return "library"
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:
        return "foreign" if name in sys.builtin_module_names else "user"
    return origin_of_file(file)


def _count_alone() -> int:
    """Return how many references `sys.getrefcount` counts of what a dict holds alone."""
    objects: dict[int, Any] = {0: object()}
    for key in list(objects):
        x = objects[key]
        return sys.getrefcount(x)
    raise AssertionError


ALONE: Final = _count_alone()


# ── asking the interpreter ───────────────────────────────────────────────────────────────────────
def call_observed(observer: Observer, function: Callable[[], Answer]) -> Answer:
    """Call a function while an observer sees the calls of this thread.

    A running profiler or debugger goes on if it can share. If not, the observer notes its failure.
    """
    call = _call_monitored if hasattr(sys, "monitoring") else _call_profiled
    return call(observer, function)


def _call_profiled(observer: Observer, function: Callable[[], Answer]) -> Answer:
    """Use `sys.setprofile`: one profiler a thread."""
    other: Any = sys.getprofile()
    if other is not None and not callable(other):  # one in C, as cProfile
        observer.failure = f"the profiler {type(other).__name__} is at work"
        return function()

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            observer.see_call(frame)
        elif event == "return":
            observer._see_return(frame)
        if other is not None:
            other(frame, event, argument)

    try:
        sys.setprofile(look)
        return function()
    finally:
        sys.setprofile(other)


ACTIVE: Final[dict[int, Observer]] = {}
"""The observer of each thread that is being traced, where calls are monitored."""
ACTIVE_LOCK: Final = threading.Lock()
TOOLS: Final = (3, 4, 5, 2)
"""Numbers under which a tool may register, those without a customary owner first."""


def _call_monitored(observer: Observer, function: Callable[[], Answer]) -> Answer:
    """Use `sys.monitoring`, Python 3.12 and later: calls into this library cost nothing."""
    try:
        with ACTIVE_LOCK:
            if not ACTIVE and not _start_monitoring():
                observer.failure = "profilers and debuggers have taken all places of sys.monitoring"
            else:
                ACTIVE[threading.get_ident()] = observer
        return function()
    finally:
        with ACTIVE_LOCK:
            if ACTIVE.pop(threading.get_ident(), None) is not None and not ACTIVE:
                _stop_monitoring()


_tool: list[int] = []


def _start_monitoring() -> bool:
    """Register for the calls of all threads; tell whether a place was free."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]  # Python 3.12
    free = [tool for tool in TOOLS if monitoring.get_tool(tool) is None]
    if not free:
        return False
    tool, events = free[0], monitoring.events
    _tool[:] = [tool]
    monitoring.use_tool_id(tool, "autograd_mini")

    def begins(code: CodeType, offset: int) -> object:
        if origin_of(code) == "library":
            return monitoring.DISABLE
        found = ACTIVE.get(threading.get_ident())
        if found is not None:
            found.see_call(sys._getframe(1))
        return None

    def ends(code: CodeType, offset: int, value: object) -> object:
        if origin_of(code) != "user":
            return monitoring.DISABLE
        found = ACTIVE.get(threading.get_ident())
        if found is not None:
            found._see_return(sys._getframe(1))
        return None

    monitoring.register_callback(tool, events.PY_START, begins)
    monitoring.register_callback(tool, events.PY_RETURN, ends)
    monitoring.register_callback(tool, events.PY_YIELD, ends)
    monitoring.set_events(tool, events.PY_START | events.PY_RETURN | events.PY_YIELD)
    return True


def _stop_monitoring() -> None:
    """Give the place back."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]  # Python 3.12
    tool = _tool.pop()
    monitoring.set_events(tool, 0)
    for event in ("PY_START", "PY_RETURN", "PY_YIELD"):
        monitoring.register_callback(tool, getattr(monitoring.events, event), None)
    monitoring.free_tool_id(tool)
