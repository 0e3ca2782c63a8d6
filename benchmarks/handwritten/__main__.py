"""Run `gradcheck`, and the checkers of peers, on gradients that are written by hand.

`python -m benchmarks.handwritten`, from the repository, prints how many wrong gradients are caught,
which right ones are refused, and how often the report names the cause. `--peers torch scipy` adds
those that are installed, `--details FILE` lists every gradient with the head of its report.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am

from .case import Case, Gradient
from .collection import list_cases, names_cause
from .peers import PEERS

# Whether the gradient is accepted, or None if the checker raised an error, and what is said of it.
Verdict = tuple[bool | None, str]


def check_here(case: Case, gradient: Gradient, inputs: tuple[Any, ...]) -> Verdict:
    """Return the verdict of this library, called in the way that suits the case's form."""
    options: dict[str, Any] = {"argnums": case.argnums, "names": case.list_names()}
    function = case.function
    if case.form in ("pair", "scipy"):
        function = _order_gradients(case, gradient, inputs)
        options["jac"] = True
    else:
        options[case.form] = gradient
    report = am.gradcheck(function, *inputs, raises=False, progress=False, **options)
    return report.ok, str(report)


def _order_gradients(case: Case, gradient: Gradient, inputs: tuple[Any, ...]) -> Gradient:
    """Return the function with a tuple for its dict of gradients."""
    if not isinstance(gradient(*inputs)[1], dict):
        return gradient
    names = case.list_names()

    def with_tuple(*values: Any) -> Any:
        loss, grads = gradient(*values)
        return loss, tuple(grads.get(name) for name in names)

    return with_tuple


def run_checker(check: Callable[..., Verdict], name: str, lines: list[str]) -> None:
    """Print what one checker says about all cases, and add the details to `lines`."""
    caught = named = total = 0
    missed: list[str] = []
    unnamed: list[str] = []
    alarms: list[str] = []
    reports: list[tuple[str, tuple[str, ...]]] = []
    cases = list_cases()
    start = time.perf_counter()
    for case in cases:
        inputs = case.draw_inputs()
        ok, text = _try_check(check, case, case.right, inputs)
        lines += _format_details(name, "right", "accepted" if ok else "ALARM", case, "", text)
        if not ok:
            alarms.append(case.name)
        for mistake, (gradient, words) in case.wrong.items():
            ok, text = _try_check(check, case, gradient, inputs)
            reports.append((text, words))
            cause = ok is False and names_cause(text, words)
            total, caught, named = total + 1, caught + (ok is False), named + cause
            if ok is not False:
                missed.append(f"{case.name}: {mistake}")
            elif not cause:
                unnamed.append(f"{case.name}: {mistake}")
            verdict = "named" if cause else "caught, not named" if ok is False else "MISSED"
            lines += _format_details(name, "wrong", verdict, case, mistake, text)
    seconds = time.perf_counter() - start
    print(f"{name}, {len(cases)} cases, {seconds:.0f} s")
    print(f"  wrong gradients caught: {caught} of {total} ({caught / total:.1%})")
    print(f"  right gradients refused: {len(alarms)} of {len(cases)}", *alarms, sep="\n    ")
    print("  missed:", *(missed or ["none"]), sep="\n    ")
    if check is check_here:
        print(f"  cause named: {named} of {total} ({named / total:.1%}); not named:", end="")
        print("", *unnamed, sep="\n    ")
        print(f"  by chance, with the reports of other cases: {_measure_chance(reports):.1%}")


def _try_check(check: Callable[..., Verdict], case: Case, gradient: Any, inputs: Any) -> Verdict:
    """Return the verdict; an error counts as a right gradient refused, or a wrong one missed."""
    copies = tuple(x.copy() if isinstance(x, np.ndarray) else x for x in inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return check(case, gradient, copies)
    except Exception as error:
        return None, f"{type(error).__name__} raised\n{error}"


def _measure_chance(reports: list[tuple[str, tuple[str, ...]]]) -> float:
    """Return how often the words fit the reports of other cases: how generous they are."""
    moved = reports[100:] + reports[:100]
    hits = [names_cause(text, words) for (text, _), (_, words) in zip(moved, reports, strict=True)]
    return sum(hits) / len(hits)


def _format_details(
    checker: str, kind: str, verdict: str, case: Case, mistake: str, text: str
) -> list[str]:
    head = f"[{checker}] {case.family} / {case.name}: {kind}, {verdict}"
    rows = [f"      {line}" for line in text.splitlines()[:3]]
    return [head, *([f"    mistake: {mistake}"] if mistake else []), *rows, ""]


def main() -> None:
    """Read the options, run the checkers, write the details."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", nargs="*", choices=sorted(PEERS), default=[])
    parser.add_argument("--details", type=Path, metavar="FILE")
    options = parser.parse_args()
    lines: list[str] = []
    run_checker(check_here, "autograd_mini", lines)
    for name in options.peers:
        try:
            check = PEERS[name]()
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        run_checker(check, name, lines)
    if options.details:
        options.details.write_text("\n".join(lines), encoding="utf-8")
        print(f"details: {options.details}")


if __name__ == "__main__":
    main()
