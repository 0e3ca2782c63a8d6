"""Attention, positional encodings, and mixtures by softmax weights."""

import math

import numpy as np

from .case import Case, make_layer_case, with_mistake
from .words import MISSED, SIGN, TRANSPOSED, missed, scaled

SOFTMAX_SUM = (
    "diagonal",
    "jacobian",
    "element.?wise",
    *missed("sum", "mean", "term", "path", "normali[sz]", "denominator"),
    "sums? to (0|zero)",
)


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_back(g, p, axis=-1):
    return p * (g - np.sum(g * p, axis=axis, keepdims=True))


def attention(q, k, v):
    return softmax(q @ k.T / math.sqrt(q.shape[1])) @ v


def attention_vjp(g, q, k, v, mistake=""):
    scale = 1 / math.sqrt(q.shape[1])
    p = softmax(q @ k.T * scale)
    dp = g @ v.T
    ds = dp * p * (1 - p) if mistake == "diagonal" else softmax_back(dp, p)
    if mistake != "scale":
        ds = ds * scale
    dk = ds @ q if mistake == "keys" else ds.T @ q
    return ds @ k, dk, p.T @ g


def causal_attention(q, k, v):
    """Masked by −1e9 above the diagonal; the axes are (head, time, size)."""
    future = np.triu(np.ones((q.shape[1], q.shape[1]), dtype=bool), k=1)
    s = np.einsum("htd,hsd->hts", q, k) / math.sqrt(q.shape[2])
    return softmax(np.where(future, -1e9, s)) @ v


def causal_attention_vjp(g, q, k, v, mistake=""):
    future = np.triu(np.ones((q.shape[1], q.shape[1]), dtype=bool), k=1)
    s = np.einsum("htd,hsd->hts", q, k) / math.sqrt(q.shape[2])
    p = softmax(s if mistake == "no mask" else np.where(future, -1e9, s))
    dp = g @ v.transpose(0, 2, 1)
    ds = softmax_back(dp, p) / math.sqrt(q.shape[2])
    if mistake == "masked diagonal":
        ds = ds * np.tril(np.ones_like(future), k=-1)
    dv = p @ g if mistake == "values" else p.transpose(0, 2, 1) @ g
    return np.einsum("hts,hsd->htd", ds, k), np.einsum("hts,htd->hsd", ds, q), dv


