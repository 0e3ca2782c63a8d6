"""Names of other libraries: each error says what to write here, and that is there."""

from __future__ import annotations

import re
from importlib import import_module

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.other_names import NAMES

WORDS = [(module, name) for module, names in NAMES.items() for name in names]


@pytest.mark.parametrize(("module", "name"), WORDS)
def test_what_is_named_is_there(module: str, name: str) -> None:
    home = import_module(module)
    assert not hasattr(home, name)
    with pytest.raises(AttributeError, match=f"{name!r}; here it is ") as raised:
        getattr(home, name)
    for named in re.findall(r"\b(am|np)((?:\.[A-Za-z_]+)+)", str(raised.value)):
        found: object = {"am": am, "np": np}[named[0]]
        for part in named[1].removeprefix(".").split("."):
            found = getattr(found, part)


@pytest.mark.parametrize(
    ("place", "name", "cure"),
    [
        ("autograd_mini", "tanh", "; use np.tanh, which records"),
        ("autograd_mini", "zeros", "; NumPy has np.zeros"),
        ("autograd_mini", "gradchek", "; did you mean 'gradcheck'?"),
        ("autograd_mini", "nothing_like_it", "no attribute 'nothing_like_it'"),
        ("autograd_mini.nn", "dense", "; did you mean 'Dense'?"),
        ("autograd_mini.optim", "adam", "; did you mean 'Adam'?"),
        ("autograd_mini.optim", "sgd", "; did you mean 'SGD'?"),
    ],
)
def test_other_unknown_names(place: str, name: str, cure: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(import_module(place), name)
    assert str(raised.value).endswith(cure)
    assert not hasattr(import_module(place), "__wrapped__")
