"""Small models that return the loss and a dict of gradients, as training loops want them."""

import numpy as np

from .case import Case, with_mistake
from .words import HALF, MEAN_FOR_SUM, MISSED, SHIFTED, TRANSPOSED, missed, near, scaled


def classifier(X, W1, b1, W2, b2, labels, mistake=""):
    """Two layers with ReLU, softmax and L2 penalty: the network of cs231n."""
    n = len(X)
    z = X @ W1 + b1
    h = np.maximum(z, 0)
    scores = h @ W2 + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    penalty = 0.05 * (np.sum(W1**2) + np.sum(W2**2))
    loss = -np.mean(np.log(p[np.arange(n), labels])) + penalty
    d = p
    d[np.arange(n), labels] -= 1
    d = d / n
    dh = d @ W2.T
    dz = dh if mistake == "relu" else dh * (z > 0)
    decay = 0.05 if mistake == "decay" else 0.1
    grads = {
        "X": dz @ W1.T,
        "W1": X.T @ dz + decay * W1,
        "b1": dz.sum(axis=0),
        "W2": h.T @ d + decay * W2,
        "b2": d.sum(axis=0),
    }
    if mistake == "bias":
        grads["b1"] = dz.mean(axis=0)
    return loss, grads


def autoencoder(X, W, b, c, mistake=""):
    """Tied weights: sigmoid(X·W + b) decoded by Wᵀ."""
    h = 1 / (1 + np.exp(-(X @ W + b)))
    r = h @ W.T + c - X
    loss = np.sum(r**2) / len(X)
    dr = 2 * r / len(X)
    dz = (dr @ W) * h * (1 - h)
    grads = {"X": dz @ W.T - dr, "W": X.T @ dz + dr.T @ h, "b": dz.sum(0), "c": dr.sum(0)}
    if mistake == "encoder":
        grads["W"] = dr.T @ h
    elif mistake == "decoder":
        grads["W"] = X.T @ dz
    elif mistake == "target":
        grads["X"] = dz @ W.T
    return loss, grads


def character_model(Wx, Wh, Wy, h0, tokens, mistake=""):
    """Karpathy's min-char-rnn: one-hot inputs, cross-entropy at every step."""
    hs, ps, loss = [h0], [], 0.0
    for now, then in zip(tokens[:-1], tokens[1:], strict=True):
        hs.append(np.tanh(Wx[:, now] + Wh @ hs[-1]))
        y = Wy @ hs[-1]
        p = np.exp(y - y.max())
        ps.append(p / p.sum())
        loss = loss - np.log(ps[-1][then])
    dWx, dWh, dWy, dnext = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(Wy), 0
    for t in reversed(range(len(ps))):
        dy = ps[t].copy()
        dy[tokens[t if mistake == "target" else t + 1]] -= 1
        dWy += np.outer(dy, hs[t + 1])
        dh = Wy.T @ dy + dnext
        dz = (1 - hs[t + 1] ** 2) * dh
        if mistake == "column":
            dWx[:, tokens[t]] = dz
        else:
            dWx[:, tokens[t]] += dz
        dWh += np.outer(dz, hs[t])
        dnext = (Wh if mistake == "transpose" else Wh.T) @ dz
    return loss, {"Wx": dWx, "Wh": dWh, "Wy": dWy, "h0": dnext}


def matrix_factors(U, V, bias, users, items, ratings, mistake=""):
    """Ratings as products of factors; users and items occur several times."""
    r = np.sum(U[users] * V[items], axis=1) + bias[items] - ratings
    loss = 0.5 * np.sum(r**2)
    dU, dV, dbias = np.zeros_like(U), np.zeros_like(V), np.zeros_like(bias)
    if mistake == "users":
        dU[users] += r[:, None] * V[items]
    else:
        np.add.at(dU, users, r[:, None] * V[items])
    np.add.at(dV, items, r[:, None] * (V[items] if mistake == "factor" else U[users]))
    np.add.at(dbias, items, r)
    if mistake == "updated":
        V = V - 0.1 * dV  # the step of one factor is taken before the other's gradient
        dU = np.zeros_like(U)
        np.add.at(dU, users, r[:, None] * V[items])
    return loss, (dU, dV, dbias, None, None, None)


def factorisation_machine(x, w, V, mistake=""):
    """Rendle 2010: a linear term and all products of pairs, one score a row, squared."""
    s = x @ V
    y = x @ w + 0.5 * np.sum(s**2 - x**2 @ V**2, axis=1)
    loss = np.sum(y**2)
    dy = 2 * y[:, None]
    pairs = s @ V.T - x * np.sum(V**2, axis=1)
    if mistake == "self":
        pairs = s @ V.T
    dx = dy * (w + pairs)
    dV = x.T @ (dy * s) - (x**2).T @ dy * V
    if mistake == "half":
        dV = dV / 2
    dw = (x * dy).mean(axis=0) if mistake == "mean" else (x * dy).sum(axis=0)
    return loss, (dx, dw, dV)


