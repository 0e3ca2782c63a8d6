"""Texts of random programs: state, a function that reads it, and changes between calls."""

from __future__ import annotations

import dataclasses
import linecache
import random
import textwrap
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import autograd_mini as am

CLOSE: Final = {True: 1e-4, False: 1e-9}
"""How far floats may be apart, of the largest one of the array, by whether any are float32."""
LARGE: Final = 5000
"""Elements of an array whose numbers the compiler does not keep for comparison."""

State = dict[str, Any]

# ── the text of a program ────────────────────────────────────────────────────────────────────────
PREAMBLE: Final = '''
numbers = np.random.default_rng({seed})

def some(*shape):
    """Return numbers of magnitude one."""
    return noisy(np.asarray(numbers.uniform(0.2, 1.4, shape)).astype("{dtype}"))

class Inner:
    def __init__(self):
        self.rate, self.table = 0.75, some({n})

class Settings:
    scale = 0.5
    def __init__(self):
        self.rate, self.n, self.k, self.mode, self.flag = 0.5, {few}, 1, "tanh", True
        self.table, self.square, self.big = some({n}), some({n}, {n}), some({large})
        self.index, self.mask = np.array([0, -1]), np.arange({n}) % 2 == 0
        self.t, self.d = am.tensor(some({n})), {{"a": 0.5, "b": some({n}), "c": 2}}
        self.items, self.inner = [0.5, 0.25, 1.5], Inner()
        self.scratch, self.places = np.zeros({n}), np.zeros(2, dtype=int)
        self.u = am.tensor(some(), name="u")

S = Settings()
RATE, TABLE, GLOBAL = 0.7, some({n}), {{"shift": 0.3, "at": 1}}
w = am.tensor(some({n}), requires_grad=True, name="w")
v = am.tensor(some({n}, {n}), requires_grad=True, name="v")
rng = am.random.Generator({seed})
opt = am.optim.SGD([w, v], lr=0.05{momentum})

def helper(a):
    return np.tanh(a) * RATE + S.inner.rate

def leaves():
    return [w, v, S.t, S.u]
'''
MAKER: Final = """
def make():
    beta, row, buffer = 1.5, some({n}), np.zeros({n})
    def f(x, y, i, k, scale):
{body}
{changes}
    return f, [{names}]

f, changes = make()
target = {target}
"""
ARGUMENTS: Final = """
same = [None, None]
def arguments(call):
    draws = np.random.default_rng([{seed}, call])
    x = noisy(draws.uniform(-1.5, 1.5, {x_shape}).astype("{dtype}"))
    y = noisy(draws.uniform(0.2, 1.5, {y_shape}).astype("{y_dtype}"))
    x, y = {x}, {y}
    return x, y, {i}[call % {cycle}], {k}, {scale}
"""


@dataclasses.dataclass
class Text:
    """A program as text.

    Attributes:
        seed: of which it was made.
        before: what defines its state.
        body: the lines of the function.
        changes: what is done before each call, nothing at most of them.
        arguments: the text of the function that makes the arguments of a call.
        target: what is compiled, as an expression.
        n: the length of most axes.
    """

    seed: int
    before: str
    body: list[str]
    changes: list[list[str]]
    arguments: str
    target: str
    n: int

    def __str__(self) -> str:
        lines, names = [], []
        for place, change in enumerate(self.changes):
            names.append(f"change_{place}" if change else "None")
            if change:
                head = [
                    f"def change_{place}():",
                    "    global RATE, TABLE, rng",
                    "    nonlocal beta",
                ]
                lines += [*head, "    nonlocal row", *(f"    {line}" for line in change)]
        return self.before + MAKER.format(
            n=self.n,
            body=textwrap.indent("\n".join(self.body), " " * 8),
            changes=textwrap.indent("\n".join(lines), " " * 4),
            names=", ".join(names),
            target=self.target,
        ) + self.arguments  # fmt: skip

    @property
    def bound(self) -> float:
        """How far results may be apart: a sum of float32 may become a float64 afterwards."""
        return CLOSE["float32" in str(self) or "'f4'" in str(self)]

    @property
    def file(self) -> str:
        """The name of the file in which the module seems to stand."""
        return f"/random_programs/program_{self.seed}.py"

    def load(self, noisy: Callable[[Any], Any] = lambda x: x) -> State:
        """Run the module in a namespace of its own, as a file that the compiler can read."""
        name, text = self.file, str(self)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        state: State = {"__name__": "random_program", "np": np, "am": am, "noisy": noisy}
        exec(compile(text, name, "exec"), state)
        return state


