"""Programs that use arrays from outside: proven to be operands only, or not."""

import numpy as np
import pytest

import autograd_mini as am

PROVEN = []


def proven(program):
    """Enter a program that only records operations with `S.A`, `S.B` and `S.mask`."""
    PROVEN.append(pytest.param(program, id=program.__name__))
    return program


class Store:
    """Holds arrays in attributes, and what else programs use."""

    def __init__(self):
        self.A = np.array([0.5, -1.0, 2.0])
        self.B = np.array([3.0, 1.0, 2.0])
        self.M = np.arange(9.0).reshape(3, 3)
        self.mask = np.array([True, False, True])
        self.k = 2.0

    def scaled(self, x):
        return x * self.A

    @property
    def table(self):
        return self.A

    @property
    def first(self):
        return self.A[0]

    @property
    def shift(self):
        return self.k + 1.0


S = Store()
GLOBAL = S.A


# ── helpers of the programs ──────────────────────────────────────────────────────────────────────
def weigh(x, w, b=0.0, *, scale=1.0):
    t = w
    return (x * t + b) * scale


def plain_or_not(v):
    return v * S.A


def read_one(x, w):
    return x * w[0]


def take_all(*args):
    return args[0] * args[1]


def sum_up(x, *args):
    return x * np.sum(args)


def give_back(a):
    return a


def with_default(x, table=GLOBAL):
    return x * table.sum()


class Net(am.nn.Module):
    """A model of the user's, with plain arrays."""

    def __init__(self, table):
        self.table = table
        self.dense = am.nn.Dense(3, 3, seed=0)

    def forward(self, x):
        return self.dense(x * self.table) + x + x * self.table


class Residual(am.nn.Module):
    """A model that uses what it is given several times."""

    def __init__(self):
        self.dense = am.nn.Dense(3, 3, seed=0)

    def forward(self, x):
        y = self.dense(x)
        return x + self.dense(x) * y


class Reading(am.nn.Module):
    """A model that looks at its array."""

    def __init__(self, table):
        self.table = table

    def forward(self, x):
        return x * self.table if self.table[0] > 0 else x


class Scale:
    """A layer of a class without a base."""

    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        return np.tanh(x @ self.w)


class Child(Net):
    """A model that calls that of its base."""

    def forward(self, x):
        return super().forward(x) * self.table


NET = Net(S.A)
CHILD = Child(S.A)
READING = Reading(S.A)
RESIDUAL = Residual()
LAYERS = [Scale(S.M), Scale(S.M)]
MLP = am.nn.Sequential(am.nn.Dense(3, 4, "tanh", seed=0), am.nn.Dense(4, 3, seed=1))


# ── proven ───────────────────────────────────────────────────────────────────────────────────────
@proven
def product(x):
    return S.A * x


@proven
def product_from_left(x):
    return x * S.A


@proven
def matrix(x):
    return x @ S.M


@proven
def global_name(x):
    return x * GLOBAL + GLOBAL


@proven
def where(x):
    return np.where(S.mask, x, 0)


@proven
def where_both(x):
    return np.where(S.mask, x, S.A)


@proven
def joined(x):
    return np.concatenate([x, S.A])


@proven
def joined_tuple(x):
    return np.concatenate((S.A, x, S.A))


@proven
def stacked(x):
    return np.stack([x, S.A, S.B])


@proven
def weighted_sum(x):
    return np.sum(S.A * x)


@proven
def method_after(x):
    return (x * S.A).sum()


@proven
def method_with_array(x):
    return x.dot(S.A)


@proven
def loss(x):
    return am.nn.mse(x, S.A)


@proven
def model_loss(x):
    y = MLP(S.A)
    return am.nn.mse(y, S.B) + x.sum()


@proven
def own_model(x):
    return NET(x)


@proven
def own_model_of_array(x):
    return RESIDUAL(S.B) + x * S.A


@proven
def helper(x):
    return weigh(x, S.A)


@proven
def helper_with_keywords(x):
    return weigh(x, w=S.A, b=S.B, scale=2.0)


@proven
def helper_twice(x):
    return weigh(weigh(x, S.A), S.A, S.B)


@proven
def local_variable(x):
    t = S.A
    return t * x + t


@proven
def two_variables(x):
    a, b = S.A, S.B
    return a * x + b


@proven
def layers(x):
    for layer in LAYERS:
        x = layer(x)
    return x


@proven
def layers_counted(x):
    for i in range(len(LAYERS)):
        layer = LAYERS[i]
        x = layer(x) * i
    return x


@proven
def in_place_on_the_result(x):
    y = x * 2.0
    y += S.A
    y -= S.B
    return y


@proven
def loop(x):
    for _ in range(3):
        x = x * S.A + 1.0
    return x


@proven
def branch(x):
    if S.k > 1.0:
        return x * S.A
    return x


@proven
def shape_only(x):
    n = S.A.shape[0]
    return x * S.A / n + S.A.ndim + S.A.size


@proven
def length_only(x):
    return x * S.A / len(S.A)


@proven
def comparison(x):
    return np.where(x > S.A, x, 0.0)


@proven
def comparison_from_left(x):
    return np.where(S.A < x, x, 0.0)  # noqa: SIM300


@proven
def is_none(x):
    return x * S.A if S.A is not None else x


@proven
def ternary(x):
    t = S.A if S.k > 1 else S.B
    return x * t


@proven
def method_of_own(x):
    return S.scaled(x) * 2.0


@proven
def closure(x):
    t = S.A

    def inner(y):
        return y * t

    return inner(x) + inner(x)


@proven
def local_lambda(x):
    scale = lambda y: y * S.A
    return scale(x)


@proven
def walrus(x):
    return (t := S.A) * x + t


@proven
def comprehension(x):
    parts = [x * S.A * i for i in range(3)]
    return parts[0] + parts[1]


@proven
def list_of_results(x):
    parts = []
    for i in range(3):
        parts.append(x * S.A + i)
    return np.stack(parts)


@proven
def not_recording(x):
    with am.no_grad():
        return x * S.A


@proven
def ufuncs(x):
    return np.maximum(np.add(S.A, x), np.multiply(x, S.B))


@proven
def divided(x):
    return S.A / x - S.B**x


@proven
def deep_expression(x):
    return (x * S.A + S.B) * (S.A - x[0:2].sum()) / (1.0 + np.exp(-x * S.B))


@proven
def einsum(x):
    return np.einsum("i,ij->j", x, S.M)


@proven
def unused_variable(x):
    t = S.A
    t = S.B
    return x * t


@proven
def property_with_number(x):
    return x * S.A * S.shift


@proven
def chosen_by_and(x):
    return x * S.A if S.k and S.k > 1 and x.ndim == 1 else x


@proven
def array_of_zeros(x):
    return x * S.A + np.zeros(3) + np.full(3, 2.0)


@proven
def gradient_inside(x):
    return am.grad(lambda y: np.sum(y * S.A))(x)


@proven
def text(x):
    label = f"{S.k:.2f}"
    return x * S.A if label else x


@proven
def super_call(x):
    return CHILD(x)
