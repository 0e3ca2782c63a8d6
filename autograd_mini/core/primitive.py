"""Primitive: the declaration of one operation. Everything else is derived from it.

A row declares its forward, its vector–Jacobian products and sample inputs. Rules are plain NumPy,
`g, y, *xs, **params`: the cotangent of the output, the output, the inputs, the static parameters.
On arrays they compute; on tensors the same lines are recorded, which gives higher derivatives.
Rules mention neither broadcasting nor who needs a gradient: the reverse walk handles both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import UnsupportedError
from .arrays import PLAIN, foreign_error, is_foreign, refuse_special, scalar_if_0d
from .contexts import function_scope, scope, serials
from .declaration import Case, Declaration, Kind, Rules
from .declaration import Rule as Rule
from .declaration import case as case
from .record import check_operand, context, keep_operand, record, with_context
from .table import table
from .tensor import NO_PARAMS, Tensor

if TYPE_CHECKING:
    from .arrays import Array


PRIMITIVES: Final[dict[str, Primitive]] = {}
"""Every row, by name."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Primitive(Declaration):
    """One row of the table: a declaration that can be called.

    Attributes:
        call: the function that users and rules call.
        listed: whether it enters the table.
    """

    call: Callable[..., Any] = field(init=False)
    listed: InitVar[bool] = True

    def __post_init__(self, listed: bool) -> None:
        """Enter the row into the table."""
        if listed and self.name in PRIMITIVES:
            raise ValueError(f"two primitives are called {self.name}")
        rules = self.vjp if isinstance(self.vjp, tuple) else (self.vjp,)
        object.__setattr__(self, "differentiable", any(rule is not None for rule in rules))
        if self.ufunc is None and isinstance(self.forward, np.ufunc):
            object.__setattr__(self, "ufunc", self.forward)
        fast = None
        if listed and isinstance(self.vjp, tuple) and not self.params and not self.multiple:
            fast = FAST.get(len(self.vjp))
        object.__setattr__(self, "call", fast(self) if fast else _call_general(self))
        self.call.__name__ = self.name
        self.call.__doc__ = self.doc
        if listed:
            PRIMITIVES[self.name] = self

    def __call__(self, *operands: object, **params: object) -> Any:
        """Apply it: recorded if an operand is a tensor, else plain NumPy.

        Raises:
            OperandError: for an operand of another library, which no operator asks here.
        """
        result = self.call(*operands, **params)
        if result is NotImplemented:
            raise foreign_error(next(x for x in operands if defers(x)))
        return result


def _call_general(primitive: Primitive) -> Callable[..., object]:
    """Make the calling function: recorded if an operand is a tensor, else plain NumPy."""
    forward = primitive.forward

    def call(*operands: object, **params: object) -> object:
        for x in operands:
            if type(x) is Tensor:
                return (context.get()[0] or record)(primitive, operands, params)
        result = forward(*operands, **params)
        return tuple(map(scalar_if_0d, result)) if primitive.multiple else scalar_if_0d(result)

    return call


# The two below are `record` unrolled for one and two operands: 0.35 µs instead of 1.2 µs.


def _call_unary(primitive: Primitive) -> Callable[..., object]:
    """Make the calling function of a primitive of one operand without parameters."""
    forward, differentiable = primitive.forward, primitive.differentiable
    get = context.get

    def call(a: object) -> object:
        if type(a) is not Tensor:
            return scalar_if_0d(forward(a))
        recorder, scope = get()
        if recorder is not None:
            return recorder(primitive, (a,), NO_PARAMS)
        try:
            data = forward(a._value)
        except Exception as error:
            raise with_context(error, primitive, (a,)) from error
        tensor = Tensor()
        tensor._value = data
        tensor._requires_grad = differentiable and a._requires_grad
        tensor._primitive = primitive
        tensor._operands = (a,)
        tensor._params = NO_PARAMS
        tensor._scope = scope
        tensor.serial = next(serials)
        tensor.grad = None
        tensor.name = None
        return tensor

    return call


def defers(x: object) -> bool:
    """Whether an operand is another library's, whose own operator is to answer (NEP 13).

    Raises:
        OperandError: for masked arrays and matrices.
    """
    if type(x) is Tensor or type(x) in PLAIN:
        return False
    refuse_special(x)
    return is_foreign(x)


