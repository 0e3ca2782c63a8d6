"""The axes 0 and −1 of a 0-d value, and every other axis: accepted and refused as NumPy does."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.table import table

ARGUMENTS: dict[str, Any] = {
    "append": lambda x: (x, x),
    "argpartition": lambda x: (x, 0),
    "array_split": lambda x: (x, 1),
    "compress": lambda x: ([True], x),
    "concat": lambda x: ([x, x],),
    "concatenate": lambda x: ([x, x],),
    "cross": lambda x: (x, x),
    "delete": lambda x: (x, 0),
    "insert": lambda x: (x, 0, x),
    "nanpercentile": lambda x: (x, 50),
    "nanquantile": lambda x: (x, 0.5),
    "partition": lambda x: (x, 0),
    "percentile": lambda x: (x, 50),
    "quantile": lambda x: (x, 0.5),
    "repeat": lambda x: (x, 2),
    "roll": lambda x: (x, 1),
    "split": lambda x: (x, 1),
    "stack": lambda x: ([x, x],),
    "take": lambda x: (x, 0),
    "take_along_axis": lambda x: (x, np.array(0)),
    "vecdot": lambda x: (x, x),
}
"""What a function takes besides the axis, if that is more than one array."""
OTHERS = {"apply_along_axis", "geomspace", "linspace", "logspace", "rollaxis"}
VALUES = (np.float64(2.0), np.array(3.0), np.float32(np.nan), np.int64(2), np.array(2), np.True_)
AXES = (0, -1, 1, -2, (0,), (-1,), (0, 0), (), None)


def has_axis(function: Any) -> bool:
    try:
        return "axis" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


FUNCTIONS = {
    f"{f.__module__}.{f.__name__}": f
    for f in table
    if not isinstance(f, str) and has_axis(f) and f.__name__ not in OTHERS
}


def outcome(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Return values, shapes and dtypes of a result, or that there is none."""
    with np.errstate(all="ignore"):
        try:
            y = function(*args, **kwargs)
        except (TypeError, ValueError, IndexError, np.exceptions.AxisError):
            return "refused"
    parts = y if isinstance(y, tuple | list) else [y]
    arrays = [np.asarray(getattr(part, "_value", part)) for part in parts]
    return [(a.shape, a.dtype, str(a.tolist())) for a in arrays]


def wrapped(value: Any) -> Any:
    if isinstance(value, list):
        return [wrapped(v) for v in value]
    return am.tensor(value) if isinstance(value, np.ndarray | np.generic) else value


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_axis_of_a_scalar_is_accepted_and_refused_as_in_numpy(name: str) -> None:
    function = FUNCTIONS[name]
    arguments = ARGUMENTS.get(function.__name__, lambda x: (x,))
    for value in VALUES:
        for axis in AXES:
            expected = outcome(function, *arguments(value), axis=axis)
            found = outcome(function, *map(wrapped, arguments(value)), axis=axis)
            assert found == expected, (value, axis)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.hypot, np.logaddexp])
@pytest.mark.parametrize("method", ["reduce", "accumulate"])
def test_methods_of_ufuncs_take_axes_as_numpy(ufunc: Any, method: str) -> None:
    for value in (np.float64(2.0), np.array([1.0, 2.0]), np.ones((2, 2))):
        for axis in AXES[:-2]:
            expected = outcome(getattr(ufunc, method), value, axis=axis)
            assert outcome(getattr(ufunc, method), am.tensor(value), axis=axis) == expected


@pytest.mark.parametrize("axis", [0, -1, 1, (0,), None])
@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
def test_softmaxes_of_a_scalar_are_those_of_scipy(name: str, axis: Any) -> None:
    special = pytest.importorskip("scipy.special")
    expected = outcome(getattr(special, name), 2.0, axis=axis)
    assert outcome(getattr(am.special, name), am.tensor(2.0), axis=axis) == expected
    if not isinstance(axis, tuple):
        assert outcome(getattr(am, name), am.tensor(2.0), axis=axis) == expected


@pytest.mark.parametrize("function", [np.sum, np.max, np.prod, np.ptp, np.nansum, np.squeeze])
def test_gradients_go_through_an_axis_of_a_scalar(function: Any) -> None:
    expected = 0.0 if function is np.ptp else 1.0
    assert am.grad(lambda x: function(x, axis=-1))(2.0) == expected
    assert am.grad(lambda x: np.sum(function(x, axis=0)))(np.array(2.0)) == expected
    mapped = am.vmap(am.grad(lambda x: function(x, axis=0)))(np.array([2.0, 3.0]))
    assert mapped.tolist() == [expected] * 2
