"""Arrays that are written into while they are in a graph: the right number, or an error."""

import copy

import numpy as np
import pytest
from calls import CALLS

import autograd_mini as am
from autograd_mini.core import record as operation
from autograd_mini.core.arrays import fingerprint

LARGE = np.linspace(-1, 1, 10_000)


@pytest.fixture
def fingerprinted(monkeypatch):
    """Treat every plain array as a large one."""
    monkeypatch.setattr(operation, "COPIED", -1)


# ── fingerprints ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("n", [1, 7, 8, 1023, 1024, 1025, 5000])
def test_a_change_of_any_element_changes_the_fingerprint(n):
    a = np.random.default_rng(n).standard_normal(n)
    before = fingerprint(a)
    for i in range(0, n, max(1, n // 100)):
        for other in (np.nextafter(a[i], 9), -a[i], np.nan):
            b = a.copy()
            b[i] = other
            assert fingerprint(b) != before
        b = a.copy()
        b[[i, i - 1]] = b[[i - 1, i]]
        assert n == 1 or fingerprint(b) != before


@pytest.mark.parametrize("dtype", [np.bool, np.int8, np.uint16, np.float32, np.complex128, ">f8"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (40, 50)])
def test_every_dtype_shape_and_layout_has_a_fingerprint(dtype, shape):
    a = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    assert fingerprint(a) == fingerprint(a.copy())
    for view in (a.T, a[::-1], a[..., None]) if a.ndim else ():
        assert fingerprint(view) == fingerprint(np.ascontiguousarray(view))


# ── the graph keeps what was recorded ────────────────────────────────────────────────────────────
def test_a_scratch_array_may_be_refilled_between_uses():
    def f(x):
        mask, total = np.zeros(3), 0.0
        for i in range(3):
            mask[:] = 0
            mask[i] = 1
            total = total + np.sum(x * mask) * (i + 1)
        return total

    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_array_equal(am.grad(f)(x), [1, 2, 3])
    np.testing.assert_array_equal(am.jacobian(f)(x), [1, 2, 3])
    np.testing.assert_array_equal(am.jvp(f, (x,), (x,))[1], 17)
    np.testing.assert_array_equal(am.vmap(f)(np.stack([x, 2 * x])), [17, 34])
    np.testing.assert_array_equal(am.vmap(am.grad(f))(np.stack([x, 2 * x])), [[1, 2, 3]] * 2)


def test_a_scratch_index_may_be_refilled_between_uses():
    def f(x):
        index, found = np.zeros(2, int), []
        for i in range(3):
            index[:] = [i, (i + 1) % 3]
            found.append(np.sum(x[index]) * (i + 1))
        return np.stack(found).sum()

    np.testing.assert_array_equal(am.grad(f)(np.ones(3)), [4, 3, 5])


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_large_array_that_was_written_into_is_an_error_with_the_line(order):
    w = am.tensor(2.0, requires_grad=True)
    a = LARGE.copy()
    y = (w * a if order == "after" else a * w).sum()
    y.backward()
    assert w.grad == pytest.approx(LARGE.sum())
    a[17] = 9.0
    with pytest.raises(am.StaleGraphError, match=r"written into .*test_written_operands.py:\d+"):
        y.backward()
    a[17] = LARGE[17]  # what was there before is right again
    w.zero_grad()
    y.backward()
    assert w.grad == pytest.approx(LARGE.sum())


def test_forward_walks_refuse_a_large_array_that_was_written_into():
    a = LARGE.copy()

    def f(x):
        y = np.sum(x * a)
        a[0] += 1
        return y

    for transform in (am.jacobian, lambda f: lambda x: am.jvp(f, (x,), (x,)), am.vmap):
        with pytest.raises(am.StaleGraphError, match="written into"):
            transform(f)(np.ones(10_000))


def test_the_array_of_the_user_stays_writable_and_is_not_changed():
    for a in (LARGE.copy(), np.ones(3), np.array(2.0)):
        before = a.copy()
        am.grad(lambda x, a=a: np.sum(x * a))(np.ones_like(a))
        assert a.flags.writeable
        np.testing.assert_array_equal(a, before)


def test_a_parameter_of_a_custom_operation_is_kept_as_it_was():
    @am.primitive
    def scale(x, *, factor):
        return x * factor

    @scale.vjp
    def scale_vjp(g, y, x, *, factor):
        return g * factor

    factor = np.array([1.0, 2.0])
    x = am.tensor([1.0, 1.0], requires_grad=True)
    y = scale(x, factor=factor).sum()
    factor[:] = 100
    y.backward()
    np.testing.assert_array_equal(x.grad, [1, 2])


def test_a_large_operand_is_a_constant_of_the_graph_and_looks_as_before():
    w = am.tensor(2.0, requires_grad=True, name="w")
    y = w * LARGE
    graph = am.Graph(y)
    assert graph.inputs == () and [c.shape for c in graph.constants] == [(10_000,)]
    assert y.op.inputs[1].serial == 0
    assert "float64 (10000,)" in str(graph)


# ── every function, every argument ───────────────────────────────────────────────────────────────
def arrays_in(tree):
    """Yield the places of the arrays in nested arguments."""
    if isinstance(tree, np.ndarray):
        yield ()
    elif isinstance(tree, (list, tuple)):
        yield from ((i, *place) for i, part in enumerate(tree) for place in arrays_in(part))


def at(tree, place):
    for i in place:
        tree = tree[i]
    return tree


def with_part(tree, place, part):
    """Return nested arguments with another part at a place."""
    if not place:
        return part
    parts = list(tree)
    parts[place[0]] = with_part(parts[place[0]], place[1:], part)
    return type(tree)(parts)


def loss_of(result):
    parts = result if isinstance(result, (tuple, list)) else [result]
    parts = [y for y in parts if isinstance(y, am.Tensor) and y.requires_grad]
    weights = [np.linspace(0.5, 1.5, y.size).reshape(y.shape) for y in parts]
    return sum(np.sum(np.real(y) * w) for y, w in zip(parts, weights, strict=True))


def scramble(a):
    a[...] = ~a if a.dtype.kind == "b" else 0 if a.dtype.kind in "iu" else 0.3125


def check_written(function, call):
    """Compare a gradient with that of a graph whose plain operands are overwritten before."""
    checked = 0
    for place in arrays_in(call.args):
        if at(call.args, place).dtype.kind not in "fc":
            continue
        gradients = []
        for overwrite in (False, True):
            args = copy.deepcopy(call.args)
            x = am.tensor(at(args, place), requires_grad=True)
            try:
                loss = loss_of(function(*with_part(args, place, x), **call.kwargs))
            except (am.AutogradError, TypeError, ValueError):
                return checked
            if not isinstance(loss, am.Tensor):
                return checked
            if overwrite:
                for other in arrays_in(args):
                    if other != place:
                        scramble(at(args, other))
            try:
                loss.backward()
            except am.StaleGraphError:
                break
            except am.AutogradError:
                return checked
            gradients.append(x.grad)
        if len(gradients) == 2:
            np.testing.assert_array_equal(*gradients)
        checked += 1
    return checked


SEVERAL = [f for f, calls in CALLS.items() if any(len(list(arrays_in(c.args))) > 1 for c in calls)]


@pytest.mark.parametrize("function", SEVERAL, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore")
def test_no_function_uses_an_operand_that_was_overwritten(function):
    for call in CALLS[function]:
        check_written(function, call)


@pytest.mark.parametrize("function", SEVERAL, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore")
def test_no_function_uses_a_large_operand_that_was_overwritten(function, fingerprinted):
    for call in CALLS[function]:
        check_written(function, call)


def test_the_two_tests_above_look_at_gradients():
    calls = [(f, c) for f in (np.multiply, np.matmul, np.where) for c in CALLS[f]]
    assert sum(check_written(f, c) for f, c in calls) > 9
