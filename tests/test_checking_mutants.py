"""The check of gradients catches what is wrong on purpose, in every row, and lets right ones pass.

The whole measurement is `python -m benchmarks.mutants`; this is a small part of it.
"""

from __future__ import annotations

from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from autograd_mini.checking.report import Kind
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from benchmarks.mutants import tables
from benchmarks.mutants.checkers import OURS
from benchmarks.mutants.drawing import complex_ones, large, rows, small
from benchmarks.mutants.functions import Function
from benchmarks.mutants.mistakes import MISTAKES
from benchmarks.mutants.mutants import Mutant, mutants, second_order
from benchmarks.mutants.ours import of_mutant, of_right
from benchmarks.mutants.rights import PLAIN, at_kinks, at_scales, of
from benchmarks.mutants.terms import without_a_term

each = pytest.mark.parametrize("primitive", rows(), ids=lambda p: p.name)


def function(name: str) -> Function:
    """Return the first sample of a row as a function."""
    return next(small(PRIMITIVES[name]))


def some(primitive: Primitive, count: int) -> list[Mutant]:
    """Choose mutants of the first sample of a row, always the same."""
    found = list(mutants(next(small(primitive))))
    return sorted(found, key=lambda m: crc32(m.name.encode()))[:count]


def said(name: str, mistake: str, number: int = 0) -> dict[str, Any]:
    """Check one mutant of a row."""
    found = [m for m in mutants(function(name)) if m.mistake.name == mistake]
    return of_mutant(found[number])


# ── the check ────────────────────────────────────────────────────────────────────────────────
@each
def test_right_gradient_of_a_row_passes_and_wrong_ones_are_caught(primitive: Primitive) -> None:
    right = of_right(of(next(small(primitive)), PLAIN))
    assert not right["alarm"], right["said"]
    assert not right["unresolved"], right["said"]
    for mutant in some(primitive, 2):
        assert of_mutant(mutant)["caught"], mutant.name


@pytest.mark.parametrize("right", list(at_kinks()), ids=lambda r: r.name)
def test_right_gradient_at_a_kink_or_edge_is_not_called_wrong(right: Any) -> None:
    assert not of_right(right)["alarm"]


@pytest.mark.parametrize("name", ["exp", "log", "multiply", "matmul", "sum", "sqrt"])
def test_right_gradient_passes_at_every_scale(name: str) -> None:
    for right in at_scales(function(name)):
        found = of_right(right)
        assert not found["alarm"], (right.group, found["said"])
        assert not found["unresolved"], (right.group, found["said"])


@pytest.mark.long
@pytest.mark.parametrize("name", ["exp", "matmul", "fft"])
def test_mutants_of_complex_operands_are_caught(name: str) -> None:
    (z,) = complex_ones(PRIMITIVES[name])
    found = list(mutants(z))
    assert Kind.CONJUGATED in {m.mistake.kind for m in found}
    assert all(of_mutant(m)["caught"] for m in found)


def test_one_entry_of_a_thousand_is_caught() -> None:
    grown = large(PRIMITIVES["tanh"])
    assert grown is not None
    chosen = tuple(m for m in MISTAKES if m.large)
    found = list(mutants(grown, chosen))
    assert len(found) == 2
    assert all(of_mutant(m)["caught"] for m in found)


def test_wrong_second_order_is_caught_and_called_so() -> None:
    (mutant,) = second_order(function("exp"))
    found = of_mutant(mutant)
    assert found["caught"]
    assert found["cause"]
    assert not list(second_order(function("add")))


# ── the measurement ──────────────────────────────────────────────────────────────────────────
def test_a_term_is_dropped_from_the_source_of_a_rule() -> None:
    (rule,) = PRIMITIVES["tanh"].vjp  # type: ignore[misc]
    g, y, x = 2.0, 0.5, 0.25
    assert [other(g, y, x) for other in without_a_term(rule)] == [g, -g * y * y]


def test_a_mistake_that_changes_nothing_is_no_mutant() -> None:
    names = {m.mistake.name for m in mutants(function("add"))}
    assert "not summed over a broadcast axis" in names
    assert "input changed in place" in names
    assert "conjugated" not in names


def test_what_numbers_cannot_tell_apart_is_true_of_a_mutant_too() -> None:
    (number,) = islice(small(PRIMITIVES["tanh"]), 1, 2)
    (mutant,) = (m for m in mutants(number) if m.mistake.name == "0 in one entry")
    assert mutant.kinds == {Kind.ZERO}
    flipped = next(m for m in mutants(number) if m.mistake.name == "wrong sign where x < 0")
    assert flipped.kinds == {Kind.SIGN}
    terms = [m.kinds for m in mutants(number) if m.mistake.kind is Kind.TERM]
    assert terms
    assert all(Kind.FACTOR in kinds for kinds in terms)


def test_gradient_of_a_function_is_that_of_its_row() -> None:
    f = function("matmul")
    g = np.ones(f.value(*f.arrays).shape)
    a, b = f.arrays
    x, y = f.vjp(g, a, b)
    np.testing.assert_allclose(x, g @ b.T)
    np.testing.assert_allclose(y, a.T @ g)


def test_tables_take_the_place_of_the_old_ones(tmp_path: Any) -> None:
    page = tmp_path / "page.md"
    row = {"group": "factor 2", "name": "a", "seconds": 0.01, "caught": True, "cause": True}
    rows_ = [{**row, "condition": True, "said": "", "expected": ""}]
    text = tables.section({OURS: rows_, "Peer": []}, ["Peer"])
    assert "| factor 2 | 1 | 100 | 100 | 100 | – |" in text
    assert "Not installed: Peer." in text
    page.write_text("# Title\n\nbefore\n")
    tables.write(page, "old")
    page.write_text(page.read_text() + "after\n")
    tables.write(page, "new")
    assert (
        page.read_text() == f"# Title\n\nbefore\n\n{tables.BEGIN}\n\nnew\n\n{tables.END}\nafter\n"
    )