class MultiHeadAttention:
    """Two heads; x: (batch, time, size), one matrix W for q, k and v, and an output matrix O."""

    heads = 2

    def split(self, y):
        n, t, d = y.shape
        return y.reshape(n, t, self.heads, d // self.heads).transpose(0, 2, 1, 3)

    def merge(self, y):
        n, h, t, d = y.shape
        return y.transpose(0, 2, 1, 3).reshape(n, t, h * d)

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = (self.split(part) for part in np.split(x @ self.W, 3, axis=-1))
        self.scale = 1 / math.sqrt(self.q.shape[-1])
        self.p = softmax(self.q @ self.k.swapaxes(-1, -2) * self.scale)
        self.joined = self.merge(self.p @ self.v)
        return self.joined @ self.O

    def backward(self, g):
        self.dO = np.einsum("ntd,nto->do", self.joined, g)
        dy = self.split(g @ self.O.T)
        ds = softmax_back(dy @ self.v.swapaxes(-1, -2), self.p) * self.scale
        parts = [ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.p.swapaxes(-1, -2) @ dy]
        d = self.join(parts)
        self.dW = np.einsum("ntd,nto->do", self.x, d)
        return d @ self.W.T

    def join(self, parts):
        return np.concatenate([self.merge(part) for part in parts], axis=-1)


class HeadsNotTransposed(MultiHeadAttention):
    def merge_back(self, part):
        n, h, t, d = part.shape
        return part.reshape(n, t, h * d)

    def join(self, parts):
        return np.concatenate([self.merge_back(part) for part in parts], axis=-1)


class WrongOrderOfParts(MultiHeadAttention):
    def join(self, parts):
        q, k, v = parts
        return super().join([k, q, v])


class SizeOfAllHeads(MultiHeadAttention):
    def join(self, parts):
        q, k, v = parts
        ratio = 1 / math.sqrt(self.heads)
        return super().join([ratio * q, ratio * k, v])


def sinusoid(n, d):
    """Return the table of Vaswani et al. 2017."""
    angle = np.arange(n)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(n, d)


def add_positions(x, scale, table):
    """x·√d + scale·sinusoid + learned table, the table without a batch axis."""
    n, t, d = x.shape
    return x * math.sqrt(d) + scale * sinusoid(t, d) + table[:t]


def add_positions_vjp(g, x, scale, table, mistake=""):
    n, t, d = x.shape
    dtable = np.zeros_like(table)
    dtable[:t] = g.mean(axis=0) if mistake == "mean" else g.sum(axis=0)
    if mistake == "time":
        dtable[:t] = g.sum(axis=(0, 1))
    dx = g if mistake == "root" else g * math.sqrt(d)
    return dx, np.sum(g * sinusoid(t, d)), dtable


def rotate(x):
    """Rotary encoding: pairs of channels turn by an angle that grows with the position."""
    angle = np.arange(len(x))[:, None] / 10.0 ** np.arange(x.shape[1] // 2)
    a, b = x[:, 0::2], x[:, 1::2]
    y = np.empty_like(x)
    y[:, 0::2] = a * np.cos(angle) - b * np.sin(angle)
    y[:, 1::2] = a * np.sin(angle) + b * np.cos(angle)
    return y


def rotate_vjp(g, x, mistake=""):
    angle = np.arange(len(x))[:, None] / 10.0 ** np.arange(x.shape[1] // 2)
    if mistake == "positions":
        angle = angle + angle[1]
    c, s = np.cos(angle), np.sin(angle)
    if mistake == "forward":
        s = -s
    a, b = g[:, 0::2], g[:, 1::2]
    d = np.empty_like(x)
    first, second = a * c + b * s, b * c - a * s
    if mistake == "halves":
        return (np.concatenate([first, second], axis=1),)
    d[:, 0::2], d[:, 1::2] = first, second
    return (d,)


def additive_attention(h, W, v):
    """Bahdanau's pooling of states: softmax(v·tanh(W·h)) as weights of h."""
    return softmax(np.tanh(h @ W) @ v) @ h


def additive_attention_vjp(g, h, W, v, mistake=""):
    u = np.tanh(h @ W)
    p = softmax(u @ v)
    ds = softmax_back(h @ g, p)
    dz = np.outer(ds, v) * (1 - u**2)
    dh = dz @ W.T
    if mistake == "weights only":
        pass
    elif mistake == "values only":
        dh = np.outer(p, g)
    else:
        dh = dh + np.outer(p, g)
    if mistake == "negative":
        ds = -ds
    return dh, h.T @ dz, u.T @ ds


CASES = [
    Case(
        "scaled dot-product attention",
        "attention",
        attention,
        attention_vjp,
        {
            "1/√d is forgotten on the way back": (
                with_mistake(attention_vjp, "scale"),
                (*scaled(r"(2(\.0+)?|sqrt\(4\)|√d)"), "twice", "sqrt", "√"),
            ),
            "the gradient of the keys is not transposed": (
                with_mistake(attention_vjp, "keys"),
                TRANSPOSED,
            ),
            "only the diagonal of softmax's Jacobian": (
                with_mistake(attention_vjp, "diagonal"),
                SOFTMAX_SUM,
            ),
        },
        lambda rng: (rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 3))),
    ),
    Case(
        "causal attention with heads",
        "attention",
        causal_attention,
        causal_attention_vjp,
        {
            "the mask is forgotten on the way back": (
                with_mistake(causal_attention_vjp, "no mask"),
                (*missed("mask", "condition", "causal"), "mask", "triang", "future", "causal"),
            ),
            "the mask takes the diagonal too": (
                with_mistake(causal_attention_vjp, "masked diagonal"),
                ("diagonal", "mask", "off.by.one", "triang"),
            ),
            "the weights are not transposed for the values": (
                with_mistake(causal_attention_vjp, "values"),
                TRANSPOSED,
            ),
        },
        lambda rng: tuple(rng.normal(size=(2, 4, 3)) for _ in range(3)),
    ),
    make_layer_case(
        "multi-head attention",
        "attention",
        MultiHeadAttention,
        ("W", "O"),
        {
            "the heads are merged without the transpose": (
                HeadsNotTransposed,
                (*TRANSPOSED, "reshap", "order", "permut", "shuffl", "head"),
            ),
            "the gradients of queries and keys are swapped": (
                WrongOrderOfParts,
                ("swap", "exchang", "order", "permut", "roll", "shift", "block", "column"),
            ),
            "scaled by the size of all heads": (
                SizeOfAllHeads,
                (*scaled(r"(0\.7\d*|1/sqrt\(2\)|1/√2)", r"(1\.41\d*|sqrt\(2\)|√2)"), "sqrt", "√"),
            ),
        },
        lambda rng: (
            rng.normal(size=(2, 3, 4)),
            rng.normal(size=(4, 12)),
            rng.normal(size=(4, 3)),
        ),
    ),
    Case(
        "positions added to embeddings",
        "attention",
        add_positions,
        add_positions_vjp,
        {
            "the table's gradient is a mean over the batch": (
                with_mistake(add_positions_vjp, "mean"),
                ("mean where a sum", "averag", "mean instead of", *scaled(r"(0\.3\d*|1/3)", "3")),
            ),
            "the table's gradient is summed over time too": (
                with_mistake(add_positions_vjp, "time"),
                ("summed over", "sums? over", "axis", "broadcast", "equal", "same"),
            ),
            "√d is forgotten": (
                with_mistake(add_positions_vjp, "root"),
                (*scaled(r"(0\.50*|1/2)", r"2(\.0+)?"), "half", "sqrt", "√"),
            ),
        },
        lambda rng: (rng.normal(size=(3, 4, 4)), 0.7, rng.normal(size=(6, 4))),
    ),
    Case(
        "rotary position encoding",
        "attention",
        rotate,
        rotate_vjp,
        {
            "rotated forwards again, not back": (
                with_mistake(rotate_vjp, "forward"),
                (*TRANSPOSED, *SIGN, "inverse", "forward", "direction", "adjoint"),
            ),
            "the pairs are joined as halves": (
                with_mistake(rotate_vjp, "halves"),
                ("interleav", "halves", "permut", "order", "shuffl", "reshap", "column", "swap"),
            ),
            "positions are counted from 1": (
                with_mistake(rotate_vjp, "positions"),
                ("position", "shift", "off.by.one", "angle", "rotat", "start"),
            ),
        },
        lambda rng: (rng.normal(size=(6, 4)),),
    ),
    Case(
        "additive attention pooling",
        "attention",
        additive_attention,
        additive_attention_vjp,
        {
            "the states get nothing as values": (
                with_mistake(additive_attention_vjp, "weights only"),
                (*missed("value", "path", "term", "use", "direct", "second", "product"),),
            ),
            "the states get nothing through the weights": (
                with_mistake(additive_attention_vjp, "values only"),
                (
                    *missed("weight", "path", "term", "use", "softmax", "second", "product"),
                    f"{MISSED}.*constant",
                    "constant",
                ),
            ),
            "v's gradient has the wrong sign": (
                with_mistake(additive_attention_vjp, "negative"),
                SIGN,
            ),
        },
        lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)),
    ),
]
