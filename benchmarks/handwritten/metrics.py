"""Losses that compare vectors: similarity, triplets, contrast, style, and gradient penalties."""

import numpy as np

from .case import Case, with_mistake
from .words import HALF, SIGN, TRANSPOSED, missed, near, scaled

THROUGH_NORM = missed(
    "norm", "length", "denominator", "path", "term", "projection", "scale", "divi"
)


def cosine(a, b):
    """The cosine similarity of rows."""
    norms = np.sqrt(np.sum(a**2, axis=1) * np.sum(b**2, axis=1))
    return np.sum(a * b, axis=1) / norms


def cosine_vjp(g, a, b, mistake=""):
    na = np.sqrt(np.sum(a**2, axis=1, keepdims=True))
    nb = np.sqrt(np.sum(b**2, axis=1, keepdims=True))
    c = np.sum(a * b, axis=1, keepdims=True) / (na * nb)
    g = g[:, None]
    da = g * (b / (na * nb) - c * a / na**2)
    db = g * (a / (na * nb) - c * b / nb**2)
    if mistake == "constant norms":
        da, db = g * b / (na * nb), g * a / (na * nb)
    elif mistake == "power":
        da = g * (b / (na * nb) - c * a / na)
    elif mistake == "other norm":
        db = g * (a / (na * nb) - c * b / na**2)
    return da, db


def triplet_loss(anchor, near_one, far_one):
    """FaceNet's loss with squared distances and margin 0.5."""
    gap = np.sum((anchor - near_one) ** 2, axis=1) - np.sum((anchor - far_one) ** 2, axis=1)
    return np.mean(np.maximum(gap + 0.5, 0))


def triplet_grad(anchor, near_one, far_one, mistake=""):
    gap = np.sum((anchor - near_one) ** 2, axis=1) - np.sum((anchor - far_one) ** 2, axis=1)
    w = 2 / len(anchor) * (gap + 0.5 > 0)[:, None]
    if mistake == "active":
        w = np.full_like(w, 2 / len(anchor), dtype=float)
    da = w * (far_one - near_one)
    if mistake == "anchor":
        da = w * (anchor - near_one)
    dn, df = w * (near_one - anchor), w * (anchor - far_one)
    return da, dn, (-df if mistake == "far" else df)


def contrastive_loss(x, y, same):
    """Hadsell et al. 2006 with margin 2 and distances, not their squares, for unlike pairs."""
    d = np.sqrt(np.sum((x - y) ** 2, axis=1))
    return 0.5 * np.sum(np.where(same, d**2, np.maximum(2 - d, 0) ** 2))


def contrastive_grad(x, y, same, mistake=""):
    diff = x - y
    d = np.sqrt(np.sum(diff**2, axis=1, keepdims=True))
    like = same[:, None]
    push = -np.maximum(2 - d, 0) * diff / d
    if mistake == "margin":
        push = -(2 - d) * diff / d
    elif mistake == "distance":
        push = -np.maximum(2 - d, 0) * diff
    dx = np.where(like, diff, push)
    return dx, (dx if mistake == "second" else -dx), None


def pairs_cross_entropy(z, temperature):
    """InfoNCE of CLIP: row i of the first half belongs to row i of the second."""
    n = len(z) // 2
    s = z[:n] @ z[n:].T / temperature
    return np.mean(log_sum(s) - np.diag(s)) / 2 + np.mean(log_sum(s.T) - np.diag(s)) / 2


def log_sum(s):
    top = s.max(axis=1)
    return top + np.log(np.sum(np.exp(s - top[:, None]), axis=1))


def pairs_cross_entropy_grad(z, temperature, mistake=""):
    n = len(z) // 2
    a, b = z[:n], z[n:]
    s = a @ b.T / temperature
    rows = np.exp(s - log_sum(s)[:, None])
    cols = np.exp(s - log_sum(s.T)[None, :])
    ds = (rows + cols - 2 * np.eye(n)) / (2 * n)
    if mistake == "one side":
        ds = (rows - np.eye(n)) / n
    da = ds @ b / temperature
    db = (ds if mistake == "transpose" else ds.T) @ a / temperature
    dt = -np.sum(ds * s) / temperature
    return np.concatenate([da, db]), (dt * temperature if mistake == "temperature" else dt)


