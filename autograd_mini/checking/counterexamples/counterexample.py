"""Counterexample: inputs at which a gradient is wrong, with a script that shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.visible import show_text
from ..inputs import argument_names
from ..reporting.report import Report
from .scripts import Script

SHOWN = 8
"""Number of report lines that are printed."""


@dataclass(frozen=True)
class Counterexample:
    """The simplest inputs found for which a gradient is wrong.

    Attributes:
        inputs: the arguments of the function.
        report: the report of a check at these inputs.
        code: a script that repeats the check. If the function can neither be imported nor written
            as source, a comment says what to insert.
        complete: whether the script runs without changes.
        looked_at: which inputs were checked before it was found.
    """

    inputs: tuple[Any, ...]
    report: Report
    code: str
    complete: bool = True
    looked_at: LookedAt | None = None

    def __str__(self) -> str:
        """Write the first lines of the report, then the script."""
        lines = str(self.report).splitlines()
        shown = lines[:SHOWN] + (["  ..."] if len(lines) > SHOWN else [])
        if self.looked_at is not None:
            shown += ["", show_text(str(self.looked_at))]
        return "\n".join([*shown, "", show_text(self.code)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def write_counterexample(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    report: Report,
    rules: Mapping[str, Any],
    options: Mapping[str, Any],
    looked_at: LookedAt,
) -> Counterexample:
    """Build a counterexample with its script.

    Args:
        function: the function that was checked.
        inputs: its arguments.
        report: the report of the check.
        rules: the hand-written gradients, by keyword of `gradcheck`.
        options: the other keywords that the user gave.
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
    code = _drop_empty_lines("\n".join(body))
    return Counterexample(tuple(inputs), report, code, script.complete, looked_at)


def _drop_empty_lines(text: str) -> str:
    """Reduce several empty lines to one."""
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Which inputs a search has checked, and what it kept of the examples.

    Attributes:
        checked: how many inputs were checked.
        refused: how many more were useless, because the function raised an error or was not finite.
        shapes: the shapes of the examples, by name.
        other_shapes: how many other combinations of shapes were checked.
        kept: the properties kept of each example, by name.
        order: names of numbers that stayed in this order.
        any_values: whether the user asked for values unlike the examples.
    """

    checked: int
    refused: int
    shapes: Mapping[str, tuple[int, ...]]
    other_shapes: int
    kept: Mapping[str, str]
    order: tuple[str, ...]
    any_values: bool

    def __str__(self) -> str:
        """Describe the checked inputs in one or two lines."""
        return "\n".join([self._of_shapes(), self._of_values()])

    def _of_shapes(self) -> str:
        """Describe how many inputs were checked, and their shapes."""
        given = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        others = f", and {self.other_shapes} others" if self.other_shapes else " only"
        shapes = f" of the shapes given, {given}{others}" if given else ""
        refused = f"; {self.refused} more were outside the domain" if self.refused else ""
        return f"looked at {self.checked} inputs{shapes}{refused}"

    def _of_values(self) -> str:
        """Describe which properties of the values were kept."""
        if self.any_values:
            return "values of any kind"
        kept = [f"{name} {what}" for name, what in self.kept.items()]
        kept += [" < ".join(self.order)] if self.order else []
        return f"values like those given: {'; '.join(kept)}" if kept else "values of any sign"

    def to_dict(self) -> dict[str, object]:
        """Return the facts as plain Python values."""
        return {
            "checked": self.checked,
            "refused": self.refused,
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "other_shapes": self.other_shapes,
            "kept": dict(self.kept),
            "order": list(self.order),
            "any_values": self.any_values,
        }
