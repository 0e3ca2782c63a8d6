"""More places where state can stand: packages, classes, absence, names made at run time, writes.

The cases are checked as those of `test_compile_guards`: what a compiled function returns is what
the function returns, before and after each change, and it is compiled at the end.
"""

from __future__ import annotations

import array
import collections
import ctypes
import dataclasses
import enum
import functools
import importlib.util
import mmap
import operator
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from guard_cases import assert_same, flat, setter

import autograd_mini as am

X = np.array([1.0, 2.0, 4.0])
CASES: dict[str, Callable[[], tuple[Callable[..., Any], list[Callable[[], Any]]]]] = {}


def case(make: Any) -> Any:
    CASES[make.__name__] = make
    return make


class Plain:
    pass


# ── names that are made at run time ──────────────────────────────────────────────────────────
@case
def attribute_of_a_class_by_a_name_made_at_run_time():
    names, one = ["ra", "te"], type("One", (), {"rate": 1.0})
    return lambda x: x * getattr(one, "".join(names)), setter(one, "rate", 2.0, 3)


@case
def attribute_by_another_name_of_getattr():
    ask, one, names = getattr, types.SimpleNamespace(rate=1.0), ["rate"]
    return lambda x: x * ask(one, names[0]), setter(one, "rate", 2.0, 3)


@case
def partial_of_getattr():
    one = types.SimpleNamespace(rate=1.0)
    read = functools.partial(getattr, one, "rate")
    return lambda x: x * read(), setter(one, "rate", 2.0, 3)


@case
def slot_by_a_name_made_at_run_time():
    class Slotted:
        __slots__ = ("rate",)

    one, key = Slotted(), ["rate"]
    one.rate = 1.0
    return lambda x: x * getattr(one, key[0]), setter(one, "rate", 2.0, 3)


@case
def getter_with_dots():
    one = types.SimpleNamespace(inner=types.SimpleNamespace(rate=1.0))
    return lambda x: x * operator.attrgetter("inner.rate")(one), setter(one.inner, "rate", 2.0)


@case
def fields_of_a_dataclass_with_slots():
    @dataclasses.dataclass(slots=True)
    class Both:
        a: float = 1.0
        b: float = 2.0

    both = Both()
    return lambda x: x * sum(dataclasses.astuple(both)), setter(both, "b", 3.0, 4.0)


@case
def match_by_position():
    @dataclasses.dataclass
    class Both:
        a: float = 1.0
        b: float = 2.0

    both = Both()

    def f(x):
        match both:
            case Both(a, b):
                return x * a + b
        return x

    return f, setter(both, "b", 3.0, 4.0)


@case
def comparison_of_namespaces():
    one, other = types.SimpleNamespace(a=1), types.SimpleNamespace(a=1)
    return lambda x: x if one == other else -x, setter(one, "a", 2, 1)


@case
def text_of_an_object():
    one = types.SimpleNamespace(rate=2.0)
    return lambda x: x * float(f"{one.rate}"), setter(one, "rate", 3.0)


# ── what is not there yet ────────────────────────────────────────────────────────────────────
ABSENT: dict[str, Callable[[], Any]] = {
    "namespace": types.SimpleNamespace,
    "object": Plain,
    "class": lambda: type("Empty", (), {}),
    "function": lambda: lambda: 0,
    "layer": lambda: am.nn.Dense(1, 1, seed=0),
    "optimizer": lambda: am.optim.SGD(am.nn.Dense(1, 1, seed=0), lr=0.1),
}
for name, make_owner in ABSENT.items():

    def absent_with_default(make_owner=make_owner):
        owner = make_owner()
        return lambda x: x * getattr(owner, "strength", 2.0), setter(owner, "strength", 3.0)

    def absent_and_caught(make_owner=make_owner):
        owner = make_owner()

        def f(x):
            try:
                return x * owner.strength
            except Exception:
                return x

        return f, setter(owner, "strength", 3.0)

    CASES[f"absent_with_default_{name}"] = absent_with_default
    CASES[f"absent_and_caught_{name}"] = absent_and_caught


@case
def default_of_a_getattr_of_a_class():
    class Lenient:
        def __getattr__(self, name):
            return 2.0

    one = Lenient()
    return lambda x: x * one.rate, setter(one, "rate", 3.0)


@case
def cell_that_is_filled_later():
    def fill():
        nonlocal late
        late = 3.0

    def f(x):
        try:
            return x * late
        except NameError:
            return x

    if X is None:
        late = 0.0
    return f, [fill]


