"""Lookups, sorting, selections, and running sums and products."""

import numpy as np

from .case import Case, make_layer_case, with_mistake
from .words import (
    MEAN_FOR_SUM,
    MISSED,
    REPEATED,
    REVERSED,
    SHIFTED,
    TRANSPOSED,
    TWICE,
    missed,
    near,
    scaled,
)

CUMULATIVE = ("cumul", "cumsum", "running sum", "diagonal", "triang", *REVERSED, *TRANSPOSED)


class Embedding:
    """Rows of a table, by token; the tokens of a sentence repeat."""

    tokens = np.array([[1, 4, 1, 0], [4, 4, 2, 6]])

    def forward(self, x):
        self.x = x
        return x[self.tokens]

    def backward(self, g):
        self.grads = {}
        dx = np.zeros_like(self.x)
        np.add.at(dx, self.tokens, g)
        return dx


class EmbeddingPlusAssign(Embedding):
    def backward(self, g):
        self.grads = {}
        dx = np.zeros_like(self.x)
        dx[self.tokens] += g
        return dx


class EmbeddingMean(Embedding):
    def backward(self, g):
        dx = super().backward(g)
        counts = np.bincount(self.tokens.ravel(), minlength=len(dx))
        return dx / np.maximum(counts, 1)[:, None]


class EmbeddingOffByOne(Embedding):
    """Token numbers that start at 1 on the way back."""

    def backward(self, g):
        self.grads = {}
        dx = np.zeros_like(self.x)
        np.add.at(dx, self.tokens - 1, g)
        return dx


def tied_embedding(table, tokens):
    """Scores of a language model whose output weights are the embedding table."""
    return np.tanh(table[tokens]) @ table.T


def tied_embedding_vjp(g, table, tokens, mistake=""):
    h = np.tanh(table[tokens])
    output = g.T @ h
    dh = g @ table
    if mistake != "tanh":
        dh = dh * (1 - h**2)
    lookup = np.zeros_like(table)
    np.add.at(lookup, tokens, dh)
    if mistake == "lookup":
        return output, None
    if mistake == "output":
        return lookup, None
    return output + lookup, None


def bag_of_words(table, tokens, bag):
    """The mean embedding of each bag (segment)."""
    sums = np.zeros((3, table.shape[1]), dtype=table.dtype)
    np.add.at(sums, bag, table[tokens])
    return sums / np.bincount(bag)[:, None]


def bag_of_words_vjp(g, table, tokens, bag, mistake=""):
    counts = np.bincount(bag)[:, None]
    rows = (g if mistake == "sum" else g / counts)[bag]
    d = np.zeros_like(table)
    if mistake == "assign":
        d[tokens] = rows
    elif mistake == "order":
        np.add.at(d, tokens, (g / counts)[np.sort(bag)[::-1]])
    else:
        np.add.at(d, tokens, rows)
    return d, None, None


def gather_columns(x, index):
    return np.take_along_axis(x, index, axis=1)


def gather_columns_vjp(g, x, index, mistake=""):
    d = np.zeros_like(x)
    rows = np.arange(len(x))[:, None]
    if mistake == "put":
        np.put_along_axis(d, index, g, axis=1)
    elif mistake == "gather":
        d = np.take_along_axis(np.pad(g, ((0, 0), (0, x.shape[1] - g.shape[1]))), index, axis=1)
        d = np.pad(d, ((0, 0), (0, x.shape[1] - d.shape[1])))
    elif mistake == "first row":
        np.add.at(d, (rows * 0, index), g)
    else:
        np.add.at(d, (rows, index), g)
    return d, None


def message_passing(h, W, sources, targets):
    """Sum the messages of a graph's edges; edge weights are the cosines of features."""
    m = np.tanh(h @ W)
    y = np.zeros_like(m)
    np.add.at(y, targets, m[sources])
    return y


