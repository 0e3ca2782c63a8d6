"""Convolutions and pooling, with loops and by im2col."""

import numpy as np

from .case import Case, make_layer_case, with_mistake
from .words import MEAN_FOR_SUM, REVERSED, SHIFTED, TRANSPOSED, missed, near, scaled

PART = r"only|part|sum|all|every"


def conv1d(x, w, b):
    """x: (batch, channel, time), w: (out, channel, taps), no padding."""
    taps, steps = w.shape[2], x.shape[2] - w.shape[2] + 1
    y = np.zeros((len(x), len(w), steps))
    for k in range(taps):
        y = y + np.einsum("oc,nct->not", w[:, :, k], x[:, :, k : k + steps])
    return y + b[:, None]


def conv1d_vjp(g, x, w, b, mistake=""):
    taps, steps = w.shape[2], g.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(taps):
        tap = taps - 1 - k if mistake == "flipped" else k
        part = np.einsum("oc,not->nct", w[:, :, tap], g)
        if mistake == "assigned":
            dx[:, :, k : k + steps] = part
        else:
            dx[:, :, k : k + steps] += part
        dw[:, :, k] = np.einsum("not,nct->oc", g, x[:, :, k : k + steps])
    db = g.sum(axis=0).mean(axis=1) if mistake == "mean" else g.sum(axis=(0, 2))
    return dx, dw, db


def im2col(x, size, stride):
    """Return the windows of x as rows, with the shape (batch, rows, columns, channel·size²)."""
    n, c, height, width = x.shape
    rows, cols = (height - size) // stride + 1, (width - size) // stride + 1
    windows = np.empty((n, rows, cols, c, size, size), dtype=x.dtype)
    for i in range(rows):
        for j in range(cols):
            top, left = i * stride, j * stride
            windows[:, i, j] = x[:, :, top : top + size, left : left + size]
    return windows.reshape(n, rows, cols, -1)


def col2im(windows, shape, size, stride, overwrite=False):
    """Add up the windows where they came from."""
    n, c, height, width = shape
    _, rows, cols, _ = windows.shape
    windows = windows.reshape(n, rows, cols, c, size, size)
    x = np.zeros(shape)
    for i in range(rows):
        for j in range(cols):
            top, left = i * stride, j * stride
            place = np.s_[:, :, top : top + size, left : left + size]
            x[place] = windows[:, i, j] if overwrite else x[place] + windows[:, i, j]
    return x


class Conv2d:
    """Stride 2, padding 1, by im2col; W has the shape (out, channel, 3, 3)."""

    size, stride, pad = 3, 2, 1
    overwrite = False

    def forward(self, x):
        p = self.pad
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        self.shape = padded.shape
        self.columns = im2col(padded, self.size, self.stride)
        y = self.columns @ self.W.reshape(len(self.W), -1).T + self.b
        return y.transpose(0, 3, 1, 2)

    def backward(self, g):
        d = g.transpose(0, 2, 3, 1)
        rows = self.columns.reshape(-1, self.columns.shape[-1])
        self.grads = {
            "W": self.weight_gradient(d.reshape(-1, d.shape[-1]), rows),
            "b": d.sum(axis=(0, 1, 2)),
        }
        windows = d @ self.W.reshape(len(self.W), -1)
        return self.crop(col2im(windows, self.shape, self.size, self.stride, self.overwrite))

    def weight_gradient(self, d, rows):
        return (d.T @ rows).reshape(self.W.shape)

    def crop(self, dx):
        return dx[:, :, self.pad : -self.pad, self.pad : -self.pad]


class Conv2dOverwritten(Conv2d):
    overwrite = True


class Conv2dUncropped(Conv2d):
    def crop(self, dx):
        return dx[:, :, : -2 * self.pad, : -2 * self.pad]


class Conv2dWrongReshape(Conv2d):
    def weight_gradient(self, d, rows):
        return (rows.T @ d).reshape(self.W.shape)


def depthwise(x, w):
    """x: (batch, channel, height, width), w: (channel, 2, 2)."""
    height, width = x.shape[2] - 1, x.shape[3] - 1
    y = 0
    for i in range(2):
        for j in range(2):
            y = y + w[:, i, j][:, None, None] * x[:, :, i : i + height, j : j + width]
    return y


def depthwise_vjp(g, x, w, mistake=""):
    height, width = g.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(2):
        for j in range(2):
            weight = w[:, j, i] if mistake == "transposed" else w[:, i, j]
            window = np.s_[:, :, i : i + height, j : j + width]
            dx[window] += weight[:, None, None] * g
            dw[:, i, j] = np.sum(g * x[window], axis=(0, 2, 3))
            if mistake == "channels":
                dw[:, i, j] = np.sum(g * x[window])
            elif mistake == "batch":
                dw[:, i, j] = np.sum(g * x[window], axis=(2, 3))[-1]
    return dx, dw


