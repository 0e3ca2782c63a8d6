"""What a full check costs: every parameter of a 64-64-10 network's loss, beside PyTorch's checker.

    python benchmarks/checking_time.py [--write]

The network has 4,810 parameters and a batch of 32, in float64; both check the same loss at the same
point, taking turns in one process. `torch.autograd.gradcheck` runs in its slow mode, which looks
at every entry, as ours does; its tolerances are atol 1e-5 and rtol 1e-3, ours rtol 1e-6. `--write`
puts the result into docs/gradcheck.md.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini.files import write_file

ROUNDS = 9
PAGE = Path(__file__).parents[1] / "docs" / "gradcheck.md"
MARKS = "<!-- speed -->", "<!-- end speed -->"

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(32, 64))
LABELS = GENERATOR.integers(0, 10, 32)
PARAMETERS = (
    0.2 * GENERATOR.normal(size=(64, 64)),
    np.zeros(64),
    0.2 * GENERATOR.normal(size=(64, 10)),
    np.zeros(10),
)


def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return am.nn.cross_entropy(np.tanh(X @ w1 + b1) @ w2 + b2, LABELS)


def ours() -> None:
    assert am.gradcheck(loss, *PARAMETERS).checked == 4810


def of_torch() -> Callable[[], None]:
    import torch

    parameters = [torch.tensor(p, requires_grad=True) for p in PARAMETERS]
    x, labels = torch.tensor(X), torch.tensor(LABELS)

    def check() -> None:
        def of(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
            return torch.nn.functional.cross_entropy(torch.tanh(x @ w1 + b1) @ w2 + b2, labels)

        assert torch.autograd.gradcheck(of, parameters)

    return check


def timed(task: Callable[[], None]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def main() -> None:
    if not importlib.util.find_spec("torch"):
        sys.exit("this compares with PyTorch: pip install torch")
    theirs = of_torch()
    timed(ours), timed(theirs)
    pairs = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    mine, other = ([1e3 * pair[i] for pair in pairs] for i in (0, 1))
    ratios = [b / a for a, b in pairs]
    text = (
        "A full check of the 4,810 parameters of a 64-64-10 network's loss (batch 32, float64)\n"
        f"takes {min(mine):.0f} ms at best ({statistics.median(mine):.0f} ms in the median), and\n"
        f"`torch.autograd.gradcheck` in its slow mode {min(other):,.0f} ms "
        f"({statistics.median(other):,.0f} ms):\n{statistics.median(ratios):.1f} times as much, "
        f"median of {ROUNDS} pairs in one run (`python benchmarks/checking_time.py`)."
    )
    print(text)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        page = f"{before}{MARKS[0]}\n\n## Speed\n\n{text}\n\n{MARKS[1]}{after}"
        write_file(PAGE, page)


if __name__ == "__main__":
    main()
