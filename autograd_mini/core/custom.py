"""Operations of your own: a NumPy function with its derivative, recorded as one vertex."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, TypeVar, overload

import numpy as np

from ..errors import ArgumentError, GradientError, OperandError
from .arrays import as_array
from .primitive import Primitive, Rule
from .tensor import Tensor

if TYPE_CHECKING:
    from .arrays import Array


def _make_read_only(x: object) -> object:
    """Return an array that cannot be written into, or a list of them; others have it too."""
    if type(x) is list:
        return [_make_read_only(part) for part in x]
    if type(x) is not np.ndarray:
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def own(result: object) -> Array:
    """Return a function's result as an array that shares no memory with its inputs."""
    array = as_array(result)
    return array.copy() if type(array) is np.ndarray and not array.flags.writeable else array


def _with_guards(rule: Rule) -> Rule:
    """Give a rule arrays that it cannot write into."""

    @wraps(rule)
    def call(g: object, y: object, *xs: object, **params: object) -> object:
        y = list(y) if type(y) is tuple else y
        return rule(_make_read_only(g), _make_read_only(y), *map(_make_read_only, xs), **params)

    return call


P = ParamSpec("P")
Given = TypeVar("Given", bound=Rule)


class Custom(Generic[P]):
    """A function recorded as one operation; created by `am.primitive`."""

    def __init__(
        self,
        function: Callable[P, object],
        name: str,
        symbol: str,
        multiple: bool,
        elementwise: bool,
    ) -> None:
        update_wrapper(self, function)
        self.function = function
        self.name = name
        self.symbol = symbol
        self.multiple = multiple
        self.elementwise = elementwise
        self._vjp: Any = self._missing
        self._jvp: Any = None
        self.row = self._row()

    def _row(self) -> Primitive:
        """Make the row of the table; it is listed nowhere, so names may repeat."""
        return Primitive(
            name=self.name,
            forward=self._forward,
            vjp=self._vjp,
            symbol=self.symbol,
            doc=self.function.__doc__ or "",
            kind="elementwise" if self.elementwise and isinstance(self._vjp, tuple) else "general",
            samples=(),
            jvp=self._jvp,
            broadcasts=self.elementwise,
            multiple=self.multiple,
            listed=False,
        )

    def _forward(self, *arrays: P.args, **params: P.kwargs) -> object:
        """Call the function and check its result against the declaration."""
        given: list[Any] = [_make_read_only(as_array(x)) for x in arrays]
        result = self.function(*given, **params)
        if isinstance(result, tuple) is not self.multiple:
            raise ArgumentError(
                f"{self.name} returned {'a tuple' if isinstance(result, tuple) else 'one value'}; "
                f"say multiple={not self.multiple} in am.primitive(…)"
            )
        return tuple(map(own, result)) if isinstance(result, tuple) else own(result)

    def _missing(self, g: object, y: object, *xs: object, **params: object) -> NoReturn:
        raise GradientError(
            f"{self.name} has no gradient yet; give it one: @{self.name}.vjp, a function of "
            "(g, y, *inputs) that returns the inputs' cotangents"
        )

    @overload
    def vjp(self, rule: Given, /) -> Given: ...
    @overload
    def vjp(self, first: Rule | None, second: Rule | None, /, *rules: Rule | None) -> Custom[P]: ...
    def vjp(self, *rules: Rule | None) -> object:
        """Give the reverse rule: one function of all inputs, or one function for each input.

        A rule is `rule(g, y, *inputs, **parameters)`: the cotangent of the output, the output, the
        inputs. One for all returns a cotangent an input (a tuple if there are several), None where
        no gradient flows. With `multiple`, g and y are lists. Made of NumPy functions, it serves
        higher derivatives and forward mode too. It works as a decorator.
        """
        if len(rules) == 1 and rules[0] is not None and not self.elementwise:
            self._vjp = self._together(rules[0])
        else:
            self._vjp = tuple(rule and _with_guards(rule) for rule in rules)
        self.row = self._row()
        return rules[0] if len(rules) == 1 else self

    def _together(self, rule: Rule) -> Rule:
        def cotangents(g: object, y: object, *xs: object, **params: object) -> object:
            found = _with_guards(rule)(g, y, *xs, **params)
            return found if isinstance(found, (tuple, list)) else (found,)

        return cotangents

    @overload
    def jvp(self, rule: Given, /) -> Given: ...
    @overload
    def jvp(self, first: Rule | None, second: Rule | None, /, *rules: Rule | None) -> Custom[P]: ...
    def jvp(self, *rules: Rule | None) -> object:
        """Give the forward rule: one function of all tangents, or one function for each input.

        One for all is `rule(ts, y, *inputs, **parameters)` with a list of tangents, None where an
        input does not move; it returns the tangent of the output (a list with `multiple`). One for
        each input is `rule(t, y, *inputs, **parameters)`; their results are added. It is optional,
        and works as a decorator.
        """
        guards = tuple(rule and _with_guards(rule) for rule in rules)
        self._jvp = guards[0] if len(rules) == 1 and not self.elementwise else guards
        self.row = self._row()
        return rules[0] if len(rules) == 1 else self

    def __call__(self, *operands: P.args, **params: P.kwargs) -> Any:
        """Apply it: recorded if an operand is a tensor, else plain NumPy."""
        for key, value in params.items():
            if isinstance(value, Tensor):
                raise OperandError(
                    f"{self.name}: the parameter {key} is a tensor, whose gradient would be lost; "
                    "pass tensors as positional arguments, plain values by keyword"
                )
            if isinstance(value, np.ndarray):  # its rules need it later, as it is now
                params[key] = value.copy()
        rules = self._vjp
        if isinstance(rules, tuple) and len(rules) != len(operands):
            raise ArgumentError(
                f"{self.name} has {len(rules)} rules and was called with {len(operands)} inputs; "
                "give one rule per input, None where no gradient flows"
            )
        return self.row(*operands, **params)

    def __repr__(self) -> str:
        return repr(self.row)


