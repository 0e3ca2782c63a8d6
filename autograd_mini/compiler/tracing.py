"""One call that is traced, in a context of its own, and undone if it cannot be."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.contexts import run_apart
from ..core.extraction import tracing
from ..core.record import evaluate, recorder
from ..errors import CompileError, ConversionError, UnsupportedError
from .trace import Tracer


def call_traced(tracer: Tracer, function: Callable[[], Any], recording: bool) -> Any:
    """Run a function while a tracer notes its operations; without `recording` as in no_grad.

    Raises:
        ConversionError, UnsupportedError: if the trace could not go on, even if the function caught
            the error.
    """

    def run() -> Any:
        tracing.set(tracer)
        with recorder(tracer.record if recording else evaluate):
            return tracer.call_observed(function)

    try:
        result = run_apart(run)
    except BaseException as error:
        tracer.release_gradients()
        if tracer.refusal is None or not isinstance(error, Exception):
            raise
        raise tracer.refusal from error  # NumPy puts errors of its own in the place of ours
    refusal = tracer.refusal or tracer.failure
    if refusal is not None:
        tracer.release_gradients()
        raise refusal
    return result


def run_uncollected(function: Callable[[], Any]) -> Any:
    """Run a function without the cyclic garbage collector.

    A trace makes many objects that live on and no cycles; looking for some again and again takes
    longer than tracing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return function()
    finally:
        if collects:
            gc.enable()


@contextmanager
def undo_if_refused(tracer: Tracer, cleared: bool) -> Iterator[None]:
    """Put everything back if a call in the block cannot be traced; leave no recorded gradient."""
    try:
        yield
    except (CompileError, ConversionError, UnsupportedError):
        tracer.undo(cleared=cleared)
        raise
    except BaseException:
        tracer.release_gradients()
        raise
