"""Losses of classifiers and of regression, as course work and papers write them."""

import numpy as np

from .case import Case, with_mistake
from .words import HALF, MISSED, SIGN, TWICE, missed, near, scaled


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax_vjp(g, z):
    p = softmax(z)
    return (p * (g - np.sum(g * p, axis=-1, keepdims=True)),)


def softmax_wrong_axis(g, z):
    p = softmax(z)
    return (p * (g - np.sum(g * p, axis=0, keepdims=True)),)


def log_softmax_vjp(g, z):
    return (g - softmax(z) * g.sum(axis=-1, keepdims=True),)


def cross_entropy(scores, labels):
    """Return the mean loss and the gradient of the scores, in one function as in cs231n."""
    n = len(scores)
    p = softmax(scores)
    loss = -np.mean(np.log(p[np.arange(n), labels]))
    d = p.copy()
    d[np.arange(n), labels] -= 1
    return loss, (d / n, None)


def cross_entropy_no_mean(scores, labels):
    loss, (d, _) = cross_entropy(scores, labels)
    return loss, (d * len(scores), None)


def cross_entropy_mean_twice(scores, labels):
    loss, (d, _) = cross_entropy(scores, labels)
    return loss, (d / len(scores), None)


def cross_entropy_column(scores, labels):
    loss, _ = cross_entropy(scores, labels)
    d = softmax(scores)
    d[:, labels] -= 1  # all rows of these columns
    return loss, (d / len(scores), None)


def soft_cross_entropy(z, target):
    """`target` are probabilities; each row's loss is weighted by nothing and summed."""
    return -np.sum(target * log_softmax(z))


def soft_cross_entropy_grad(z, target):
    return softmax(z) - target, -log_softmax(z)


def softmax_then_log(W, X, T):
    """The derivation by way of dp = −t/p and the Jacobian of softmax, for weights."""
    return -np.mean(np.sum(T * np.log(softmax(X @ W)), axis=1))


def softmax_then_log_grad(W, X, T, mistake=""):
    p = softmax(X @ W)
    dp = -T / p / len(X)
    if mistake == "diagonal":
        dz = dp * p * (1 - p)
    elif mistake == "double softmax":
        dz = p * (p - T - np.sum((p - T) * p, axis=1, keepdims=True)) / len(X)
    else:
        dz = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
    if mistake == "one row":
        return np.outer(X[-1], dz[-1]), None, None
    return X.T @ dz, None, None


def smoothed_cross_entropy(z, labels):
    target = np.full(z.shape, 0.1 / z.shape[1])
    target[np.arange(len(z)), labels] += 0.9
    return -np.mean(np.sum(target * log_softmax(z), axis=1))


def smoothed_cross_entropy_grad(z, labels, mistake=""):
    n, k = z.shape
    target = np.full(z.shape, 0.1 / (k - 1) if mistake == "others" else 0.1 / k)
    if mistake == "hard":
        target[:] = 0
    rows = np.arange(n)
    if mistake in ("others", "assigned"):
        target[rows, labels] = 0.9
    else:
        target[rows, labels] += 1 if mistake == "hard" else 0.9
    return (softmax(z) - target) / n, None


def focal_loss(z, labels):
    """Lin et al. 2017 with γ = 2, from probabilities of two classes."""
    p = sigmoid(z)
    pt = np.where(labels == 1, p, 1 - p)
    return -np.sum((1 - pt) ** 2 * np.log(pt))


def focal_loss_grad(z, labels, mistake=""):
    p = sigmoid(z)
    pt = np.where(labels == 1, p, 1 - p)
    weight = 2 * (1 - pt) * np.log(pt)
    if mistake == "weight constant":
        weight = 0
    dpt = weight - (1 - pt) ** 2 / pt
    if mistake == "sign of the weight":
        dpt = -weight - (1 - pt) ** 2 / pt
    side = 1 if mistake == "labels" else np.where(labels == 1, 1, -1)
    return dpt * side * p * (1 - p), None


def bce_with_logits(z, t):
    return np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))


def weighted_bce(p, t, weight):
    """Binary cross-entropy of probabilities, positives weighted, clipped as in Keras."""
    q = np.clip(p, 1e-7, 1 - 1e-7)
    return -np.mean(weight * t * np.log(q) + (1 - t) * np.log(1 - q))


