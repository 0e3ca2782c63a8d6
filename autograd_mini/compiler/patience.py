"""Patience: counts traces in vain, warns, and stops them; `compiled._lookup` decides on a trace.

A trace costs more than a call. So a function that is traced again and again without a program is
called as it is, after a warning that says why.
"""

from __future__ import annotations

from typing import Any, Final

from ..core.sites import warn_user
from ..errors import CompileError
from .arguments import Key, argument_leaf_names
from .entries import CURE
from .pipeline import Call

CACHED: Final = 32
"""How many signatures are kept; the least recently used goes first."""
WASTED: Final = 16
"""After this many useless traces there is a warning."""
THRASHING: Final = 8
"""After this many dropped signatures there is a warning."""


class Patience:
    """Counts the traces and programs of one compiled function.

    Attributes:
        traces: how many calls were traced.
        programs: how many programs they led to.
        given_up: why a signature is no longer traced, or None.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.traces = self.programs = 0
        self.given_up: str | None = None
        self._dropped = 0
        self._unsteady: dict[Key, int] = {}
        self._missed: Key | None = None
        self._has_fresh_arguments = False

    @property
    def wasted_traces(self) -> int:
        """How many traces led to no program."""
        return self.traces - 2 * self.programs

    def is_over(self, key: Key) -> bool:
        """Tell whether calls of a signature without a program are not traced any more."""
        again, self._missed = key == self._missed, key
        return (self._has_fresh_arguments and not again) or self._unsteady.get(key, 0) >= WASTED

    def stop_tracing(self, key: Key) -> None:
        """Trace calls of a signature no more."""
        self._unsteady[key] = WASTED

    def note_unsteady(self, key: Key, cause: str | CompileError, traces: int = 1) -> None:
        """Note that something the function reads has changed; after many traces, give up.

        Args:
            key: the signature.
            cause: what has changed, or the error that says it.
            traces: how many traces were in vain.
        """
        before = self._unsteady.get(key, 0)
        self._unsteady[key] = before + traces
        if before < WASTED <= before + traces:
            why = cause
            if isinstance(cause, str):
                why = f"{cause} changes each time; {CURE}"
            self.given_up = f"traced at each call and never compiled, since {why}"
            warn_user(f"{self._name} is {self.given_up}. From now on it runs as it is")

    def note_fresh_arguments(self, key: Key, call: Call, waiting: dict[Key, Any]) -> None:
        """If each call has other static arguments, warn, and trace such calls no more.

        Args:
            key: the signature of this call.
            call: this call.
            waiting: by signature, what was traced once. It is emptied if such calls are not traced.
        """
        if self._has_fresh_arguments or self.wasted_traces < CACHED + WASTED:
            return
        self._has_fresh_arguments = True
        names = argument_leaf_names(call.function, call.args, call.kwargs)
        places = [
            place
            for place, kind in enumerate(key[2:])
            if any(place + 2 < len(other) and other[place + 2] != kind for other in waiting)
        ]
        waiting.clear()
        varying = ", ".join(dict.fromkeys(names[place] for place in places if place < len(names)))
        warn_user(
            f"{self._name} was traced {self.traces} times and hardly ever compiled, since "
            f"{varying or 'the structure of its arguments'} changes at each call, and each value "
            "needs another program; give numbers that change as floats or arrays. From now on it "
            "runs as it is, except for arguments that come twice in a row"
        )

    def note_dropped_signature(self) -> None:
        """Count a signature that was dropped for a new one; warn after some."""
        self._dropped += 1
        if self._dropped == THRASHING:
            warn_user(
                f"{self._name} was compiled for {CACHED + THRASHING} signatures, and each new one "
                "costs two eager calls; give it arrays of fewer shapes (a last batch of the same "
                "size), and numbers that change as floats or arrays instead of integers"
            )
