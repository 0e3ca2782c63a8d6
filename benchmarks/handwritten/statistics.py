"""Likelihoods of statistics, in SciPy's style where an optimiser would call them, and sequences."""

import math

import numpy as np

from .case import Case, with_mistake
from .words import HALF, MISSED, SHIFTED, SIGN, TRANSPOSED, TWICE, missed, near, scaled


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def logsumexp(x, axis):
    top = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(top + np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)), axis)


def logistic_regression(w, X, y, lam, mistake=""):
    """Labels −1 and 1, the last weight is the intercept and not penalised."""
    m = y * (X @ w[:-1] + w[-1])
    loss = np.sum(np.log1p(np.exp(-m))) + 0.5 * lam * np.sum(w[:-1] ** 2)
    d = -y * sigmoid(m if mistake == "sigmoid" else -m)
    dw = X.T @ d + (lam * w[:-1] if mistake != "penalty" else 0)
    return loss, np.append(dw, d.mean() if mistake == "mean" else d.sum())


def poisson_regression(w, X, counts, exposure, mistake=""):
    """Counts with the logarithm of the exposure as offset; the negative log-likelihood."""
    eta = X @ w + np.log(exposure)
    mu = np.exp(eta)
    loss = np.sum(mu - counts * eta)
    if mistake == "offset":
        mu = np.exp(X @ w)
    elif mistake == "rate":
        return loss, X.T @ (1 - counts / mu)
    elif mistake == "sign":
        return loss, X.T @ (counts - mu)
    return loss, X.T @ (mu - counts)


def gaussian_fit(p, x, y, mistake=""):
    """A peak A·exp(−(x − m)²/2s²) fitted by least squares; p = (A, m, log s)."""
    a, m, s = p[0], p[1], np.exp(p[2])
    u = (x - m) / s
    bell = np.exp(-0.5 * u**2)
    r = a * bell - y
    z = r * a * bell
    grad = [r @ bell, z @ u / s, z @ u**2]
    if mistake == "log":
        grad[2] = grad[2] / s
    elif mistake == "centre":
        grad[1] = -grad[1]
    elif mistake == "square":
        grad[2] = z @ u
    return 0.5 * np.sum(r**2), np.array(grad)


def softmax_regression(flat, X, labels, mistake=""):
    """The weights of three classes as one flat vector, as an optimiser wants them."""
    W = flat.reshape(X.shape[1], 3)
    p = softmax(X @ W)
    rows = np.arange(len(X))
    loss = -np.mean(np.log(p[rows, labels]))
    p[rows, labels] -= 1
    d = X.T @ p / (1 if mistake == "sum" else len(X))
    if mistake == "order":
        return loss, d.T.ravel()
    if mistake == "label":
        p[rows, labels] += 1
        d = X.T @ p / len(X)
    return loss, d.ravel()


def mixture_density(z, mu, log_sigma, t):
    """Bishop 1994 in one dimension: the mean negative log-likelihood of the targets."""
    return -np.mean(logsumexp(mixture_terms(z, mu, log_sigma, t), 1))


def mixture_terms(z, mu, log_sigma, t):
    log_pi = z - logsumexp(z, 1)[:, None]
    u = (t[:, None] - mu) / np.exp(log_sigma)
    return log_pi - log_sigma - 0.5 * u**2 - 0.5 * math.log(2 * math.pi)


def mixture_density_grad(z, mu, log_sigma, t, mistake=""):
    r = softmax(mixture_terms(z, mu, log_sigma, t)) / len(t)
    sigma = np.exp(log_sigma)
    u = (t[:, None] - mu) / sigma
    dz = softmax(z) / len(t) - r
    if mistake == "prior":
        dz = -r
    dmu = -r * u / (sigma**2 if mistake == "sigma" else sigma)
    dsigma = -r * (u**2 if mistake == "normaliser" else u**2 - 1)
    return dz, dmu, dsigma, None


def reparametrised(mu, logvar, noise):
    """The sample of a variational autoencoder."""
    return mu + np.exp(0.5 * logvar) * noise


