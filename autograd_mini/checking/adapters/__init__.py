"""Adapters: check functions of PyTorch, JAX and TensorFlow.

Each framework has one module here. It is imported when a function of that framework is checked.
"""

from __future__ import annotations

from ..subjects import Function
from .foreign import Foreign, Framework, FrameworkSubject, adapt_function, framework_of

__all__ = ["Framework", "FrameworkSubject", "adapt_function", "framework_of", "with_parameters"]


def with_parameters(module: Function) -> tuple[Function, dict[str, Foreign]]:
    """Return a PyTorch module as a function of its parameters and inputs, and the parameters.

    `gradcheck(*with_parameters(module), x)` checks the gradients of all parameters and of x.
    """
    from .torch_functions import with_parameters

    return with_parameters(module)
