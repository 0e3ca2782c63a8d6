"""The declaration of one operation: its forward, its derivatives, and samples to test it with.

A rule is plain NumPy, `g, y, *xs, **params`: the cotangent of the output, the output, the inputs,
the static parameters. On arrays it computes; on tensors the same lines are recorded, which gives
higher derivatives. `Primitive` is a declaration that can be called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .source_text import Code, Statements
from .visible import show_text


@dataclass(frozen=True, slots=True)
class Case:
    """Sample operands for the property tests: one shape an operand, and the parameters.

    An operand that is not a shape (an array, say) is passed as it is.
    """

    operands: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)


def case(*operands: object, **params: object) -> Case:
    """Describe one sample: `case((3, 4), (4,), axis=(0,))`."""
    return Case(operands, params)


Rule = Callable[..., Any]
Batch = Callable[..., Any]
Rules = tuple[Rule | None, ...] | Rule
Kind = Literal["elementwise", "linear", "multilinear", "general"]


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """What is declared of one operation: the fields of a `Primitive`.

    Attributes:
        name: the type of its operations, as `multiply`.
        forward: the NumPy function of the operands' arrays; parameters by keyword.
        vjp: one rule per operand (None where no gradient flows), or one rule that returns the
            cotangents of all operands, or None for an operation without a gradient.
        symbol: how a picture writes it.
        doc: what it computes and its derivatives.
        kind: elementwise, linear and multilinear operations derive more from less.
        samples: what the property tests call it with.
        domain: between which values the samples lie.
        kink: a function of the inputs that is 0 where the derivative jumps.
        distinct: whether the samples must hold no equal elements.
        params: names of the static parameters.
        jvp: one rule per operand, `t, y, *xs, **params` with the operand's tangent t, or one rule
            that gets all tangents (None where nothing moves); without it, it follows from the kind
            or from the vjp.
        batch: how it takes a further leading axis, see `batching`; None: as its kind says, or
            example after example.
        linear_in: how many leading operands a linear operation is linear in, the others being
            indices; None for all.
        broadcasts: whether the walk sums a cotangent to its input's shape.
        selects: whether it passes on some elements of an input and drops others.
        multiple: whether the forward returns a tuple of outputs.
        partial: whether its rule gets None as the cotangent of an output that nobody uses, and may
            return None for an input that nothing reaches.
        ufunc: the ufunc that computes the same as the forward, if there is one.
        view: whether the result shares the memory of the first operand, if that is an array; or a
            function of the operands' shapes and dtypes, and of the parameters, that tells.
        code: how a NumPy program writes it, where that is not seen from the forward; see
            `notation.Code`. Names in it are those of the module that declares the row.
        into: statements that write the result into an array of no operand's memory.
        effect: whether it must run at each call, in order, even if its result is not used: a draw.
        differentiable: whether a gradient flows to an operand.
    """

    name: str
    forward: Callable[..., Any]
    vjp: Rules | None
    symbol: str
    doc: str
    kind: Kind
    samples: Sequence[Case]
    domain: tuple[float, float] = (-2.0, 2.0)
    kink: Callable[..., Any] | None = None
    params: tuple[str, ...] = ()
    distinct: bool = False
    jvp: Rules | None = None
    batch: Batch | None = None
    linear_in: int | None = None
    broadcasts: bool = False
    partial: bool = False
    selects: bool = False
    multiple: bool = False
    ufunc: np.ufunc | None = None
    view: bool | Callable[..., bool] = False
    code: Code | None = None
    into: Statements | None = None
    effect: bool = False
    differentiable: bool = field(init=False)

    def __call__(self, *operands: object, **params: object) -> Any:
        """Apply it; a `Primitive` can."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<primitive {show_text(self.name, one_line=True)}>"