def reparametrised_vjp(g, mu, logvar, noise, mistake=""):
    std = np.exp(0.5 * logvar)
    if mistake == "half":
        return g, g * noise * std, None
    if mistake == "variance":
        return g, 0.5 * g * noise * np.exp(logvar), None
    if mistake == "noise":
        return g, 0.5 * g * std, None
    return g, 0.5 * g * noise * std, None


def hidden_markov(log_start, log_step, log_emit):
    """The log-likelihood of a sequence by the forward recursion; log_emit: (time, state)."""
    return logsumexp(forward_table(log_start, log_step, log_emit)[-1], 0)


def forward_table(log_start, log_step, log_emit):
    a = [log_start + log_emit[0]]
    for row in log_emit[1:]:
        a.append(logsumexp(a[-1][:, None] + log_step, 0) + row)
    return np.stack(a)


def hidden_markov_grad(log_start, log_step, log_emit, mistake=""):
    a = forward_table(log_start, log_step, log_emit)
    b = np.zeros_like(a)
    for t in reversed(range(len(a) - 1)):
        step = log_step.T if mistake == "transpose" else log_step
        emit = log_emit[t] if mistake == "emission" else log_emit[t + 1]
        b[t] = logsumexp(step + (emit + b[t + 1])[None, :], 1)
    total = logsumexp(a[-1], 0)
    posterior = np.exp(a + b - total)
    dstep = np.zeros_like(log_step)
    for t in range(len(a) - (2 if mistake == "last" else 1)):
        dstep += np.exp(a[t][:, None] + log_step + log_emit[t + 1] + b[t + 1] - total)
    return posterior[0], dstep, posterior


def connectionist(log_p, target):
    """The alignment loss of a recogniser (CTC), with blank 0, by the forward recursion."""
    a, _ = connectionist_table(log_p, target)
    return -np.logaddexp(a[-1][-1], a[-1][-2])


def connectionist_table(log_p, target):
    path = [0]
    for label in target:
        path += [int(label), 0]
    a = np.full((len(log_p), len(path)), -1e30, dtype=log_p.dtype)
    a[0, 0], a[0, 1] = log_p[0, 0], log_p[0, path[1]]
    for t in range(1, len(log_p)):
        for s in range(len(path)):
            best = a[t - 1, s]
            if s > 0:
                best = np.logaddexp(best, a[t - 1, s - 1])
            if s > 1 and path[s] != 0 and path[s] != path[s - 2]:
                best = np.logaddexp(best, a[t - 1, s - 2])
            a[t, s] = best + log_p[t, path[s]]
    return a, path


def connectionist_grad(log_p, target, mistake=""):
    """By the backward recursion of the adjoints of the table."""
    a, path = connectionist_table(log_p, target)
    d = np.zeros_like(a)
    total = np.logaddexp(a[-1][-1], a[-1][-2])
    d[-1, -1] = -np.exp(a[-1, -1] - total)
    if mistake != "final blank":
        d[-1, -2] = -np.exp(a[-1, -2] - total)
    dp = np.zeros_like(log_p)
    for t in reversed(range(len(a))):
        for s in range(len(path)):
            if mistake == "assigned":
                dp[t, path[s]] = d[t, s]
            else:
                dp[t, path[s]] += d[t, s]
            if t == 0:
                continue
            here = a[t, s] - log_p[t, path[s]]
            sources = [s, s - 1] if s > 0 else [s]
            skip = s > 1 and path[s] != 0 and path[s] != path[s - 2]
            if skip and mistake != "skip":
                sources.append(s - 2)
            for source in sources:
                d[t - 1, source] += d[t, s] * np.exp(a[t - 1, source] - here)
    return dp, None


def survival(w, X):
    """Cox's partial likelihood; rows are sorted by time, all are events, no ties."""
    eta = X @ w
    return -sum(eta[i] - logsumexp(eta[i:], 0) for i in range(len(eta)))


