"""What the code of a compiled function reads: whatever changes, its results are those of eager.

Each case is a function, and changes of the state that it reads. The function is called as it is and
compiled, before and after each change, and must give the same; it must be compiled at the end.
"""

from __future__ import annotations

import array
import collections
import configparser
import contextvars
import dataclasses
import enum
import functools
import operator
import os
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_mini as am

X = np.array([1.0, 2.0, 4.0])
CASES: dict[str, Callable[[], tuple[Callable[..., Any], list[Callable[[], Any]]]]] = {}


def case(make: Any) -> Any:
    CASES[make.__name__] = make
    return make


def setter(owner: Any, name: str, *values: Any) -> list[Callable[[], Any]]:
    return [functools.partial(setattr, owner, name, value) for value in values]


def flat(y: Any) -> list[Any]:
    parts = y if isinstance(y, (tuple, list)) else [y]
    return [np.asarray(p.data if isinstance(p, am.Tensor) else p) for p in parts]


def assert_same(one: Any, other: Any) -> None:
    for a, b in zip(flat(one), flat(other), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


# ── numbers, in all the places where they can stand ──────────────────────────────────────────────
RATE: Any = 0.5
SETTINGS = types.ModuleType("settings_of_this_test")
SETTINGS.rate = 0.5
SETTINGS.__file__ = __file__
sys.modules["settings_of_this_test"] = SETTINGS
HERE = sys.modules[__name__]


@case
def global_number():
    return lambda x: x * RATE, setter(HERE, "RATE", 2.0, 3, True, 3.0, np.float32(0.1), -0.0, 0.0)


@case
def global_number_by_name():
    return lambda x: x * globals()["RATE"], setter(HERE, "RATE", 2.0, 5.0)


@case
def module_attribute():
    return lambda x: x * SETTINGS.rate, setter(SETTINGS, "rate", 2.0, 5)


@case
def imported_inside():
    def f(x):
        from settings_of_this_test import rate

        return x * rate

    return f, setter(SETTINGS, "rate", 2.5, 7.0)


@case
def closure():
    beta = 1.0

    def change(value):
        nonlocal beta
        beta = value

    return lambda x: x * beta, [functools.partial(change, v) for v in (2.0, 2, float("nan"))]


@case
def default_of_an_argument():
    def f(x, scale=2.0, *, shift=1.0):
        return x * scale + shift

    return f, [
        *setter(f, "__defaults__", (3.0,), (4,)),
        *setter(f, "__kwdefaults__", {"shift": 5.0}),
    ]


@case
def attribute_of_a_function():
    def f(x):
        return x * f.scale

    f.scale = 1.0
    return f, setter(f, "scale", 2.0, 7.0)


def helper(x):
    return x * RATE + helper_of_helper()


def helper_of_helper():
    return SETTINGS.rate


@case
def globals_of_helpers():
    return lambda x: helper(x) * 2, [*setter(HERE, "RATE", 9.0), *setter(SETTINGS, "rate", 8.0)]


@case
def a_helper_that_is_replaced():
    before = helper
    return lambda x: helper(x), setter(HERE, "helper", lambda x: x + 1, before)


@case
def read_in_a_comprehension_and_a_generator():
    def terms():
        yield RATE
        yield SETTINGS.rate

    def f(x):
        return sum([x * RATE for _ in range(2)]) + sum(x * t for t in terms())

    return f, [*setter(HERE, "RATE", 1.5), *setter(SETTINGS, "rate", 2.5)]


# ── attributes of objects ────────────────────────────────────────────────────────────────────────
class Plain:
    shared = 3.0

    def __init__(self):
        self.beta, self.inner = 1.0, types.SimpleNamespace(gamma=2.0, deep={"a": [1.0, 2.0]})

    def loss(self, x):
        return x * self.beta

    def nested(self, x):
        inner = self.inner  # under another name
        return x * inner.gamma + inner.deep["a"][1]

    def inherited(self, x):
        return x * self.shared

    def optional(self, x):
        return x * getattr(self, "extra", 2.0) if hasattr(self, "extra") else -x

    def tried(self, x):
        try:
            return x * self.missing
        except AttributeError:
            return x + 10

    def computed(self, x):
        return sum(x * getattr(self, f"w{i}") for i in range(2))

    def by_dict(self, x):
        return x * vars(self)["beta"] + self.__dict__["beta"]

    @property
    def twice(self):
        return 2 * self.beta

    def by_property(self, x):
        return x * self.twice

    @functools.cached_property
    def once(self):
        return 2 * self.beta

    def by_cached_property(self, x):
        return x * self.once

    @classmethod
    def of_class(cls, x):
        return x * cls.shared

    @staticmethod
    def static(x):
        return x * Plain.shared

    def by_classmethods(self, x):
        return self.of_class(x) + self.static(x)


class Child(Plain):
    def loss(self, x):
        return super().loss(x) + self.inherited(x)


@case
def attribute_of_self():
    o = Plain()
    return o.loss, setter(o, "beta", 5.0, 5, 7.5)


@case
def attribute_of_an_attribute():
    o = Plain()
    return o.nested, [
        *setter(o.inner, "gamma", 5.0),
        lambda: operator.setitem(o.inner.deep["a"], 1, 9.0),
        lambda: operator.setitem(o.inner.deep, "a", [0.0, 4.0]),
        lambda: setattr(o, "inner", types.SimpleNamespace(gamma=3.0, deep={"a": [1, 2]})),
    ]


@case
def class_attribute_then_own():
    o = Plain()
    return o.inherited, [
        *setter(o, "shared", 5.0),
        lambda: delattr(o, "shared"),
        *setter(Plain, "shared", 4.0, 3.0),
    ]


@case
def attribute_that_comes_and_goes():
    o = Plain()
    return o.optional, [*setter(o, "extra", 5.0, 6.0), lambda: delattr(o, "extra")]


@case
def attribute_that_is_missing_and_caught():
    o = Plain()
    return o.tried, [*setter(o, "missing", 5.0, 6.0), lambda: delattr(o, "missing")]


@case
def attribute_with_a_computed_name():
    o = Plain()
    o.w0, o.w1 = 1.0, 2.0
    return o.computed, [*setter(o, "w0", 5.0), *setter(o, "w1", 6.0)]


@case
def attribute_by_the_dict():
    o = Plain()
    return o.by_dict, setter(o, "beta", 5.0)


@case
def property_of_an_attribute():
    o = Plain()
    return o.by_property, setter(o, "beta", 5.0)


@case
def cached_property_that_is_dropped():
    o = Plain()

    def change():
        o.beta = 6.0
        del o.__dict__["once"]

    return o.by_cached_property, [change]


@case
def class_and_static_methods():
    return Plain().by_classmethods, setter(Plain, "shared", 4.0, 3.0)


@case
def attributes_of_a_base():
    o = Child()
    return o.loss, [*setter(o, "beta", 5.0), *setter(Plain, "shared", 8.0, 3.0)]


@case
def a_method_that_is_replaced():
    o, kept = Plain(), Plain.loss

    def f(x):
        return o.loss(x)

    return f, [
        lambda: setattr(Plain, "loss", lambda self, x: x + 1),
        lambda: setattr(o, "loss", lambda x: x + 2),
        lambda: (delattr(o, "loss"), setattr(Plain, "loss", kept)),
    ]


@case
def another_class():
    o = Plain()
    return lambda x: o.loss(x), setter(o, "__class__", Child, Plain)


class Slotted:
    __slots__ = ("beta", "later")

    def __init__(self):
        self.beta = 1.0

    def loss(self, x):
        return x * self.beta + getattr(self, "later", 0.0)


@case
def slots():
    o = Slotted()
    return o.loss, [*setter(o, "beta", 5.0), *setter(o, "later", 2.0), lambda: delattr(o, "later")]


@case
def dataclass():
    @dataclasses.dataclass
    class Config:
        rate: float = 1.0

    config = Config()
    return lambda x: x * config.rate, setter(config, "rate", 3.0)


class Descriptor:
    def __init__(self):
        self.factor = 2.0

    def __get__(self, owner, kind=None):
        return self.factor * owner.beta


class Described:
    scaled = Descriptor()

    def __init__(self):
        self.beta = 1.0


@case
def descriptor():
    o = Described()
    descriptor = vars(Described)["scaled"]
    return lambda x: x * o.scaled, [
        *setter(o, "beta", 5.0),
        *setter(descriptor, "factor", 3.0, 2.0),
    ]


class Dynamic:
    """As configurations with dots are: attributes come from a dict."""

    def __init__(self, **values):
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name):
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self._values[name] = value


