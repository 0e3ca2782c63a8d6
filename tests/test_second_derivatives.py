"""Second derivatives at special points: zeros, ones, ties, bounds, equal operands, lost rank.

A guard in a rule, as a `where` that keeps 0/0 out, can cut the rule's own derivative, which finite
differences of the function do not show. So here the gradient is differenced, from both sides of
each special point. Where it is smooth, the Hessian must be its slope; where only one side exists,
or the gradient jumps, the slope of the sides; where the slope grows without bound, an infinity of
its sign. Everything else is a kink, listed with the Hessian that the conventions give.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import autograd_mini as am
from autograd_mini.core.primitive import PRIMITIVES, Primitive, differentiable
from autograd_mini.core.table import table

with suppress(ModuleNotFoundError):  # SciPy's functions enter the table where they are wanted
    import_module("autograd_mini.ops.special")

INF, NAN = np.inf, np.nan
SLOPES = {
    "bessel", "sinc_derivative", "cofactor", "cofactor_vjp", "eigenvalue_slopes",
    "singular_slopes", "unturned",
}  # fmt: skip
"""Operations that only rules use, besides those that work element by element."""
NODES = (1 + np.cos(np.pi * (2 * np.arange(1, 7) - 1) / 12)) / 2
"""Chebyshev nodes of (0, 1): a polynomial through them extrapolates to the point itself."""
STEP = 0.02
CLOSE = 2e-5


# ── what the gradient does near a point ──────────────────────────────────────────────────────
def fit_slope(gradient: Callable[[float], Any], step: float) -> Any:
    """Return the slope of a vector at the end of an interval, NaN where it is not finite in it."""
    values = np.stack([gradient(t) for t in NODES * step])
    finite = np.isfinite(values).all(axis=0)
    slope = np.polyfit(NODES, np.where(finite, values, 0), 5)[-2] / step
    return np.where(finite, slope, NAN)


def find_growth(gradient: Callable[[float], Any], sign: float) -> Any:
    """Return ±inf where the slope grows without bound towards the point, else NaN."""
    found = []
    for t in (1e-2, 1e-4, 1e-6):
        ends = [gradient(sign * t * (1 + e)) for e in (0.1, -0.1)]
        found.append((ends[0] - ends[1]) / (0.2 * t * sign))
    a, b, c = found
    grows = (np.abs(b) > np.abs(a) + 0.5) & (np.abs(c) > np.abs(b) + 0.5) & (b * c > 0)
    return np.where(grows, np.sign(c) * INF, NAN)


def one_sided(gradient: Callable[[float], Any], sign: float) -> tuple[Any, Any]:
    """Return the slope on one side, NaN where it has no limit, and where the side exists."""
    wide, near = fit_slope(gradient, sign * STEP), fit_slope(gradient, sign * STEP / 2)
    exists = np.isfinite(near)
    slope = np.where(np.abs(wide - near) <= CLOSE * (1 + np.abs(near)), near, NAN)
    if (exists & np.isnan(slope)).any():
        slope = np.where(np.isnan(slope), find_growth(gradient, sign), slope)
    return slope, exists


def slopes_at(gradient: Callable[[float], Any]) -> tuple[Any, Any]:
    """Return the slope of a vector at 0, NaN where the sides differ, and where there is a side."""
    (left, lower), (right, upper) = one_sided(gradient, -1), one_sided(gradient, 1)
    close = np.isfinite(right) & (np.abs(left - right) <= CLOSE * (1 + np.abs(right)))
    both = np.where(close | (left == right), left, NAN)
    return np.where(lower & upper, both, np.where(lower, left, right)), lower | upper


def numeric_hessian(gradient: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """Return the slopes of a gradient at a flat point, and which of them are to be judged."""
    found = []
    for j in range(x.size):

        def moved(t: float, j: int = j) -> Any:
            z = x.copy()
            z[j] += t
            return gradient(z)

        found.append(slopes_at(moved))
    slopes, judged = (np.stack(parts, axis=1) for parts in zip(*found, strict=True))
    return slopes, judged


# ── the comparison ───────────────────────────────────────────────────────────────────────────
def check(function: Callable[..., Any], x: Any, listed: Any = None) -> None:
    """Compare both Hessians with each other, their transposes, and slopes, or what is listed."""
    gradient = am.grad(function)
    with np.errstate(all="ignore"):
        forward = am.jacobian(gradient, mode="forward")(x)
        reverse = am.jacobian(gradient, mode="reverse")(x)
        expected, judged = numeric_hessian(gradient, x)
    size = 1 + np.abs(np.where(np.isfinite(forward), forward, 0)).max()
    assert_allclose(forward, reverse, rtol=1e-8, atol=1e-9 * size)
    assert_allclose(forward, forward.T, rtol=1e-8, atol=1e-9 * size)
    if isinstance(listed, str):
        assert np.isfinite(forward).all() or np.isinf(np.diagonal(forward)).any()
        return
    if listed is not None:
        assert_allclose(forward, np.broadcast_to(listed, forward.shape), rtol=1e-8, atol=1e-12)
        return
    kinks = np.isnan(expected) & judged
    assert not kinks.any(), f"a kink that is not listed, at {x}: {forward.tolist()}"
    expected = np.where(judged, expected, forward)
    assert_allclose(forward, expected, rtol=2e-4, atol=2e-4 * min(size, 10))


def flat(row: Primitive, operands: tuple[Any, ...], places: list[int]) -> Callable[[Any], Any]:
    """Return an elementwise row as a function of one vector of its differentiable operands."""

    def function(p: Any) -> Any:
        given = list(operands)
        for i, place in enumerate(places):
            given[place] = p[i]
        return row(*given)

    return function


# ── operations that work element by element ──────────────────────────────────────────────────
POINTS: dict[int, tuple[float, ...]] = {
    1: (-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0),
    2: (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0),
    3: (-1.0, 0.0, 1.0, 2.0),
    4: (0.0, 1.0, 2.0),
}
ORDERS = (0, 1, 2, 3)
POSITIVE = (0.5, 1.0, 2.0, 3.0)
GRIDS: dict[str, tuple[Any, ...]] = {
    "where": ((True, False), (0.0, 1.0), (0.0, 1.0)),
    "ldexp": ((-1.0, 0.0, 1.0), (-1, 0, 2)),
    "copysign": ((-1.0, 0.0, 1.0), (-1.0, 1.0)),
    "beta": (POSITIVE, POSITIVE),  # below 0 are poles
    "betaln": (POSITIVE, POSITIVE),
    "betainc": ((1, 2, 3), (1, 2, 3), (0.0, 0.25, 0.5, 1.0)),
    "beta_density": ((0, 1, 2), (0, 1, 2), (0.0, 1.0), (0.0, 0.25, 0.5, 1.0)),
    "gammainc": ((1, 2, 3), (0.0, 0.5, 1.0, 2.0)),
    "gammaincc": ((1, 2, 3), (0.0, 0.5, 1.0, 2.0)),
    "zeta": ((2, 3), POSITIVE),
    "hyp0f1": ((1, 2, 3), (-1.0, 0.0, 1.0)),
    "hyp1f1": ((-1, 0, 1, 2), (1, 2, 3), (-1.0, 0.0, 1.0, 2.0)),
    "hyp2f1": ((-1, 0, 1, 2), (-1, 0, 1, 2), (1, 2, 3), (-1.0, -0.5, 0.0, 0.5)),
    "tan": ((-1.0, 0.0, 1.0),),
    "gamma": (POSITIVE,),
    "gammaln": (POSITIVE,),
    "loggamma": (POSITIVE,),
}
"""Operands of the rows for which the points above make no sense."""

KINKS: dict[str, dict[tuple[Any, ...], Any]] = {
    "power": {
        (0.0, 0.0): 0.0,
        (0.0, 1.0): [[0.0, -INF], [-INF, 0.0]],  # from above: aᵇ⁻¹·(1 + b·ln a)
        (0.0, 2.0): [[2.0, 0.0], [0.0, 0.0]],  # a·ln a is too steep for a polynomial
    },
    "arctan2": {(0.0, 0.0): 0.0},
    "cbrt": {(0.0,): -INF},  # of +0
    "ive": {(1, 0.0): 0.0},
    "i1e": {(0.0,): 0.0},
}
"""Hessians where the gradient has different slopes on both sides, or none."""


def grid_of(row: Primitive) -> Iterator[tuple[Any, ...]]:
    """Yield operands: special numbers, or integers for orders, which have no derivative."""
    assert isinstance(row.vjp, tuple)
    count = len(row.vjp)
    usual = [POINTS[count] if differentiable(row, i) else ORDERS for i in range(count)]
    yield from itertools.product(*GRIDS.get(row.name, usual))


def is_public(row: Primitive) -> bool:
    """Whether users call a row; the others are slopes of these."""
    return any(row.call in (ours, getattr(ours, "call", None)) for ours in PUBLIC)


PUBLIC = [ours for key, ours in table.items() if not isinstance(key, str) or hasattr(am, key)]
PUBLIC += [getattr(am.special, name) for name in am.special.__all__]
ELEMENTWISE = [
    row
    for row in PRIMITIVES.values()
    if row.kind == "elementwise" and row.differentiable and is_public(row)
]


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_second_derivatives_of_a_row_at_special_points(row: Primitive) -> None:
    places = [i for i in range(len(row.vjp)) if differentiable(row, i)]  # type: ignore[arg-type]
    kinks = KINKS.get(row.name, {})
    judged = 0
    for operands in grid_of(row):
        function = flat(row, operands, places)
        x = np.array([operands[i] for i in places], float)
        with np.errstate(all="ignore"):
            if not np.isfinite(function(x)):
                continue
        check(function, x, kinks.get(operands))
        judged += 1
    assert judged


# ── functions of vectors and matrices ────────────────────────────────────────────────────────
VECTORS: dict[str, Any] = {
    "zeros": [0.0, 0, 0, 0],
    "ones": [1.0, 1, 1, 1],
    "minus ones": [-1.0, -1, -1, -1],
    "ties": [0.5, 2, 2, 0.5],
    "one zero": [0.0, 2, -1, 3],
    "two zeros": [0.0, 0, -1, 3],
    "three zeros": [0.0, 0, 0, 2],
    "no ties": [1.0, -1.5, 2, 0.5],
}
MATRICES: dict[str, Any] = {
    "zeros": np.zeros((3, 3)),
    "ones": np.ones((3, 3)),
    "identity": np.eye(3),
    "rank 2": [[1.0, 2, 3], [2, 4, 7], [0, 0, 0]],
    "rank 1": np.outer([1.0, 2, 0], [1.0, -1, 2]),
    "two equal": np.diag([2.0, 2, 1]),
    "one is zero": np.diag([3.0, 1, 0]),
    "positive": [[2.0, 1, 0], [1, 3, 1], [0, 1, 2]],
    "regular": [[2.0, 1, 0.5], [-0.5, 1, 1], [1, 0.3, 3]],
}
FOUR = np.array([1.0, 2, 3, 5])
KNOTS = np.array([-1.0, 0, 1, 2])

Functions = dict[str, Callable[[Any], Any]]
OF_VECTORS: Functions = {
    "prod": np.prod,
    "cumprod": np.cumprod,
    "var": np.var,
    "std": np.std,
    "std with ddof": lambda x: np.std(x, ddof=1),
    "std with a mask": lambda x: np.std(x, where=np.array([True, True, True, False])),
    "std with a mean": lambda x: np.std(x, mean=np.mean(x)),
    "nanstd": np.nanstd,
    "nanprod": np.nanprod,
    "max": np.max,
    "min": np.min,
    "ptp": np.ptp,
    "nanmax": np.nanmax,
    "sort": np.sort,
    "median": np.median,
    "quantile": lambda x: np.quantile(x, [0.25, 0.4]),
    "maximum.accumulate": np.maximum.accumulate,
    "multiply.accumulate": np.multiply.accumulate,
    "hypot.reduce": np.hypot.reduce,
    "logaddexp.reduce": np.logaddexp.reduce,
    "norm": np.linalg.norm,
    "norm 1": lambda x: np.linalg.norm(x, 1),
    "norm 1.5": lambda x: np.linalg.norm(x, 1.5),
    "norm 3": lambda x: np.linalg.norm(x, 3),
    "norm 4": lambda x: np.linalg.norm(x, 4),
    "norm -1": lambda x: np.linalg.norm(x, -1),
    "norm inf": lambda x: np.linalg.norm(x, np.inf),
    "norm -inf": lambda x: np.linalg.norm(x, -np.inf),
    "corrcoef": lambda x: np.corrcoef(x, FOUR),
    "corrcoef of a line": lambda x: np.corrcoef(x, 2 * x + 1),
    "corrcoef of two": lambda x: np.corrcoef(x[:2], x[2:]),
    "average": lambda x: np.average(x, weights=[1.0, 2, 0, 1]),
    "average by weights": lambda x: np.average(FOUR, weights=x),
    "softmax": am.softmax,
    "log_softmax": am.log_softmax,
    "logsumexp": am.logsumexp,
    "logsumexp with weights": lambda x: am.special.logsumexp(x, b=[1.0, 0, 2, 1]),
    "logsumexp by weights": lambda x: am.special.logsumexp([1.0, 2, 0, 0], b=x),
    "logsumexp with a sign": lambda x: am.special.logsumexp(x, b=[1.0, -1, -2, 1], return_sign=1)[
        0
    ],
    "hypot": lambda x: np.hypot(x[:2], x[2:]),
    "logaddexp": lambda x: np.logaddexp(x[:2], x[2:]),
    "maximum": lambda x: np.maximum(x[:2], x[2:]),
    "fmin": lambda x: np.fmin(x[:2], x[2:]),
    "power of numbers": lambda x: x ** np.array([0, 1, 2, 3]),
    "float_power": lambda x: np.float_power(x, [0.0, 1, 2, 3]),
    "power by numbers": lambda x: np.array([1.0, 2, 0.5, 3]) ** x,
    "power 0": lambda x: x**0,
    "power 0.0": lambda x: x**0.0,
    "power 1": lambda x: x**1,
    "power 2": lambda x: x**2,
    "power 3": lambda x: x**3,
    "reciprocal": np.reciprocal,
    "xlogy": lambda x: am.special.xlogy(x, [1.0, 2, 3, 0.5]),
    "xlog1py": lambda x: am.special.xlog1py(x, [1.0, 2, 3, 0.5]),
    "rel_entr": lambda x: am.special.rel_entr([1.0, 2, 3, 0.5], x),
    "kl_div": lambda x: am.special.kl_div([1.0, 2, 3, 0.5], x),
    "multigammaln": lambda x: am.special.multigammaln(x * x + 2, 3),
    "clip": lambda x: np.clip(x, 0, 1.5),
    "sinc": np.sinc,
    "i0": np.i0,
    "absolute": np.abs,
    "absolute of complex": lambda x: np.abs(x[:2] + 1j * x[2:]),
    "norm of complex": lambda x: np.linalg.norm(x[:2] + 1j * x[2:]),
    "square of complex": lambda x: np.real((x[:2] + 1j * x[2:]) ** 2),
    "fmod": lambda x: np.fmod(x, 1.75),
    "remainder": lambda x: np.mod(x, 1.75),
    "copysign": lambda x: np.copysign(x, -1.0),
    "nan_to_num": np.nan_to_num,
    "interp": lambda x: np.interp(x, KNOTS, KNOTS * 2 + 1),
    "interp of heights": lambda x: np.interp([0.0, 0.5, 1, 2], KNOTS, x),
    "polyval": lambda x: np.polyval(x, 0.0),
    "polyval of x": lambda x: np.polyval([1.0, 2, 3], x),
    "vander": np.vander,
    "poly": np.poly,
    "polyfit": lambda x: np.polyfit(KNOTS, x, 1),
    "gradient": lambda x: np.gradient(FOUR, KNOTS + 0.1 * x),
    "convolve": lambda x: np.convolve(x, x),
    "cross": lambda x: np.cross(x[:3], x[1:]),
    "einsum": lambda x: np.einsum("i,i,i->", x, x, x),
    "unwrap": np.unwrap,
    "modf": lambda x: np.modf(x)[0],
    "roots": lambda x: np.real(np.sum(np.roots(np.append(2.0, x)) ** 3)),
    "matmul": lambda x: x @ x,
    "trapezoid": lambda x: np.trapezoid(x * x, KNOTS),
    "softplus": am.softplus,
    "sigmoid": am.sigmoid,
    "log_ndtr": am.special.log_ndtr,
    "mse": lambda x: am.nn.losses.mse(x, np.zeros(4)),
    "binary_cross_entropy": lambda x: am.nn.losses.binary_cross_entropy(8 * x, [0, 1, 0.5, 0]),
    "cross_entropy": lambda x: am.nn.losses.cross_entropy(8 * x - 5, 2),
}
OF_MATRICES: Functions = {
    "prod over an axis": lambda x: np.prod(x, axis=0),
    "std over an axis": lambda x: np.std(x, axis=0),
    "corrcoef": np.corrcoef,
    "cov": np.cov,
    "cov with weights": lambda x: np.cov(x, aweights=[1.0, 2, 3]),
    "norm": np.linalg.norm,
    "norm 1": lambda x: np.linalg.norm(x, 1),
    "norm 2": lambda x: np.linalg.norm(x, 2),
    "nuclear norm": lambda x: np.linalg.norm(x, "nuc"),
    "cond": np.linalg.cond,
    "cond fro": lambda x: np.linalg.cond(x, "fro"),
    "det": np.linalg.det,
    "slogdet": lambda x: np.linalg.slogdet(x)[1],
    "inv": np.linalg.inv,
    "solve": lambda x: np.linalg.solve(x, np.array([1.0, 2, -1])),
    "matrix_power 0": lambda x: np.linalg.matrix_power(x, 0),
    "matrix_power 3": lambda x: np.linalg.matrix_power(x, 3),
    "matrix_power -1": lambda x: np.linalg.matrix_power(x, -1),
    "eigvalsh": np.linalg.eigvalsh,
    "eigenvalues squared": lambda x: np.linalg.eigvalsh(x) ** 2,
    "svdvals": np.linalg.svdvals,
    "singular values squared": lambda x: np.linalg.svdvals(x) ** 2,
    "eigenvectors": lambda x: np.linalg.eigh(x)[1] ** 2,
    "eigvals": lambda x: np.real(np.sum(np.linalg.eigvals(x) ** 3)),
    "eig": lambda x: np.real(np.sum(np.linalg.eig(x)[0] ** 2)),
    "svd": lambda x: np.linalg.svd(x)[0] ** 2,
    "qr": lambda x: np.linalg.qr(x)[1] ** 2,
    "cholesky": np.linalg.cholesky,
    "pinv": np.linalg.pinv,
}

LOST = ("zeros", "ones", "rank 2", "rank 1", "one is zero")
"""Where a singular value is 0; at most of them, two."""
EQUAL = ("identity", "two equal")
SYMMETRIC, REFUSED = "symmetric", "refused"


def at(name: str, points: Iterable[str], listed: Any) -> dict[tuple[str, str], Any]:
    """List a function at several points."""
    return {(name, point): listed for point in points}


LISTED: dict[tuple[str, str], Any] = {
    ("norm -1", "one zero"): 0.0,
    **at("norm 1.5", ("one zero", "two zeros", "three zeros"), SYMMETRIC),
    **at("norm 2", EQUAL, SYMMETRIC),
    **at("nuclear norm", LOST[1:4], SYMMETRIC),
    **at("eigvalsh", ("ones", "rank 2", *EQUAL), SYMMETRIC),
    **at("svdvals", (*LOST[1:4], *EQUAL), SYMMETRIC),
    **at("eigenvalues squared", (*LOST[:3], *EQUAL), REFUSED),
    **at("singular values squared", (*LOST, *EQUAL), REFUSED),
    **at("eigenvectors", ("zeros", "rank 2", *EQUAL), REFUSED),
    **at("cond", ("ones", *EQUAL), REFUSED),
    **at("eigvals", ("zeros", "ones", "rank 1", *EQUAL), REFUSED),
    **at("eig", ("zeros", "ones", "rank 1", *EQUAL), REFUSED),
    **at("svd", ("zeros", "rank 2", "rank 1", "one is zero", *EQUAL), REFUSED),
    ("qr", "zeros"): REFUSED,
    **at("pinv", LOST, SYMMETRIC),
}
"""Kinks: the Hessian, or that it is symmetric and the same in both modes, or an error."""


def weighted(function: Callable[[Any], Any], x: Any) -> Callable[[Any], Any]:
    """Return the sum of a function's results with fixed weights, none of them 0, of a flat x."""
    shape = np.shape(function(x))
    weights = np.cos(1 + np.arange(np.prod(shape, dtype=int))).reshape(shape)
    return lambda p: np.sum(weights * function(np.reshape(p, x.shape)))


