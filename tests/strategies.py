"""Hypothesis strategies: shapes that broadcast, and operands for a row of the primitive table.

Shapes and parameters are drawn; values come from a drawn seed, since thousands of drawn floats
would mostly be zeros and ties, and shrinking single numbers says little about a derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd_mini.core.primitive import Case, Primitive, draw_operands, drawn_operands


@dataclass(frozen=True)
class Sample:
    """Operands for one call of a primitive; `wanted` are the places of differentiable ones."""

    primitive: Primitive
    operands: tuple[Any, ...]
    params: dict[str, Any]
    wanted: tuple[int, ...]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"{self.primitive.name}{self.operands} {self.params}")

    @property
    def arrays(self) -> list[Any]:
        """The differentiable operands."""
        return [self.operands[i] for i in self.wanted]

    def call(self, *arrays: Any) -> Any:
        """Call the primitive with these in place of the differentiable operands."""
        operands = list(self.operands)
        for i, x in zip(self.wanted, arrays, strict=True):
            operands[i] = x
        return self.primitive(*operands, **self.params)

    def results(self, *arrays: Any) -> list[Any]:
        """Call the primitive and return its outputs as a list."""
        result = self.call(*arrays)
        return list(result) if self.primitive.multiple else [result]

    def outputs(self, *arrays: Any) -> list[Any]:
        """Call the primitive and return its outputs as real numbers: two for a complex one."""
        return [
            part
            for y in self.results(*arrays)
            for part in ((np.real(y), np.imag(y)) if y.dtype.kind == "c" else (y,))
        ]


@st.composite
def broadcastable(draw: st.DrawFn, count: int) -> tuple[tuple[int, ...], ...]:
    """Draw shapes that broadcast together, 0-d and empty ones among them."""
    shapes = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=0, max_dims=3, min_side=0, max_side=3
    )
    return draw(shapes).input_shapes


@st.composite
def samples(draw: st.DrawFn, primitive: Primitive) -> Sample:
    """Draw operands for a primitive: one of its cases, or any shapes if it is elementwise.

    A row with parameters has them in its cases only.
    """
    cases = st.sampled_from(list(primitive.samples))
    if primitive.kind == "elementwise" and not primitive.params:
        count = len(primitive.vjp)
        cases |= st.builds(Case, broadcastable(count))
    case = draw(cases)
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    operands = draw_operands(primitive, case, generator)
    return Sample(primitive, operands, dict(case.params), drawn_operands(primitive, case))


def cotangents(outputs: list[Any], seed: int = 0) -> list[Any]:
    """Return random arrays of the outputs' shapes and dtypes, of either sign, none small."""
    generator = np.random.default_rng(seed)
    found = []
    for y in outputs:
        g = generator.uniform(0.5, 1.5, y.shape) * generator.choice([-1.0, 1.0], y.shape)
        if y.dtype.kind == "c":
            g = g + 1j * generator.uniform(0.5, 1.5, y.shape)
        found.append(g.astype(y.dtype)[()])
    return found
