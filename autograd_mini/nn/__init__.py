"""Models: modules, layers, losses, training, weights in files.

>>> import numpy as np, autograd_mini as am
>>> model = am.nn.MLP([2, 16, 1], activation="tanh", seed=0)
>>> model(np.zeros((5, 2))).shape
(5, 1)
>>> x = np.random.default_rng(0).normal(size=(64, 2))
>>> history = model.fit(x, x[:, :1] * x[:, 1:], epochs=3, seed=0)
>>> len(history.loss)
3
"""

from typing import TYPE_CHECKING

from .layers import MLP, Dense, Dropout, Sequential
from .losses import accuracy, binary_cross_entropy, cross_entropy, hinge, mse
from .module import Module
from .training import History

__all__ = [
    "MLP",
    "Dense",
    "Dropout",
    "History",
    "Module",
    "Sequential",
    "accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "hinge",
    "mse",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # it would take any name for one of ours

    def __getattr__(name: str) -> None:
        """Say what another library's name is called here."""
        from ..other_names import unknown_name

        raise unknown_name(__name__, name, __all__)