@case
def dynamic_attributes():
    config = Dynamic(rate=1.0, inner=Dynamic(shift=2.0))
    return lambda x: x * config.rate + config.inner.shift, [
        *setter(config, "rate", 4.0),
        *setter(config.inner, "shift", 6.0),
    ]


class Callable_:
    def __init__(self):
        self.beta, self.table = 1.0, {"a": 1.0}

    def __call__(self, x):
        return x * self.beta + self["a"]

    def __getitem__(self, key):
        return self.table[key]


@case
def objects_that_are_called_and_indexed():
    o = Callable_()
    return o, [*setter(o, "beta", 5.0), lambda: operator.setitem(o.table, "a", 7.0)]


@case
def getters_made_elsewhere():
    o = Plain()
    get = operator.attrgetter("inner.gamma")
    call = operator.methodcaller("loss", 2.0)
    return lambda x: x * get(o) + call(o), [*setter(o.inner, "gamma", 4.0), *setter(o, "beta", 3.0)]


@case
def partial_of_an_object():
    o = Plain()
    f = functools.partial(lambda o, x, by: x * o.beta * by, o, by=2.0)
    return f, setter(o, "beta", 4.0)


@case
def a_decorated_function():
    o = Plain()

    def scaled(f):
        @functools.wraps(f)
        def wrapper(x):
            return f(x) * o.beta

        return wrapper

    @scaled
    def f(x):
        return x + RATE

    return f, [*setter(o, "beta", 4.0), *setter(HERE, "RATE", 6.0)]


