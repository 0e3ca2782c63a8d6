"""gradcheck: compare a gradient, entry by entry, with numeric derivatives that have error bars.

A wrong recorded gradient has a wrong rule in it, since the chain rule is exact. So `locate_fault`
checks every operation of the recorded function alone. If every rule is right, a value leaves the
graph somewhere, or kinks have values that do not add up.
"""

from __future__ import annotations

import inspect
import os.path
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, Literal

import numpy as np

from ..core.contexts import run_apart, run_quietly
from ..core.debugging import debug
from ..core.graph import Graph
from ..core.record import Operation
from ..core.tensor import Tensor, leaf
from ..core.tree import flatten
from ..core.visible import show_text
from ..errors import ArgumentError, OperandError
from .adapters import adapt_function, framework_of
from .adapters.foreign import bridge_function
from .examination import Options, examine
from .inputs import Inputs, argument_names, argument_positions, quick_names, signature_of
from .report import Cause, Kind, Report, Verdict
from .subjects import Recorded, Subject, handwritten_subject

PATIENCE = 10.0
"""After this many seconds no further operation is checked."""

SMALL = 64
"""Up to this many entries an operation is checked in full; a larger one by projections."""


@dataclass(frozen=True, slots=True)
class Blame:
    """The operation whose rule is wrong, or why none is.

    Attributes:
        operation: its name in the graph, as `mlp/matmul_3`; empty if no rule is wrong.
        type: the name of its primitive.
        line: where it was recorded, as `file.py:12`.
        text: the finding, in one sentence.
        cause: the mistake in its rule, if a diagnosis found one.
        checked: how many operations were checked.
    """

    operation: str
    type: str
    line: str
    text: str
    cause: Cause | None
    checked: int

    def __str__(self) -> str:
        return show_text(self.text)

    def to_dict(self) -> dict[str, object]:
        """Return the blame as plain Python values."""
        return {**asdict(self), "cause": self.cause.to_dict() if self.cause is not None else None}


def locate_fault(subject: Recorded, options: Options) -> Blame | None:
    """Check the operations of a recorded function one by one; None if that tells nothing."""
    inputs = subject.inputs
    leaves = [leaf(x, requires_grad=True) for x in inputs.values(inputs.arrays)]
    with debug("ignore"), np.errstate(all="ignore"):
        outputs = [
            y for y in flatten(subject.call_with_leaves(*leaves))[0] if isinstance(y, Tensor)
        ]
    operations = [
        op
        for op in Graph(*outputs).operations
        if op.type != "stop_gradient" and any(t.requires_grad for t in op.inputs)
    ]
    started, checked, at_kinks = perf_counter(), 0, []
    for operation in operations:
        if perf_counter() - started > PATIENCE:
            return None
        report = _check_operation(operation, options)
        checked += 1
        if report.count(Verdict.WRONG) or any(c.kind != Kind.DOMAIN for c in report.problems):
            return _fault_in(operation, report, checked)
        if report.count(Verdict.KINK):
            at_kinks.append(operation)
    return _no_fault(outputs, at_kinks, checked)


def _check_operation(operation: Operation, options: Options) -> Report:
    """Check the rule of one operation at its operands."""
    operands, params = list(operation.inputs), operation.params
    moving = [i for i, x in enumerate(operands) if x.requires_grad]

    def apply_operation(*xs: Tensor) -> Tensor:
        taken = list(operands)
        for i, x in zip(moving, xs, strict=True):
            taken[i] = x
        plain = [x if i in moving else x.data for i, x in enumerate(taken)]
        return operation.primitive(*plain, **params)

    values = [operands[i].data for i in moving]
    names = [f"operand {i + 1}" for i in moving]
    small = sum(np.size(x) for x in values) <= SMALL
    coverage = "full" if small else "projections"
    local = Options(seed=options.seed, coverage=coverage, progress=False)
    return examine(Recorded(apply_operation, None, Inputs(values, names)), local)


def _fault_in(operation: Operation, report: Report, checked: int) -> Blame:
    """Describe the operation whose rule is wrong."""
    found = (*report.causes, *report.problems)
    cause = found[0] if found else None
    line = _shorten_path(operation.line)
    place = f", recorded at {line}" if line else ""
    why = f": {cause.text}" if cause is not None else ""
    text = f"to blame: {operation.name}{place}{why}"
    return Blame(operation.name, operation.type, line, text, cause, checked)


def _no_fault(
    outputs: Sequence[Tensor],
    at_kinks: Sequence[Operation],
    checked: int,
) -> Blame | None:
    """Explain a wrong gradient whose rules are all right."""
    if at_kinks:
        first = at_kinks[0]
        others = f" and {len(at_kinks) - 1} more" if len(at_kinks) > 1 else ""
        text = (
            f"every rule is right by itself; {first.name}{others} is at a kink, where values "
            "between the slopes need not add up to the derivative of the whole"
        )
        return Blame("", first.type, _shorten_path(first.line), text, None, checked)
    stops = [op for op in Graph(*outputs).operations if op.type == "stop_gradient"]
    what = "perhaps a value leaves the graph (t.data, float(t), a constant made of it)"
    line = ""
    if stops:
        line = _shorten_path(stops[0].line)
        what = f"{stops[0].name} stops the gradient" + (f" at {line}" if line else "")
    rules = "the one rule is right" if checked == 1 else f"all {checked} rules are right"
    text = f"{rules}; {what}"
    return Blame("", "stop_gradient" if stops else "", line, text, None, checked)