def judge(function: Callable[[Any], Any], x: Any, listed: Any) -> None:
    """Check a function at a point, unless it has no finite value or no gradient there."""
    with np.errstate(all="ignore"):
        try:
            if not np.isfinite(function(x)).all():
                return
            loss = weighted(function, x)
            am.grad(loss)(x.ravel())
        except (am.AutogradError, np.linalg.LinAlgError, ZeroDivisionError):
            return
    if isinstance(listed, str) and listed == REFUSED:
        for mode in ("forward", "reverse"):
            with pytest.raises(am.GradientError), np.errstate(all="ignore"):
                am.jacobian(am.grad(loss), mode=mode)(x.ravel())  # type: ignore[arg-type]
        return
    check(loss, x.ravel(), listed)


@pytest.mark.parametrize("point", VECTORS)
@pytest.mark.parametrize("name", OF_VECTORS)
def test_second_derivatives_by_a_vector_at_special_points(name: str, point: str) -> None:
    x = np.array(VECTORS[point], float)
    judge(OF_VECTORS[name], x, LISTED.get((name, point)))


@pytest.mark.parametrize("point", MATRICES)
@pytest.mark.parametrize("name", OF_MATRICES)
def test_second_derivatives_by_a_matrix_at_special_points(name: str, point: str) -> None:
    x = np.array(MATRICES[point], float)
    judge(OF_MATRICES[name], x, LISTED.get((name, point)))


