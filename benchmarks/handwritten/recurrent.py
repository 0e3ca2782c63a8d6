"""Recurrent layers through time, scans, and simulations of differential equations."""

import numpy as np

from .case import Case, make_layer_case, with_mistake
from .words import MISSED, SHIFTED, SIGN, TRANSPOSED, missed, near, scaled

THROUGH_TIME = (
    *missed(
        "recurren",
        "hidden",
        "state",
        "time",
        "step",
        "path",
        "carry",
        "later",
        "future",
        "next",
        "previous",
        "history",
    ),
    "truncat",
    "through time",
)
LAST_STEP = (
    *near(r"last|final|\bone step|single|slice", r"only|step|row|part|position|iteration|alone"),
    *missed("step", "sum", "row", "first", "last", "slice"),
    "not summed",
    "overwrit",
    "accumulat",
)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class VanillaRNN:
    """h[t] = tanh(x[t]·Wx + h[t−1]·Wh + b); x: (time, batch, inputs), all states returned."""

    def forward(self, x):
        self.x = x
        h = np.zeros((x.shape[1], len(self.b)))
        self.states = [h]
        for t in range(len(x)):
            h = np.tanh(x[t] @ self.Wx + h @ self.Wh + self.b)
            self.states.append(h)
        return np.stack(self.states[1:])

    def backward(self, g):
        self.grads = {n: np.zeros_like(getattr(self, n)) for n in ("Wx", "Wh", "b")}
        dx = np.zeros_like(self.x)
        dh = np.zeros_like(g[0])
        for t in self.steps(len(g)):
            dz = self.through_tanh(self.total(g[t], dh), t)
            dx[t] = dz @ self.Wx.T
            self.grads["Wx"] += self.x[t].T @ dz
            self.grads["Wh"] += self.source(t).T @ dz
            self.grads["b"] += dz.sum(axis=0)
            dh = dz @ self.Wh.T
        return dx

    def steps(self, n):
        return reversed(range(n))

    def total(self, g, dh):
        return g + dh

    def through_tanh(self, d, t):
        return d * (1 - self.states[t + 1] ** 2)

    def source(self, t):
        return self.states[t]


class RNNWithoutRecurrence(VanillaRNN):
    def total(self, g, dh):
        return g


class RNNSameState(VanillaRNN):
    def source(self, t):
        return self.states[t + 1]


class RNNFirstStepLeftOut(VanillaRNN):
    def steps(self, n):
        return range(n - 1, 0, -1)


class RNNStaleCache(VanillaRNN):
    """The cell keeps one state, which the last step has overwritten."""

    def through_tanh(self, d, t):
        return d * (1 - self.states[-1] ** 2)


class RNNForwardOrder(VanillaRNN):
    def steps(self, n):
        return range(n)


class RNNNoTranspose(VanillaRNN):
    def backward(self, g):
        self.Wh, kept = self.Wh.T, self.Wh
        dx = super().backward(g)
        self.Wh = kept
        return dx


def lstm(x, W, U, b):
    """Return the last hidden state of one sequence; the gates are i, f, o and the candidate."""
    return run_lstm(x, W, U, b)[0][-1]


def run_lstm(x, W, U, b):
    n = U.shape[0]
    hs, cs, gates = [np.zeros(n)], [np.zeros(n)], []
    for row in x:
        z = row @ W + hs[-1] @ U + b
        i, f, o = (sigmoid(z[k * n : (k + 1) * n]) for k in range(3))
        a = np.tanh(z[3 * n :])
        cs.append(f * cs[-1] + i * a)
        hs.append(o * np.tanh(cs[-1]))
        gates.append((i, f, o, a))
    return hs, cs, gates


