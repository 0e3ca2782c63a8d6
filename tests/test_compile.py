"""Compiled functions do what the functions do, and say so where they cannot."""

import copy

import numpy as np
import pytest
from compile_programs import OPTIMIZERS, X, thrice, trainer

import autograd_mini as am


def pair(make, *args, calls=6):
    """Return the results of a function as it is and compiled, both made anew."""
    plain, compiled = make(), am.compile(make())
    return [(plain(*args), compiled(*args)) for _ in range(calls)]


# ── pure functions ───────────────────────────────────────────────────────────────────────────────
def test_a_pure_function_gives_arrays_for_arrays_and_tensors_for_tensors():
    f = am.compile(lambda x, w: np.tanh(x @ w) + 1)
    w = np.ones((3, 2))
    for _ in range(4):
        assert type(f(X, w)) is np.ndarray
        np.testing.assert_array_equal(f(X, w), np.tanh(X @ w) + 1)
        assert type(f(am.tensor(X), am.tensor(w))) is am.Tensor


def test_arguments_and_results_may_be_nested():
    f = am.compile(lambda p, *, scale=1.0: {"sum": p["a"] + p["b"][0], "pair": (p["a"] * scale, 3)})
    for i in range(4):
        found = f({"a": X + i, "b": [X * 2]}, scale=0.5 * i)
        np.testing.assert_array_equal(found["sum"], X + i + X * 2)
        np.testing.assert_array_equal(found["pair"][0], (X + i) * (0.5 * i))
        assert found["pair"][1] == 3


def test_a_float_leaves_float32_as_it_is():
    f = am.compile(lambda x, a: x * (a * 2 + 1))
    for i in range(4):
        y = f(np.float32([1, 2]), 0.5 + i)
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, np.float32([1, 2]) * ((0.5 + i) * 2 + 1))