@case
def weak_reference():
    o = Plain()
    reference = weakref.ref(o)
    return lambda x: x * reference().beta, setter(o, "beta", 4.0)


@case
def class_pattern():
    o = Plain()

    def f(x):
        match o:
            case Plain(beta=value):
                return x * value

    return f, setter(o, "beta", 4.0)


# ── containers ───────────────────────────────────────────────────────────────────────────────────
class Part(str, enum.Enum):  # noqa: UP042  # as people write it
    BODY = "body"
    HEAD = "head"


@case
def dicts():
    d = {"a": 1.0, Part.BODY: 2.0, (1, "b"): 3.0, 1: 4.0, None: 5.0, True and 2.5: 6.0}

    def f(x):
        return x * sum(d.values()) + d[Part.BODY] + d[(1, "b")] * len(d)

    return f, [
        lambda: d.update(a=5.0),
        lambda: operator.setitem(d, Part.BODY, 7.0),
        lambda: operator.setitem(d, Part.HEAD, 8.0),
        lambda: d.pop(None),
        lambda: operator.setitem(d, (1, "b"), 9),
    ]


@case
def order_of_a_dict():
    d = {"a": 1.0, "b": 10.0}

    def change():
        d["a"] = d.pop("a")

    return lambda x: x * next(iter(d.values())) if len(d) else x, [change, change]


