"""vmap: a function of one example becomes a function of many, computed at once.

The function is recorded for the first example, and the graph is walked once with a further axis in
front of every tensor that depends on it. What each operation does with that axis is in its row of
the table. Since one example is recorded for all, a branch or a plain number taken from its values
would be wrong for the others: looking at such a value is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, overload

import numpy as np

from ..errors import ConversionError, OperandError, ShapeError
from .arrays import as_array
from .batch_rules import placeholder_array
from .contexts import run_apart, run_quietly
from .extraction import Trace, describe, plain_value, tracing
from .forward import Values, batch_pass, key_of
from .record import drop_gradients, is_recording, record, record_always
from .reverse import vertices_between
from .tensor import Tensor, leaf, tensor_or_array
from .tree import Rebuild, flatten, flatten_result

if TYPE_CHECKING:
    from .arrays import Array
    from .primitive import Primitive

P = ParamSpec("P")


class OneForAll:
    """The trace of one example, which stands for all: see `extraction.Trace`."""

    effects = False

    def __init__(self, examples: set[int], outer: Trace | None) -> None:
        self._examples = examples
        self._outer = outer
        self.record = outer.record if outer else None

    def evaluate(
        self, primitive: Primitive, operands: tuple[object, ...], params: dict[str, object]
    ) -> Tensor:
        """Record an operation that needs no gradient, with its history."""
        return drop_gradients((self.record or record)(primitive, operands, params))

    def ask_kind(self, tensor: Tensor, what: str) -> None:
        """Ask the trace around this one."""
        if self._outer is not None:
            self._outer.ask_kind(tensor, what)

    def note_text(self, text: str) -> None:
        """Tell the trace around this one."""
        if self._outer is not None:
            self._outer.note_text(text)

    def refuse_write(self, tensor: Tensor) -> None:
        """Ask the trace around this one."""
        if self._outer is not None:
            self._outer.refuse_write(tensor)

    def note_refusal(self, error: Exception) -> Exception:
        """Pass on to the trace around this one."""
        return error if self._outer is None else self._outer.note_refusal(error)

    def is_number(self, tensor: Tensor) -> bool:
        """Ask the trace around this one."""
        return self._outer is not None and self._outer.is_number(tensor)

    def depends(self, owner: object, attributes: Sequence[str] = ()) -> None:
        """Pass on to the trace around this one."""
        if self._outer is not None:
            self._outer.depends(owner, attributes)

    def look(self, tensor: Tensor, what: str) -> None:
        """Refuse a value that depends on the example."""
        if self._outer is not None:
            self._outer.look(tensor, what)
        if tensor.serial in vertices_between([tensor], self._examples, every=True)[0]:
            raise ConversionError(
                f"vmap: {what} looks at the value of {describe(tensor)}, which differs from "
                "example to example; use np.where instead of a branch, NumPy's functions "
                "instead of Python's"
            )


class OneExample:
    """A function recorded for one example, ready to be computed for many.

    Attributes:
        outputs: what it returned, in a list.
        structure: puts such a list into the structure of the result.
        foreign: whether it depends on other tensors that require a gradient.
    """

    def __init__(self, function: Callable[..., object], examples: Sequence[object]) -> None:
        """Call the function with stand-ins for the examples' arrays."""
        self.inputs = [leaf(x) for x in examples]
        wanted = {x.serial for x in self.inputs}

        def run() -> tuple[list[Any], Rebuild]:
            tracing.set(OneForAll(wanted, tracing.get()))
            with record_always():
                return flatten_result(function(*self.inputs))

        self.outputs, self.structure = run_apart(run)
        tensors = [y for y in self.outputs if isinstance(y, Tensor)]
        self._needed, self.foreign = vertices_between(tensors, wanted, every=True)

    @property
    def nbytes(self) -> int:
        """The bytes that its values take, for one example."""
        return sum(x.nbytes for x in self._needed.values())

    def spread(self, batches: Sequence[object], size: int, *, recorded: bool) -> list[Array | None]:
        """Compute the outputs for `size` examples, the new axis in front; None: they do not differ.

        Args:
            batches: the inputs, with the new axis in front; arrays, or tensors if recorded.
            size: the length of the new axis.
            recorded: whether the operations are recorded.
        """
        values: Values = {key_of(x): b for x, b in zip(self.inputs, batches, strict=True)}
        run_quietly(lambda: batch_pass(self._needed, values, size, recorded=recorded))
        return [values.get(key_of(y)) if isinstance(y, Tensor) else None for y in self.outputs]

    def fill_outputs(self, found: Sequence[Array | None], size: int, recorded: bool) -> list[Array]:
        """Repeat the outputs that do not differ from example to example."""
        return [
            np.broadcast_to(y if recorded else plain_value(y), (size, *np.shape(y)))
            if batch is None
            else batch
            for y, batch in zip(self.outputs, found, strict=True)
        ]


