"""Graph: a snapshot of everything that some tensors were computed from.

It is read from the outputs backwards, without recursion, and listed in order of creation, which is
a topological order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from ..errors import OperandError
from .absent import Absent
from .record import Operation, wrap_constant
from .tensor import Tensor, vertex_of
from .visible import show_text

Origin = tuple[str, int]
"""The role of a tensor in every program of a function, such as ("input", 0)."""


class Graph:
    """The operations behind one or more tensors, with their tensors.

    Attributes:
        operations: every vertex, in topological order.
        inputs: leaves that require no gradient.
        parameters: leaves that require one.
        constants: plain numbers and arrays that were operands.
        outputs: the tensors it was read from.
        origins: in the graph of a compiled program, for the (serial, index) of its inputs, leaves
            and outputs, what they are in every program of the function; else empty.

    >>> import autograd_mini as am
    >>> x = am.tensor(2.0, name="x", requires_grad=True)
    >>> [op.type for op in Graph(x * x + 1).operations]
    ['multiply', 'add']
    """

    def __init__(self, *outputs: Tensor) -> None:
        for y in outputs:
            if not isinstance(y, Tensor):
                raise OperandError(f"Graph expects tensors, got {type(y).__name__} {y!r:.60}")
        self.outputs = outputs
        found: dict[int, Any] = {}
        stack = [vertex_of(y) for y in outputs]
        while stack:
            vertex = stack.pop()
            if vertex.serial not in found:
                found[vertex.serial] = vertex
                taken = vertex._operands or ()
                stack += [vertex_of(x) for x in taken if type(x) is Tensor and x.serial]
        ordered = [found[serial] for serial in sorted(found)]
        self.operations = tuple(Operation(v) for v in ordered if v._primitive is not None)
        leaves = [v for v in ordered if v._primitive is None]
        self.inputs = tuple(x for x in leaves if not x._requires_grad)
        self.parameters = tuple(x for x in leaves if x._requires_grad)
        self.origins: dict[tuple[int, int], Origin] = {}
        self._constants: dict[tuple[int, int], Tensor] | None = None
        self._consumers: dict[tuple[int, int], list[Operation]] | None = None

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """Plain operands, wrapped; one for each place where they are used."""
        return tuple(self._wrap().values())

    def _wrap(self) -> dict[tuple[int, int], Tensor]:
        if self._constants is None:
            self._constants = {
                (op.serial, i): wrap_constant(x)
                for op in self.operations
                for i, x in enumerate(op._record._operands)
                if type(x) is not Tensor or not x.serial
            }
        return self._constants

    def inputs_of(self, operation: Operation) -> tuple[Tensor, ...]:
        """Return the inputs of an operation; a constant is the same object at each call."""
        constants = self._wrap()
        return tuple(
            constants[operation.serial, i] if x.serial == 0 else x
            for i, x in enumerate(operation.inputs)
        )

    def consumers(self, tensor: Tensor) -> tuple[Operation, ...]:
        """Return the operations that take a tensor, in order; twice if they take it twice."""
        if self._consumers is None:
            self._consumers = {}
            for op in self.operations:
                for x in op._record._operands:
                    if type(x) is Tensor:
                        self._consumers.setdefault((x.serial, x.index), []).append(op)
        return tuple(self._consumers.get((tensor.serial, tensor.index), ()))

    def __len__(self) -> int:
        return len(self.operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __repr__(self) -> str:
        parts = ("operations", "inputs", "parameters", "outputs")
        sizes = [(len(getattr(self, part)), part) for part in parts]
        return f"Graph({', '.join(f'{n} {part[: -1 if n == 1 else None]}' for n, part in sizes)})"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        """Show the picture in a notebook."""
        from ..display import mimebundle

        return mimebundle(self)

    def __str__(self) -> str:
        """List the leaves, then each operation with its input and output tensors."""
        lines = [repr(self)]
        for title, tensors in (("input", self.inputs), ("parameter", self.parameters)):
            lines += [f"  {title:<9} {_label(x)}: {_value(x)}" for x in tensors]
        for op in self.operations:
            params = [f"{k}={v!r}" for k, v in op.params.items()]
            taken = ", ".join([*(_label(x) for x in self.inputs_of(op)), *params])
            made = ", ".join(_label(y) for y in op.outputs)
            lines.append(f"  operation {op.name}({taken}) → {made}")
        lines += [f"  output    {_label(y)}: {_value(y)}" for y in self.outputs]
        return "\n".join(show_text(line, one_line=True) for line in lines)


@singledispatch
def as_graph(subject: object) -> Graph | None:
    """Return the graph of an object that has one, such as a program; None for other objects.

    A class that has a graph registers how it is made: `@as_graph.register`.
    """
    return None


@as_graph.register
def _(subject: Graph) -> Graph:
    return subject


def _label(tensor: Tensor) -> str:
    if tensor.name is not None:
        name = tensor.name
    elif tensor.op is not None:
        outputs = len(tensor.op.outputs)
        name = tensor.op.name + (f":{tensor.index}" if outputs > 1 else "")
    elif tensor.serial == 0:
        return _value(tensor)
    else:
        name = f"tensor_{tensor.serial}"
    return f"{name} {tensor.shape}" if tensor.ndim else name


def _value(tensor: Tensor) -> str:
    if tensor.size == 1 and type(tensor._value) is not Absent:
        return f"{tensor.item():.6g}" if tensor.dtype.kind in "fc" else str(tensor.item())
    return f"{tensor.dtype} {tensor.shape}"
