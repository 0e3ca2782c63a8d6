"""The gradient of a compiled function: its program as one operation of the captured tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.contexts import run_apart
from ..core.record import record, record_always
from ..core.reverse import backward_pass, swap_convention, vertices_between
from ..core.tensor import Tensor, leaf
from .executable import Executable
from .fused_ops import declare_operation
from .passes.cleanup import eliminate_dead_code
from .program import Value


class ProgramOperation:
    """A program as one operation of all tensors and arrays that it reads.

    Its results are the outputs that require a gradient; the other outputs pass it by. The program
    has the forward pass only. So the gradient interprets what was recorded once more, with tensors,
    and runs the backward pass from there. It does not call the function: what that reads may have
    changed.
    """

    def __init__(self, executable: Executable, wanted: Sequence[bool]) -> None:
        """Declare the operation.

        Args:
            executable: the program.
            wanted: which outputs require a gradient.
        """
        self._wanted = wanted
        self._executable = executable
        self._program = eliminate_dead_code(executable.recorded)
        self._leaves = tuple(self._program.leaves.values())
        self._primitive = declare_operation(
            executable.program.name,
            self._forward,
            "compiled",
            "A compiled function.",
            vjp=self._vjp,
            multiple=True,
            partial=True,
            params=("others",),
        )

    def record(self, values: Sequence[object]) -> Sequence[Any]:
        """Run the program; return its outputs, recorded where they require a gradient."""
        others: list[Any] = []
        found = record(self._primitive, (*self._leaves, *values), {"others": others})
        recorded, plain = iter(found), iter(others[:])
        others.clear()  # the graph keeps the list
        return [next(recorded if grad else plain) for grad in self._wanted]

    def _forward(self, *arrays: object, others: list[object]) -> tuple[Any, ...]:
        """Run the program; return what requires a gradient, and add what does not to a list."""
        outputs = list(
            zip(self._executable(arrays[len(self._leaves) :]), self._wanted, strict=True)
        )
        others += [y for y, grad in outputs if not grad]
        return tuple(y for y, grad in outputs if grad)

    def _vjp(self, g: Sequence[object], y: object, *xs: Any, others: list[object]) -> list[object]:
        """Return the cotangents of all operands; None for operands without a gradient."""
        recorded = any(type(x) is Tensor for x in (*g, *xs))
        tensors = xs[: len(self._leaves)]
        if not recorded:
            tensors = tuple(map(leaf, tensors))
            for tensor, own in zip(tensors, self._leaves, strict=True):
                tensor._requires_grad = own._requires_grad
        outputs = self._compute_outputs((*tensors, *xs[len(self._leaves) :]))
        ends, seeds = [], []
        wanted = (x for x, grad in zip(outputs, self._wanted, strict=True) if grad)
        for x, h in zip(wanted, g, strict=True):
            if h is not None and type(x) is Tensor and x._requires_grad:
                ends.append(x)
                seeds.append(swap_convention(h))
        needed, _ = vertices_between(ends, {x.serial for x in tensors if x._requires_grad})
        found = backward_pass(ends, seeds, needed=needed, recorded=recorded)
        reached = {x.serial: swap_convention(h) for x, h in found}
        return [reached.get(x.serial) for x in tensors] + [None] * (len(xs) - len(tensors))

    def _compute_outputs(self, operands: Sequence[object]) -> list[object]:
        """Interpret what was recorded, with tensors in place of leaves; return the outputs."""
        return run_apart(lambda: self._interpret(operands))

    def _interpret(self, operands: Sequence[object]) -> list[object]:
        program = self._program
        names = (*program.leaves, *program.inputs)
        values: dict[Any, Any] = dict(zip(names, operands, strict=True)) | program.constants
        with record_always():
            for step in program.instructions:
                given = [values[x] if type(x) is Value else x for x in step.operands]
                results = step.primitive(*given, **step.params)
                if not step.primitive.multiple:
                    results = (results,)
                values.update(zip(step.results, results, strict=True))
        return [values[y] if type(y) is Value else y for y in program.outputs]
