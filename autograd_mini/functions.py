"""Public functions that NumPy lacks, such as `am.relu`.

Each wraps a primitive that `ops` declares in a Python function, so that it has a signature and a
page in `help`. To add one, declare the primitive in `ops`, wrap it here, and export it in
`autograd_mini/__init__`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec

from .core.arrays import Numbers
from .core.primitive import Primitive
from .ops import activations, conversion

P = ParamSpec("P")


def function_of(
    row: Primitive | Callable[..., object], name: str, like: Callable[P, object]
) -> Callable[P, Any]:
    """Make the function that calls a row; its parameters are those of `like`.

    Its docstring is that of the row: what it computes, and its derivatives.
    """
    parameters = signature(like)

    @wraps(like)
    def call_row(*args: P.args, **kwargs: P.kwargs) -> object:
        if kwargs or len(args) != len(parameters.parameters):
            return row(*parameters.bind(*args, **kwargs).args)
        return row(*args)

    call_row.__name__ = call_row.__qualname__ = name
    call_row.__doc__ = row.doc if isinstance(row, Primitive) else row.__doc__
    return call_row


def of_x(x: Numbers) -> object: ...


relu = function_of(activations.relu, "relu", of_x)
sigmoid = function_of(activations.sigmoid, "sigmoid", of_x)
softplus = function_of(activations.softplus, "softplus", of_x)
stop_gradient = function_of(conversion.stop_gradient, "stop_gradient", of_x)
