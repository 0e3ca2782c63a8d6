"""What is public: which names there are, and that people, editors and `help` find them.

`public_names.txt` holds the names of every public package. After a change on purpose:

    python tests/test_public_names.py --write
"""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pytest

import autograd_mini as am

PACKAGES = (
    "autograd_mini",
    "autograd_mini.checking",
    "autograd_mini.checking.strategies",
    "autograd_mini.checking.testing",
    "autograd_mini.nn",
    "autograd_mini.optim",
    "autograd_mini.random",
    "autograd_mini.special",
    "viz",
)
SNAPSHOT = Path(__file__).with_name("public_names.txt")
UPDATE = "python tests/test_public_names.py --write"


def package(name: str) -> ModuleType:
    """Import a package, or skip where what it needs is not installed."""
    needed = {"autograd_mini.special": "scipy", "autograd_mini.checking.strategies": "hypothesis"}
    if name in needed:
        pytest.importorskip(needed[name])
    return import_module(name)


def names_of(module: ModuleType) -> list[str]:
    """Return the names that a person is offered after a dot."""
    return [name for name in dir(module) if not name.startswith("_")]


def written() -> str:
    """Write the names of every package, each on a line."""
    return "".join(f"{name}.{x}\n" for name in PACKAGES for x in names_of(import_module(name)))


def functions() -> Iterator[Any]:
    """Yield every public function and class as a case of a test."""
    for name in PACKAGES:
        try:
            module = import_module(name)
        except ModuleNotFoundError:
            continue
        for x in names_of(module):
            if callable(value := getattr(module, x)) and not isinstance(value, ModuleType):
                yield pytest.param(value, id=f"{name}.{x}")


# ── which names there are ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", PACKAGES)
def test_the_public_names_are_those_of_the_snapshot(name: str) -> None:
    found = {f"{name}.{x}" for x in names_of(package(name))}
    lines = SNAPSHOT.read_text().splitlines()
    known = {line for line in lines if line.rpartition(".")[0] == name}
    new, gone = sorted(found - known), sorted(known - found)
    assert not new and not gone, (
        f"new names: {new}; names that are gone: {gone}. If that is on purpose, run {UPDATE}, and "
        "say it in CHANGELOG.md"
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_listed_is_there_and_what_is_exported_is_listed(name: str) -> None:
    module = package(name)
    names = names_of(module)
    assert [x for x in names if not hasattr(module, x)] == []
    assert set(module.__all__) <= set(names)


@pytest.mark.long
def test_a_star_import_needs_neither_scipy_nor_hypothesis_nor_viz() -> None:
    code = """
import sys
sys.modules |= {"scipy": None, "hypothesis": None, "viz": None}
from autograd_mini import *
from autograd_mini.checking import *
print(grad(relu)(2.0), "special" in dir(sys.modules["autograd_mini"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == "1.0 False", done.stderr


# ── who finds them ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("value", list(functions()))
def test_a_public_function_is_one_with_name_signature_and_docstring(value: Any) -> None:
    if value is am.optim.Schedule:  # the type of a schedule: any function of a step
        return
    assert isinstance(value, (FunctionType, MethodType, type)), f"a {type(value).__name__}"
    assert inspect.getdoc(value)
    assert value.__name__ in pydoc.plain(pydoc.render_doc(value))
    if not isinstance(value, type):
        assert inspect.signature(value) is not None


def test_help_shows_the_functions_of_the_package() -> None:
    text = pydoc.plain(pydoc.render_doc(am))
    for name in ("gradcheck(", "compile(", "value_and_grad(", "relu(x", "class Tensor("):
        assert name in text, name


def test_a_completion_is_offered_for_what_is_imported_later() -> None:
    import rlcompleter

    completer = rlcompleter.Completer({"am": am})
    assert completer.complete("am.gradc", 0) == "am.gradcheck("
    assert completer.complete("am.opt", 0) == "am.optim"


def test_a_function_of_a_table_row_takes_its_arguments_by_name_too() -> None:
    pytest.importorskip("scipy")
    assert list(inspect.signature(am.special.polygamma).parameters) == ["n", "x"]
    assert am.special.polygamma(n=1, x=1.0) == am.special.polygamma(1, 1.0)
    assert am.relu(x=-1.0) == 0


def test_a_submodule_holds_what_the_attribute_of_its_name_holds() -> None:
    pytest.importorskip("scipy")
    from autograd_mini.special import logsumexp

    assert am.special.logsumexp is logsumexp
    with pytest.raises(AttributeError, match=r"use np\.sin"):
        am.special.sin  # noqa: B018


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    SNAPSHOT.write_text(written())
