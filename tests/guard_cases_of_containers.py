"""Functions that read containers, arrays and models from outside, each with changes."""

from __future__ import annotations

import array
import collections
import configparser
import contextvars
import enum
import functools
import operator
import os
import sys
import threading
import types
from typing import Any, NamedTuple

import numpy as np
import pytest
from guard_cases import HERE, SETTINGS, Plain, case, setter

import autograd_mini as am


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
TABLES = sys.modules[__name__]


@case
def global_array():
    return lambda x: x * TABLE, [
        lambda: operator.setitem(TABLE, 1, 7.0),
        *setter(TABLES, "TABLE", np.array([3.0, 2.0, 1.0]), np.float32([1, 2, 3]), np.ones(1)),
        *setter(TABLES, "TABLE", np.array([1.0, 2.0, 3.0])),
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
    """Put back the globals of these modules after a test."""
    for module, name in ((HERE, "RATE"), (HERE, "helper"), (TABLES, "TABLE")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(SETTINGS, "rate", SETTINGS.rate)
    monkeypatch.setenv("AM_TEST_RATE", "3")
