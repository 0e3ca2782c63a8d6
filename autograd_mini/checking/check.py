"""gradcheck: a gradient, entry by entry, against finite differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import GradcheckError, OperandError
from .inputs import Inputs, Problem, argument_names
from .numeric import Arrays, Estimate, Probe, ShapeChanged
from .report import Entry, Report, worst_first
from .subjects import Subject, copies, numbers, subject, unchanged
from .verdicts import Judge, Verdict

ENOUGH = 20
"""Entries found wrong after which the remaining doubtful ones are judged as they are."""


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    grad: Callable[..., Any] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    argnums: int | Sequence[int] | None = None,
) -> Report:
    """Compare a gradient with central differences, and return the report if it is right.

    Without `vjp`, `jvp` or `grad`, `f` is a function of tensors and its recorded gradient is
    checked. With one of them, `f` is any NumPy function and that one is its gradient, written by
    hand. Outputs are weighted by a random cotangent, so that every entry of the Jacobian counts.
    Every entry costs two calls of `f` or more.

    Args:
        f: returns a number, an array or tensor, or a container of them.
        inputs: arrays, tensors, numbers, or nested containers of them. Floating-point ones are
            differentiated, always in float64 (float32 is promoted: its own rounding would hide
            errors); integers, booleans and other values are passed on.
        vjp: `vjp(g, *inputs)` returns a tuple with one cotangent an input.
        jvp: `jvp(*tangents, *inputs)` returns the tangent of the output.
        grad: `grad(*inputs)` returns the gradient of a scalar function, a tuple for several inputs.
        rtol: relative tolerance; 1e-6 by default, wider where `f` itself rounds to float32.
        atol: absolute tolerance, 0 by default: the error bar of the numeric derivative is allowed
            for beside both.
        step: of the first difference; by default eps^(1/3)·max(1, |x|).
        seed: of the random cotangent.
        names: of the inputs, by default those of the parameters of `f`.
        argnums: which inputs are differentiated, by default all that can be; the others are
            passed on as they are.

    Raises:
        GradcheckError: if an entry is wrong or cannot be resolved, if `f` is not finite or differs
            from call to call, or an argument is changed in place; `.report` has the details.
        OperandError: if no input is a floating-point number.

    >>> import numpy as np
    >>> print(gradcheck(np.sin, np.array([0.5, 1.0]), vjp=lambda g, x: (g * np.cos(x),)))
    gradcheck of sin(x): ok, 2 entries checked (rtol 1e-06)
    ...
    >>> gradcheck(lambda x: x * x, 3.0).ok
    True
    """
    if not callable(f):
        raise OperandError(f"gradcheck expects a function and then its inputs, got {f!r:.60}")
    arguments = Inputs(inputs, argument_names(f, len(inputs), names), argnums)
    checked = subject(f, arguments, vjp, jvp, grad)
    report = examined(checked, rtol, atol, step, seed)
    if not report.ok:
        raise GradcheckError(report)
    return report


def examined(
    checked: Subject, rtol: float | None, atol: float | None, step: float | None, seed: int
) -> Report:
    """Check a subject and report, right or wrong."""
    inputs, function = checked.inputs, checked.function
    name = getattr(function, "__name__", None) or getattr(function, "name", type(function).__name__)
    call = f"{name}({', '.join(inputs.arguments)})"
    try:
        outputs = values_at(checked)
        weights = checked.weights(outputs, np.random.default_rng(seed))
        given = checked.gradient(weights)
        weighted = [y.size for y in outputs] != [1]
        if not weighted:  # one number: the report shows its derivative itself
            given, weights = [g / weights[0].item() for g in given], [np.ones_like(weights[0])]
        epsilon = rounding(outputs)
        plain = [y.astype(np.float64) for y in outputs]
        probe = Probe(checked.evaluate, inputs.arrays, plain, weights, epsilon)
        estimates = list(first_estimates(probe, inputs.arrays, step))
        judge = judged_by(given, estimates, epsilon, rtol, atol)
        entries = verdicts(judge, probe, given, estimates, inputs, step)
    except Problem as problem:
        return Report(call, (), (str(problem),), rtol, atol, seed, False)
    except ShapeChanged as changed:
        message = f"the shape of the result changes beside the point, {changed}"
        return Report(call, (), (message,), rtol, atol, seed, False)
    return Report(call, worst_first(entries), (), judge.rtol, judge.atol, seed, weighted)


def values_at(checked: Subject) -> Arrays:
    """Evaluate the function at the point, and see that it is fit to be checked there.

    Raises:
        Problem: if it or an input is not finite, or it changes an input, or is not deterministic.
    """
    inputs = checked.inputs
    for x, name in zip(inputs.arrays, inputs.names, strict=True):
        if not np.all(np.isfinite(x)):
            raise Problem(f"input {name} is not finite; there is no derivative at such a point")
    arrays = copies(inputs.arrays)
    with np.errstate(all="ignore"):
        outputs = numbers(checked.call(arrays))
        unchanged(arrays, inputs.arrays, inputs.names, "the function")
        again = numbers(checked.call(copies(inputs.arrays)))
    if not all(np.all(np.isfinite(y)) for y in outputs):
        raise Problem("the function is not finite at this point; choose one inside its domain")
    if len(outputs) != len(again) or not all(map(np.array_equal, outputs, again)):
        raise Problem(
            "the function gives another result when called again; fix its random numbers (a seed "
            "inside the function) or its state"
        )
    return outputs


def rounding(outputs: Arrays) -> float:
    """Return the rounding unit of the coarsest output, float64's or more."""
    units = [np.finfo(y.dtype).eps for y in outputs if y.dtype.kind == "f"]
    return float(max([*units, np.finfo(np.float64).eps]))