@case
def lists_of_objects():
    parts = [Plain(), Plain(), [Plain(), {"x": Plain()}]]

    def f(x):
        return x * parts[0].beta + parts[2][0].beta + parts[2][1]["x"].beta * len(parts)

    return f, [
        *setter(parts[0], "beta", 5.0),
        *setter(parts[2][0], "beta", 6.0),
        *setter(parts[2][1]["x"], "beta", 7.0),
        lambda: parts.append(1),
        lambda: operator.setitem(parts, 0, parts[1]),
    ]


@case
def long_lists_and_dicts():
    values, table = list(map(float, range(300))), {i: float(i) for i in range(300)}

    def f(x):
        return x * values[250] + table[270]

    return f, [
        lambda: operator.setitem(values, 250, 0.5),
        lambda: operator.setitem(table, 270, 0.25),
        lambda: values.insert(0, 1.0),
    ]


@case
def sets():
    active = {"a", "b"}
    return lambda x: x * (2.0 if "c" in active else 3.0) * len(active), [
        lambda: active.add("c"),
        lambda: active.discard("a"),
    ]


@case
def other_containers():
    class Point(NamedTuple):
        a: float
        b: float

    o = types.SimpleNamespace(point=Point(1.0, 2.0))
    queue, counts = collections.deque([1.0, 2.0]), collections.Counter(a=2)
    default = collections.defaultdict(float, b=3.0)
    user = collections.UserDict(c=4.0)
    chain = collections.ChainMap({"d": 5.0}, {"e": 6.0})
    ordered = collections.OrderedDict(f=7.0)

    def f(x):
        total = o.point.b + queue[1] + counts["a"] + default["b"] + user["c"]
        return x * (total + chain["e"] + ordered["f"])

    return f, [
        *setter(o, "point", Point(1.0, 3.0)),
        lambda: operator.setitem(queue, 1, 5.0),
        lambda: counts.update(a=1),
        lambda: operator.setitem(default, "b", 4.0),
        lambda: operator.setitem(user, "c", 5.0),
        lambda: operator.setitem(chain.maps[1], "e", 8.0),
        lambda: operator.setitem(ordered, "f", 8.0),
    ]


@case
def buffers():
    raw, numbers = bytearray(b"\x01\x02"), array.array("d", [1.0, 2.0])
    return lambda x: x * raw[1] + numbers[0], [
        lambda: operator.setitem(raw, 1, 5),
        lambda: operator.setitem(numbers, 0, 5.0),
    ]


@case
def state_of_the_standard_library():
    config = configparser.ConfigParser()
    config["train"] = {"rate": "0.5"}
    variable = contextvars.ContextVar("variable", default=1.0)
    local = threading.local()
    local.rate = 2.0
    os.environ["AM_TEST_RATE"] = "3"

    def f(x):
        rate = config["train"].getfloat("rate") + variable.get() + local.rate
        return x * (rate + float(os.environ["AM_TEST_RATE"]))

    return f, [
        lambda: config["train"].update(rate="0.25"),
        lambda: variable.set(4.0),
        *setter(local, "rate", 5.0),
        lambda: os.environ.update(AM_TEST_RATE="6"),
    ]


@case
def cached_settings():
    @functools.lru_cache(maxsize=4)
    def settings():
        return Plain()

    @functools.cache
    def table(n):
        return np.arange(float(n))

    settings(), table(3)

    def f(x):
        return x * settings().beta + table(3)

    return f, [
        lambda: setattr(settings(), "beta", 5.0),
        lambda: (settings.cache_clear(), setattr(settings(), "beta", 6.0)),
        lambda: operator.setitem(table(3), 1, 9.0),
    ]


# ── arrays and tensors from outside ──────────────────────────────────────────────────────────────
TABLE: Any = np.array([1.0, 2.0, 3.0])


