"""Normalisations: of batches, layers, groups, vectors, and of weights."""

import numpy as np

from .case import Case, make_layer_case, with_mistake
from .words import MEAN_FOR_SUM, missed, near, scaled

THROUGH_MEAN = (
    *missed("mean", "centr", "centering", "sum", "second (path|term)", "two terms"),
    "through the mean",
    "sums? to (0|zero)",
    "not centr",
)
THROUGH_SCALE = (
    *missed("varian", "standard deviation", r"\bstd\b", "sigma", "norm", "scale", "projection"),
    *missed("sum"),
    "through the (varian|scale|norm)",
    "orthogonal",
    "parallel to",
)


class BatchNorm:
    """Batch normalisation in training, step by step as in cs231n."""

    eps = 1e-5

    def forward(self, x):
        self.mu = x.mean(axis=0)
        self.var = x.var(axis=0)
        self.std = np.sqrt(self.var + self.eps)
        self.xc = x - self.mu
        self.xhat = self.xc / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, g):
        n = len(g)
        self.grads = {"gamma": np.sum(g * self.xhat, axis=0), "beta": g.sum(axis=0)}
        dxhat = g * self.gamma
        dvar = self.var_gradient(dxhat)
        dmu = self.mean_gradient(dxhat, dvar)
        return dxhat / self.std + 2 * self.xc * dvar / n + dmu / n

    def var_gradient(self, dxhat):
        return np.sum(dxhat * self.xc, axis=0) * -0.5 / self.std**3

    def mean_gradient(self, dxhat, dvar):
        return -np.sum(dxhat / self.std, axis=0) - 2 * dvar * self.xc.sum(axis=0)


class BatchNormConstantMean(BatchNorm):
    def mean_gradient(self, dxhat, dvar):
        return 0


class BatchNormConstantVariance(BatchNorm):
    def var_gradient(self, dxhat):
        return 0


class BatchNormPower(BatchNorm):
    def var_gradient(self, dxhat):
        return np.sum(dxhat * self.xc, axis=0) * -0.5 / self.std


class BatchNormRunning(BatchNorm):
    """The running statistics in place of the batch's, as in inference."""

    def backward(self, g):
        super().backward(g)
        running = 0.9 * 1 + 0.1 * self.var
        return g * self.gamma / np.sqrt(running + self.eps)


class BatchNormRawGamma(BatchNorm):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["gamma"] = np.sum(g * self.xc, axis=0)
        return dx


class BatchNormNoGamma(BatchNorm):
    def backward(self, g):
        dx = super().backward(g)
        return dx / self.gamma


class SpatialBatchNorm:
    """Batch normalisation of images (batch, channel, height, width) by the compact formula."""

    def forward(self, x):
        self.mu = x.mean(axis=(0, 2, 3), keepdims=True)
        self.std = np.sqrt(x.var(axis=(0, 2, 3), keepdims=True) + 1e-3)
        self.xhat = (x - self.mu) / self.std
        return self.gamma[:, None, None] * self.xhat + self.beta[:, None, None]

    def count(self, g):
        return g.shape[0] * g.shape[2] * g.shape[3]

    def backward(self, g):
        axes, m = (0, 2, 3), self.count(g)
        self.dgamma = np.sum(g * self.xhat, axis=axes)
        self.dbeta = np.sum(g, axis=axes)
        d = g * self.gamma[:, None, None]
        first = d.sum(axis=axes, keepdims=True)
        second = np.sum(d * self.xhat, axis=axes, keepdims=True)
        return (d - first / m - self.xhat * second / m) / self.std


class SpatialBatchNormBatchOnly(SpatialBatchNorm):
    def count(self, g):
        return len(g)


class SpatialBatchNormMeanBeta(SpatialBatchNorm):
    def backward(self, g):
        dx = super().backward(g)
        self.dbeta = g.mean(axis=(0, 2, 3))
        return dx


class SpatialBatchNormVarianceOnly(SpatialBatchNorm):
    def backward(self, g):
        return super().backward(g) / self.std