def _shorten_path(line: str | None) -> str:
    """Write a source line with a path relative to the current folder, if that is shorter."""
    if not line:
        return ""
    path, _, number = line.rpartition(":")
    try:
        near = os.path.relpath(path)
    except ValueError:  # another drive
        near = path
    return f"{near if len(near) < len(path) else path}:{number}"


COVERAGE = ("auto", "full", "projections")


def gradcheck(
    f: Callable[..., object],
    *inputs: object,
    vjp: Callable[..., object] | None = None,
    jvp: Callable[..., object] | None = None,
    grad: Callable[..., object] | None = None,
    jac: Callable[..., object] | bool | None = None,
    order: int = 1,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    argnums: int | Sequence[int] | None = None,
    coverage: Literal["auto", "full", "projections"] = "auto",
    framework: str | None = None,
    keep_dtype: bool = False,
    progress: bool | None = None,
    raises: bool = True,
) -> Report:
    """Compare a gradient with numeric derivatives, and return the report if the gradient is right.

    Without `vjp`, `jvp`, `grad` or `jac`, `f` is a function of tensors, and its recorded gradient
    is checked. If the tensors belong to another framework, that framework's gradient is checked.
    With one of these keywords, `f` is a NumPy function, and the keyword gives its gradient, written
    by hand. The outputs are weighted by a random cotangent, so that every entry of the Jacobian
    counts. Every numeric derivative has its own error bar; see `docs/gradcheck.md`.

    Args:
        f: returns a number, an array or tensor, or a container of them.
        inputs: arrays, tensors, numbers, or nested containers of them. Floating-point and complex
            inputs are differentiated in float64 (float32 is promoted, because its rounding would
            hide errors); integers, booleans and other values are passed on unchanged.
        vjp: `vjp(g, *inputs)` returns a tuple with one cotangent for each input; the cotangent of
            a complex input is ∂L/∂x + i·∂L/∂y.
        jvp: `jvp(*tangents, *inputs)` returns the tangent of the output.
        grad: `grad(*inputs)` returns the gradient of a scalar function; a tuple for several inputs.
        jac: `jac(*inputs)` returns the Jacobian, with the output's shape followed by the input's;
            a tuple for several inputs. True if `f` returns a pair (value, gradient), as SciPy's
            functions do. False if `f` returns a pair that only looks like one.
        order: 2 to check the gradient of the gradient as well.
        rtol: relative tolerance; 1e-6 by default, wider where `f` itself rounds to float32.
        atol: absolute tolerance, 0 by default. The error bar of the numeric derivative is allowed
            in addition to both tolerances.
        step: the step of the first differences; by default eps^(1/3)·max(1, |x|).
        seed: for the random cotangent and the random directions.
        names: names of the inputs; by default the parameter names of `f`.
        argnums: which inputs are differentiated; by default all floating-point inputs. The others
            are passed on unchanged.
        coverage: "full" checks every entry alone. "projections" checks along random directions,
            and locates wrong entries by halving. "auto" is full if that takes less than about 20 s.
        framework: "torch", "jax" or "tensorflow" for a function of their tensors, if the inputs do
            not show it.
        keep_dtype: pass float32 inputs as float32, for functions that accept nothing else.
        progress: show a progress bar; by default in a terminal or notebook, if the check takes
            longer than 2 s.
        raises: raise an error if the gradient is not right; False always returns the report.

    Raises:
        GradcheckError: if an entry is wrong or cannot be resolved, if `f` is not finite or changes
            from call to call, or if an argument is changed in place; `.report` has the details.
        OperandError: if no input is a floating-point number.
        ArgumentError: for an unknown coverage or order, or an invalid tolerance, step or seed.

    >>> import numpy as np
    >>> print(gradcheck(np.sin, np.array([0.5, 1.0]), vjp=lambda g, x: (g * np.cos(x),)))
    gradcheck of sin(x): ok, 2 entries checked (rtol 1e-06)
    ...
    >>> gradcheck(lambda x: x * x, 3.0).ok
    True
    """
    __tracebackhide__ = True  # pytest shows the test's line and the report
    if not callable(f):
        raise OperandError(f"gradcheck expects a function and then its inputs, got {f!r:.60}")
    if coverage not in COVERAGE:
        raise ArgumentError(f"gradcheck: coverage must be one of {COVERAGE}, got {coverage!r}")
    if order not in (1, 2):
        raise ArgumentError(f"gradcheck: order must be 1 or 2, got {order!r}")
    refuse_settings(rtol=rtol, atol=atol, step=step, seed=seed)
    signature = match_signature(f, inputs)
    may_be_pair = vjp is jvp is grad is jac is None
    rules = {"vjp": vjp, "jvp": jvp, "grad": grad, "jac": None if jac is False else jac}
    for name, rule in rules.items():
        if rule is not None and rule is not True and not callable(rule):
            raise ArgumentError(f"gradcheck: {name}= must be a function, got {rule!r:.60}")
    checked = _subject_of(f, inputs, rules, framework, names, argnums, keep_dtype, signature)
    checked.may_be_pair = may_be_pair
    options = Options(rtol, atol, step, seed, coverage, progress)
    report = check_subject(checked, options, order)
    return report.raise_unless_ok() if raises else report