def lstm_vjp(g, x, W, U, b, mistake=""):
    hs, cs, gates = run_lstm(x, W, U, b)
    dx, dW, dU, db = (np.zeros_like(v) for v in (x, W, U, b))
    dh, dc = g, np.zeros_like(g)
    for t in reversed(range(len(x))):
        i, f, o, a = gates[t]
        c = np.tanh(cs[t + 1])
        dc_here = dh * o * (1 - c**2)
        if mistake != "cell":
            dc_here = dc_here + dc
        previous = cs[t + 1] if mistake == "cell index" else cs[t]
        do = dh * (cs[t + 1] if mistake == "cell raw" else c)
        di, df, da = dc_here * a, dc_here * previous, dc_here * i
        da_z = da * (1 - a) * a if mistake == "candidate" else da * (1 - a**2)
        dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), da_z])
        dx[t] = dz @ W.T
        dW += np.outer(x[t], dz)
        dU += np.outer(hs[t], dz)
        db += dz
        dh = dz @ U.T
        dc = dc_here * (i if mistake == "input gate" else f)
    return dx, dW, dU, db


def gru(x, h, W, U, b):
    """One step of a gated recurrent unit on a batch; r, z and the candidate, as in Keras."""
    n = h.shape[1]
    xs, hs = x @ W + b, h @ U
    r, z = sigmoid(xs[:, :n] + hs[:, :n]), sigmoid(xs[:, n : 2 * n] + hs[:, n : 2 * n])
    a = np.tanh(xs[:, 2 * n :] + r * hs[:, 2 * n :])
    return z * h + (1 - z) * a


def gru_vjp(g, x, h, W, U, b, mistake=""):
    n = h.shape[1]
    xs, hs = x @ W + b, h @ U
    r, z = sigmoid(xs[:, :n] + hs[:, :n]), sigmoid(xs[:, n : 2 * n] + hs[:, n : 2 * n])
    a = np.tanh(xs[:, 2 * n :] + r * hs[:, 2 * n :])
    da = g * (1 - z) * (1 - a**2)
    dz = g * ((a - h) if mistake == "sign" else (h - a)) * z * (1 - z)
    dr = da * hs[:, 2 * n :] * r * (1 - r)
    dxs = np.concatenate([dr, dz, da], axis=1)
    dhs = np.concatenate([dr, dz, da if mistake == "reset" else da * r], axis=1)
    dh = dhs @ U.T
    if mistake != "direct":
        dh = dh + g * z
    return dxs @ W.T, dh, x.T @ dxs, h.T @ dhs, dxs.sum(axis=0)


def smooth(x, alpha, start):
    """Exponential smoothing: s[t] = α·x[t] + (1 − α)·s[t−1], all of them."""
    rows = []
    for value in x:
        start = alpha * value + (1 - alpha) * start
        rows.append(start)
    return np.stack(rows)


def smooth_vjp(g, x, alpha, start, mistake=""):
    s = np.concatenate([[start], smooth(x, alpha, start)])
    dx, dalpha, carry = np.zeros_like(x), 0.0, 0.0
    for t in reversed(range(len(x))):
        d = g[t] + carry
        dx[t] = alpha * (g[t] if mistake == "local" else d)
        dalpha += d * (x[t] - (s[t + 1] if mistake == "state" else s[t]))
        carry = (1 - alpha) * d
    return dx, dalpha, g[0] * (1 - alpha) if mistake == "start" else carry


def linear_scan(a, b):
    """h[t] = a[t]·h[t−1] + b[t], channels apart, as in state space models."""
    h = np.zeros(b.shape[1])
    rows = []
    for t in range(len(b)):
        h = a[t] * h + b[t]
        rows.append(h)
    return np.stack(rows)


def linear_scan_vjp(g, a, b, mistake=""):
    h = np.concatenate([np.zeros((1, b.shape[1])), linear_scan(a, b)])
    da, db, carry = np.zeros_like(a), np.zeros_like(b), np.zeros(b.shape[1])
    for t in reversed(range(len(b))):
        db[t] = g[t] + carry
        da[t] = db[t] * (h[t + 1] if mistake == "state" else h[t])
        carry = db[t] * (a[t - 1] if mistake == "decay" else a[t])
        if mistake == "reset":
            carry = g[t] * a[t]
    return da, db


