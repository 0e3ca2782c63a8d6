"""Arrays that a traced call uses only as operands, and arrays whose elements plain code reads."""

import contextlib
import copy
import functools
import gc
import operator
import pickle
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.compiler.pipeline import call_traced
from autograd_mini.compiler.trace import Tracer
from autograd_mini.compiler.uses import call_watching_uses

PROVEN, UNPROVEN = [], []


def proven(program):
    """Enter a program that only records operations with `S.A`, `S.B` and `S.mask`."""
    PROVEN.append(pytest.param(program, id=program.__name__))
    return program


def unproven(program):
    """Enter a program that may read elements of `S.A`."""
    UNPROVEN.append(pytest.param(program, id=program.__name__))
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


def judged(program, store=None, watched=None):
    """Return the verdict on the arrays of the store in a call of a program."""
    store = store if store is not None else S
    arrays = watched or [x for x in vars(store).values() if type(x) is np.ndarray]
    names = [name for name, x in vars(store).items() if type(x) is np.ndarray]
    tracer = Tracer()
    x = tracer.stand_in(am.tensor([1.0, 2.0, 3.0]), "x")
    _, found = call_traced(
        tracer,
        lambda: call_watching_uses(arrays, names, tracer.uses, lambda: program(x)),
        True,
    )
    assert sys.gettrace() is None
    return found, {id(a) for a in arrays}


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


# ── unproven ─────────────────────────────────────────────────────────────────────────────────────
@unproven
def element(x):
    return x * S.A[0]


@unproven
def element_and_product(x):
    return x * S.A * S.A[0]


@unproven
def part(x):
    return x * S.A[:1]


@unproven
def decision(x):
    return x * S.A if S.A[0] > 0.5 else x


@unproven
def compared(x):
    return x * (S.A > 0)


@unproven
def chained(x):
    return x if (0 < S.A).all() and (S.A < 5).all() else x * S.A  # noqa: SIM300


@unproven
def dot_of_plain(x):
    return x * np.dot(S.A, S.A)


@unproven
def sum_method(x):
    return x * S.A.sum()


@unproven
def sum_function(x):
    return x * np.sum(S.A) + S.A


@unproven
def transposed(x):
    return x * S.A.T


@unproven
def iterated(x):
    for p in S.A:
        x = x * p
    return x


@unproven
def comprehended(x):
    return x * sum([p for p in S.A])


@unproven
def generated(x):
    return x * sum(p for p in S.A)


@unproven
def generator_of_products(x):
    return sum(x * S.A for _ in range(2))


@unproven
def sorted_places(x):
    return x[np.argsort(S.A)]


@unproven
def plain_product(x):
    return x * (S.A * S.A)


@unproven
def plain_then_recorded(x):
    return x * S.A + (S.A * 2.0)


@unproven
def negated(x):
    return x * -S.A


@unproven
def called_with_plain(x):
    plain_or_not(np.ones(3))
    return plain_or_not(x)


@unproven
def plain_result_is_read(x):
    n = plain_or_not(np.ones(3))
    return plain_or_not(x) * n[0]


@unproven
def helper_reads(x):
    return read_one(x, S.A)


@unproven
def star_arguments(x):
    return take_all(x, S.A)


@unproven
def star_arguments_summed(x):
    return sum_up(x, S.A, S.B) * S.A


@unproven
def default_argument(x):
    return with_default(x)


@unproven
def handed_back(x):
    return x * float(give_back(S.A)[0])


@unproven
def in_list(x):
    tables = [S.A, S.B]
    return x * tables[0].sum()


@unproven
def in_list_summed(x):
    tables = [S.A, S.B]
    return x * S.A * np.sum(tables)


@unproven
def in_dict(x):
    d = {"a": S.A}
    return x * d["a"].max()


@unproven
def starred(x):
    return x * max(*S.A)


@unproven
def unpacked(x):
    a, b, c = S.A
    return x * a + b * c


@unproven
def container_to_library(x):
    return am.grad(lambda d: np.sum(d[0] * np.sum(d[1])))([x, S.A])[0]


@unproven
def text_of_array(x):
    return x if f"{S.A}" else x * S.A


@unproven
def text_by_format(x):
    return x * S.A * len("{0.A[0]}".format(S))  # noqa: UP030, UP032


@unproven
def contained(x):
    return x * S.A if 0.5 in S.A else x


@unproven
def matched(x):
    match S.A.tolist():
        case [0.5, *_]:
            return x * S.A
    return x


