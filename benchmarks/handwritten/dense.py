"""Dense layers and small networks of them."""

import numpy as np

from .case import Case, make_layer_case, with_mistake
from .words import HALF, MEAN_FOR_SUM, MISSED, SIGN, TRANSPOSED, TWICE, missed, near, scaled


class Dense:
    """y = x·W + b, as in a course on neural networks."""

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.grads = {"W": self.x.T @ g, "b": g.sum(axis=0)}
        return g @ self.W.T


class DenseMeanBias(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["b"] = g.mean(axis=0)
        return dx


class DenseNoTranspose(Dense):
    def backward(self, g):
        super().backward(g)
        return g @ self.W  # W is square


class DenseSwappedOuter(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["W"] = g.T @ self.x
        return dx


class DenseWrongAxis(Dense):
    def backward(self, g):
        dx = super().backward(g)
        self.grads["b"] = np.full(g.shape[1], g.sum())
        return dx


def relu(x):
    return np.maximum(x, 0)


def relu_vjp(g, x):
    return (g * (x > 0),)


def two_layer_loss(x, W1, b1, W2, b2, t):
    h = np.tanh(x @ W1 + b1)
    return np.mean((h @ W2 + b2 - t) ** 2)


def two_layer_grad(x, W1, b1, W2, b2, t, mistake=""):
    z = x @ W1 + b1
    h = np.tanh(z)
    y = h @ W2 + b2
    dy = 2 * (y - t) / (len(t) if mistake == "rows" else t.size)
    dh = dy @ W2.T
    dz = dh * (1 - np.tanh(h if mistake == "output" else z) ** 2)
    if mistake == "inactive":
        dz = dh
    return dz @ W1.T, x.T @ dz, dz.sum(axis=0), h.T @ dy, dy.sum(axis=0), None


def residual(x, W, V):
    return x + np.tanh(x @ W) @ V


def residual_vjp(g, x, W, V, mistake=""):
    h = np.tanh(x @ W)
    dz = (g @ V.T) * (1 - h**2)
    dx = dz @ W.T
    if mistake == "overwritten":
        dx = g.copy()
    elif mistake != "no skip":
        dx = dx + g
    if mistake == "double skip":
        dx = dx + g
    return dx, x.T @ dz, h.T @ g


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def highway(x, W, b, Wt, bt):
    gate = sigmoid(x @ Wt + bt)
    return gate * np.tanh(x @ W + b) + (1 - gate) * x


def highway_vjp(g, x, W, b, Wt, bt, mistake=""):
    gate, h = sigmoid(x @ Wt + bt), np.tanh(x @ W + b)
    dh = g * gate * (1 - h**2)
    dgate = g * (h if mistake == "carry" else h - x) * gate * (1 - gate)
    dx = dh @ W.T + dgate @ Wt.T
    if mistake == "input":
        dx = dh @ W.T + g * (1 - gate)
    elif mistake != "no carry":
        dx = dx + g * (1 - gate)
    return dx, x.T @ dh, dh.sum(axis=0), x.T @ dgate, dgate.sum(axis=0)


class Maxout:
    """The largest of k affine maps for each unit; W has the shape (k, inputs, units)."""

    def forward(self, x):
        self.x = x
        z = np.einsum("ni,kio->kno", x, self.W) + self.b[:, None, :]
        self.winner = z.argmax(axis=0)
        return z.max(axis=0)

    def spread(self, g):
        return g * (np.arange(len(self.W))[:, None, None] == self.winner)

    def backward(self, g):
        d = self.spread(g)
        self.dW = np.einsum("ni,kno->kio", self.x, d)
        self.db = d.sum(axis=1)
        return np.einsum("kno,kio->ni", d, self.W)


class MaxoutAllPieces(Maxout):
    def spread(self, g):
        return np.repeat(g[None], len(self.W), axis=0)


class MaxoutAveraged(Maxout):
    def spread(self, g):
        return np.repeat(g[None], len(self.W), axis=0) / len(self.W)


class MaxoutFirstPiece(Maxout):
    def backward(self, g):
        dx = super().backward(g)
        return dx * 0 + g @ self.W[0].T


def bilinear(x, W, z):
    return np.einsum("ni,kij,nj->nk", x, W, z)


def bilinear_vjp(g, x, W, z):
    return (
        np.einsum("nk,kij,nj->ni", g, W, z),
        np.einsum("nk,ni,nj->kij", g, x, z),
        np.einsum("nk,kij,ni->nj", g, W, x),
    )


def bilinear_swapped(g, x, W, z):
    dx, dW, _ = bilinear_vjp(g, x, W, z)
    return dx, dW, np.einsum("nk,kij,nj->ni", g, W, x)


def bilinear_transposed_weight(g, x, W, z):
    dx, dW, dz = bilinear_vjp(g, x, W, z)
    return dx, dW.transpose(0, 2, 1), dz


def bilinear_mean(g, x, W, z):
    dx, dW, dz = bilinear_vjp(g, x, W, z)
    return dx, dW / len(x), dz


def quadratic(x, A):
    return x @ A @ x


def low_rank(x, U, V, b):
    return np.einsum("bti,ir,ro->bto", x, U, V) + b


def low_rank_vjp(g, x, U, V, b):
    return (
        np.einsum("bto,ir,ro->bti", g, U, V),
        np.einsum("bto,bti,ro->ir", g, x, V),
        np.einsum("bto,bti,ir->ro", g, x, U),
        g.sum(axis=(0, 1)),
    )


def low_rank_one_axis(g, x, U, V, b):
    dx, dU, dV, _ = low_rank_vjp(g, x, U, V, b)
    return dx, dU, dV, g[0].sum(axis=0)


def low_rank_last_batch(g, x, U, V, b):
    dx, dU, dV, db = low_rank_vjp(g, x, U, V, b)
    for i in range(len(x)):
        dU = x[i].T @ g[i] @ V.T
    return dx, dU, dV, db


def low_rank_no_rank(g, x, U, V, b):
    dx, dU, dV, db = low_rank_vjp(g, x, U, V, b)
    return dx, np.einsum("bto,bti,ro->ir", g, x, np.ones_like(V)), dV, db


def decayed_loss(w, X, t, lam):
    r = X @ w - t
    return 0.5 * np.mean(r**2) + lam * np.sum(w[:-1] ** 2)


def decayed_grad(w, X, t, lam, mistake=""):
    dw = X.T @ (X @ w - t) / len(t)
    decay = 2 * lam * np.append(w[:-1], 0)
    if mistake == "half":
        decay = decay / 2
    elif mistake == "bias":
        decay = 2 * lam * w
    elif mistake == "sign":
        decay = -decay
    return dw + decay, None, None, None


CASES = [
    make_layer_case(
        "dense",
        "dense",
        Dense,
        ("W", "b"),
        {
            "the bias gradient is averaged over the batch": (
                DenseMeanBias,
                (*MEAN_FOR_SUM, *scaled(r"(0\.16\d*|1/6)", "6"), "not summed"),
            ),
            "W is not transposed on the way back": (DenseNoTranspose, TRANSPOSED),
            "the factors of the weight gradient are swapped": (
                DenseSwappedOuter,
                (*TRANSPOSED, "swap", "exchang"),
            ),
        },
        lambda rng: (rng.normal(size=(6, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)),
    ),
    make_layer_case(
        "dense, batch of one",
        "dense",
        Dense,
        ("W", "b"),
        {
            "W is not transposed on the way back": (DenseNoTranspose, TRANSPOSED),
            "the factors of the weight gradient are swapped": (
                DenseSwappedOuter,
                (*TRANSPOSED, "swap", "exchang"),
            ),
            "the bias gradient is summed over the units": (
                DenseWrongAxis,
                ("wrong ax[ie]s", "other ax[ie]s", "summed over", "sum(s)? over", "broadcast"),
            ),
        },
        lambda rng: (rng.normal(size=(1, 5)), rng.normal(size=(5, 5)), rng.normal(size=5)),
    ),
    Case(
        "relu with exact zeros",
        "dense",
        relu,
        relu_vjp,
        {
            "the mask is taken from the gradient, not from the input": (
                lambda g, x: (g * (g > 0),),
                (
                    "g > 0",
                    *near("cotangent|incoming|upstream", "mask|sign|posit|negat|clip"),
                    *near("mask|condition|branch", "cotangent|gradient|wrong|other"),
                    "not linear in the (cotangent|gradient)",
                ),
            ),
            "the gradient is x, not 1, where x is positive": (
                lambda g, x: (g * np.maximum(x, 0),),
                ("(times|multiplied by|factor)( of)? x", "value (in place|instead) of", "output"),
            ),
            "the mask is forgotten": (
                lambda g, x: (g,),
                (
                    *missed("mask", "branch", "condition", "relu", "derivative"),
                    "identity",
                    r"x (<|is negative|below)",
                    "should be (0|zero)",
                ),
            ),
        },
        lambda rng: (np.where(rng.random((5, 4)) < 0.2, 0, rng.normal(size=(5, 4))),),
    ),
    Case(
        "two layers, tanh, mean squared error",
        "dense",
        two_layer_loss,
        two_layer_grad,
        {
            "divided by the rows instead of all entries": (
                with_mistake(two_layer_grad, "rows"),
                (*scaled(r"3(\.0+)?"), "3 times", *missed("mean", "averag")),
            ),
            "the derivative of tanh is evaluated at tanh(z)": (
                with_mistake(two_layer_grad, "output"),
                ("output", "twice", "tanh", "evaluated at", "already", "activation"),
            ),
            "the derivative of tanh is forgotten": (
                with_mistake(two_layer_grad, "inactive"),
                ("tanh", *missed("activation", "derivative", "nonlinear", "inner")),
            ),
        },
        lambda rng: (
            rng.normal(size=(4, 3)),
            rng.normal(size=(3, 5)),
            rng.normal(size=5),
            rng.normal(size=(5, 3)),
            rng.normal(size=3),
            rng.normal(size=(4, 3)),
        ),
        form="grad",
        argnums=(0, 1, 2, 3, 4),
    ),
    Case(
        "residual block",
        "dense",
        residual,
        residual_vjp,
        {
            "the gradient of the skip connection is forgotten": (
                with_mistake(residual_vjp, "no skip"),
                (*missed("skip", "residual", "path", "cotangent", "identity", "use", "term"),),
            ),
            "the skip's gradient overwrites that of the branch": (
                with_mistake(residual_vjp, "overwritten"),
                (
                    *missed("path", "branch", "term", "use", "w", "h"),
                    "overwrit",
                    "replac",
                    "just g",
                ),
            ),
            "the skip's gradient is added twice": (
                with_mistake(residual_vjp, "double skip"),
                (
                    *TWICE,
                    *near("cotangent|skip|identity|path|term g", "extra|too (many|much|often)"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(3, 6)), rng.normal(size=(6, 3))),
    ),
    Case(
        "highway layer",
        "dense",
        highway,
        highway_vjp,
        {
            "the carried part does not send a gradient to x": (
                with_mistake(highway_vjp, "no carry"),
                (*missed("carr", "1 - ", "path", "term", "use", "skip", "direct"),),
            ),
            "the gate's gradient forgets that the carry depends on the gate": (
                with_mistake(highway_vjp, "carry"),
                (*missed("carr", "1 - ", "path", "term", "gate", "use of"), r"h - x"),
            ),
            "x receives nothing through the gate": (
                with_mistake(highway_vjp, "input"),
                (*missed("gate", "path", "wt", "term", "use of x"),),
            ),
        },
        lambda rng: (
            rng.normal(size=(5, 3)),
            rng.normal(size=(3, 3)),
            rng.normal(size=3),
            rng.normal(size=(3, 3)),
            rng.normal(size=3) - 1,
        ),
    ),
    make_layer_case(
        "maxout",
        "dense",
        Maxout,
        ("W", "b"),
        {
            "every piece gets the gradient, not only the largest": (
                MaxoutAllPieces,
                (
                    *near("all|every|each", "piece|entr|max|get|receive"),
                    *missed("argmax", "mask", "winner", "max"),
                    r"should be (0|zero)",
                ),
            ),
            "the gradient is shared equally by the pieces": (
                MaxoutAveraged,
                (
                    *near("all|every|each|equal|share|split", "piece|entr|max|get|receive"),
                    *missed("argmax", "mask", "winner", "max"),
                    "averag",
                    "mean",
                ),
            ),
            "the input's gradient goes through the first piece only": (
                MaxoutFirstPiece,
                (
                    *near("first|index 0|w\\[0|slice|one of", "only|piece|part|instead|in place"),
                    *missed("piece", "argmax", "winner", "slice", "max"),
                ),
            ),
        },
        lambda rng: (rng.normal(size=(5, 4)), rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 2))),
    ),
    Case(
        "bilinear layer",
        "dense",
        bilinear,
        bilinear_vjp,
        {
            "the gradient of z contracts the wrong axis of W": (
                bilinear_swapped,
                (*TRANSPOSED, "wrong ax[ie]s", "other ax[ie]s", "swap", "exchang"),
            ),
            "the last two axes of the weight gradient are swapped": (
                bilinear_transposed_weight,
                TRANSPOSED,
            ),
            "the weight gradient is averaged over the batch": (
                bilinear_mean,
                (*MEAN_FOR_SUM, *scaled(r"(0\.20*|1/5)", "5")),
            ),
        },
        lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(4, 3, 3)), rng.normal(size=(5, 3))),
    ),
    Case(
        "quadratic form of a matrix",
        "dense",
        quadratic,
        lambda x, A: ((A + A.T) @ x, np.outer(x, x)),
        {
            "2·A·x, as if A were symmetric": (
                lambda x, A: (2 * A @ x, np.outer(x, x)),
                (*TRANSPOSED, "symmetr", r"a\.t\b", "aᵀ", "one of two uses is taken for the other"),
            ),
            "only one of the two uses of x": (
                lambda x, A: (A @ x, np.outer(x, x)),
                (*missed("use", "term", "path", "factor", "occurrence"), *TRANSPOSED, "symmetr"),
            ),
            "the matrix gradient has twice the off-diagonal, as if A were symmetric": (
                lambda x, A: ((A + A.T) @ x, np.outer(x, x) * (2 - np.eye(len(x)))),
                ("symmetr", "diagonal", "triang"),
            ),
        },
        lambda rng: (rng.normal(size=6), rng.normal(size=(6, 6))),
        form="grad",
    ),
    Case(
        "low-rank layer on sequences (einsum)",
        "dense",
        low_rank,
        low_rank_vjp,
        {
            "the bias gradient has the first batch element only": (
                low_rank_one_axis,
                (
                    *near("first|one|single|index 0|slice", "only|batch|element|part|row|sum"),
                    *missed("sum", "batch", "axis", "rows"),
                ),
            ),
            "a loop over the batch overwrites the gradient of U": (
                low_rank_last_batch,
                (
                    "overwrit",
                    "accumulat",
                    *near("last", "only|batch|element|part|row|sum"),
                    *missed("sum", "batch", "axis", "rows", "part"),
                ),
            ),
            "V is left out of the gradient of U": (
                low_rank_no_rank,
                (rf"{MISSED}.*\bv\b", rf"\bv\b.*{MISSED}", "chain", "ones"),
            ),
        },
        lambda rng: (
            rng.normal(size=(2, 3, 4)),
            rng.normal(size=(4, 2)),
            rng.normal(size=(2, 5)),
            rng.normal(size=5),
        ),
    ),
    Case(
        "least squares with weight decay, bias not decayed",
        "dense",
        decayed_loss,
        decayed_grad,
        {
            "the decay lacks its factor 2": (
                with_mistake(decayed_grad, "half"),
                (*HALF, *TWICE, *near(r"lam|decay|penalty|regul|0\.1 · w", f"{MISSED}|factor")),
            ),
            "the bias is decayed as well": (
                with_mistake(decayed_grad, "bias"),
                (
                    "bias",
                    r"w\[(4|-1)\].*(extra|only|alone|decay|penal|w)",
                    "last entry",
                    "index were :,",
                ),
            ),
            "the decay is subtracted": (
                with_mistake(decayed_grad, "sign"),
                (*SIGN, "subtract"),
            ),
        },
        lambda rng: (
            rng.normal(size=5),
            np.column_stack([rng.normal(size=(12, 4)), np.ones(12)]),
            rng.normal(size=12),
            0.1,
        ),
        form="grad",
        argnums=(0,),
    ),
]
