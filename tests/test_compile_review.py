"""Compiled functions in unusual company: what they must not bake in, change, or leave half done."""

import copy
import dataclasses
import gc
import linecache
import pickle

import numpy as np
import pytest

import autograd_mini as am

X = np.linspace(0.1, 1, 3)


def trained(zero=True, optimizer=am.optim.SGD):
    """Return a parameter, its optimizer, and a step."""
    w = am.tensor(np.ones((2, 3)), requires_grad=True, name="w")
    optim = optimizer([w], lr=0.01)

    def step(x):
        if zero:
            optim.zero_grad()
        loss = np.sum((w * x) ** 2)
        loss.backward()
        optim.step()
        return loss

    return w, optim, step


# ── gradients of before ──────────────────────────────────────────────────────────────────────────
def test_a_gradient_of_before_is_not_left_out_silently():
    w, _, step = trained(zero=False)
    compiled = am.compile(step)
    for _ in range(3):
        compiled(X)
    w.grad = np.ones((2, 3))
    with pytest.raises(am.UnsupportedError, match="zero_grad"):
        compiled(X)


def test_gradients_of_before_are_forgotten_by_a_step_that_forgets_them():
    (w, _, step), (other, other_optim, plain) = trained(), trained()
    compiled = am.compile(step)
    for i in range(20):
        if i % 3 == 0:
            w.grad, other.grad = np.ones((2, 3)), np.ones((2, 3))
        compiled(X), plain(X)
        other_optim.zero_grad()
        assert w.grad is None
        np.testing.assert_allclose(w.data, other.data)
    assert sum(map(len, compiled._entries.values())) == 2
    assert compiled.wasted_traces == 0


@pytest.mark.parametrize("zero", [True, False])
def test_kept_gradients_need_two_eager_calls(zero):
    w, _, step = trained(zero=zero)
    compiled = am.compile(step, keep_grads=True)
    for _ in range(2):
        if not zero:
            w.grad = None
        compiled(X)
    assert compiled.program
    if not zero:
        with pytest.raises(am.UnsupportedError, match="zero_grad"):
            compiled(X)


@pytest.mark.parametrize("what", ["step", "clip", "read"])
def test_a_gradient_from_outside_is_refused(what):
    w, optim, _ = trained()

    def by_hand():
        with am.no_grad():
            w.assign(w - w.grad)

    functions = {"step": optim.step, "clip": lambda: am.optim.clip_grad_norm(w, 1), "read": by_hand}
    w.grad = np.ones((2, 3))
    with pytest.raises(am.UnsupportedError, match="before the call"):
        am.compile(functions[what])()


# ── what may change between calls ────────────────────────────────────────────────────────────────
def test_a_hook_that_comes_or_goes_is_noticed():
    (w, _, step), (other, _, plain) = trained(), trained()
    compiled = am.compile(step)
    hooks = []
    for i in range(12):
        if i == 4:
            hooks = [t.register_hook(lambda g: g * 2) for t in (w, other)]
        if i == 8:
            hooks[0].remove(), hooks[1].remove()
        compiled(X), plain(X)
        np.testing.assert_allclose(w.data, other.data)


class Trainer:
    """Not a model: an object with a compiled method."""

    def __init__(self):
        self.w = am.tensor(np.ones(3), requires_grad=True)
        self.scale = 1.0

    @am.compile
    def predict(self, x):
        return np.sum(self.w * x) * self.scale


def test_methods_can_be_compiled():
    first, second = Trainer(), Trainer()
    second.w.assign(np.full(3, 2.0))
    for _ in range(4):
        assert first.predict(X).item() == pytest.approx(X.sum())
        assert second.predict(X).item() == pytest.approx(2 * X.sum())
    assert "def step" in first.predict.source
    assert isinstance(Trainer.predict, am.compiler.compiled.CompiledFunction)


def test_attributes_of_an_argument_are_noticed():
    trainer = Trainer()
    for i in range(12):
        trainer.scale = 1.0 + i // 4
        assert trainer.predict(X).item() == pytest.approx(X.sum() * trainer.scale)
    trainer.w = am.tensor(np.zeros(3), requires_grad=True)
    assert trainer.predict(X).item() == 0


def test_programs_for_changing_attributes_are_not_kept_for_ever():
    trainer = Trainer()
    for i in range(50):
        trainer.scale = float(i)
        for _ in range(3):
            trainer.predict(X)
    assert len(next(reversed(Trainer.predict._entries.values()))) <= 16


def test_calls_that_never_come_again_are_not_kept_for_ever():
    compiled = am.compile(lambda x: x * 2)
    with pytest.warns(RuntimeWarning, match="x changes at each call"):
        for i in range(100):
            compiled(np.ones(i))
    assert len(compiled._first_traces) <= 32


