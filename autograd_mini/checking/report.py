"""Report: what a check says of each entry, the worst first, and how much was covered.

A `Verdict` is about one entry: `numeric/estimates` decides it, and `display` has its mark. A
`Cause` explains a wrong gradient to the person who will fix it.
While a long check runs, a progress bar shows it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from types import TracebackType
from typing import Any

import numpy as np

from ..core.visible import show_text
from ..errors import GradcheckError, UndecidedError

Shape = tuple[int, ...]


class Verdict(StrEnum):
    """The verdict on one entry of a gradient."""

    RIGHT = "right"
    KINK = "kink"
    WRONG = "wrong"
    UNRESOLVED = "unresolved"

    @property
    def passes(self) -> bool:
        """Does an entry with this verdict pass the check?"""
        return self in (Verdict.RIGHT, Verdict.KINK)


KINK = "kink:"
"""Start of the reason of an entry at a kink of the function."""

JUMP = "the function jumps here"
"""Start of the reason of an entry at a jump of the function."""

CODES = {verdict: code for code, verdict in enumerate(Verdict)}
"""The position of each verdict in `list(Verdict)`; arrays of verdicts hold these codes."""


SMALLEST = 1e-290
"""A smaller difference is ignored: numbers lose their digits below 1e-308."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """A difference up to absolute + relative·max(|given|, |numeric|) is accepted."""

    relative: float
    absolute: float

    def allowed_difference(self, given: float, numeric: float) -> float:
        """Return the largest accepted difference."""
        return self.absolute + self.relative * max(abs(given), abs(numeric)) + SMALLEST


class Kind(StrEnum):
    """What kind of mistake explains a wrong gradient."""

    SIGN = "sign"
    """The sign is flipped."""
    FACTOR = "factor"
    """Every entry is off by one constant factor."""
    ZERO = "zero"
    """The gradient is 0 where the derivative is not: a part is missing."""
    TERM = "term"
    """A term is missing or extra, or there is a factor that is not constant."""
    TRANSPOSED = "transposed"
    """The axes are in another order."""
    MOVED = "moved"
    """The entries are reversed or shifted along an axis."""
    SUM = "sum"
    """Not summed over a broadcast axis, or averaged instead."""
    SWAPPED = "swapped"
    """The gradients of two inputs are exchanged."""
    COTANGENT = "cotangent"
    """The cotangent of the result is ignored, or does not enter linearly."""
    CONJUGATED = "conjugated"
    """The complex conjugate of the gradient."""
    MUTATION = "mutation"
    """An argument is changed in place."""
    NOT_DETERMINISTIC = "not deterministic"
    """A second call gives a different result."""
    SHAPE = "shape"
    """The number or shape of the cotangents does not fit the inputs."""
    DTYPE = "dtype"
    """The dtype of a cotangent does not fit its input."""
    NOT_FINITE = "not finite"
    """NaN or infinity where the function is smooth."""
    PRECISION = "precision"
    """Right but for rounding to a narrower dtype."""
    FORWARD = "forward mode"
    """Forward and reverse mode disagree."""
    SECOND_ORDER = "second order"
    """Right at first order, wrong when differentiated again."""
    TIE = "tie"
    """The values of tied entries, such as equal entries of a maximum, do not add up."""
    DOMAIN = "domain"
    """The point cannot be checked: the function or an input is not finite there."""
    UNKNOWN = "unknown"
    """No pattern was found."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a gradient is wrong.

    Attributes:
        kind: of the mistake.
        text: the cause, in one sentence.
        input: the name of the input, None for all or for the function itself.
        condition: where it holds, such as `x < 0` or `x[3]`; empty for everywhere.
        factor: the constant, for a factor.
    """

    kind: Kind
    text: str
    input: str | None = None
    condition: str = ""
    factor: float | None = None

    def __str__(self) -> str:
        return show_text(self.text)

    def to_dict(self) -> dict[str, object]:
        """Return the cause as plain Python values."""
        return {**asdict(self), "kind": str(self.kind)}


class Problem(Exception):
    """The function or gradient as a whole cannot pass; the check ends with this cause."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.cause = cause


def problem(kind: Kind, text: str, name: str | None = None) -> Problem:
    """Make a problem from its kind and text; `name` is the name of the input."""
    return Problem(Cause(kind, text, name))


