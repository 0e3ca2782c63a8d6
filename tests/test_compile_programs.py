"""What a compiled function guards, shows and saves."""

import copy
import gc
import subprocess
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
from compile_programs import OPTIMIZERS, X, thrice, trainer

import autograd_mini as am
import viz


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


@pytest.mark.long
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