def check_subject(checked: Subject, options: Options, order: int = 1) -> Report:
    """Check a subject; blocks that the function opens are closed afterwards, whatever happens."""

    def run() -> Report:
        return run_quietly(lambda: _make_report(checked, options, order), all="ignore")

    return run_apart(run)


def _make_report(checked: Subject, options: Options, order: int) -> Report:
    """Check a subject; then its second derivatives, or which of its operations has a wrong rule."""
    report = examine(checked, options)
    if order == 2 and report.ok:
        return _second_order(checked, options)
    if isinstance(checked, Recorded) and (report.count(Verdict.WRONG) or report.coverage):
        return report if report.ok else replace(report, blame=locate_fault(checked, options))
    return report


def refuse_settings(**settings: object) -> None:
    """Refuse invalid tolerances, steps and seeds.

    Raises:
        ArgumentError: for a value that is not a number, negative, or a step of 0 or infinity.
    """
    for name, value in settings.items():
        if value is None and name != "seed":
            continue
        kinds = (int, np.integer) if name == "seed" else (int, float, np.number)
        usual = isinstance(value, kinds) and value >= 0 and (name != "step" or 0 < value < np.inf)
        if not usual:
            raise ArgumentError(f"gradcheck: {name} must be a non-negative number, got {value!r}")


def match_signature(f: Callable[..., object], inputs: Sequence[object]) -> inspect.Signature | None:
    """Refuse a number of inputs that the function does not accept.

    Returns:
        the signature; None if the inputs clearly fit, or if it is unknown.

    Raises:
        ArgumentError: if the inputs do not fit the signature.
    """
    if quick_names(f, len(inputs)) is not None:
        return None
    signature = signature_of(f)
    if signature is None:
        return None
    try:
        signature.bind(*inputs)
    except TypeError as error:
        packed = len(inputs) == 1 and isinstance(inputs[0], (tuple, list))
        hint = "; inputs are given one by one: gradcheck(f, x, y)" if packed else ""
        raise ArgumentError(
            f"gradcheck: {len(inputs)} inputs do not fit the function: {error}{hint}"
        ) from None
    return signature


def _subject_of(
    f: Callable[..., object],
    inputs: Sequence[object],
    rules: dict[str, Any],
    framework: str | None,
    names: Sequence[str] | None,
    argnums: int | Sequence[int] | None,
    keep_dtype: bool,
    signature: inspect.Signature | None = None,
) -> Subject:
    """Combine the function, its inputs and its gradient into a subject: see `gradcheck`."""
    foreign = framework_of(f, inputs, framework)
    if foreign is not None:
        if all(rule is None for rule in rules.values()):
            opened = foreign.with_parameters(f)
            if opened is not None:
                names = [
                    "parameters",
                    *argument_names(foreign.declaring_function(f), len(inputs), names),
                ]
                if argnums is not None:
                    argnums = [
                        0,
                        *(i + 1 for i in sorted(argument_positions(argnums, len(inputs)))),
                    ]
                f, inputs = opened[0], (opened[1], *inputs)
            return adapt_function(foreign, f, inputs, names, argnums, keep_dtype)
        names = argument_names(foreign.declaring_function(f), len(inputs), names)
        f, inputs, rules = bridge_function(foreign, f, inputs, rules, keep_dtype)
        signature = None
    written_names = argument_names(f, len(inputs), names, signature)
    arguments = Inputs(inputs, written_names, argnums, keep_dtype)
    return handwritten_subject(f, arguments, **rules) or Recorded(f, None, arguments)


def _second_order(subject: Subject, options: Options) -> Report:
    """Check the gradient of the gradient: how it depends on the inputs and the cotangent.

    Raises:
        ArgumentError: if the gradient cannot be differentiated, such as one written in NumPy.
    """
    gradient = subject.gradient_subject()
    if gradient is None:
        raise ArgumentError(
            f"gradcheck: order=2 differentiates the gradient, and {subject.what} cannot be "
            "differentiated; check it as a separate function, with its own gradient"
        )
    report = examine(gradient, options)
    if report.ok or report.undecided:
        return replace(report, order=2)
    text = "right at first order, wrong when differentiated again"
    first = Cause(Kind.SECOND_ORDER, text)
    if report.problems:
        return replace(report, order=2, problems=(first, *report.problems))
    return replace(report, order=2, causes=(first, *report.causes))