def fit_cause(what: str, name: str, got: Shape, expected: Shape, outputs: Sequence[Shape]) -> Cause:
    """Explain a cotangent of the wrong shape.

    >>> print(fit_cause("vjp returned", "b", (3, 4), (4,), [(3, 4)]))
    vjp returned shape (3, 4) for b; expected (4,): it is not summed over the broadcast axis 0
    """
    text = f"{what} shape {got} for {name}; expected {expected}"
    axes = _broadcast_axes(got, expected)
    if axes:
        plural = "axes" if len(axes) > 1 else "axis"
        listed = ", ".join(map(str, axes))
        return Cause(
            Kind.SUM, f"{text}: it is not summed over the broadcast {plural} {listed}", name
        )
    if len(got) == len(expected) and sorted(got) == sorted(expected):
        how = "transposed" if got == expected[::-1] else "has its axes in another order"
        return Cause(Kind.TRANSPOSED, f"{text}: it is {how}".replace("is has", "has"), name)
    if got in outputs:
        return Cause(Kind.SHAPE, f"{text}: it has the shape of a result", name)
    return Cause(Kind.SHAPE, text, name)


def _broadcast_axes(got: Shape, expected: Shape) -> tuple[int, ...]:
    """Return the axes to sum over to get the expected shape; empty if there are none."""
    extra = len(got) - len(expected)
    if extra < 0:
        return ()
    padded = (1,) * extra + expected
    axes = [i for i, (a, b) in enumerate(zip(got, padded, strict=True)) if a != b]
    if any(padded[i] != 1 for i in axes):
        return ()
    return tuple(sorted({*range(extra), *axes}))


LONGEST = 60
"""Longest text next to the bar, in characters."""
LONG = 2.0
"""A check that takes longer than this many seconds shows its progress."""


def _is_watched() -> bool:
    """Is there a terminal or a notebook that can show a bar?"""
    terminal = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
    return terminal or "ipykernel" in sys.modules


class Bar:
    """A tqdm bar that appears only when it is useful.

    By default it appears after two seconds, in a terminal or a notebook.
    """

    def __init__(self, total: int, shown: bool | None, what: str, likely: bool) -> None:
        """Start; `likely` says that the check may be long, otherwise tqdm is not imported."""
        self._bar: Any = None
        if shown or (shown is None and likely and _is_watched()):
            from tqdm.auto import tqdm

            delay = 0.0 if shown else LONG
            shown_as = show_text(what, one_line=True, longest=LONGEST)
            self._bar = tqdm(total=total, desc=shown_as, unit="entry", leave=False, delay=delay)

    def update(self, count: int) -> None:
        """Advance by a count."""
        if self._bar is not None:
            self._bar.update(count)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


UNCHECKED = -1
"""The code of an entry that was not checked alone."""

SEVERITY = (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK, Verdict.RIGHT)
"""The verdicts, the worst first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the gradient of one input.

    Attributes:
        input: name of the input.
        index: index of the entry; for a complex input, the last index is 0 for the real part and
            1 for the imaginary part.
        analytic: the given derivative, recorded or hand-written.
        numeric: the numeric derivative.
        error: the error bar of `numeric`.
        step: the step of the difference that gave it.
        verdict: the verdict on the given derivative.
        reason: the reason, if the values do not show it.
        complex: whether the input is complex.
    """

    input: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    step: float
    verdict: Verdict
    reason: str = ""
    complex: bool = False

    @property
    def absolute(self) -> float:
        """The absolute difference."""
        with np.errstate(invalid="ignore"):
            return float(abs(np.float64(self.analytic) - self.numeric))

    @property
    def relative(self) -> float:
        """The difference divided by the larger of both; 0 if they are equal."""
        size = max(abs(self.analytic), abs(self.numeric))
        return self.absolute / size if self.absolute and size else self.absolute

    @property
    def place(self) -> str:
        """The input and index, such as `x[0, 2]` or `z[0].imag`."""
        index = self.index[:-1] if self.complex else self.index
        part = (".real", ".imag")[self.index[-1]] if self.complex else ""
        return f"{self.input}[{', '.join(map(str, index))}]{part}" if index else self.input + part

    def to_dict(self) -> dict[str, object]:
        """Return the entry as plain Python values."""
        return {
            "input": self.input,
            "index": list(self.index),
            "analytic": float(self.analytic),
            "numeric": float(self.numeric),
            "absolute": float(self.absolute),
            "relative": float(self.relative),
            "error": float(self.error),
            "step": float(self.step),
            "verdict": str(self.verdict),
            "reason": self.reason,
        }

    def row(self) -> tuple[str, ...]:
        """Return the entry as the cells of a table row."""
        numbers = (f"{self.analytic + 0.0:.9g}", f"{self.numeric + 0.0:.9g}", f"{self.error:.1e}")
        place = show_text(self.place, one_line=True)
        return (self.verdict, place, *numbers, f"{self.relative:.1e}", self.reason)