def _axes_per_leaf(axes: Any, tree: Any, name: str) -> list[int | None]:
    """Return the batch axis of each leaf of containers; one entry may cover a whole container.

    Raises:
        OperandError: if they do not have the structure of the containers.
    """
    if isinstance(axes, list) and isinstance(tree, tuple):
        axes = tuple(axes)
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        return [axes] * len(flatten(tree)[0])
    import optree

    try:
        spread_out: list[Any] = optree.broadcast_prefix(axes, tree, none_is_leaf=True)
    except ValueError as error:
        raise OperandError(f"vmap: {name} {axes!r} do not fit the structure: {error}") from error
    if not all(axis is None or type(axis) is int for axis in spread_out):
        raise OperandError(f"vmap: {name} must be integers or None, got {axes!r}")
    return spread_out


def _move_axis_to_front(x: object, axis: int) -> Array:
    """Move the mapped axis of an argument to the front."""
    data = tensor_or_array(x)
    if not -data.ndim <= axis < data.ndim:
        raise ShapeError(
            f"vmap: an argument of shape {data.shape} has no axis {axis} to map over; give None "
            "in in_axes for an argument that is the same for all examples"
        )
    return np.moveaxis(data, axis, 0) if axis else data  # type: ignore[type-var]  # a tensor too


def _common_batch_size(batches: Sequence[Array]) -> int:
    """Return the common length of the mapped axes."""
    sizes = sorted({x.shape[0] for x in batches})
    if len(sizes) != 1:
        found = ", ".join(map(str, sizes)) if sizes else "none, in_axes maps no argument"
        raise ShapeError(f"vmap: the mapped axes must have one length, got {found}")
    length: int = sizes[0]
    return length


@overload  # type checkers know one of a ufunc's many forms only
def vmap(function: np.ufunc, in_axes: object = 0, out_axes: object = 0) -> Callable[..., Any]: ...
@overload
def vmap(
    function: Callable[P, object], in_axes: object = 0, out_axes: object = 0
) -> Callable[P, Any]: ...
def vmap(
    function: Callable[..., object], in_axes: object = 0, out_axes: object = 0
) -> Callable[..., object]:
    """Make the function that applies a function to many examples at once.

    Args:
        function: of one example: tensors, or nested containers of them; it sees tensors.
        in_axes: along which axis of each positional argument the examples lie, None for an argument
            that is the same for all; one for all arguments, or a tuple, whose entries may be nested
            as the arguments are. Keyword arguments are the same for all examples.
        out_axes: where the axis of the examples is put in the results.

    Returns:
        a function of arguments that have one axis more. Arrays give arrays, tensors tensors.

    Raises:
        ShapeError: if the mapped axes differ in length, or there is none.
        ConversionError: if the function looks at a value that differs between examples.

    Operations without a rule for it (`docs/operations.md` has the list) are applied example by
    example. Numbers that the function draws at random are the same for all examples.

    >>> import numpy as np
    >>> from autograd_mini import grad
    >>> vmap(lambda x, w: x @ w, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    >>> vmap(grad(lambda x: x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """

    @wraps(function)
    def call_batch(*args: object, **kwargs: object) -> object:
        return _map_examples(function, args, kwargs, in_axes, out_axes)

    return call_batch


def _map_examples(
    function: Callable[..., object],
    args: object,
    kwargs: Mapping[str, object],
    in_axes: object,
    out_axes: object,
) -> object:
    """Apply a function to all examples in its arguments."""
    given, rebuild = flatten(args)
    axes = _axes_per_leaf(in_axes, args, "in_axes")
    places = [(i, axis) for i, axis in enumerate(axes) if axis is not None]
    batches = [_move_axis_to_front(given[i], axis) for i, axis in places]
    size = _common_batch_size(batches)

    def of_example(*examples: Tensor) -> object:
        full = [x if isinstance(x, Tensor) else leaf(as_array(x)) for x in given]
        for (i, _), x in zip(places, examples, strict=True):
            full[i] = x
        return function(*rebuild(full), **kwargs)

    examples = [_first_example(x) for x in batches]
    if size:
        example = OneExample(of_example, examples)
    else:  # what it computes there is of no use
        example = run_quietly(lambda: OneExample(of_example, examples), all="ignore")
    tensors = any(isinstance(x, Tensor) for x in given)
    recorded = is_recording() and (tensors or tracing.get() is not None or example.foreign)
    if not recorded:
        batches = [plain_value(x) for x in batches]
    found = example.spread(batches, size, recorded=recorded)
    full: list[Any] = example.fill_outputs(found, size, recorded)
    ends = _axes_per_leaf(out_axes, example.structure(full), "out_axes")
    for batch, end in zip(found, ends, strict=True):
        if end is None and batch is not None:
            raise ShapeError(
                "vmap: out_axes is None for a result that differs from example to example; give "
                "the axis along which to stack the examples"
            )
    moved = [
        y if end is None else np.moveaxis(full[i], 0, end)
        for i, (y, end) in enumerate(zip(example.outputs, ends, strict=True))
    ]
    if not recorded:  # what is mapped may share memory with an argument
        moved = [np.array(plain_value(y))[()] for y in moved]
        if tensors:
            moved = [leaf(y) for y in moved]
    return example.structure(moved)


def _first_example(batch: Array) -> Array:
    """Return the first example's values; if there is none, some that most functions take."""
    data = plain_value(batch)
    return data[0] if len(data) else placeholder_array(data.shape[1:], data.dtype)