def survival_grad(w, X, mistake=""):
    eta = X @ w
    d = np.zeros_like(w)
    for i in range(len(eta)):
        at_risk = slice(i + 1, None) if mistake == "risk set" else slice(i, None)
        if mistake == "everyone":
            at_risk = slice(None)
        p = np.exp(eta[at_risk])
        p = p if mistake == "weights" else p / max(np.sum(p), 1e-300)
        d -= X[i] - p @ X[at_risk]
    return d, None


def draw_mixture(rng):
    return (
        rng.normal(size=(5, 3)),
        rng.normal(size=(5, 3)),
        rng.normal(size=(5, 3)) / 3,
        rng.normal(size=5),
    )


CASES = [
    Case(
        "logistic regression with labels ±1",
        "statistics",
        logistic_regression,
        logistic_regression,
        {
            "the probability of the label, not of its opposite": (
                with_mistake(logistic_regression, "sigmoid"),
                (*SIGN, "complement", r"1 ?- ?(p|sigmoid)", "sigmoid"),
            ),
            "the penalty is left out": (
                with_mistake(logistic_regression, "penalty"),
                missed("penalty", "regul", "decay", "term", "lam"),
            ),
            "the intercept's gradient is a mean": (
                with_mistake(logistic_regression, "mean"),
                ("mean where a sum", "averag", "mean instead", *scaled(r"(0\.08\d*|1/12)", "12")),
            ),
        },
        lambda rng: (
            rng.normal(size=5),
            rng.normal(size=(12, 4)),
            np.where(rng.random(12) < 0.5, -1, 1),
            2.0,
        ),
        form="scipy",
        argnums=(0,),
    ),
    Case(
        "Poisson regression with an offset",
        "statistics",
        poisson_regression,
        poisson_regression,
        {
            "the offset is forgotten in the gradient": (
                with_mistake(poisson_regression, "offset"),
                (*missed("offset", "exposure"), "exposure", "offset"),
            ),
            "the derivative by the mean, not by its logarithm": (
                with_mistake(poisson_regression, "rate"),
                (
                    *missed(r"\bexp\b", "mu", "chain", "inner"),
                    "logarithm",
                    "divided by",
                    r"\bmu\b",
                    r"\bexp\b",
                ),
            ),
            "the gradient of the likelihood, not of its negative": (
                with_mistake(poisson_regression, "sign"),
                SIGN,
            ),
        },
        lambda rng: (
            rng.normal(size=4) / 3,
            np.column_stack([np.ones(15), rng.normal(size=(15, 3))]),
            rng.poisson(2.0, size=15),
            rng.uniform(0.5, 4.0, size=15),
        ),
        form="scipy",
        argnums=(0,),
    ),
    Case(
        "peak fitted by least squares",
        "statistics",
        gaussian_fit,
        gaussian_fit,
        {
            "the derivative by the width, not by its logarithm": (
                with_mistake(gaussian_fit, "log"),
                ("logarithm", r"\blog\b", r"\bexp\b", *scaled(r"\d\S*", r"\d\S*")),
            ),
            "the inner sign of the centre": (with_mistake(gaussian_fit, "centre"), SIGN),
            "u in place of u² for the width": (
                with_mistake(gaussian_fit, "square"),
                ("square", "power", *missed("factor", "squar")),
            ),
        },
        lambda rng: (
            np.array([2.0, 0.3, -0.4]),
            np.linspace(-2, 2, 15),
            1.5 * np.exp(-(np.linspace(-2, 2, 15) ** 2)) + 0.1 * rng.normal(size=15),
        ),
        form="scipy",
        argnums=(0,),
    ),
    Case(
        "softmax regression with flat weights",
        "statistics",
        softmax_regression,
        softmax_regression,
        {
            "flattened in the order of the transpose": (
                with_mistake(softmax_regression, "order"),
                (*TRANSPOSED, "permut", "order", "reshap", "shuffl"),
            ),
            "not divided by the number of rows": (
                with_mistake(softmax_regression, "sum"),
                (*scaled(r"9(\.0+)?"), "sum where a mean", "sum instead", *missed("mean")),
            ),
            "the label is not subtracted": (
                with_mistake(softmax_regression, "label"),
                missed("label", "target", "one.?hot", "term", "path", "minus"),
            ),
        },
        lambda rng: (rng.normal(size=12), rng.normal(size=(9, 4)), rng.integers(3, size=9)),
        form="scipy",
        argnums=(0,),
    ),
    Case(
        "mixture density network",
        "statistics",
        mixture_density,
        mixture_density_grad,
        {
            "the normalisation of the weights is forgotten": (
                with_mistake(mixture_density_grad, "prior"),
                missed("normali", "softmax", "prior", "term", "path", "logsumexp", "sum"),
            ),
            "the derivative by sigma lacks −1": (
                with_mistake(mixture_density_grad, "normaliser"),
                (*missed("normali", "term", "path", "log_sigma", "det", "1"), "constant", "offset"),
            ),
            "divided by sigma once too often": (
                with_mistake(mixture_density_grad, "sigma"),
                ("sigma", "divided by", "power", r"\bexp\b"),
            ),
        },
        draw_mixture,
        form="grad",
        argnums=(0, 1, 2),
    ),
    Case(
        "reparametrised sample",
        "statistics",
        reparametrised,
        reparametrised_vjp,
        {
            "the half in the exponent is forgotten": (
                with_mistake(reparametrised_vjp, "half"),
                (*TWICE, *HALF),
            ),
            "the variance for the standard deviation": (
                with_mistake(reparametrised_vjp, "variance"),
                ("varian", "std", "standard", "square", "root", "power", r"\bexp\b"),
            ),
            "the noise is left out": (
                with_mistake(reparametrised_vjp, "noise"),
                (*missed("noise", "eps", "factor"), "noise", "divided by"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))),
        argnums=(0, 1),
    ),
    Case(
        "hidden Markov model",
        "statistics",
        hidden_markov,
        hidden_markov_grad,
        {
            "the transition matrix is transposed in the backward recursion": (
                with_mistake(hidden_markov_grad, "transpose"),
                TRANSPOSED,
            ),
            "the emission of t for that of t + 1": (
                with_mistake(hidden_markov_grad, "emission"),
                (*SHIFTED, "emission"),
            ),
            "the last transition is not counted": (
                with_mistake(hidden_markov_grad, "last"),
                (
                    *near("last|final", f"step|transition|time|{MISSED}"),
                    *missed("step", "time", "term"),
                ),
            ),
        },
        lambda rng: (
            np.log(softmax(rng.normal(size=3))),
            np.log(softmax(2 * rng.normal(size=(3, 3)))),
            rng.normal(size=(6, 3)) - 1,
        ),
        form="grad",
    ),
    Case(
        "CTC forward recursion",
        "statistics",
        connectionist,
        connectionist_grad,
        {
            "paths that end on the last label are forgotten": (
                with_mistake(connectionist_grad, "final blank"),
                missed("path", "label", "term", "last", "blank", "end", "final"),
            ),
            "= for the labels that occur twice in the path": (
                with_mistake(connectionist_grad, "assigned"),
                ("overwrit", "accumulat", "repeat", "duplicat", "more than once", "several times"),
            ),
            "the skip of a blank is forgotten on the way back": (
                with_mistake(connectionist_grad, "skip"),
                missed("skip", "blank", "path", "term", "transition"),
            ),
        },
        lambda rng: (np.log(softmax(rng.normal(size=(6, 4)))), np.array([2, 1, 1])),
        form="grad",
    ),
    Case(
        "Cox regression",
        "statistics",
        survival,
        survival_grad,
        {
            "the subject itself is not at risk": (
                with_mistake(survival_grad, "risk set"),
                (*SHIFTED, "risk", "itself", "own", *missed("diagonal", "term")),
            ),
            "everyone is always at risk": (
                with_mistake(survival_grad, "everyone"),
                ("risk", "all (rows|entries)", "triang", "slice", "mask", "cumul"),
            ),
            "the weights are not normalised": (
                with_mistake(survival_grad, "weights"),
                missed("normali", "sum", "denominator", "divi"),
            ),
        },
        lambda rng: (rng.normal(size=3), rng.normal(size=(9, 3))),
        form="grad",
        argnums=(0,),
    ),
]
