"""The functions of ours, which NumPy has not: `am.relu` and others, as users call and read them.

A row of the table can be called, and is not a function: it has neither a signature nor a place in
`help`. The functions here have both; what they compute is declared in `ops`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .core.arrays import Numbers
from .core.primitive import Primitive
from .ops import activations, conversion

if TYPE_CHECKING:
    pass

Function = TypeVar("Function", bound=Callable[..., Any])


def documented(row: Primitive | Callable[..., object]) -> Callable[[Function], Function]:
    """Give a function the docstring of its row: what it computes, and its derivatives."""
    text = row.doc if isinstance(row, Primitive) else row.__doc__

    def document(function: Function) -> Function:
        function.__doc__ = text
        return function

    return document


@documented(activations.relu)
def relu(x: Numbers) -> Any:
    return activations.relu(x)


@documented(activations.sigmoid)
def sigmoid(x: Numbers) -> Any:
    return activations.sigmoid(x)


@documented(activations.softplus)
def softplus(x: Numbers) -> Any:
    return activations.softplus(x)


@documented(conversion.stop_gradient)
def stop_gradient(x: Numbers) -> Any:
    return conversion.stop_gradient(x)