@overload
def primitive(
    function: Callable[P, object],
    *,
    name: str | None = None,
    symbol: str | None = None,
    multiple: bool = False,
    elementwise: bool = False,
) -> Custom[P]: ...
@overload
def primitive(
    function: None = None,
    *,
    name: str | None = None,
    symbol: str | None = None,
    multiple: bool = False,
    elementwise: bool = False,
) -> Callable[[Callable[P, object]], Custom[P]]: ...
def primitive(
    function: Callable[..., object] | None = None,
    *,
    name: str | None = None,
    symbol: str | None = None,
    multiple: bool = False,
    elementwise: bool = False,
) -> object:
    """Make a NumPy function one operation of the graph, with a derivative of your own (decorator).

    Positional arguments are the inputs, keyword arguments are parameters without a gradient. The
    function and its rules get arrays that cannot be written into, since others hold them too.
    Rules follow with `.vjp` and, if wanted, `.jvp`.

    Args:
        function: of arrays, returning an array, or a tuple of them with `multiple`.
        name: the type of its operations; by default the function's name.
        symbol: how a picture writes it; by default the name.
        multiple: whether it returns a tuple of outputs.
        elementwise: whether it broadcasts its inputs and works element by element. Then the rules
            are one per input, broadcasting is undone for them, and forward mode and `vmap` follow.

    >>> import numpy as np, autograd_mini as am
    >>> @am.primitive(symbol="x³")
    ... def cube(x):
    ...     return x**3
    >>> @cube.vjp
    ... def cube_vjp(g, y, x):
    ...     return g * 3 * x**2
    >>> am.grad(cube)(2.0), am.grad(am.grad(cube))(2.0), am.jvp(cube, (2.0,), (1.0,))[1]
    (np.float64(12.0), np.float64(12.0), np.float64(12.0))
    """

    def make(of: Callable[..., object]) -> Custom[...]:
        if not callable(of):
            raise OperandError(f"am.primitive decorates a function, got {of!r:.60}")
        called = str(name or getattr(of, "__name__", "custom"))
        return Custom(of, called, symbol or called, multiple, elementwise)

    return make if function is None else make(function)
