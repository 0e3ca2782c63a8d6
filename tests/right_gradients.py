"""Right gradients as people write them for NumPy: each for the shapes and values it is meant for.

Each row is a name, the function, its vjp, and inputs that show how it is meant. Most are wrong, or
raise an error, somewhere else: for other numbers of axes, for length 1, for values of another kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

Rule = Callable[..., Any]
Case = tuple[str, Rule, Rule, tuple[Any, ...]]


def _normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def _positive(*shape: int) -> Any:
    return 0.2 + np.abs(_normal(*shape))


def _covariance(n: int) -> Any:
    a = _normal(n, n)
    return a @ a.T + np.eye(n)


def _shares(*shape: int) -> Any:
    p = _positive(*shape)
    return p / p.sum(axis=-1, keepdims=True)


def _softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _sigmoid(z: Any) -> Any:
    return 0.5 * (1 + np.tanh(z / 2))


def _layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    d = x - x.mean(axis=1, keepdims=True)
    return d / np.sqrt((d**2).mean(axis=1, keepdims=True) + 1e-5) * scale + shift


def _layer_norm_vjp(g: Any, x: Any, scale: Any, shift: Any) -> Any:
    d = x - x.mean(axis=1, keepdims=True)
    s = np.sqrt((d**2).mean(axis=1, keepdims=True) + 1e-5)
    z, h = d / s, g * scale
    d_x = (h - h.mean(axis=1, keepdims=True) - z * (h * z).mean(axis=1, keepdims=True)) / s
    return d_x, (g * z).sum(axis=0), g.sum(axis=0)


def _cross_entropy(z: Any, y: Any) -> Any:
    return -np.sum(y * np.log(_softmax(z)))


def _pick(p: Any, y: Any) -> Any:
    return -np.log(p[np.arange(len(p)), y]).sum()


def _pick_vjp(g: Any, p: Any, y: Any) -> Any:
    d = np.zeros_like(p)
    d[np.arange(len(p)), y] = -g / p[np.arange(len(p)), y]
    return d, None


def _conv(x: Any, k: Any) -> Any:
    return np.array([x[i : i + 3] @ k for i in range(len(x) - 2)])


def _conv_vjp(g: Any, x: Any, k: Any) -> Any:
    d_x = np.zeros_like(x)
    for i in range(len(x) - 2):
        d_x[i : i + 3] += g[i] * k
    return d_x, np.array([g @ x[j : j + len(g)] for j in range(3)])


def _pool(x: Any) -> Any:
    return x.reshape(x.shape[0], x.shape[1] // 2, 2).max(axis=2)


def _pool_vjp(g: Any, x: Any) -> Any:
    pairs = x.reshape(x.shape[0], x.shape[1] // 2, 2)
    d = np.zeros_like(pairs)
    np.put_along_axis(d, pairs.argmax(axis=2)[..., None], g[..., None], axis=2)
    return (d.reshape(x.shape),)


def _interpolate(at: Any, knots: Any, heights: Any) -> Any:
    return np.interp(at, knots, heights)


def _interpolate_vjp(g: Any, at: Any, knots: Any, heights: Any) -> Any:
    i = np.clip(np.searchsorted(knots, at) - 1, 0, len(knots) - 2)
    width, rise = knots[i + 1] - knots[i], heights[i + 1] - heights[i]
    t, inside = (at - knots[i]) / width, (at > knots[0]) & (at < knots[-1])
    d_at = np.where(inside, g * rise / width, 0.0)
    d_knots, d_heights = np.zeros_like(knots), np.zeros_like(heights)
    np.add.at(d_knots, i, -d_at * (1 - t))
    np.add.at(d_knots, i + 1, -d_at * t)
    t = np.clip(t, 0, 1)
    np.add.at(d_heights, i, g * (1 - t))
    np.add.at(d_heights, i + 1, g * t)
    return d_at, d_knots, d_heights


def _attention(q: Any, k: Any, v: Any) -> Any:
    return _softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def _attention_vjp(g: Any, q: Any, k: Any, v: Any) -> Any:
    root = np.sqrt(q.shape[1])
    a = _softmax(q @ k.T / root)
    d_a = g @ v.T
    d_s = a * (d_a - (d_a * a).sum(axis=1, keepdims=True)) / root
    return d_s @ k, d_s.T @ q, a.T @ g


def _margin(z: Any, y: Any) -> Any:
    return np.sum((1 - y * z) ** 2)


def _cosine(a: Any, b: Any) -> Any:
    return a @ b / np.sqrt((a @ a) * (b @ b))


def _cosine_vjp(g: Any, a: Any, b: Any) -> Any:
    n = np.sqrt((a @ a) * (b @ b))
    c = a @ b / n
    return g * (b / n - c * a / (a @ a)), g * (a / n - c * b / (b @ b))


def _pairs(x: Any) -> Any:
    return ((x[:, None] - x[None]) ** 2).sum(axis=-1)


def _rotate(angle: Any, x: Any) -> Any:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([c * x[0] - s * x[1], s * x[0] + c * x[1]])


def _rotate_vjp(g: Any, angle: Any, x: Any) -> Any:
    c, s = np.cos(angle), np.sin(angle)
    d_angle = g[0] * (-s * x[0] - c * x[1]) + g[1] * (c * x[0] - s * x[1])
    return np.sum(d_angle), np.array([c * g[0] + s * g[1], -s * g[0] + c * g[1]])


def _sort_vjp(g: Any, x: Any) -> Any:
    d = np.zeros_like(x)
    d[np.argsort(x, kind="stable")] = g
    return (d,)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _gather_vjp(g: Any, x: Any, i: Any) -> Any:
    d = np.zeros_like(x)
    np.add.at(d, i, g)
    return d, None


def _last(x: Any) -> Any:
    return x[:, -1, :]


def _last_vjp(g: Any, x: Any) -> Any:
    d = np.zeros_like(x)
    d[:, -1, :] = g
    return (d,)


def _batch_norm(x: Any) -> Any:
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


def _batch_norm_vjp(g: Any, x: Any) -> Any:
    s = np.sqrt(x.var(axis=0) + 1e-3)
    z = (x - x.mean(axis=0)) / s
    return ((g - g.mean(axis=0) - z * (g * z).mean(axis=0)) / s,)


def _huber(r: Any) -> Any:
    return np.where(np.abs(r) < 1, 0.5 * r * r, np.abs(r) - 0.5).sum()


def _kl_of_normals(m: Any, s: Any) -> Any:
    return 0.5 * np.sum(m**2 + s**2 - 1) - np.sum(np.log(s))


def _triangle_solve(l: Any, b: Any) -> Any:  # noqa: E741
    return np.linalg.solve(l, b)


def _solve_vjp(g: Any, a: Any, b: Any) -> Any:
    d_b = np.linalg.solve(a.T, g)
    return -np.outer(d_b, np.linalg.solve(a, b)), d_b


_ONE_HOT = np.eye(3)[[0, 2, 1, 1]]
_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
_LABELS = np.array([2, 0, 1, 0])

RIGHT: Final[list[Case]] = [
    ("tanh", np.tanh, lambda g, x: (g * (1 - np.tanh(x) ** 2),), (_normal(3, 4),)),
    ("layer of a network, for a batch", lambda x, w, b: np.tanh(x @ w + b),
     lambda g, x, w, b: (lambda d: (d @ w.T, x.T @ d, d.sum(axis=0)))(
         g * (1 - np.tanh(x @ w + b) ** 2)), (_normal(5, 3), _normal(3, 2), _normal(2))),
    ("product of matrices", np.matmul, lambda g, a, b: (g @ b.T, a.T @ g),
     (_normal(3, 4), _normal(4, 2))),
    ("matrix times vector", np.matmul, lambda g, a, b: (np.outer(g, b), a.T @ g),
     (_normal(3, 4), _normal(4))),
    ("product of equal shapes", np.multiply, lambda g, a, b: (g * b, g * a),
     (_normal(3, 2), _normal(3, 2))),
    ("bias for a batch", np.add, lambda g, x, b: (g, g.sum(axis=0)), (_normal(4, 3), _normal(3))),
    ("quotient", np.divide, lambda g, a, b: (g / b, -g * a / b**2), (_normal(4), _positive(4))),
    ("sum over rows", lambda x: x.sum(axis=1),
     lambda g, x: (np.repeat(g[:, None], x.shape[1], axis=1),), (_normal(3, 4),)),
    ("mean of a matrix", np.mean, lambda g, x: (np.full(x.shape, g / (len(x) * len(x[0]))),),
     (_normal(3, 4),)),
    ("largest entry", np.max, lambda g, x: (g * (np.arange(x.size) == x.argmax()),),
     (_normal(5),)),
    ("largest of two", np.maximum, lambda g, a, b: (g * (a >= b), g * (a < b)),
     (_normal(4), _normal(4) + 0.5)),
    ("relu", lambda x: np.maximum(x, 0), lambda g, x: (g * (x > 0),), (_normal(3, 4),)),
    ("leaky relu", lambda x: np.where(x > 0, x, 0.1 * x),
     lambda g, x: (np.where(x > 0, g, 0.1 * g),), (_normal(6),)),
    ("absolute values", np.abs, lambda g, x: (g * np.sign(x),), (_normal(6),)),
    ("logarithm", np.log, lambda g, x: (g / x,), (_positive(4),)),
    ("square root", np.sqrt, lambda g, x: (0.5 * g / np.sqrt(x),), (_positive(4),)),
    ("power of positive numbers", np.power,
     lambda g, x, p: (g * p * x ** (p - 1), g * x**p * np.log(x)), (_positive(4), _normal(4))),
    ("logit of probabilities", lambda p: np.log(p / (1 - p)), lambda g, p: (g / (p * (1 - p)),),
     (np.array([0.2, 0.7, 0.9]),)),
    ("arc sine", np.arcsin, lambda g, x: (g / np.sqrt(1 - x * x),), (np.array([-0.4, 0.3, 0.8]),)),
    ("hyperbolic arc cosine", np.arccosh, lambda g, x: (g / np.sqrt(x * x - 1),),
     (np.array([1.4, 2.3, 3.8]),)),
    ("length of a vector", lambda x: np.sqrt(x @ x), lambda g, x: (g * x / np.sqrt(x @ x),),
     (_normal(4),)),
    ("length of rows", lambda x: np.linalg.norm(x, axis=1),
     lambda g, x: (g[:, None] * x / np.linalg.norm(x, axis=1)[:, None],), (_normal(3, 2),)),
    ("cosine of two vectors", _cosine, _cosine_vjp, (_normal(3), _normal(3) + 1)),
    ("deviation", np.std,
     lambda g, x: (g * (x - x.mean()) / (x.size * x.std()),), (_normal(5),)),
    ("softmax of rows", _softmax,
     lambda g, z: (lambda p: (p * (g - (g * p).sum(axis=1, keepdims=True)),))(_softmax(z)),
     (_normal(3, 4),)),
    ("log of a sum of exponentials", lambda z: np.log(np.exp(z - z.max()).sum()) + z.max(),
     lambda g, z: (g * _softmax(z),), (_normal(5),)),
    ("cross entropy of one-hot labels", _cross_entropy,
     lambda g, z, y: (g * (_softmax(z) - y), -g * np.log(_softmax(z))), (_normal(4, 3), _ONE_HOT)),
    ("cross entropy of shares", _cross_entropy,
     lambda g, z, y: (g * (_softmax(z) - y), -g * np.log(_softmax(z))),
     (_normal(4, 3), _shares(4, 3))),
    ("cross entropy of class numbers", _pick, _pick_vjp, (_shares(4, 3), _LABELS)),
    ("entropy", lambda p: -np.sum(p * np.log(p)), lambda g, p: (-g * (np.log(p) + 1),),
     (_shares(5),)),
    ("squared margin of signs", _margin,
     lambda g, z, y: (g * 2 * (z - y), g * 2 * (y * z - 1) * z), (_normal(4), _SIGNS)),
    ("binary cross entropy", lambda p, y: -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)),
     lambda g, p, y: (g * (p - y) / (p * (1 - p)), g * (np.log(1 - p) - np.log(p))),
     (np.array([0.2, 0.6, 0.9, 0.3]), np.array([0.0, 1.0, 1.0, 0.0]))),
    ("logistic loss", lambda w, x, y: np.sum(_softplus(-y * (x @ w))),
     lambda g, w, x, y: (lambda s: (-g * x.T @ (y * s), -g * np.outer(y * s, w),
                                    -g * (x @ w) * s))(_sigmoid(-y * (x @ w))),
     (_normal(3), _normal(4, 3), _SIGNS)),
    ("normalized rows", _layer_norm, _layer_norm_vjp, (_normal(4, 3), _normal(3), _normal(3))),
    ("normalized columns", _batch_norm, _batch_norm_vjp, (_normal(5, 2),)),
    ("attention", _attention, _attention_vjp, (_normal(3, 2), _normal(4, 2), _normal(4, 3))),
    ("convolution with three numbers", _conv, _conv_vjp, (_normal(6), _normal(3))),
    ("maximum of pairs", _pool, _pool_vjp, (_normal(2, 6),)),
    ("last of a sequence", _last, _last_vjp, (_normal(2, 3, 4),)),
    ("rows by number", lambda x, i: x[i], _gather_vjp, (_normal(4, 2), np.array([0, 2, 0]))),
    ("sorted", np.sort, _sort_vjp, (_normal(5),)),
    ("running sum", np.cumsum, lambda g, x: (np.cumsum(g[::-1])[::-1],), (_normal(4),)),
    ("transposed", np.transpose, lambda g, x: (g.T,), (_normal(3, 2),)),
    ("diagonal", np.diag, lambda g, x: (np.diag(g),), (_normal(4),)),
    ("trace", np.trace, lambda g, a: (g * np.eye(len(a)),), (_normal(3, 3),)),
    ("outer product", np.outer, lambda g, a, b: (g @ b, a @ g), (_normal(3), _normal(2))),
    ("inverse", np.linalg.inv,
     lambda g, a: (lambda i: (-i.T @ g @ i.T,))(np.linalg.inv(a)),
     (_normal(3, 3) + 3 * np.eye(3),)),
    ("solution of a system", np.linalg.solve, _solve_vjp,
     (_normal(3, 3) + 3 * np.eye(3), _normal(3))),
    ("log determinant of a covariance", lambda s: np.linalg.slogdet(s)[1],
     lambda g, s: (g * np.linalg.inv(s),), (_covariance(3),)),
    ("energy of a symmetric matrix", lambda a, x: x @ a @ x,
     lambda g, a, x: (g * np.outer(x, x), 2 * g * a @ x), (_covariance(3), _normal(3))),
    ("interpolation between knots", _interpolate, _interpolate_vjp,
     (np.array([0.3, 1.7, 2.2]), np.array([0.0, 1.0, 2.0, 3.0]), _normal(4))),
    ("clipped between two numbers", lambda x, low, high: np.clip(x, low, high),
     lambda g, x, low, high: (g * ((x > low) & (x < high)), np.sum(g * (x <= low)),
                              np.sum(g * (x >= high))), (2 * _normal(5), -1.0, 1.5)),
    ("distances of all pairs", _pairs,
     lambda g, x: (2 * ((g + g.T).sum(axis=1)[:, None] * x - (g + g.T) @ x),), (_normal(4, 2),)),
    ("rotation by an angle", _rotate, _rotate_vjp, (0.3, _normal(2, 4))),
    ("huber's loss", _huber, lambda g, r: (g * np.clip(r, -1, 1),), (2 * _normal(5),)),
    ("divergence of normal laws", _kl_of_normals, lambda g, m, s: (g * m, g * (s - 1 / s)),
     (_normal(3), _positive(3))),
    ("angle of a point", np.arctan2,
     lambda g, y, x: (g * x / (x * x + y * y), -g * y / (x * x + y * y)),
     (_normal(3), _positive(3))),
    ("size of complex numbers", np.abs, lambda g, z: (g * z / np.abs(z),),
     (_normal(3) + 1j * _normal(3),)),
    ("scaled by its length", lambda x: x / np.sqrt(x @ x),
     lambda g, x: (lambda n: (g / n - x * (g @ x) / n**3,))(np.sqrt(x @ x)), (_normal(3),)),
    ("polynomial in a number", lambda c, x: c[0] + c[1] * x + c[2] * x**2,
     lambda g, c, x: (g * np.array([1, x, x**2]), g * (c[1] + 2 * c[2] * x)), (_normal(3), 0.7)),
    ("step size that decays", lambda x, rate: x * np.exp(-rate),
     lambda g, x, rate: (g * np.exp(-rate), -np.sum(g * x) * np.exp(-rate)), (_normal(3), 0.1)),
]  # fmt: skip
