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

from . import backward as _backward  # fills the table
from . import numpy_protocol as _numpy_protocol
from . import ops as _ops
from .custom import primitive
from .debugging import debug
from .derivatives import hessian, hvp, jacobian
from .errors import (
    ArgumentError,
    AutogradError,
    CompileError,
    ConversionError,
    GradcheckError,
    GradientError,
    IndexingError,
    MatrixError,
    NonFiniteError,
    OperandError,
    ShapeError,
    StaleGraphError,
    UnsupportedError,
    WeightsError,
)
from .graph import Graph
from .operation import Operation, is_recording, no_grad, scope
from .ops.activations import log_softmax, logsumexp, relu, sigmoid, softmax, softplus
from .ops.conversion import stop_gradient
from .ops.indexing import set_at
from .tensors import Tensor, tensor
from .transforms import grad, jvp, value_and_grad, vjp
from .vectorization import vmap

if TYPE_CHECKING:
    from . import checking, nn, optim, random
    from .checking import gradcheck
    from .compiler import compile
    from .ops import special

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is not always needed where it is first used: half of the whole time."""
    from importlib import import_module

    if name in ("checking", "nn", "optim", "random"):
        return import_module(f"{__name__}.{name}")
    if name == "special":  # needs SciPy
        return import_module(f"{__name__}.ops.special")
    if name == "gradcheck":
        return import_module(f"{__name__}.checking").gradcheck
    if name == "compile":
        return import_module(f"{__name__}.compiler").compile
    import numpy

    cure = f"; use np.{name}, which records" if hasattr(numpy, name) else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{cure}")
