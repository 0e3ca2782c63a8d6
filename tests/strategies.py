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

from autograd_mini.primitives import Case, Primitive

MARGIN = 0.02
"""How far from its kink a sample stays: much more than a step of a finite difference."""


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


def is_shape(operand: Any) -> bool:
    """Tell a shape in a case from an operand that is passed as it is."""
    return isinstance(operand, tuple)


def differentiable(primitive: Primitive, position: int) -> bool:
    """Whether a gradient flows to an operand."""
    if not isinstance(primitive.vjp, tuple):
        return True
    rule = primitive.vjp[position]
    return rule is not None and not refuses(rule)


def refuses(rule: Any) -> bool:
    """Whether a rule is an error, as for the order of a Bessel function."""
    return getattr(rule, "refuses", False)


def constants(
    primitive: Primitive, position: int, shape: tuple[int, ...], generator: np.random.Generator
) -> Any:
    """Draw an operand to which no gradient flows: an order or, as for `where`, a condition."""
    if isinstance(primitive.vjp, tuple) and refuses(primitive.vjp[position]):
        return generator.integers(2, 4, shape).astype(np.float32)[()]
    return generator.random(shape) < 0.5


def values(primitive: Primitive, shape: tuple[int, ...], generator: np.random.Generator) -> Any:
    """Draw an array inside the domain of a primitive."""
    low, high = primitive.domain
    if not primitive.distinct:
        return generator.uniform(low, high, shape)[()]
    size = int(np.prod(shape))
    ladder = np.linspace(low, high, size + 2)[1:-1]
    return generator.permutation(ladder).reshape(shape)[()]


def operands_of(
    primitive: Primitive, case: Case, generator: np.random.Generator
) -> tuple[Any, ...]:
    """Draw operands for a case, away from the kink."""
    for _ in range(1000):
        found = tuple(
            values(primitive, x, generator)
            if is_shape(x) and differentiable(primitive, i)
            else constants(primitive, i, x, generator)
            if is_shape(x)
            else x
            for i, x in enumerate(case.operands)
        )
        if primitive.kink is None or np.all(np.abs(primitive.kink(*found)) > MARGIN):
            return found
    raise AssertionError(f"no operands of {primitive} away from its kink")


@st.composite
def broadcastable(draw: st.DrawFn, count: int) -> tuple[tuple[int, ...], ...]:
    """Draw shapes that broadcast together, 0-d and empty ones among them."""
    shapes = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=0, max_dims=3, min_side=0, max_side=3
    )
    return draw(shapes).input_shapes


@st.composite
def samples(draw: st.DrawFn, primitive: Primitive) -> Sample:
    """Draw operands for a primitive: one of its cases, or any shapes if it is elementwise."""
    cases = st.sampled_from(list(primitive.samples))
    if primitive.kind == "elementwise":
        count = len(primitive.vjp)
        cases |= st.builds(Case, broadcastable(count))
    case = draw(cases)
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    operands = operands_of(primitive, case, generator)
    wanted = tuple(
        i for i, x in enumerate(case.operands) if is_shape(x) and differentiable(primitive, i)
    )
    return Sample(primitive, operands, dict(case.params), wanted)


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
