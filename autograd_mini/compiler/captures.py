"""Captures: arrays and tensors from outside of a function, which its program reads at each call.

An array that was an operand is captured if the code can reach it from outside of the call. Any
other array was made in the call and is a constant. A captured array is an input of the program,
after the arguments: the guard finds it anew at each call. Plain NumPy code may have read captured
arrays that were not operands; so the elements of these must not change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.extraction import describe
from ..core.tensor import Tensor
from ..errors import CompileError
from .guards import Condition, content_of, numbers_of
from .observe import origin_of_module
from .program import Program, Value
from .reach import Reach
from .trace import ArrayOperand, Tracer

if TYPE_CHECKING:
    from ..core.arrays import Array


class Captures:
    """What a program reads at each call.

    Attributes:
        values: what stands for each of them in the program that was recorded first.
        sources: where each value is found: a condition, or the array or tensor itself.
    """

    def __init__(self, tracer: Tracer, program: Program, reach: Reach, fixed: Collection[int]):
        """Find what a program captures.

        Args:
            tracer: of the first call.
            program: what it noted, without dead code.
            reach: what the code can come to.
            fixed: ids of tensors that must be the same objects.

        Raises:
            CompileError: if the function writes into a captured array.
        """
        self.values: list[Value] = []
        self.sources: list[Any] = []
        for operand in tracer.array_operands:
            if operand.value in program.constants:
                source = _find_source(operand.array, reach)
                if source is not None:
                    _refuse_written_array(operand, tracer)
                    self.values.append(operand.value)
                    self.sources.append(source)
        changed = {leaf for leaf, _ in program.updates}
        for value, tensor in program.leaves.items():
            found = reach.arrays.get(id(tensor))
            if (
                found
                and value not in changed
                and id(tensor) not in fixed
                and _is_replaceable(found[0])
            ):
                self.values.append(value)
                self.sources.append(found[0])
            else:
                for condition in found or ():
                    condition.exact = True
        for value, source in zip(self.values, self.sources, strict=True):
            key = source.key if type(source) is Condition else None
            value.name = value.name or (key if isinstance(key, str) else None)
        self._unite(reach, {id(x) for x in self.sources})

    def _unite(self, reach: Reach, chosen: set[int]) -> None:
        """Demand that all ways to a captured array lead to one array, and that elements stay.

        Plain code may have read the elements of a captured array, too. So they must not change;
        if they do, the function is traced again.
        """
        for key, conditions in reach.arrays.items():
            array = reach.kept[key]
            for condition in conditions[1:] if any(id(c) in chosen for c in conditions) else ():
                condition.same_as = conditions[0]
            if type(array) is not np.ndarray:
                continue
            for condition in conditions:
                condition.content = content_of(array)
            if not conditions:
                label = f"an array of shape {array.shape}"
                made = Condition("content", array, None, content_of(array), label)
                reach.conditions.append(made)

    def objects(self) -> list[Any]:
        """Return the arrays and tensors that are there now."""
        return [x.read() if type(x) is Condition else x for x in self.sources]

    def tensors(self) -> list[Tensor]:
        """Return the tensors among them."""
        return [x for x in self.objects() if type(x) is Tensor]

    def contents(self) -> list[bytes | int]:
        """Return what tells whether their numbers change."""
        return [content_of(numbers_of(x)) for x in self.objects()]

    def as_inputs(self, program: Program, values: Sequence[Value]) -> Program:
        """Return a program with captured values as inputs, behind those that a call gives."""
        moved = set(values)
        return replace(
            program,
            inputs=[*program.inputs, *values],
            captured=len(values),
            constants={v: x for v, x in program.constants.items() if v not in moved},
            leaves={v: x for v, x in program.leaves.items() if v not in moved},
        )

    def found_again(
        self, tracer: Tracer, program: Program, objects: Sequence[Any], contents: Sequence[Any]
    ) -> list[Value]:
        """Return the values that stand for the captured arrays in the program of the second call.

        Args:
            tracer, program: of that call.
            objects, contents: what was there when that call began.

        Raises:
            CompileError: if one is not an operand of it, or was written into.
        """
        for operand in tracer.array_operands:
            for x, content in zip(objects, contents, strict=True):
                if operand.array is x and content_of(operand.leaf._value) != content:
                    raise _written_array_error(operand)
        places = {_identity_of(x): v for v, x in program.leaves.items()}
        for operand in tracer.array_operands:
            if operand.value in program.constants:
                places.setdefault(_identity_of(operand.array), operand.value)
        values = []
        for x, value in zip(objects, self.values, strict=True):
            again = places.get(_identity_of(x))
            if again is None:
                raise CompileError(
                    f"compile: the first two calls recorded different programs: only the first "
                    f"one uses a captured {'tensor' if value.name else 'array'} of shape "
                    f"{value.shape}. Make it an argument of the compiled function"
                )
            values.append(again)
        return values


def _is_replaceable(condition: Condition) -> bool:
    """Tell whether another tensor may take the place of this one; optimizers keep their tensors."""
    return origin_of_module(type(condition.owner)) != "library"


def _identity_of(x: Array) -> Any:
    """Return a key: of an array its memory and layout, so equal views share it; else the id."""
    if type(x) is not np.ndarray:
        return id(x)
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype


def _find_source(array: np.ndarray, reach: Reach) -> Any:
    """Return where an operand is found from outside; None if it was made in the call.

    A view of an array from outside is a new object at each call, on the same memory. Then the guard
    must find that very array.
    """
    if not array.dtype.isnative:  # a program has a copy, and the elements must stay
        return None
    found = reach.arrays.get(id(array))
    if found is not None:
        return found[0] if found else array
    for key, conditions in reach.arrays.items():
        other = reach.kept[key]
        if isinstance(other, np.ndarray) and np.may_share_memory(array, other):
            for condition in conditions:
                condition.exact = True
            return array
    return None


def _refuse_written_array(operand: ArrayOperand, tracer: Tracer) -> None:
    """Refuse a captured array that the function writes into.

    Raises:
        CompileError: naming the line.
    """
    if (
        sum(operand.array is other.array for other in tracer.array_operands) > 1
        or not operand.is_unchanged()
    ):
        raise _written_array_error(operand)


def _written_array_error(operand: ArrayOperand) -> CompileError:
    """Return the error of a captured array that the function writes into."""
    place = f", which it uses at {operand.line}" if operand.line else ""
    return CompileError(
        f"compile: the function writes into an array of shape {operand.array.shape} from outside "
        f"of it{place}. A program would not write there; make the array in the function, as with "
        "np.zeros, or keep the numbers in a tensor and assign it"
    )


def refuse_unreached(program: Program, reach: Reach) -> None:
    """Refuse tensors that the guard cannot find.

    Raises:
        CompileError: naming one.
    """
    for tensor in program.leaves.values():
        if id(tensor) not in reach.kept:
            raise CompileError(
                f"compile: {describe(tensor)} comes from an object whose contents cannot be read, "
                "so a replaced tensor would not be noticed; keep it in an attribute, a list or "
                "a variable, or make it an argument of the compiled function. If the function puts "
                "another tensor there at each call, change the one that is there with assign"
            )


def refuse_unreached_arrays(first: Tracer, second: Tracer, reach: Reach) -> None:
    """Refuse arrays that existed before both calls and that the guard cannot find.

    Raises:
        CompileError: naming one.
    """
    before = {
        id(operand.array)
        for operand in first.array_operands
        if id(operand.array) not in reach.arrays
    }
    for operand in second.array_operands:
        if id(operand.array) in before and operand.array.flags.writeable:
            line = _first_line_of(operand, first)
            raise CompileError(
                f"compile: an array of shape {operand.array.shape}, used at {line}, "
                "comes from an object whose contents cannot be read, so a replaced array would "
                "not be noticed; keep it in an attribute, a list or a variable, or make it an "
                "argument of the compiled function"
            )


def _first_line_of(operand: ArrayOperand, first: Tracer) -> Any:
    """Return where an array was used first in the first call."""
    return next(
        (other.line for other in first.array_operands if other.array is operand.array), None
    )