def test_every_operation_that_is_not_linear_is_asked() -> None:
    asked = set()
    for functions, points, point in (
        (OF_VECTORS, VECTORS, "no ties"),
        (OF_MATRICES, MATRICES, "positive"),
    ):
        x = np.array(points[point], float)
        for function in functions.values():
            y = weighted(function, x)(am.tensor(x.ravel(), requires_grad=True))
            asked |= {op.type for op in am.Graph(y).operations}
    asked |= {row.name for row in ELEMENTWISE}
    helpers = {row.name for row in PRIMITIVES.values() if row.kind == "elementwise"}
    missing = {
        row.name
        for row in PRIMITIVES.values()
        if row.differentiable and row.kind not in ("linear", "multilinear")
    }
    assert missing - asked - helpers - SLOPES == set()


# ── what was wrong, by name ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (np.power, (2.0, 0.0), [[0, 0.5], [0.5, np.log(2) ** 2]]),
        (np.power, (-2.0, 3.0), [[-12, NAN], [NAN, NAN]]),
        (np.power, (0.0, 0.5), [[-INF, -INF], [-INF, 0]]),
        (am.special.xlogy, (0.0, 2.0), [[0, 0.5], [0.5, 0]]),
        (am.special.xlogy, (0.0, 0.0), [[0, INF], [INF, 0]]),
        (am.special.xlog1py, (0.0, 1.0), [[0, 0.5], [0.5, 0]]),
        (am.special.rel_entr, (0.0, 2.0), [[INF, -0.5], [-0.5, 0]]),
        (am.special.kl_div, (0.0, 2.0), [[INF, -0.5], [-0.5, 0]]),
        (am.special.kl_div, (2.0, 2.0), [[0.5, -0.5], [-0.5, 0.5]]),
        (np.hypot, (0.0, 0.0), [[0, 0], [0, 0]]),
        (np.arctan2, (0.0, 0.0), [[0, 0], [0, 0]]),
        (lambda a, b: np.abs(a + 1j * b), (0.0, 0.0), [[0, 0], [0, 0]]),
    ],
)
def test_hessian_of_two_numbers(function: Any, x: Any, expected: Any, mode: Any) -> None:
    with np.errstate(all="ignore"):
        found = am.jacobian(am.grad(lambda p: function(p[0], p[1])), mode=mode)(np.array(x))
    assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (np.arcsin, 1.0, INF),
        (np.arccos, 1.0, -INF),
        (np.arccosh, 1.0, -INF),
        (np.cbrt, 0.0, -INF),
        (np.cbrt, -0.0, INF),
        (am.special.i0e, 0.0, 1.5),
        (lambda x: am.special.ive(0, x), 0.0, 1.5),
        (lambda x: am.special.iv(0.5, x), 0.0, -INF),
        (lambda x: am.special.gammainc(2, x), 0.0, 1.0),
        (lambda x: am.special.betainc(2, 3, x), 0.0, 12.0),
        (lambda x: am.special.hyp2f1(-1, -1, 1, x), 2.0, 0.0),
        (am.special.entr, 0.0, -INF),
    ],
)
def test_second_derivative_of_one_number(function: Any, x: float, expected: float) -> None:
    with np.errstate(all="ignore"):
        twice = am.grad(am.grad(function))(x)
        forward = am.hessian(function)(x)
    assert_allclose([twice, forward], expected, rtol=1e-12)


