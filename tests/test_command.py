"""The command line: what it checks, what it prints, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.cli.command import main
from autograd_mini.cli.points import find_function, make_point, nest_names, parse_shape, parse_value

RULES = """\
import numpy as np

def product(x, w, power=1):
    return (x @ w) ** power

def product_vjp(g, x, w, power=1):
    d = g * power * (x @ w) ** (power - 1)
    return d @ w.T, x.T @ d, None

def flipped_vjp(g, x, w):
    return g @ w.T, -x.T @ g

def flipped(x, w):
    return x @ w

def cost(p):
    return np.sum((p["w"] @ p["b"]) ** 2)

def cost_with_gradient(x):
    return np.sum(x**2), 2 * x

def half(x, *, mode):
    return x / 2

def narrow(x):
    assert x.dtype == np.float32, x.dtype
    return np.float32(2) * x

def narrow_vjp(g, x):
    return (2 * g,)

def broken(x):
    raise KeyError("nothing")

number = 3

class Rules:
    @staticmethod
    def sine(x):
        return np.sin(x)
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of rules; imports that it leaves behind are undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    path = tmp_path / "some_rules.py"
    path.write_text(RULES, encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command line; return exit code, output and error output."""
    try:
        code = main(words)
    except SystemExit as stop:
        code = int(stop.code or 0)
    found = capsys.readouterr()
    return code, found.out, found.err


def test_a_right_gradient_gives_0(rules, capsys):
    words = ("--vjp", "product_vjp", "--shape", "x=2,3", "--shape", "w=3,2", "--value", "power=2")
    code, out, err = run(capsys, "check", f"{rules}:product", *words)
    assert (code, err) == (0, "")
    assert out.startswith("gradcheck of product(x, w, power): ok, 12 entries checked")


def test_a_wrong_gradient_gives_1_and_names_entries(rules, capsys):
    words = ("--vjp", f"{rules}:flipped_vjp", "--shape", "x=2,3", "--shape", "w=3,2")
    code, out, _ = run(capsys, "check", f"{rules}:flipped", *words)
    assert code == 1
    assert "FAILED, 12 entries checked, 6 wrong" in out
    assert "w[0, 0]" in out


def test_a_recorded_function_needs_no_gradient(rules, capsys):
    code, out, _ = run(capsys, "check", f"{rules}:flipped", "--shape", "x=4", "--shape", "w=4")
    assert code == 0
    assert "ok, 8 entries" in out


def test_defaults_are_left_alone(rules, capsys):
    _, out, _ = run(capsys, "check", f"{rules}:product", "--shape", "x=4", "--shape", "w=4")
    assert out.startswith("gradcheck of product(x, w): ok")


def test_dotted_names_make_a_dict(rules, capsys):
    words = ("--shape", "p.w=2,3", "--shape", "p.b=3", "--order", "2")
    code, out, _ = run(capsys, "check", f"{rules}:cost", *words)
    assert code == 0
    assert "cost" in out


@pytest.mark.parametrize("place", [0, 40, 100, -20])
def test_a_damaged_file_of_arrays_is_an_error(place, rules, capsys, tmp_path):
    np.savez(tmp_path / "inputs.npz", x=np.ones(3), w=np.ones(3))
    content = bytearray((tmp_path / "inputs.npz").read_bytes())
    content[place : place + 20] = b"(" * 20
    (tmp_path / "inputs.npz").write_bytes(content)
    words = ("--file", str(tmp_path / "inputs.npz"))
    code, _, err = run(capsys, "check", f"{rules}:flipped", *words)
    assert code == 2 and "holds no arrays by name" in err


def test_arrays_come_from_a_file(rules, capsys, tmp_path):
    file = tmp_path / "inputs.npz"
    np.savez(file, x=np.ones(3), w=np.arange(3.0), unused=np.zeros(9))
    code, out, _ = run(capsys, "check", f"{rules}:flipped", "--file", str(file))
    assert code == 0
    assert "6 entries" in out


def test_json_has_the_report_and_no_nan(rules, capsys):
    words = ("--value", "x=[0.0, 4.0]", "--json")
    code, out, _ = run(capsys, "check", "numpy:sqrt", *words)
    found = json.loads(out, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert found["ok"] is (code == 0)
    assert found["function"] == "sqrt(x)"


def test_the_page_is_written(rules, capsys, tmp_path):
    file = tmp_path / "report.html"
    run(capsys, "check", "numpy:tanh", "--shape", "x=3", "--html", str(file))
    assert file.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_function_of_value_and_gradient_is_checked(rules, capsys):
    words = ("--jac", "True", "--shape", "x=3")
    code, out, _ = run(capsys, "check", f"{rules}:cost_with_gradient", *words)
    assert code == 0, out


def test_float32_is_given_as_float32(rules, capsys):
    words = ("--vjp", "narrow_vjp", "--shape", "x=3", "--dtype", "float32")
    code, out, err = run(capsys, "check", f"{rules}:narrow", *words)
    assert code == 0, out + err


@pytest.mark.long
def test_a_search_shows_a_program_and_gives_1(rules, capsys):
    pytest.importorskip("hypothesis")
    words = ("--vjp", "flipped_vjp", "--shape", "x=2,3", "--shape", "w=3,2", "--search")
    code, out, _ = run(capsys, "check", f"{rules}:flipped", *words)
    assert code == 1
    assert "am.gradcheck(" in out
    code, out, _ = run(capsys, "check", f"{rules}:flipped", *words, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["report"]["ok"] is False
    assert "am.gradcheck(" in found["code"]


def test_a_search_without_a_find_gives_0(capsys):
    pytest.importorskip("hypothesis")
    words = ("--shape", "x=2", "--search", "--examples", "10")
    code, out, _ = run(capsys, "check", "numpy:tanh", *words)
    assert code == 0
    assert out == (
        "no counterexample\n"
        "looked at 11 inputs of the shapes given, x (2,) only\n"
        "values of any sign\n"
    )


def test_a_search_without_hypothesis_says_what_to_install(capsys, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("autograd_mini.checking.") or name.partition(".")[0] == "hypothesis":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    code, _, err = run(capsys, "check", "numpy:tanh", "--shape", "x=2", "--search")
    assert code == 2
    assert 'pip install "autograd-mini[checking]"' in err


def test_a_method_is_named_with_its_class(rules, capsys):
    code, _, _ = run(capsys, "check", f"{rules}:Rules.sine", "--shape", "x=")
    assert code == 0


def test_the_seed_decides_about_the_inputs(rules, capsys):
    def found(seed: str) -> str:
        return run(capsys, "check", "numpy:sin", "--shape", "x=3", "--seed", seed)[1]

    assert found("0") == found("0") != found("1")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["{rules}:flipped", "--shape", "x=3"], "give --shape w=…; parameters of flipped: x, w"),
        (["{rules}:flipped"], "give --shape x=… --shape w=…; parameters of flipped: x, w"),
        (["{rules}:flipped", "--shape", "z=3"], "flipped has no parameter z; parameters of"),
        (["{rules}:flipped", "--shape", "x=3", "--shape", "w=4"], "the inputs are x float64(3,)"),
        (["{rules}:flipped", "--shape", "x=a"], "'x=a' is not a shape; write name=lengths"),
        (["{rules}:flipped", "--value", "x=a"], "'x=a' is not a value; write name=literal"),
        (["{rules}:absent", "--shape", "x=3"], "has no 'absent'; it has product, product_vjp"),
        (["{rules}:number", "--shape", "x=3"], "is 3, which cannot be called"),
        (["{rules}:broken", "--shape", "x=3"], "KeyError: 'nothing'"),
        (["{rules}:half", "--shape", "x=3"], "mode can be given by keyword only"),
        (["no_such_module:f", "--shape", "x=3"], "there is no module 'no_such_module'"),
        (["absent.py:f", "--shape", "x=3"], "there is no file"),
        (["sin", "--shape", "x=3"], "'sin' names no function; write module:function"),
        (["{rules}:flipped", "--file", "absent.npz"], "there is no file 'absent.npz'"),
        (["{rules}:flipped", "--file", "{rules}"], "holds no arrays by name"),
        (["numpy:sin", "--value", "x=3"], "no input is a floating-point number"),
        (["numpy:sin", "--shape", "x=3", "--order", "3"], "invalid choice"),
        ([], "the following arguments are required: function"),
    ],
)
def test_what_cannot_be_carried_out_gives_2_and_the_cure(rules, capsys, words, text):
    code, out, err = run(capsys, "check", *[word.replace("{rules}", rules) for word in words])
    assert (code, out) == (2, "")
    assert text in err


def test_a_module_that_fails_is_told_with_its_line(rules, capsys):
    file = Path(rules).with_name("failing.py")
    file.write_text("x = 1\ny = x / 0\n", encoding="utf-8")
    code, _, err = run(capsys, "check", f"{file}:f", "--shape", "x=3")
    assert code == 2
    assert "ZeroDivisionError: division by zero" in err
    assert "failing.py:2" in err


def test_a_file_is_run_once(rules):
    assert find_function(f"{rules}:product") is find_function(f"{rules}:product")
    assert find_function("product_vjp", beside=f"{rules}:product") is find_function(
        f"{rules}:product_vjp"
    )


def test_two_files_of_one_name_are_two_modules(rules, tmp_path):
    other = tmp_path / "other" / "some_rules.py"
    other.parent.mkdir()
    other.write_text("def product(x):\n    return x\n", encoding="utf-8")
    assert find_function(f"{rules}:product") is not find_function(f"{other}:product")


def test_shapes_and_values_are_read():
    assert parse_shape("x=3,4").lengths == parse_shape("x=(3, 4)").lengths == (3, 4)
    assert parse_shape("x=3,").lengths == (3,)
    assert parse_shape("x=").lengths == ()
    assert parse_shape("x=0,2").lengths == (0, 2)
    assert parse_value("n=-2").value == -2
    assert parse_value("mode='same'").value == "same"
    assert parse_value("i=[0, 2, 0]").value.tolist() == [0, 2, 0]
    assert parse_value("names=['a', 'b']").value == ["a", "b"]


def test_a_dict_and_a_value_of_one_name_are_refused():
    with pytest.raises(am.ArgumentError, match="cannot both be given"):
        nest_names({"p": 1.0, "p.w": 2.0})


def test_gaps_are_filled_with_defaults_that_are_not_differentiated():
    def f(x: Any, scale: float = 2.0, bias: Any = 0.0) -> Any:
        return x * scale + bias

    found = make_point(f, [parse_shape("bias=2"), parse_shape("x=2")], None, 0, 1.0, "complex128")
    assert found.names == ["x", "scale", "bias"]
    assert found.chosen == [0, 2]
    assert found.arguments[1] == 2.0
    assert found.arguments[0].dtype == np.complex128


def test_it_runs_as_a_module():
    words = ["check", "numpy:sin", "--shape", "x=2", "--scale", "10"]
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-m", "autograd_mini", *words],
        capture_output=True,
        encoding="utf-8",
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("gradcheck of sin(x): ok, 2 entries checked")
