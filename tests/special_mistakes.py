"""Gradients that are wrong for special values or shapes only, and right at the inputs shown.

Each row is a name, the function, its vjp, inputs at which it is right, and the keywords of a search
that finds the mistake: none where the inputs' own shapes and similar values show it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from right_gradients import Rule

Row = tuple[str, Rule, Rule, tuple[Any, ...], dict[str, str]]

X: Final = np.array([0.7, 1.9, 0.4, 2.6])
M: Final = np.array([[0.7, -1.9, 0.4], [2.6, 0.3, -1.1]])
VARIED: Final = {"shapes": "varied"}
ANY_SHAPES: Final = {"shapes": "any"}
ANY_VALUES: Final = {"values": "any"}


def _gather_vjp(g: Any, x: Any, i: Any) -> Any:
    d = np.zeros_like(x)
    d[i] += g  # np.add.at was meant
    return d, None


def _max_vjp(g: Any, x: Any) -> Any:
    mask = x == x.max()
    return (g * mask * mask.sum(),)


def _unique_vjp(g: Any, x: Any) -> Any:
    return (np.where([np.sum(x == v) > 1 for v in x], 0.5 * g, g),)


def _prod_vjp(g: Any, x: Any) -> Any:
    return (g * np.prod(x) / np.where(x == 0, 1.0, x),)


def _mean_vjp(g: Any, x: Any) -> Any:
    return (np.full(x.shape, g / 2),)


def _sort_vjp(g: Any, x: Any) -> Any:
    return (g[np.argsort(x)],)  # the inverse permutation was meant; right for increasing numbers


def _matrix_vjp(g: Any, a: Any, x: Any) -> Any:
    return g * np.outer(x, x), 2 * g * a @ x


def _squeezed(g: Any, x: Any, w: Any) -> Any:
    d_w = x.T @ g
    return g @ w.T, d_w * (1 if len(x) > 1 else 2)


_SYMMETRIC: Final = np.array([[2.0, 0.5], [0.5, 1.0]])

WRONG: Final[list[Row]] = [
    # values
    ("negative numbers: the sign of abs", np.abs, lambda g, x: (g,), (X,), {}),
    ("negative numbers: a root of a square", lambda x: np.sqrt(x**2 + 1),
     lambda g, x: (g * np.abs(x) / np.sqrt(x**2 + 1),), (X,), {}),
    ("negative numbers: the slope of a leaky relu", lambda x: np.where(x > 0, x, 0.1 * x),
     lambda g, x: (g * np.where(x > 0, 1, 0.2),), (X,), {}),
    ("positive numbers: the bound of clip", lambda x: np.clip(x, -3, 1),
     lambda g, x: (g * 1.0,), (np.array([-0.5, 0.2, -2.0]),), {}),
    ("zeros: a product by division", np.prod, _prod_vjp, (X,), {}),
    ("zeros: 0/0 in a product", np.prod, lambda g, x: (g * np.prod(x) / x,), (X,), {}),
    ("zeros: the limit of sinc", np.sinc, lambda g, x: (g * (np.cos(np.pi * x) - np.sinc(x)) / x,),
     (X,), {}),
    ("zeros: a term that is left out", lambda x: np.where(x == 0, 0.0, x) * 2,
     lambda g, x: (np.where(x == 0, 0.0, 2 * g),), (X,), {}),
    ("ties: as many times the largest", np.max, _max_vjp, (X,), {}),
    ("ties: a pair that counts twice", lambda x: np.sum(np.maximum(x[:-1], x[1:])),
     lambda g, x: (g * (np.r_[x[:-1] >= x[1:], False] * 1.0 + np.r_[False, x[1:] >= x[:-1]]
                        + 2.0 * (x == np.roll(x, 1))),), (X,), {}),
    ("ties: unique numbers only", np.sum, _unique_vjp, (X,), {}),
    ("equal numbers: a deviation of 0", lambda x: np.var(x) + np.sum(x),
     lambda g, x: (g * (2 * (x - x.mean()) / x.size + (x.std() > 0)),), (X,), {}),
    ("large angles: beyond a turn", np.sin, lambda g, x: (g * np.cos(x) * (np.abs(x) < 3.2),),
     (X,), {}),
    ("order: a sort by the wrong permutation", np.sort, _sort_vjp,
     (np.array([0.3, 1.2, 2.5, 3.1]),), ANY_VALUES),
    ("order: the larger of two numbers", lambda a, b: np.maximum(a, b),
     lambda g, a, b: (0.0 * g, g), (1.0, 2.0), {}),
    ("bounds in the wrong order", lambda x, low, high: np.clip(x, low, high),
     lambda g, x, low, high: (g * ((x > low) & (x < high)), np.sum(g * (x <= low)),
                              np.sum(g * (x >= high))), (X, 1.0, 1.5), ANY_VALUES),
    ("matrix that is not symmetric", lambda a, x: x @ a @ x, _matrix_vjp,
     (_SYMMETRIC, np.array([0.4, -1.3])), ANY_VALUES),
    ("labels that are not one-hot", lambda z, y: -np.sum(y * (z - np.log(np.exp(z).sum()))),
     lambda g, z, y: (g * (np.exp(z) / np.exp(z).sum() - y), -g * (z - np.log(np.exp(z).sum()))),
     (X, np.array([0.0, 1.0, 0.0, 0.0])), ANY_VALUES),
    ("huge numbers: an overflow", lambda x: np.logaddexp(0, x),
     lambda g, x: (g * np.exp(x) / (1 + np.exp(x)),), (X,), ANY_VALUES),
    ("corners: 0/0 in the length of a vector", lambda x: np.sqrt(x @ x),
     lambda g, x: (g * x / np.sqrt(x @ x),), (X,), ANY_VALUES),
    ("repeated indices", lambda x, i: x[i], _gather_vjp, (X, np.array([0, 2, 1])), ANY_VALUES),
    # shapes
    ("batch of one: a factor", lambda x, w: x @ w, _squeezed, (M, M.T), VARIED),
    ("batch of one: a squeezed axis", lambda x: x * 2, lambda g, x: (2 * np.squeeze(g),), (M,),
     VARIED),
    ("other lengths: a mean of two", np.mean, _mean_vjp, (np.array([0.4, -1.0]),), VARIED),
    ("batches: a mean of gradients", lambda x, w: x @ w,
     lambda g, x, w: (g @ w.T, x.T @ g / len(x)), (M[:1], M.T), ANY_SHAPES),
    ("square only: a matrix that is not turned", lambda a: a.T, lambda g, a: (g.reshape(a.shape),),
     (np.array([[0.4], [1.2]]),), ANY_SHAPES),
    ("broadcast: an operand that is not summed", np.multiply, lambda g, a, b: (g * b, g * a),
     (X, X[::-1].copy()), ANY_SHAPES),
    ("more axes: a sum of a vector", np.sum, lambda g, x: (np.full(x.shape[-1:], g),), (X,),
     ANY_SHAPES),
]  # fmt: skip