def places(arrays: Arrays) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Name every entry: the input's number and the index in it."""
    for position, array in enumerate(arrays):
        for index in np.ndindex(array.shape):
            yield position, index


def first_estimates(probe: Probe, arrays: Arrays, step: float | None) -> Iterator[Estimate]:
    """Estimate every entry with one central difference."""
    for position, index in places(arrays):
        yield probe.first(position, index, step)


def judged_by(
    given: Arrays,
    estimates: Sequence[Estimate],
    epsilon: float,
    rtol: float | None,
    atol: float | None,
) -> Judge:
    """Fill in the tolerances from the rounding of the function and the size of the gradient."""
    sizes = [abs(e.value) for e in estimates]
    sizes += [float(np.max(np.abs(g))) for g in given if g.size]
    scale = max((s for s in sizes if np.isfinite(s)), default=0.0)
    relative = max(1e-6, 100 * epsilon ** (2 / 3)) if rtol is None else rtol
    absolute = 0.0 if atol is None else atol
    return Judge(relative, absolute, scale, 0.1 * epsilon ** (2 / 3))


def verdicts(
    judge: Judge,
    probe: Probe,
    given: Arrays,
    estimates: list[Estimate],
    inputs: Inputs,
    step: float | None,
) -> list[Entry]:
    """Judge every entry; what does not pass at once is estimated again with more care."""
    where = list(places(inputs.arrays))
    values = [float(np.asarray(given[position])[index]) for position, index in where]
    found = [judge.verdict(a, e) for a, e in zip(values, estimates, strict=True)]
    doubtful = [i for i, verdict in enumerate(found) if verdict is not Verdict.RIGHT]
    doubtful.sort(key=lambda i: -abs(values[i] - estimates[i].value))
    wrong = 0
    for i in doubtful:
        if wrong >= ENOUGH:
            break
        estimates[i] = probe.refined(*where[i], step)
        found[i] = judge.verdict(values[i], estimates[i])
        wrong += found[i] is Verdict.WRONG
    entries = []
    rows = zip(where, values, estimates, found, strict=True)
    for (position, index), value, e, verdict in rows:
        reason = judge.reason(value, e, verdict)
        name = inputs.names[position]
        entries.append(Entry(name, index, value, e.value, e.error, e.step, verdict, reason))
    return entries