def test_norm_of_order_below_two_bends_without_bound_at_a_zero() -> None:
    found = am.hessian(lambda x: np.linalg.norm(x, 1.5))(np.array([0.0, 1.0, 0.0]))
    assert_allclose(found, [[INF, 0, 0], [0, 0, 0], [0, 0, INF]], atol=1e-12)


def test_hessian_of_corrcoef_where_a_coefficient_is_one() -> None:
    x = np.array([[1.0, 2, 3, 5], [2.0, 4, 6, 10]])
    found = am.hessian(lambda x: np.corrcoef(x)[0, 1])(x).reshape(8, 8)

    def without_rounding(x: Any) -> Any:
        a, b = (row - np.mean(row) for row in x)
        return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))

    assert np.corrcoef(x)[0, 1] == 1.0
    assert_allclose(found, am.hessian(without_rounding)(x).reshape(8, 8), atol=1e-12)
    assert np.abs(found).max() > 0.05


@pytest.mark.parametrize(("shape", "rank"), [((3, 3), 2), ((3, 3), 1), ((4, 2), 1), ((2, 4), 1)])
def test_hessian_of_pinv_is_that_of_the_same_rank(shape: tuple[int, int], rank: int) -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(shape[0], rank)) @ generator.normal(size=(rank, shape[1]))
    weights = generator.normal(size=shape[::-1])

    def of_rank(p: Any) -> Any:
        u, s, vh = np.linalg.svd(p.reshape(shape), full_matrices=False)
        return np.sum(weights * ((vh[:rank].T / s[:rank]) @ u[:, :rank].T))

    gradient = am.grad(lambda p: np.sum(weights * np.linalg.pinv(p.reshape(shape), 1e-10)))
    expected = second_differences(of_rank, x.ravel())
    for mode in ("forward", "reverse"):
        found = am.jacobian(gradient, mode=mode)(x.ravel())  # type: ignore[arg-type]
        assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def second_differences(function: Callable[[Any], Any], x: Any, step: float = 1e-3) -> Any:
    """Return the matrix of second derivatives, by central differences of fourth order."""
    weights = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
    unit = step * np.eye(x.size)
    found = np.zeros((x.size, x.size))
    for i, j in itertools.product(range(x.size), repeat=2):
        for (a, wa), (b, wb) in itertools.product(weights.items(), repeat=2):
            found[i, j] += wa * wb * function(x + a * unit[i] + b * unit[j]) / step**2
    return found