CASES = [
    Case(
        "two-layer classifier with a dict of gradients",
        "networks",
        classifier,
        classifier,
        {
            "the gradient does not pass ReLU's mask": (
                with_mistake(classifier, "relu"),
                (*missed("mask", "relu", "max", "branch", "condition", "activation"), "relu"),
            ),
            "the penalty lacks its factor 2": (
                with_mistake(classifier, "decay"),
                (
                    *HALF,
                    *near(r"penalty|decay|regul|0\.05 · (g · )?w", f"{MISSED}|factor"),
                    "penalty",
                    "decay",
                ),
            ),
            "the first bias is averaged, after it was divided already": (
                with_mistake(classifier, "bias"),
                (*MEAN_FOR_SUM, *scaled(r"(0\.16\d*|1/6)", "6")),
            ),
        },
        lambda rng: (
            rng.normal(size=(6, 4)),
            rng.normal(size=(4, 5)),
            rng.normal(size=5),
            rng.normal(size=(5, 3)),
            rng.normal(size=3),
            rng.integers(3, size=6),
        ),
        form="pair",
    ),
    Case(
        "autoencoder with tied weights",
        "networks",
        autoencoder,
        autoencoder,
        {
            "only the decoder's use of the weights": (
                with_mistake(autoencoder, "encoder"),
                missed("use", "path", "term", "encod", "first", "x @ w"),
            ),
            "only the encoder's use of the weights": (
                with_mistake(autoencoder, "decoder"),
                missed("use", "path", "term", "decod", "second", "transpos"),
            ),
            "the input is not a target": (
                with_mistake(autoencoder, "target"),
                missed("use", "path", "term", "target", "direct", "second", "residual"),
            ),
        },
        lambda rng: (
            rng.normal(size=(5, 4)),
            rng.normal(size=(4, 3)),
            rng.normal(size=3),
            rng.normal(size=4),
        ),
        form="pair",
    ),
    Case(
        "character model through time",
        "networks",
        character_model,
        character_model,
        {
            "the target is the present token, not the next": (
                with_mistake(character_model, "target"),
                (*SHIFTED, "target", "label"),
            ),
            "a token's column is overwritten when it returns": (
                with_mistake(character_model, "column"),
                ("overwrit", "accumulat", "repeat", "duplicat", "more than once", r"\+="),
            ),
            "Wh is not transposed through time": (
                with_mistake(character_model, "transpose"),
                TRANSPOSED,
            ),
        },
        lambda rng: (
            rng.normal(size=(4, 5)),
            rng.normal(size=(4, 4)) / 2,
            rng.normal(size=(5, 4)),
            rng.normal(size=4) / 2,
            np.array([0, 3, 1, 3, 3, 2, 4]),
        ),
        form="pair",
    ),
    Case(
        "factors of a rating matrix",
        "networks",
        matrix_factors,
        matrix_factors,
        {
            "+= on users with several ratings": (
                with_mistake(matrix_factors, "users"),
                ("overwrit", "accumulat", "repeat", "duplicat", "more than once", r"add\.at"),
            ),
            "the items' own factors in place of the users'": (
                with_mistake(matrix_factors, "factor"),
                (
                    "swap",
                    "exchang",
                    "wrong factor",
                    "other factor",
                    r"\bv\b.*\bu\b",
                    r"\bu\b.*\bv\b",
                ),
            ),
            "one factor's step is taken before the other's gradient": (
                with_mistake(matrix_factors, "updated"),
                ("updated", "already", "order", "stale", "(before|after) the", "in place"),
            ),
        },
        lambda rng: (
            rng.normal(size=(4, 3)),
            rng.normal(size=(5, 3)),
            rng.normal(size=5),
            np.array([0, 0, 1, 2, 3, 3, 3, 1]),
            np.array([0, 2, 2, 4, 1, 0, 3, 1]),
            np.array([5.0, 3, 4, 1, 2, 4, 5, 3]),
        ),
        form="pair",
        argnums=(0, 1, 2),
    ),
    Case(
        "factorisation machine",
        "networks",
        factorisation_machine,
        factorisation_machine,
        {
            "the products of a feature with itself are not taken off": (
                with_mistake(factorisation_machine, "self"),
                (*missed("term", "path", "use", "square", "itself", "diagonal"), "diagonal"),
            ),
            "half of the factors' gradient": (with_mistake(factorisation_machine, "half"), HALF),
            "the linear weights' gradient is averaged": (
                with_mistake(factorisation_machine, "mean"),
                (*MEAN_FOR_SUM, *scaled(r"(0\.20*|1/5)", "5")),
            ),
        },
        lambda rng: (
            rng.normal(size=(5, 4)) * (rng.random((5, 4)) < 0.7),
            rng.normal(size=4),
            rng.normal(size=(4, 2)),
        ),
        form="pair",
    ),
]
