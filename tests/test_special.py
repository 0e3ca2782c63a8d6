"""SciPy's special functions: they record without being imported, and are exact at their edges."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import autograd_mini as am

special = pytest.importorskip("scipy.special")

INF = np.inf


def run(code: str) -> str:
    """Run Python in a process of its own and return what it printed."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, encoding="utf-8"
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def leaf(value):
    return am.tensor(value, requires_grad=True)


# ── how they enter the table ──────────────────────────────────────────────────────────────────
def test_importing_the_library_imports_no_scipy():
    assert run("import sys, autograd_mini; print('scipy' in sys.modules)") == "False"


def test_a_ufunc_of_scipy_records_without_any_import_of_ours():
    code = """
import autograd_mini as am, scipy.special, sys
t = am.tensor(0.5, requires_grad=True)
assert "autograd_mini.ops.special" not in sys.modules
y = scipy.special.erf(t)
print(y.op.type, am.grad(scipy.special.gammaln)(2.0).round(4))
"""
    assert run(code) == "erf 0.4228"


def test_without_scipy_the_attribute_says_what_to_install():
    code = """
import sys
sys.modules["scipy"] = None
import autograd_mini as am
try:
    am.special
except ImportError as error:
    print(error)
"""
    assert "pip install scipy" in run(code)


def test_every_public_name_is_there_and_scipys():
    for name in am.special.__all__:
        assert callable(getattr(am.special, name))
        assert hasattr(special, name)


def test_an_unknown_name_gets_advice():
    with pytest.raises(AttributeError, match=r"scipy\.special\.airy\(t\.data\)"):
        _ = am.special.airy
    with pytest.raises(AttributeError, match=r"np\.sinc"):
        _ = am.special.sinc
    with pytest.raises(AttributeError, match=r"has no 'nonsense'$"):
        _ = am.special.nonsense


def test_a_ufunc_outside_the_table_is_an_error_with_its_name():
    with pytest.raises(am.UnsupportedError, match=r"scipy\.special\.ellipk of a tensor"):
        special.ellipk(leaf(0.5))


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_a_function_that_is_no_ufunc_names_ours(name):
    with pytest.raises(am.ConversionError, match=rf"call am\.special\.{name}"):
        getattr(special, name)(leaf([1.0, 2.0]))


def test_other_functions_that_convert_say_so():
    with pytest.raises(am.ConversionError, match=r"SciPy's factorial takes arrays only"):
        special.factorial(leaf([1.0, 2.0]))
    with pytest.raises(am.ConversionError, match=r"call am\.special\.polygamma"):
        special.polygamma(1, leaf([1.0, 2.0]))
    with pytest.raises(am.ConversionError, match=r"np\.tanh"):
        np.asarray(leaf(1.0))


# ── the order of a function has no derivative ─────────────────────────────────────────────────
ORDERED = [
    ("jv", (0.5, 1.0)), ("yv", (0.5, 1.0)), ("iv", (0.5, 1.0)), ("ive", (0.5, 1.0)),
    ("kv", (0.5, 1.0)), ("kve", (0.5, 1.0)), ("gammainc", (0.5, 1.0)), ("gammaincc", (0.5, 1.0)),
    ("betainc", (0.5, 1.0, 0.3)), ("polygamma", (1.0, 2.0)), ("zeta", (2.0, 1.0)),
    ("hyp0f1", (0.5, 1.0)), ("hyp1f1", (0.5, 1.0, 2.0)), ("hyp2f1", (0.5, 1.0, 2.0, 0.3)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), ORDERED)
def test_the_derivative_by_an_order_is_an_error_and_not_lost(name, arguments):
    function = getattr(am.special, name)
    for place in range(len(arguments) - 1):
        with pytest.raises(am.UnsupportedError, match=f"{name} by the "):
            am.grad(function, argnums=place)(*arguments)
        with pytest.raises(am.UnsupportedError, match=f"{name} by the "):
            am.jvp(lambda v, p=place: function(*arguments[:p], v, *arguments[p + 1 :]),
                   (arguments[place],), (1.0,))  # fmt: skip
    order = leaf(arguments[0])
    by_the_last = am.grad(lambda x: function(order, *arguments[1:-1], x))(arguments[-1])
    assert_allclose(by_the_last.data, am.grad(function, argnums=-1)(*arguments))


