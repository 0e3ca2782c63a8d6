"""Arguments and results of a call: values and static arguments go in, containers come out.

Arrays, tensors and floats are values, which may change. Everything else is static: integers and
booleans (they count, index and choose), text, None, models, and parameters (leaf tensors that
require a gradient). A static argument belongs to the signature. A new signature is traced anew.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import optree

from ..core.arrays import as_array, foreign_error, is_foreign
from ..core.extraction import describe
from ..core.record import value_of
from ..core.reverse import active_stand_ins
from ..core.tensor import Tensor, leaf
from ..errors import AutogradError, CompileError, UnsupportedError
from .guards import is_identical, is_plain_value
from .program import Operand, Program, Value
from .trace import NUMBERS, Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.arrays import Array

Key = tuple[Any, ...]
KeyOrder = tuple[tuple[type, object], ...]
Args = tuple[object, ...]
Kwargs = dict[str, object]
FastReader = Callable[[Args], Sequence[object] | None]
"""Returns the values of positional arguments, None for those of another signature."""
MOVING_NUMBERS: Final = frozenset({float, complex})
LEAVES: Final = frozenset({Tensor, np.ndarray, float, int, bool, complex, str, bytes})
"""Exact classes that are not containers: `optree` need not be asked."""


class SameObject:
    """An object in a signature: it is equal to itself only, and kept alive."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameObject) and self.of is other.of

    def __hash__(self) -> int:
        return id(self.of)


def call_signature(
    args: tuple[object, ...], kwargs: Mapping[str, object]
) -> tuple[Key, list[object]]:
    """Return the signature of a call, and the leaves of its arguments in order.

    Dicts with another order or other types of keys have another signature, since a function may
    iterate over them. `optree` takes them as equal.
    """
    both: Any = (args, kwargs)
    leaves, structure = optree.tree_flatten(both)
    leaves = [as_native_array(x) for x in leaves]
    return (structure, *map(_argument_key, leaves), *key_orders((args, kwargs))), leaves


def as_native_array(x: object) -> Any:
    """Return an array of a subclass, or of another byte order, as a usual array.

    Raises:
        OperandError: for arrays with another meaning: masked arrays, arrays with units.
    """
    usual = type(x) is np.ndarray and x.dtype.isnative
    if usual or not isinstance(x, np.ndarray) or x.dtype.kind not in "biufc":
        return x
    array = as_array(x)
    if is_foreign(x):
        raise foreign_error(x)
    return array


def key_orders(tree: object) -> Iterator[KeyOrder]:
    """Yield the keys of nested dicts in their order, with their types."""
    if isinstance(tree, dict) and tree:
        yield tuple([(type(key), key) for key in tree])
    for part in _items_in(tree):
        if type(part) not in LEAVES:
            yield from key_orders(part)


def _items_in(tree: Any) -> Iterable[object]:
    """Return the items of a container, in order; nothing if it is not a container."""
    if isinstance(tree, dict):
        return tree.values()
    if isinstance(tree, tuple | list | deque):
        return tree
    if type(tree) in LEAVES:
        return ()
    if tree is None or optree.tree_is_leaf(tree):
        return ()
    return optree.tree_leaves(tree, is_leaf=lambda x: x is not tree)


def restore_key_orders(tree: object, keys: Iterator[KeyOrder]) -> None:
    """Put the keys of nested dicts in the order that `key_orders` gave."""
    if isinstance(tree, dict) and tree:
        for _, key in next(keys):
            tree[key] = tree.pop(key)
    for part in _items_in(tree):
        if type(part) not in LEAVES:
            restore_key_orders(part, keys)