@unproven
def by_getattr(x):
    return x * getattr(S, "A")[0]  # noqa: B009


@unproven
def by_property(x):
    return x * S.first


@unproven
def by_property_of_array(x):
    return x * S.table.sum()


@unproven
def by_lambda(x):
    return (lambda t: x * t[0])(S.A)


@unproven
def by_walrus(x):
    return x * t if (t := S.A)[0] > 0 else x


@unproven
def by_closure(x):
    t = S.A

    def inner():
        return t[0]

    return x * t * inner()


@unproven
def by_dict_of_object(x):
    return x * vars(S)["A"][0] * S.A


GETTER = operator.attrgetter("A")
SUMMER = operator.methodcaller("sum")
TOTAL = S.A.sum
WRITER = pickle.dumps
FORMAT = "{0.A[0]}".format
PARTIAL = functools.partial(read_one, w=S.A)


@unproven
def by_getter(x):
    return x * GETTER(S)[0]


@unproven
def by_methodcaller(x):
    return x * SUMMER(S.A)


@unproven
def by_bound_method(x):
    return x * TOTAL() * S.A


@unproven
def by_pickle(x):
    return x * S.A * len(WRITER(S))


@unproven
def by_bound_format(x):
    return x * S.A * len(FORMAT(S))


@unproven
def by_partial(x):
    return PARTIAL(x)


@unproven
def by_deepcopy(x):
    return x * copy.deepcopy(S).A[0] * S.A


@unproven
def truth(x):
    return x * S.A if S.A.any() and x.ndim else x


@unproven
def written(x):
    S.A[0] = 0.5
    return x * S.A


@unproven
def increased(x):
    t = S.A
    t += 0.0
    return x * t


@unproven
def stored_in_attribute(x):
    S.other = S.A
    del S.other
    return x * S.A


@unproven
def returned(x):
    return x * S.A, S.A


@unproven
def converted(x):
    return x * np.asarray(S.A)


@unproven
def made_tensor(x):
    return x * am.tensor(S.A)


@unproven
def summed_with_start(x):
    return sum([S.A, x, S.A])


@unproven
def applied_along(x):
    np.apply_along_axis(lambda row: (x * S.A).data is None, 0, np.ones(3)) if False else None
    return x * np.apply_along_axis(lambda row: row.sum(), 0, S.A)


@unproven
def recorded_in_callback(x):
    y = []
    np.piecewise(S.A, [S.mask], [lambda v: y.append(x * S.A) or v, 0.0])
    return y[0]


@unproven
def raised(x):
    with contextlib.suppress(ZeroDivisionError):
        S.k / 0
    return x * S.A


@unproven
def model_reads(x):
    return READING(x)


@unproven
def recorded_and_read_together(x):
    return np.where(S.A > 0, x, S.A)


@unproven
def in_thread(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(S.A[0]))
    thread.start()
    thread.join()
    return x * S.A * found[0]


@unproven
def by_locals(x):
    t = S.A
    return x * t * locals()["t"][0]


@unproven
def by_globals(x):
    return x * globals()["GLOBAL"][0]


@unproven
def reduced(x):
    return x * functools.reduce(operator.add, S.A)


@unproven
def mapped(x):
    return x * sum(map(float, S.A))


@unproven
def sorted_array(x):
    return x * np.sort(S.A) + S.A


@unproven
def viewed(x):
    v = S.A.view()
    return x * S.A * v[0]


@unproven
def reversed_items(x):
    return x * next(reversed(S.A))


@unproven
def zipped(x):
    for a, b in zip(S.A, S.B, strict=True):
        x = x * a * b
    return x


@unproven
def mask_as_index(x):
    return np.sum(x[S.mask]) * S.A[0]


@unproven
def delegated(x):
    def gen():
        yield S.A

    for t in gen():
        x = x * t
    return x


@unproven
def interpolated(x):
    return np.interp(x, np.arange(3.0), S.A)


@unproven
def labels_of_classes(x):
    return np.interp(x, S.A, S.B) * am.nn.mse(x, S.A)


@unproven
def by_object_attribute_of_array(x):
    return x * S.A.flat[0]


@unproven
def divided_into_parts(x):
    q, r = divmod(S.A, 2.0)
    return x * q + r


@unproven
def array_twice_in_one_list(x):
    return sum([x, S.A, S.A], S.A) * 1.0


@unproven
def conditional_and(x):
    return x * (S.k and S.A)[0]


