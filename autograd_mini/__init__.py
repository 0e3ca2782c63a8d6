"""Reverse-mode automatic differentiation on NumPy, whose graphs can be seen.

>>> import numpy as np, autograd_mini as am
>>> w = am.tensor([[0.5], [-1.0]], requires_grad=True, name="w")
>>> loss = np.mean(np.tanh(np.array([[1.0, 2.0]]) @ w) ** 2)
>>> loss.backward()
>>> w.grad.shape
(2, 1)
"""

from __future__ import annotations

from . import numpy_protocol as _numpy_protocol  # fills the table
from . import ops as _ops
from .errors import (
    AutogradError,
    ConversionError,
    GradientError,
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
from .tensors import Tensor
from .tensors import Tensor as tensor
from .transforms import grad, value_and_grad, vjp

__version__ = "0.1.0"