def style_loss(f, target):
    """The Gram matrix of features (channel, position) beside that of a picture."""
    gram = f @ f.T / f.shape[1]
    return np.sum((gram - target) ** 2)


def style_grad(f, target, mistake=""):
    d = 2 * (f @ f.T / f.shape[1] - target) / f.shape[1]
    if mistake == "one use":
        return d @ f, -2 * (f @ f.T / f.shape[1] - target)
    if mistake == "count":
        d = d * f.shape[1]
    dtarget = -d * (1 if mistake == "count" else f.shape[1])
    if mistake == "target":
        dtarget = -dtarget
    return (d + d.T) @ f, dtarget


def gradient_penalty(W, v, x):
    """(‖∂D/∂x‖ − 1)² of a critic D(x) = v·tanh(W·x), as in WGAN-GP."""
    h = np.tanh(x @ W)
    slope = ((1 - h**2) * v) @ W.T
    return np.mean((np.sqrt(np.sum(slope**2, axis=1)) - 1) ** 2)


def gradient_penalty_grad(W, v, x, mistake=""):
    h = np.tanh(x @ W)
    e = 1 - h**2
    slope = (e * v) @ W.T
    norm = np.sqrt(np.sum(slope**2, axis=1, keepdims=True))
    ds = 2 * (norm - 1) * slope / norm / len(x)
    if mistake == "norm":
        ds = 2 * (norm - 1) * slope / len(x)
    du = ds @ W
    dW = ds.T @ (e * v)
    dz = du * v * -2 * h * e
    if mistake != "second order":
        dW = dW + x.T @ dz
    dv = np.sum(du * e, axis=0)
    return dW, (dv / len(x) if mistake == "mean" else dv), None


def soft_nearest(x, centres, beta):
    """Soft k-means: the distances to the centres, weighted by their softmax."""
    d = np.sum((x[:, None] - centres[None]) ** 2, axis=2)
    w = np.exp(-beta * (d - d.min(axis=1, keepdims=True)))
    w = w / w.sum(axis=1, keepdims=True)
    return np.sum(w * d)


def soft_nearest_grad(x, centres, beta, mistake=""):
    diff = x[:, None] - centres[None]
    d = np.sum(diff**2, axis=2)
    w = np.exp(-beta * (d - d.min(axis=1, keepdims=True)))
    w = w / w.sum(axis=1, keepdims=True)
    mean = np.sum(w * d, axis=1, keepdims=True)
    dd = w if mistake == "weights" else w - beta * w * (d - mean)
    dx = 2 * np.sum(dd[:, :, None] * diff, axis=1)
    dc = -2 * np.sum(dd[:, :, None] * diff, axis=0)
    if mistake == "centres":
        dc = -dc
    dbeta = -np.sum(w * d * d) if mistake == "mean" else -np.sum(w * d * (d - mean))
    return dx, dc, dbeta


