"""The memory of compiled programs: what is read is what was written, in random training steps."""

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.compiler.fused_ops import flat, parts

SIZE = 3


# ── random steps ─────────────────────────────────────────────────────────────────────────────────
def product(a, b):
    return a @ b if np.shape(a)[-1:] == np.shape(b)[:1] != () else a * b


UNARY = [np.tanh, np.sin, np.square, np.negative, np.transpose, lambda a: a * 0.5 + 1]
VIEWS = [np.transpose, lambda a: a[::-1], lambda a: a[0], lambda a: np.split(a, SIZE)[1]]
BINARY = [np.add, np.subtract, np.multiply, np.maximum, product]
FOLDING = [lambda a: a.sum(axis=0), lambda a: a.mean(axis=-1), lambda a: a[np.array([0, 2, 0])]]


def random_step(seed):
    """Return a random training step, what it may change, and its arguments of the i-th call."""
    rng = np.random.default_rng(seed)
    shapes = [(SIZE, SIZE), (SIZE,), ()]

    def leaf(trained):
        shape = shapes[rng.integers(3)]
        return am.tensor(rng.normal(size=shape) * 0.5, requires_grad=trained)

    weights = [am.tensor(np.eye(SIZE), requires_grad=True), *(leaf(True) for _ in range(3))]
    buffers = [leaf(False) for _ in range(2)]
    kind = [am.optim.SGD, am.optim.Adam][rng.integers(2)]
    optimizer = kind(weights, lr=0.01)
    choices = rng.integers(1 << 30)

    def step(x):
        draw = np.random.default_rng(choices)
        pool, outputs = [x, x.T, *weights, *buffers], []

        def picked():
            recent = pool[-6:] if draw.random() < 0.5 else pool
            return recent[draw.integers(len(recent))]

        for _ in range(draw.integers(4, 24)):
            a, family = picked(), draw.integers(5)
            if family < 2 or not np.shape(a):
                y = UNARY[draw.integers(len(UNARY))](a)
            elif family == 2:
                y = BINARY[draw.integers(len(BINARY))](a, picked())
            else:
                functions = VIEWS if family == 3 else FOLDING
                fits = a.shape[0] == SIZE
                y = functions[draw.integers(len(functions))](a) if fits else a * 2
            pool.append(y)
            if draw.random() < 0.1:
                outputs.append(y)
        optimizer.zero_grad()
        loss = sum((np.tanh(y).sum() for y in [*pool[-3:], *weights]), 0.0)
        loss.backward()
        if draw.random() < 0.3:
            outputs.append(weights[0].grad)
        if draw.random() < 0.3:
            am.optim.clip_grad_norm(weights, 1.0)
        optimizer.step()
        for b in buffers:
            fitting = [y for y in pool if y.shape == b.shape]
            new = fitting[draw.integers(len(fitting))]
            with am.no_grad():
                b.assign(new.T if draw.random() < 0.5 else 0.9 * b + 0.1 * new)
        return loss, outputs, weights[0] * 1.0

    def argument(i):
        return np.random.default_rng((seed, i)).normal(size=(SIZE, SIZE))

    return step, [*weights, *buffers, optimizer.count], argument


# ── a plan, executed on marks instead of numbers ─────────────────────────────────────────────────
class Marks:
    """Memory whose bytes hold who wrote them.

    Attributes:
        found: for each value, where its bytes lie, and the marks that they had when it was made.
    """

    def __init__(self, program, plan):
        self.plan = plan
        self.memory = {}
        self.found = {}
        self.inside = {
            x: (vector, sum(y.nbytes for y in members[:i]))
            for vector, members in plan.groups.items()
            for i, x in enumerate(members)
        }
        for x in (*program.inputs, *program.leaves, *program.constants):
            self.write(x)

    def place(self, x):
        """Return the memory in which a value lies, and its first byte there."""
        while x not in self.plan.offsets:
            if x in self.inside:
                return self.inside[x]
            under = self.plan.written.get(x) or self.plan.bases.get(x)
            if under is None:
                return x, 0
            x = under
        return "working memory", self.plan.offsets[x]

    def write(self, x):
        """Write a value: its bytes get a new mark."""
        self.found[x] = self.marked(self.place(x), x.nbytes)

    def marked(self, place, count):
        where, start = place
        mark = object()
        cells = {(where, i): mark for i in range(start, start + count)}
        self.memory.update(cells)
        return cells

    def show(self, y, xs):
        """Let a value show the memory of others."""
        self.found[y] = {place: mark for x in xs for place, mark in self.found[x].items()}

    def join(self, vector, members):
        """Lay members side by side: those that are not there yet are copied."""
        where, at = self.place(vector)
        cells = {}
        for x in members:
            if x in self.plan.placed:
                assert self.place(x) == (where, at)
                cells |= self.found[x]
            else:
                cells |= self.marked((where, at), x.nbytes)
            at += x.nbytes
        self.found[vector] = cells

    def is_intact(self, x):
        """Tell whether nobody else wrote where a value lies."""
        return all(self.memory[place] is mark for place, mark in self.found[x].items())


def broken(program, plan):
    """Yield what an instruction would read after something else was written there."""
    marks = Marks(program, plan)
    for step in [*plan.head, *plan.tail]:
        for x in step.values:
            if not marks.is_intact(x):
                yield step.primitive.name, x
        if step.primitive is flat and step.results[0] not in plan.groups:
            marks.join(step.results[0], step.values)
            continue
        for y in step.results:
            if plan.kinds[y] == "view" or step.primitive is parts or y in plan.groups:
                marks.show(y, step.values)
            else:
                marks.write(y)
    for y in program.outputs:
        if plan.kinds[plan.base(y)] in ("local", "buffer") and not marks.is_intact(y):
            yield "return", y


@pytest.fixture(params=range(40))
def compiled(request):
    step, tensors, argument = random_step(request.param)
    function = am.compile(step)
    with np.errstate(all="ignore"):
        for i in range(2):
            function(argument(i))
    return function, tensors, argument, random_step(request.param)


def test_memory_holds_a_value_until_its_last_reader(compiled):
    function, *_ = compiled
    plan = function._executable.source.plan
    assert not list(broken(function.program, plan))
    assert all(start + x.nbytes <= plan.size for x, start in plan.offsets.items())


def test_a_plan_that_uses_memory_twice_is_found_out():
    step, _, argument = random_step(0)
    function = am.compile(step)
    for i in range(2):
        function(argument(i))
    plan = function._executable.source.plan
    plan.offsets |= dict.fromkeys(plan.offsets, 0)
    plan.placed.clear()
    assert list(broken(function.program, plan))


def test_random_steps_do_what_they_do_eagerly(compiled):
    function, tensors, argument, (plain, others, _) = compiled
    handed_out = []
    with np.errstate(all="ignore"):
        plain(argument(0)), plain(argument(1))
        for i in range(2, 5):
            results = [plain(argument(i)), function(argument(i))]
            expected, found = ([a, *b, c] for a, b, c in results)
            for a, b in zip(expected, found, strict=True):
                np.testing.assert_allclose(value(b), value(a), 1e-7, 1e-9)
            for a, b in zip(others, tensors, strict=True):
                np.testing.assert_allclose(b.data, a.data, 1e-7, 1e-9)
            handed_out += [(value(x), np.array(value(x))) for x in (*found, *tensors)]
    for kept, at_first in handed_out:
        np.testing.assert_array_equal(kept, at_first)


def value(x):
    return x.data if isinstance(x, am.Tensor) else x
