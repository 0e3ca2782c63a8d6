"""Energies and forces in SI units or others, with sizes far from 1."""

import numpy as np

from .case import Case, with_mistake
from .words import HALF, MISSED, REPEATED, SIGN, TWICE, missed, scaled


def lennard_jones(x):
    """Argon in metres and joules: ε = 1.65e-21 J, σ = 3.4e-10 m, each pair once."""
    i, j = np.triu_indices(len(x), k=1)
    r = np.sqrt(np.sum((x[i] - x[j]) ** 2, axis=1))
    s = (3.4e-10 / r) ** 6
    return 4 * 1.65e-21 * np.sum(s**2 - s)


def lennard_jones_grad(x, mistake=""):
    i, j = np.triu_indices(len(x), k=1)
    d = x[i] - x[j]
    r2 = np.sum(d**2, axis=1)
    s = 3.4e-10**6 / r2**3
    slope = 24 * 1.65e-21 * (s - (s**2 if mistake == "twelve" else 2 * s**2)) / r2
    pair = slope[:, None] * d
    grad = np.zeros_like(x)
    if mistake == "assign":
        grad[i] += pair
        grad[j] -= pair
        return grad
    np.add.at(grad, i, pair)
    if mistake == "third law":
        return grad
    np.add.at(grad, j, -pair)
    return -grad if mistake == "force" else grad


def springs(x, k, ends, rest):
    """A network of springs, lengths in metres, stiffness in N/m."""
    d = x[ends[:, 0]] - x[ends[:, 1]]
    return 0.5 * np.sum(k * (np.sqrt(np.sum(d**2, axis=1)) - rest) ** 2)


def springs_grad(x, k, ends, rest, mistake=""):
    d = x[ends[:, 0]] - x[ends[:, 1]]
    length = np.sqrt(np.sum(d**2, axis=1))
    tension = k * (length - rest)
    if mistake == "two":
        tension = 2 * tension
    unit = d if mistake == "unit" else d / length[:, None]
    if mistake == "rest":
        tension = k * length
    grad = np.zeros_like(x)
    np.add.at(grad, ends[:, 0], tension[:, None] * unit)
    np.add.at(grad, ends[:, 1], -tension[:, None] * unit)
    return grad, 0.5 * (length - rest) ** 2, None, None


def coulomb(x, q):
    """The electrostatic energy of charges in elementary charges, positions in nanometres."""
    i, j = np.triu_indices(len(x), k=1)
    return 230.7 * np.sum(q[i] * q[j] / np.sqrt(np.sum((x[i] - x[j]) ** 2, axis=1)))


def coulomb_grad(x, q, mistake=""):
    d = x[:, None] - x[None]
    r = np.sqrt(np.sum(d**2, axis=2)) + np.eye(len(x))
    power = r**2 if mistake == "power" else r**3
    pairs = q[:, None] * q[None]
    if mistake == "charge":
        pairs = q[None] * np.ones_like(pairs)
    dx = -230.7 * np.sum((pairs / power)[:, :, None] * d, axis=1)
    dq = 230.7 * ((1 - np.eye(len(x))) / r) @ q
    return dx, (dq / 2 if mistake == "half" else dq)


def radiated_power(T, area):
    """The power of grey surfaces at T kelvin to a room of 293 K, in watts."""
    return 5.67e-8 * 0.9 * area * (T**4 - 293.0**4)


def radiated_power_vjp(g, T, area, mistake=""):
    dT = g * 4 * 5.67e-8 * 0.9 * area * T**3
    if mistake == "power":
        dT = g * 4 * 5.67e-8 * 0.9 * area * T**4
    if mistake == "emissivity":
        dT = g * 4 * 5.67e-8 * area * T**3
    darea = g * 5.67e-8 * 0.9 * (T**4 if mistake == "room" else T**4 - 293.0**4)
    return dT, darea


def diode_current(v, i0, n):
    """Shockley's equation at 300 K; a saturation current of picoamperes."""
    return i0 * np.expm1(v / (n * 0.02585))


def diode_current_vjp(g, v, i0, n, mistake=""):
    e = np.exp(v / (n * 0.02585))
    dv = g * i0 * e / (0.02585 if mistake == "ideality" else n * 0.02585)
    dn = -g * i0 * e * v / (n**2 * 0.02585)
    if mistake == "power":
        dn = -g * i0 * e * v / (n * 0.02585)
    di = g * (e if mistake == "one" else e - 1)
    return dv, np.sum(di), np.sum(dn)


