"""Reverse-mode automatic differentiation on NumPy, whose graphs can be seen.

>>> import numpy as np, autograd_mini as am
>>> w = am.tensor([[0.5], [-1.0]], requires_grad=True, name="w")
>>> loss = np.mean(np.tanh(np.array([[1.0, 2.0]]) @ w) ** 2)
>>> loss.backward()
>>> w.grad.shape
(2, 1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ops as _ops
from .core import dispatch as _numpy_protocol
from .core import reverse as _backward  # fills the table
from .core.custom import primitive
from .core.debugging import debug
from .core.graph import Graph
from .core.record import Operation, is_recording, no_grad, scope
from .core.tensor import Tensor, tensor
from .core.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .core.vmap import vmap
from .errors import ArgumentError as ArgumentError
from .errors import AutogradError as AutogradError
from .errors import CompileError as CompileError
from .errors import ConversionError as ConversionError
from .errors import ForeignModuleError as ForeignModuleError
from .errors import GradcheckError as GradcheckError
from .errors import GradientError as GradientError
from .errors import IndexingError as IndexingError
from .errors import MatrixError as MatrixError
from .errors import NonFiniteError as NonFiniteError
from .errors import OperandError as OperandError
from .errors import ShapeError as ShapeError
from .errors import StaleGraphError as StaleGraphError
from .errors import UndecidedError as UndecidedError
from .errors import UnsupportedError as UnsupportedError
from .errors import WeightsError as WeightsError
from .functions import relu, sigmoid, softplus, stop_gradient
from .ops.activations import log_softmax, logsumexp, softmax
from .ops.indexing import set_at

if TYPE_CHECKING:
    import viz as viz

    from . import checking as checking
    from . import nn as nn
    from . import optim as optim
    from . import random as random
    from . import special as special
    from .checking import gradcheck as gradcheck
    from .compiler import compile as compile
    from .explanation import explain as explain

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "AutogradError",
    "CompileError",
    "ConversionError",
    "ForeignModuleError",
    "GradcheckError",
    "GradientError",
    "Graph",
    "IndexingError",
    "MatrixError",
    "NonFiniteError",
    "Operation",
    "OperandError",
    "ShapeError",
    "StaleGraphError",
    "Tensor",
    "UndecidedError",
    "UnsupportedError",
    "WeightsError",
    "checking",
    "compile",
    "debug",
    "explain",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "is_recording",
    "jacobian",
    "jvp",
    "log_softmax",
    "logsumexp",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "random",
    "relu",
    "scope",
    "set_at",
    "sigmoid",
    "softmax",
    "softplus",
    "stop_gradient",
    "tensor",
    "value_and_grad",
    "vjp",
    "vmap",
]
"""Without `special`, which needs SciPy, and `viz`: `import *` must not depend on them."""


def __dir__() -> list[str]:
    """List what is public, with what is imported where it is first used."""
    from importlib.util import find_spec

    from .display import is_ours, viz_file

    optional = {"special": find_spec("scipy") is not None, "viz": is_ours(viz_file())}
    there = [name for name, is_there in optional.items() if is_there]
    return sorted([*__all__, *there, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # they would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Import what is not always needed where it is first used: half of the whole time."""
        from importlib import import_module

        if name in ("checking", "nn", "optim", "random", "special"):
            return import_module(f"{__name__}.{name}")
        if name == "gradcheck":
            return import_module(f"{__name__}.checking").gradcheck
        if name == "explain":
            return import_module(f"{__name__}.explanation").explain
        if name == "compile":
            return import_module(f"{__name__}.compiler").compile
        if name == "viz":
            return import_module(f"{__name__}.display").import_viz()
        from .other_names import unknown_name

        raise unknown_name(__name__, name, __dir__())