@case
def global_array():
    return lambda x: x * TABLE, [
        lambda: operator.setitem(TABLE, 1, 7.0),
        *setter(HERE, "TABLE", np.array([3.0, 2.0, 1.0]), np.float32([1, 2, 3]), np.ones(1)),
        *setter(HERE, "TABLE", np.array([1.0, 2.0, 3.0])),
    ]


@case
def arrays_in_containers():
    o = types.SimpleNamespace(a=np.ones(3), b=[np.ones(3)], c={"x": (np.ones(3), 2.0)})

    def f(x):
        return x * o.a + o.b[0] * 2 + o.c["x"][0] * x

    return f, [
        lambda: operator.setitem(o.a, 0, 5.0),
        *setter(o, "a", np.full(3, 2.0)),
        lambda: operator.setitem(o.b, 0, np.full(3, 3.0)),
        lambda: operator.setitem(o.c["x"][0], 1, 9.0),
        lambda: operator.setitem(o.c, "x", (np.full(3, 4.0), 2.0)),
    ]


@case
def views_of_arrays():
    data = np.arange(12.0).reshape(4, 3)
    o = types.SimpleNamespace(data=data)
    return lambda x: x * o.data[1] + o.data.T[:, 2] + o.data[1:3].sum(axis=0), [
        lambda: operator.setitem(data, (1, 1), 50.0),
        lambda: operator.setitem(data, (2, 0), -50.0),
        *setter(o, "data", np.ones((4, 3))),
    ]


@case
def arrays_that_plain_code_reads():
    o = types.SimpleNamespace(data=np.arange(1.0, 4.0), flags=np.array([True, False]))

    def f(x):
        scaled = (o.data - o.data.mean()) / o.data.std()
        return x * scaled if o.flags[0] else x * o.data[1]

    return f, [
        lambda: operator.setitem(o.data, 1, 50.0),
        lambda: operator.setitem(o.flags, 0, False),
        *setter(o, "data", np.array([1.0, 9.0, 4.0])),
    ]


@case
def one_array_under_two_names():
    shared = np.ones(3)
    o = types.SimpleNamespace(a=shared, b=shared)
    return lambda x: x * o.a + o.b, [
        lambda: operator.setitem(shared, 0, 4.0),
        *setter(o, "b", np.full(3, 2.0)),
        lambda: operator.setitem(o.b, 0, 7.0),
        *setter(o, "a", np.full(3, 3.0)),
    ]


@case
def index_arrays():
    o = types.SimpleNamespace(index=np.array([0, 2]), mask=np.array([True, False, True]))
    return lambda x: (x[o.index], np.where(o.mask, x, 0)), [
        lambda: operator.setitem(o.index, 0, 1),
        lambda: operator.setitem(o.mask, 1, True),
        *setter(o, "index", np.array([1, 1])),
    ]


@case
def tensors_without_gradient():
    o = types.SimpleNamespace(t=am.tensor([1.0, 2.0, 3.0]))
    return lambda x: np.sum(o.t * x), [
        lambda: o.t.assign([3.0, 2.0, 1.0]),
        *setter(o, "t", am.tensor([5.0, 5.0, 5.0]), am.tensor([5.0]), am.tensor([1.0, 1.0, 2.0])),
    ]


@case
def parameters_that_are_replaced():
    o = types.SimpleNamespace(w=am.tensor(np.ones(3), requires_grad=True))
    return lambda x: np.sum(o.w * x), [
        lambda: o.w.assign([3.0, 2.0, 1.0]),
        lambda: setattr(o, "w", am.tensor(np.full(3, 7.0), requires_grad=True)),
        lambda: setattr(o.w, "requires_grad", False),
    ]


class Net(am.nn.Module):
    scale = 1.0

    def __init__(self):
        self.dense = am.nn.Dense(3, 3, seed=0)
        self.beta, self.parts = 1.0, {Part.BODY: am.nn.Dense(3, 2, seed=1)}
        self.buffer = am.tensor(np.ones(3))
        self.history = []

    def forward(self, x):
        return self.parts[Part.BODY](self.encode(x))

    def encode(self, x):
        return self.dense(x) * self.beta * self.scale + self.buffer


