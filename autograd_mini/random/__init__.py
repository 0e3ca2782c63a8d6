"""Random numbers that a graph can see: each draw is an operation, so a trace can draw again.

Plain `np.random` inside a function leaves its numbers behind as constants. Here a draw is recorded
with its generator, method and arguments. The numbers are those that NumPy's generator gives.

Numbers and arrays among the arguments stand in the record. A tensor as a location or a scale gets
its gradient by reparametrisation: loc + scale · z, with z from the standard distribution (Kingma &
Welling 2014, section 2.4).

>>> import numpy as np
>>> seed(0)
>>> bool(np.all(normal(size=3).data == np.random.default_rng(0).normal(size=3)))
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from ..errors import ArgumentError
from .generator import FILLS as FILLS
from .generator import Generator as Generator
from .generator import missing, refuse_in_a_program

DEFAULT: Final = Generator(np.random.default_rng())
"""The default generator, from which the functions of this module draw."""


def seed(seed: int | Sequence[int] | None = None) -> None:
    """Reset the default generator, so that it draws as `np.random.default_rng(seed)` does.

    Raises:
        ArgumentError: for what NumPy takes for no seed, and for a generator.
        UnsupportedError: in a function that is being compiled.
    """
    refuse_in_a_program("am.random.seed")
    if isinstance(seed, np.random.Generator | Generator):
        raise ArgumentError(
            f"seed is {seed!r:.60}; expected an integer of at least 0 or None. To draw from a "
            "generator of your own, use am.random.Generator(generator)"
        )
    DEFAULT.bit_generator.state = Generator(seed).bit_generator.state  # type: ignore[arg-type]


random = DEFAULT.random
standard_normal = DEFAULT.standard_normal
standard_exponential = DEFAULT.standard_exponential
uniform = DEFAULT.uniform
normal = DEFAULT.normal
laplace = DEFAULT.laplace
gumbel = DEFAULT.gumbel
logistic = DEFAULT.logistic
lognormal = DEFAULT.lognormal
exponential = DEFAULT.exponential
integers = DEFAULT.integers
binomial = DEFAULT.binomial
poisson = DEFAULT.poisson
permutation = DEFAULT.permutation
choice = DEFAULT.choice

__all__ = [
    "DEFAULT",
    "Generator",
    "binomial",
    "choice",
    "exponential",
    "gumbel",
    "integers",
    "laplace",
    "logistic",
    "lognormal",
    "normal",
    "permutation",
    "poisson",
    "random",
    "seed",
    "standard_exponential",
    "standard_normal",
    "uniform",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # they would take any name for one of ours

    def __getattr__(name: str) -> NoReturn:
        raise AttributeError(missing("am.random", name))
