"""Recording: call a function once with stand-ins for its arguments, and use the graph it leaves.

The arguments are bound to fresh tensors, so that only their own use counts. Cotangents are pulled
back along the graph, tangents pushed forward. The walks are recorded when their result
may be differentiated again: when an argument is a tensor, or when the function also depends on
other tensors that require a gradient. Otherwise plain arrays go in and plain arrays come out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from ..errors import GradientError, OperandError
from ..ops.conversion import alias, astype
from .arrays import as_array
from .contexts import run_apart, walk_scope
from .extraction import describe, tracing
from .forward import Values, jvp_pass, key_of
from .record import is_recording, record_always
from .reverse import active_stand_ins, backward_pass, copy_if_shared, seed, vertices_between
from .tensor import Tensor, leaf, tensor_or_array
from .tree import Rebuild, arrays_of_tree, flatten, flatten_result

if TYPE_CHECKING:
    from .arrays import Array


def _make_stand_in(argument: object, *, copy: bool) -> Tensor:
    """Return a fresh tensor that stands for an argument and requires a gradient."""
    if isinstance(argument, Tensor):
        tensor: Tensor = alias(argument)
        data = argument._value
    else:
        data = as_array(argument, copy=copy)
        if data.dtype.kind in "biu":
            data = data.astype(np.float64)
        tensor = leaf(data)
    if data.dtype.kind not in "fc":
        raise OperandError(
            f"cannot differentiate with respect to {data.dtype} values of shape {data.shape}; "
            "expected floating-point numbers (x.astype(float))"
        )
    tensor._requires_grad = True
    return tensor


def refuse_discrete(outputs: Sequence[object], *, every: bool) -> None:
    """Refuse integers and booleans as results, if all are such or, with `every`, one is.

    Raises:
        GradientError: for them, which carry no gradient; it would be 0 without a word.
    """
    discrete = [y for y in outputs if getattr(y, "dtype", np.dtype(type(y))).kind in "biu"]
    if discrete and (every or len(discrete) == len(outputs)):
        y = discrete[0]
        named = describe(y) if isinstance(y, Tensor) else repr(y)
        raise GradientError(
            f"the result {named} is {getattr(y, 'dtype', type(y).__name__)}, which carries no "
            "gradient; return floating-point numbers: np.where or a smooth function in place of a "
            "comparison, the largest value in place of its index, 0.0 for a constant 0"
        )


class Linearization:
    """A function recorded at a point: its result, and the maps of cotangents and tangents.

    The fresh tensors that stand for the arguments require a gradient only while the function runs,
    so that nobody outside takes them for parameters; the walks follow what they need by serial.
    """

    def __init__(
        self, function: Callable[..., object], arguments: Sequence[object], *, copy: bool = False
    ) -> None:
        """Call the function with fresh tensors in place of the arguments' arrays and tensors.

        With `copy` the arguments may change before the pullback is called.
        """
        self._recording = is_recording()
        self.tensors = tracing.get() is not None  # a plain result would bake the example in
        self.arguments: list[tuple[list[Tensor], Rebuild]] = []
        self._inner: list[Tensor] = []  # they stand for values that require no gradient themselves
        run_apart(lambda: self._record(function, arguments, copy))

    def _record(
        self, function: Callable[..., object], arguments: Sequence[object], copy: bool
    ) -> None:
        with record_always():
            for argument in arguments:
                given, rebuild = flatten(argument)
                stand_ins = [_make_stand_in(x, copy=copy) for x in given]
                for x, stand_in in zip(given, stand_ins, strict=True):
                    self.tensors = self.tensors or isinstance(x, Tensor)
                    if not (isinstance(x, Tensor) and x._requires_grad):
                        self._inner.append(stand_in)
                self.arguments.append((stand_ins, rebuild))
            running = {x.serial for x in self._inner}
            active_stand_ins.update(running)
            try:
                self.result = function(*(rebuild(bounds) for bounds, rebuild in self.arguments))
            finally:
                active_stand_ins.difference_update(running)

    @property
    def inputs(self) -> list[Tensor]:
        """The stand-ins, in order."""
        return [x for stand_ins, _ in self.arguments for x in stand_ins]

    @property
    def gives_tensors(self) -> bool:
        """Whether the walks are recorded, and give tensors."""
        return self.tensors and self._recording

    def of(self, outputs: object) -> Linearization:
        """Say which part of the result is differentiated."""
        self.outputs, self.structure = flatten_result(outputs)
        refuse_discrete(self.outputs, every=False)
        wanted = {x.serial for x in self.inputs}
        tensors = [y for y in self.outputs if isinstance(y, Tensor)]
        self.needed, foreign = vertices_between(tensors, wanted)
        for x in self._inner:
            x._requires_grad = False
        self.tensors = self.tensors or (foreign and self._recording)
        return self

    def value(self, tree: object) -> object:
        """Return a result as the caller wants it: tensors, or plain arrays."""
        if not self.tensors:
            return arrays_of_tree(tree)
        leaves, rebuild = flatten(tree)
        return rebuild([self.outside(x) if isinstance(x, Tensor) else x for x in leaves])

    def beside(self, aux: object) -> object:
        """Return the auxiliary results. Those that depend on an outer tensor stay tensors."""
        if self.tensors:
            return self.value(aux)
        wanted = {x.serial for x in self.inputs}
        leaves, rebuild = flatten(aux)
        outer = [
            self._recording and isinstance(x, Tensor) and vertices_between([x], wanted)[1]
            for x in leaves
        ]
        return rebuild(
            [
                self.outside(x) if foreign else arrays_of_tree(x) if isinstance(x, Tensor) else x
                for x, foreign in zip(leaves, outer, strict=True)
            ]
        )

    def outside(self, x: Array) -> Tensor:
        """Return a tensor that requires a gradient only if it depends on something outside."""
        if not isinstance(x, Tensor):
            return leaf(x)
        if not self._recording:
            return leaf(x._value)
        if x._primitive is not None and x._requires_grad:
            x._requires_grad = vertices_between([x], ())[1]
        return x

    def _wants_tensors(self, given: Sequence[object]) -> bool:
        """Whether a walk of these cotangents or tangents gives tensors."""
        traced = tracing.get() is not None
        return self.tensors or (
            self._recording
            and any(isinstance(g, Tensor) and (traced or g._requires_grad) for g in given)
        )

    def __call__(self, cotangents: object = None) -> tuple[object, ...]:
        """Carry cotangents of the outputs back to the arguments; unused ones get zeros.

        Raises:
            GradientError: if a cotangent is missing or does not have its output's shape.
        """
        given = [None] if cotangents is None else flatten(cotangents)[0]
        if len(given) != len(self.outputs):
            raise GradientError(
                f"{len(given)} cotangents for {len(self.outputs)} outputs; expected one each"
            )
        tensors = self._wants_tensors(given)
        recorded = tensors and self._recording
        found = iter(
            self.pull_back(given if recorded else arrays_of_tree(given), recorded=recorded)
        )
        answers = []
        for stand_ins, rebuild in self.arguments:
            own = [next(found) for _ in stand_ins]
            answers.append(rebuild([self.outside(g) for g in own] if tensors else own))
        return tuple(answers)

    def pull_back(
        self, given: Sequence[object], *, recorded: bool, exact: bool = False
    ) -> list[Array]:
        """Walk back from the outputs; return a cotangent for each input, zeros where unused."""
        outputs, seeds = [], []
        for y, g in zip(self.outputs, given, strict=True):
            checked = seed(y if isinstance(y, Tensor) else leaf(as_array(y)), g)
            if isinstance(y, Tensor) and y.serial in self.needed:
                outputs.append(y)
                seeds.append(checked)
        trace = tracing.get()
        with walk_scope() if trace is not None and trace.effects else nullcontext():
            reached = backward_pass(
                outputs, seeds, needed=self.needed, recorded=recorded, exact=exact
            )
        shared = {id(g) for g in seeds}
        found = {x.serial: copy_if_shared(g, shared) for x, g in reached}
        return [found.get(x.serial, np.zeros_like(x._value)[()]) for x in self.inputs]

    def push(self, tangents: Sequence[object]) -> list[Array]:
        """Carry tangents of the inputs forward to the outputs, as the caller wants them."""
        tensors = self._wants_tensors(tangents)
        recorded = tensors and self._recording
        found = self.push_forward(
            tangents if recorded else arrays_of_tree(tangents), recorded=recorded
        )
        return [self.outside(t) for t in found] if tensors else found

    def push_forward(
        self, given: Sequence[object], *, recorded: bool, exact: bool = False
    ) -> list[Array]:
        """Walk forward from the inputs; return a tangent for each output, zeros where unmoved."""
        tangents: Values = {(x.serial, 0): t for x, t in zip(self.inputs, given, strict=True)}
        shared = {id(t) for t in tangents.values()}
        jvp_pass(self.needed, tangents, recorded=recorded, exact=exact)
        found = []
        for y in self.outputs:
            t = tangents.get(key_of(y)) if isinstance(y, Tensor) else None
            if t is None:
                data = as_array(y._value if isinstance(y, Tensor) else y)
                t = np.zeros(data.shape, data.dtype if data.dtype.kind in "fc" else float)[()]
            found.append(copy_if_shared(t, shared))
        return found


def tangents_for(recording: Linearization, tangents: Sequence[object]) -> list[Array]:
    """Check tangents against the inputs of a recording and return them in one list.

    Raises:
        GradientError: for another structure, shape or kind of numbers.
    """
    if len(tangents) != len(recording.arguments):
        raise GradientError(
            f"{len(tangents)} tangents for {len(recording.arguments)} arguments; expected one each"
        )
    found = []
    for i, ((stand_ins, _), tangent) in enumerate(zip(recording.arguments, tangents, strict=True)):
        given = flatten(tangent)[0]
        if len(given) != len(stand_ins):
            raise GradientError(
                f"the tangent of argument {i} has {len(given)} leaves, expected {len(stand_ins)}: "
                "give it the argument's own structure"
            )
        found += [_match_tangent(t, x, i) for t, x in zip(given, stand_ins, strict=True)]
    return found


def _match_tangent(tangent: object, x: Tensor, position: int) -> Array:
    """Return a tangent of an input's shape and dtype."""
    t = tensor_or_array(tangent)
    if t.shape != x.shape:
        raise GradientError(
            f"the tangent of argument {position} has shape {t.shape}, expected {x.shape}, the "
            "argument's own"
        )
    if t.dtype.kind == "c" and x.dtype.kind != "c":
        raise GradientError(
            f"the tangent of argument {position} is complex, but the argument is {x.dtype}; give "
            "a real one, or make the argument complex"
        )
    return t if t.dtype == x.dtype else astype(t, x.dtype)