# ── errors ───────────────────────────────────────────────────────────────────────────────────────
def test_generators_and_coroutines_are_refused_at_once():
    def generator(x):
        yield x

    async def coroutine(x):
        return x

    for function in (generator, coroutine):
        with pytest.raises(am.OperandError, match="generator or a coroutine"):
            am.compile(function)


def test_an_object_that_holds_tensors_is_no_result():
    @dataclasses.dataclass
    class Found:
        value: object

    compiled = am.compile(lambda x: Found(np.tanh(x)))
    compiled(X)
    with pytest.raises(am.CompileError, match="different plain values"):
        compiled(X)


# ── source ───────────────────────────────────────────────────────────────────────────────────────
HOSTILE = ["import os; x", "x\ny", 'a"""b', "\\", "class", "None", "np", "memory", "step", "ß", ""]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_gives_valid_source(name):
    w = am.tensor(np.ones(3), requires_grad=True, name=name)

    def f(x):
        with am.scope(name or "s"):
            return np.sum(np.tanh(w * x))

    f.__name__ = name
    compiled = am.compile(f)
    for _ in range(3):
        found = compiled(X)
    assert found.item() == pytest.approx(np.tanh(X).sum())
    compile(compiled.source, "source", "exec")


# ── values ───────────────────────────────────────────────────────────────────────────────────────
def agrees(make, *args, calls=5):
    """Check that a function and its program give the same, and leave the same in its tensors."""
    (plain, held), (function, own) = make(), make()
    compiled = am.compile(function)
    for i in range(calls):
        given = [x * (1 + i) for x in args]
        found, expected = compiled(*given), plain(*given)
        np.testing.assert_allclose(*[getattr(y, "data", y) for y in (found, expected)], 1e-9)
        for a, b in zip(own, held, strict=True):
            np.testing.assert_allclose(a.data, b.data, 1e-9)


def test_a_place_that_is_named_twice_in_a_reshaped_parameter_is_added_twice():
    def make():
        w = am.tensor(np.arange(9.0).reshape(3, 3), requires_grad=True)

        def step(x):
            w.zero_grad()
            loss = np.sum(np.reshape(w, -1)[np.array([0, 8, 0])] * x) + np.sum(w * w)
            loss.backward()
            with am.no_grad():
                w.assign(w - 0.1 * w.grad)
            return loss

        return step, [w]

    agrees(make, X)


def test_a_state_may_be_what_is_added_at_an_index():
    def make():
        w = am.tensor(np.arange(3.0))

        def step(x):
            gradient = am.grad(lambda z: np.sum(z[np.array([2, 0, 2])] * w) + np.sum(z * z))(x)
            w.assign(gradient)
            return np.sum(gradient * 2)

        return step, [w]

    agrees(make, X)


def test_gradients_of_different_rules_are_clipped_together():
    def make():
        rng = np.random.default_rng(0)
        ws = [am.tensor(rng.normal(size=(3, 3)), requires_grad=True) for _ in range(4)]
        first, second = am.optim.SGD(ws[:2], lr=0.1), am.optim.SGD(ws[2:], lr=0.1, momentum=0.9)

        def step(x):
            first.zero_grad(), second.zero_grad()
            loss = np.sum(np.tanh(ws[0] @ ws[2] * x + ws[1] @ ws[3]) ** 2)
            loss.backward()
            am.optim.clip_grad_norm(ws, 0.1)
            second.step(), first.step()
            return loss

        return step, ws

    agrees(make, X)


def test_a_tensor_that_took_an_argument_over_can_be_assigned_again():
    def make():
        w = am.tensor(np.zeros(3))

        def step(x):
            w.assign(x)
            w.assign(w * 2 + 1)
            return np.sum(w)

        return step, [w]

    agrees(make, X)


def test_an_error_before_the_step_says_nothing_of_updates(monkeypatch):
    w, _, step = trained()
    compiled = am.compile(step)
    for _ in range(3):
        compiled(X)
    held = w.data

    def fails(*kept):
        raise MemoryError

    monkeypatch.setattr(compiled._executable, "_build", fails)
    with pytest.raises(MemoryError) as caught:
        compiled(X)
    assert not hasattr(caught.value, "__notes__")
    np.testing.assert_array_equal(w.data, held)


# ── copies, and what stays behind ────────────────────────────────────────────────────────────────
@am.compile
def doubled(x):
    return x * 2


class Holder(am.nn.Module):
    """A model that holds a compiled function."""

    def __init__(self):
        self.w = am.tensor(np.ones(3), requires_grad=True)
        self.f = am.compile(np.tanh)

    def forward(self, x):
        return self.f(self.w * x)


def test_a_compiled_function_is_copied_and_pickled_as_its_function_is():
    model = Holder()
    for _ in range(3):
        model.f(am.tensor(X))
    other = copy.deepcopy(model)
    other.w.assign(np.zeros(3))
    np.testing.assert_array_equal(other(X).data, np.zeros(3))
    assert other.f is not model.f
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert pickle.loads(pickle.dumps(model.f)).function is np.tanh


