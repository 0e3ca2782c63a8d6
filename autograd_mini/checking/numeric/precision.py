"""A function in long double, where it runs in it and the machine has more digits there."""

from __future__ import annotations

import numpy as np

from .lines import Probe


def long_double_probe(probe: Probe, noise: float = 0.0) -> Probe | None:
    """Return a probe that computes in long double, or None if the function cannot.

    Args:
        probe: the usual one.
        noise: by how much its outputs may be off, beside a share of them.
    """
    wide, inputs = np.finfo(np.longdouble), probe.subject.inputs
    if wide.eps > 1e-18 or any(inputs.dtype(i).itemsize < 8 for i in range(len(inputs.arrays))):
        return None
    point = [x.astype(np.longdouble) for x in inputs.arrays]
    try:
        base = probe.subject.evaluate(point)
    except Exception:  # whatever a function does with numbers it was not made for
        return None
    if [y.shape for y in base] != [y.shape for y in probe.base]:
        return None
    for y, before in zip(base, probe.base, strict=True):
        near = noise + 1e-6 * (np.abs(before) + np.max(np.abs(before), initial=0.0))
        if y.dtype != np.longdouble or not np.all(np.abs(y - before) <= near):
            return None
    return Probe(probe.subject, base, probe.weights, np.longdouble)