@unproven
def conditional_or(x):
    return x * (S.A[0] or S.k)


@unproven
def keyword_dict(x):
    return weigh(x, **{"w": S.A, "b": S.A[0]})


@unproven
def nested_tuple(x):
    (a, b), c = (S.A, S.B), S.M
    return x * a + b.sum() + c[0, 0] + a.sum()


@unproven
def deleted_item(x):
    d = [S.A]
    t = d.pop()
    return x * t * t[0]


@unproven
def default_of_dict(x):
    d = {}
    return x * d.setdefault("a", S.A)[0]


@unproven
def maximum_of_two(x):
    return x * max(S.A, S.A, key=lambda a: a[0])


@unproven
def printed(x):
    return x * S.A * len(str(S.A))


@unproven
def hashed(x):
    return x * S.A * (hash(S.A.tobytes()) % 2)


@unproven
def memory(x):
    return x * S.A * memoryview(S.A)[0]


@unproven
def in_nested_class(x):
    class Inner:
        first = S.A[0]

    return x * S.A * Inner.first


@unproven
def slice_with_elements(x):
    return x[: int(S.B[1])].sum() * S.A * int(S.A[2])


@unproven
def swapped(x):
    a, b = S.A, S.k
    a, b = b, a
    return x * a * b[0]


@unproven
def caught(x):
    try:
        x = x * S.missing
    except AttributeError:
        return x * S.A[0]
    return x * S.A


@dataclass
class Pair:
    """Compares its arrays, by generated code."""

    A: object
    k: float = 1.0


PAIR = Pair(S.A)


@unproven
def dataclass_text(x):
    return x * PAIR.A * len(repr(PAIR))


@pytest.mark.parametrize("program", PROVEN)
def test_operands_are_proven(program):
    found, arrays = judged(program)
    assert found == arrays


@pytest.mark.parametrize("program", UNPROVEN)
def test_arrays_that_may_be_read_are_not_proven(program):
    found, _ = judged(program)
    assert id(S.A) not in found


def noted(program):
    """Return what a program records, with the arrays of the store as they are."""
    tracer = Tracer()
    x = tracer.stand_in(am.tensor([1.0, 2.0, 3.0]), "x")
    call_traced(tracer, lambda: program(x), True)
    arrays = {m.value for m in tracer.array_operands if any(m.array is a for a in vars(S).values())}
    return [
        (
            step.primitive.name,
            repr(step.params),
            [
                np.asarray(tracer.constants.get(v, v)).tolist()
                for v in step.operands
                if v not in arrays and (v in tracer.constants or not hasattr(v, "shape"))
            ],
        )
        for step in tracer.instructions
    ]


@pytest.mark.parametrize("program", PROVEN)
def test_proven_programs_record_the_same_with_other_elements(program):
    before = {name: x.copy() for name, x in vars(S).items() if type(x) is np.ndarray}
    first = noted(program)
    try:
        for name, x in before.items():
            array = getattr(S, name)
            array[...] = ~x if x.dtype.kind == "b" else 1.75 - x[::-1]
        assert noted(program) == first
    finally:
        for name, x in before.items():
            getattr(S, name)[...] = x


def test_a_tracer_at_work_goes_on_and_nothing_is_proven():
    def trace(frame, event, argument):
        return None

    tracer = Tracer()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        y, found = call_watching_uses([S.A], ["A"], tracer.uses, lambda: 3)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
    assert y == 3 and not found


def test_an_error_of_the_function_is_raised_and_tracing_ends():
    def fail():
        return S.A[0] / [][0]

    with pytest.raises(IndexError):
        call_watching_uses([S.A], ["A"], {}, fail)
    assert sys.gettrace() is None


def test_a_fake_recorder_is_enough():
    uses = Counter()

    class Fake:
        __array_ufunc__ = None

        def __rmul__(self, other):
            uses[id(other)] += 1
            return self

        __mul__ = __rmul__

    x = Fake()
    # What the user's own operator counts is not the library's record of an operand.
    assert call_watching_uses([S.A], ["A"], uses, lambda: x * S.A)[1] == set()
    assert call_watching_uses([S.A], ["A"], uses, lambda: S.k)[1] == {id(S.A)}


def test_each_array_has_its_own_verdict():
    found, _ = judged(lambda x: x * S.A + S.B[0] * S.M[0])
    assert id(S.A) in found and id(S.B) not in found and id(S.M) not in found


