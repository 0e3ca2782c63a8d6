"""Parts of objects as containers that guards look at anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .guards import MISSING


class Values:
    """The values of a mapping, as a container that is looked at anew each time."""

    def __init__(self, of: Mapping[Any, Any]) -> None:
        self._of = of

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Any]:
        return iter(dict.values(self._of) if isinstance(self._of, dict) else self._of.values())


class Items:
    """The items of a mapping whose class does more at `[key]`."""

    def __init__(self, of: Mapping[Any, Any]) -> None:
        self._of = of

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(self._of, dict):
            return self._of[key]
        found = dict.get(self._of, key, MISSING)  # which makes no default
        if found is MISSING:
            raise KeyError(key)
        return found


class Cached:
    """A result in a cache, which is looked up as long as it is there, and never computed."""

    def __init__(self, results: dict[Any, Any], key: Any, call: Callable[[], Any]) -> None:
        self._results = results
        self._key = key
        self._call = call

    def __call__(self) -> Any:
        """Return the result, `MISSING` if it is no longer there."""
        return self._call() if self._key in self._results else MISSING


class Attributes(Mapping[str, Any]):
    """The attributes that an object has for the thread that asks."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getitem__(self, key: str) -> Any:
        return self._of.__dict__[key]

    def __len__(self) -> int:
        return len(self._of.__dict__)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.__dict__)


def cached_call(key: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call that a cache has under a key."""
    parts = key if isinstance(key, tuple | list) else (key,)
    mark = next((place for place, x in enumerate(parts) if type(x) is object), None)
    if mark is None:
        return tuple(parts[: len(parts) // 2] if typed else parts), {}
    last = mark + 1 + 2 * ((len(parts) - 2 * mark - 1) // 3) if typed else len(parts)
    return tuple(parts[:mark]), dict(
        zip(parts[mark + 1 : last : 2], parts[mark + 2 : last : 2], strict=True)
    )