@pytest.mark.parametrize(
    "x", [np.float64(0.3), np.zeros((0, 3)), np.float32([[2.0]]), np.arange(3)]
)
def test_every_kind_of_array_is_taken(x):
    f = am.compile(lambda x: (np.sin(x) * 2, x + 1, x.sum()))
    for _ in range(4):
        for found, wanted in zip(f(x), (np.sin(x) * 2, x + 1, x.sum()), strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype


def test_complex_numbers_are_taken():
    f = am.compile(lambda z: np.abs(z) * np.exp(1j * np.angle(z)))
    z = np.array([1 + 2j, -3j])
    np.testing.assert_allclose(thrice(f, z), z)


def test_an_argument_that_is_returned_is_a_copy():
    f = am.compile(lambda x: (x, x.T, x[0]))
    x = X.copy()
    found = thrice(f, x)
    x[:] = 0
    np.testing.assert_array_equal(found[0], X)
    np.testing.assert_array_equal(found[1], X.T)
    np.testing.assert_array_equal(found[2], X[0])


def test_results_are_not_overwritten_by_the_next_call():
    f = am.compile(lambda x: (x * 2, (x * 2).T, (x + 1).reshape(-1)))
    thrice(f, X)
    first = f(X)
    kept = copy.deepcopy(first)
    f(X * 100)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_gradient_function_is_compiled():
    f = lambda x: np.sum(np.tanh(x) ** 3)
    g = am.compile(am.grad(f))
    for i in range(4):
        np.testing.assert_array_equal(g(X + i), am.grad(f)(X + i))


@pytest.mark.parametrize(
    "transform",
    [
        am.value_and_grad,
        lambda f: am.grad(lambda x: am.grad(f)(x).sum()),
        am.hessian,
        lambda f: lambda x: am.jvp(f, (x,), (np.ones_like(x),)),
        lambda f: am.vmap(am.grad(f)),
        lambda f: lambda x: am.hvp(f)(x, x),
        lambda f: am.jacobian(lambda x: np.sin(x) * x),
    ],
)
def test_every_transform_is_compiled(transform):
    x = np.linspace(0.1, 0.9, 6).reshape(2, 3)
    f = transform(lambda x: np.sum(np.sin(x) * x * x))
    compiled = am.compile(f)
    for i in range(4):
        for a, b in zip(flat(compiled(x + i)), flat(f(x + i)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


def flat(tree):
    return [part for x in tree for part in flat(x)] if isinstance(tree, tuple) else [tree]


def test_the_compiled_function_may_be_differentiated():
    f = lambda x: np.sum(x**3)
    compiled = am.compile(f)
    thrice(compiled, X)
    np.testing.assert_array_equal(am.grad(compiled)(X), am.grad(f)(X))
    np.testing.assert_array_equal(am.grad(lambda x: am.grad(compiled)(x).sum())(X), 6 * X)
    x = am.tensor(X, requires_grad=True)
    compiled(x * 1).backward()
    np.testing.assert_allclose(x.grad, 3 * X**2)
    y, t = am.jvp(compiled, (X,), (np.ones_like(X),))
    np.testing.assert_allclose(t, (3 * X**2).sum())
    np.testing.assert_array_equal(am.vmap(compiled)(X), (X**3).sum(axis=1))


def test_a_result_that_depends_on_parameters_has_their_gradient():
    model = am.nn.MLP([3, 4, 1], seed=0)
    predict = am.compile(model)
    for _ in range(4):
        for p in model.parameters():
            p.grad = None
        (predict(X) ** 2).sum().backward()
        found = [p.grad for p in model.parameters()]
        for p in model.parameters():
            p.grad = None
        (model(X) ** 2).sum().backward()
        for a, p in zip(found, model.parameters(), strict=True):
            np.testing.assert_allclose(a, p.grad)


def test_parameters_are_read_at_each_call():
    w = am.tensor([1.0, 2.0], requires_grad=True)
    f = am.compile(lambda x: x * w)
    x = np.array([1.0, 1.0])
    thrice(f, x)
    w.assign([5.0, 6.0])
    np.testing.assert_array_equal(f(x).data, [5.0, 6.0])


def test_a_parameter_given_as_an_argument_is_taken_by_identity():
    def step(w):
        w.grad = None
        (w * w).sum().backward()
        with am.no_grad():
            w -= 0.25 * w.grad
        return w

    compiled = am.compile(step)
    a, b = (am.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    for i in range(1, 5):
        assert compiled(a) is a
        np.testing.assert_array_equal(a.data, np.array([1.0, 2.0]) * 0.5**i)
    np.testing.assert_array_equal(b.data, [1.0, 2.0])
    compiled(b)
    np.testing.assert_array_equal(b.data, [0.5, 1.0])


# ── steps ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "softplus"])
def test_a_training_step_is_that_of_eager(optimizer, dtype, activation):
    x, y = X.astype(dtype), np.sin(X[:, :1]).astype(dtype)
    model, optim, step = trainer(optimizer, dtype=dtype, activation=activation)
    other, theirs, eager = trainer(optimizer, dtype=dtype, activation=activation)
    step = am.compile(step)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for i in range(8):
        np.testing.assert_allclose(step(x, y).data, eager(x, y).data, rtol=tolerance)
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            np.testing.assert_allclose(p.data, q.data, rtol=tolerance, atol=tolerance)
            assert p.dtype == q.dtype and p.grad is None
        assert optim.steps == theirs.steps == i + 1
        for name, value in optim.state_dict().items():
            wanted = theirs.state_dict()[name]
            np.testing.assert_allclose(value, wanted, rtol=tolerance, atol=tolerance)


def test_gradients_are_kept_when_asked():
    model, optim, step = trainer()
    other, _, eager = trainer()
    step = am.compile(step, keep_grads=True)
    for _ in range(5):
        step(X, X[:, :1])
        eager(X, X[:, :1])
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad)


def test_kept_gradients_are_arrays_of_a_result_without_history():
    w = am.tensor([1.0, 2.0], requires_grad=True)

    def f(x):
        w.grad = None
        loss = np.sum((w * x) ** 2)
        loss.backward()
        return loss

    f = am.compile(f, keep_grads=True)
    for _ in range(5):
        assert not f(np.array([1.0, 3.0])).requires_grad
        assert type(w.grad) is np.ndarray
        np.testing.assert_array_equal(w.grad, [2.0, 36.0])


def test_gradients_that_nobody_uses_are_an_error():
    model, optim, _ = trainer()

    def step(x):
        (model(x) ** 2).sum().backward()

    with pytest.raises(am.CompileError, match="keep_grads"):
        am.compile(step)(X)
    assert all(p.grad is None for p in model.parameters())


def test_gradients_of_before_the_call_are_an_error():
    model, optim, _ = trainer()

    def step(x):
        loss = (model(x) ** 2).sum()
        loss.backward()
        optim.step()

    (model(X) ** 2).sum().backward()
    with pytest.raises(am.UnsupportedError, match="zero_grad"):
        am.compile(step)(X)


def test_the_learning_rate_may_change():
    model, optim, step = trainer()
    other, theirs, eager = trainer()
    step = am.compile(step)
    for i in range(6):
        optim.lr = theirs.lr = 0.1 / (i + 1)
        assert step(X, X[:, :1]).item() == pytest.approx(eager(X, X[:, :1]).item(), rel=1e-12)


def test_a_changed_hyperparameter_traces_again():
    model, optim, step = trainer(OPTIMIZERS["momentum"])
    other, theirs, eager = trainer(OPTIMIZERS["momentum"])
    step = am.compile(step)
    for i in range(9):
        optim.momentum = theirs.momentum = [0.9, 0.5, 0.9][i // 3]
        assert step(X, X[:, :1]).item() == pytest.approx(eager(X, X[:, :1]).item(), rel=1e-12)


def test_training_and_use_are_two_programs():
    model = am.nn.Sequential(am.nn.Dense(3, 4, seed=0), am.nn.Dropout(0.5, seed=0))
    predict = am.compile(model)
    model.eval()
    wanted = model(X).data
    np.testing.assert_array_equal(thrice(predict, X).data, wanted)
    model.train()
    assert (thrice(predict, X).data == 0).any()
    model.eval()
    np.testing.assert_array_equal(predict(X).data, wanted)


def test_freezing_a_layer_traces_again():
    model, optim, step = trainer()
    step = am.compile(step)
    for _ in range(4):
        step(X, X[:, :1])
    model.layers[0].requires_grad_(False)
    before = model.layers[0].weight.data.copy(), model.layers[1].weight.data.copy()
    for _ in range(4):
        step(X, X[:, :1])
    np.testing.assert_array_equal(model.layers[0].weight.data, before[0])
    assert (model.layers[1].weight.data != before[1]).all()


def test_arrays_that_were_handed_out_keep_their_values():
    model, optim, step = trainer()
    step = am.compile(step)
    held = []
    for _ in range(6):
        step(X, X[:, :1])
        for p in model.parameters():
            held.append((p.data, p.data.copy()))
            held.append((p.data[:1], p.data[:1].copy()))
    for array, copied in held:
        np.testing.assert_array_equal(array, copied)


def test_a_graph_of_before_the_step_is_stale():
    model, optim, step = trainer()
    step = am.compile(step)
    for _ in range(3):
        step(X, X[:, :1])
    loss = (model(X) ** 2).sum()
    step(X, X[:, :1])
    with pytest.raises(am.StaleGraphError):
        loss.backward()


def test_eager_and_compiled_steps_take_turns():
    model, optim, step = trainer(OPTIMIZERS["adam"])
    other, theirs, eager = trainer(OPTIMIZERS["adam"])
    compiled = am.compile(step)
    for i in range(12):
        a = (step if i % 3 == 2 else compiled)(X, X[:, :1])
        assert a.item() == pytest.approx(eager(X, X[:, :1]).item(), rel=1e-12)


def test_two_batch_sizes_share_the_parameters():
    model, optim, step = trainer(OPTIMIZERS["adam"])
    other, theirs, eager = trainer(OPTIMIZERS["adam"])
    compiled = am.compile(step)
    for i in range(12):
        x = X[: 4 - i % 2]
        assert compiled(x, x[:, :1]).item() == pytest.approx(eager(x, x[:, :1]).item(), rel=1e-12)


def test_assignments_and_counters_are_carried_out():
    def make():
        count, total = am.tensor(0), am.tensor([0.0, 0.0])

        def f(x):
            count.assign(count + 1)
            total.assign(total * 0.5 + x)
            return count * 1, total * 1

        return f

    for plain, compiled in pair(make, np.array([1.0, 2.0])):
        for a, b in zip(plain, compiled, strict=True):
            np.testing.assert_array_equal(a.data, b.data)


def test_a_swap_of_two_leaves_reads_both_first():
    a, b = am.tensor([1.0, 2.0]), am.tensor([3.0, 4.0])

    def swap():
        old = a * 1
        a.assign(b)
        b.assign(old)

    f = am.compile(swap)
    for _ in range(5):
        f()
    np.testing.assert_array_equal(a.data, [3.0, 4.0])
    np.testing.assert_array_equal(b.data, [1.0, 2.0])


def test_random_draws_advance_as_in_eager():
    def make():
        rng = am.random.Generator(0)
        return lambda x: x + rng.normal(size=3) * rng.random(3, dtype="float32")

    for plain, compiled in pair(make, np.zeros(3)):
        np.testing.assert_array_equal(plain.data, compiled.data)


# ── what a trace cannot see ──────────────────────────────────────────────────────────────────────
def test_a_captured_counter_is_an_error_that_names_its_line_and_the_cure():
    state = {"n": 0.0}

    def f(x):
        state["n"] += 1.0
        return x * state["n"]  # here

    compiled = am.compile(f)
    compiled(X)
    line = f.__code__.co_firstlineno + 2
    with pytest.raises(am.CompileError, match=rf"test_compile.py:{line}.*1.0.*2.0.*argument"):
        compiled(X)


def test_captured_arrays_that_change_are_an_error():
    rng = np.random.default_rng(0)
    compiled = am.compile(lambda x: x + rng.random(3))
    compiled(X)
    with pytest.raises(am.CompileError, match=r"am\.random"):
        compiled(X)


def test_an_array_from_outside_is_read_at_each_call():
    buffer = np.zeros(3)
    compiled = am.compile(lambda x: x + buffer)
    for i in range(6):
        buffer[0] = i
        np.testing.assert_array_equal(compiled(X), X + [i, 0, 0])
    assert compiled.program


def test_a_branch_on_a_counter_is_an_error():
    state = []

    def f(x):
        state.append(1)
        return x * 2 if len(state) % 2 else x + 2

    compiled = am.compile(f)
    compiled(X)
    with pytest.raises(am.CompileError, match=r"multiply in the first, add in the second"):
        compiled(X)


def test_a_plain_result_that_changes_is_an_error():
    state = []

    def f(x):
        state.append(1)
        return x * 2, len(state)

    compiled = am.compile(f)
    compiled(X)
    with pytest.raises(am.CompileError, match="plain values"):
        compiled(X)


def branch(x):
    if x.sum() > 0:
        return x
    return -x


LOOKS = [
    (branch, r"np\.where"),
    (lambda x: x * float(x.sum()), r"np\.sqrt\(t\)"),
    (lambda x: x * x.sum().item(), "outside of the compiled"),
    (lambda x: x * x.sum().data, r"w\.assign"),
    (lambda x: [v for v in range(x.astype(int)[0, 0])], r"am\.tensor\(table\)"),
    (lambda x: np.array(x) + 1, r"np\.stack"),
    (lambda x: x[np.argmax(x) > 3] if bool(x[0, 0] > 0) else x, r"np\.where"),
]


"""Functions that look at a value, and what to write instead."""


@pytest.mark.parametrize(("f", "cure"), LOOKS)
def test_looking_at_a_value_is_an_error_with_its_line(f, cure):
    line = f.__code__.co_firstlineno + (f is branch)
    with pytest.raises(am.AutogradError, match=rf"test_compile.py:{line}.*{cure}"):
        am.compile(f)(X)


def test_integers_and_text_are_static():
    f = am.compile(lambda x, n, how: sum(x * i for i in range(n)) if how == "sum" else x)
    for _ in range(3):
        np.testing.assert_allclose(f(X, 3, "sum"), X * 3)
        np.testing.assert_allclose(f(X, 4, "sum"), X * 6)
        np.testing.assert_array_equal(f(X, 4, "no"), X)


def test_many_signatures_warn_once():
    f = am.compile(lambda x, n: x * n)
    with pytest.warns(RuntimeWarning, match="signatures"):
        for n in range(50):
            f(1.0, n)
            f(1.0, n)


def test_not_a_function():
    with pytest.raises(am.OperandError, match="takes a function"):
        am.compile(3)
