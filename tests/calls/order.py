"""Calls of sorting, quantiles, and of the reductions that ignore NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import AXES, INTS, RUNNING, Call, M, P, S, V, X
from .statistics import AVERAGED, AWEIGHTS, MASK, SINGLE, SPREAD, SUMMED, C

HOLES = X.copy()
HOLES[0, 1, 2] = HOLES[1, 0, 0] = HOLES[1, 2, 2] = np.nan
LADDER = np.random.default_rng(5).permutation(np.arange(24.0)).reshape(2, 3, 4)
METHODS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher",
    "midpoint", "nearest",
)  # fmt: skip
QS = [0.07, 0.5, 0.81]
QUANTILES = (
    Call(X, 0.3), Call(X, QS), Call(X, QS, 1), Call(X, 0.3, axis=(0, 2)), Call(X, 0, -1),
    Call(X, [[0.1, 0.9]], axis=(-1, 0), keepdims=True), Call(X, 0.5, 0, None, False, "lower"),
    *(Call(LADDER, QS, 2, method=method) for method in METHODS), Call(X, 0.4, keepdims=True),
    Call(X, QS, axis=1, method="inverted_cdf", weights=MASK[0, :, 1] + 0.5), Call(INTS, 1, 1),
    Call(M, 0.6, 0, method="inverted_cdf", weights=np.abs(M)), Call(INTS, 0.3), Call(SINGLE, 0.3),
    Call(INTS, 0.3, axis=0, method="higher"), Call(X, axis=1, q=np.array(0.35)), Call(S, 0.2),
    Call(M, 0.9, -1, method="inverted_cdf", weights=AWEIGHTS), Call(X[:, ::-1, ::2], 0.3, axis=()),
)  # fmt: skip


# NumPy's own nanquantile fails for weights along one axis, and misplaces the axes of a 2-d q.
OF_NUMBERS = tuple(
    call
    for call in QUANTILES
    if np.shape(call.kwargs.get("weights", 0)) in ((), (3, 4)) and np.ndim(call.args[-1]) != 2
)


def scaled(call: Call) -> Call:
    """Ask for percentiles instead."""
    args, kwargs = list(call.args), dict(call.kwargs)
    if "q" in kwargs:
        kwargs["q"] = kwargs["q"] * 100
    else:
        args[1] = np.multiply(args[1], 100).tolist()
    return Call(*args, **kwargs)


PERCENTILES = tuple(map(scaled, QUANTILES))
GAPS = (Call(HOLES, 0.3), Call(HOLES, QS, 1), Call(HOLES, 0.3, axis=(0, 2), keepdims=True),
        *(Call(HOLES, QS, 2, method=method) for method in METHODS))  # fmt: skip
MEDIANS = (*AXES[:-1], Call(M, 1), Call(V), Call(X, (1, 2), None, False, True), Call(INTS),
           Call(INTS, 0), Call(SINGLE, 1), Call(np.append(V, 0.5)))  # fmt: skip
NUMBERED = (
    Call(HOLES), Call(HOLES, 1), Call(HOLES, axis=(0, 2), keepdims=True), Call(HOLES, -1),
    Call(HOLES, (0, 2), where=MASK),
)  # fmt: skip
STARTED = (Call(HOLES, 1, initial=0.3), Call(HOLES, (0, 1), where=MASK, initial=0.2))
NANMAX = (*AXES[:-1], *NUMBERED[:4], *STARTED, Call(INTS, 0), Call(SINGLE, 0))

CALLS: dict[Any, tuple[Call, ...]] = {
    np.sort: (Call(M), Call(M, 0), Call(M, axis=None), Call(M, kind="stable"), Call(X, -2),
              Call(M, stable=True), Call(C, 0), Call(INTS, 1), Call(HOLES, 1)),
    np.partition: (Call(V, 2), Call(M, range(3), 0), Call(X, (0, 1, 2), 1),
                   Call(M, range(12), None), Call(V, 1, kind="introselect")),
    np.median: (*MEDIANS, Call(HOLES, 1), Call(HOLES)),
    np.quantile: (*QUANTILES, Call(HOLES, QS, 0)),
    np.percentile: (*PERCENTILES, Call(HOLES, 40, 0)),
    np.nanmedian: (*MEDIANS, *NUMBERED[:4]),
    np.nanquantile: (*OF_NUMBERS, *GAPS),
    np.nanpercentile: (*map(scaled, OF_NUMBERS), *map(scaled, GAPS)),
    np.nansum: (*SUMMED, *NUMBERED, *STARTED),
    np.nanprod: (*SUMMED, *NUMBERED, *STARTED),
    np.nanmean: (*AVERAGED, *NUMBERED),
    np.nanmax: NANMAX,
    np.nanmin: NANMAX,
    np.nanvar: (*SPREAD, *NUMBERED, Call(HOLES, 1, ddof=1)),
    np.nanstd: (*SPREAD, *NUMBERED, Call(HOLES, 1, ddof=1)),
    np.nancumsum: (*RUNNING, Call(HOLES), Call(HOLES, 1), Call(M, 0, np.float32)),
    np.nancumprod: (*RUNNING, Call(HOLES), Call(HOLES, 1), Call(M, 0, np.float32)),
    np.nanargmax: (Call(HOLES), Call(HOLES, 1), Call(HOLES, axis=-1, keepdims=True), Call(INTS, 0)),
    np.nanargmin: (Call(HOLES), Call(HOLES, 1), Call(HOLES, axis=-1, keepdims=True), Call(P)),
}  # fmt: skip