def _call_binary(primitive: Primitive) -> Callable[..., object]:
    """Make the calling function of a primitive of two operands without parameters.

    It returns NotImplemented for an operand of another library, as an operator does.
    """
    forward, differentiable = primitive.forward, primitive.differentiable
    get, plain, ndarray = context.get, PLAIN, np.ndarray

    def call(a: object, b: object) -> object:
        recorder, scope = get()
        if type(a) is Tensor:
            if recorder is not None:
                return NotImplemented if defers(b) else recorder(primitive, (a, b), NO_PARAMS)
            x, wanted = a._value, a._requires_grad
            if type(b) is Tensor:
                y = b._value
                if b._requires_grad:
                    wanted = True
            else:
                if type(b) not in plain:
                    if type(b) is complex:  # the result may be Python's, see `normal`
                        return record(primitive, (a, b), NO_PARAMS)
                    if defers(b):
                        return NotImplemented
                    b = check_operand(b)
                y = b
                if type(b) is ndarray:
                    b = keep_operand(b)
        elif type(b) is Tensor:
            if recorder is not None:
                return NotImplemented if defers(a) else recorder(primitive, (a, b), NO_PARAMS)
            if type(a) not in plain:
                if type(a) is complex:
                    return record(primitive, (a, b), NO_PARAMS)
                if defers(a):
                    return NotImplemented
                a = check_operand(a)
            x, y, wanted = a, b._value, b._requires_grad
            if type(a) is ndarray:
                a = keep_operand(a)
        else:
            return scalar_if_0d(forward(a, b))
        try:
            data = forward(x, y)
        except Exception as error:
            raise with_context(error, primitive, (a, b)) from error
        tensor = Tensor()
        tensor._value = data
        tensor._requires_grad = wanted and differentiable
        tensor._primitive = primitive
        tensor._operands = (a, b)
        tensor._params = NO_PARAMS
        tensor._scope = scope
        tensor.serial = next(serials)
        tensor.grad = None
        tensor.name = None
        return tensor

    return call


FAST: Final = {1: _call_unary, 2: _call_binary}


def elementwise(
    function: Callable[..., object],
    symbol: str,
    doc: str,
    *,
    vjp: tuple[Rule | None, ...],
    samples: Sequence[Case] | None = None,
    **fields: Any,
) -> Primitive:
    """Declare an operation that broadcasts its operands and works element by element.

    `function` enters the table if it is NumPy's. `fields` are those of `general`, and jvp, selects.
    """
    if samples is None:
        samples = SAMPLES.get(len(vjp), ())
    fields |= {"vjp": vjp, "samples": samples, "kind": "elementwise", "broadcasts": True}
    row = general(function, symbol, doc, **fields)
    table[function if isinstance(function, np.ufunc) else row.name] = row.call
    return row


SAMPLES: Final = {
    1: (case((3, 4)), case(()), case((2, 0))),
    2: (case((3, 4), (4,)), case((2, 1), ()), case((), ()), case((0, 2), (2,))),
}


def general(
    function: Callable[..., object],
    symbol: str,
    doc: str,
    *,
    vjp: Rules | None,
    samples: Sequence[Case],
    kind: Kind = "general",
    name: str | None = None,
    eager: Callable[..., object] | None = None,
    **fields: Any,
) -> Primitive:
    """Declare any other operation. `vjp=None` means that it has no gradient.

    `name` is that of the function by default; `eager` is a faster spelling of the function.
    `fields` are further ones of `Primitive`: params, jvp, batch, domain, kink, distinct, multiple,
    broadcasts, view, code, into.
    """
    return Primitive(
        name=name or function.__name__,
        forward=eager or function,
        vjp=vjp,
        symbol=symbol,
        doc=doc,
        kind=kind,
        samples=samples,
        ufunc=function if isinstance(function, np.ufunc) else None,
        **fields,
    )


def linear(function: Callable[..., object], symbol: str, doc: str, **fields: Any) -> Primitive:
    """Declare an operation that is linear in all its operands at once: a sum, a reshape, indexing.

    Fields as in `general`. Its jvp is itself, of the tangents.
    """
    return general(function, symbol, doc, kind="linear", **fields)


def multilinear(function: Callable[..., object], symbol: str, doc: str, **fields: Any) -> Primitive:
    """Declare an operation that is linear in each operand separately: a product.

    Fields as in `general`. Its jvp is the sum of itself with one operand replaced by its tangent.
    """
    return general(function, symbol, doc, kind="multilinear", **fields)