# ── the writer of a function's body ──────────────────────────────────────────────────────────────
class Writer:
    """Writes statements one by one, and keeps those that work on an example.

    Attributes:
        draw: decides everything.
        state: a namespace in which the statements run, with the values of all variables by now.
        floats: names of variables that hold floats.
        lines: what was written.
    """

    def __init__(self, draw: random.Random, state: State, floats: list[str]) -> None:
        self.draw, self.state, self.floats = draw, state, floats
        self.lines: list[str] = []
        self.count = 0

    def pick(self, least: int = 0) -> str:
        """Return a variable with so many axes at least, mostly one of the last."""
        found = [name for name in self.floats if np.ndim(data_of(self.state[name])) >= least]
        if not found:
            raise LookupError
        return self.draw.choice(found[-3:] if self.draw.random() < 0.6 else found)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a variable."""
        return data_of(self.state[name]).shape

    def fresh(self) -> str:
        """Return a new name."""
        self.count += 1
        return f"t{self.count}"

    def place(self, size: int) -> int:
        """Return a place on an axis, sometimes from behind."""
        return self.draw.randrange(-size, size)

    def write(self, statement: Statement) -> None:
        """Add a statement, unless it does not work here."""
        name = self.fresh()
        try:
            lines = [line for part in statement(self, name) for line in part.split("\n")]
            before = dict(self.state)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                exec(compile("\n".join(lines), "<example>", "exec"), self.state)
            value = data_of(self.state[name])
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeWarning,
            TypeError,
            ValueError,
        ):
            return
        fits = value.dtype.kind == "f" and value.size <= 60 and value.ndim <= 3
        if fits and np.all(np.abs(value) < 50):
            self.floats.append(name)
            self.lines += lines
        else:
            self.state |= before


Statement = Callable[[Writer, str], list[str]]


def data_of(x: Any) -> Any:
    """Return the array that a result is."""
    return np.asarray(x.data if isinstance(x, am.Tensor) else x)


# ── statements ───────────────────────────────────────────────────────────────────────────────────
UNARY: Final = (
    "np.tanh({a})", "np.sin({a})", "np.exp(-np.abs({a}))", "np.sqrt(np.abs({a}) + 1)", "{a} ** 2",
    "-{a}", "np.maximum({a}, 0.1)", "np.clip({a}, -0.5, 0.5)", "1 / (1 + {a} * {a})", "{a} * scale",
    "np.log1p(np.abs({a}))", "2.0 - {a}", "np.where({a} > 0.2, {a}, 0.1 * {a})", "np.square({a})",
    "({a} > 0.3) * {a}", "np.cos({a}).astype({a}.dtype)", "{a} * np.float32(0.5)", "{a} * y",
    "{a} / {a}.size", "np.zeros_like({a}) + {a}", "np.ones({a}.shape) * {a}", "{a} * k",
)  # fmt: skip
BINARY: Final = (
    "{a} + {b}", "{a} * {b}", "{a} - {b}", "{a} / (1 + {b} * {b})", "np.maximum({a}, {b})",
    "np.where({a} > {b}, {a}, {b})", "np.minimum({a}, {b} + 0.1)", "np.hypot({a}, {b} + 3)",
    "{a} @ {b}", "np.dot({a}, {b})", "np.outer({a}, {b})", "np.concatenate([{a}, {b}])",
    "np.concatenate([{a}, {b}], axis=-1)", "np.stack([{a}, {b}])", "np.stack([{a}, {b}], axis=-1)",
    "np.hstack([{a}, {b}])", "np.vstack([{a}, {b}, {a}])", "{a} @ np.swapaxes({b}, -1, -2)",
    "np.einsum('...i,...i->...', {a}, {b})", "np.tensordot({a}, {b}, 1)", "{a} * 2 @ {b} + {a}",
    "np.sum({a} * {b})", "np.sum(({a} - {b}) ** 2, axis=-1)", "np.broadcast_arrays({a}, {b})[1]",
)  # fmt: skip
REDUCTIONS: Final = (
    "np.sum({a}, axis={d})", "np.mean({a}, axis={d}, keepdims=True)", "np.max({a}, axis={d})",
    "{a}.sum(axis={d})", "np.sum({a})", "np.mean({a})", "np.var({a}, axis={d})", "{a}.mean()",
    "np.sum({a}, axis={d}, keepdims=True) * {a}", "np.cumsum({a}, axis={d}) / 4", "np.min({a})",
    "np.linalg.norm({a}) + 1", "np.prod({a}, axis={d})", "{a} - np.mean({a}, {d}, keepdims=True)",
    "np.sum({a} * {a}, axis=None)", "np.std({a} + {a}.size, axis={d}) + {a}", "np.sort({a})",
)  # fmt: skip
VIEWS: Final = (
    "np.reshape({a}, -1)", "{a}.reshape({a}.shape[::-1])", "{a}.T", "np.ravel({a})", "{a}[::-1]",
    "{a}[1:]", "{a}[:-1]", "{a}[:k]", "{a}[..., 0]", "{a}[:, 1]", "{a}[:, ::2]", "{a}[None]",
    "{a}[..., None]", "np.broadcast_to({a}, (2, *{a}.shape))", "np.diagonal({a})",
    "np.swapaxes({a}, 0, -1)", "np.expand_dims({a}, 0)", "np.squeeze({a})",
    "np.moveaxis({a}, 0, -1)",
    "np.flip({a})", "np.roll({a}, 1)", "np.tile({a}, 2)", "np.repeat({a}, 2, axis=0)",
    "{a}[k:, None]",
    "np.broadcast_to({a}, (3, *{a}.shape))[1:]", "np.ravel({a}[None].T)[::2]", "{a}[0:0]",
    "{a}[-2:]",
)  # fmt: skip
INDICES: Final = (
    "{p}", "np.int64({p})", "np.array({p})", "[0, {p}]", "np.array([{p}, 0])", "i", "i", "k", "-k",
    "np.array([[0, {p}], [{p}, 0]])", "S.index", "S.k", "np.argmax(S.table)", "GLOBAL['at']",
    "int(np.argmin(row))", "np.argsort(S.table)[:2]", "S.index[0]", "(i, i)", "(..., {p})",
    "(slice(None), i)", "(S.index, S.index)", "slice(0, k)", "np.argmax(TABLE)", "S.places",
    "np.flatnonzero(S.mask)", "len(S.items) - 2", "np.arange(2)", "(0, i)", "(i, slice(1, None))",
)  # fmt: skip
READS: Final = (
    "{a} * S.rate", "{a} + RATE", "np.tanh({a}) * beta", "{a} * row", "S.table * {a}",
    "{a} * S.table[0]", "{a} * S.table.mean()", "{a} * float(S.table.max())", "{a} * S.d['b']",
    "{a} * S.d['a'] + S.d['c']", "{a} + sum(S.items)", "helper({a})", "{a} * S.scale",
    "{a} + Settings.scale", "{a} + GLOBAL['shift']", "{a} * S.t", "np.where(S.mask, {a}, 0.0)",
    "{a} * getattr(S, 'rate')", "am.tensor(S.table)[S.index] + {a}", "{a} @ S.square",
    "S.square @ {a}", "{a} * S.square[S.k]", "np.sum({a}[:S.n])", "{a} * S.inner.table",
    "np.take(S.table, S.index)[0] * {a}", "{a} + S.square.T", "{a} * S.square[:, 0]", "{a} + S.u",
    "np.concatenate([{a}, S.table])", "{a} * len(S.items)", "{a} * TABLE",
    "{a} + TABLE.reshape(-1)",
    "{a} + np.diag(S.square)", "{a} * w", "{a} @ v", "v @ {a}", "{a} * v[S.k]", "{a} + S.items[-1]",
    "{a} * np.sum(S.square, axis=0)", "{a} + row[::-1]", "{a} * np.dot(row, row)", "{a} + v.T",
    "{a} * (S.table - S.table.mean()) / S.table.size", "w[i] * {a}", "{a} + np.ravel(S.square)[1]",
    "S.t[S.index] @ S.t[S.index] * {a}", "{a} * (2.0 if S.mode == 'tanh' else 0.5)",
    "{a} * np.cumsum(S.table) / 4", "{a} + S.d.get('e', 0.25)", "np.stack([S.table, {a}])",
    "{a} * vars(S.inner)['rate']", "{a} * S.table.astype('float32')",
    "{a} + np.atleast_1d(S.table)",
    "{a} * np.where(S.mask, TABLE, 0.5)", "{a} * am.tensor(row)[i]", "{a} * RATE * scale",
)  # fmt: skip
DRAWS: Final = (
    "{a} + 0.1 * rng.normal(size={a}.shape)", "{a} * rng.uniform(0.5, 1.0)",
    "{a} * (rng.random({a}.shape) < 0.7)", "{a}[rng.integers(0, 2, size=2)]",
    "{a}[rng.permutation(2)]", "{a} + rng.normal(S.rate, 0.1)",
    "{a} + rng.exponential(1.0, size=1)",
)  # fmt: skip
LARGE_READS: Final = (
    "{a} * S.big.mean()", "{a} * np.sum(S.big * scale) / 1000", "{a} + S.big[7]",
    "np.sum(S.big * scale) / 1000 + {a} * S.big.mean()",
)  # fmt: skip


def expression(*templates: str, axes: int = 0) -> Statement:
    """Return a statement that gives a variable the value of an expression of one or two others."""

    def write(writer: Writer, name: str) -> list[str]:
        a, b = writer.pick(axes), writer.pick(axes)
        size = len(writer.shape(a))
        d = writer.draw.randrange(-size, size) if size else "None"
        return [f"{name} = " + writer.draw.choice(templates).format(a=a, b=b, d=d)]

    return write


def index(writer: Writer, name: str) -> list[str]:
    """Take elements by an index of any kind."""
    a = writer.pick(1)
    place = writer.draw.choice(INDICES).format(p=writer.place(writer.shape(a)[0]))
    return [f"{name} = {a}[{place}]"]


def index_by_a_variable(writer: Writer, name: str) -> list[str]:
    """Keep an index in a variable, as in a loop over places."""
    a = writer.pick(1)
    kind = writer.draw.choice(
        ["S.index", "np.arange(S.n)", "range(2)", "[1, -1]", "reversed([0, 1])"]
    )
    use = writer.draw.choice([f"{a}[j]", f"{a}[j:][:1]", f"{a}[j] * (j + 1)", f"np.take({a}, j)"])
    return [f"{name} = 0.0\nfor j in {kind}:\n    {name} = {name} + {use}"]


def refilled_mask(writer: Writer, name: str) -> list[str]:
    """Fill one scratch array anew between its uses."""
    a = writer.pick(1)
    shape = writer.shape(a)
    clear = writer.draw.choice(["m[:] = 0", "m[...] = 0", "m.fill(0)", "m *= 0", "m -= m"])
    fill = writer.draw.choice(
        ["m[j] = 1", "m[j] += 0.5", "m[: j + 1] = S.rate", "m[-1 - j] = j + 1"]
    )
    use = writer.draw.choice(
        [f"np.sum({a} * m)", f"np.mean({a} + m, axis=0)", f"np.sum(np.where(m > 0, {a}, 0))"]
    )
    body = "\n".join(f"    {line}" for line in (clear, fill, f"{name} = {name} + {use}"))
    return [f"m = np.zeros({shape})\n{name} = 0.0\nfor j in range({min(shape[0], 3)}):\n{body}"]


def refilled_view(writer: Writer, name: str) -> list[str]:
    """Write into a scratch array through a view of it, or use a view that is written through it."""
    a = writer.pick(1)
    made = writer.draw.choice(["np.zeros", "np.ones"]) + f"({writer.shape(a)})"
    view = writer.draw.choice(["m[1:]", "m.reshape(-1)", "m.T", "m[::-1]", "np.ravel(m)", "m[...]"])
    first, second = writer.draw.choice([("m", "part"), ("part", "m"), ("part", "part"), ("m", "m")])
    use = writer.draw.choice(
        ["m", "m", "np.sum(part)", "m.T.T", "np.broadcast_to(part[-1:], (1,))"]
    )
    lines = [f"m = {made}", f"part = {view}", f"{first}[0] = 2", f"{name} = {a} * {use}"]
    return [*lines, f"{second}[-1] = beta", f"{name} = {name} + {a} * {use}"]


def refilled_index(writer: Writer, name: str) -> list[str]:
    """Fill one index array anew between its uses."""
    a = writer.pick(1)
    size = writer.shape(a)[0]
    first, second = ([writer.place(size), writer.place(size)] for _ in range(2))
    change = writer.draw.choice(
        [f"at[:] = {second}", f"at[0] = {second[0]}", "at[:] = at[::-1].copy()"]
    )
    use = writer.draw.choice([f"{a}[at]", f"{a}[at[0]]", f"np.take({a}, at, axis=0)"])
    lines = ["at = np.zeros(2, dtype=int)", f"at[:] = {first}", f"{name} = {use}", change]
    return [*lines, f"{name} = {name} * 2 + {use}"]


def filled_table(writer: Writer, name: str) -> list[str]:
    """Make a plain array element by element of what is read, and use it."""
    a = writer.pick()
    source = writer.draw.choice(["S.table", "S.items", "row", "TABLE", "S.square"])
    value = writer.draw.choice(
        [f"np.sum({source}[j])", f"np.max({source}[j]) * j", f"len({source})"]
    )
    use = writer.draw.choice([f"{a} * np.sum(m)", f"{a} + m[:1]", f"m @ m * {a}", f"{a} * m.max()"])
    return [f"m = np.empty(2)\nfor j in range(2):\n    m[j] = {value}\n{name} = {use}"]


def outer_scratch(writer: Writer, name: str) -> list[str]:
    """Fill a scratch array from outside, and use it once."""
    a = writer.pick(1)
    scratch = writer.draw.choice(["S.scratch", "buffer"])
    fill = writer.draw.choice(
        [f"{scratch}[1] = S.rate", f"{scratch}[:] = S.table", f"{scratch}[0] = 1"]
    )
    return [f"{scratch}[:] = 0", fill, f"{name} = {a} * {scratch}"]


def outer_places(writer: Writer, name: str) -> list[str]:
    """Fill an index array from outside, and use it once."""
    a = writer.pick(1)
    return [f"S.places[:] = [0, {writer.place(writer.shape(a)[0])}]", f"{name} = {a}[S.places]"]


def branch(writer: Writer, name: str) -> list[str]:
    """Go one of two ways."""
    a = writer.pick()
    question = writer.draw.choice(
        ["S.flag", "S.mode == 'tanh'", "len(S.items) > 3", "'e' in S.d", "S.table[0] > 0.5",
         "k > 1", "S.mask[0]", "isinstance(S.rate, float)", "S.rate > 0.6", "np.argmax(row) == 0",
         "GLOBAL['at'] == 1", "S.table.shape == (2,)", "hasattr(S, 'extra')", "S.n == 2"]
    )  # fmt: skip
    one, other = (writer.draw.choice(UNARY + READS).format(a=a) for _ in range(2))
    return [f"if {question}:\n    {name} = {one}\nelse:\n    {name} = {a} + 0 * ({other})"]


def loop(writer: Writer, name: str) -> list[str]:
    """Go over a container."""
    a = writer.pick()
    over = writer.draw.choice(
        ["p in S.items", "p in S.d.values()", "q, p in S.d.items()", "q, p in enumerate(S.items)",
         "p in S.table", "p in range(S.n)", "p in (S.rate, RATE, beta)", "p in sorted(S.items)",
         "q, p in zip(S.items, S.table)", "p in S.square", "p in list(S.d.values())[:2]"]
    )  # fmt: skip
    use = writer.draw.choice(["{t} * 0.5 + p", "np.tanh({t}) * p", "{t} + np.sin({t} * p)"])
    return [f"{name} = {a}\nfor {over}:\n    {name} = {use.format(t=name)}"]


def assignment(writer: Writer, name: str) -> list[str]:
    """Change a tensor from outside, and read it."""
    a = writer.pick()
    target = writer.draw.choice(["S.u", "S.t"])
    new = writer.draw.choice(["{t} * 0.5 + 0.1", "np.tanh({t} + np.sum({a}))", "{t} + S.rate"])
    shown = writer.draw.choice([f"{a} * {target}", f"{a} * np.sum({target})", f"{a} + {target}"])
    return [f"{target}.assign({new.format(t=target, a=a)})", f"{name} = {shown}"]


STATEMENTS: Final[dict[Statement, float]] = {
    expression(*UNARY): 8, expression(*BINARY): 12, expression(*REDUCTIONS, axes=1): 8,
    expression(*VIEWS, axes=1): 10, index: 12, index_by_a_variable: 4, expression(*READS): 24,
    refilled_mask: 4, refilled_view: 4, refilled_index: 4, filled_table: 3, outer_scratch: 0.7,
    outer_places: 0.7, branch: 6, loop: 5, expression(*DRAWS): 3, expression(*LARGE_READS): 0.5,
}  # fmt: skip
"""Statements, and how often each is written."""

# ── changes between calls ────────────────────────────────────────────────────────────────────────
CHANGES: Final = {
    "S.rate": ("S.rate = 0.9", "S.rate = 1", "S.rate *= 0.5", "S.rate = np.float32(0.3)"),
    "RATE": ("RATE = RATE / 2", "RATE = 1.25", "RATE = np.array(0.6)"),
    "helper": ("RATE = RATE + 0.5", "S.inner.rate = 0.2", "S.inner = Inner()"),
    "beta": ("beta = beta * 0.5", "beta = 2", "beta = some(1)"),
    "row": ("row[0] = 1.7", "row = some({n})", "row = row[::-1]", "row = row.astype('f4')"),
    "S.table": (
        "S.table[0] = 1.9", "S.table = some({n})", "S.table = some(1)", "S.table = some()",
        "S.table *= 0.5", "S.table = S.table.astype('float32')", "S.table = S.table.astype('f8')",
        "S.table[-1] = 5.0", "S.table = np.arange({n})", "S.table = S.table.tolist()",
        "S.table = some({n}, {n})[0]", "S.table = some(2 * {n})[::2]",
        "S.table[:] = S.table[::-1].copy()",
        "TABLE = S.table", "S.table = row", "S.inner.table = S.table = some({n})",
    ),
    "TABLE": ("TABLE[1] = 2.5", "TABLE = some({n})", "TABLE = S.table", "TABLE[:] = 0.5"),
    "S.square": (
        "S.square[0, 1] = 2.0", "S.square = S.square.T", "S.square = some({n}, {n})",
        "S.square = np.eye({n})", "S.square[:] = S.square.T.copy()", "S.table = S.square[0]",
    ),
    "S.big": ("S.big[7] = 2.5", "S.big[:] = 0.5", "S.big = some({large})", "S.big *= 1.5"),
    "S.index": ("S.index[0] = 1", "S.index = np.array([1, 0])", "S.index = np.array([1, -1, 0])",
                "S.index = S.index.astype('int32')", "S.index = [0, 1]"),
    "S.mask": ("S.mask[0] = not S.mask[0]", "S.mask = ~S.mask", "S.mask = np.array(True)"),
    "S.t": ("S.t.assign(S.t.data * 0.5)", "S.t = am.tensor(some({n}))", "S.t = am.tensor(some(1))",
            "S.t = am.tensor(some({n}).astype('float32'))", "S.t = S.t * 2", "S.t = some({n})"),
    "S.u": ("S.u.assign(0.75)", "S.u = am.tensor(some())", "S.u = am.tensor(some({n}))"),
    "S.d": (
        "S.d['a'] = 0.9", "S.d['b'] = some({n})", "S.d['b'][1] = 0.1", "S.d['a'] = S.d.pop('a')",
        "S.d = dict(reversed(S.d.items()))", "S.d['e'] = 1.5", "S.d['c'] += 1",
        "S.d.pop('e', None)",
        "S.d['a'], S.d['c'] = S.d['c'], S.d['a']",
    ),
    "S.items": ("S.items.append(0.75)", "S.items[0] = 0.1", "S.items.reverse()", "S.items.pop()",
                "S.items = S.items + [0.3]", "S.items[-1] = some(1)[0]", "S.items.insert(0, 1)"),
    "S.inner": ("S.inner.rate = 0.15", "S.inner = Inner()", "S.inner.table[0] = 0.5"),
    "Settings.scale": ("Settings.scale = Settings.scale + 0.25", "Settings.scale = 1"),
    "S.scale": ("Settings.scale = Settings.scale * 0.5", "S.scale = 0.3",
                "vars(S).pop('scale', 0)"),
    "GLOBAL": ("GLOBAL['shift'] = 0.8", "GLOBAL['at'] = 0", "GLOBAL['at'] = np.int64(-1)",
               "GLOBAL['at'] = 1"),
    "S.flag": ("S.flag = not S.flag", "S.flag = 0"),
    "S.mode": ("S.mode = 'relu'", "S.mode = 'tanh'"),
    "S.n": ("S.n = 1", "S.n = 2"),
    "S.k": ("S.k = 0", "S.k = -1", "S.k = np.int64(1)", "S.k = True"),
    "extra": ("S.extra = 1", "vars(S).pop('extra', None)"),
    "S.scratch": ("S.scratch[:] = 3", "S.scratch = np.zeros({n})"),
    "S.places": ("S.places[:] = 1", "S.places = np.array([1, 1])"),
    "buffer": ("buffer[:] = 0.25",),
    "rng": ("rng.normal()", "rng = am.random.Generator(5)"),
    "w": ("w.assign(w.data * 0.5)", "w.assign(some({n}))", "w.requires_grad = True"),
    "v": ("v.assign(v.data.T * 0.9)", "v.grad = None"),
    "opt": ("opt.lr = 0.01", "opt.lr = opt.lr * 2", "opt.lr = 0.05"),
}  # fmt: skip
"""What may be done to state, by the text in the function that shows that it is read."""


def changes_of(draw: random.Random, body: str, n: int) -> list[list[str]]:
    """Return what is done before each call, at most calls nothing, at the last ones as well."""
    read = [change for text, found in CHANGES.items() if text in body for change in found]
    every = [change for found in CHANGES.values() for change in found]
    changes: list[list[str]] = [[], []] if draw.random() < 0.9 else [[]]
    for _ in range(draw.choice((1, 2, 2, 3))):
        changes += [[] for _ in range(draw.choice((0, 1, 1, 2, 3)))]
        several = draw.choice((1, 1, 1, 2))
        pool = read if read and draw.random() < 0.95 else every
        changes.append([draw.choice(pool).format(n=n, large=LARGE) for _ in range(several)])
    return [*changes, [], [], []]


# ── a program of a seed ──────────────────────────────────────────────────────────────────────────
X_SHAPES: Final = ("{n}", "{n}", "({n}, {n})", "({n}, {n})", "(2, {n})", "()", "(0, {n})")
GIVEN: Final = (
    "{a}",
    "{a}",
    "{a}",
    "{a}",
    "am.tensor({a})",
    "{a}.T",
    "same_array({p}, {a})",
    "{a}[()]",
)
SAME: Final = """
def same_array(place, new):
    if same[place] is None:
        same[place] = new.copy()
    same[place][...] = new
    return same[place]