def weighted_bce_grad(p, t, weight, mistake=""):
    positive = -t / p
    negative = (1 - t) / (1 - p)
    if mistake == "weight everywhere":
        d = weight * (positive + negative)
    elif mistake == "inner sign":
        d = weight * positive - negative
    else:
        d = weight * positive + negative
    return d if mistake == "sum" else d / p.size, None, None


def squared_error(y, t):
    return 0.5 * np.mean((y - t) ** 2)


def huber(y, t):
    r = np.abs(y - t)
    return np.sum(np.where(r < 1.5, 0.5 * r**2, 1.5 * (r - 0.75)))


def huber_grad(y, t, mistake=""):
    r = y - t
    if mistake == "no sign":
        return np.where(np.abs(r) < 1.5, r, 1.5), None
    if mistake == "unit":
        return np.where(np.abs(r) < 1.5, r, np.sign(r)), None
    if mistake == "one side":
        return np.where(r < 1.5, r, 1.5), None
    return np.clip(r, -1.5, 1.5), None


def multiclass_hinge(scores, labels):
    """The SVM loss of cs231n, with margin 1."""
    rows = np.arange(len(scores))
    margins = np.maximum(0, scores - scores[rows, labels][:, None] + 1)
    margins[rows, labels] = 0
    return margins.sum() / len(scores)


def multiclass_hinge_grad(scores, labels, mistake=""):
    rows = np.arange(len(scores))
    active = (scores - scores[rows, labels][:, None] + 1 > 0).astype(float)
    active[rows, labels] = 0
    d = active.copy()
    if mistake == "one":
        d[rows, labels] = -1
    elif mistake == "own class kept":
        d[rows, labels] = 1 - active.sum(axis=1)
    elif mistake != "no label":
        d[rows, labels] = -active.sum(axis=1)
    return d / len(scores), None


def quantile_loss(y, t, q):
    r = t - y
    return np.mean(np.maximum(q * r, (q - 1) * r))


def quantile_grad(y, t, q):
    return np.where(t >= y, -q, 1 - q) / y.size, None, None


def dice_loss(p, t):
    return 1 - (2 * np.sum(p * t) + 1) / (np.sum(p) + np.sum(t) + 1)


def dice_grad(p, t, mistake=""):
    top, bottom = 2 * np.sum(p * t) + 1, np.sum(p) + np.sum(t) + 1
    if mistake == "bottom":
        return -2 * t / bottom, None
    if mistake == "sign":
        return -(2 * t * bottom + top) / bottom**2, None
    if mistake == "no two":
        return -(t * bottom - top) / bottom**2, None
    return -(2 * t * bottom - top) / bottom**2, None


def overlap_loss(box, truth):
    """1 − IoU of two boxes (x0, y0, x1, y1)."""
    low, high = np.maximum(box[:2], truth[:2]), np.minimum(box[2:], truth[2:])
    inter = np.prod(np.maximum(high - low, 0))
    union = np.prod(box[2:] - box[:2]) + np.prod(truth[2:] - truth[:2]) - inter
    return 1 - inter / union


def overlap_grad(box, truth, mistake=""):
    low, high = np.maximum(box[:2], truth[:2]), np.minimum(box[2:], truth[2:])
    w, size = high - low, box[2:] - box[:2]
    inter = w[0] * w[1]
    union = size[0] * size[1] + np.prod(truth[2:] - truth[:2]) - inter
    active_low, active_high = 1.0 * (box[:2] > truth[:2]), 1.0 * (box[2:] < truth[2:])
    if mistake == "always active":
        active_low, active_high = np.ones(2), np.ones(2)
    d_inter = np.concatenate([-active_low * w[::-1], active_high * w[::-1]])
    d_area = np.concatenate([-size[::-1], size[::-1]])
    if mistake == "sides":
        d_area = np.concatenate([-size, size])
    d_union = d_area if mistake == "union" else d_area - d_inter
    return -(d_inter * union - inter * d_union) / union**2, None


def kl_divergence(mu, logvar):
    """Of a diagonal Gaussian to the standard one, the mean over the batch."""
    return -0.5 * np.mean(np.sum(1 + logvar - mu**2 - np.exp(logvar), axis=1))


def kl_grad(mu, logvar, mistake=""):
    n = mu.size if mistake == "all" else len(mu)
    dlogvar = -0.5 * (1 - (logvar if mistake == "no exp" else np.exp(logvar))) / n
    return mu / n, (-dlogvar if mistake == "sign" else dlogvar)