def orbit_energy(x, v, m):
    """The energy of planets in SI units, about 1e33 J: kinetic plus gravitational."""
    i, j = np.triu_indices(len(x), k=1)
    r = np.sqrt(np.sum((x[i] - x[j]) ** 2, axis=1))
    return 0.5 * np.sum(m * np.sum(v**2, axis=1)) - 6.674e-11 * np.sum(m[i] * m[j] / r)


def orbit_energy_grad(x, v, m, mistake=""):
    d = x[:, None] - x[None]
    r = np.sqrt(np.sum(d**2, axis=2)) + np.eye(len(x))
    away = 1 - np.eye(len(x))
    sign = -1 if mistake == "sign" else 1
    dx = sign * 6.674e-11 * m[:, None] * np.sum((m[None] / r**3)[:, :, None] * d, axis=1)
    dm = 0.5 * np.sum(v**2, axis=1) - 6.674e-11 * (away / r) @ m
    if mistake == "kinetic":
        dm = -6.674e-11 * (away / r) @ m
    return dx, (v if mistake == "mass" else m[:, None] * v), dm


def heat_steps(u, kappa):
    """Five explicit steps of the heat equation on a rod with fixed ends."""
    for _ in range(5):
        inner = u[1:-1] + kappa * (u[2:] - 2 * u[1:-1] + u[:-2])
        u = np.concatenate([u[:1], inner, u[-1:]])
    return u


def heat_steps_vjp(g, u, kappa, mistake=""):
    path = [u]
    for _ in range(5):
        path.append(heat_step(path[-1], kappa))
    dkappa = 0.0
    for u in reversed(path[1:] if mistake == "state" else path[:-1]):
        dkappa += g[1:-1] @ (u[2:] - 2 * u[1:-1] + u[:-2])
        d = np.zeros_like(g)
        d[0], d[-1] = (0, 0) if mistake == "ends" else (g[0], g[-1])
        d[1:-1] += g[1:-1] * (1 - 2 * kappa)
        d[2:] += kappa * g[1:-1]
        if mistake != "one side":
            d[:-2] += kappa * g[1:-1]
        g = d
    return g, dkappa


def heat_step(u, kappa):
    return np.concatenate([u[:1], u[1:-1] + kappa * (u[2:] - 2 * u[1:-1] + u[:-2]), u[-1:]])