# ── classes ──────────────────────────────────────────────────────────────────────────────────
@case
def attribute_and_method_of_a_base_by_super():
    class Base:
        rate = 1.0

        def shift(self):
            return 1.0

    class Derived(Base):
        rate = 5.0

        def shift(self):
            return super().rate * super().shift()

    one = Derived()
    return lambda x: x + one.shift(), [
        *setter(Base, "rate", 2.0),
        *setter(Base, "shift", lambda self: 7.0),
    ]


@case
def attribute_of_a_class_of_classes():
    meta = type("Meta", (type,), {"rate": 2.0})
    one = meta("One", (), {})
    return lambda x: x * one.rate, setter(meta, "rate", 3.0, 4.0)


@case
def operators_that_are_replaced():
    class Odd:
        def __abs__(self):
            return 1.0

        def __floordiv__(self, other):
            return 2.0

        def __lt__(self, other):
            return True

    one = Odd()
    return lambda x: x * abs(one) * (one // 2) * (1.0 if one < 1 else 3.0), [
        *setter(Odd, "__abs__", lambda self: 5.0),
        *setter(Odd, "__floordiv__", lambda self, other: 7.0),
        *setter(Odd, "__lt__", lambda self, other: False),
    ]


class Scaling(am.nn.Module):
    def __init__(self):
        self.w = am.tensor(np.full(3, 2.0), requires_grad=True)

    def forward(self, x):
        return x * self.w


@case
def forward_of_a_layer_that_is_replaced():
    class Own(Scaling):
        pass

    net = Own()
    before = Scaling.forward.__code__

    def set_code(code):
        Scaling.forward.__code__ = code

    return lambda x: net(x), [
        lambda: set_code((lambda self, x: x - self.w).__code__),
        lambda: set_code(before),
        *setter(Own, "forward", lambda self, x: x + self.w),
        *setter(net, "forward", lambda x: x * 7.0),
    ]


@case
def attribute_named_training_of_a_plain_object():
    one = types.SimpleNamespace(training=True, _frozen=1.0)
    return lambda x: x * one._frozen if one.training else -x, [
        *setter(one, "training", False, True),
        *setter(one, "_frozen", 5.0),
    ]


# ── things that look plain, and are not ──────────────────────────────────────────────────────
@case
def row_of_a_table_with_names():
    table = np.zeros(2, [("a", float), ("b", float)])
    row = table[0]
    row["a"] = 2.0

    def change(value):
        table["a"][0] = value

    return lambda x: x * row["a"], [functools.partial(change, v) for v in (3.0, 4.0)]


@case
def array_of_a_class_of_its_own():
    class Own(np.ndarray):
        pass

    own = np.arange(1.0, 4.0).view(Own)

    def change(value):
        own[0] = value

    return lambda x: x * own[0], [functools.partial(change, v) for v in (3.0, 4.0)]


@case
def memory_map():
    memory = mmap.mmap(-1, 24)
    np.ndarray(3, buffer=memory)[:] = 2.0
    view = np.frombuffer(memory)

    def change(value):
        np.ndarray(3, buffer=memory)[:] = value

    return lambda x: x * view[0], [functools.partial(change, v) for v in (3.0, 4.0)]


@case
def objects_in_an_array():
    table = np.array([{"rate": 1.0}, None], dtype=object)
    return lambda x: x * table[0]["rate"], [functools.partial(table[0].update, rate=3.0)]


@case
def array_of_ctypes():
    table = (ctypes.c_double * 2)(1.0, 2.0)

    def change(value):
        table[0] = value

    return lambda x: x * table[0], [functools.partial(change, v) for v in (3.0, 4.0)]


@case
def member_of_an_enumeration():
    class Kind(enum.Enum):
        A = types.SimpleNamespace(rate=1.0)

    kinds = [Kind.A]
    return lambda x: x * kinds[0].value.rate, setter(Kind.A.value, "rate", 3.0)


@case
def views_of_a_dict():
    table = {"a": 1.0, "b": 2.0}
    values, items = table.values(), table.items()

    def f(x):
        return x * sum(values) + sum(v for _, v in items)

    return f, [functools.partial(table.update, a=5.0), functools.partial(table.pop, "b")]


@case
def length_by_a_method_that_was_taken():
    items = [1.0]
    size = items.__len__
    return lambda x: x * size(), [functools.partial(items.append, 2.0)]


