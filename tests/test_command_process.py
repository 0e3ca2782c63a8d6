"""The command line as a process: exit codes, and what standard output and error hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import autograd_mini as am

RULES = """\
import atexit, os, subprocess, sys
import numpy as np

print("imported")
os.write(1, b"raw\\n")
subprocess.run([sys.executable, "-c", "print('child')"])
atexit.register(lambda: os.write(1, b"late\\n"))

def f(x, w=2.0):
    print("called")
    return np.sin(x) * w

def f_vjp(g, x, w=2.0):
    return g * np.cos(x) * w, np.sum(g * np.sin(x))

def wrong(g, x, w=2.0):
    return 2 * g * np.cos(x) * w, np.sum(g * np.sin(x))

def leaves(x):
    sys.exit(0)

def bare(x):
    raise BaseException("bare")

class Odd(Exception):
    def __str__(self):
        raise ValueError

def odd(x):
    raise Odd

def square(x):
    return x * x

def sleeps(x):
    import time
    print("asleep", flush=True)
    time.sleep(60)
"""
QUIET = "def square(x):\n    return x * x\n"
ONE = ("--shape", "x=3")
GIVEN = ("--vjp", "f_vjp", *ONE, "--value", "w=2.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.py").write_text(RULES)
    (tmp_path / "quiet.py").write_text(QUIET)
    return tmp_path


def run(folder: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the real command in a folder."""
    environment = os.environ | {"PYTHONPATH": str(Path(am.__file__).parent.parent)}
    environment.pop("TQDM_DISABLE", None)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "autograd_mini", "check", *words]
    done = subprocess.run(command, cwd=folder, env=environment, text=True, timeout=120, **options)
    assert "Traceback" not in (done.stderr or "")
    return done


def is_refused(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert done.returncode == 2
    assert text in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["square", *ONE, "--seed", "-1"], "not a seed; give a whole number ≥ 0"),
        (["square", *ONE, "--scale", "nan"], "not a scale; give a finite number"),
        (["square", *ONE, "--examples", "0"], "not a number of examples"),
        (["square", "--shape", "x=99999999999"], "is too large; --shape draws up to 10,000,000"),
        (["square", "--shape", "x=1000000,1000000"], "is too large"),
        (["square", "--shape", "x=0,99999999999999999999"], "is too large"),
        (["square", "--shape", "x=" + "1," * 65], "is too large"),
        (["square", "--shape", "x=3,,4"], "is not a shape"),
        (["square", "--shape", "x.=3"], "is not a shape"),
        (["square", "--shape", "a." * 3000 + "b=3"], "is not a shape"),
        (["square", "--value", "x=" + "[" * 5000 + "]" * 5000], "is not a value"),
        (["square", "--value", "x=" + "[" * 90 + "1.0" + "]" * 90], "nested more than 32 deep"),
        (["square", "--value", "x=" + "-" * 100000 + "1"], "is not a value"),
        (["square", "--value", "x=[[1], [2, 3]]"], "is not an array"),
        (["square", *ONE, "--value", "x=2.0"], "x is given more than once"),
        (["square", *ONE, "--html", "absent/a.html"], "there is no folder"),
        (["square", *ONE, "--html", "rules.py/a.html"], "there is no folder"),
        (["square", *ONE, "--html", "."], "is not a file"),
        (["square", *ONE, "--html", ""], "is not a file"),
        (["square", *ONE, "--html", "/dev/full"], "No space left"),
        (["square", *ONE, "--argnums", "4"], "--argnums 4: there is no such input"),
        (["square", *ONE, "--argnums", ","], "chooses no inputs"),
        (["square", *ONE, "--se", "1"], "unrecognized arguments: --se 1"),
        (["leaves", *ONE], "SystemExit: 0"),
        (["bare", *ONE], "BaseException: bare"),
        (["odd", *ONE], "Odd: (its text cannot be shown)"),
        (["absent", *ONE], "has no 'absent'"),
    ],
    ids=lambda x: x[-1][-24:] if isinstance(x, list) else "",
)
def test_what_cannot_be_checked_is_said_and_gives_2(folder, words, text):
    is_refused(run(folder, f"rules.py:{words[0]}", *words[1:]), text)
    done = run(folder, f"rules.py:{words[0]}", *words[1:], "--json")
    is_refused(done, text)
    found = json.loads(done.stdout)
    assert found["ok"] is None
    assert text in found["error"]


def test_a_folder_for_the_page_is_missed_before_anything_runs(folder):
    assert "imported" not in run(folder, "rules.py:square", *ONE, "--html", "absent/a").stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["rules.py:f", *GIVEN], 0),
        (["rules.py:f", "--vjp", "wrong", *ONE, "--value", "w=2.0"], 1),
    ],
)
@pytest.mark.parametrize("search", [(), ("--search", "--examples", "3")], ids=["check", "search"])
def test_json_is_alone_whatever_the_file_prints(folder, words, code, search):
    done = run(folder, *words, *search, "--json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert ("looked_at" in found) == bool(search)
    for text in ("imported", "raw", "child", "called", "late"):
        assert text in done.stderr


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def f(x): return x\nimport sys\nsys.exit(0)\n", "ended in SystemExit: 0"),
        ("def f(x):\n    return (x\n", "SyntaxError"),
        ("\x00", "null bytes"),
        ("raise BaseException('bare')\n", "BaseException: bare"),
    ],
)
def test_a_file_that_does_not_run_to_its_end_gives_2(folder, text, error):
    (folder / "broken.py").write_text(text)
    is_refused(run(folder, "broken.py:f", *ONE), error)
    done = run(folder, "broken.py:f", *ONE, "--json")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (2, None)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("file", ["quiet.py", "rules.py"])