CASES = [
    Case(
        "cosine similarity",
        "metrics",
        cosine,
        cosine_vjp,
        {
            "the norms are treated as constant": (
                with_mistake(cosine_vjp, "constant norms"),
                THROUGH_NORM,
            ),
            "‖a‖ for ‖a‖² in the gradient of a": (
                with_mistake(cosine_vjp, "power"),
                ("power", "exponent", "square", "norm", "length", "divi"),
            ),
            "the norm of a in the gradient of b": (
                with_mistake(cosine_vjp, "other norm"),
                (*near("norm|length", "other|a|wrong|swap"), "swap", "exchang"),
            ),
        },
        lambda rng: (2 * rng.normal(size=(4, 5)), rng.normal(size=(4, 5))),
    ),
    Case(
        "triplet loss",
        "metrics",
        triplet_loss,
        triplet_grad,
        {
            "triplets beyond the margin get a gradient too": (
                with_mistake(triplet_grad, "active"),
                (
                    *missed("mask", "max", "margin", "condition", "branch", "hinge", "relu"),
                    "should be (0|zero)",
                ),
            ),
            "the anchor gets nothing from the far one": (
                with_mistake(triplet_grad, "anchor"),
                missed("path", "term", "far", "use", "second"),
            ),
            "the sign of the far one's gradient": (with_mistake(triplet_grad, "far"), SIGN),
        },
        lambda rng: tuple(rng.normal(size=(5, 3)) for _ in range(3)),
        form="grad",
    ),
    Case(
        "contrastive loss of pairs",
        "metrics",
        contrastive_loss,
        contrastive_grad,
        {
            "unlike pairs beyond the margin are pulled together": (
                with_mistake(contrastive_grad, "margin"),
                (
                    *missed("mask", "max", "margin", "condition", "branch", "clip"),
                    "should be (0|zero)",
                ),
            ),
            "not divided by the distance": (
                with_mistake(contrastive_grad, "distance"),
                (*missed("distance", "divi", "norm", "length", "unit", "root"), "multiplied by"),
            ),
            "the second vector's gradient has the first one's sign": (
                with_mistake(contrastive_grad, "second"),
                SIGN,
            ),
        },
        lambda rng: (rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), rng.random(7) < 0.3),
        form="grad",
    ),
    Case(
        "contrast of image and text (CLIP)",
        "metrics",
        pairs_cross_entropy,
        pairs_cross_entropy_grad,
        {
            "only one of the two cross-entropies": (
                with_mistake(pairs_cross_entropy_grad, "one side"),
                missed("term", "path", "column", "transpos", "second", "half", "direction"),
            ),
            "the scores are not transposed for the second half": (
                with_mistake(pairs_cross_entropy_grad, "transpose"),
                TRANSPOSED,
            ),
            "the temperature's gradient lacks 1/τ": (
                with_mistake(pairs_cross_entropy_grad, "temperature"),
                (*missed("temperature", "divi", "1/"), *scaled(r"0\.50*", r"2(\.0+)?"), *HALF),
            ),
        },
        lambda rng: (rng.normal(size=(8, 4)), 0.5),
        form="grad",
    ),
    Case(
        "style loss of a Gram matrix",
        "metrics",
        style_loss,
        style_grad,
        {
            "one of the two uses of the features": (
                with_mistake(style_grad, "one use"),
                (*HALF, *missed("use", "path", "term", "symmetr", "second")),
            ),
            "not divided by the number of positions": (
                with_mistake(style_grad, "count"),
                (*scaled(r"6(\.0+)?"), "sum where a mean", *missed("mean", "divi", "count")),
            ),
            "the sign of the target's gradient": (with_mistake(style_grad, "target"), SIGN),
        },
        lambda rng: (
            rng.normal(size=(4, 6)),
            (lambda b: b @ b.T / 6)(rng.normal(size=(4, 6))),
        ),
        form="grad",
    ),
    Case(
        "gradient penalty of a critic",
        "metrics",
        gradient_penalty,
        gradient_penalty_grad,
        {
            "the slope of tanh is treated as constant": (
                with_mistake(gradient_penalty_grad, "second order"),
                (
                    *missed("path", "term", "use", "tanh", "second", "slope", "activation"),
                    "second order",
                    "constant",
                ),
            ),
            "the norm's derivative is not divided by the norm": (
                with_mistake(gradient_penalty_grad, "norm"),
                (*missed("norm", "divi", "root", "length"), "norm", "multiplied by"),
            ),
            "v's gradient is averaged once more": (
                with_mistake(gradient_penalty_grad, "mean"),
                (*scaled(r"(0\.20*|1/5)", "5"), "averag", "mean"),
            ),
        },
        lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=(5, 3))),
        form="grad",
        argnums=(0, 1),
    ),
    Case(
        "soft k-means",
        "metrics",
        soft_nearest,
        soft_nearest_grad,
        {
            "the weights are treated as constant": (
                with_mistake(soft_nearest_grad, "weights"),
                (*missed("weight", "softmax", "path", "term", "use"), "constant", "beta"),
            ),
            "the sign of the centres' gradient": (
                with_mistake(soft_nearest_grad, "centres"),
                SIGN,
            ),
            "the normalisation is left out of beta's gradient": (
                with_mistake(soft_nearest_grad, "mean"),
                missed("normali", "mean", "term", "path", "sum", "denominator", "softmax"),
            ),
        },
        lambda rng: (rng.normal(size=(6, 2)), rng.normal(size=(3, 2)), 0.8),
        form="grad",
    ),
]
