"""Bilinear patterns: sums of products that together are the entries of matrix products.

Output n is Σₖ left[n, k]·right[n, k]. If the outputs use few different rows of `left` and `right`,
in (nearly) all pairs, they are the entries of one product. The rows and the pairs in use are a
bipartite graph, and each of its connected components is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .slots import Index

WORTH = 64
"""How many multiplications make a matrix product faster than gathering both factors of each."""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixProduct:
    """One matrix product, or several of one shape at once.

    Attributes:
        members: which outputs are entries of it.
        places: the index of each of them in the product.
        left, right: the slots of the matrices, (…, m, k) and (…, k, n).
    """

    members: Index
    places: tuple[Index, ...]
    left: Index
    right: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the product."""
        return (*self.left.shape[:-1], self.right.shape[-1])

    @property
    def size(self) -> int:
        """The number of entries, in use or not."""
        return int(np.prod(self.shape))


def find_matrix_products(left: Index, right: Index) -> Iterator[MatrixProduct]:
    """Yield the matrix products among sums of products; the other sums are left over.

    Args:
        left, right: the slots of the factors, (outputs, terms) each.
    """
    rows, row = distinct_rows(left)
    columns, column = distinct_rows(right)
    label = components(row, column, len(rows), len(columns))
    order = np.argsort(label, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    equal: dict[tuple[int, int], list[tuple[Index, Index, Index]]] = {}
    for members in blocks:
        used_rows, used_columns = np.unique(row[members]), np.unique(column[members])
        shape = len(used_rows), len(used_columns)
        pairs = len(np.unique(row[members] * len(columns) + column[members]))
        if 2 * pairs >= shape[0] * shape[1] and pairs * left.shape[1] >= WORTH:
            equal.setdefault(shape, []).append((members, used_rows, used_columns))
    for found in equal.values():
        yield stack_blocks(found, rows, columns, row, column)


def stack_blocks(
    found: list[tuple[Index, Index, Index]],
    rows: Index,
    columns: Index,
    row: Index,
    column: Index,
) -> MatrixProduct:
    """Make one part of blocks of one shape; a single one stays a matrix."""
    left, right, places = [], [], []
    for number, (members, used_rows, used_columns) in enumerate(found):
        order = np.argsort(rows[used_rows[0]], kind="stable")  # neighbours in memory, if they are
        left.append(rows[used_rows][:, order])
        right.append(columns[used_columns][:, order].T)
        at = (
            np.searchsorted(used_rows, row[members]),
            np.searchsorted(used_columns, column[members]),
        )
        places.append((np.full(len(members), number), *at))
    members = np.concatenate([block[0] for block in found])
    batch, i, j = (np.concatenate(x) for x in zip(*places, strict=True))
    if len(found) == 1:
        return MatrixProduct(members, (i, j), left[0], right[0])
    return MatrixProduct(members, (batch, i, j), np.stack(left), np.stack(right))


def distinct_rows(rows: Index) -> tuple[Index, Index]:
    """Return the different rows in order, and which of them each row is."""
    found, which = np.unique(rows, axis=0, return_inverse=True)
    return found, which.reshape(-1)


def components(row: Index, column: Index, rows: int, columns: int) -> Index:
    """Return a label of the connected component of each pair: its lowest row."""
    label = np.arange(rows)
    while True:
        lowest = np.full(columns, rows)
        np.minimum.at(lowest, column, label[row])
        new = label.copy()
        np.minimum.at(new, row, lowest[column])
        if np.array_equal(new, label):
            return label[row]
        label = new
