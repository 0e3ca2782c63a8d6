"""Counterexample: inputs for which a gradient is wrong, and a script that shows it again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.visible import show_text
from ..inputs import argument_names
from ..reporting.report import Report
from .looked_at import LookedAt
from .scripts import Script

SHOWN = 8
"""Lines of the report that are printed."""


@dataclass(frozen=True)
class Counterexample:
    """The simplest inputs that were found for which a gradient is wrong.

    Attributes:
        inputs: the arguments of the function.
        report: what a check says of them.
        code: a script that checks them again; where the function cannot be imported or written
            with its source, a comment says what to put there.
        complete: whether the script runs as it is.
        looked_at: which inputs were checked until it was found.
    """

    inputs: tuple[Any, ...]
    report: Report
    code: str
    complete: bool = True
    looked_at: LookedAt | None = None

    def __str__(self) -> str:
        """Write the beginning of the report, then the script."""
        lines = str(self.report).splitlines()
        shown = lines[:SHOWN] + (["  ..."] if len(lines) > SHOWN else [])
        if self.looked_at is not None:
            shown += ["", show_text(str(self.looked_at))]
        return "\n".join([*shown, "", show_text(self.code)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def counterexample(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    report: Report,
    rules: Mapping[str, Any],
    options: Mapping[str, Any],
    looked_at: LookedAt,
) -> Counterexample:
    """Write down a counterexample.

    Args:
        function: what was checked.
        inputs: its arguments.
        report: what the check said.
        rules: the gradients by hand, by the keywords of `gradcheck`.
        options: the other keywords that were given.
        looked_at: which inputs were checked.
    """
    script = Script()
    script.import_("import autograd_mini as am", "am", sys.modules["autograd_mini"])
    called = [script.function(function, "f")]
    keywords = [
        f"{key}={rule if rule is True else script.function(rule, key)}"
        for key, rule in rules.items()
    ]
    keywords += [f"{key}={script.value(x)}" for key, x in options.items()]
    lines = []
    names = argument_names(function, len(inputs), options.get("names"))
    for name, x in zip(names, inputs, strict=True):
        bound = script.free_name(name)
        lines.append(f"{bound} = {script.value(x)}")
        script.names[bound] = x
        called.append(bound)
    call = f"am.gradcheck({', '.join([*called, *keywords])})"
    body = [*script.lines(), "", *lines, call]
    code = tidy("\n".join(body))
    return Counterexample(tuple(inputs), report, code, script.complete, looked_at)


def tidy(text: str) -> str:
    """Leave at most one empty line."""
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text