def pendulum(theta, omega, damping):
    """20 explicit Euler steps of a damped pendulum; returns the last angle and speed."""
    for _ in range(20):
        theta, omega = theta + 0.05 * omega, omega - 0.05 * (9.81 * np.sin(theta) + damping * omega)
    return np.stack([theta, omega])


def pendulum_vjp(g, theta, omega, damping, mistake=""):
    path = []
    for _ in range(20):
        path.append((theta, omega))
        theta, omega = theta + 0.05 * omega, omega - 0.05 * (9.81 * np.sin(theta) + damping * omega)
    dtheta, domega, ddamping = g[0], g[1], 0.0
    steps = path[1:] if mistake == "short" else path
    for theta, omega in reversed(steps):
        ddamping = ddamping - 0.05 * domega * omega
        force = 0.05 * 9.81 * np.cos(theta)
        before = dtheta
        dtheta = dtheta - force * domega
        if mistake == "updated":
            before = dtheta
        friction = 0 if mistake == "damping" else 0.05 * damping
        domega = domega * (1 - friction) + 0.05 * before
    return dtheta, domega, np.sum(ddamping)


def draw_rnn(rng):
    return (
        rng.normal(size=(5, 2, 3)),
        rng.normal(size=(3, 4)),
        rng.normal(size=(4, 4)) / 2,
        rng.normal(size=4) / 2,
    )


