"""Languages: every word of the library in a picture, and how to say it in another language.

`say` and `say_count` are given the English message, which is also its name in the catalogue
`MESSAGES`. The forms of a counted message stand between `|`, one for each plural of the language.
What a picture says is decided by the `Wording` of the drawing that runs: its language, and the
labels that its author gave to names. Errors are not translated, so that they can be searched for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import Final

from ..errors import PictureError
from .messages import MESSAGES

Plural = Callable[[int], int]
"""A count → the place of its form among the forms of a message."""
ENGLISH: Final = "en"
MOST_NAMED: Final = 6
"""An error names at most this many messages."""


@dataclass(frozen=True, slots=True)
class Language:
    """The words of one language.

    Attributes:
        messages: English message → its translation; what is missing is said in English.
        plural: chooses the form of a counted message.
    """

    messages: Mapping[str, str]
    plural: Plural


def choose_form(count: int) -> int:
    """Return the place of an English form: the first one for 1, the second one for others."""
    return 0 if count == 1 else 1


@dataclass(frozen=True, slots=True)
class Wording:
    """How a picture names things.

    Attributes:
        language: its code, as "en".
        labels: the names of tensors, scopes and operations → the text that is drawn instead.
        used: the names that were drawn under another text.
    """

    language: str = ENGLISH
    labels: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


_languages: dict[str, Language] = {ENGLISH: Language(MESSAGES, choose_form)}
BUNDLED: Final = {"ru": "russian"}
"""Code of a language that comes with the library → its module, imported when it is asked for."""
PLAIN: Final = Wording()
wording: Final[ContextVar[Wording]] = ContextVar("viz_wording", default=PLAIN)
"""The wording of the drawing that runs."""


@contextmanager
def use_wording(chosen: Wording) -> Iterator[Wording]:
    """Say everything in the block in this wording."""
    before = wording.set(chosen)
    try:
        yield chosen
    finally:
        wording.reset(before)


def say(message: str, **values: object) -> str:
    """Return a message of the catalogue in the language of the drawing, with its values.

    >>> say("{name} takes {operands}.", name="+", operands="a and b")
    '+ takes a and b.'
    """
    english = MESSAGES[message]
    return _languages[wording.get().language].messages.get(message, english).format(**values)


def say_count(message: str, count: int, **values: object) -> str:
    """Return a counted message in the form that its count `{n}` needs.

    >>> say_count("{n} operation", 1), say_count("{n} operation", 1960)
    ('1 operation', '1\\xa0960 operations')
    """
    english = MESSAGES[message]
    language = _languages[wording.get().language]
    known = language.messages.get(message)
    choose = choose_form if known is None else language.plural
    forms = (english if known is None else known).split("|")
    n = f"{count:,}".replace(",", "\N{NO-BREAK SPACE}")
    return forms[min(choose(count), len(forms) - 1)].format(n=n, **values)


def say_list(texts: list[str]) -> str:
    """Join texts by "and"."""
    return say(" and ").join(texts)


def label_of(name: str) -> str:
    """Return the text that is drawn for a name: the author's label, or the name itself."""
    chosen = wording.get()
    if name in chosen.labels:
        chosen.used.add(name)
        return chosen.labels[name]
    return name


def has_label(name: str) -> bool:
    """Return whether the author gave a label to a name."""
    return name in wording.get().labels


def load_language(code: str) -> None:
    """Make a language ready.

    Raises:
        PictureError: for a language that is not known.
    """
    if code in _languages:
        return
    if not isinstance(code, str) or code not in BUNDLED:
        known = ", ".join(map(repr, sorted({*_languages, *BUNDLED})))
        raise PictureError(
            f"language={code!r:.40} is not known; expected one of {known}, or add it: "
            "viz.add_language(code, {English message: translation}); viz.messages() are the "
            "English ones"
        )
    module = import_module(f".{BUNDLED[code]}", __package__)
    add_language(code, module.MESSAGES, plural=module.choose_form)


