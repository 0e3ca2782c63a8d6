"""Scopes and recorders: the context in which operations are recorded.

The context is a `ContextVar`, so it belongs to one thread or async task. The objects used with
`with` keep nothing of their own: what a block replaced stands in the context too. So one object
serves any number of blocks, nested ones and those of other threads included.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from contextvars import ContextVar, copy_context
from functools import lru_cache, wraps
from itertools import count
from typing import Any, ClassVar, Final, Literal, Protocol, TypeVar, cast

import numpy as np

from ..errors import OperandError, UnsupportedError

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")


class Recorder(Protocol):
    """What records an operation in place of `record`."""

    def __call__(
        self, primitive: Any, operands: tuple[object, ...], params: dict[str, object], /
    ) -> Any:
        """Run the operation and return its result."""


serials = count(1)
"""Creation order: the topological order of every graph and the stable name of a node."""


class ScopePath(str):
    """The path of a scope, "" outside of all: a text that also knows which entry of it is meant.

    Attributes:
        entries: the serials of the scopes from the outermost to this one.
        functions: those of them that are functions of the library.
        in_walk: whether one of them is that of a reverse walk; its name alone may be a user's.
    """

    __slots__ = ("entries", "functions", "in_walk")

    entries: tuple[int, ...]
    functions: frozenset[int]
    in_walk: bool

    def __new__(cls, scope: Scope | None) -> ScopePath:
        """Return the path of a scope."""
        names, entries, functions, in_walk = [], [], [], False
        while scope is not None:
            in_walk = in_walk or type(scope) is WalkScope
            if type(scope) is FunctionScope:
                functions.append(scope.serial)
            names.append(scope.name)
            entries.append(scope.serial)
            scope = scope.parent
        path = super().__new__(cls, "/".join(reversed(names)))
        path.entries = tuple(reversed(entries))
        path.functions = frozenset(functions)
        path.in_walk = in_walk
        return path


class Scope:
    """A named block of the program; one object per time that the block was entered."""

    __slots__ = ("name", "parent", "serial")

    def __init__(self, name: str, parent: Scope | None) -> None:
        self.name = name
        self.parent = parent
        self.serial = next(serials)

    @property
    def path(self) -> str:
        """Names from the outermost scope to this one, joined by `/`."""
        return f"{self.parent.path}/{self.name}" if self.parent else self.name

    def __repr__(self) -> str:
        return f"Scope({self.path!r})"


Phase = Literal["forward", "backward", "update"]
"""A part of a training step."""


class PhaseScope(Scope):
    """The scope around the backward or the update of a compiled training step."""

    __slots__ = ("phase",)

    def __init__(self, phase: Phase, path: str) -> None:
        super().__init__(path.rpartition("/")[2] or phase, None)
        self.phase = phase


class WalkScope(Scope):
    """The scope of a recorded backward pass."""

    __slots__ = ()


class FunctionScope(Scope):
    """The scope of a function that is made of operations, as `np.trace`; a picture has its name."""

    __slots__ = ()


context: ContextVar[tuple[Recorder | None, Scope | None]] = ContextVar(
    "autograd_mini", default=(None, None)
)
"""(recorder, scope); a recorder of None is `record`, the default."""

Replaced = tuple[Recorder | None, Any] | None
replaced: ContextVar[Replaced] = ContextVar("autograd_mini_replaced", default=None)
"""The recorders that the open blocks replaced, the last first: (recorder, the others)."""


OWN: Final = "autograd_mini"
"""With this begin the names of the variables that blocks of this library set."""


def _changed_by_errstate() -> set[ContextVar[object]]:
    """Find the context variable in which NumPy keeps its floating-point error settings."""
    with np.errstate(all="raise"):
        inside = copy_context()
    return {variable for variable, value in inside.items() if variable.get(None) is not value}


NUMPYS: Final = _changed_by_errstate()
"""That variable: in NumPy 2 there is one."""
IGNORED: Final = {"divide": "ignore", "invalid": "ignore"}


def run_apart(function: Callable[[], Result], ending: Collection[object] = ()) -> Result:
    """Run a function whose blocks cannot outlive it, even if an interrupt comes as one ends.

    The blocks set variables of a context that is thrown away. What others have set is kept.

    Args:
        function: what is run.
        ending: further variables that are afterwards as they were before.
    """
    inside = copy_context()
    try:
        return inside.run(function)
    finally:
        for variable, value in inside.items():
            ends = variable in ending or variable.name.startswith(OWN)
            if not ends and variable.get(inside) is not value:
                variable.set(value)


@lru_cache(64)
def _quiet_state(state: object, errors: tuple[tuple[str, Any], ...]) -> object:
    """Return what NumPy does about errors as in a state, but for some kinds of errors."""
    with np.errstate(**dict(errors)):
        return ERRORS.get()


ERRORS: Final[ContextVar[Any]] = next(iter(NUMPYS))
USUAL: Final = tuple(IGNORED.items())


def run_quietly(function: Callable[[], Result], **errors: object) -> Result:
    """Run a function under `np.errstate`; no interrupt leaves its settings behind.

    Args:
        function: what is run.
        errors: as those of `np.errstate`; by default divisions by zero and invalid operations are
            ignored.
    """
    before = ERRORS.get()
    quiet = _quiet_state(before, tuple(errors.items()) if errors else USUAL)
    try:  # not a `with`: see Block.__call__
        ERRORS.set(quiet)
        return function()
    finally:
        ERRORS.set(before)


class Block:
    """What scopes and recorders share: each is a decorator too, for one block per call."""

    __slots__ = ()

    def __enter__(self) -> object:
        raise NotImplementedError

    def __exit__(self, *error: object) -> None:
        raise NotImplementedError

    def __call__(self, function: Function) -> Function:
        """Return the function, or coroutine function, with each of its calls in such a block.

        Raises:
            OperandError: for something that cannot be called.
            UnsupportedError: for a generator function, whose body runs after the call.
        """
        if not callable(function):
            raise OperandError(f"{self!r} decorates a function, got {function!r:.60}")
        forms = (function, type(function).__call__)  # an object may have a generator as __call__
        if any(inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in forms):
            raise UnsupportedError(
                f"{self!r} cannot decorate the generator function {function!r:.60}: its body runs "
                "between the lines of its caller; write a `with` block inside it, around lines "
                "without a yield"
            )
        if any(map(inspect.iscoroutinefunction, forms)):

            @wraps(function)
            async def run_awaited(*args: object, **kwargs: object) -> str:
                with self:
                    return await function(*args, **kwargs)

            return cast(Function, run_awaited)

        @wraps(function)
        def run_covered(*args: object, **kwargs: object) -> object:
            # Not `with`: Ctrl-C is raised where a function begins, as `__exit__` does, and after
            # calls. So the block ends even if it comes at the worst moment.
            before = context.get()
            try:
                self.__enter__()
                return function(*args, **kwargs)
            finally:
                context.set(before)
                self._leave()

        run_covered.block = self  # type: ignore[attr-defined]  # what it opens, for readers of it
        return cast(Function, run_covered)

    def _leave(self) -> None:
        """Forget what else was noted when the block began."""


class recorder(Block):  # noqa: N801  # used as a statement, like a function
    """Install another recorder for the block; None is `record`."""

    __slots__ = ("_function",)

    def __init__(self, function: Recorder | None) -> None:
        self._function = function

    def __enter__(self) -> None:
        before = context.get()
        try:
            replaced.set((before[0], replaced.get()))
            context.set((self._function, before[1]))
        except BaseException:  # an interrupt
            context.set(before)
            raise

    def _leave(self) -> None:
        open_blocks = replaced.get()
        if open_blocks is not None:
            replaced.set(open_blocks[1])

    def __exit__(self, *error: object) -> None:
        open_blocks = replaced.get()
        if open_blocks is None:  # an abandoned generator, closed in another thread or task
            return
        before, others = open_blocks
        replaced.set(others)
        context.set((before, context.get()[1]))

    def __repr__(self) -> str:
        return f"recorder({getattr(self._function, '__name__', self._function)})"


class scope(Block):  # noqa: N801  # used as a statement, like a function
    """Name the operations recorded in the block: `with am.scope("encoder"): …`.

    Also a decorator; each call of the function is then a block of its own.
    """

    __slots__ = ("name",)

    kind: ClassVar[type[Scope]] = Scope

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise OperandError(f'a scope name must be a string: am.scope("name"), got {name}')
        self.name = name

    def __enter__(self) -> Scope:
        before = context.get()
        entered = self.kind(self.name, before[1])
        try:
            context.set((before[0], entered))
        except BaseException:  # an interrupt
            context.set(before)
            raise
        return entered

    def __exit__(self, *error: object) -> None:
        recorder, left = context.get()
        if left is not None:  # else an abandoned generator, closed in another thread or task
            context.set((recorder, left.parent))

    def __repr__(self) -> str:
        return f"scope({self.name!r})"


class function_scope(scope):  # noqa: N801  # as scope
    """Name the operations of a function of the library, which users call by this name."""

    __slots__ = ()

    kind = FunctionScope


class walk_scope(scope):  # noqa: N801  # as scope
    """Name the operations of a reverse walk "gradient", and mark them as a walk's."""

    __slots__ = ()

    kind = WalkScope

    def __init__(self) -> None:
        super().__init__("gradient")