CASES = [
    make_layer_case(
        "vanilla RNN",
        "recurrent",
        VanillaRNN,
        ("Wx", "Wh", "b"),
        {
            "the gradient of the next step's state is forgotten": (
                RNNWithoutRecurrence,
                THROUGH_TIME,
            ),
            "Wh's gradient has h[t] for h[t−1]": (
                RNNSameState,
                (*SHIFTED, "h\\[t", "previous", "state"),
            ),
            "the loop stops before the first step": (
                RNNFirstStepLeftOut,
                (*LAST_STEP, *SHIFTED, r"x\[0.*(0|zero)", "index 0"),
            ),
        },
        draw_rnn,
    ),
    make_layer_case(
        "vanilla RNN, one cell object for all steps",
        "recurrent",
        VanillaRNN,
        ("Wx", "Wh", "b"),
        {
            "every step uses the cache of the last one": (
                RNNStaleCache,
                (
                    "cache",
                    "stale",
                    *near("last|same|final", "state|step|activation|value"),
                    *SHIFTED,
                ),
            ),
            "the time loop runs forwards": (
                RNNForwardOrder,
                ("revers", "order", "direction", "forward", *THROUGH_TIME),
            ),
            "Wh is not transposed": (RNNNoTranspose, TRANSPOSED),
        },
        draw_rnn,
    ),
    Case(
        "LSTM, last state",
        "recurrent",
        lstm,
        lstm_vjp,
        {
            "the cell's gradient is not carried through time": (
                with_mistake(lstm_vjp, "cell"),
                (*THROUGH_TIME, *missed("cell", r"\bc\b")),
            ),
            "the forget gate's gradient has c[t] for c[t−1]": (
                with_mistake(lstm_vjp, "cell index"),
                (*SHIFTED, "forget", "c\\[t", "previous"),
            ),
            "the candidate is differentiated like a sigmoid": (
                with_mistake(lstm_vjp, "candidate"),
                ("candidate", "sigmoid", "tanh", "activation"),
            ),
        },
        lambda rng: (
            rng.normal(size=(4, 2)),
            rng.normal(size=(2, 12)),
            rng.normal(size=(3, 12)) / 2,
            rng.normal(size=12),
        ),
    ),
    Case(
        "LSTM of five units, gates mixed up",
        "recurrent",
        lstm,
        lstm_vjp,
        {
            "the cell goes back through the input gate": (
                with_mistake(lstm_vjp, "input gate"),
                ("gate", "forget", "swap", "exchang", *THROUGH_TIME),
            ),
            "the output gate's gradient has c for tanh(c)": (
                with_mistake(lstm_vjp, "cell raw"),
                ("output gate", *missed("tanh", "activation"), "tanh", "before"),
            ),
            "the gradient of the next step's cell is forgotten": (
                with_mistake(lstm_vjp, "cell"),
                (*THROUGH_TIME, *missed("cell", r"\bc\b")),
            ),
        },
        lambda rng: (
            rng.normal(size=(3, 1)),
            rng.normal(size=(1, 20)),
            rng.normal(size=(5, 20)) / 2,
            rng.normal(size=20),
        ),
    ),
    Case(
        "GRU step",
        "recurrent",
        gru,
        gru_vjp,
        {
            "the direct path z·h is forgotten": (
                with_mistake(gru_vjp, "direct"),
                (*missed("path", "direct", "term", "skip", "use", r"z \* h", "carry"),),
            ),
            "the reset gate is left out of the state's gradient": (
                with_mistake(gru_vjp, "reset"),
                (*missed("reset", r"\br\b", "gate", "factor"), "reset", "gate"),
            ),
            "the update gate's sign": (with_mistake(gru_vjp, "sign"), SIGN),
        },
        lambda rng: (
            rng.normal(size=(3, 2)),
            rng.normal(size=(3, 4)),
            rng.normal(size=(2, 12)),
            rng.normal(size=(4, 12)),
            rng.normal(size=12),
        ),
    ),
    Case(
        "exponential smoothing of a price",
        "recurrent",
        smooth,
        smooth_vjp,
        {
            "each price gets its own step's gradient only": (
                with_mistake(smooth_vjp, "local"),
                (*THROUGH_TIME, "diagonal", *missed("later", "sum", "off-diagonal")),
            ),
            "alpha's gradient has s[t] for s[t−1]": (
                with_mistake(smooth_vjp, "state"),
                (*SHIFTED, *scaled(r"0\.70*"), "previous", r"1 ?- ?alpha", "s\\[t"),
            ),
            "the start gets the first step's gradient only": (
                with_mistake(smooth_vjp, "start"),
                (*THROUGH_TIME, *near("first|one", "only|step"), "not summed"),
            ),
        },
        lambda rng: (100 + rng.normal(size=12), 0.3, 100.0),
    ),
    Case(
        "linear scan with decays",
        "recurrent",
        linear_scan,
        linear_scan_vjp,
        {
            "the decay's gradient has h[t] for h[t−1]": (
                with_mistake(linear_scan_vjp, "state"),
                (*SHIFTED, "h\\[t"),
            ),
            "carried back by the decay of the step before": (
                with_mistake(linear_scan_vjp, "decay"),
                (*SHIFTED, "a\\[t", "index"),
            ),
            "the carry forgets what it carried": (
                with_mistake(linear_scan_vjp, "reset"),
                (*THROUGH_TIME, *LAST_STEP),
            ),
        },
        lambda rng: (rng.uniform(0.3, 1.0, size=(8, 3)), rng.normal(size=(8, 3))),
    ),
    Case(
        "pendulum by Euler steps",
        "recurrent",
        pendulum,
        pendulum_vjp,
        {
            "the adjoint loop has a step too few": (
                with_mistake(pendulum_vjp, "short"),
                (*LAST_STEP, *SHIFTED, "iteration", *THROUGH_TIME),
            ),
            "the angle's adjoint is updated before it is used": (
                with_mistake(pendulum_vjp, "updated"),
                ("order", "updated", "overwrit", "already", "before", "in place", "stale"),
            ),
            "the damping is left out of the speed's adjoint": (
                with_mistake(pendulum_vjp, "damping"),
                (f"damping.*{MISSED}", f"{MISSED}.*damping", *missed("path", "term", "friction")),
            ),
        },
        lambda rng: (rng.normal(size=3), rng.normal(size=3), 0.5),
    ),
]