def test_the_verdict_is_of_the_call_and_its_way():
    def program(x):
        return x * S.A if S.k > 1 else x * S.A[0]

    assert id(S.A) in judged(program)[0]
    S.k = 0.5
    try:
        assert id(S.A) not in judged(program)[0]
    finally:
        S.k = 2.0


def test_an_array_that_another_object_hides_is_found_by_its_references():
    hidden = np.empty(2, object)
    hidden[0] = S.A
    assert id(S.A) not in judged(lambda x: x * hidden[0][0])[0]
    assert id(S.A) in judged(lambda x: x * hidden[0])[0]


def test_the_collector_is_as_it_was():
    assert gc.isenabled()
    judged(lambda x: x * S.A)
    assert gc.isenabled()


def test_an_array_without_axes_is_an_operand_too():
    store = Store()
    store.A = np.array(2.0)
    assert id(store.A) in judged(lambda x: x * store.A, store)[0]
    assert id(store.A) not in judged(lambda x: x * float(store.A), store)[0]


def test_the_body_of_a_class_is_not_followed_and_runs_as_always():
    hidden = np.empty(1, object)
    hidden[0] = S.A

    def program(x):
        class Inner:
            firsts = [t[0] for t in hidden]

        return x * S.A * Inner.firsts[0]

    assert id(S.A) not in judged(program)[0]


def test_many_instructions_are_not_followed_to_the_end(monkeypatch):
    monkeypatch.setattr("autograd_mini.compiler.uses.MOST", 50)

    def program(x):
        for _ in range(100):
            x = x * S.A
        return x

    assert not judged(program)[0]
    assert judged(lambda x: x * S.A)[0]


class Slotted:
    """Holds an array in a slot."""

    __slots__ = ("A", "inner")


def test_slots_are_attributes():
    outer = Slotted()
    outer.A, outer.inner = S.A, Slotted()
    outer.inner.A = S.B
    found, _ = judged(lambda x: x * outer.A * outer.inner.A)
    assert {id(S.A), id(S.B)} <= found
    found, _ = judged(lambda x: x * outer.A * outer.inner.A[0])
    assert id(S.A) in found and id(S.B) not in found


class Mixed:
    """Objects whose special methods read an array."""

    def __init__(self):
        self.A = S.A

    first = property(operator.attrgetter("A"))

    def __getitem__(self, key):
        return self.A[key]

    def __iter__(self):
        return iter(self.A)

    def __bool__(self):
        return bool(self.A[0] > 0)

    def __contains__(self, x):
        return x in self.A

    def __array__(self, dtype=None, copy=None):
        return self.A

    def __float__(self):
        return float(self.A[0])

    def __mul__(self, other):
        return other * self.A

    def __str__(self):
        return str(self.A)

    def __enter__(self):
        return self.A

    def __exit__(self, *error):
        return None


MIXED = Mixed()


def entered_block(x):
    with MIXED as t:
        return x * t[0]


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x * MIXED[0],
        lambda x: x * sum(MIXED),
        lambda x: x * S.A if MIXED else x,
        lambda x: x * S.A if 0.5 in MIXED else x,
        lambda x: x * np.asarray(MIXED),
        lambda x: x * S.A * np.sum(MIXED),
        lambda x: x * S.A * float(MIXED),
        lambda x: x * (MIXED * np.ones(3)),
        lambda x: x * S.A * len(str(MIXED)),
        lambda x: x * S.A * len("%s" % MIXED),  # noqa: UP031
        lambda x: x * MIXED.first[0],
        entered_block,
    ],
)
def test_special_methods_are_looked_at(program):
    assert id(S.A) not in judged(program)[0]


def test_arrays_with_a_name_are_told_from_those_within_something():
    class Object:
        pass

    held = Object()
    held.named, held.both, held.listed = np.ones(3), np.ones(3), [np.ones(3)]
    held.listed.append(held.both)
    held.space = SimpleNamespace(a=np.ones(3))
    bound = np.ones(3)
    total = bound.sum
    cell = np.ones(3)

    def function(x):
        y = x * held.named + held.both + held.listed[0] + held.space.a + cell + GLOBAL
        return y + 0.0 * total() + 0.0 * len(bound)

    compiled = am.compile(function)
    compiled(np.ones(3))
    (trial,) = compiled._first_traces.values()
    reach = trial.reach
    for array in (held.named, held.space.a, cell, GLOBAL):
        assert id(array) in reach.arrays and id(array) not in reach.within
    for array in (held.both, held.listed[0], bound):
        assert id(array) in reach.within
