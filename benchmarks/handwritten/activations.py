"""Activation functions entry by entry, whose derivatives people write from memory."""

import math

import numpy as np

from .case import Case
from .words import HALF, MISSED, SIGN, missed, near, scaled

INSTEAD = r"(output|value|result|already|twice|evaluated|instead|in place)"


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def leaky_relu(x, slope):
    return np.where(x > 0, x, slope * x)


def leaky_relu_vjp(g, x, slope):
    return g * np.where(x > 0, 1, slope), np.sum(g * np.where(x > 0, 0, x))


def leaky_relu_all(g, x, slope):
    return g * np.where(x > 0, 1, slope), np.sum(g * x)


def leaky_relu_reversed(g, x, slope):
    return g * np.where(x > 0, slope, 1), np.sum(g * np.where(x > 0, 0, x))


def leaky_relu_unsummed(g, x, slope):
    return g * np.where(x > 0, 1, slope), np.mean(g * np.where(x > 0, 0, x))


def elu(x):
    return np.where(x > 0, x, 1.5 * np.expm1(np.minimum(x, 0)))


def gelu(x):
    """The customary approximation by tanh."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_vjp(g, x):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return (g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2)),)


def gelu_no_inner(g, x):
    t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return (g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2)),)


def gelu_no_product_rule(g, x):
    t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return (g * 0.5 * (1 + t),)


def gelu_cube_power(g, x):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return (g * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 0.044715 * x**2)),)


def mish(x):
    return x * np.tanh(softplus(x))


def mish_vjp(g, x):
    t = np.tanh(softplus(x))
    return (g * (t + x * (1 - t**2) * sigmoid(x)),)


def mish_no_sigmoid(g, x):
    t = np.tanh(softplus(x))
    return (g * (t + x * (1 - t**2)),)


def mish_no_first(g, x):
    t = np.tanh(softplus(x))
    return (g * x * (1 - t**2) * sigmoid(x),)


def mish_no_square(g, x):
    t = np.tanh(softplus(x))
    return (g * (t + x * (1 - t) * sigmoid(x)),)


def swish(x, beta):
    return x * sigmoid(beta * x)


def swish_vjp(g, x, beta):
    s = sigmoid(beta * x)
    return g * (s + beta * x * s * (1 - s)), np.sum(g * x**2 * s * (1 - s), axis=0)


def swish_no_beta(g, x, beta):
    s = sigmoid(beta * x)
    return g * (s + x * s * (1 - s)), swish_vjp(g, x, beta)[1]


def swish_first_power(g, x, beta):
    s = sigmoid(beta * x)
    return swish_vjp(g, x, beta)[0], np.sum(g * x * s * (1 - s), axis=0)


def swish_wrong_axis(g, x, beta):
    s = sigmoid(beta * x)
    return swish_vjp(g, x, beta)[0], np.sum(g * x**2 * s * (1 - s), axis=1)


def gated_linear(x):
    a, b = np.split(x, 2, axis=1)
    return a * sigmoid(b)


def gated_linear_vjp(g, x):
    a, b = np.split(x, 2, axis=1)
    s = sigmoid(b)
    return (np.concatenate([g * s, g * a * s * (1 - s)], axis=1),)


def gated_linear_swapped(g, x):
    a, b = np.split(x, 2, axis=1)
    s = sigmoid(b)
    return (np.concatenate([g * a * s * (1 - s), g * s], axis=1),)


def gated_linear_raw(g, x):
    a, b = np.split(x, 2, axis=1)
    s = sigmoid(b)
    return (np.concatenate([g * b, g * a * s * (1 - s)], axis=1),)


def gated_linear_no_slope(g, x):
    a, b = np.split(x, 2, axis=1)
    return (np.concatenate([g * sigmoid(b), g * a], axis=1),)


def dropout(x, kept):
    """`kept` is the drawn mask, the rate is 0.4."""
    return x * kept / 0.6


def hard_tanh(x):
    return np.clip(x, -1, 1)


CASES = [
    Case(
        "sigmoid",
        "activations",
        sigmoid,
        lambda g, x: (g * sigmoid(x) * (1 - sigmoid(x)),),
        {
            "s·(1 − s) with x, which is not yet a sigmoid": (
                lambda g, x: (g * x * (1 - x),),
                ("input", "sigmoid", "evaluated", "x \\* \\(1 - x", "output"),
            ),
            "the derivative is taken of the output once more": (
                lambda g, x: (g * sigmoid(sigmoid(x)) * (1 - sigmoid(sigmoid(x))),),
                ("output", "twice", "already", "evaluated", "sigmoid"),
            ),
            "1 − s² as for tanh": (
                lambda g, x: (g * (1 - sigmoid(x) ** 2),),
                ("tanh", r"1 ?[-−] ?\w+ ?(\*\*|\^|²)", "square"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 5)),),
    ),
    Case(
        "tanh in place",
        "activations",
        np.tanh,
        lambda g, x: (g * (1 - np.tanh(x) ** 2),),
        {
            "1 − x² with the input in place of the output": (
                lambda g, x: (g * (1 - x**2),),
                (f"input.*{INSTEAD}", f"{INSTEAD}.*input", "of tanh", r"1 ?[-−] ?x ?(\*\*|\^|²)"),
            ),
            "the square is forgotten": (
                lambda g, x: (g * (1 - np.tanh(x)),),
                (*missed("squar", "power", "exponent"), "square", "power", r"1 ?[-−] ?(y|tanh)"),
            ),
            "the incoming gradient is left out": (
                lambda g, x: (1 - np.tanh(x) ** 2,),
                (*missed("cotangent", "incoming", "upstream", r"\bg\b", "chain"), "chain rule"),
            ),
        },
        lambda rng: (rng.normal(size=12),),
        names=("x",),
    ),
    Case(
        "leaky relu with a learned slope",
        "activations",
        leaky_relu,
        leaky_relu_vjp,
        {
            "the slope's gradient counts the positive inputs too": (
                leaky_relu_all,
                (*missed("mask", "condition", "branch", "where"), "positive", "x > 0", "all entr"),
            ),
            "the two branches are swapped": (
                leaky_relu_reversed,
                ("swap", "exchang", "branch", "condition", "invert", "wrong side", "other side"),
            ),
            "the slope's gradient is a mean over the entries": (
                leaky_relu_unsummed,
                ("mean where a sum", "mean instead of", "averag", *scaled(r"(0\.050*)", "20")),
            ),
        },
        lambda rng: (rng.normal(size=(4, 5)), 0.1),
    ),
    Case(
        "elu, alpha 1.5",
        "activations",
        elu,
        lambda g, x: (g * np.where(x > 0, 1, 1.5 * np.exp(x)),),
        {
            "alpha is left out": (
                lambda g, x: (g * np.where(x > 0, 1, np.exp(x)),),
                (*scaled(r"(0\.66\d*|2/3)", r"1\.50*"), "alpha", r"1\.5"),
            ),
            "the output without + alpha": (
                lambda g, x: (g * np.where(x > 0, 1, elu(x)),),
                ("alpha", r"1\.5\d*", "output", "offset", "added", "too (small|low)", "constant"),
            ),
            "alpha is applied on both sides of 0": (
                lambda g, x: (g * np.where(x > 0, 1.5, 1.5 * np.exp(x)),),
                (*scaled(r"1\.50*"), "x > 0", "positive"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 4)),),
    ),
    Case(
        "gelu, tanh approximation",
        "activations",
        gelu,
        gelu_vjp,
        {
            "the derivative inside tanh is forgotten": (
                gelu_no_inner,
                missed("inner", "inside", "chain", "derivative", "factor", "tanh"),
            ),
            "the product rule's second term is forgotten": (
                gelu_no_product_rule,
                (*missed("product", "term", "path", "use", "tanh"), "product rule"),
            ),
            "the cube's derivative lacks its 3": (
                gelu_cube_power,
                ("cube", r"\b3\b ?(times|x|\*|·)", "power", "exponent", r"factor( of)? 3"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 5)),),
    ),
    Case(
        "mish",
        "activations",
        mish,
        mish_vjp,
        {
            "the derivative of softplus is forgotten": (
                mish_no_sigmoid,
                missed("softplus", "sigmoid", "inner", "inside", "chain", "derivative"),
            ),
            "the first term of the product rule is forgotten": (
                mish_no_first,
                (*missed("product", "term", "path", "use", "tanh", "value"), "product rule"),
            ),
            "1 − t in place of 1 − t²": (
                mish_no_square,
                (*missed("squar", "power", "exponent"), "square", "power", r"1 [-−] tanh\(u\)\)"),
            ),
        },
        lambda rng: (rng.normal(size=15),),
    ),
    Case(
        "softplus with large inputs",
        "activations",
        softplus,
        lambda g, x: (g * sigmoid(x),),
        {
            "sigmoid(−x)": (
                lambda g, x: (g * sigmoid(-x),),
                (*SIGN, r"1 ?[-−]", "complement", "-x"),
            ),
            "the sigmoid of |x|": (
                lambda g, x: (g * sigmoid(np.abs(x)),),
                ("abs", r"\|x\|", *SIGN, "x (<|is negative)", "magnitude"),
            ),
            "the derivative of the linear part alone": (
                lambda g, x: (g * (x > 0),),
                (
                    *missed("log", r"\bexp\b", "smooth", "term", "part", "path"),
                    "relu",
                    "step",
                    "linear",
                    "maximum",
                ),
            ),
        },
        lambda rng: (rng.normal(size=12) * np.repeat([1, 5, 12], 4),),
    ),
    Case(
        "swish, one beta a channel",
        "activations",
        swish,
        swish_vjp,
        {
            "beta is left out of the inner derivative": (
                swish_no_beta,
                (*missed("beta", "inner", "inside", "chain"), "beta"),
            ),
            "x in place of x² for beta": (
                swish_first_power,
                ("square", r"x ?(\*\*|\^|²)", "power", *missed("factor", "x"), "by 1/x", "by x"),
            ),
            "summed over the wrong axis": (
                swish_wrong_axis,
                ("wrong ax[ie]s", "other ax[ie]s", "axis", "ax[ie]s 1", "transpos"),
            ),
        },
        lambda rng: (rng.normal(size=(4, 4)), 0.5 + rng.random(4)),
    ),
    Case(
        "gated linear unit",
        "activations",
        gated_linear,
        gated_linear_vjp,
        {
            "the two halves are joined in the wrong order": (
                gated_linear_swapped,
                ("swap", "order", "exchang", "halves", "roll", "shift", "permut"),
            ),
            "the gate's input in place of its sigmoid": (
                gated_linear_raw,
                (*missed("sigmoid", "activation", "gate"), "sigmoid", "before", "input"),
            ),
            "the derivative of the sigmoid is forgotten": (
                gated_linear_no_slope,
                (*missed("sigmoid", "derivative", "chain", "inner", "factor"), "sigmoid"),
            ),
        },
        lambda rng: (rng.normal(size=(3, 8)),),
    ),
    Case(
        "dropout with a given mask",
        "activations",
        dropout,
        lambda g, x, kept: (g * kept / 0.6, None),
        {
            "1/(1 − rate) is forgotten": (
                lambda g, x, kept: (g * kept, None),
                (*scaled(r"(0\.60*)", r"(1\.66\d*|1\.67|5/3)"), r"0\.6\b"),
            ),
            "the scale is applied twice": (
                lambda g, x, kept: (g * kept / 0.6**2, None),
                (*scaled(r"(1\.66\d*|1\.67|5/3)", r"0\.60*"), "scal.*twice", "twice.*scal"),
            ),
            "the mask is forgotten": (
                lambda g, x, kept: (g / 0.6, None),
                (*missed("mask", "kept", "drop"), "should be (0|zero)", "kept", "mask"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 4)), rng.random((5, 4)) < 0.6),
    ),
    Case(
        "hard tanh with inputs at its limits",
        "activations",
        hard_tanh,
        lambda g, x: (g * ((x > -1) & (x < 1)),),
        {
            "the lower limit is forgotten": (
                lambda g, x: (g * (x < 1),),
                (
                    *near(r"lower|< ?-1|below|negative", f"{MISSED}|clip|limit|zero|mask"),
                    r"too many where \|x\| > 1",
                    *missed("clip", "limit", "mask", "condition"),
                ),
            ),
            "the mask is that of the saturated entries": (
                lambda g, x: (g * ((x <= -1) | (x >= 1)),),
                ("invert", "complement", "opposite", "swap", "exchang", "mask", "condition"),
            ),
            "half of the derivative, from a formula with two kinks": (
                lambda g, x: (g * ((x > -1) & (x < 1)) / 2,),
                HALF,
            ),
        },
        lambda rng: (np.append(rng.normal(size=14) * 1.5, [1.0, -1.0]),),
    ),
    Case(
        "squared relu",
        "activations",
        lambda x: np.maximum(x, 0) ** 2,
        lambda g, x: (2 * g * np.maximum(x, 0),),
        {
            "the 2 is forgotten": (lambda g, x: (g * np.maximum(x, 0),), HALF),
            "the mask is forgotten": (
                lambda g, x: (2 * g * x,),
                (*missed("mask", "max", "relu", "condition", "branch"), "negative", "x <"),
            ),
            "2 · 1[x > 0], the inner function's derivative only": (
                lambda g, x: (2.0 * g * (x > 0),),
                (*missed("factor", "value", "x", "max"), "power", "exponent"),
            ),
        },
        lambda rng: (rng.normal(size=10),),
    ),
]
