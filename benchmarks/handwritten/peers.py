"""The checkers of SciPy and PyTorch on the same gradients, each imported only when it is asked for.

SciPy's `check_grad` returns the norm of the difference to forward differences, and leaves the
threshold to the user. Taken here is 1e-6 of the norm of the given gradient, or 1e-6 where that is
below 1: what SciPy's own tests and most users write, `check_grad(...) < 1e-6`, made independent of
the units where they are large. Results that are arrays are weighted by fixed random numbers.

PyTorch's `gradcheck` has its default tolerances (eps 1e-6, atol 1e-5, rtol 1e-3); each function of
NumPy is wrapped as a `torch.autograd.Function`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Case, Gradient
from .numeric import draw_cotangent

Check = Callable[[Case, Gradient, tuple[Any, ...]], tuple[bool, str]]
SCIPY_THRESHOLD = 1e-6


def load_scipy() -> Check:
    """Return SciPy's checker with the threshold of the module."""
    from scipy.optimize import check_grad

    def check(case: Case, gradient: Gradient, inputs: tuple[Any, ...]) -> tuple[bool, str]:
        argnums = case.list_argnums(inputs)
        g = draw_cotangent(case.evaluate(*inputs))

        def join(flat: Any) -> tuple[Any, ...]:
            values, used = list(inputs), 0
            for i in argnums:
                x = np.asarray(inputs[i])
                size = x.size * (2 if np.iscomplexobj(x) else 1)
                values[i] = flat[used : used + size].view(x.dtype).reshape(x.shape)
                used += size
            return tuple(values)

        def value(flat: Any) -> float:
            return float(np.sum(np.real(np.conj(g) * case.evaluate(*join(flat)))))

        def slope(flat: Any) -> Any:
            values = join(flat)
            return _flatten(case.apply_gradient(gradient, g, *values), [values[i] for i in argnums])

        start = _flatten([inputs[i] for i in argnums], [inputs[i] for i in argnums])
        error = check_grad(value, slope, start)
        limit = SCIPY_THRESHOLD * max(1.0, float(np.linalg.norm(slope(start))))
        return bool(error <= limit), f"error {error:.3g}, limit {limit:.3g}"

    return check


def load_torch() -> Check:
    """Return PyTorch's checker with its default tolerances."""
    import torch
    from torch.autograd.gradcheck import GradcheckError

    def check(case: Case, gradient: Gradient, inputs: tuple[Any, ...]) -> tuple[bool, str]:
        argnums = case.list_argnums(inputs)

        def join(tensors: Any) -> tuple[Any, ...]:
            values = list(inputs)
            for i, tensor in zip(argnums, tensors, strict=True):
                values[i] = tensor.detach().numpy().reshape(np.shape(inputs[i]))
            return tuple(values)

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *tensors):
                ctx.save_for_backward(*tensors)
                return torch.as_tensor(np.array(case.evaluate(*join(tensors))))

            @staticmethod
            def backward(ctx, g):
                values = join(ctx.saved_tensors)
                grads = case.apply_gradient(gradient, g.numpy(), *values)
                return tuple(torch.as_tensor(np.array(x)) for x in grads)

        tensors = [torch.tensor(np.asarray(inputs[i]), requires_grad=True) for i in argnums]
        try:
            return bool(torch.autograd.gradcheck(Function.apply, tensors)), "accepted"
        except GradcheckError as error:
            return False, str(error)

    return check


def _flatten(arrays: Any, likes: Any) -> Any:
    """Return one vector of real numbers, complex ones as real and imaginary part in turn."""
    rows = [
        np.ascontiguousarray(x, dtype=np.asarray(like).dtype).reshape(-1).view(np.float64)
        for x, like in zip(arrays, likes, strict=True)
    ]
    return np.concatenate(rows)


PEERS: dict[str, Callable[[], Check]] = {"scipy": load_scipy, "torch": load_torch}