def test_output_that_cannot_be_written_gives_2(folder, words, file):
    with open("/dev/full", "w") as full:
        done = run(folder, f"{file}:square", *ONE, *words, stdout=full)
    is_refused(done, "No space left")
    reading, writing = os.pipe()
    os.close(reading)
    done = run(folder, f"{file}:square", *ONE, *words, stdout=writing)
    os.close(writing)
    assert done.returncode == 2
    assert "its reader is gone" in done.stderr or "Broken pipe" in done.stderr
    closed = f"{sys.executable} -m autograd_mini check {file}:square --shape x=3 {' '.join(words)}"
    environment = os.environ | {"PYTHONPATH": str(Path(am.__file__).parent.parent)}
    done = subprocess.run(
        ["sh", "-c", f"{closed} >&-"], cwd=folder, env=environment, capture_output=True, text=True
    )
    is_refused(done, "standard output is closed")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_that_cannot_be_written_gives_2(folder, word):
    command = [sys.executable, "-m", "autograd_mini", word]
    environment = os.environ | {"PYTHONPATH": str(Path(am.__file__).parent.parent)}
    for buffered in ("", "1"):
        environment["PYTHONUNBUFFERED"] = buffered
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, env=environment, stdout=full, stderr=-1, text=True)
        is_refused(done, "standard output cannot be written")


def test_a_file_that_closes_or_leaves_is_checked_or_refused(folder):
    (folder / "closes.py").write_text(f"import sys\nsys.stdout.close()\n{QUIET}")
    is_refused(run(folder, "closes.py:square", *ONE), "closed file")
    done = run(folder, "closes.py:square", *ONE, "--json")
    assert done.returncode in (0, 2)
    json.loads(done.stdout)
    (folder / "moves.py").write_text(f"import os\nos.chdir('/')\n{QUIET}")
    assert run(folder, "moves.py:square", *ONE, "--html", "page.html").returncode == 0
    assert (folder / "page.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="signals are other ones there")
def test_ctrl_c_gives_130_and_a_line(folder):
    environment = os.environ | {"PYTHONPATH": str(Path(am.__file__).parent.parent)}
    command = [sys.executable, "-u", "-m", "autograd_mini", "check", "rules.py:sleeps", *ONE]
    program = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=-1
    )
    assert program.stdout is not None
    while "asleep" not in program.stdout.readline():
        assert program.poll() is None
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=30)
    assert (program.returncode, errors) == (130, "autograd-mini: interrupted\n")


def test_argnums_takes_positions_and_names(folder):
    for chosen, count in (("0", 3), ("x", 3), ("w", 1), ("0,1", 4), ("x,w", 4)):
        done = run(folder, "rules.py:f", *GIVEN, "--argnums", chosen, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["checked"] == count


def test_paths_of_all_kinds(folder):
    odd = folder / "ünï 漢"
    odd.mkdir()
    (odd / "a b.py").write_text(QUIET)
    (folder / "html.py").write_text(QUIET)
    package = folder / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").write_text("from . import __name__\n" + QUIET)
    for place in (
        "ünï 漢/a b.py",
        f"{odd}/../{odd.name}/a b.py",
        "quiet.py:",
        "pack.part",
        "html.py",
    ):
        assert run(folder, f"{place}:square", *ONE).returncode == 0, place
    is_refused(run(folder, "pack/part.py:square", *ONE), "it belongs to a package")
    for place in (".", "pack", "ünï 漢", "absent.py", str(folder)):
        assert run(folder, f"{place}:square", *ONE).returncode == 2


def test_a_narrow_encoding_of_the_terminal_is_no_error(folder, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run(folder, "quiet.py:square", *ONE)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xb1" in done.stdout


def test_the_progress_bar_goes_to_a_terminal_only(folder):
    (folder / "slow.py").write_text(
        "import time\ndef slow(x):\n    time.sleep(0.02)\n    return float(x @ x)\n"
        "def slow_vjp(g, x):\n    return 2 * g * x\n"
    )
    words = ("slow.py:slow", "--vjp", "slow_vjp", "--shape", "x=70")
    done = run(folder, *words)
    assert (done.returncode, done.stderr) == (0, "")
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    leader, follower = pty.openpty()
    os.set_blocking(leader, False)  # a bar that is missing is a failure, not a wait
    termios.tcsetwinsize(follower, (24, 80))  # a terminal without columns shows no bar
    done = run(folder, *words, stderr=follower)
    assert done.returncode == 0
    assert b"gradcheck" in os.read(leader, 10000)
    os.close(follower)
    os.close(leader)