"""
WHOLE: Final = (
    "(1, 1)", "(0, 1)", "(-1, -1)", "np.array([0, 1, 1])", "np.arange(2)",
    "(np.array(0), np.array(1))", "(np.array(-1), np.array(1))",
    "(np.array([0, 1]), np.array([1, -1]))",
    "(np.array([[0], [-1]]), np.array([[1], [1]]))", "(np.int32(0), np.int32(1))",
)  # fmt: skip
ENDS: Final = ("{a}", "{a}, {b}", "[{a}, {b}]", "{{'one': {a}, 'two': ({b}, {a})}}", "({a}, {b}.T)")


def arguments_of(draw: random.Random, seed: int, n: int, dtype: str) -> str:
    """Return the text of a function that makes the arguments of a call."""
    x, y = (draw.choice(GIVEN).format(a=name, p=p) for p, name in enumerate("xy"))
    whole, constant = draw.choice(WHOLE), draw.random() < 0.6
    fields = {
        "seed": seed,
        "x": x,
        "y": y,
        "x_shape": draw.choice(X_SHAPES).format(n=n),
        "y_shape": draw.choice((str(n), "()", "1")),
        "dtype": dtype,
        "y_dtype": draw.choice((dtype, dtype, dtype, "float32", "float64")),
        "i": whole,
        "cycle": 1 if constant and whole[1] in "-01" else 2,
        "k": draw.choice(("1", "1", "2", "1 + (call > 5)")),
        "scale": draw.choice(("0.5 + call / 8", "0.5 + call / 8", "0.75")),
    }
    return SAME + ARGUMENTS.format(**fields)


def ends(writer: Writer, kind: str) -> list[str]:
    """Return the last lines of a body of some kind."""
    names = [writer.pick(), writer.pick()]
    a, b = (f"np.mean({name}) * 1.0" for name in names)
    if kind == "plain":
        return ["return " + writer.draw.choice(ENDS).format(a=names[0], b=names[1])]
    scalar = f"loss = np.sum(np.tanh({names[0]})) + {b}"
    if kind == "gradient":
        return [scalar, "return loss"]
    by_hand = "with am.no_grad():\n    w.assign(w - 0.05 * w.grad)\n    v.assign(v - 0.05 * v.grad)"
    update = writer.draw.choice(["opt.step()", "opt.step()", by_hand]).split("\n")
    result = writer.draw.choice(["loss", "loss", f"loss, {names[1]}", f"{a}, loss"])
    loss = [scalar + " + np.sum(w * w) * 0.1 + np.mean(v ** 2)", "loss.backward()"]
    return ["opt.zero_grad()", *loss, *update, f"return {result}"]


def text_of(seed: int, attempt: int) -> Text:
    """Write a program, of which it is not known yet whether all of its calls work."""
    draw = random.Random(seed * 1000 + attempt)
    n, dtype = draw.choice((2, 3, 3, 4)), draw.choice(("float64", "float64", "float32"))
    momentum = draw.choice(("", ", momentum=0.5"))
    before = PREAMBLE.format(seed=seed, n=n, few=2, large=LARGE, dtype=dtype, momentum=momentum)
    arguments = arguments_of(draw, seed, n, dtype)
    text = Text(seed, before, ["return x"], [], arguments, "f", n)
    state = text.load()
    state |= dict(zip(("x", "y", "i", "k", "scale"), state["arguments"](0), strict=True))
    state |= {"beta": 1.5, "row": state["some"](n), "buffer": np.zeros(n)}
    kind = draw.choice(("plain", "plain", "gradient", "step"))
    statements = STATEMENTS | ({assignment: 3.0} if kind == "plain" else {})
    writer = Writer(draw, state, ["x", "y"] if kind != "step" else ["x", "y", "w", "v"])
    length = draw.randrange(4, 13)
    for statement in draw.choices([*statements], [*statements.values()], k=length):
        writer.write(statement)
    text.body = [*writer.lines, *ends(writer, kind)]
    if kind == "gradient":
        target = ("am.grad(f)", "am.value_and_grad(f)", "lambda *all: am.grad(f)(*all) * 2")
        text.target = draw.choice(target)
    text.changes = changes_of(draw, "\n".join([*text.body, text.target]), n)
    return text


def failing_call(text: Text) -> int | None:
    """Return the first call that does not work or gives large numbers, without the compiler."""
    state = text.load()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in range(len(text.changes)):
            try:
                answer = state["target"](*next_arguments(state, call))
            except Exception:  # of any kind: the program is not wanted
                return call
            values = [data_of(x) for x in (*parts(answer), *state["leaves"]())]
            if not all(np.all(np.abs(x) < 1e4) for x in values):
                return call
    return None


def parts(x: Any) -> list[Any]:
    """Return what is in nested results, in order."""
    if isinstance(x, dict):
        x = list(x.values())
    return [part for y in x for part in parts(y)] if isinstance(x, (tuple, list)) else [x]


def next_arguments(state: State, call: int) -> tuple[Any, ...]:
    """Make the change before a call, and return its arguments."""
    if state["changes"][call] is not None:
        state["changes"][call]()
    arguments: tuple[Any, ...] = state["arguments"](call)
    return arguments


def program_of(seed: int) -> Text:
    """Return the program of a seed: all of its calls work without the compiler."""
    for attempt in range(100):
        try:
            text = text_of(seed, attempt)
        except LookupError:  # no variable that could be returned
            continue
        while (call := failing_call(text)) is not None:
            places = [place for place in range(call + 1) if text.changes[place]]
            if not places:
                break
            text.changes[places[-1]] = []
        if call is None:
            return text
    raise AssertionError(f"no program of seed {seed} works")