@dataclass(frozen=True, slots=True)
class Part:
    """The results for one input: arrays of its shape; a complex input has a last axis of 2.

    Attributes:
        name: the name of the input.
        complex: whether it is complex; the last axis is then (real, imaginary).
        given: the given gradient.
        numeric: the numeric gradient; NaN where it was not computed.
        error: its error bars.
        step: the steps of the differences.
        verdict: codes, which are positions in `list(Verdict)`; -1 for an entry that was not
            checked alone.
        reasons: reasons by flat index, where the values do not show them.
    """

    name: str
    complex: bool
    given: np.ndarray
    numeric: np.ndarray
    error: np.ndarray
    step: np.ndarray
    verdict: np.ndarray
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the input."""
        return self.given.shape[:-1] if self.complex else self.given.shape

    def is_(self, verdict: Verdict) -> np.ndarray:
        """Which entries have this verdict?"""
        return self.verdict == CODES[verdict]

    def entry(self, flat: int) -> Entry:
        """Return one entry by its flat index."""
        index = tuple(int(i) for i in np.unravel_index(flat, self.given.shape))
        return Entry(
            input=self.name,
            index=index,
            analytic=float(self.given.flat[flat]),
            numeric=float(self.numeric.flat[flat]),
            error=float(self.error.flat[flat]),
            step=float(self.step.flat[flat]),
            verdict=list(Verdict)[int(self.verdict.flat[flat])],
            reason=self.reasons.get(flat, ""),
            complex=self.complex,
        )


def severity_key(entry: Entry) -> tuple[int, float]:
    """Return a sort key: by verdict, then by difference, with NaN first and the largest next."""
    size = entry.absolute
    return SEVERITY.index(entry.verdict), -np.inf if np.isnan(size) else -size


def worst_places(part: Part, count: int, only: tuple[Verdict, ...]) -> list[int]:
    """Return the flat indices of the worst entries of an input, among some verdicts."""
    found: list[int] = []
    with np.errstate(invalid="ignore"):
        difference = np.abs(part.given - part.numeric).ravel()
    difference[np.isnan(difference)] = np.inf
    for verdict in SEVERITY:
        if verdict in only and len(found) < count:
            places = np.flatnonzero(part.is_(verdict))
            order = np.argsort(-difference[places], kind="stable")
            found += [int(i) for i in places[order][: count - len(found)]]
    return found


SHOWN = 6
"""Number of entries in a printed report."""

LISTED = 100
"""Number of entries in `to_dict`."""

ADVICE = (
    "this is not a verdict: check at another point, where the function is smooth and finite "
    "nearby and computes in float64; or give step=, the length over which the function changes"
)

HEAD = ("verdict", "entry", "given", "numeric", "±", "relative", "")


@dataclass(frozen=True)
class Report:
    """The results of a check.

    Attributes:
        function: the call of the function, such as `f(x, w)`.
        parts: the results for each input.
        problems: faults of the function or gradient as a whole, such as a changed input.
        causes: explanations of the wrong entries, the most useful first.
        blame: the recorded operation with the wrong rule, if one was found.
        coverage: the coverage of random projections; None if every entry was checked.
        rtol, atol: the tolerances that were used; None if the check ended earlier.
        seed: the seed of the random cotangent.
        weighted: whether the values are weighted by that cotangent; otherwise they are plain
            derivatives.
        order: 1 for the gradient, 2 for the gradient of the gradient.
    """

    function: str
    parts: tuple[Part, ...] = ()
    problems: tuple[Cause, ...] = ()
    causes: tuple[Cause, ...] = ()
    blame: Any = None
    coverage: Coverage | None = None
    rtol: float | None = None
    atol: float | None = None
    seed: int = 0
    weighted: bool = False
    order: int = 1

    @property
    def ok(self) -> bool:
        """True if there is no problem, and every entry is right or a valid value at a kink."""
        failed = self.count(Verdict.WRONG) + self.count(Verdict.UNRESOLVED)
        return not self.problems and not failed

    def __bool__(self) -> bool:
        """The same as `ok`, so that `assert am.gradcheck(…, raises=False)` works."""
        return self.ok

    @property
    def undecided(self) -> bool:
        """True if nothing is wrong, but some entries could not be decided."""
        certain = any(cause.kind != Kind.DOMAIN for cause in self.problems)
        return not (self.ok or certain or self.count(Verdict.WRONG))

    @property
    def state(self) -> str:
        """The overall result: "ok", "FAILED" or "UNDECIDED"."""
        return "ok" if self.ok else "UNDECIDED" if self.undecided else "FAILED"

    @property
    def checked(self) -> int:
        """The number of entries that were checked alone."""
        return sum(int(np.count_nonzero(p.verdict >= 0)) for p in self.parts)

    @property
    def size(self) -> int:
        """The number of entries of all inputs."""
        return sum(p.given.size for p in self.parts)

    def count(self, verdict: Verdict) -> int:
        """Count the entries with a verdict."""
        return sum(int(np.count_nonzero(p.is_(verdict))) for p in self.parts)

    @property
    def worst(self) -> Entry | None:
        """The entry that is most wrong."""
        found = self.first(1)
        return found[0] if found else None

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry that was checked alone, worst first."""
        return self.first(self.checked)

    def first(self, count: int, only: tuple[Verdict, ...] = tuple(Verdict)) -> tuple[Entry, ...]:
        """Return the worst entries with some verdicts, sorted by verdict, then by difference."""
        places = [
            (i, flat) for i, p in enumerate(self.parts) for flat in worst_places(p, count, only)
        ]
        found = [self.parts[i].entry(flat) for i, flat in places]
        return tuple(sorted(found, key=severity_key)[:count])

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain Python values, with the worst hundred entries."""
        return {
            "ok": self.ok,
            "state": self.state,
            "function": self.function,
            "order": self.order,
            "checked": self.checked,
            "counts": {str(verdict): self.count(verdict) for verdict in Verdict},
            "problems": [cause.to_dict() for cause in self.problems],
            "causes": [cause.to_dict() for cause in self.causes],
            "blame": self.blame.to_dict() if self.blame is not None else None,
            "coverage": self.coverage.to_dict() if self.coverage is not None else None,
            "rtol": self.rtol,
            "atol": self.atol,
            "seed": self.seed,
            "weighted": self.weighted,
            "entries": [entry.to_dict() for entry in self.first(LISTED)],
        }

    def raise_unless_ok(self) -> Report:
        """Return the report if the gradient is right; otherwise raise an error.

        Raises:
            UndecidedError: if the numbers cannot decide.
            GradcheckError: if the gradient is wrong.
        """
        __tracebackhide__ = True
        if not self.ok:
            raise UndecidedError(self) if self.undecided else GradcheckError(self)
        return self

    def __str__(self) -> str:
        """Write the verdict, the causes and the worst entries."""
        return "\n".join(map(show_text, self._lines()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Show the report in a notebook, with heat maps of the errors."""
        from .display import html

        return html(self)

    def _lines(self) -> Iterator[str]:
        order = "" if self.order == 1 else f", order {self.order}"
        function = show_text(self.function, one_line=True)
        yield f"gradcheck of {function}{order}: {self.state}, {self._summary()}"
        for cause in (*self.problems, *self.causes):
            yield f"  {cause}"
        if self.undecided:
            yield f"  {ADVICE}"
        if self.blame is not None:
            yield f"  {self.blame}"
        if self.coverage is not None:
            yield f"  {self.coverage}"
        remarkable = tuple(v for v in Verdict if v is not Verdict.RIGHT)
        count = sum(map(self.count, remarkable))
        shown = self.first(SHOWN, remarkable) or self.first(1)
        if shown:
            yield from _align_table([HEAD, *(entry.row() for entry in shown)])
        if count > len(shown):
            yield f"  and {count - len(shown)} more"
        if shown and self.weighted:
            yield f"  (values are weighted by a random cotangent of the result, seed {self.seed})"

    def _summary(self) -> str:
        parts = [f"{self.checked} {'entry' if self.checked == 1 else 'entries'} checked"]
        for verdict in (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK):
            if self.count(verdict):
                parts.append(f"{self.count(verdict)} {verdict}")
        if self.rtol is not None:
            absolute = f", atol {self.atol:.2g}" if self.atol else ""
            parts[-1] += f" (rtol {self.rtol:.2g}{absolute})"
        return ", ".join(parts)


def _align_table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Align the cells of rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join(cells).rstrip()


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a large gradient was checked by random projections.

    Attributes:
        entries: the number of entries of all inputs.
        projections: the number of random directions.
        sensitivity: the norm of an error in the gradient that all projections together miss with a
            probability of less than one in a million.
        norm: the norm of the gradient.
        complete: whether the search for wrong entries was finished.
    """

    entries: int
    projections: int
    sensitivity: float
    norm: float
    complete: bool = True

    def __str__(self) -> str:
        """Say what was covered, and how large an error could be missed."""
        more = "" if self.complete else "; there may be more wrong entries than these"
        share = f", {self.sensitivity / self.norm:.1e} of its norm" if self.norm > 0 else ""
        return (
            f"{self.entries:,} entries along {self.projections} random directions: an error of "
            f"norm {self.sensitivity:.1e}{share}, would have been seen but for one case in a "
            f"million{more}"
        )

    def to_dict(self) -> dict[str, object]:
        """Return the coverage as plain Python values."""
        return asdict(self)