# ── values at the edges ───────────────────────────────────────────────────────────────────────
EDGES = [
    ("sqrt of a square, none", am.special.erfinv, (1.0,), (INF,)),
    ("the right end", am.special.erfcinv, (0.0,), (-INF,)),
    ("an end of the quantiles", am.special.ndtri, (0.0,), (INF,)),
    ("nothing times the logarithm of nothing", am.special.xlogy, (0.0, 0.0), (0.0, 0.0)),
    ("nothing times a logarithm", am.special.xlogy, (0.0, 2.0), (np.log(2.0), 0.0)),
    ("something times the logarithm of nothing", am.special.xlogy, (2.0, 0.0), (-INF, INF)),
    ("nothing times ln(1 − 1)", am.special.xlog1py, (0.0, -1.0), (0.0, 0.0)),
    ("the entropy of nothing", am.special.entr, (0.0,), (INF,)),
    ("nothing against something", am.special.rel_entr, (0.0, 2.0), (-INF, 0.0)),
    ("the divergence of nothing", am.special.kl_div, (0.0, 2.0), (-INF, 1.0)),
    ("(eˣ − 1)/x at 0", am.special.exprel, (0.0,), (0.5,)),
    ("(eˣ − 1)/x close to 0", am.special.exprel, (1e-9,), (0.5 + 1e-9 / 3,)),
    ("a pole of Γ", am.special.rgamma, (0.0,), (1.0,)),
    ("the next pole of Γ", am.special.rgamma, (-1.0,), (-1.0,)),
    ("a further pole of Γ", am.special.rgamma, (-3.0,), (-6.0,)),
    ("an even function at 0", am.special.j0, (0.0,), (0.0,)),
    ("an odd function at 0", am.special.j1, (0.0,), (0.5,)),
    ("I₁ at 0", am.special.i1, (0.0,), (0.5,)),
    ("the kink of the damped I₀", am.special.i0e, (0.0,), (0.0,)),
    ("the damped I₁ at 0", am.special.i1e, (0.0,), (0.5,)),
    ("σ far to the right", am.special.expit, (700.0,), (np.exp(-700.0),)),
    ("ln σ far to the left", am.special.log_expit, (-800.0,), (1.0,)),
]


@pytest.mark.parametrize(("why", "function", "point", "expected"), EDGES)
def test_derivative_at_an_edge(why, function, point, expected):
    found = am.grad(function, argnums=range(len(point)))(*point)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_incomplete_gamma_starts_with_its_density():
    assert am.grad(lambda x: am.special.gammainc(1.0, x))(0.0) == 1
    assert am.grad(lambda x: am.special.gammainc(2.0, x))(0.0) == 0
    assert am.grad(lambda x: am.special.gammaincc(0.5, x))(0.0) == -INF


@pytest.mark.parametrize("x", [1e2, 1e4, 1e8])
def test_erfcx_far_to_the_right_loses_no_digits(x):
    u = 1 / (2 * x * x)
    series = 1 - 3 * u + 15 * u**2 - 105 * u**3
    assert_allclose(am.grad(am.special.erfcx)(x), -2 * u / np.sqrt(np.pi) * series, rtol=1e-11)
    second = am.grad(am.grad(am.special.erfcx))(x)
    assert_allclose(second, 4 * u / (np.sqrt(np.pi) * x) * (1 - 6 * u + 45 * u**2), rtol=1e-8)


def test_the_series_of_erfcx_joins_the_formula():
    left, right = (am.grad(am.special.erfcx)(x) for x in (50 - 1e-9, 50 + 1e-9))
    assert_allclose(left, right, rtol=1e-9)