COMPOSED: Final = frozenset(
    {
        *("append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "choose"),
        *("column_stack", "compress", "convolve", "correlate", "cumprod", "cumsum"),
        *("cumulative_prod", "cumulative_sum", "delete", "diag", "diagflat", "diagonal"),
        *("dsplit", "dstack", "extract", "fabs", "flip", "fliplr", "flipud", "float_power"),
        *("geomspace", "hsplit", "hstack", "inner", "intersect1d", "linspace", "logspace"),
        *("matrix_transpose", "matvec", "meshgrid", "moveaxis", "outer", "partition"),
        *("polymul", "ptp", "ravel", "repeat", "roll", "rollaxis", "setdiff1d"),
        *("sliding_window_view", "sort", "sort_complex", "split", "swapaxes", "take"),
        *("take_along_axis", "trace", "tril", "triu", "unique", "vander", "vdot", "vecdot"),
        *("vecmat", "vsplit", "vstack"),
    }
)
"""Functions that record operations of other names; a graph shows them under the user's name."""


def implements(*functions: object) -> Callable[[Rule], Rule]:
    """Enter the decorated function into the table under NumPy functions or names of ours.

    A parameter `out` stands there for NumPy's order of arguments only: giving one is an error. The
    operations of a composed function are recorded in a scope with its name.
    """

    def enter(ours: Rule) -> Rule:
        names = ours.__code__.co_varnames[: ours.__code__.co_argcount]
        entered = name_operations(ours, functions)
        if "out" in names:
            name = getattr(functions[0], "__name__", ours.__name__)
            entered = _refuse_out(entered, name, names.index("out"))
        for function in functions:
            table[function] = entered
        return entered

    return enter


def name_operations(function: Rule, numpys: Sequence[object]) -> Rule:
    """Return a function whose operations are recorded under its name, if it is a composed one.

    Args:
        function: it may open a scope already.
        numpys: the functions of NumPy for which it is entered.
    """
    block = getattr(function, "block", None)
    if isinstance(block, function_scope):
        return function
    if type(block) is scope:
        return function_scope(block.name)(function.__wrapped__)  # type: ignore[attr-defined]
    name = next((x.__name__ for x in numpys if hasattr(x, "__name__")), "")
    return function_scope(name)(function) if name in COMPOSED else function


def _refuse_out(function: Rule, name: str, position: int) -> Rule:
    """Wrap a function so that an `out` argument is an error instead of being ignored."""

    @wraps(function)
    def call_checked(*args: object, **kwargs: object) -> Array:
        given = args[position] if len(args) > position else kwargs.get("out")
        if given is not None:
            raise UnsupportedError(
                f"np.{name}(…, out=…) of a tensor is not recorded; write y = np.{name}(…)"
            )
        return function(*args, **kwargs)

    return call_checked


MARGIN = 0.02
"""How far from its kink a sample stays: much more than a step of a finite difference."""

ATTEMPTS = 1000
"""Draws that may come too near to the kink."""


def is_shape(operand: object) -> bool:
    """Tell whether an entry of a case is a shape (else it is an operand, passed unchanged)."""
    return isinstance(operand, tuple)


def differentiable(primitive: Primitive, position: int) -> bool:
    """Whether a gradient flows to an operand."""
    if not isinstance(primitive.vjp, tuple):
        return True
    rule = primitive.vjp[position]
    return rule is not None and not _refuses_gradient(rule)


def _refuses_gradient(rule: object) -> bool:
    """Whether a rule is an error, as for the order of a Bessel function."""
    return getattr(rule, "refuses", False)


def drawn_operands(primitive: Primitive, case: Case) -> tuple[int, ...]:
    """Return the places of the operands of a case that are drawn and have a gradient."""
    places = enumerate(case.operands)
    return tuple(i for i, x in places if is_shape(x) and differentiable(primitive, i))


def _constant_operands(
    primitive: Primitive, position: int, shape: tuple[int, ...], generator: np.random.Generator
) -> Array:
    """Draw an operand to which no gradient flows: an order or, as for `where`, a condition."""
    if isinstance(primitive.vjp, tuple) and _refuses_gradient(primitive.vjp[position]):
        return generator.integers(2, 4, shape).astype(np.float32)[()]
    return generator.random(shape) < 0.5


def _draw_values(
    primitive: Primitive, shape: tuple[int, ...], generator: np.random.Generator
) -> Array:
    """Draw an array inside the domain of a primitive."""
    low, high = primitive.domain
    if not primitive.distinct:
        return generator.uniform(low, high, shape)[()]
    size = int(np.prod(shape))
    ladder = np.linspace(low, high, size + 2)[1:-1]
    return generator.permutation(ladder).reshape(shape)[()]


def draw_operands(
    primitive: Primitive, case: Case, generator: np.random.Generator, attempts: int = ATTEMPTS
) -> tuple[object, ...]:
    """Draw operands for a case, away from the kink; fixed operands are passed on.

    Raises:
        ArithmeticError: if every draw comes too near to the kink.
    """
    for _ in range(attempts):
        found = tuple(
            _draw_values(primitive, x, generator)
            if is_shape(x) and differentiable(primitive, i)
            else _constant_operands(primitive, i, x, generator)
            if is_shape(x)
            else x
            for i, x in enumerate(case.operands)
        )
        if primitive.kink is None or np.all(np.abs(primitive.kink(*found)) > MARGIN):
            return found
    raise ArithmeticError(f"no operands of {primitive} away from its kink in {attempts} draws")
