"""Read the dense layers of a module from a recording of one call.

Attributes do not say in which order a module uses its layers, nor what it does between them; only
its `forward` does. So a copy of the module is run once, in evaluation mode, on zeros, and the graph
is read from the output to the input. It must be a chain of `x @ weight`, `+ bias` and activations.
Anything else, such as a skip connection, cannot be drawn as columns of neurons.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope, recorder, scope
from autograd_mini.core.tensor import Tensor, tensor
from autograd_mini.nn import Dense, Module, Sequential
from autograd_mini.nn.activations import name_of

from ..errors import PictureError
from ..reading import is_number, key, operands, scope_of
from ..texts import operation_label

FUNCTION_SCOPE: Final = "activation "
"""The scope of a user's function begins with this; the function is drawn by its name only."""
ACTIVATION_SCOPES: Final = frozenset({"softmax", "log_softmax"})
"""The library's activations of several operations; each opens a scope with its name."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One step of the chain: a weight, a bias, or an activation.

    Attributes:
        kind: "weight", "bias" or "activation".
        value: the array, or the name of the activation.
        taken: the tensor before the step.
        made: the numbers after the step.
    """

    kind: str
    value: Any
    taken: Tensor
    made: Any = None


class BrokenChain(Exception):
    """A recording is not a chain; the message says where it is not."""


def read_chain(module: Module, sample: Any = None) -> list[ChainStep]:
    """Return the weights, biases and activations of a module in the order in which they act.

    Args:
        module: it is run once.
        sample: a row of numbers to run it on, zeros by default.

    Raises:
        PictureError: if it is not a chain of these, or cannot be run.
    """
    try:
        x, y = run_copy(module, sample)
        found: list[ChainStep] = []
        graph = Graph(y)
        while key(y) != key(x):
            found.append(replace(read_chain_step(y, graph, x), made=y.data))
            y = found[-1].taken
    except BrokenChain as error:
        raise PictureError(
            f"{type(module).__name__} is not a chain of dense layers: {error}; draw the graph of "
            "its output: viz.render(model(x), path)"
        ) from error
    return found[::-1]


def run_copy(module: Module, sample: Any = None) -> tuple[Tensor, Tensor]:
    """Run a copy of a module once, on zeros or a sample; return its input and its output."""
    try:
        copy = deepcopy(module)
    except Exception as error:
        raise BrokenChain(f"it cannot be copied for a trial run ({error!s:.100})") from error
    Module.train(copy, False)  # also if a subclass defines another `eval`
    hide_functions(copy)
    weights = [p for p in copy.parameters() if p.ndim == 2]
    said: Any = "it has no weights"
    for width, dtype in dict.fromkeys((w.shape[0], w.dtype) for w in weights):
        numbers = np.zeros((1, width)) if sample is None else sample
        if numbers.shape != (1, width):
            said = f"it takes rows of {width}, not {numbers.shape[1]}"
            continue
        x = tensor(numbers.astype(dtype), name="x")
        try:
            with recorder(None), np.errstate(all="ignore"):
                y = copy(x)
        except Exception as error:  # whatever the user's forward raises
            said = f"it cannot be run on {'zeros' if sample is None else 'it'} ({error!s:.100})"
            continue
        if isinstance(y, Tensor):
            return x, y
        said = f"it returns {type(y).__name__}"
    raise BrokenChain(said)


def hide_functions(module: Module) -> None:
    """Wrap the functions among the layers of a module in scopes with their names."""
    for inner in module.modules():
        if isinstance(inner, Dense) and callable(inner.activation):
            inner.activation = wrap_in_scope(inner.activation)
        if isinstance(inner, Sequential):
            inner.layers = [x if isinstance(x, Module) else wrap_in_scope(x) for x in inner.layers]


def wrap_in_scope(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that runs in a scope with its name."""

    def call_in_scope(x: Any) -> Any:
        with scope(f"{FUNCTION_SCOPE}{name_of(function)}"):
            return function(x)

    return call_in_scope


def read_chain_step(y: Tensor, graph: Graph, start: Tensor) -> ChainStep:
    """Return the last step before a tensor, in the graph of a run with this input.

    Raises:
        BrokenChain: if the operation is not a step of a chain.
    """
    operation = y.op
    if operation is None:
        raise BrokenChain("its output does not come from its input, or comes from more than it")
    block = function_scope(operation)
    if block is not None:
        name, entering = block.name.removeprefix(FUNCTION_SCOPE), scope_input(block, graph, start)
        return ChainStep("activation", name, refuse_new_shape(name, entering, y))
    taken = operands(operation)
    tensors = [x for x in taken if isinstance(x, Tensor)]
    if len(tensors) == 2 and all(isinstance(x, Tensor) for x in taken):
        left, right = tensors
        return weight_or_bias(operation, left, right, start)
    if len(tensors) != 1 or not all(is_number(x) for x in taken if x is not tensors[0]):
        raise BrokenChain(f"{operation.name} takes more than one value")
    return ChainStep(
        "activation", operation_label(operation), refuse_new_shape(operation.name, tensors[0], y)
    )


def refuse_new_shape(name: str, x: Tensor, y: Tensor) -> Tensor:
    """Return the input of an activation.

    Raises:
        BrokenChain: if its result has another shape.
    """
    if x.shape != y.shape:
        raise BrokenChain(f"{name} changes the shape {x.shape} to {y.shape}")
    return x


def weight_or_bias(operation: Operation, left: Tensor, right: Tensor, start: Tensor) -> ChainStep:
    """Return the step `x @ weight` or `z + bias`; the sum may be written in either order."""
    if operation.type == "matmul" and existed_before(right, start) and right.ndim == 2:
        return ChainStep("weight", right.data, left)
    if operation.type == "add":
        z, bias = (right, left) if existed_before(left, start) else (left, right)
        made_by = z.op.type if z.op is not None else ""
        if existed_before(bias, start) and made_by == "matmul" and is_row(bias.shape, z.shape):
            return ChainStep("bias", np.ravel(bias.data), z)
    raise BrokenChain(f"{operation.name} takes two values")


def existed_before(x: Tensor, start: Tensor) -> bool:
    """Return whether a tensor is older than the run, as the weights of the module are.

    The input is not, and neither is a leaf made during the run, which may depend on the input.
    """
    return x.is_leaf and x.serial < start.serial


def is_row(shape: tuple[int, ...], made: tuple[int, ...]) -> bool:
    """Return whether a shape has one number for each column of another and broadcasts to it."""
    return made[-1:] == (prod(shape),) and np.broadcast_shapes(shape, made) == made


def function_scope(operation: Operation) -> Scope | None:
    """Return the outermost scope around an operation that belongs to an activation."""
    found, block = None, scope_of(operation)
    while block is not None:
        if block.name.startswith(FUNCTION_SCOPE) or block.name in ACTIVATION_SCOPES:
            found = block
        block = block.parent
    return found


def scope_input(block: Scope, graph: Graph, start: Tensor) -> Tensor:
    """Return the only tensor that the operations of a scope take from outside, except constants.

    Raises:
        BrokenChain: if there are several such tensors, or none.
    """
    inside = [op for op in graph.operations if function_scope(op) is block]
    made = {key(y) for op in inside for y in op.outputs}
    taken = {
        key(x): x
        for op in inside
        for x in operands(op)
        if isinstance(x, Tensor)
        and key(x) not in made
        and (x.requires_grad or not existed_before(x, start))
    }
    if len(taken) != 1:
        raise BrokenChain(f"{block.name.removeprefix(FUNCTION_SCOPE)} takes more than one value")
    return next(iter(taken.values()))
