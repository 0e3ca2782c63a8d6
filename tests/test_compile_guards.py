"""What the code of a compiled function reads: whatever changes, its results are those of eager.

Each case is a function, and changes of the state that it reads. The function is called as it is and
compiled, before and after each change, and must give the same; it must be compiled at the end.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
from guard_cases import CASES, Plain, X, assert_same
from guard_cases_of_containers import keep

import autograd_mini as am


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
