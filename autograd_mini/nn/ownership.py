"""Find the objects of some kinds in an object's attributes and in containers there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ..core.tensor import Tensor
from ..errors import UnsupportedError


class Model(Protocol):
    """The methods of a module that training, prediction and files use."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the model."""

    @property
    def scope_name(self) -> str:
        """The name of the scope in which it is applied."""

    def modules(self) -> Iterator[Any]:
        """Yield the model and all modules in it."""

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """Yield the path and module of the model and of all modules in it."""

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the path and tensor of each parameter and buffer."""

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the path and tensor of each parameter."""

    def parameters(self) -> Iterator[Tensor]:
        """Yield each parameter."""

    def train(self, mode: bool = True) -> object:
        """Set the mode of all modules."""


Pairs = Iterable[tuple[str, object]]


def owned_objects(pairs: Pairs, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """Yield path and object, in order, of everything of `kinds` in named values.

    Lists, tuples and dicts are opened; objects of `kinds` are not.

    Raises:
        UnsupportedError: for a set of such objects, which has no stable order.

    >>> list(owned_objects([("a", 1), ("b", [2, {"c": 3.0}])], (int, float)))
    [('a', 1), ('b.0', 2), ('b.1.c', 3.0)]
    """
    stack = list(pairs)[::-1]
    opened: set[int] = set()  # a list may hold itself
    while stack:
        path, value = stack.pop()
        if isinstance(value, kinds):
            yield path, value
        elif isinstance(value, set | frozenset):
            if any(isinstance(x, kinds) for x in value):
                raise UnsupportedError(
                    f"{path} is a set, which has no order to name and save its members by; use a "
                    "list"
                )
        elif isinstance(value, dict | list | tuple) and id(value) not in opened:
            opened.add(id(value))
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend([(join_paths(path, str(key)), x) for key, x in inner][::-1])


def join_paths(path: str, name: str) -> str:
    """Join two paths by a dot; the first may be empty."""
    return f"{path}.{name}" if path else name