@case
def a_model():
    net = Net()
    return net, [
        *setter(net, "beta", 5.0),
        *setter(net, "scale", 2.0),
        *setter(Net, "scale", 3.0),
        lambda: delattr(net, "scale"),
        lambda: setattr(net, "dense", am.nn.Dense(3, 3, seed=9)),
        lambda: operator.setitem(net.parts, Part.BODY, am.nn.Dense(3, 2, "tanh", seed=5)),
        lambda: net.buffer.assign(np.full(3, 4.0)),
        lambda: net.history.append(1),  # which nothing reads
        *setter(Net, "scale", 1.0),
    ]


@case
def a_method_of_a_model():
    net = Net()
    return net.encode, [*setter(net, "beta", 5.0), *setter(net, "buffer", am.tensor(np.ones(3)))]


def keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back the globals of this module after a test."""
    for name in ("RATE", "TABLE", "helper"):
        monkeypatch.setattr(HERE, name, getattr(HERE, name))
    monkeypatch.setattr(SETTINGS, "rate", SETTINGS.rate)
    monkeypatch.setenv("AM_TEST_RATE", "3")


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_what_is_read_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch)
    function, changes = CASES[name]()
    compiled = am.compile(function)
    for change in [lambda: None, *changes]:
        change()
        for i in range(4):
            assert_same(compiled(X + i), function(X + i))
        assert compiled.program and compiled.refusal is None
    assert compiled._last is not None and compiled._last.guard.first_failing() is None


@pytest.mark.parametrize("name", CASES)
def test_changes_at_every_call_are_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(monkeypatch)
    function, changes = CASES[name]()
    compiled = am.compile(function)
    for change in [*changes, *changes[:1]]:
        assert_same(compiled(X), function(X))
        change()
    for _ in range(4):
        assert_same(compiled(X), function(X))
    assert compiled.program


def test_a_number_that_is_set_again_to_an_equal_one_does_not_trace_again() -> None:
    o = Plain()
    compiled = am.compile(o.loss)
    for i in range(20):
        o.beta = 0.1 * 10  # another object each time
        compiled(X + i)
    assert compiled._patience.traces == 2


def test_arrays_that_are_replaced_at_each_call_do_not_trace_again() -> None:
    o = types.SimpleNamespace(batch=np.ones(3), target=am.tensor(np.ones(3)))
    compiled = am.compile(lambda x: x * o.batch + o.target)
    for i in range(20):
        o.batch, o.target = np.full(3, float(i)), am.tensor(np.full(3, 2.0 * i))
        np.testing.assert_array_equal(compiled(X).data, X * i + 2 * i)
    assert compiled._patience.traces == 2


# ── what cannot be guarded ───────────────────────────────────────────────────────────────────────
def iterator():
    numbers = iter(np.arange(100.0))
    return lambda x: x * next(numbers)


def generator_of_numpy():
    rng = np.random.default_rng(0)
    return lambda x: x * (2.0 if rng.random() < 2 else 3.0)


def generator_of_an_object():
    o = types.SimpleNamespace(rng=np.random.RandomState(0))
    return lambda x: x * (2.0 if o.rng.rand() < 2 else 3.0)


def module_random():
    import random

    return lambda x: x * (2.0 if random.random() < 2 else 3.0)


def scratch_array_from_outside():
    scratch = np.zeros(3)

    def f(x):
        scratch[1] += 1
        return x * scratch

    return f


HIDDEN = {
    iterator: r"numbers.*iterator",
    generator_of_numpy: r"rng.*am\.random",
    generator_of_an_object: r"rng.*am\.random",
    module_random: r"am\.random",
    scratch_array_from_outside: r"writes into an array.*np\.zeros",
}


@pytest.mark.parametrize("make", HIDDEN, ids=lambda f: f.__name__)
def test_what_hides_its_state_is_an_error_at_the_second_call(make: Any) -> None:
    compiled = am.compile(make())
    compiled(X)
    with pytest.raises(am.CompileError, match=HIDDEN[make]):
        compiled(X)


def test_a_call_that_cannot_be_compiled_changes_nothing() -> None:
    w = am.tensor(np.ones(3), requires_grad=True)
    rng = am.random.Generator(0)
    numbers = {"n": 0.0}

    def f(x):
        numbers["n"] += 1.0
        w.assign(w * 2 + rng.normal(size=3))
        return np.sum(w * x) * numbers["n"]

    compiled = am.compile(f)
    compiled(X)
    before, state = w.data.copy(), rng.bit_generator.state
    with pytest.raises(am.CompileError, match="The second call changed nothing"):
        compiled(X)
    np.testing.assert_array_equal(w.data, before)
    assert rng.bit_generator.state == state


def test_models_that_cannot_be_guarded_are_trained_and_used_with_one_warning() -> None:
    class Noisy(am.nn.Module):
        def __init__(self):
            self.dense, self.noise = am.nn.Dense(3, 1, seed=0), iter(range(10**6))

        def forward(self, x):
            next(self.noise)
            return self.dense(x)

    x, y = np.ones((8, 3)), np.ones((8, 1))
    model = Noisy()
    with pytest.warns(RuntimeWarning, match=r"Noisy\.noise.*range_iterator") as caught:
        history = model.fit(x, y, epochs=3, batch_size=4, verbose=False, seed=0)
    assert len(caught) == 1 and "Noisy.noise" in history.eager
    with pytest.warns(RuntimeWarning, match="runs as it is") as caught:
        for _ in range(5):
            model.predict(x)
    assert len(caught) == 1
    with pytest.raises(am.CompileError, match="noise"):
        model.fit(x, y, epochs=3, batch_size=4, verbose=False, seed=0, compile=True)


def test_state_that_is_built_when_needed_is_compiled() -> None:
    class Lazy:
        def __init__(self):
            self.w, self.cache = None, {}

        def loss(self, x):
            if self.w is None:
                self.w = am.tensor(np.full(x.shape, 2.0), requires_grad=True)
            if "scale" not in self.cache:
                self.cache["scale"] = 3.0
            return np.sum(self.w * x) * self.cache["scale"]

    lazy = Lazy()
    compiled = am.compile(lazy.loss)
    for _ in range(5):
        assert compiled(X).item() == pytest.approx(6 * X.sum())
    assert compiled.program
    lazy.cache["scale"] = 1.0
    assert compiled(X).item() == pytest.approx(2 * X.sum())


def test_what_a_function_keeps_of_each_call_runs_it_as_it_is_after_a_warning() -> None:
    losses = []

    def f(x):
        losses.append(len(losses))
        return np.sum(x)

    compiled = am.compile(f)
    with pytest.warns(RuntimeWarning, match="losses"):
        for _ in range(30):
            compiled(X)
    assert losses == list(range(30))


def test_no_text_of_a_users_object_is_evaluated() -> None:
    ran = []

    class Key:
        def __repr__(self):
            ran.append(1)
            return "__import__('os').abort()"

    class Odd:
        pass

    odd = Odd()
    names = ["a b", "class", "x\ny", "lambda: 0", "attribute_0", "o0", "ﬁ"]
    for name in names:
        setattr(odd, name, 1.0)
    table = {Key(): 2.0, np.str_("np"): 3.0, "'];raise SystemExit#": 4.0}

    def f(x):
        return x * sum(vars(odd).values()) * sum(table.values())

    compiled = am.compile(f)
    for name in names:
        setattr(odd, name, 2.0)
        for _ in range(3):
            assert_same(compiled(X), f(X))
    assert compiled.program