def message_passing_vjp(g, h, W, sources, targets, mistake=""):
    m = np.tanh(h @ W)
    dm = np.zeros_like(m)
    if mistake == "ends":
        np.add.at(dm, targets, g[sources])
    elif mistake == "assign":
        dm[sources] += g[targets]
    else:
        np.add.at(dm, sources, g[targets])
    if mistake == "degree":
        dm = dm / np.maximum(np.bincount(sources, minlength=len(h)), 1)[:, None]
    dz = dm * (1 - m**2)
    return dz @ W.T, h.T @ dz, None, None


def sort_with_weights(x, w):
    """An L-statistic: weights of the order statistics."""
    return np.sort(x, axis=-1) * w


def sort_with_weights_vjp(g, x, w, mistake=""):
    order = np.argsort(x, axis=-1)
    d = np.zeros_like(x)
    if mistake == "inverse":
        d = np.take_along_axis(g * w, order, axis=-1)
    elif mistake == "unsorted":
        d = g * w
    else:
        np.put_along_axis(d, order, g * w, axis=-1)
    dw = g * (x if mistake == "raw" else np.sort(x, axis=-1))
    return d, dw.sum(axis=0)


def top_k_mean(x):
    """The mean of each row's three largest entries."""
    return np.sort(x, axis=1)[:, -3:].mean(axis=1)


def top_k_mean_vjp(g, x, mistake=""):
    d = np.zeros_like(x)
    order = np.argsort(x, axis=1)
    chosen = order[:, :3] if mistake == "smallest" else order[:, -3:]
    if mistake == "one":
        chosen = order[:, -1:]
    share = 1 if mistake == "sum" else 1 / 3
    np.put_along_axis(d, chosen, np.repeat(g[:, None] * share, 3, axis=1)[:, : chosen.shape[1]], 1)
    return (d,)


def largest_with_ties(x):
    return np.max(x, axis=1)


def largest_vjp(g, x, mistake=""):
    hit = x == x.max(axis=1, keepdims=True)
    if mistake == "all":
        return (hit * g[:, None],)
    if mistake == "count of all":
        return (hit * g[:, None] / hit.sum(),)
    if mistake == "flat":
        hit = x == x.max()
    return (hit * g[:, None] / np.maximum(hit.sum(axis=1, keepdims=True), 1),)


def running_sum_vjp(g, x):
    return (np.cumsum(g[::-1], axis=0)[::-1],)


def running_product_vjp(g, x):
    """By the products of the other factors, which a zero in x does not harm."""
    d = np.zeros_like(x)
    for i in range(len(x)):
        prefix = np.prod(x[:i])
        for t in range(i, len(x)):
            d[i] += g[t] * prefix * np.prod(x[i + 1 : t + 1])
    return (d,)


def running_product_divided(g, x):
    """cumsum(g·y)/x from the textbooks, with the zeros patched."""
    y = np.cumprod(x)
    return (np.cumsum((g * y)[::-1])[::-1] / np.where(x == 0, 1, x),)


def running_product_forward(g, x):
    d = np.zeros_like(x)
    for i in range(len(x)):
        for t in range(i + 1):
            d[i] += g[t] * np.prod(np.delete(x[: i + 1], t))
    return (d,)


def running_product_own(g, x):
    return (g * np.concatenate([[1], np.cumprod(x)[:-1]]),)


def product_of_rows(x):
    return np.prod(x, axis=1)


def logsumexp(x):
    top = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]


def logsumexp_vjp(g, x, mistake=""):
    top = x.max(axis=-1, keepdims=True)
    e = np.exp(x - top)
    if mistake == "unnormalised":
        return (g[:, None] * e,)
    if mistake == "max path":
        return (g[:, None] * (e / e.sum(axis=-1, keepdims=True) + (x == top)),)
    if mistake == "all":
        return (g[:, None] * e / e.sum(),)
    return (g[:, None] * e / e.sum(axis=-1, keepdims=True),)