CASES = [
    Case(
        "Lennard-Jones energy of argon in joules",
        "physics",
        lennard_jones,
        lennard_jones_grad,
        {
            "the force, not the gradient": (with_mistake(lennard_jones_grad, "force"), SIGN),
            "only one atom of each pair is pushed": (
                with_mistake(lennard_jones_grad, "third law"),
                (
                    *missed("pair", "path", "term", "use", "atom", "end", "x\\["),
                    "newton",
                    "third law",
                ),
            ),
            "the repulsion lacks its factor 2": (
                with_mistake(lennard_jones_grad, "twelve"),
                (*HALF, *TWICE, "power", "exponent", "twelve", "repuls"),
            ),
        },
        lambda rng: (
            3.9e-10 * (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]))
            + 2e-11 * rng.normal(size=(4, 3)),
        ),
        form="grad",
    ),
    Case(
        "Lennard-Jones energy, written with +=",
        "physics",
        lennard_jones,
        lennard_jones_grad,
        {
            "+= on atoms that are in several pairs": (
                with_mistake(lennard_jones_grad, "assign"),
                REPEATED,
            ),
            "in units of kJ/mol": (
                lambda x: lennard_jones_grad(x) * 6.022e20,
                (*scaled(r"6\.?02\S*", r"1\.66\S*"), "unit", "constant factor", "scale"),
            ),
            "every pair is counted from both of its atoms": (
                lambda x: 2 * lennard_jones_grad(x),
                TWICE,
            ),
        },
        lambda rng: (
            4.2e-10 * np.arange(15).reshape(5, 3) ** 0.8 + 1e-11 * rng.normal(size=(5, 3)),
        ),
        form="grad",
    ),
    Case(
        "springs between nodes",
        "physics",
        springs,
        springs_grad,
        {
            "the 2 of the square, in spite of the half": (with_mistake(springs_grad, "two"), TWICE),
            "the direction is not of unit length": (
                with_mistake(springs_grad, "unit"),
                (*missed("length", "normali", "unit", "divi", "root", "norm"), "unit", "length"),
            ),
            "the rest length is forgotten": (
                with_mistake(springs_grad, "rest"),
                (*missed("rest", "offset", "term"), "rest"),
            ),
        },
        lambda rng: (
            0.05 * rng.normal(size=(5, 2)),
            rng.uniform(100, 900, size=6),
            np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [4, 1]]),
            np.full(6, 0.03),
        ),
        form="grad",
        argnums=(0, 1),
    ),
    Case(
        "Coulomb energy of ions",
        "physics",
        coulomb,
        coulomb_grad,
        {
            "d/r² instead of d/r³": (
                with_mistake(coulomb_grad, "power"),
                ("power", "exponent", "unit", "normali", *missed("length", "norm", "divi", "r")),
            ),
            "half of the charges' gradient, as if pairs were counted twice": (
                with_mistake(coulomb_grad, "half"),
                HALF,
            ),
            "the ion's own charge is left out of its gradient": (
                with_mistake(coulomb_grad, "charge"),
                (*missed("q", "charge", "factor"), "divided by q", "1/q", "charge"),
            ),
        },
        lambda rng: (rng.normal(size=(5, 3)), np.array([1.0, -1, 2, -1, 0.5])),
        form="grad",
    ),
    Case(
        "radiated power in watts",
        "physics",
        radiated_power,
        radiated_power_vjp,
        {
            "4·T⁴ for 4·T³": (
                with_mistake(radiated_power_vjp, "power"),
                ("power", "exponent", r"(times|multiplied by|factor)( of)? t\b"),
            ),
            "the emissivity is forgotten": (
                with_mistake(radiated_power_vjp, "emissivity"),
                (*scaled(r"1\.1\d*", r"0\.90*"), r"0\.9\b", "emissiv"),
            ),
            "the room is forgotten": (
                with_mistake(radiated_power_vjp, "room"),
                (*missed("room", "offset", "term", "constant", "ambient"), "293", "offset", "376"),
            ),
        },
        lambda rng: (rng.uniform(310, 900, size=6), rng.uniform(1e-4, 1e-3, size=6)),
    ),
    Case(
        "diode current in amperes",
        "physics",
        diode_current,
        diode_current_vjp,
        {
            "the ideality is left out of the voltage's gradient": (
                with_mistake(diode_current_vjp, "ideality"),
                (*missed("n", "ideal"), *scaled(r"1\.40*"), "ideal", "multiplied by n"),
            ),
            "1/n for 1/n²": (
                with_mistake(diode_current_vjp, "power"),
                (*scaled(r"1\.40*"), "power", "square", "multiplied by n", "times n"),
            ),
            "the −1 is forgotten in the gradient of the saturation current": (
                with_mistake(diode_current_vjp, "one"),
                (*missed("1", "term", "offset", "constant"), "expm1", "offset", "term g too many"),
            ),
        },
        lambda rng: (rng.uniform(0.02, 0.12, size=8), 2e-12, 1.4),
    ),
    Case(
        "energy of planets in SI units",
        "physics",
        orbit_energy,
        orbit_energy_grad,
        {
            "the gravitational force has the wrong sign": (
                with_mistake(orbit_energy_grad, "sign"),
                SIGN,
            ),
            "the mass is left out of the momentum": (
                with_mistake(orbit_energy_grad, "mass"),
                (*missed("m", "mass", "factor"), "divided by m", "1/m", "mass"),
            ),
            "the kinetic energy is left out of the masses' gradient": (
                with_mistake(orbit_energy_grad, "kinetic"),
                missed("kinetic", "term", "path", "use", "v", "speed", "velocit"),
            ),
        },
        lambda rng: (
            np.array([[0.0, 0], [1.5e11, 1e10], [-2e10, 2.2e11], [7.7e11, -1e11]]),
            np.array([[10.0, 5], [1e3, 2.9e4], [2.4e4, -3e3], [2e3, 1.3e4]]),
            np.array([2e30, 6e24, 6.4e23, 1.9e27]),
        ),
        form="grad",
    ),
    Case(
        "heat equation on a rod",
        "physics",
        heat_steps,
        heat_steps_vjp,
        {
            "the fixed ends get no gradient of their own": (
                with_mistake(heat_steps_vjp, "ends"),
                (*missed("end", "bound", "edge", "first", "path", "term"), "bound", "edge"),
            ),
            "the left neighbour is forgotten": (
                with_mistake(heat_steps_vjp, "one side"),
                (*missed("neighb", "path", "term", "side", "u\\[", "use"), f"{MISSED}.*left"),
            ),
            "kappa's gradient has the state after the step": (
                with_mistake(heat_steps_vjp, "state"),
                (
                    "shift",
                    "off.by.one",
                    "next (step|state|time)",
                    "(before|after) the",
                    "late",
                    "previous",
                ),
            ),
        },
        lambda rng: (np.round(rng.uniform(20, 90, size=9)), 0.3),
    ),
]
