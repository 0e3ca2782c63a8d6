"""Arrays that are not plain: kept by their own library, or refused with what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd_mini as am


def parameter(value: Any = (1.0, 2.0, 3.0)) -> am.Tensor:
    return am.tensor(np.array(value), requires_grad=True)


class Labelled:
    """A wrapper as xarray's: it holds any array, and combines by NumPy's protocols."""

    __array_priority__ = 50

    def __init__(self, data: Any, label: str = "x") -> None:
        self.data, self.label = data, label

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self.data, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        inner = [x.data if isinstance(x, Labelled) else x for x in inputs]
        return Labelled(getattr(ufunc, method)(*inner, **kwargs), self.label)

    def __mul__(self, other: Any) -> Any:
        return Labelled(self.data * other, self.label)

    __rmul__ = __mul__

    def __radd__(self, other: Any) -> Any:
        return Labelled(other + self.data, self.label)


class Closed:
    """A class that takes part in no ufunc of another's (NEP 13)."""

    __array_ufunc__ = None

    def __rmul__(self, other: Any) -> str:
        return "mine"


class Quantity(np.ndarray):
    """A subclass with units, which a plain array would lose."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return NotImplemented


class Unknown:
    """An array-like of an older library, with a priority and no answer."""

    __array_priority__ = 50

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.ones(3)


@pytest.mark.parametrize(
    "product",
    [
        lambda t, x: t * x,
        lambda t, x: x * t,
        lambda t, x: np.multiply(t, x),
        lambda t, x: np.multiply(x, t),
    ],
)
@pytest.mark.parametrize("recording", [True, False])
def test_a_wrapper_keeps_its_class_and_the_tensor_its_gradient(
    product: Any, recording: Any
) -> None:
    t, x = parameter(), Labelled(np.array([1.0, 2.0, 4.0]))
    if not recording:
        with am.no_grad():
            assert type(product(t, x)) is Labelled
        return
    result = product(t, x)
    assert type(result) is Labelled
    result.data.sum().backward()
    assert_array_equal(t.grad, [1.0, 2.0, 4.0])


def test_operators_defer_to_a_class_that_closes_itself_off() -> None:
    assert parameter() * Closed() == "mine"
    with pytest.raises(TypeError):
        parameter() - Closed()
    t = parameter() * 1
    t += Labelled(np.ones(3))
    assert type(t) is Labelled


@pytest.mark.parametrize("foreign", [Quantity((3,)), Unknown()])
@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t * x,
        lambda t, x: x * t if isinstance(x, np.ndarray) else t * x,
        lambda t, x: np.multiply(t, x),
        lambda t, x: np.add(t, x, dtype=float),
        lambda t, x: t > x,
    ],
)
def test_an_operator_that_nobody_knows_is_an_error(call: Any, foreign: Any) -> None:
    with pytest.raises(TypeError):
        call(parameter(), foreign)


@pytest.mark.parametrize("foreign", [Labelled(np.ones(3)), Quantity((3,)), Unknown()])
@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: np.concatenate([t, x]),
        lambda t, x: np.where(x, t, 0.0),
        lambda t, x: np.dot(t, x),
        lambda t, x: np.stack([t, x]),
        lambda t, x: np.clip(t, x, 5.0),
        lambda t, x: am.special.xlogy(t, x),
        lambda t, x: np.outer(t, x),
    ],
)
def test_functions_refuse_what_would_lose_its_wrapper(call: Any, foreign: Any) -> None:
    with pytest.raises(TypeError):
        call(parameter(), foreign)


def test_a_subclass_that_is_but_an_array_is_one() -> None:
    class Plain(np.ndarray):
        pass

    x = np.array([1.0, 2.0, 4.0]).view(Plain)
    (parameter() * x).sum().backward()
    y = parameter() * x
    assert type(y) is am.Tensor
    assert type(y.data) is np.ndarray


MASKED = np.ma.masked_array([1.0, 2.0, 100.0], mask=[0, 0, 1])
with pytest.warns(PendingDeprecationWarning):
    MATRIX = np.matrix(np.eye(3))
BORDERS = {
    "am.tensor": lambda t, x: am.tensor(x),
    "a list of them": lambda t, x: am.tensor([x, x]),
    "an operand": lambda t, x: t * x,
    "a left operand": lambda t, x: np.subtract(x, t),
    "an operand under no_grad": am.no_grad()(lambda t, x: t * x),
    "a matrix product": lambda t, x: x @ t,
    "np.concatenate": lambda t, x: np.concatenate([t, x]),
    "np.where": lambda t, x: np.where(x, t, 0.0),
    "np.dot": lambda t, x: np.dot(x, t),
    "np.take": lambda t, x: np.take(t, x),
    "t.take": lambda t, x: t.take(x.astype(int)),
    "np.searchsorted": lambda t, x: np.searchsorted(t, x),
    "am.set_at": lambda t, x: am.set_at(t, slice(None), x),
    "an index": lambda t, x: t[x],
    "assign": lambda t, x: t.assign(x),
    "am.grad": lambda t, x: am.grad(lambda z: np.sum(z * z))(x),
    "am.jvp": lambda t, x: am.jvp(np.sin, (np.ones(3),), (x,)),
    "am.vjp": lambda t, x: am.vjp(np.sin, np.ones(3))[1](x),
    "am.vmap": lambda t, x: am.vmap(np.sin)(x),
    "am.jacobian": lambda t, x: am.jacobian(np.sin)(x),
    "am.compile": lambda t, x: am.compile(lambda z: np.mean(z * 2))(x),
    "am.special": lambda t, x: am.special.logsumexp(t, b=x),
    "a loss": lambda t, x: am.nn.losses.mse(t, x),
    "a layer": lambda t, x: am.nn.Dense(3, 1, seed=0)(x),
    "backward": lambda t, x: (t * 2).backward(x),
    "gradcheck": lambda t, x: am.gradcheck(lambda z: np.sum(z * z), x),
    "fit": lambda t, x: am.nn.Dense(3, 1, seed=0).fit(x, np.ones(3), epochs=1, loss="mse"),
    "predict": lambda t, x: am.nn.Dense(3, 1, seed=0).predict(x),
    "am.random": lambda t, x: am.random.normal(x),
    "am.primitive": lambda t, x: am.primitive(lambda z: z * 2)(x),
}


@pytest.mark.parametrize("border", BORDERS)
def test_a_masked_array_is_refused_with_the_cure(border: str) -> None:
    with pytest.raises(am.AutogradError, match=r"mask.*x\.filled\(0\)"):
        BORDERS[border](parameter(), MASKED)


@pytest.mark.parametrize("border", BORDERS)
def test_a_matrix_is_refused_with_the_cure(border: str) -> None:
    with pytest.raises(am.AutogradError, match=r"np\.asarray\(m\)"):
        BORDERS[border](parameter(), MATRIX)


def test_a_masked_array_that_converts_a_tensor_says_what_to_give_instead() -> None:
    with pytest.raises(am.ConversionError, match=r"x\.filled\(0\)"):
        MASKED * parameter()


def test_xarray_keeps_the_tensor_and_its_gradient() -> None:
    xarray = pytest.importorskip("xarray")
    t, x = parameter(), xarray.DataArray([1.0, 2.0, 4.0], dims="time")
    for result in (t * x, x * t, np.multiply(t, x)):
        assert isinstance(result, xarray.DataArray)
        assert result.dims == ("time",)
        t.zero_grad()
        result.data.sum().backward()
        assert_array_equal(t.grad, [1.0, 2.0, 4.0])


def test_pandas_keeps_its_class_or_names_the_cure() -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series([1.0, 2.0, 4.0])
    for product in (lambda t: t * series, lambda t: series * t):
        assert isinstance(product(am.tensor([1.0, 2.0, 3.0])), pandas.Series)
        with pytest.raises(am.ConversionError, match=r"x\.to_numpy\(\)"):
            product(parameter())
    assert am.tensor(series).shape == (3,)
