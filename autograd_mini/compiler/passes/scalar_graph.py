"""Scalar graphs: the scalar instructions of one region as arrays of integers.

Nodes are numbered in an order in which each comes after those that it needs. What comes from
outside is a node too, without an operation. Sums of products become one node each, so that many of
them can become a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import copysign
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...core.contexts import run_quietly
from ...core.primitive import Primitive
from ...ops.elementwise import power
from ...ops.joining import stack
from ..program import Instruction, Operand, Value
from .schedule import (
    ADD,
    CAST,
    CASTS,
    DIRECT,
    DOT,
    MULTIPLY,
    SAME,
    SQUARE,
    SUM,
    Index,
    VectorOperation,
    power_operation,
)

OUTSIDE: Final = -1
GONE: Final = -2
NUMBERS: Final = (bool, int, float, complex)

Elements = Mapping[Value, tuple[Value, int]]
"""The scalars that are elements of an array: which, and at which flat place."""


@dataclass(slots=True, eq=False)
class ScalarGraph:
    """The nodes of a region.

    Attributes:
        operations: the kinds of operations.
        dtypes: the dtypes of nodes.
        kinds: an index into `operations` for each node, OUTSIDE, or GONE into another one.
        buffers: an index into `dtypes` for each node.
        counts: how many operands each node has.
        operands: the operands of all nodes, one node after the other.
        constants: (node, number) of constants.
        scalars: (node, value of the program) of inputs.
        elements: (node, array, flat place) of elements of arrays.
        nodes: the node of each value.
    """

    operations: list[VectorOperation] = field(default_factory=list)
    dtypes: list[np.dtype[Any]] = field(default_factory=list)
    kinds: Any = field(default_factory=list)
    buffers: Any = field(default_factory=list)
    counts: Any = field(default_factory=list)
    operands: Any = field(default_factory=list)
    constants: list[tuple[int, Any]] = field(default_factory=list)
    scalars: list[tuple[int, Value]] = field(default_factory=list)
    elements: list[tuple[int, Value, int]] = field(default_factory=list)
    nodes: dict[Any, int] = field(default_factory=dict)

    @property
    def starts(self) -> Index:
        """Where the operands of each node start."""
        return np.cumsum(self.counts) - self.counts

    def kind(self, operation: VectorOperation) -> int:
        """Return the index of an operation, or a number that no node has."""
        return self.operations.index(operation) if operation in self.operations else -9


class Reader:
    """Reads instructions into a graph."""

    def __init__(self, constants: Mapping[Value, object], elements: Elements) -> None:
        self.graph = ScalarGraph()
        self._constants = constants
        self._elements = elements
        self._kinds: dict[Any, int] = {}
        self._buffers: dict[np.dtype[Any], int] = {}

    def read(self, instructions: Iterable[Instruction]) -> ScalarGraph:
        """Return the graph of instructions that `is_vectorizable` accepts."""
        graph, kinds = self.graph, self._kinds
        nodes, operands = graph.nodes, graph.operands
        for step in instructions:
            primitive = step.primitive
            kind = kinds.get(primitive)
            given: tuple[Operand, ...] = step.operands
            if kind is None:
                if primitive is stack:
                    for x in given:
                        self.node(x, step)
                    continue
                if primitive in SAME:
                    nodes[step.results[0]] = self.node(given[0], step)
                    continue
                if primitive is power and type(given[1]) is not Value:
                    kind = self.kind((power, repr(given[1])), power_operation(given[1]))  # type: ignore[arg-type]  # a number
                    given = given[:1]
                else:
                    operation = CAST if primitive in CASTS else DIRECT[primitive]
                    kind = self.kind(primitive, operation)
                    if primitive is power:
                        del kinds[power]  # an exponent may be a number next time
            for x in given:
                node = nodes.get(x)
                operands.append(self.node(x, step) if node is None else node)
            nodes[step.results[0]] = len(graph.kinds)
            self.add(kind, step.results[0].dtype, len(given))
        for name in ("kinds", "buffers", "counts", "operands"):
            setattr(graph, name, np.array(getattr(graph, name), np.intp))
        return graph

    def kind(self, key: object, operation: VectorOperation) -> int:
        """Return the index of an operation."""
        if key not in self._kinds:
            known = self.graph.kind(operation)
            self._kinds[key] = known if known >= 0 else len(self.graph.operations)
            if known < 0:
                self.graph.operations.append(operation)
        return self._kinds[key]

    def add(self, kind: int, dtype: np.dtype[np.generic], count: int) -> int:
        """Add a node, whose operands are in the list, and return its number."""
        graph = self.graph
        buffer = self._buffers.get(dtype)
        if buffer is None:
            buffer = self._buffers[dtype] = len(graph.dtypes)
            graph.dtypes.append(dtype)
        graph.kinds.append(kind)
        graph.buffers.append(buffer)
        graph.counts.append(count)
        return len(graph.kinds) - 1

    def node(self, x: Operand, step: Instruction) -> int:
        """Return the node of an operand, which may come from outside."""
        graph, strong = self.graph, type(x) is Value and not x.weak
        if type(x) is Value and strong:
            key: object = self._elements.get(x, x)  # two reads of one element
            dtype = x.dtype
        else:
            dtype = common_dtype(step)
            key = (x if isinstance(x, Value) else _signed_number(x), dtype)
        known = graph.nodes.get(key)
        node = self.add(OUTSIDE, dtype, 0) if known is None else known
        graph.nodes |= {key: node, x: node} if strong else {key: node}
        if known is not None:
            return node
        if type(x) is not Value:
            graph.constants.append((node, x))
        elif x in self._constants:
            graph.constants.append((node, self._constants[x]))
        elif x in self._elements:
            graph.elements.append((node, *self._elements[x]))
        else:
            graph.scalars.append((node, x))
        return node


def _signed_number(x: complex | None) -> object:
    """Return a key of a number that tells 0.0 from -0.0."""
    return (x, copysign(1.0, x)) if isinstance(x, int | float) else repr(x)


def common_dtype(step: Instruction) -> np.dtype[np.generic]:
    """Return the dtype that the numbers of an instruction take.

    Raises:
        OverflowError: if a number does not fit; TypeError: if one is not a number.
    """
    if len(step.operands) == 2:
        a, b = step.operands
        if type(b) is not float:
            a, b = b, a
        if type(b) is float and type(a) is Value and a.dtype.kind == "f" and not a.weak:
            return a.dtype
    dtypes: list[Any] = []
    for x in step.operands:
        if type(x) is not Value:
            dtypes.append(x)
        elif x.weak:
            dtypes.append(x.dtype.type(0).item())
        elif step.primitive.name != "where" or x is not step.operands[0]:
            dtypes.append(x.dtype)
    found = np.result_type(*dtypes)
    for x in dtypes:
        if isinstance(x, NUMBERS):
            run_quietly(partial(np.asarray, x, found), over="ignore")
            if found.kind not in "fc" and found.kind != np.asarray(x).dtype.kind:
                raise TypeError(f"{x} does not fit {found}")
    return found


def fuse_products(graph: ScalarGraph, wanted: NDArray[np.bool_]) -> None:
    """Make one node of each sum of two products or more which nothing else needs.

    A sum a + p·q + r·s becomes a + d with d = p·q + r·s: equal within rounding of the sum.

    Args:
        wanted: whether a node is needed outside.
    """
    if not len(graph.operands):
        return
    owners = np.repeat(np.arange(len(graph.kinds)), graph.counts)
    first, second, merged = _find_fusable_terms(graph, owners, wanted)
    if not merged.any():
        return
    for operation in (DOT, SUM, ADD):
        if operation not in graph.operations:
            graph.operations.append(operation)
    products, sums = graph.operands[merged], owners[merged]
    rest = graph.counts - np.bincount(sums, minlength=len(graph.kinds))
    # A sum with other terms needs a node for its products: it takes the number of the last one,
    # which comes after all factors and before the sum.
    dots = np.arange(len(graph.kinds))
    mixed = rest[sums] > 0
    dots[sums[mixed]] = -1
    np.maximum.at(dots, sums[mixed], products[mixed])
    changed = np.unique(sums)
    with_rest = changed[rest[changed] > 0]
    gone = np.zeros(len(graph.kinds), bool)
    gone[products] = True
    graph.kinds[products] = GONE
    graph.kinds[dots[changed]] = graph.kind(DOT)
    graph.kinds[with_rest] = np.where(rest[with_rest] == 1, graph.kind(ADD), graph.kind(SUM))
    kept = np.flatnonzero(~(merged | gone[owners]))
    order, size = np.arange(len(products)), len(graph.operands)
    parts = (
        (owners[kept], kept, graph.operands[kept]),
        (with_rest, np.full(len(with_rest), size), dots[with_rest]),
        (dots[sums], order, first[products]),
        (dots[sums], size + order, second[products]),
    )
    owner, place, operand = (np.concatenate(part) for part in zip(*parts, strict=True))
    graph.operands = operand[np.lexsort((place, owner))]
    graph.counts = np.bincount(owner, minlength=len(graph.kinds))


def _find_fusable_terms(
    graph: ScalarGraph, owners: Index, wanted: NDArray[np.bool_]
) -> tuple[Index, Index, NDArray[np.bool_]]:
    """Find the terms of sums that are products which nothing else needs, two or more in a sum.

    Returns:
        both factors of each node that is a product, and for each operand whether it is such a term.
    """
    kinds, buffers, operands = graph.kinds, graph.buffers, graph.operands
    squares = kinds == graph.kind(SQUARE)
    last = len(operands) - 1
    first = operands[np.minimum(graph.starts, last)]
    second = operands[np.minimum(graph.starts + ~squares, last)]
    uses = np.bincount(operands, minlength=len(kinds)) + 2 * wanted
    by_blas = np.array([dtype.char in "fdFD" for dtype in graph.dtypes], bool)[buffers]
    products = ((kinds == graph.kind(MULTIPLY)) | squares) & by_blas & (uses == 1)
    products &= (buffers[first] == buffers) & (buffers[second] == buffers)
    summing = (kinds == graph.kind(ADD)) | (kinds == graph.kind(SUM))
    merged = summing[owners] & products[operands] & (buffers[owners] == buffers[operands])
    terms = np.bincount(owners[merged], minlength=len(kinds))
    return first, second, merged & (terms[owners] >= 2)


def node_heights(graph: ScalarGraph) -> Index:
    """Return the longest distance of each node to the end: operations wait until they are needed.

    So the updates of all parameters are at one height, however early each gradient is there.
    """
    height = [0] * len(graph.kinds)
    operands = graph.operands.tolist()
    end = len(operands)
    for node, count in zip(
        range(len(height) - 1, -1, -1), reversed(graph.counts.tolist()), strict=True
    ):
        above = height[node] + 1
        for x in operands[end - count : end]:
            if height[x] < above:
                height[x] = above
        end -= count
    return np.array(height, np.intp)


def has_vector_operation(primitive: Primitive) -> bool:
    """Whether scalar instructions of a primitive can be packed, if their numbers fit."""
    return primitive in DIRECT or primitive in SAME or primitive in CASTS