def transposed_conv(x, w):
    """Upsampling by stride 2; x: (channel, steps), w: (channel, out, 3)."""
    y = np.zeros((w.shape[1], 2 * x.shape[1] + 1))
    for t in range(x.shape[1]):
        y[:, 2 * t : 2 * t + 3] += np.einsum("c,cok->ok", x[:, t], w)
    return y


def transposed_conv_vjp(g, x, w, mistake=""):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for t in range(x.shape[1]):
        start = t if mistake == "stride" else 2 * t
        window = g[:, start : start + 3]
        kernel = w[:, :, ::-1] if mistake == "flipped" else w
        dx[:, t] = np.einsum("ok,cok->c", window, kernel)
        if mistake == "last":
            dw = np.einsum("c,ok->cok", x[:, t], window)
        else:
            dw += np.einsum("c,ok->cok", x[:, t], window)
    return dx, dw


def max_pool(x):
    """Windows of 2·2 side by side."""
    n, c, height, width = x.shape
    return x.reshape(n, c, height // 2, 2, width // 2, 2).max(axis=(3, 5))


def max_pool_vjp(g, x, mistake=""):
    n, c, height, width = x.shape
    windows = x.reshape(n, c, height // 2, 2, width // 2, 2)
    hit = windows == windows.max(axis=(3, 5), keepdims=True)
    share = 1 / hit.sum(axis=(3, 5), keepdims=True)
    if mistake == "ties":
        share = 1
    elif mistake == "average":
        hit, share = np.ones_like(windows), 0.25
    elif mistake == "global":
        hit, share = x == x.max(axis=(2, 3), keepdims=True), 1
        hit = hit.reshape(windows.shape)
    return ((g[:, :, :, None, :, None] * hit * share).reshape(x.shape),)


class AveragePool:
    """Windows of 3 with stride 2 along time, padded by zeros that count."""

    def forward(self, x):
        self.shape = x.shape
        padded = np.pad(x, ((0, 0), (1, 1)))
        return np.stack([padded[:, t : t + 3].mean(axis=1) for t in self.starts(padded)], axis=1)

    def starts(self, padded):
        return range(0, padded.shape[1] - 2, 2)

    def backward(self, g):
        d = np.zeros((self.shape[0], self.shape[1] + 2))
        self.grads = {}
        for i, t in enumerate(self.starts(d)):
            self.add(d, t, g[:, i : i + 1])
        return d[:, 1:-1]

    def add(self, d, t, part):
        d[:, t : t + 3] += part / 3


class AveragePoolUndivided(AveragePool):
    def add(self, d, t, part):
        d[:, t : t + 3] += part


class AveragePoolAssigned(AveragePool):
    def add(self, d, t, part):
        d[:, t : t + 3] = part / 3


class AveragePoolNoOverlap(AveragePool):
    def add(self, d, t, part):
        d[:, t : t + 2] += part / 3


def dilated(x, w):
    """A causal filter with dilation 2, as in WaveNet: y[t] = Σ w[k]·x[t − 2k]."""
    padded = np.concatenate([np.zeros(2 * (len(w) - 1)), x])
    n = 2 * (len(w) - 1)
    return sum(w[k] * padded[n - 2 * k : n - 2 * k + len(x)] for k in range(len(w)))


def dilated_vjp(g, x, w, mistake=""):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(len(w)):
        lag = k if mistake == "dilation" else 2 * k
        if mistake == "causal":
            dx[lag:] += w[k] * g[: len(g) - lag]
        else:
            dx[: len(x) - lag] += w[k] * g[lag:]
        dw[k] = g[2 * k :] @ x[: len(x) - 2 * k]
    if mistake == "reversed":
        dw = dw[::-1]
    return dx, dw


CASES = [
    Case(
        "conv1d with loops over the taps",
        "convolutions",
        conv1d,
        conv1d_vjp,
        {
            "the filter is flipped on the way back": (
                with_mistake(conv1d_vjp, "flipped"),
                REVERSED,
            ),
            "= where the windows overlap": (
                with_mistake(conv1d_vjp, "assigned"),
                (
                    "overwrit",
                    "accumulat",
                    "overlap",
                    *missed("window", "tap", "term", "path", "use"),
                ),
            ),
            "the bias gradient is averaged over time": (
                with_mistake(conv1d_vjp, "mean"),
                (*MEAN_FOR_SUM, *scaled(r"(0\.16\d*|1/6)", "6")),
            ),
        },
        lambda rng: (rng.normal(size=(2, 2, 8)), rng.normal(size=(3, 2, 3)), rng.normal(size=3)),
    ),
    make_layer_case(
        "conv2d by im2col, stride 2, padding 1",
        "convolutions",
        Conv2d,
        ("W", "b"),
        {
            "col2im overwrites where windows overlap": (
                Conv2dOverwritten,
                ("overwrit", "accumulat", "overlap", *missed("window", "term", "path", "use")),
            ),
            "the padding is cropped at one end only": (
                Conv2dUncropped,
                (*SHIFTED, "crop", "padd", "offset"),
            ),
            "the weight gradient is transposed before its reshape": (
                Conv2dWrongReshape,
                (*TRANSPOSED, "reshap", "permut", "order", "shuffl"),
            ),
        },
        lambda rng: (
            rng.normal(size=(2, 2, 5, 5)),
            rng.normal(size=(3, 2, 3, 3)),
            rng.normal(size=3),
        ),
    ),
    Case(
        "depthwise convolution",
        "convolutions",
        depthwise,
        depthwise_vjp,
        {
            "rows and columns of the filter are swapped": (
                with_mistake(depthwise_vjp, "transposed"),
                TRANSPOSED,
            ),
            "the filter's gradient is summed over the channels": (
                with_mistake(depthwise_vjp, "channels"),
                ("channel", "summed over", "sums? over", "broadcast", "ax[ie]s", "equal"),
            ),
            "the filter's gradient has the last sample only": (
                with_mistake(depthwise_vjp, "batch"),
                (
                    *near("last|one|slice", "only|sample|batch|part|element"),
                    *missed("sum", "axis", "batch", "sample"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(3, 2, 2))),
    ),
    Case(
        "transposed convolution, stride 2",
        "convolutions",
        transposed_conv,
        transposed_conv_vjp,
        {
            "the stride is forgotten": (
                with_mistake(transposed_conv_vjp, "stride"),
                ("stride", *SHIFTED, "index"),
            ),
            "the filter is flipped": (with_mistake(transposed_conv_vjp, "flipped"), REVERSED),
            "= for += over time": (
                with_mistake(transposed_conv_vjp, "last"),
                (
                    "overwrit",
                    "accumulat",
                    "not summed",
                    *near("last", "only|step|part|time|column|slice"),
                    *missed("sum", "step", "time", "part"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(3, 5)), rng.normal(size=(3, 2, 3))),
    ),
    Case(
        "max pooling with ties",
        "convolutions",
        max_pool,
        max_pool_vjp,
        {
            "every one of tied maxima gets the whole gradient": (
                with_mistake(max_pool_vjp, "ties"),
                (r"\btie", "tied", "equal (max|entries|values)", "kink", "several max", "shared"),
            ),
            "shared by all entries of the window": (
                with_mistake(max_pool_vjp, "average"),
                (
                    *missed("argmax", "mask", "max", "winner"),
                    *near("all|every|each|equal|share|spread", "window|entr|max|get"),
                    "averag",
                    "mean",
                ),
            ),
            "the largest of the whole image only": (
                with_mistake(max_pool_vjp, "global"),
                (
                    "global",
                    *near("whole|all|over", "max|image|axis"),
                    *missed("window", "max", "entries"),
                    r"(is|are) (0|zero)",
                ),
            ),
        },
        lambda rng: (np.round(2 * rng.normal(size=(2, 2, 4, 4))),),
    ),
    make_layer_case(
        "average pooling with overlapping windows",
        "convolutions",
        AveragePool,
        (),
        {
            "not divided by the size of the window": (
                AveragePoolUndivided,
                (*scaled(r"3(\.0+)?"), "sum where a mean", *missed("mean", "divi", "averag")),
            ),
            "overlapping windows overwrite each other": (
                AveragePoolAssigned,
                ("overwrit", "accumulat", "overlap", *missed("window", "term", "path", "use")),
            ),
            "the window has the length of the stride": (
                AveragePoolNoOverlap,
                (
                    "stride",
                    "overlap",
                    "window",
                    *near("last|third|every second", f"{PART}|entr|miss"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(3, 7)),),
    ),
    Case(
        "causal filter with dilation",
        "convolutions",
        dilated,
        dilated_vjp,
        {
            "the gradient is filtered forwards in time": (
                with_mistake(dilated_vjp, "causal"),
                (*REVERSED, *TRANSPOSED, "direction", "causal", "forward", *SHIFTED, "adjoint"),
            ),
            "the dilation is forgotten": (
                with_mistake(dilated_vjp, "dilation"),
                ("dilat", *SHIFTED, "stride", "lag"),
            ),
            "the taps' gradient is in reverse order": (
                with_mistake(dilated_vjp, "reversed"),
                REVERSED,
            ),
        },
        lambda rng: (rng.normal(size=12), rng.normal(size=4)),
    ),
]
