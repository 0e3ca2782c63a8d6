"""Arguments without a derivative, such as the order of a Bessel function, and factors of them."""

from __future__ import annotations

from typing import Any, NoReturn

from ...errors import UnsupportedError
from ..selection import where


class Refusal:
    """The rule of such an argument: an error, where a rule of None would lose the gradient."""

    refuses = True

    def __init__(self, function: str, argument: str) -> None:
        self.function, self.argument = function, argument

    def __call__(self, g: Any, y: Any, *xs: Any, **params: Any) -> NoReturn:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        name = self.argument.split()[-1]
        raise UnsupportedError(
            f"the derivative of scipy.special.{self.function} by {self.argument} is not recorded; "
            f"give {name} as a plain number, or am.stop_gradient({name}) if no gradient shall flow"
        )


def times(factor: Any, value: Any) -> Any:
    """Multiply by a factor of such arguments; 0 where that is 0, though the value is infinite."""
    return where(factor == 0, 0, factor * value)
