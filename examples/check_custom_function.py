"""A hand-written gradient is wrong: found, explained, shrunk to the smallest case, and repaired.

Layer normalization in plain NumPy, with a gradient worked out on paper. The first attempt has two
mistakes. The second has one left, and passes all the same if it is tested with a batch of one row;
the search makes the smallest case that shows it. The last part checks a function of PyTorch, where
that is installed.
"""

from __future__ import annotations

import numpy as np

import autograd_mini as am


def norm(x, scale, shift):
    """Layer normalization of the rows of x: mean 0 and deviation 1, then scaled and shifted."""
    centred = x - x.mean(axis=1, keepdims=True)
    z = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return z * scale + shift


def first_attempt(g, x, scale, shift):
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    z, d = centred / deviation, g * scale
    d_x = (d - d.mean(axis=1, keepdims=True)) / deviation  # as if the deviation were a constant
    return d_x, (g * z).sum(axis=0), g.mean(axis=0)  # and a mean where a sum is meant


def second_attempt(g, x, scale, shift):
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    z, d = centred / deviation, g * scale
    d_z = z * (d * z).mean(axis=1, keepdims=True)  # what comes through the deviation
    d_x = (d - d.mean(axis=1, keepdims=True) - d_z) / deviation
    return d_x, (g * z).sum(axis=0), g.mean(axis=0)


def third_attempt(g, x, scale, shift):
    d_x, d_scale, _ = second_attempt(g, x, scale, shift)
    return d_x, d_scale, g.sum(axis=0)


def by_hand():
    rng = np.random.default_rng(0)
    x, scale, shift = rng.normal(size=(8, 5)), rng.normal(size=5), rng.normal(size=5)

    print("the first attempt, with every entry of its three gradients")
    print(am.gradcheck(norm, x, scale, shift, vjp=first_attempt, raises=False))

    print("\nthe second attempt, tested with one row by its author")
    print(am.gradcheck(norm, x[:1], scale, shift, vjp=second_attempt, raises=False))
    print("and with eight")
    print(am.gradcheck(norm, x, scale, shift, vjp=second_attempt, raises=False))

    print("\nthe smallest inputs that show what is wrong with it, as a program")
    print(smallest(second_attempt, x, scale, shift))

    print("\nthe third attempt")
    print(am.gradcheck(norm, x, scale, shift, vjp=third_attempt))
    print("the same, recorded: no gradient is written, and order two comes along")
    print(am.gradcheck(norm, x, scale, shift, order=2))


def smallest(rule, *inputs):
    """Search for a counterexample and shrink it."""
    try:
        from hypothesis import __version__  # noqa: F401
    except ImportError:
        return 'the search needs: pip install -e ".[checking]"'
    from autograd_mini.checking import search

    return search(norm, *inputs, vjp=rule, shapes="varied", seed=0)


def in_pytorch():
    """Check a torch.autograd.Function whose backward has lost the slope of its left half."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed here, so nothing of it is checked")
        return

    class LeakyReLU(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.where(x > 0, x, 0.1 * x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return torch.where(x > 0, g, 0.0)

    x = torch.linspace(-2, 2, 8, dtype=torch.float64)
    print(am.gradcheck(LeakyReLU, x, raises=False))
    print(am.gradcheck(torch.nn.functional.gelu, x))


def main() -> None:
    by_hand()
    print("\na function of PyTorch")
    in_pytorch()


if __name__ == "__main__":
    main()
