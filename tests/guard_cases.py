"""Functions that read numbers and attributes from outside, each with changes between calls."""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

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