@pytest.mark.parametrize("order", ["nuc", 2])
def test_second_derivatives_of_norms_of_repeated_singular_values(order: Any) -> None:
    point = np.eye(3) if order == "nuc" else np.diag([3.0, 1.0, 1.0])
    function = lambda p: np.linalg.norm(p.reshape(3, 3), order)
    expected = second_differences(function, point.ravel())
    for mode in ("forward", "reverse"):
        found = am.jacobian(am.grad(function), mode=mode)(point.ravel())  # type: ignore[arg-type]
        assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("method", ["linear", "hazen", "weibull"])
def test_a_quantile_has_a_slope_at_an_element(method: Any) -> None:
    even, bent = np.arange(5.0), np.array([1.0, 2.0, 4.0, 9.0, 9.5])
    slopes = am.grad(lambda q: np.quantile(even, q, method=method))
    inside = slopes(0.41)
    assert_allclose(slopes(0.5), inside)
    found = am.grad(lambda q: np.quantile(bent, q, method=method))(0.5)
    assert_allclose(found, inside * 2)  # 4 − 2, the smaller of the two rises
    ends = [am.grad(lambda q: np.quantile(bent, q))(q) for q in (0.0, 1.0)]
    assert_allclose(ends, [4 * 1.0, 4 * 0.5])