def rebuild_arguments(
    args: tuple[object, ...], kwargs: dict[str, object], leaves: list[object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return arguments with other leaves; `optree` forgets what `move_to_end` did."""
    given: Any = (args, kwargs)
    made: Any = optree.tree_unflatten(optree.tree_structure(given), leaves)
    order = list(key_orders(given))
    if list(key_orders(made)) != order:
        restore_key_orders(made, iter(order))
    return made[0], made[1]


Contents = list[tuple[Any, Any, list[Any]]]


def snapshot_containers(tree: tuple[object, ...]) -> Contents:
    """Return all nested containers, each with its keys and its items."""
    found: Contents = []
    waiting: list[object] = [tree]
    while waiting:
        container = waiting.pop()
        if type(container) in LEAVES:
            continue
        parts = list(_items_in(container))
        found.append((container, _keys_of(container), parts))
        waiting += parts
    return found


def _keys_of(container: object) -> list[object] | None:
    """Return the keys of a dict in order, None for another container."""
    return list(container) if isinstance(container, dict) else None


def refuse_changed_containers(before: Contents) -> None:
    """Refuse a function that changed a container among its arguments.

    Raises:
        UnsupportedError: if a container does not hold the same items.
    """
    for container, keys, parts in before:
        now = list(_items_in(container))
        same = len(now) == len(parts) and all(map(is_, now, parts))
        if not same or _keys_of(container) != keys:
            name = type(container).__name__
            raise UnsupportedError(
                f"compile: the function writes into a {name} that it was given, which a program "
                f"does not; make a new {name} in it, and return that"
            )


def _argument_key(x: Any) -> object:
    """Return the part of the signature that one argument makes."""
    if is_value(x):
        if type(x) in MOVING_NUMBERS:
            return type(x)
        return type(x) is Tensor, x.shape, x.dtype
    return type(x), x if type(x) in (int, bool, str, bytes) else SameObject(x)


def is_value(x: object) -> bool:
    """Whether an argument is a value that may differ from call to call."""
    if type(x) is Tensor:
        return not (x._primitive is None and x._requires_grad)
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype.kind in "biufc"
    return type(x) in MOVING_NUMBERS


def is_differentiated(leaves: Sequence[object]) -> bool:
    """Whether an argument has a history: a transform is running, or a graph leads to it."""
    return any(
        type(x) is Tensor
        and x._requires_grad
        and (x._primitive is not None or x.serial in active_stand_ins)
        for x in leaves
    )


def argument_values(leaves: Sequence[object]) -> list[object]:
    """Return the values among the arguments, as the program takes them."""
    return [x._value if type(x) is Tensor else x for x in leaves if is_value(x)]


def make_fast_reader(args: Args, kwargs: Kwargs) -> FastReader | None:
    """Make a function that returns the values of arguments with this signature, None for others.

    It exists for plain positional arguments: `call_signature` takes 5 µs, this function 0.3 µs.
    """
    if kwargs:
        return None
    tests, taken = [f"len(args) == {len(args)}"], []
    bound: dict[str, Any] = {"Tensor": Tensor, "ndarray": np.ndarray}
    for i, x in enumerate(args):
        own = type(x) in (np.ndarray, Tensor)
        if own and isinstance(x, np.ndarray | Tensor) and is_value(x) and x.dtype.isnative:
            bound[f"shape{i}"], bound[f"dtype{i}"] = x.shape, x.dtype
            data = f"args[{i}]" if type(x) is np.ndarray else f"args[{i}]._value"
            tests.append(f"type(args[{i}]) is {type(x).__name__}")
            if type(x) is Tensor:
                tests.append(f"not args[{i}]._requires_grad")
            tests += [f"{data}.shape == shape{i}", f"{data}.dtype is dtype{i}"]
            taken.append(data)
        elif type(x) is float:
            tests.append(f"type(args[{i}]) is float")
            taken.append(f"args[{i}]")
        elif is_value(x) or isinstance(x, (tuple, list, dict)):
            return None
        else:
            bound[f"static{i}"] = x
            tests.append(f"args[{i}] is static{i}")
    values = "".join(f"{x}, " for x in taken)
    text = f"lambda args: ({values}) if {' and '.join(tests)} else None"
    found: FastReader = eval(text, bound)  # text of our own over names of our own
    return found


def argument_leaf_names(
    function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> list[str]:
    """Return a name for each leaf of the arguments: of the parameter, and the path in it."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    both: Any = (args, kwargs)
    names = []
    for path in optree.tree_paths(both):
        first, *rest = path[1:]
        if path[0] == 0:
            first = positional[first] if first < len(positional) else f"x{first}"
        names.append("_".join(map(str, [first, *rest])))
    return names


class Result:
    """What a traced function returned, and how to make the same of a program's outputs.

    Attributes:
        outputs: the operands that the program returns: those of the result, then the gradients.
        objects: ids of what was returned, containers and what is in them.
        tensors: ids of captured tensors that were returned themselves.
        wanted: which outputs require a gradient.
        differentiable: whether an output requires a gradient that is not computed in the call.
    """

    def __init__(self, tree: object, tracer: Tracer, keep_grads: bool) -> None:
        leaves, structure = _flatten(tree)
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

    def _leaves_of(self, tree: object) -> list[object] | None:
        """Return the leaves of a result; None if its structure differs."""
        leaves, structure = _flatten(tree)
        same = structure == self._structure and list(key_orders(tree)) == self._orders
        return leaves if same else None

    def outputs_of(self, tree: object) -> list[object] | None:
        """Return the outputs that a program would have; None if the structure differs."""
        leaves, static = self._leaves_of(tree), self._static
        if leaves is None or any(_may_differ(leaves[place], x) for place, x in static.items()):
            return None
        given = (x for place, x in enumerate(leaves) if place not in static)
        found = [as_native_array(value_of(x)) for x in given]
        if self._keep_grads:
            found += [np.zeros_like(x._value) if x.grad is None else x.grad for x in self.trained]
        return found

    def result_of_call(self, tree: object) -> Any:
        """Return the function's result like a program's: in separate memory."""
        leaves = self._leaves_of(tree)
        if leaves is None:
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
        if not self._keep_grads:
            self.forget()
        if self.single:
            y = outputs[0]
            return leaf(y) if hasattr(y, "shape") and type(y) is not Tensor else _wrap_value(y)
        if self._keep_grads:
            for x, g in zip(self.trained, outputs[self._count :], strict=True):
                x.grad = g
            outputs = outputs[: self._count]
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


def _flatten(tree: object) -> tuple[list[object], Any]:
    """Return the leaves of a result, None among them, and its structure."""
    given: Any = tree
    return optree.tree_flatten(given, none_is_leaf=True)


def _copy_value(x: object) -> object:
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
