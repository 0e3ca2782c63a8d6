"""Results: how the outputs of a program become what the function returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.extraction import describe
from ..core.record import value_of
from ..core.tensor import Tensor, leaf
from ..errors import AutogradError, CompileError
from .arguments import as_native_array, key_orders, restore_key_orders
from .guards import is_identical, is_plain_value
from .program import Operand, Program, Value
from .trace import NUMBERS, Tracer

if TYPE_CHECKING:
    from ..core.arrays import Array


class Result:
    """What a traced function returned, and how to make the same of a program's outputs.

    Attributes:
        outputs: the operands that the program returns: those of the result, then the gradients.
        objects: ids of what was returned, containers and what is in them.
        tensors: ids of captured tensors that were returned themselves.
        wanted: which outputs require a gradient.
        differentiable: whether an output requires a gradient that is not computed in the call.
    """

    def __init__(self, tree: Any, tracer: Tracer, keep_grads: bool) -> None:
        import optree

        leaves, structure = optree.tree_flatten(tree, none_is_leaf=True)
        self.objects = {*_containers_in(tree), *map(id, leaves)}
        self._structure = structure
        self._orders = list(key_orders(tree))
        found = structure.unflatten(leaves)
        self._is_ordered = list(key_orders(found)) == self._orders
        self._bare = len(leaves) == 1 and structure.is_leaf()
        self._static: dict[int, Any] = {}
        self._tensors: list[bool] = []
        self._traced: list[Any] = []
        self.outputs: list[Operand] = []
        captured = {id(x) for x in tracer.leaves.values()}
        self.tensors = captured.intersection(map(id, leaves))
        for place, x in enumerate(leaves):
            if not isinstance(x, (Tensor, np.ndarray, np.generic)) or id(x) in captured:
                tracer.refuse_text(x)
                self._static[place] = x
                continue
            self.outputs.append(tracer.operand(x))
            self._tensors.append(isinstance(x, Tensor))
            self._traced.append(x)
        self._count = len(self.outputs)
        self.trained = [x for x in tracer.leaves.values() if tracer.is_recorded_here(x.grad)]
        self.wanted = [isinstance(x, Tensor) and x._requires_grad for x in self._traced]
        self.differentiable = not self.trained and any(self.wanted)
        self._gradients = [tracer.operand(x.grad) for x in self.trained]
        self._keep_grads = keep_grads
        self.single = False
        if keep_grads:
            self.outputs += self._gradients

    def mark_tensors(self, tracer: Tracer, program: Program) -> None:
        """Find out which outputs are tensors: those that depend on a tensor, not on arrays only."""
        tensors = [x for x in self._traced if isinstance(x, Tensor)]
        # The loss of a training step depends on parameters, without a look at the program.
        if not program.updates or not all(x._requires_grad for x in tensors):
            tensorial = tracer.tensorial
            for step in program.instructions:
                if not step.operands or any(x in tensorial for x in step.values):
                    tensorial.update(step.results)
            wanted = zip(self._tensors, self.outputs, strict=False)
            self._tensors = [is_tensor and y in tensorial for is_tensor, y in wanted]
        self.single = self._bare and self._tensors == [True] and not self._keep_grads

    def check_gradients(self, program: Program) -> None:
        """Check that the function uses the gradients that it computes.

        Raises:
            CompileError: if it does not, since a compiled function does not keep them.
        """
        if self._keep_grads or not self._gradients:
            return
        made = {y for step in program.instructions for y in step.results}
        if made.isdisjoint(self._gradients) and not any(
            g in program.constants for g in self._gradients
        ):
            names = ", ".join(map(describe, self.trained[:3]))
            self.forget()
            raise CompileError(
                f"compile: backward() computes gradients of {names}, which the function does not "
                "use and a compiled function does not keep; call optimizer.step() in it, or "
                "am.compile(f, keep_grads=True)"
            )

    def forget(self) -> None:
        """Clear the gradients."""
        for x in self.trained:
            x.grad = None

    def compare(self, other: Result) -> None:
        """Check that two calls returned the same plain values in the same places.

        Raises:
            CompileError: if not.
        """
        mine, theirs = self._static, other._static
        if self._orders != other._orders:
            raise CompileError(
                "compile: the first two calls returned dicts whose keys have different orders; a "
                "compiled function returns the same order at each call"
            )
        if mine.keys() != theirs.keys() or any(_may_differ(mine[k], theirs[k]) for k in mine):
            raise CompileError(
                f"compile: the first two calls returned different plain values, {theirs} and "
                f"{mine}; a compiled function returns the same ones at each call. Return tensors"
            )

    def result_of_trace(self, effects: bool) -> Any:
        """Return the result of the traced call; gradients are kept or dropped.

        Arrays are copied: an array may be a view of the caller's memory. A program's result never
        is.
        """
        numbers = [type(y) is Value and y.weak for y in self.outputs]
        values = [
            value_of(x).item() if number else _copy_value(x)
            for x, number in zip(self._traced, numbers, strict=False)
        ]
        gradients = [x.grad._value for x in self.trained] if self._keep_grads else []
        if self.differentiable and not effects:  # their history is as good as without a trace
            values = [
                x if tensor else y
                for x, y, tensor in zip(self._traced, values, self._tensors, strict=True)
            ]
        self.forget()
        self._traced = []
        return self.wrap_outputs([*values, *gradients])

    def outputs_of(self, tree: Any) -> list[object] | None:
        """Return the outputs that a program would have; None if the structure differs."""
        import optree

        leaves, structure = optree.tree_flatten(tree, none_is_leaf=True)
        if structure != self._structure or list(key_orders(tree)) != self._orders:
            return None
        if any(_may_differ(leaves[place], x) for place, x in self._static.items()):
            return None
        found = [
            as_native_array(value_of(x))
            for place, x in enumerate(leaves)
            if place not in self._static
        ]
        if self._keep_grads:
            found += [np.zeros_like(x._value) if x.grad is None else x.grad for x in self.trained]
        return found

    def result_of_call(self, tree: Any) -> Any:
        """Return the function's result like a program's: in separate memory."""
        import optree

        leaves, structure = optree.tree_flatten(tree, none_is_leaf=True)
        if structure != self._structure or list(key_orders(tree)) != self._orders:
            return tree
        given = [x for place, x in enumerate(leaves) if place not in self._static]
        outputs = [
            x if tensor and self.differentiable and type(x) is Tensor else _copy_value(x)
            for x, tensor in zip(given, self._tensors, strict=True)
        ]
        gradients = [x.grad for x in self.trained] if self._keep_grads else []
        return self.wrap_outputs([*outputs, *gradients])

    def wrap_outputs(self, outputs: Sequence[Any]) -> Any:
        """Return the result of a call, made of the program's outputs."""
        if self.single:
            for x in self.trained:
                x.grad = None
            y = outputs[0]
            return leaf(y) if hasattr(y, "shape") and type(y) is not Tensor else _wrap_value(y)
        if self._keep_grads:
            for x, g in zip(self.trained, outputs[self._count :], strict=True):
                x.grad = g
            outputs = outputs[: self._count]
        else:
            for x in self.trained:
                x.grad = None
        found = [
            _wrap_value(y) if tensor else y
            for y, tensor in zip(outputs, self._tensors, strict=True)
        ]
        for place, x in self._static.items():
            found.insert(place, x)
        if self._bare:
            return found[0]
        made = self._structure.unflatten(found)
        if not self._is_ordered:
            restore_key_orders(made, iter(self._orders))
        return made


def _copy_value(x: object) -> Any:
    """Return a copy of the value of a tensor or an array; a number as it is."""
    return x if type(x) in NUMBERS else np.array(as_native_array(value_of(x)))[()]


def _may_differ(x: object, y: object) -> bool:
    """Whether two plain results may differ."""
    if is_identical(x, y) or is_plain_value(x):
        return not is_identical(x, y)
    try:
        return bool(np.any(x != y))
    except (AutogradError, ValueError, TypeError):  # an object that holds tensors or arrays
        return True


def leaves_in(tree: object) -> Iterator[object]:
    """Yield the leaves of nested containers."""
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves_in(part)
    else:
        yield tree


def _containers_in(tree: Any) -> Iterator[int]:
    """Yield the ids of nested containers."""
    parts = tree.values() if isinstance(tree, dict) else tree
    if isinstance(tree, dict | list | tuple):
        yield id(tree)
        for part in parts:
            yield from _containers_in(part)


def _wrap_value(y: Array) -> Tensor:
    """Return a value as a tensor."""
    if type(y) is Tensor:
        return y
    return leaf(y if hasattr(y, "dtype") else np.asarray(y)[()])
