"""Turns: programs that change the same tensors run one after the other.

A turn belongs to tensors. Programs with a tensor in common share a turn; turns are joined when a
program needs several. A program that only reads waits too, if another program writes. Before a
process forks, running programs come to their end. So the child has complete steps, and no lock held
by a thread that it does not have.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from ..core.tensor import Tensor
from ..errors import UnsupportedError

Result = TypeVar("Result")
FORK_TIMEOUT: Final = 10.0
"""So many seconds a fork waits for a program to end."""
_registry: Final = threading.RLock()
"""Held while turns are joined."""
_turns: Final[dict[int, Turn]] = {}
"""The turn of each tensor, by its serial."""
_all: Final[weakref.WeakSet[Turn]] = weakref.WeakSet()
_taken_to_fork: Final[list[Turn]] = []


class Turn:
    """Who may change some tensors now.

    Attributes:
        lock: held by the thread whose turn it is. Taken by `with`, it is never left held.
        busy: whether a program runs, or was interrupted.
        writers: how many programs there are that change one of the tensors.
        before: the turns that were joined into this one; programs may still run in them.
        joined: the turn to which this one was joined, or None.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.busy = False
        self.writers = 0
        self.before: tuple[Turn, ...] = ()
        self.joined: Turn | None = None
        _all.add(self)

    def current(self) -> Turn:
        """Return the turn that this one was joined to, or itself."""
        turn = self
        while turn.joined is not None:
            turn = turn.joined
        return turn

    def is_open(self) -> bool:
        """Tell whether the turn was not joined to another; wait for the turns before it."""
        for other in self.before:
            with other.lock:
                pass
        self.before = ()
        return self.joined is None

    def refuse_again(self, name: str) -> None:
        """Refuse a program that calls itself, or another one that changes the same tensors.

        Raises:
            UnsupportedError: if it is this thread's turn already.
        """
        if _is_held_here(self.lock):
            raise UnsupportedError(
                f"{name} is called by a program that changes the same tensors; call the function "
                "that is not compiled inside"
            )


def run_in_turn(find: Callable[[], Turn], name: str, function: Callable[[], Result]) -> Result:
    """Call a function while no program may change the tensors of a turn.

    Args:
        find: returns the present turn.
        name: of the program that asks.
        function: is called.
    """
    while True:
        turn = find()
        if turn.busy:
            turn.refuse_again(name)
        with turn.lock:
            if turn.is_open():
                return function()


def have_writers(tensors: Iterable[Tensor]) -> bool:
    """Tell whether a program changes one of these tensors."""
    return any(x.serial in _turns and _turns[x.serial].current().writers for x in tensors)


def _is_held_here(lock: Any) -> bool:
    """Tell whether this thread holds a lock."""
    return bool(lock._is_owned())  # as threading.Condition asks


def turn_of(tensors: Iterable[Tensor], writes: bool, program: object) -> Turn:
    """Return the turn for a program that reads or writes some tensors."""
    tensors = list(tensors)
    with _registry:
        known = (_turns[x.serial].current() for x in tensors if x.serial in _turns)
        found = list(dict.fromkeys(known))
        turn = found[0] if len(found) == 1 else _join_turns(found)
        for x in tensors:
            if x.serial not in _turns:
                weakref.finalize(x, _turns.pop, x.serial, None).atexit = False
            _turns[x.serial] = turn
        if writes:
            turn.writers += 1
            weakref.finalize(program, _forget_writer, turn).atexit = False
    return turn


def _join_turns(turns: list[Turn]) -> Turn:
    """Return a new turn in place of several."""
    turn = Turn()
    turn.before = tuple(dict.fromkeys(x for one in turns for x in (one, *one.before)))
    turn.writers = sum(one.writers for one in turns)
    for one in turns:
        one.joined = turn
    return turn


def _forget_writer(turn: Turn) -> None:
    with _registry:
        turn.current().writers -= 1


def _before_fork() -> None:
    """Wait until no program runs but those of this thread."""
    _registry.acquire()
    turns = [turn for turn in _all if turn.joined is None]
    for turn in dict.fromkeys([*turns, *(x for one in turns for x in one.before)]):
        if not _is_held_here(turn.lock) and turn.lock.acquire(timeout=FORK_TIMEOUT):
            _taken_to_fork.append(turn)


def _after_fork() -> None:
    while _taken_to_fork:
        _taken_to_fork.pop().lock.release()
    _registry.release()


def _after_fork_in_child() -> None:
    for turn in _all:
        if not _is_held_here(turn.lock):  # by a thread that the child does not have
            turn.lock = threading.RLock()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork_in_child,
    )