def test_source_goes_with_the_program():
    before = len(linecache.cache)
    for _ in range(10):
        compiled = am.compile(lambda x: x * 2)
        for _ in range(3):
            compiled(X)
    del compiled
    gc.collect()
    assert len(linecache.cache) < before + 5


# ── training ─────────────────────────────────────────────────────────────────────────────────────
class Chosen(am.nn.Module):
    """A model that no program can follow."""

    def __init__(self):
        self.dense = am.nn.Dense(3, 1, seed=0)

    def forward(self, x):
        y = self.dense(x)
        return y + np.sum(y[y > 0])


def test_a_step_that_cannot_be_compiled_is_taken_once():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    models = [Chosen(), Chosen()]
    for model, compile in zip(models, (None, False), strict=True):
        model.fit(x, y, epochs=1, seed=0, compile=compile, verbose=False)
    for a, b in zip(*(m.parameters() for m in models), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_parameter_that_is_frozen_between_the_first_calls_is_noticed():
    (w, _, step), (other, _, plain) = trained(), trained()
    b = am.tensor(np.ones(3), requires_grad=True)

    def with_bias(step):
        return lambda x: step(x + b)

    compiled = am.compile(with_bias(step))
    plain = with_bias(plain)
    for i in range(9):
        b.requires_grad = i % 4 == 0
        for f in (compiled, plain):
            f(X)
            b.grad = None
        np.testing.assert_allclose(w.data, other.data)


@pytest.mark.parametrize("twice", [False, True])
def test_a_gradient_that_is_the_same_at_each_call_is_one_of_this_call(twice):
    def make():
        w, b = (am.tensor(np.ones(3), requires_grad=True) for _ in range(2))
        optim = am.optim.Adam([w, b], lr=0.1)

        def step(x):
            optim.zero_grad()
            loss = np.sum(w * w * x) + np.sum(b)
            loss.backward()
            if twice:
                (np.sum(b) * 2).backward()
            am.optim.clip_grad_norm([w, b], 1.0)
            optim.step()
            return loss

        return step, [w, b]

    agrees(make, X)


def test_a_constant_gradient_is_kept_on_demand_only():
    b = am.tensor(np.ones(3), requires_grad=True)

    def step(x):
        b.grad = None
        loss = np.sum(b) + np.sum(x)
        loss.backward()
        b.assign(b - 0.1 * b.grad)
        return loss

    for keep in (False, True):
        compiled = am.compile(step, keep_grads=keep)
        for _ in range(4):
            compiled(X)
            assert (type(b.grad) is np.ndarray) is keep


def test_a_tensor_has_memory_of_its_own_from_the_first_call_on():
    w, v = am.tensor(np.zeros(3)), am.tensor(np.zeros(3))

    @am.compile
    def step(x):
        w.assign(x)
        v.assign(w)

    for i in range(4):
        x = np.full(3, float(i))
        step(x)
        x[:] = -1
        w.data[0] = 7
        np.testing.assert_array_equal(w.data, [7, i, i])
        np.testing.assert_array_equal(v.data, [i, i, i])


def test_an_array_may_be_kept_while_its_tensor_takes_another_one():
    (w, _, step), (other, _, plain) = trained(), trained()
    compiled = am.compile(step)
    kept = []
    for i in range(12):
        compiled(X), plain(X)
        np.testing.assert_allclose(w.data, other.data)
        if i % 2:
            kept.append((w.data, w.data.copy()))
            w.assign(w.data * 0.9)
            other.assign(other.data * 0.9)
    for array, numbers in kept:
        np.testing.assert_array_equal(array, numbers)


@pytest.mark.parametrize("name", ["a\0b", "\x1b[31m", "\ud800"])
def test_a_function_of_any_name_is_compiled_and_shown(name):
    f = lambda x: np.tanh(x) * 2
    f.__name__ = name
    compiled = am.compile(f)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(X), np.tanh(X) * 2)
    assert compiled.program
    for text in (repr(compiled), str(compiled.program)):
        assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4"])
def test_big_endian_arrays_give_the_same_kind_of_result_at_each_call(dtype):
    x = np.arange(1, 4).astype(dtype)
    table = (np.ones(3) * 2).astype(dtype)
    functions = [lambda x: x[::-1], lambda x: (x * table, table * 1.5 + x)]
    if "f" in dtype:
        functions.append(am.hessian(lambda x: np.sum(x**3)))
    for function in functions:
        compiled = am.compile(function)
        found = [compiled(x) for _ in range(5)]
        kinds = {tuple((type(y), y.dtype.str) for y in flat(one)) for one in found}
        assert len(kinds) == 1 and all(">" not in kind for _, kind in kinds.pop())
        for one in found:
            for y, wanted in zip(flat(one), flat(function(x)), strict=True):
                np.testing.assert_allclose(y, wanted)


def flat(tree):
    return list(tree) if isinstance(tree, tuple) else [tree]
