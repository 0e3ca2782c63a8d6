"""Checks of arguments: prediction and target of one shape, logits, labels, numbers."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

import numpy as np

from ..core.batch_rules import call_unchanged
from ..core.primitive import general
from ..core.record import value_of
from ..core.tensor import Tensor, tensor_or_array
from ..errors import ArgumentError, OperandError, ShapeError
from ..ops.conversion import astype
from ..random import Generator

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ..core.arrays import Array, Numbers

SUM_TOLERANCE: Final = 1e-2
"""How far from 1 a row of probabilities may sum: float16 of a thousand classes passes."""

REARRANGING: Final = frozenset(
    {"alias", "cast", "copy", "expand_dims", "getitem", "reshape", "squeeze", "transpose"}
)
"""Operations whose results are elements of their first operand: a probability stays one."""


def match_target(name: str, prediction: Numbers, target: Numbers) -> tuple[Array, Array]:
    """Return both as tensors or arrays of equal shape, the target in the prediction's dtype.

    Only a target that requires a gradient keeps its dtype. Arrays and tensors are taken alike,
    since an array given to a compiled function is a tensor in it.

    Raises:
        ShapeError: if the shapes differ.
    """
    x, y = tensor_or_array(prediction), tensor_or_array(target)
    if x.dtype.kind != "f" and not isinstance(x, Tensor):
        x = x.astype(float)
    y = in_dtype(y, x.dtype)
    if x.shape == y.shape:
        return x, y
    cure = "give them the same shape"
    if x.size == y.size:
        cure = f"reshape the target: target.reshape({fitting(x.shape, y.shape)})"
    raise ShapeError(f"{name}: the prediction has shape {x.shape} and the target {y.shape}; {cure}")


def in_dtype(target: Array, dtype: np.dtype[np.generic]) -> Array:
    """Return a target in a dtype, unless it is complex or carries a gradient.

    >>> in_dtype(np.array([0, 1]), np.float32)
    array([0., 1.], dtype=float32)
    """
    if target.dtype == dtype or target.dtype.kind not in "biuf":
        return target
    if isinstance(target, Tensor):
        return target if target.requires_grad else astype(target, dtype)
    return target.astype(dtype)


def fitting(wanted: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    """Return the target shape of a reshape, for any number of samples where that is possible.

    What is seen here may be one batch of the samples, which the user reshapes all at once.

    >>> fitting((32, 1), (32,)), fitting((2, 3), (3, 2))
    ((-1, 1), (2, 3))
    """
    if wanted and given and wanted[0] == given[0] and all(wanted):
        return (-1, *wanted[1:])
    return wanted


def refuse_probabilities(name: str, logits: object) -> None:
    """Look whether logits were recorded as the output of a sigmoid or softmax.

    The loss applies that function itself; twice is a number that falls, and trains a bad model.

    Raises:
        ArgumentError: naming the function.
    """
    x = logits
    while type(x) is Tensor and x._primitive is not None:
        kind = x._primitive.name
        if kind in REARRANGING:
            x = x._operands[0]
            continue
        if kind == "divide" and x._scope is not None and x._scope.name == "softmax":
            kind = "softmax"
        if kind in ("sigmoid", "softmax"):
            raise ArgumentError(
                f"{name} expects logits, and got the output of a {kind}; the loss applies it "
                "itself. Leave the last layer linear: output_activation=None"
            )
        return


def check_classes(logits: Array) -> None:
    """Look whether logits have an axis of classes.

    Raises:
        ShapeError: for a scalar.
        ArgumentError: for one class, of which every sample would be with certainty.
    """
    if not logits.ndim:
        raise ShapeError("cross_entropy: logits are a scalar; expected shape (…, classes)")
    if logits.shape[-1] == 1:
        raise ArgumentError(
            f"cross_entropy: the logits have shape {logits.shape}, one score per sample; use "
            "binary_cross_entropy, or give the model one output for each class"
        )


def check_labels(labels: Array, logits: Array) -> None:
    """Look whether there is a label for each row of logits.

    Raises:
        ShapeError: if not.
    """
    rows = logits.shape[:-1]
    if labels.shape == rows:
        return
    cure = ""
    if rows and labels.size == np.prod(rows):
        cure = f": labels.reshape({fitting(rows, labels.shape)})"
    raise ShapeError(
        f"cross_entropy: labels have shape {labels.shape} and logits {logits.shape}; expected "
        f"probabilities of shape {logits.shape}, or integer labels of shape {rows}{cure}"
    )


def _checked_classes(labels: Array, *, classes: int) -> Array:
    """Return labels as they index, or raise if one lies outside 0 … classes − 1."""
    index = labels.astype(np.intp, copy=False)
    # As unsigned numbers negative ones are large: one look instead of two. Where the largest stands
    # is found in a third of the time of finding the largest.
    unsigned = index.view(np.uintp)
    if index.size and unsigned.item(unsigned.argmax()) >= classes:
        odd = labels[(index < 0) | (index >= classes)].flat[0] if labels.ndim else labels
        raise ArgumentError(
            f"cross_entropy: the labels have {odd}; the logits have {classes} classes, so expected "
            f"0 to {classes - 1}"
        )
    return index


class_numbers_: Final = general(
    _checked_classes,
    "class?",
    "Class numbers as an index; an error for one that is not a class.  No gradient",
    name="class_numbers",
    vjp=None,
    samples=(),
    params=("classes",),
    batch=call_unchanged,
)


def class_numbers(labels: Array, classes: int) -> Array:
    """Return labels as integers that are classes; those of a tensor are recorded and checked.

    A program checks them at each call: a negative one would count from the end.

    Raises:
        OperandError: for labels of another kind.
        ArgumentError: for a label outside 0 … classes − 1.
    """
    if labels.dtype.kind not in "iu":
        raise OperandError(
            f"cross_entropy: labels are {labels.dtype}; expected integers from 0 to {classes - 1}: "
            "labels.astype(int)"
        )
    return class_numbers_(labels, classes=classes)


def probabilities(labels: Array, dtype: np.dtype[np.generic]) -> Array:
    """Return rows of probabilities in the logits' dtype; those with a gradient keep their own.

    The values are looked at when the loss is recorded, not when a program is replayed.

    Raises:
        ArgumentError: for a negative one, or a row that does not sum to 1.
    """
    values = value_of(labels)
    sums = values.sum(axis=-1)
    if (values < 0).any() or not (np.abs(sums - 1) <= SUM_TOLERANCE).all():
        raise ArgumentError(
            f"cross_entropy: labels of the logits' shape {values.shape} must be probabilities, but "
            f"their values range from {values.min():g} to {values.max():g} and their rows sum to "
            f"{np.min(sums):g} … {np.max(sums):g}; expected values of at least 0 and row sums of "
            f"1. For class numbers, give labels of shape {values.shape[:-1]}"
        )
    return in_dtype(labels, dtype)


Seed = int | np.random.Generator | Generator | None


def whole(what: str, value: int, least: int) -> int:
    """Return an integer of at least `least`.

    Raises:
        ArgumentError: for anything else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ArgumentError(f"{what} is {value!r}; expected an integer of at least {least}")
    return number


def floating(dtype: DTypeLike) -> np.dtype[np.generic]:
    """Return a floating-point dtype, in this machine's byte order.

    Raises:
        ArgumentError: for any other dtype, and for anything that is not a dtype.
    """
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"dtype is {dtype!r:.60}; expected float32 or float64") from error
    if kind.kind != "f":
        raise ArgumentError(f"dtype is {kind}; expected float32 or float64")
    return kind if kind.isnative else np.dtype(kind.type)


def generator(seed: Seed) -> np.random.Generator:
    """Return NumPy's generator of a seed; that of a generator is its own.

    Raises:
        ArgumentError: for what NumPy takes for no seed.
    """
    return Generator(seed).numpy


def check_function(what: str, value: object, expected: str) -> None:
    """Look whether a value is None or can be called.

    Raises:
        ArgumentError: if it is neither.
    """
    if value is not None and not callable(value):
        raise ArgumentError(f"{what} is {value!r:.60}; expected {expected}")
