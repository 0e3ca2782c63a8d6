"""Inputs: the arguments of a check, taken apart into the numbers that are moved and the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..containers import LEAVES, flatten
from ..errors import GradientError, OperandError
from ..tensors import Tensor
from .numeric import Arrays


class Problem(Exception):
    """Something wrong with a gradient as a whole: the check ends with this message."""


class Inputs:
    """The arguments of a check, taken apart: the floating-point leaves are differentiated.

    Attributes:
        arrays: their values, in float64.
        names: how each is written, as `x` or `params['w']`.
        arguments: the names of all arguments.
    """

    def __init__(
        self,
        arguments: Sequence[Any],
        names: Sequence[str],
        argnums: int | Sequence[int] | None = None,
    ) -> None:
        """Take the arguments apart; `argnums` says which are differentiated, None all."""
        wanted = positions(argnums, len(arguments))
        self.arguments = list(names)
        self.arrays: Arrays = []
        self.names: list[str] = []
        self._parts: list[tuple[list[Any], Callable[[Any], Any], list[int]]] = []
        for position, (argument, name) in enumerate(zip(arguments, names, strict=True)):
            leaves, rebuild = flatten(argument)
            checked = [
                i for i, x in enumerate(leaves) if position in wanted and differentiable(x, name)
            ]
            places = written(argument, name)
            self.arrays += [float64(leaves[i]) for i in checked]
            self.names += [places[i] for i in checked]
            self._parts.append((leaves, rebuild, checked))
        if not self.arrays:
            raise OperandError(
                "gradcheck: no input is a floating-point number or array, so there is nothing to "
                "differentiate; give 2.0 instead of 2, or x.astype(float)"
            )

    def filled(self, values: Sequence[Any]) -> list[Any]:
        """Return the arguments with these values in place of the differentiated leaves."""
        remaining = iter(values)
        arguments = []
        for leaves, rebuild, checked in self._parts:
            new = list(leaves)
            for i in checked:
                new[i] = next(remaining)
            arguments.append(rebuild(new))
        return arguments

    def chosen(self, cotangents: Sequence[Any]) -> list[Any]:
        """Pick, from one result an argument, what belongs to the differentiated leaves."""
        found: list[Any] = []
        for (leaves, _, checked), given in zip(self._parts, cotangents, strict=True):
            if not checked:
                continue
            single = len(leaves) == 1 and not isinstance(given, (list, tuple, dict))
            parts = [given] if single else flatten(given)[0]
            if len(parts) != len(leaves):
                raise Problem(
                    f"the gradient has {len(parts)} leaves for an argument of {len(leaves)}; "
                    "expected the argument's own structure"
                )
            found += [parts[i] for i in checked]
        return found

    def __len__(self) -> int:
        """Count the arguments."""
        return len(self._parts)


def positions(argnums: int | Sequence[int] | None, count: int) -> set[int]:
    """Return the numbers of the arguments that are differentiated.

    Raises:
        GradientError: if there is no such argument.
    """
    if argnums is None:
        return set(range(count))
    chosen = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(-count <= i < count for i in chosen):
        raise GradientError(f"gradcheck: argnums {argnums} of {count} inputs")
    return {i % count for i in chosen}


def differentiable(value: Any, name: str) -> bool:
    """Tell whether an input has a derivative; integers, booleans and others are passed on."""
    if not isinstance(value, LEAVES):
        return False
    dtype = value.dtype if isinstance(value, (Tensor, np.ndarray, np.generic)) else None
    kind = dtype.kind if dtype is not None else np.min_scalar_type(value).kind
    if kind == "c":
        raise OperandError(
            f"gradcheck: input {name} is complex; check it as a function of its real and "
            "imaginary parts"
        )
    return kind == "f"


def float64(value: Any) -> Any:
    """Return a copy of an input in float64: a narrower type could not show a small error."""
    return np.array(value._value if isinstance(value, Tensor) else value, dtype=np.float64)[()]


def written(argument: Any, name: str) -> list[str]:
    """Write the place of each leaf of an argument in Python."""
    if isinstance(argument, LEAVES):
        return [name]
    import optree

    return [accessor.codify(name) for accessor in optree.tree_accessors(argument)]


def argument_names(
    function: Callable[..., Any], count: int, names: Sequence[str] | None
) -> list[str]:
    """Return the names of a function's positional arguments, as far as it tells them."""
    if names is not None:
        if len(names) != count:
            raise GradientError(f"gradcheck: {len(names)} names for {count} inputs")
        return list(names)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [p.name for p in parameters if p.kind in positional][:count]
    return found + [f"x{i}" for i in range(len(found), count)]