def layer_norm(x, gain, bias):
    xhat, _ = normalize_rows(x)
    return xhat * gain + bias


def normalize_rows(x):
    std = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return (x - x.mean(axis=-1, keepdims=True)) / std, std


def layer_norm_vjp(g, x, gain, bias, mistake=""):
    xhat, std = normalize_rows(x)
    d = g * gain
    if mistake == "gain late":
        d = g
    axis = 0 if mistake == "axis" else -1
    dx = d - d.mean(axis=axis, keepdims=True) - xhat * (d * xhat).mean(axis=axis, keepdims=True)
    if mistake == "gain late":
        dx = dx * gain
    lead = tuple(range(g.ndim - 1))
    if mistake == "one lead axis":
        return dx / std, np.sum(g * xhat, axis=lead), g[:, -1].sum(axis=0)
    return dx / std, np.sum(g * xhat, axis=lead), g.sum(axis=lead)


def group_norm(x, gamma, beta):
    """Two groups of channels; x has the axes (batch, channel, position)."""
    n, c, p = x.shape
    y = normalize_rows(x.reshape(n, 2, -1))[0].reshape(x.shape)
    return y * gamma[:, None] + beta[:, None]


def group_norm_vjp(g, x, gamma, beta, mistake=""):
    n, c, p = x.shape
    groups = (n, 1, -1) if mistake == "one group" else (n, 2, -1)
    xhat, std = normalize_rows(x.reshape(n, 2, -1))
    xs = xhat.reshape(groups)
    d = (g * gamma[:, None]).reshape(groups)
    dx = d - d.mean(axis=-1, keepdims=True) - xs * (d * xs).mean(axis=-1, keepdims=True)
    dx = dx.reshape(n, 2, -1) / std
    dgamma = np.sum(g * xhat.reshape(x.shape), axis=(0, 2))
    if mistake == "per group":
        dgamma = np.repeat(dgamma.reshape(2, -1).mean(axis=1), c // 2)
    dbeta = g.sum(axis=(0, 2)) if mistake != "batch" else g[0].sum(axis=1)
    return dx.reshape(x.shape), dgamma, dbeta


def rms_norm(x, scale):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6) * scale


def rms_norm_vjp(g, x, scale, mistake=""):
    r = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    d = g * scale
    dot = np.sum(d * x, axis=-1, keepdims=True)
    if mistake == "count":
        dx = d / r - x * dot / r**3
    elif mistake == "constant":
        dx = d / r
    elif mistake == "centred":
        dx = d / r - x * dot / (x.shape[-1] * r**3)
        dx = dx - dx.mean(axis=-1, keepdims=True)
    else:
        dx = d / r - x * dot / (x.shape[-1] * r**3)
    return dx, np.sum(g * x / r, axis=0)