@case
def user_dict_and_chain_map():
    own, chain = collections.UserDict(k=1.0), collections.ChainMap({"k": 2.0}, {"k": 3.0})
    return lambda x: x * own["k"] * chain["k"], [
        functools.partial(own.update, k=4.0),
        functools.partial(chain.maps[0].pop, "k"),
    ]


@case
def default_dict_that_is_only_asked():
    table: Any = collections.defaultdict(float, a=1.0)

    def f(x):
        return x * 2 if "a" in table else x

    return f, [table.clear, functools.partial(table.update, a=1.0)]


@case
def cache_that_forgets():
    count = [0.0]

    @functools.lru_cache(maxsize=1)
    def rate(key):
        return count[0]

    def change(value):
        count[0] = value
        rate(value)

    return lambda x: x * rate(-1), [functools.partial(change, v) for v in (3.0, 4.0, 5.0)]


# ── arrays whose elements plain code reads ───────────────────────────────────────────────────
def writer(owner: Any, key: Any, *values: Any) -> list[Callable[[], Any]]:
    return [functools.partial(operator.setitem, owner, key, value) for value in values]


@case
def element_after_a_change_that_did_not_matter():
    table = np.array([1.0, 2.0, 3.0])
    return lambda x: x * table[0], [*writer(table, -1, 5.0, 6.0), *writer(table, 0, 7.0, 8.0)]


@case
def element_of_an_operand():
    table = np.array([1.0, 2.0, 3.0])
    return lambda x: x * table + table[0], [*writer(table, -1, 5.0), *writer(table, 0, 7.0)]


@case
def threshold_that_is_crossed_late():
    count = np.zeros(1, int)
    return lambda x: x if count[0] > 150 else -x, writer(count, 0, 3, 100, 151, 7)


@case
def order_of_elements():
    table = np.array([3.0, 1.0, 2.0])
    return lambda x: x[np.argsort(table)[:2]] * table[:2], [
        *writer(table, 0, 4.0, 0.0),
        *writer(table, slice(None), [1.0, 2.0, 3.0]),
    ]


@case
def mean_of_a_large_operand():
    large = np.ones(5000)
    return lambda x: np.sum(large * x[0]) + large.mean(), writer(large, slice(None), 2.0, 3.0)


@case
def elements_of_buffers():
    one, other = bytearray(b"\x01\x02"), array.array("d", [1.0])
    return lambda x: x * one[0] * other[0], [*writer(one, 1, 9), *writer(one, 0, 5)] + writer(
        other, 0, 3.0
    )


@case
def array_that_becomes_something_else():
    one = types.SimpleNamespace(mask=np.ones(3))

    def f(x):
        return x if one.mask is None else x * one.mask

    return f, setter(one, "mask", None, 2.0, np.full(3, 3.0), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("name", CASES)
def test_a_change_of_what_is_read_is_seen(name: str) -> None:
    make = CASES[name]
    (f, changes), (plain, its_changes) = make(), make()
    compiled = am.compile(f)
    for _ in range(4):
        assert_same(compiled(X), plain(X))
    assert compiled.program, name
    for change, its in zip(changes, its_changes, strict=True):
        change()
        if f is not plain:
            its()
        for _ in range(4):
            assert_same(compiled(X), plain(X))
    assert compiled.program


# ── code of installed packages ───────────────────────────────────────────────────────────────
PACKAGE = """
import autograd_mini as am
import numpy as np
SETTINGS = {"k": 2.0}
rate = 1.0

class Net(am.nn.Module):
    def __init__(self):
        self.scale = 1.0
        self.dense = am.nn.Dense(3, 1, seed=0)
    def forward(self, x):
        return self.dense(x) * self.scale * SETTINGS["k"] * rate

@am.compile
def step(x):
    return x * SETTINGS["k"] * rate
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a module whose code lies where packages are installed."""
    name = "package_of_this_test"
    file = Path(sysconfig.get_path("purelib"), f"{name}.py")
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec is not None
    module: Any = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(PACKAGE, str(file), "exec"), vars(module))
    yield module


def test_code_of_installed_packages_is_guarded(package: Any) -> None:
    for change in (
        lambda: None,
        lambda: package.SETTINGS.update(k=3.0),
        lambda: setattr(package, "rate", 5.0),
    ):
        change()
        for _ in range(4):
            assert_same(package.step(X), X * package.SETTINGS["k"] * package.rate)
    assert package.step.program