CASES = [
    Case(
        "softmax of rows",
        "losses",
        softmax,
        softmax_vjp,
        {
            "only the diagonal of the Jacobian": (
                lambda g, z: (g * softmax(z) * (1 - softmax(z)),),
                ("diagonal", "off-diagonal", "jacobian", "element.?wise", *missed("sum", "term")),
            ),
            "the sum runs over the batch": (
                softmax_wrong_axis,
                ("wrong ax[ie]s", "other ax[ie]s", "axis", "over the batch", "column"),
            ),
            "the sum is left out": (
                lambda g, z: (g * softmax(z),),
                (*missed("sum", "mean", "term", "normali[sz]", "denominator"), "sums? to (0|zero)"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 5)),),
    ),
    Case(
        "log-softmax with scores in the hundreds",
        "losses",
        log_softmax,
        log_softmax_vjp,
        {
            "the sum of the incoming gradient is taken as 1": (
                lambda g, z: (g - softmax(z),),
                (
                    *missed("cotangent", "incoming", "upstream", r"\bg\b", r"\bsum\b"),
                    "as if.*1",
                    "not multiplied by the cotangent",
                ),
            ),
            "p − g, the sign of the fused loss": (
                lambda g, z: (softmax(z) * g.sum(axis=-1, keepdims=True) - g,),
                SIGN,
            ),
            "a mean over the classes for the sum": (
                lambda g, z: (g - softmax(z) * g.mean(axis=-1, keepdims=True),),
                (
                    "mean where a sum",
                    "mean instead of",
                    "averag",
                    "sum or mean",
                    *scaled(r"(0\.250*|1/4)", "4"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(4, 4)) + 300,),
    ),
    Case(
        "softmax and cross-entropy in one",
        "losses",
        cross_entropy,
        cross_entropy,
        {
            "not divided by the batch": (
                cross_entropy_no_mean,
                (*scaled(r"6(\.0+)?"), "sum where a mean", "sum instead of", *missed("mean")),
            ),
            "divided by the batch twice": (
                cross_entropy_mean_twice,
                (
                    *scaled(r"(0\.16\d*|1/6)", "6"),
                    "averaged twice",
                    "mean.*twice",
                    "mean of a mean",
                ),
            ),
            "d[:, labels] −= 1 changes all rows": (
                cross_entropy_column,
                (*near("all|every|each", "row"), "index", "column", "broadcast", "one.?hot"),
            ),
        },
        lambda rng: (rng.normal(size=(6, 4)), rng.integers(4, size=6)),
        form="pair",
    ),
    Case(
        "cross-entropy with soft targets",
        "losses",
        soft_cross_entropy,
        soft_cross_entropy_grad,
        {
            "target − p": (lambda z, target: (target - softmax(z), -log_softmax(z)), SIGN),
            "the target's gradient is forgotten": (
                lambda z, target: (softmax(z) - target, np.zeros_like(target)),
                (*missed("target", "gradient"), "(all|is|are) (0|zero)", "no gradient", "constant"),
            ),
            "the softmax runs over the batch": (
                lambda z, target: (softmax(z.T).T - target, -log_softmax(z)),
                ("axis", "transpos", "over the batch", "column"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 3)), softmax(rng.normal(size=(4, 3)))),
        form="grad",
    ),
    Case(
        "softmax regression by way of dp",
        "losses",
        softmax_then_log,
        softmax_then_log_grad,
        {
            "only the diagonal of the softmax's Jacobian": (
                with_mistake(softmax_then_log_grad, "diagonal"),
                ("diagonal", "jacobian", "element.?wise", *missed("sum", "term", "path")),
            ),
            "the Jacobian of softmax is applied to p − t": (
                with_mistake(softmax_then_log_grad, "double softmax"),
                ("softmax.*twice", "twice", "already", "jacobian", "p - t"),
            ),
            "only the last row contributes": (
                with_mistake(softmax_then_log_grad, "one row"),
                (
                    *near("last|one|single|slice", "only|row|sample|batch|element"),
                    *missed("row", "sample", "batch", "sum"),
                ),
            ),
        },
        lambda rng: (
            rng.normal(size=(4, 3)),
            rng.normal(size=(7, 4)),
            np.eye(3)[[0, 2, 1, 1, 0, 2, 2]],
        ),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "label smoothing",
        "losses",
        smoothed_cross_entropy,
        smoothed_cross_entropy_grad,
        {
            "the hard label": (
                with_mistake(smoothed_cross_entropy_grad, "hard"),
                (*missed("smooth", "0\\.1", "uniform"), "smooth", "one.?hot", "hard"),
            ),
            "the rest is shared by the other classes only": (
                with_mistake(smoothed_cross_entropy_grad, "others"),
                ("smooth", "k ?- ?1", "other class", "uniform", "constant", "offset"),
            ),
            "the label's own share of the smoothing is lost": (
                with_mistake(smoothed_cross_entropy_grad, "assigned"),
                ("smooth", *missed("share", "label"), "overwrit", "= (where|instead)", "label"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 5)), rng.integers(5, size=4)),
        form="grad",
    ),
    Case(
        "focal loss",
        "losses",
        focal_loss,
        focal_loss_grad,
        {
            "the weight (1 − p)² is treated as constant": (
                with_mistake(focal_loss_grad, "weight constant"),
                (*missed("weight", "product", "term", "path", "log", "modulat"), "constant"),
            ),
            "the sign of the weight's derivative": (
                with_mistake(focal_loss_grad, "sign of the weight"),
                SIGN,
            ),
            "negatives are treated like positives": (
                with_mistake(focal_loss_grad, "labels"),
                ("label", *SIGN, "class"),
            ),
        },
        lambda rng: (rng.normal(size=14), rng.integers(2, size=14)),
        form="grad",
    ),
    Case(
        "binary cross-entropy with logits",
        "losses",
        bce_with_logits,
        lambda z, t: ((sigmoid(z) - t) / z.size, None),
        {
            "multiplied by p·(1 − p) as for probabilities": (
                lambda z, t: ((sigmoid(z) - t) * sigmoid(z) * (1 - sigmoid(z)) / z.size, None),
                ("sigmoid", "twice", "extra", "already", r"p ?\*? ?\(1 ?- ?p"),
            ),
            "the derivative for probabilities": (
                lambda z, t: (
                    (sigmoid(z) - t) / (sigmoid(z) * (1 - sigmoid(z))) / z.size,
                    None,
                ),
                (
                    "sigmoid",
                    "extra",
                    "divided by",
                    r"p ?\*? ?\(1 ?- ?p",
                    *missed("sigmoid", "inner"),
                ),
            ),
            "a mean over the rows only": (
                lambda z, t: ((sigmoid(z) - t) / len(z), None),
                (*scaled(r"3(\.0+)?"), "3 times"),
            ),
        },
        lambda rng: (3 * rng.normal(size=(4, 3)), rng.integers(2, size=(4, 3)).astype(float)),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "binary cross-entropy of probabilities, weighted",
        "losses",
        weighted_bce,
        weighted_bce_grad,
        {
            "the weight is applied to the negatives too": (
                with_mistake(weighted_bce_grad, "weight everywhere"),
                ("weight", *scaled(r"3(\.0+)?")),
            ),
            "the inner sign of log(1 − p) is forgotten": (
                with_mistake(weighted_bce_grad, "inner sign"),
                SIGN,
            ),
            "the mean is forgotten": (
                with_mistake(weighted_bce_grad, "sum"),
                (*scaled(r"10(\.0+)?"), "sum where a mean", "sum instead of", *missed("mean")),
            ),
        },
        lambda rng: (rng.uniform(0.05, 0.95, size=10), np.arange(10) % 2, 3.0),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "mean squared error with a column and a row",
        "losses",
        squared_error,
        lambda y, t: (((y - t).sum(axis=1, keepdims=True)) / 25, (t - y).sum(axis=0) / 25),
        {
            "the factor 2 of the square, in spite of the half": (
                lambda y, t: (
                    2 * ((y - t).sum(axis=1, keepdims=True)) / 25,
                    2 * (t - y).sum(axis=0) / 25,
                ),
                TWICE,
            ),
            "divided by the length of y, not by that of the broadcast difference": (
                lambda y, t: (((y - t).sum(axis=1, keepdims=True)) / 5, (t - y).sum(axis=0) / 5),
                (*scaled(r"5(\.0+)?"), "broadcast", "5 times"),
            ),
            "the target's gradient has the sign of that of y": (
                lambda y, t: (((y - t).sum(axis=1, keepdims=True)) / 25, (y - t).sum(axis=0) / 25),
                SIGN,
            ),
        },
        lambda rng: (rng.normal(size=(5, 1)), rng.normal(size=5)),
        form="grad",
    ),
    Case(
        "huber loss, delta 1.5",
        "losses",
        huber,
        huber_grad,
        {
            "the sign is lost beyond delta": (with_mistake(huber_grad, "no sign"), (*SIGN, "abs")),
            "delta is lost beyond delta": (
                with_mistake(huber_grad, "unit"),
                (*scaled(r"(0\.66\d*|0\.67|2/3)", r"1\.50*"), "delta", r"\b1\.5"),
            ),
            "the condition lacks the absolute value": (
                with_mistake(huber_grad, "one side"),
                ("abs", *near("negative|one side|lower|below", f"{MISSED}|branch|clip|condition")),
            ),
        },
        lambda rng: (3 * rng.normal(size=16), rng.normal(size=16)),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "multi-class hinge loss",
        "losses",
        multiclass_hinge,
        multiclass_hinge_grad,
        {
            "the right class gets nothing": (
                with_mistake(multiclass_hinge_grad, "no label"),
                (*missed("label", "right class", "correct", "target", "path", "term", "use"),),
            ),
            "the right class gets −1, however many margins are violated": (
                with_mistake(multiclass_hinge_grad, "one"),
                ("label", "right class", "correct class", *missed("sum", "count", "number")),
            ),
            "the right class counts its own margin": (
                with_mistake(multiclass_hinge_grad, "own class kept"),
                ("label", "right class", "correct class", "own", r"j ?!?= ?y", *missed("mask")),
            ),
        },
        lambda rng: (2 * rng.normal(size=(5, 4)), rng.integers(4, size=5)),
        form="grad",
    ),
    Case(
        "quantile loss with ties",
        "losses",
        quantile_loss,
        quantile_grad,
        {
            "q and 1 − q are swapped": (
                lambda y, t, q: (np.where(t >= y, -(1 - q), q) / y.size, None, None),
                ("swap", "exchang", "complement", "1 ?- ?q", "branch", "condition"),
            ),
            "the derivative by t is given for y": (
                lambda y, t, q: (np.where(t >= y, q, q - 1) / y.size, None, None),
                SIGN,
            ),
            "both sides have q": (
                lambda y, t, q: (np.where(t >= y, -q, q) / y.size, None, None),
                ("1 ?- ?q", "branch", "condition", "side", "over.?(estimat|shoot)", "asymmetr"),
            ),
        },
        lambda rng: (np.round(rng.normal(size=15), 1), np.round(rng.normal(size=15), 1), 0.8),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "dice loss",
        "losses",
        dice_loss,
        dice_grad,
        {
            "the denominator is treated as constant": (
                with_mistake(dice_grad, "bottom"),
                (*missed("denominator", "quotient", "sum", "path", "term"), "constant", "quotient"),
            ),
            "a plus in the quotient rule": (
                with_mistake(dice_grad, "sign"),
                (*SIGN, "quotient"),
            ),
            "the 2 of the numerator is forgotten": (
                with_mistake(dice_grad, "no two"),
                (*HALF, *TWICE, *missed("factor", "2"), "numerator"),
            ),
        },
        lambda rng: (rng.uniform(size=(4, 5)), rng.integers(2, size=(4, 5))),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "overlap of boxes (IoU) in pixels",
        "losses",
        overlap_loss,
        overlap_grad,
        {
            "the union does not lose the overlap": (
                with_mistake(overlap_grad, "union"),
                (*missed("union", "inter", "term", "path", "overlap"), "union"),
            ),
            "every side moves the overlap": (
                with_mistake(overlap_grad, "always active"),
                ("max", "min", "active", "branch", "mask", "condition", "selected"),
            ),
            "width and height are swapped in the area's derivative": (
                with_mistake(overlap_grad, "sides"),
                ("swap", "exchang", "permut", "order", "width", "area", "revers", "roll"),
            ),
        },
        lambda rng: (np.array([12.0, 30, 90, 75]), np.array([20.0, 20, 100, 60])),
        form="grad",
        argnums=(0,),
    ),
    Case(
        "KL divergence of a variational autoencoder",
        "losses",
        kl_divergence,
        kl_grad,
        {
            "divided by all entries, not by the batch": (
                with_mistake(kl_grad, "all"),
                scaled(r"(0\.3\d*|1/3)", "3"),
            ),
            "exp of the log-variance is forgotten": (
                with_mistake(kl_grad, "no exp"),
                (*missed(r"\bexp\b"), r"\bexp\b", "logarithm", r"\blog\b"),
            ),
            "the sign of the log-variance's gradient": (with_mistake(kl_grad, "sign"), SIGN),
        },
        lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(5, 3))),
        form="grad",
    ),
]
