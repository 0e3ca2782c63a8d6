"""What recording costs: each operation on tensors beside the bare NumPy call, in one run.

    python benchmarks/overhead.py

The smallest of many repeats is taken, so that a busy machine disturbs least.
"""

from __future__ import annotations

import platform
import timeit

import numpy as np

import autograd_mini as am

BUDGET = 0.8  # µs an elementwise operation

ELEMENTWISE = [
    ("a + b", "x + y"),
    ("a * b", "x * y"),
    ("a / b", "x / y"),
    ("a + 2.0", "x + 2.0"),
    ("a > b", "x > y"),
    ("np.tanh(a)", "x.tanh()"),
    ("np.tanh(a)", "np.tanh(x)"),
    ("np.exp(a)", "np.exp(x)"),
    ("np.add(a, b)", "np.add(x, y)"),
    ("a + b", "a + y"),
    ("s + s", "z + z"),
    ("s * 2.0", "z * 2.0"),
    ("np.tanh(s)", "np.tanh(z)"),
]
OTHERS = [
    ("a @ b", "x @ y"),
    ("np.sum(a)", "np.sum(x)"),
    ("a.mean(axis=0)", "x.mean(axis=0)"),
    ("a.reshape(16)", "x.reshape(16)"),
    ("a[0]", "x[0]"),
]


def fastest(
    statement: str, names: dict[str, object], number: int = 2000, repeat: int = 60
) -> float:
    """Return the smallest time of one execution, in microseconds."""
    return min(timeit.repeat(statement, globals=names, number=number, repeat=repeat)) / number * 1e6


def main() -> None:
    a, b = np.full((4, 4), 0.5), np.full((4, 4), 2.0)
    names = {
        "np": np,
        "a": a,
        "b": b,
        "s": np.float64(0.5),
        "x": am.tensor(a, requires_grad=True),
        "y": am.tensor(b, requires_grad=True),
        "z": am.tensor(0.5, requires_grad=True),
    }
    print(f"Python {platform.python_version()}, NumPy {np.__version__}; µs, minimum of 60 repeats")
    print(f"{'NumPy':16} {'recorded':16} {'NumPy':>7} {'recorded':>9} {'overhead':>9}")
    for title, rows in (("elementwise", ELEMENTWISE), ("others", OTHERS)):
        print(title)
        for bare, recorded in rows:
            base, ours = fastest(bare, names), fastest(recorded, names)
            mark = f"  over {BUDGET}" if rows is ELEMENTWISE and ours - base > BUDGET else ""
            print(f"{bare:16} {recorded:16} {base:7.2f} {ours:9.2f} {ours - base:9.2f}{mark}")


if __name__ == "__main__":
    main()
