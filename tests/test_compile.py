"""Compiled functions do what the functions do, and say so where they cannot."""

import copy
import gc
import subprocess
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest

import autograd_mini as am
import viz

X = np.linspace(-1, 1, 12).reshape(4, 3)


def thrice(step, *args):
    """Call until the program runs."""
    return [step(*args) for _ in range(3)][-1]


def pair(make, *args, calls=6):
    """Return the results of a function as it is and compiled, both made anew."""
    plain, compiled = make(), am.compile(make())
    return [(plain(*args), compiled(*args)) for _ in range(calls)]


def trainer(optimizer=lambda model: am.optim.SGD(model, lr=0.1), sizes=(3, 5, 1), **options):
    model = am.nn.MLP(sizes, seed=0, **options)
    optim = optimizer(model)

    def step(x, y):
        optim.zero_grad()
        loss = am.nn.mse(model(x), y)
        loss.backward()
        optim.step()
        return loss

    return model, optim, step


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
OPTIMIZERS = {
    "sgd": lambda model: am.optim.SGD(model, lr=0.1),
    "momentum": lambda model: am.optim.SGD(model, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda model: am.optim.SGD(model, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda model: am.optim.Adam(model, lr=0.01),
    "adamw": lambda model: am.optim.AdamW(model, lr=0.01),
}


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


# ── safety ───────────────────────────────────────────────────────────────────────────────────────
def test_threads_call_a_pure_program_at_once():
    f = am.compile(lambda x: np.tanh(x @ x.T) @ x)
    inputs = [np.random.default_rng(i).normal(size=(30, 30)) for i in range(8)]
    wanted = [np.tanh(x @ x.T) @ x for x in inputs]
    thrice(f, inputs[0])
    found = {}

    def run(i):
        found[i] = [f(inputs[i]) for _ in range(30)]

    in_threads(run, 8)
    for i in range(8):
        for y in found[i]:
            np.testing.assert_allclose(y, wanted[i])


def test_threads_take_turns_at_a_step():
    count = am.tensor(np.zeros(100))

    def add(x):
        count.assign(count + x)

    step = am.compile(add)
    for _ in range(3):
        step(np.ones(100))
    in_threads(lambda i: [step(np.ones(100)) for _ in range(50)], 6)
    np.testing.assert_array_equal(count.data, np.full(100, 303.0))


def in_threads(function, number):
    threads = [threading.Thread(target=function, args=(i,)) for i in range(number)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


@am.primitive
def fragile(x):
    if fragile_breaks:
        raise RuntimeError("broken on purpose")
    return x * 1.0


@fragile.vjp
def fragile_vjp(g, y, x):
    return g


fragile_breaks = False


def test_an_error_in_the_middle_changes_nothing():
    global fragile_breaks
    model, optim, _ = trainer(OPTIMIZERS["momentum"])

    def step(x):
        optim.zero_grad()
        loss = (fragile(model(x)) ** 2).sum()
        loss.backward()
        optim.step()
        return loss

    compiled = am.compile(step)
    thrice(compiled, X)
    before = {k: v.copy() for k, v in optim.state_dict().items()}
    weights = [p.data.copy() for p in model.parameters()]
    fragile_breaks = True
    try:
        with pytest.raises(RuntimeError, match="on purpose"):
            compiled(X)
    finally:
        fragile_breaks = False
    for p, w in zip(model.parameters(), weights, strict=True):
        np.testing.assert_array_equal(p.data, w)
    for k, v in optim.state_dict().items():
        np.testing.assert_array_equal(v, before[k])
    compiled(X)


def test_an_error_of_an_update_changes_nothing():
    w, v = am.tensor(np.ones(3)), am.tensor(np.ones(3))

    def step(x):
        new = x * 2
        w.assign(w / x)
        v.assign(v / new)

    compiled = am.compile(step)
    thrice(compiled, np.ones(3))
    before = w.data.copy(), v.data.copy()
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        compiled(np.array([0.0, 1, 1]))
    np.testing.assert_array_equal(w.data, before[0])
    np.testing.assert_array_equal(v.data, before[1])


def test_a_compiled_function_and_its_memory_are_freed():
    model, optim, step = trainer()
    compiled = am.compile(step)
    thrice(compiled, X, X[:, :1])
    kept = weakref.ref(compiled), weakref.ref(model)
    del compiled, step, model, optim
    gc.collect()
    assert [r() for r in kept] == [None, None]


def test_calls_do_not_leak():
    model, optim, step = trainer()
    compiled = am.compile(step)
    for _ in range(5):
        compiled(X, X[:, :1])
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        compiled(X, X[:, :1])
    gc.collect()
    assert len(gc.get_objects()) - before < 20


def test_warnings_are_those_of_eager():
    f = lambda x: np.log(x).sum()
    g = am.compile(am.value_and_grad(f))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thrice(g, np.array([0.0, 1.0]))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        g(np.array([0.0, 1.0]))


# ── the source ───────────────────────────────────────────────────────────────────────────────────
def test_the_source_is_readable_and_names_the_users_variables():
    def f(x, weight):
        hidden = np.tanh(x @ weight)
        with am.scope("head"):
            result = hidden.sum(axis=0)
        return result

    compiled = am.compile(f)
    thrice(compiled, X, np.ones((3, 2)))
    assert "np.tanh(hidden, out=hidden)" in compiled.source and "# hidden = " in compiled.source
    assert "# head" in compiled.source and "def step(x, weight):" in compiled.source


def test_the_source_is_the_same_in_every_process(tmp_path):
    program = (
        "import numpy as np, autograd_mini as am\n"
        "m = am.nn.MLP([3, 4, 1], seed=0); o = am.optim.Adam(m)\n"
        "def step(x):\n"
        "    o.zero_grad(); loss = (m(x) ** 2).mean(); loss.backward(); o.step(); return loss\n"
        "f = am.compile(step)\n"
        "[f(np.ones((5, 3))) for _ in range(3)]\n"
        "print(f.source)\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (0, 1)
    }
    assert len(texts) == 1


def test_properties_need_a_program():
    f = am.compile(lambda x: x + 1)
    with pytest.raises(am.CompileError, match="second call"):
        _ = f.source
    assert "0 signatures" in repr(f)


# ── saving ───────────────────────────────────────────────────────────────────────────────────────
def run_alone(path, program):
    """Run lines in a process in which this library cannot be imported."""
    lines = ["import sys", "sys.modules['autograd_mini'] = None", "import numpy as np", program]
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=path, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_saved_step_runs_with_numpy_alone(tmp_path, optimizer):
    model, optim, step = trainer(OPTIMIZERS[optimizer])
    step = am.compile(step)
    x, y = X, np.sin(X[:, :1])
    for _ in range(3):
        step(x, y)
    step.save(tmp_path / "saved.py")
    np.savez(tmp_path / "data.npz", x=x, y=y)
    program = (
        "import saved\nstep, state = saved.load()\ndata = np.load('data.npz')\n"
        "print([float(step(data['x'], data['y'])) for _ in range(3)], int(state['step_count']))"
    )
    found = eval(run_alone(tmp_path, program).replace("] ", "], "))
    np.testing.assert_allclose(found[0], [step(x, y).item() for _ in range(3)], rtol=1e-9)
    assert found[1] == 6


def test_a_saved_classifier_runs_with_numpy_alone(tmp_path):
    model = am.nn.MLP([3, 4, 2], seed=0)
    optim = am.optim.SGD(model, lr=0.1)

    def step(x, classes):
        optim.zero_grad()
        loss = am.nn.cross_entropy(model(x), classes)
        loss.backward()
        optim.step()
        return loss

    step = am.compile(step)
    classes = np.arange(len(X)) % 2
    thrice(step, X, classes)
    step.save(tmp_path / "saved.py")
    np.savez(tmp_path / "data.npz", x=X, classes=classes)
    program = (
        "import saved\nstep, state = saved.load()\ndata = np.load('data.npz')\n"
        "print([float(step(data['x'], data['classes'])) for _ in range(3)])"
    )
    found = eval(run_alone(tmp_path, program))
    np.testing.assert_allclose(found, [step(X, classes).item() for _ in range(3)], rtol=1e-9)


def test_a_saved_program_goes_on_drawing(tmp_path):
    rng = am.random.Generator(0)
    f = am.compile(lambda x: x + rng.normal(size=3))
    thrice(f, np.zeros(3))
    f.save(tmp_path / "saved.py")
    found = run_alone(tmp_path, "import saved\nprint(saved.load()[0](np.zeros(3)).tolist())")
    np.testing.assert_array_equal(eval(found), f(np.zeros(3)).data)


def test_what_has_no_source_cannot_be_saved(tmp_path):
    f = am.compile(lambda x: fragile(x) + 1)
    thrice(f, X)
    with pytest.raises(am.CompileError, match="fragile"):
        f.save(tmp_path / "saved.py")
    assert not list(tmp_path.iterdir())
    with pytest.raises(am.CompileError, match="step.py"):
        f.save(tmp_path / "saved.txt")


def test_a_gradient_sees_the_numbers_that_were_drawn():
    w = am.tensor(np.ones(5), requires_grad=True)
    rng = am.random.Generator(0)
    f = am.compile(lambda x: x * w * rng.normal(size=5))
    for _ in range(4):
        w.grad = None
        y = f(np.ones(5))
        y.sum().backward()
        np.testing.assert_array_equal(w.grad, y.data)


def test_a_step_is_drawn():
    model, optim, step = trainer()
    step = am.compile(step)
    thrice(step, X, X[:, :1])
    assert viz.draw(step)
    assert len(step.graph) <= len(step.recorded_graph)
    assert "learning_rate" in str(step.graph)
    assert "image/svg+xml" in step._repr_mimebundle_()


# ── what a function reads from objects ───────────────────────────────────────────────────────────
def test_another_layer_in_a_list_is_noticed():
    model = am.nn.MLP([3, 4, 2], seed=0)
    predict = am.compile(model)
    thrice(predict, X)
    model.layers[0] = am.nn.Dense(3, 4, "tanh", seed=5)
    np.testing.assert_allclose(predict(X).data, model(X).data)
    thrice(predict, X)
    model.layers.append(np.tanh)
    np.testing.assert_allclose(thrice(predict, X).data, model(X).data)
    model.layers[0].bias = None
    np.testing.assert_allclose(predict(X).data, model(X).data)


def test_predictions_follow_the_model():
    model = am.nn.MLP([3, 4, 2], seed=0)

    def check():
        for _ in range(3):
            np.testing.assert_allclose(model.predict(X), model(X).data, rtol=1e-12)
        assert model.training

    check()
    model.fit(X, X[:, :2], epochs=2, seed=0)
    check()
    model.layers[1] = am.nn.Dense(4, 2, seed=7)
    check()
    model.layers[0].weight.assign(np.zeros((3, 4)))
    check()
    model.layers[0].activation = "relu"
    check()
    other = copy.deepcopy(model)
    other.layers[1].bias.assign([1.0, 2.0])
    check()
    np.testing.assert_allclose(other.predict(X), other(X).data)


def test_a_compiled_part_of_a_model_that_predicts_eagerly_is_in_use_mode():
    class Branching(am.nn.Module):
        def __init__(self):
            self.dropout = am.nn.Dropout(0.5, seed=0)
            self.part = am.compile(lambda x: self.dropout(x))

        def forward(self, x):
            y = self.part(x)
            return y if float(np.sum(y)) >= 0 else -y

    model, x = Branching(), np.ones((1, 8))
    with am.no_grad():
        thrice(model.part, x)
    np.testing.assert_array_equal(model.predict(x), x)
    with am.no_grad():
        assert (model.part(x).data == 0).any()


def test_a_counting_module_is_said_never_to_be_compiled():
    class Counting(am.nn.Module):
        def __init__(self):
            self.dense = am.nn.Dense(3, 1, seed=0)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.dense(x)

    model = Counting()
    f = am.compile(model)
    with pytest.warns(RuntimeWarning, match="Counting.calls"):
        for _ in range(30):
            f(X)
    assert model.calls == 30
    for _ in range(30):
        model.predict(X)
    assert model.calls == 60


def test_without_recording_is_another_program():
    model = am.nn.MLP([3, 4, 1], seed=0)
    f = am.compile(model)
    for _ in range(3):
        assert f(X).requires_grad
        with am.no_grad():
            assert not f(X).requires_grad