def add_language(
    code: str,
    messages: Mapping[str, str] | str | os.PathLike[str],
    *,
    plural: Plural | None = None,
    partial: bool = False,
) -> None:
    """Add a language for `language=`, or replace one.

    Args:
        code: its name in `language=`, as "de".
        messages: English message → translation, or the path of a JSON file that holds them.
            `viz.messages()` returns all English messages. A translation keeps the values in braces.
            The forms of a counted message stand between `|`.
        plural: which form a count takes, from 0; by default the first form is for 1 and the second
            one for other counts.
        partial: whether messages may be missing, which then are said in English.

    Raises:
        PictureError: for messages that are missing, unknown or lack a value; it names them.

    >>> add_language("xx", {" and ": " & "}, partial=True)
    >>> with use_wording(Wording("xx")):
    ...     say_list(["a", "b"])
    'a & b'
    """
    if not isinstance(code, str) or not code:
        raise PictureError(f"the code of a language is a short text as 'de'; got {code!r:.40}")
    if code == ENGLISH:
        raise PictureError("'en' is the language of the messages themselves; choose another code")
    _check_plural(code, plural)
    found = _read_messages(messages)
    unknown = [key for key in found if key not in MESSAGES]
    if unknown:
        near = get_close_matches(unknown[0], MESSAGES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise PictureError(
            f"language {code!r}: {_list_messages(unknown)} not among the English messages{hint} "
            "viz.messages() returns them all"
        )
    _check_translations(code, found, plural)
    missing = [key for key in MESSAGES if key not in found]
    if missing and not partial:
        raise PictureError(
            f"language {code!r}: {len(missing)} of {len(MESSAGES)} messages are missing, "
            f"{_list_messages(missing)}. Translate them, or let them be said in English: "
            f"viz.add_language({code!r}, …, partial=True)"
        )
    _languages[code] = Language(found, plural or choose_form)


COUNTS: Final = (0, 1, 2, 3, 5, 11, 12, 21, 100, 101)
"""Counts whose forms differ in some languages."""


def _check_plural(code: str, plural: Plural | None) -> None:
    """Refuse what does not choose a form of a count.

    Raises:
        PictureError: names a count and what it gives.
    """
    for count in COUNTS if plural is not None else ():
        try:
            form: object = plural(count)  # type: ignore[misc]
        except Exception as error:
            raise PictureError(f"language {code!r}: plural({count}) raises {error!r}") from error
        if not isinstance(form, int) or isinstance(form, bool) or form < 0:
            raise PictureError(
                f"language {code!r}: plural({count}) is {form!r:.40}; expected the place of a "
                "form, from 0"
            )


def messages(language: str = ENGLISH) -> dict[str, str]:
    """Return all messages of a language, by their English text: where a translation starts.

    Args:
        language: its code; what it does not say is in English.

    Raises:
        PictureError: for a language that is not known.
    """
    load_language(language)
    return MESSAGES | dict(_languages[language].messages)


def _read_messages(given: object) -> dict[str, str]:
    """Return messages, or those of a JSON file.

    Raises:
        PictureError: if they are not texts by texts.
    """
    where = "messages"
    if isinstance(given, str | os.PathLike):
        where = f"the file {str(given)!r}"
        try:
            given = json.loads(Path(given).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PictureError(
                f"{where} of a language cannot be read: {error}; expected JSON, one object of "
                "English message: translation"
            ) from error
    if not isinstance(given, Mapping) or not all(
        isinstance(text, str) for pair in given.items() for text in pair
    ):
        raise PictureError(
            f"{where} of a language: expected English messages and their translations, as "
            f"{{'input': 'Eingabe'}}; got {type(given).__name__}"
        )
    return dict(given)


def _check_translations(code: str, found: Mapping[str, str], plural: Plural | None) -> None:
    """Refuse translations that lack a value, or a form of a count."""
    for key, text in found.items():
        wanted = _values_of(MESSAGES[key])
        for form in text.split("|") if "|" in MESSAGES[key] else [text]:
            try:
                given = _values_of(form)
            except ValueError as error:
                raise PictureError(
                    f"language {code!r}: {text!r:.80} for {key!r:.80}: {error}"
                ) from error
            if given != wanted:
                listed = " ".join(f"{{{name}}}" for name in sorted(wanted)) or "none"
                raise PictureError(
                    f"language {code!r}: {form!r:.80} stands for {key!r:.80} and must have the "
                    f"same values in braces: {listed}"
                )
        if plural is None and "|" in MESSAGES[key] and text.count("|") > 1:
            raise PictureError(
                f"language {code!r}: {text!r:.80} has {text.count('|') + 1} forms; give plural=, "
                "a function from a count to the place of its form"
            )


def _values_of(text: str) -> set[str]:
    """Return the names in the braces of a message."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _list_messages(keys: list[str]) -> str:
    """Write some messages."""
    rest = len(keys) - MOST_NAMED
    listed = ", ".join(f"{key!r:.60}" for key in keys[:MOST_NAMED])
    return f"{listed} and {rest} more" if rest > 0 else listed