def test_log_ndtr_is_exact_in_both_tails():
    x = np.array([-1e5, -40.0, 0.0, 40.0])
    found = np.array([am.grad(am.special.log_ndtr)(v) for v in x])
    assert_allclose(found[:2], -x[:2] + -1 / x[:2], rtol=1e-5)
    assert_allclose(found[2:], [np.sqrt(2 / np.pi), 0], atol=1e-300)
    second = am.grad(am.grad(am.special.log_ndtr))
    assert_allclose([second(-1e3), second(40.0)], [-1, 0], atol=1e-5)


@pytest.mark.parametrize("x", [-2.0, -0.7, 0.0, 0.3, 0.9, 2.5])
def test_second_derivative_of_rgamma_is_that_of_its_definition(x):
    assert am.gradcheck(am.grad(am.special.rgamma), x, rtol=1e-5).ok


def test_third_derivatives_go_through_polygamma():
    third = am.grad(am.grad(am.grad(am.special.gammaln)))
    assert_allclose(third(2.5), special.polygamma(2, 2.5))


# ── what is no ufunc ──────────────────────────────────────────────────────────────────────────
A = np.array([[0.5, -1.0, 2.0], [0.0, 0.3, 1.0]])
B = np.array([[1.0, 2.0, 0.25], [0.0, 1.0, 1.0]])


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"axis": 0},
        {"axis": (0, 1)},
        {"axis": -1, "keepdims": True},
        {"b": B},
        {"axis": 1, "b": B},
        {"axis": 0, "b": np.array([0.5, 2.0, 1.0]), "keepdims": True},
        {"axis": 1, "b": -B, "return_sign": True},
        {"return_sign": True},
    ],
)
def test_logsumexp_is_scipys(keywords):
    expected = special.logsumexp(A, **keywords)
    weights = keywords.pop("b", None)
    found = am.special.logsumexp(leaf(A), b=None if weights is None else leaf(weights), **keywords)
    parts = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for ours, theirs in parts:
        assert_allclose(ours.data, theirs, rtol=1e-14)
        assert ours.shape == np.shape(theirs)

    def value(*inputs):
        both = dict(zip("ab", inputs, strict=False))
        y = am.special.logsumexp(**both, **keywords)
        return y[0] if isinstance(y, tuple) else y

    assert am.gradcheck(value, *([A] if weights is None else [A, np.where(B == 0, 0.1, weights)]))


def test_logsumexp_does_not_overflow_and_ignores_what_weighs_nothing():
    a, b = np.array([1000.0, 1001.0, 5000.0]), np.array([1.0, 2.0, 0.0])
    assert_allclose(am.special.logsumexp(a, b=b), special.logsumexp(a, b=b))
    gradient = am.grad(lambda a: am.special.logsumexp(a, b=b))(a)
    assert_allclose(gradient, special.softmax([1000.0, 1001.0 + np.log(2), -np.inf]))
    by_weight = am.grad(lambda b: am.special.logsumexp(np.zeros(3), b=b))(np.array([1.0, 1, 0]))
    assert_allclose(by_weight, [0.5, 0.5, 0.5])


def test_logsumexp_of_a_negative_sum_is_nan_as_in_scipy():
    assert np.isnan(am.special.logsumexp(np.zeros(2), b=np.array([1.0, -2.0])))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
def test_softmaxes_are_scipys(name, axis):
    function = getattr(am.special, name)
    assert_allclose(function(leaf(A), axis=axis).data, getattr(special, name)(A, axis=axis))
    assert am.gradcheck(lambda a: function(a, axis), A).ok


def test_multigammaln_is_scipys():
    a = np.array([2.5, 3.0])
    assert_allclose(am.special.multigammaln(leaf(a), 3).data, special.multigammaln(a, 3))
    assert am.gradcheck(lambda a: am.special.multigammaln(a, 3), a).ok
    with pytest.raises(am.ArgumentError, match=r"above \(d − 1\)/2"):
        am.special.multigammaln(a, 7)