def total_variation(u):
    """Of an image, smoothed by eps as in denoising."""
    dx, dy = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
    return np.sum(np.sqrt(dx**2 + dy**2 + 1e-3))


def total_variation_grad(u, mistake=""):
    dx, dy = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
    n = np.sqrt(dx**2 + dy**2 + (0 if mistake == "eps" else 1e-3))
    px, py = dx / n, dy / n
    d = np.zeros_like(u)
    d[1:, :-1] += px
    d[:-1, 1:] += px if mistake == "mixed" else py
    if mistake != "one end":
        d[:-1, :-1] -= px + py
    return d


CASES = [
    make_layer_case(
        "embedding with repeated tokens",
        "indexing",
        Embedding,
        (),
        {
            "+= on repeated indices keeps one of them": (EmbeddingPlusAssign, REPEATED),
            "averaged over the occurrences of a token": (
                EmbeddingMean,
                (*MEAN_FOR_SUM, "count", "number of", "divided by", *REPEATED),
            ),
            "the row before each token's": (EmbeddingOffByOne, (*SHIFTED, "index")),
        },
        lambda rng: (rng.normal(size=(7, 3)),),
    ),
    Case(
        "language model with tied embedding",
        "indexing",
        tied_embedding,
        tied_embedding_vjp,
        {
            "only the output's use of the table": (
                with_mistake(tied_embedding_vjp, "lookup"),
                missed("use", "path", "lookup", "index", "term", "embedding", "row"),
            ),
            "only the lookup's use of the table": (
                with_mistake(tied_embedding_vjp, "output"),
                missed("use", "path", "output", "product", "term", "matmul"),
            ),
            "the derivative of tanh is forgotten": (
                with_mistake(tied_embedding_vjp, "tanh"),
                ("tanh", *missed("activation", "derivative", "nonlinear", "inner")),
            ),
        },
        lambda rng: (rng.normal(size=(6, 4)), np.array([3, 0, 3, 5, 1])),
    ),
    Case(
        "mean embedding of bags of words",
        "indexing",
        bag_of_words,
        bag_of_words_vjp,
        {
            "not divided by the size of the bag": (
                with_mistake(bag_of_words_vjp, "sum"),
                (
                    "sum where a mean",
                    "sum instead of",
                    "count",
                    "size of",
                    *missed("mean", "divi", "averag"),
                ),
            ),
            "a word in two bags keeps the last": (
                with_mistake(bag_of_words_vjp, "assign"),
                REPEATED,
            ),
            "the words' gradients are in the wrong order": (
                with_mistake(bag_of_words_vjp, "order"),
                ("order", "permut", "shuffl", "index", "swap", *REVERSED, "wrong row"),
            ),
        },
        lambda rng: (
            rng.normal(size=(6, 3)),
            np.array([0, 2, 2, 5, 4, 1, 0]),
            np.array([0, 0, 1, 1, 1, 2, 2]),
        ),
    ),
    Case(
        "gather along rows, indices repeat",
        "indexing",
        gather_columns,
        gather_columns_vjp,
        {
            "put_along_axis overwrites": (with_mistake(gather_columns_vjp, "put"), REPEATED),
            "gathered once more instead of scattered": (
                with_mistake(gather_columns_vjp, "gather"),
                (*TRANSPOSED, "scatter", "gather", "inverse", "index", "permut"),
            ),
            "all rows are added to the first": (
                with_mistake(gather_columns_vjp, "first row"),
                ("row", "index", "(is|are) (0|zero)", "summed over", "axis", "broadcast"),
            ),
        },
        lambda rng: (rng.normal(size=(3, 5)), np.array([[0, 0, 3], [4, 1, 4], [2, 2, 2]])),
    ),
    Case(
        "message passing on a graph",
        "indexing",
        message_passing,
        message_passing_vjp,
        {
            "the ends of the edges are swapped": (
                with_mistake(message_passing_vjp, "ends"),
                (*TRANSPOSED, "swap", "exchang", "source", "direction", *REVERSED),
            ),
            "+= for nodes with several edges": (
                with_mistake(message_passing_vjp, "assign"),
                REPEATED,
            ),
            "divided by the degree of the source": (
                with_mistake(message_passing_vjp, "degree"),
                (*MEAN_FOR_SUM, "degree", "count", "number of", "divided by"),
            ),
        },
        lambda rng: (
            rng.normal(size=(5, 3)),
            rng.normal(size=(3, 3)),
            np.array([0, 0, 1, 2, 3, 3, 4]),
            np.array([1, 2, 2, 0, 0, 4, 0]),
        ),
    ),
    Case(
        "order statistics with weights",
        "indexing",
        sort_with_weights,
        sort_with_weights_vjp,
        {
            "the permutation in place of its inverse": (
                with_mistake(sort_with_weights_vjp, "inverse"),
                ("permut", "inverse", "order", "argsort", "sort", "transpos", "shuffl"),
            ),
            "the gradient stays in sorted order": (
                with_mistake(sort_with_weights_vjp, "unsorted"),
                ("permut", "order", "argsort", "sort", "shuffl"),
            ),
            "the weights' gradient has x before it is sorted": (
                with_mistake(sort_with_weights_vjp, "raw"),
                ("sort", "order", "permut", "input"),
            ),
        },
        lambda rng: (rng.normal(size=(3, 6)), rng.normal(size=6)),
    ),
    Case(
        "mean of the three largest",
        "indexing",
        top_k_mean,
        top_k_mean_vjp,
        {
            "the three smallest": (
                with_mistake(top_k_mean_vjp, "smallest"),
                (
                    "smallest",
                    "lowest",
                    "argmin",
                    "wrong entr",
                    "order",
                    "select",
                    *REVERSED,
                    "permut",
                ),
            ),
            "not divided by 3": (
                with_mistake(top_k_mean_vjp, "sum"),
                (*scaled(r"3(\.0+)?"), "sum where a mean", *missed("mean", "divi")),
            ),
            "only the largest": (
                with_mistake(top_k_mean_vjp, "one"),
                (
                    *near("largest|max|one|first|last", "only"),
                    *missed("entr", "term", "part", "path", "rank"),
                    r"(is|are) (0|zero)",
                ),
            ),
        },
        lambda rng: (rng.normal(size=(4, 7)),),
    ),
    Case(
        "largest of rows with ties",
        "indexing",
        largest_with_ties,
        largest_vjp,
        {
            "every tied entry gets the whole gradient": (
                with_mistake(largest_vjp, "all"),
                (r"\btie", "tied", "equal (max|entries|values)", "kink", "several max", "shared"),
            ),
            "shared by the winners of all rows": (
                with_mistake(largest_vjp, "count of all"),
                ("count", "number of", *scaled(r"\d\S*", r"\d+"), "all rows", r"\btie", "axis"),
            ),
            "the largest of all rows only": (
                with_mistake(largest_vjp, "flat"),
                (
                    *near("whole|all|over|global", "max|row|axis"),
                    *missed("row", "max", "axis", "entries"),
                    r"(is|are) (0|zero)",
                ),
            ),
        },
        lambda rng: (np.array([[1.0, 3, 3, 0], [2, 2, -1, 2], [0, -1, -1, -3], [5, 1, 4, 4]]),),
    ),
    Case(
        "running sum of columns",
        "indexing",
        lambda x: np.cumsum(x, axis=0),
        running_sum_vjp,
        {
            "summed forwards instead of backwards": (
                lambda g, x: (np.cumsum(g, axis=0),),
                CUMULATIVE,
            ),
            "not summed": (
                lambda g, x: (g,),
                (*CUMULATIVE, *missed("sum", "later", "path", "term", "identity"), "identity"),
            ),
            "the entry itself is left out of its sum": (
                lambda g, x: (np.cumsum(g[::-1], axis=0)[::-1] - g,),
                (*SHIFTED, *CUMULATIVE, "exclusive", *missed("own", "itself", "diagonal", "term")),
            ),
        },
        lambda rng: (rng.normal(size=(6, 3)),),
    ),
    Case(
        "running product with a zero",
        "indexing",
        np.cumprod,
        running_product_vjp,
        {
            "cumsum(g·y)/x with the division by zero patched": (
                running_product_divided,
                (
                    *near("zero|0", "divi|entr|product|input|where|patch|x"),
                    *missed("product", "factor"),
                ),
            ),
            "the factors before instead of the products after": (
                running_product_forward,
                (*CUMULATIVE, "direction", "forward", "order"),
            ),
            "only the product in which x is the last factor": (
                running_product_own,
                (*missed("later", "path", "term", "product"), "diagonal", "own"),
            ),
        },
        lambda rng: (np.array([1.3, -0.7, 0.0, 2.1, 0.6, -1.4]),),
        names=("x",),
    ),
    Case(
        "product of rows",
        "indexing",
        product_of_rows,
        lambda g, x: (g[:, None] * np.prod(x, axis=1)[:, None] / x,),
        {
            "the whole product, not divided by the factor": (
                lambda g, x: (g[:, None] * np.prod(x, axis=1)[:, None] * np.ones_like(x),),
                (
                    *missed("divi", "1/x", "factor"),
                    "multiplied by x",
                    "times x",
                    r"factor( of)? x",
                    "not divided by the entry",
                ),
            ),
            "the product of the columns": (
                lambda g, x: (g[:, None] * np.prod(x, axis=0) / x,),
                ("wrong ax[ie]s", "other ax[ie]s", "axis", "transpos", "column"),
            ),
            "divided by the absolute value": (
                lambda g, x: (g[:, None] * np.prod(x, axis=1)[:, None] / np.abs(x),),
                ("sign", "abs", "negat", "magnitude"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 4)),),
    ),
    Case(
        "log-sum-exp of rows, scores near −1000",
        "indexing",
        logsumexp,
        logsumexp_vjp,
        {
            "not divided by the sum": (
                with_mistake(logsumexp_vjp, "unnormalised"),
                (*missed("sum", "normali", "denominator", "divi"), "multiplied by", "normali"),
            ),
            "the subtracted maximum is differentiated on its own": (
                with_mistake(logsumexp_vjp, "max path"),
                ("max", *TWICE, "extra", "one.?hot", "too many for the largest"),
            ),
            "normalised over all rows": (
                with_mistake(logsumexp_vjp, "all"),
                ("axis", "all (rows|entries|axes)", "wrong ax", "normali", "whole", "sum"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 5)) - 1000 + np.arange(4)[:, None],),
    ),
    Case(
        "total variation of an image with flat parts",
        "indexing",
        total_variation,
        total_variation_grad,
        {
            "eps is forgotten in the gradient": (
                with_mistake(total_variation_grad, "eps"),
                ("eps", *missed("constant", "smooth"), "1e-0?3", "root", r"0\.001", "nan", "divi"),
            ),
            "each difference moves one of its ends only": (
                with_mistake(total_variation_grad, "one end"),
                (*missed("end", "path", "term", "use", "neighb"), f"{MISSED}.*u\\[", "neighb"),
            ),
            "the horizontal difference is used twice": (
                with_mistake(total_variation_grad, "mixed"),
                ("swap", "axis", "direction", "horizontal", "vertical", *TWICE, "transpos"),
            ),
        },
        lambda rng: (
            np.repeat(rng.uniform(size=(5, 3)), 2, axis=1) + 1e-3 * rng.normal(size=(5, 6)),
        ),
        form="grad",
    ),
]
