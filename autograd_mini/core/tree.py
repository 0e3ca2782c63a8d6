"""Nested lists, tuples and dicts of tensors, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import GradientError, OperandError
from .extraction import read_value
from .tensor import Tensor

Rebuild = Callable[[Sequence[Any]], Any]

LEAVES = (Tensor, np.ndarray, np.generic, float, int, complex)


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """Take nested containers apart: their leaves, and the function that puts others in place."""
    if isinstance(tree, LEAVES):
        return [tree], lambda leaves: leaves[0]
    import optree

    leaves, structure = optree.tree_flatten(tree)
    return leaves, lambda new: optree.tree_unflatten(structure, new)


def arrays_of_tree(tree: object) -> Any:
    """Replace the tensors of nested containers by their arrays."""
    leaves, rebuild = flatten(tree)
    return rebuild(
        [read_value(x, "a plain result") if isinstance(x, Tensor) else x for x in leaves]
    )


def flatten_result(tree: object) -> tuple[list[Any], Rebuild]:
    """Split a function's result into its tensors and the nesting around them.

    Raises:
        GradientError: if there is nothing in it.
        OperandError: if there is something else than numbers in it.
    """
    leaves, rebuild = flatten(tree)
    if not leaves:
        raise GradientError(
            f"the function returned {tree!r:.60}, which contains no number; does it lack a return?"
        )
    for y in leaves:
        if not isinstance(y, LEAVES):
            raise OperandError(
                f"the function returned {type(y).__name__} {y!r:.60}; expected tensors"
            )
    return leaves, rebuild


def split_aux(result: object, has_aux: bool) -> tuple[Any, object]:
    """Return the scalar that a function returned and what came with it.

    Raises:
        GradientError: if the function did not return what `has_aux` says.
    """
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise GradientError(
                f"with has_aux=True the function returns (scalar, other), got {result!r:.60}"
            )
        return result
    if result is None or isinstance(result, tuple | list | dict):
        raise GradientError(
            f"the function returned {type(result).__name__} {result!r:.60}; expected one scalar "
            "(has_aux=True for a pair of a scalar and something else)"
        )
    return result, None