def test_polygamma_is_scipys_in_its_dtype_too():
    x = np.array([0.5, 2.0])
    for n in (0, 1, np.array([1, 3])):
        assert_allclose(am.special.polygamma(n, leaf(x)).data, special.polygamma(n, x))
    single = x.astype(np.float32)
    for n in (1, np.float32(1)):
        expected = special.polygamma(n, single)
        found = am.special.polygamma(n, am.tensor(single))
        assert found.dtype == expected.dtype
        assert_allclose(found.data, expected, rtol=1e-6)
    for n in (-1, 0.5):
        with pytest.raises(am.ArgumentError, match="whole number"):
            am.special.polygamma(n, leaf(x))
    with pytest.raises(am.UnsupportedError, match="complex"):
        am.special.polygamma(1, leaf(x + 1j))


def test_zeta_of_scipy_with_two_arguments_records():
    q = leaf([0.5, 2.0])
    y = special.zeta(2.0, q)
    y.sum().backward()
    assert_allclose(q.grad, -2 * special.zeta(3.0, q.data))


# ── complex numbers, forward mode, vmap ───────────────────────────────────────────────────────
Z = np.array([0.5 + 0.3j, 0.7 - 0.2j, 1.4 + 1j])


def by_parts(function):
    """Make the function of real and imaginary parts, of which the numeric derivative is known."""

    def function_of_parts(real, imaginary):
        y = function(real + 1j * imaginary)
        return np.real(y), np.imag(y)

    return function_of_parts


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "erfcx", "ndtr", "log_ndtr", "loggamma", "gamma", "rgamma", "expi"]
)
def test_complex_arguments(name):
    assert am.gradcheck(by_parts(getattr(am.special, name)), Z.real, Z.imag).ok
    y, back = am.vjp(getattr(am.special, name), Z)  # PyTorch's convention: conjugate derivatives
    assert back(np.ones_like(y))[0].dtype == complex


@pytest.mark.parametrize("name", ["jv", "yv", "iv", "ive", "kv", "kve"])
def test_complex_arguments_of_bessel_functions(name):
    function = getattr(am.special, name)
    assert am.gradcheck(by_parts(lambda z: function(0.5, z)), Z.real, Z.imag).ok


def test_forward_mode_and_vmap():
    x = np.array([0.3, 0.9, 1.5])
    y, t = am.jvp(special.gammaln, (x,), (np.ones(3),))
    assert_allclose(y, special.gammaln(x))
    assert_allclose(t, special.psi(x))
    assert_allclose(am.vmap(am.grad(lambda v: special.jv(1, v)))(x), special.jvp(1, x))
    assert_allclose(am.vmap(lambda v: special.logit(v * 0.5).sum())(x), special.logit(x * 0.5))


def test_dtype_and_out_of_scipys_ufuncs():
    t = leaf([0.5])
    assert special.erf(t, dtype=np.float32).dtype == np.float32
    with pytest.raises(am.UnsupportedError, match=r"scipy\.special\.erf\(…, out=…\)"):
        special.erf(t, out=np.zeros(1))


def test_multigammaln_is_compiled_and_mapped_with_its_domain():
    function = lambda a: am.special.multigammaln(a, 3)
    program = am.compile(function)
    for x in ([2.0, 3.0], [4.0, 5.0], [2.5, 3.0], [7.0, 2.0]):
        assert_allclose(program(np.array(x)), special.multigammaln(x, 3), rtol=1e-12)
    assert "lgamma" in program.source or "gammaln" in program.source
    with pytest.raises(am.ArgumentError, match="above"):
        program(np.array([7.0, 0.5]))
    many = np.array([2.0, 3.0, 4.0])
    assert_allclose(am.vmap(function)(many), special.multigammaln(many, 3), rtol=1e-12)
    slopes = am.vmap(am.grad(function))(many)
    assert_allclose(slopes, [am.grad(function)(x) for x in many], rtol=1e-12)
    with np.errstate(invalid="ignore"):
        assert np.isnan(am.vmap(function)(np.array([2.0, 0.4]))[1])