def test_a_model_of_an_installed_package_predicts_what_it_is(package: Any) -> None:
    net = package.Net()
    for change in (
        lambda: None,
        lambda: setattr(net, "scale", 3.0),
        lambda: package.SETTINGS.update(k=3.0),
        lambda: setattr(package, "rate", 5.0),
    ):
        change()
        for _ in range(4):
            assert_same(net.predict(X[None]), net(X[None]).data)


# ── what a function writes ───────────────────────────────────────────────────────────────────
def remember_in_attribute(kept: Any) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        kept.mean = 0.5 * kept.mean + 0.5 * np.mean(x)
        return x - kept.mean

    return f


def remember_in_dict(kept: Any) -> Callable[[Any], Any]:
    table = vars(kept)

    def f(x: Any) -> Any:
        table["last"] = x * 2
        return x * 3

    return f


def remember_by_setattr(kept: Any) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        setattr(kept, "last", x * 2)  # noqa: B010
        return x * 3

    return f


def remember_in_queue(kept: Any) -> Callable[[Any], Any]:
    kept.queue = collections.deque(maxlen=2)

    def f(x: Any) -> Any:
        kept.queue.append(x * 2)
        return x * 3

    return f


@pytest.mark.parametrize(
    "make", [remember_in_attribute, remember_in_dict, remember_by_setattr, remember_in_queue]
)
@pytest.mark.filterwarnings("ignore:.* is traced at each call:RuntimeWarning")
def test_what_a_function_writes_is_written_or_an_error(make: Any) -> None:
    kept, plainly = (types.SimpleNamespace(mean=np.float64(1.0), last=X, queue=[]) for _ in "ab")
    compiled, plain = am.compile(make(kept)), make(plainly)
    for call in range(20):
        x = X * (call + 1)
        expected = plain(x)
        try:
            found = compiled(x)
        except am.CompileError as error:
            assert call <= 3 and "assign" in str(error)  # noqa: PT017
            return
        assert_same(found, expected)
        for key in ("mean", "last"):
            assert_same(getattr(kept, key), getattr(plainly, key))
        assert_same(list(kept.queue), list(plainly.queue))


class Averaging(am.nn.Module):
    """Keeps a mean of its inputs in an array, as nobody should."""

    def __init__(self):
        self.mean = np.zeros(3)
        self.dense = am.nn.Dense(3, 1, seed=0)

    def forward(self, x):
        if self.training:
            mean = np.mean(x, axis=0)
            self.mean = 0.9 * self.mean + 0.1 * mean
            return self.dense(x - mean)
        return self.dense(x - self.mean)


def test_fit_of_a_model_that_writes_arrays_is_eager_after_a_warning() -> None:
    x = np.random.default_rng(0).normal(size=(32, 3)) + 3
    means = []
    for compile in (False, None):
        model = Averaging()
        options: Any = {"epochs": 5, "batch_size": 8, "seed": 0, "verbose": False}
        if compile is None:
            with pytest.warns(RuntimeWarning, match="replaces Averaging.mean"):
                history = model.fit(x, x[:, :1], compile=compile, **options)
            assert history.eager is not None
        else:
            model.fit(x, x[:, :1], compile=compile, **options)
        means.append(flat(model.mean)[0])
    np.testing.assert_allclose(means[0], means[1], rtol=1e-12)


def test_draws_of_numpys_own_generator_are_refused() -> None:
    def branches(x: Any) -> Any:
        return x * 2 if np.random.rand() < 0.9 else x

    compiled = am.compile(branches)
    compiled(X)
    with pytest.raises(am.CompileError, match="np.random"):
        compiled(X)


def test_a_guard_makes_no_default() -> None:
    table: Any = collections.defaultdict(float, a=1.0)
    compiled = am.compile(lambda x: x * 2 if "a" in table else x)
    for _ in range(4):
        compiled(X)
    table.clear()
    assert_same(compiled(X), X)
    assert not table


def test_functions_of_before_are_not_guarded_nor_kept() -> None:
    """Closures that share their code are told apart by what they hold."""

    def made(rate: float) -> Any:
        def inner(x: Any) -> Any:
            return x * rate

        return am.compile(lambda x: [f(x) for f in [inner]][0])

    counts = []
    for i in range(6):
        compiled = made(1.0 + i)
        for _ in range(3):
            assert_same(compiled(X), X * (1.0 + i))
        counts.append(len(compiled._last.guard.conditions))
    assert len(set(counts)) == 1