def unit_rows(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def unit_rows_vjp(g, x, mistake=""):
    n = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    u = x / n
    if mistake == "constant":
        return (g / n,)
    if mistake == "unnormalised":
        return ((g - x * np.sum(g * x, axis=1, keepdims=True)) / n,)
    if mistake == "no division":
        return (g - u * np.sum(g * u, axis=1, keepdims=True),)
    return ((g - u * np.sum(g * u, axis=1, keepdims=True)) / n,)


def weight_norm(x, v, s):
    """Salimans and Kingma 2016: a dense layer with w = s·v/‖v‖, a norm for each unit."""
    return x @ (s * v / np.sqrt(np.sum(v**2, axis=0)))


def weight_norm_vjp(g, x, v, s, mistake=""):
    n = np.sqrt(np.sum(v**2, axis=0))
    dw = x.T @ g
    ds = np.sum(dw * v, axis=0) / n
    dv = s / n * (dw - v * ds / n)
    if mistake == "no projection":
        dv = s / n * dw
    elif mistake == "no scale":
        dv = (dw - v * ds / n) / n
    elif mistake == "norm of all":
        n_all = np.sqrt(np.sum(v**2))
        ds = np.sum(dw * v, axis=0) / n_all
    return g @ (s * v / n).T, dv, ds


def standardize(x, eps=1e-2):
    """A feature's z-scores with the unbiased standard deviation, eps outside of the root."""
    return (x - x.mean()) / (x.std(ddof=1) + eps)


def standardize_vjp(g, x, eps=1e-2, mistake=""):
    n, xc = len(x), x - x.mean()
    std = np.sqrt(np.sum(xc**2) / (n - 1))
    s = std if mistake == "eps" else std + eps
    count = n if mistake == "biased" else n - 1
    dxc = g / s - np.sum(g * xc) / s**2 * xc / (count * std)
    return (dxc if mistake == "mean" else dxc - dxc.mean(),)


def draw_batch(rng):
    return 2 * rng.normal(size=(6, 4)) + 1, 1 + rng.random(4), rng.normal(size=4)


CASES = [
    make_layer_case(
        "batch norm",
        "norms",
        BatchNorm,
        ("gamma", "beta"),
        {
            "the mean is treated as constant": (BatchNormConstantMean, THROUGH_MEAN),
            "the variance is treated as constant": (BatchNormConstantVariance, THROUGH_SCALE),
            "the variance's gradient has 1/std in place of 1/std³": (
                BatchNormPower,
                (
                    "power",
                    "exponent",
                    *near(r"varian|\bstd\b|scale", "factor|wrong|times|divided|weight"),
                    "cube",
                ),
            ),
        },
        draw_batch,
    ),
    make_layer_case(
        "batch norm in inference and training",
        "norms",
        BatchNorm,
        ("gamma", "beta"),
        {
            "the running variance, a constant, in place of the batch's": (
                BatchNormRunning,
                ("running", *THROUGH_MEAN, *THROUGH_SCALE),
            ),
            "gamma's gradient has x − mean, not divided by std": (
                BatchNormRawGamma,
                (*missed(r"\bstd\b", "standard", "divi", "scale", "normali"), "per column", "std"),
            ),
            "gamma is left out of the input's gradient": (
                BatchNormNoGamma,
                (*missed("gamma"), "divided by gamma", "1/gamma", "gamma"),
            ),
        },
        draw_batch,
    ),
    make_layer_case(
        "batch norm of images",
        "norms",
        SpatialBatchNorm,
        ("gamma", "beta"),
        {
            "the count is that of the batch, without the pixels": (
                SpatialBatchNormBatchOnly,
                (
                    "count",
                    "number of",
                    *near("mean|centr|term|sum", "times|factor|too (large|much)|divided|weight"),
                    *scaled(r"9(\.0+)?"),
                ),
            ),
            "beta's gradient is averaged": (
                SpatialBatchNormMeanBeta,
                (*MEAN_FOR_SUM, *scaled(r"(0\.05\d*|1/18)", "18")),
            ),
            "divided by the variance, not by its root": (
                SpatialBatchNormVarianceOnly,
                ("varian", "std", "standard dev", "square", "root", "divided"),
            ),
        },
        lambda rng: (
            2 * rng.normal(size=(2, 3, 3, 3)) + 1,
            rng.normal(size=3),
            rng.normal(size=3),
        ),
    ),
    Case(
        "layer norm of sequences",
        "norms",
        layer_norm,
        layer_norm_vjp,
        {
            "the gain is applied after the projection": (
                with_mistake(layer_norm_vjp, "gain late"),
                ("gain", "order", "commut", "(before|after)", "transpos"),
            ),
            "the means run over the batch": (
                with_mistake(layer_norm_vjp, "axis"),
                ("wrong ax[ie]s", "other ax[ie]s", "axis", "over the batch"),
            ),
            "the bias gradient has the last time step only": (
                with_mistake(layer_norm_vjp, "one lead axis"),
                (
                    *near("last|one|slice", "only|step|position|part|time"),
                    *missed("sum", "axis", "step", "position"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(2, 3, 5)), 1 + rng.random(5), rng.normal(size=5)),
    ),
    Case(
        "group norm",
        "norms",
        group_norm,
        group_norm_vjp,
        {
            "all channels are one group on the way back": (
                with_mistake(group_norm_vjp, "one group"),
                ("group", "mean", "ax[ie]s", "block"),
            ),
            "gamma's gradient is averaged within its group": (
                with_mistake(group_norm_vjp, "per group"),
                ("group", "averag", "mean", "broadcast", "equal", "same (value|for)"),
            ),
            "beta's gradient has the first sample only": (
                with_mistake(group_norm_vjp, "batch"),
                (
                    *near("first|one|slice|index 0", "only|sample|batch|part|element"),
                    *missed("sum", "axis", "batch", "sample"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(3, 4, 5)), rng.normal(size=4), rng.normal(size=4)),
    ),
    Case(
        "RMS norm with small activations",
        "norms",
        rms_norm,
        rms_norm_vjp,
        {
            "1/n of the mean square is forgotten": (
                with_mistake(rms_norm_vjp, "count"),
                (
                    "count",
                    "sum where a mean",
                    "sum instead of",
                    *missed("mean", "1/n", "divi"),
                    *near("term|norm|projection|mean|rms", "times|factor|too (large|much)|divided"),
                ),
            ),
            "the root mean square is treated as constant": (
                with_mistake(rms_norm_vjp, "constant"),
                (*THROUGH_SCALE, *missed("mean", "rms", "root", "square", "term", "path")),
            ),
            "the gradient is centred as for layer norm": (
                with_mistake(rms_norm_vjp, "centred"),
                (
                    "centr",
                    "off by one number for each",
                    "mean.*(subtract|remov|extra)",
                    "(subtract|remov|extra).*mean",
                    "sums? to",
                ),
            ),
        },
        lambda rng: (1e-2 * rng.normal(size=(4, 6)), rng.normal(size=6)),
    ),
    Case(
        "rows of unit length",
        "norms",
        unit_rows,
        unit_rows_vjp,
        {
            "the length is treated as constant": (
                with_mistake(unit_rows_vjp, "constant"),
                (*THROUGH_SCALE, *missed("length", "sum", "denominator", "term", "path")),
            ),
            "x in place of the unit vector": (
                with_mistake(unit_rows_vjp, "unnormalised"),
                ("normali[sz]ed", "unit", *missed("normali", "divi"), "power", "input"),
            ),
            "not divided by the length": (
                with_mistake(unit_rows_vjp, "no division"),
                (*missed("length", "divi", "norm", "1/"), "row", "multiplied by"),
            ),
        },
        lambda rng: (3 * rng.normal(size=(4, 5)),),
    ),
    Case(
        "weight normalisation",
        "norms",
        weight_norm,
        weight_norm_vjp,
        {
            "the norm of v is treated as constant": (
                with_mistake(weight_norm_vjp, "no projection"),
                (*THROUGH_SCALE, *missed("length", "sum", "denominator", "term", "path")),
            ),
            "s is left out of the gradient of v": (
                with_mistake(weight_norm_vjp, "no scale"),
                (*missed("s"), "divided by s", r"1/s\b", r"factor.*\bs\b", "column"),
            ),
            "the norm of all of v in place of the units' norms": (
                with_mistake(weight_norm_vjp, "norm of all"),
                ("norm", "axis", "all (of|entries|axes)", "column", "whole"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), 0.5 + rng.random(3)),
    ),
    Case(
        "z-scores of a feature in kelvin",
        "norms",
        standardize,
        standardize_vjp,
        {
            "eps is forgotten in the gradient": (
                with_mistake(standardize_vjp, "eps"),
                ("eps", *missed("constant", "offset"), "epsilon", "factor|scaled"),
            ),
            "n in place of n − 1": (
                with_mistake(standardize_vjp, "biased"),
                ("n ?- ?1", "ddof", "unbiased", "bessel", r"\b8/9|\b9/8|0\.88|1\.125"),
            ),
            "the mean is treated as constant": (
                with_mistake(standardize_vjp, "mean"),
                THROUGH_MEAN,
            ),
        },
        lambda rng: (290 + 0.3 * rng.normal(size=9),),
        argnums=(0,),
        names=("x",),
    ),
]
