"""Files are written whole or not at all: kills, full disks, Ctrl-C, links, devices, permissions."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini import files
from autograd_mini.cli.command import main
from autograd_mini.files import locked_folder, write_file
from autograd_mini.nn import MLP

TRIALS = Path(__file__).with_name("trials.py")
SCENARIOS = ("weights", "step", "picture", "report")
ROOT = os.name == "posix" and os.geteuid() == 0


def tried(scenario: str, folder: Path, count: int) -> dict[str, dict[str, object]]:
    """Return what trials found, by how they stopped a write."""
    done = subprocess.run(
        [sys.executable, str(TRIALS), scenario, str(folder), str(count), "7"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_write_that_is_stopped_leaves_the_old_file_or_the_new_one(scenario, tmp_path):
    for mode, found in tried(scenario, tmp_path, 10).items():
        assert found["broken"] == [], mode
        assert found["stopped"], mode


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_300_writes_that_are_stopped_leave_the_old_file_or_the_new_one(scenario, tmp_path):
    found = tried(scenario, tmp_path, 300)
    print(scenario, {mode: (one["trials"], one["stopped"]) for mode, one in found.items()})
    assert [one["broken"] for one in found.values()] == [[]] * 4


# ── room and permissions ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def model():
    return MLP([50, 20, 1], seed=0)


def same(one: MLP, path: Path) -> bool:
    """Whether a file holds the weights of a model."""
    other = MLP([50, 20, 1], seed=9)
    other.load(path)
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(np.array_equal(a.data, b.data) for a, b in pairs)


def compiled(value: float, name: str = "w"):
    """Return a compiled program that keeps an array of this value."""
    w = am.tensor(np.full(60, value), name=name)
    f = am.compile(lambda x: np.sum(x * w))
    for _ in range(3):
        f(np.ones(60))
    return f


def run_saved(path: Path) -> float:
    """Return what a saved program computes, in a process without this library."""
    program = (
        "import sys; sys.modules['autograd_mini'] = None\n"
        "import numpy as np, runpy\n"
        f"step, _ = runpy.run_path({str(path)!r})['load']()\n"
        "print(float(step(np.ones(60))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def everything(folder: Path, suffix: str = "") -> dict[str, object]:
    """Return what writes a file for a user, by what it writes, each into its own file."""
    x = am.tensor(np.ones(3), name="x")
    y = x * 2 + 1
    report = am.gradcheck(np.sin, np.ones(3))
    step = compiled(2.0)

    def html() -> None:
        from autograd_mini.checking.terminal import write_page

        write_page(str(folder / f"report{suffix}.html"), report)

    return {
        "model.save": lambda: MLP([50, 20, 1]).save(folder / f"weights{suffix}.npz"),
        "step.save": lambda: step.save(folder / f"step{suffix}.py"),
        "viz.render": lambda: viz.render(y, folder / f"y{suffix}.png"),
        "page": lambda: viz.render(y, folder / f"y{suffix}.html"),
        "frames": lambda: viz.frames(y.sum()).animation(folder / f"y{suffix}.svg"),
        "--html": html,
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_leaves_every_file_as_it_was(tmp_path, capsys):
    writers = everything(tmp_path)
    for write in writers.values():
        write()
    before = contents(tmp_path)
    assert len(before) == 7
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    for what, write in everything(tmp_path).items():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
        try:
            with pytest.raises(OSError, match=r"cannot write: .*ulimit -f") as caught:
                write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert caught.value.errno == errno.EFBIG and str(tmp_path) in caught.value.filename, what
        assert contents(tmp_path) == before, what


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a small file system, if this user may."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not ROOT, reason="only root may mount a file system")
def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path, model):
    with small_disk(tmp_path / "disk", "64k") as disk:
        model.save(disk / "weights.npz")
        step = compiled(2.0)
        step.save(disk / "step.py")
        with suppress(OSError), open(disk / "filler", "wb") as file:
            file.write(bytes(100_000))
        before = contents(disk)
        for write in (
            lambda: MLP([50, 20, 1], seed=1).save(disk / "weights.npz"),
            lambda: compiled(3.0).save(disk / "step.py"),
        ):
            with pytest.raises(OSError, match="No space left.*free some space"):
                write()
        assert contents(disk) == before
        assert same(model, disk / "weights.npz") and run_saved(disk / "step.py") == 120


@contextmanager
def as_another_user() -> Iterator[None]:
    """Give up root's rights: permissions mean nothing to it."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def writing_as_another_user(monkeypatch):
    """Let another user write the files. Layouts stay with this one, who may run the programs."""
    write = files._write

    def written(*arguments: Any) -> None:
        with as_another_user():
            write(*arguments)

    monkeypatch.setattr(files, "_write", written)


@pytest.mark.skipif(not ROOT, reason="the test gives up root's rights")
@pytest.mark.parametrize("what", ["model.save", "step.save", "viz.render", "page", "frames"])
def test_a_folder_that_cannot_be_written_is_an_error_with_the_cure(
    what, tmp_path, writing_as_another_user
):
    with tempfile.TemporaryDirectory() as folder:  # below /tmp, where other users may look
        os.chmod(folder, 0o755)
        with pytest.raises(PermissionError, match="another folder") as caught:
            everything(Path(folder))[what]()
        assert folder in str(caught.value) and "partial" not in str(caught.value)
        assert os.listdir(folder) == []


@pytest.mark.skipif(not ROOT, reason="the test gives up root's rights")
def test_a_read_only_file_is_not_replaced(writing_as_another_user):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = Path(folder, "file")
        path.write_text("old")
        path.chmod(0o444)
        with pytest.raises(PermissionError, match="read-only.*permissions"):
            write_file(path, "new")
        assert path.read_text() == "old"
        write_file(Path(folder, "other"), "new")
        assert Path(folder, "other").stat().st_uid == 65534


def test_the_command_line_says_why_a_file_cannot_be_written(tmp_path, capsys):
    (tmp_path / "loss.py").write_text("import autograd_mini as am\nloss = am.tensor(1.0) * 2\n")
    (tmp_path / "folder.svg").mkdir()
    for target in ("/dev/full", str(tmp_path / "folder.svg")):
        words = ["draw", f"{tmp_path}/loss.py:loss", "-o", target, "--format", "svg"]
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith("autograd-mini draw: ") and "cannot write: " in said
        assert target in said


# ── permissions, links, devices, names ───────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755])
def test_a_file_keeps_its_permissions(mode, model, tmp_path):
    for path, save in (
        (tmp_path / "weights.npz", model.save),
        (tmp_path / "step.py", compiled(2.0).save),
    ):
        save(path)
        path.chmod(mode)
        save(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_arrays_of_a_private_program_are_private(tmp_path):
    compiled(2.0).save(tmp_path / "step.py")
    (tmp_path / "step.py").chmod(0o600)
    compiled(3.0).save(tmp_path / "step.py")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(mask, model, tmp_path):
    before = os.umask(mask)
    try:
        model.save(tmp_path / "weights.npz")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "weights.npz").stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(not ROOT, reason="only root may give files away")
def test_a_file_keeps_its_owner(model, tmp_path):
    path = tmp_path / "weights.npz"
    path.touch()
    os.chown(path, 65534, 65534)
    model.save(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_link_stays_a_link_also_one_to_nothing_yet(model, tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("weights.npz", "absent.npz"):
        link = tmp_path / name
        link.symlink_to(Path("there") / name)
        if name == "weights.npz":
            (tmp_path / "there" / name).write_text("old")
        model.save(link)
        assert link.is_symlink() and same(model, tmp_path / "there" / name)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OSError, match="cannot write"):
        model.save(loop)


def test_a_program_behind_a_link_finds_its_arrays(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "step.py"
    link.symlink_to("there/real.py")
    for value in (2.0, 3.0):
        compiled(value).save(link)
        assert run_saved(link) == run_saved(tmp_path / "there" / "real.py") == 60 * value
    assert link.is_symlink() and len(list((tmp_path / "there").iterdir())) == 2


def test_a_named_pipe_gets_the_bytes(model, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    model.save(pipe)
    reader.join(10)
    (tmp_path / "weights.npz").write_bytes(read[0])
    assert same(model, tmp_path / "weights.npz") and stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_pipe_that_does_not_wait_gets_all_bytes():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    read: list[int] = []

    def slowly() -> None:
        while data := os.read(reading, 50_000):
            read.append(len(data))

    reader = threading.Thread(target=slowly)
    reader.start()
    write_file(f"/dev/fd/{writing}", bytes(1_000_000))
    os.close(writing)
    reader.join(10)
    os.close(reading)
    assert sum(read) == 1_000_000


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("target", ["pipe", "file", "append"])
def test_standard_output_gets_the_bytes_where_it_is(name, target, model, tmp_path):
    program = (
        "import sys; from autograd_mini.nn import MLP\n"
        f"print('before', flush=True); MLP([50, 20, 1], seed=0).save({name!r}); print('after')"
    )
    output = tmp_path / "output"
    output.write_bytes(b"")
    with open(output, "ab" if target == "append" else "wb") as file:
        out = subprocess.PIPE if target == "pipe" else file
        done = subprocess.run([sys.executable, "-c", program], stdout=out, check=True)
    written = done.stdout if target == "pipe" else output.read_bytes()
    start, end = b"before\n", b"after\n"
    assert written.startswith(start) and written.endswith(end)
    (tmp_path / "weights.npz").write_bytes(written[len(start) : -len(end)])
    assert same(model, tmp_path / "weights.npz")
    assert sorted(os.listdir(tmp_path)) == ["output", "weights.npz"]


def test_devices_take_what_is_written(model):
    model.save("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError, match=r"cannot write: No space left.*'/dev/full'"):
        model.save("/dev/full")


@pytest.mark.parametrize("name", ["w" * 249, "w" * 255, "ü" * 127, "漢" * 83, "a\udce9" * 80])
def test_a_long_name_is_taken(name, model, tmp_path):
    path = tmp_path / name
    model.save(path)
    model.save(path)
    assert os.listdir(tmp_path) == [name] and same(model, path)


def test_a_name_that_is_too_long_is_an_error(model, tmp_path):
    for save, name in ((model.save, "w" * 256), (compiled(2.0).save, "s" * 252 + ".py")):
        with pytest.raises(OSError, match="cannot write: .*shorter name"):
            save(tmp_path / name)
    assert os.listdir(tmp_path) == []


# ── what killed programs leave behind ────────────────────────────────────────────────────────

STOPPED = """
import os, sys
from autograd_mini.files import locked_folder, write_file
def write(file):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
write_file(sys.argv[1], write)
"""


def writer(path: Path) -> subprocess.Popen[bytes]:
    """Start a process that is writing a file until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"writing\n"
    return process


@pytest.mark.parametrize("name", ["file", "f" * 249])
def test_what_a_killed_writer_leaves_is_removed_and_what_a_living_one_writes_stays(name, tmp_path):
    path = tmp_path / name
    killed, living = writer(path), writer(path)
    killed.kill()
    killed.communicate()
    assert len(os.listdir(tmp_path)) == 2
    write_file(path, "whole")
    assert len(os.listdir(tmp_path)) == 2 and path.read_text() == "whole"
    living.communicate()
    assert os.listdir(tmp_path) == [name] and path.read_text() == "half"


def test_files_of_other_names_and_other_users_stay(tmp_path):
    names = [
        ".file.0123abcd.partial",  # as of a killed writer
        ".file.0123abcd.partial.txt",
        ".file.0123ABCD.partial",
        ".file.2.0123abcd.partial",
        ".other.0123abcd.partial",
        "file.0123abcd.partial",
        ".file.partial",
    ]
    for name in names:
        (tmp_path / name).touch()
    if ROOT:
        names.append(".file.99999999.partial")
        (tmp_path / names[-1]).touch()
        os.chown(tmp_path / names[-1], 65534, 65534)
    names.append(".file.77777777.partial")
    (tmp_path / names[-1]).symlink_to(tmp_path / "file.0123abcd.partial")
    write_file(tmp_path / "file", "whole")
    assert sorted(os.listdir(tmp_path)) == sorted(["file", *names[1:]])


def test_a_leftover_that_is_taken_away_while_it_is_new_is_written_again(tmp_path, monkeypatch):
    path, usual, taken = tmp_path / "file", fcntl.flock, []

    def late(descriptor: int, operation: int) -> None:
        if not taken:  # another program's clean-up comes between the file and its lock
            (hidden,) = tmp_path.glob(".file.*")
            hidden.unlink()
            taken.append(hidden)
        usual(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    write_file(path, "whole")
    assert taken and os.listdir(tmp_path) == ["file"] and path.read_text() == "whole"


def test_a_file_system_without_locks_can_be_written(tmp_path, monkeypatch):
    def none(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / ".file.0123abcd.partial").touch()
    write_file(tmp_path / "file", "whole")
    assert len(os.listdir(tmp_path)) == 2  # nobody can tell whether the hidden one is being written


def test_threads_that_write_one_file_leave_one_of_their_contents(tmp_path):
    path, contents = tmp_path / "file", [bytes([i]) * 10_000 for i in range(8)]
    threads = [
        threading.Thread(target=lambda x=x: [write_file(path, x) for _ in range(10)])
        for x in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents and os.listdir(tmp_path) == ["file"]


# The handle that nobody closes is reported when it is freed, which may be in the test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_between_two_arrays_stays_ctrl_c(model, tmp_path, monkeypatch):
    model.save(tmp_path / "weights.npz")
    before, usual = contents(tmp_path), zipfile.ZipFile.open

    def interrupted(*args, **kwargs):
        opened = usual(*args, **kwargs)
        signal.raise_signal(signal.SIGINT)
        return opened

    monkeypatch.setattr(zipfile.ZipFile, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MLP([50, 20, 1], seed=1).save(tmp_path / "weights.npz")
    assert contents(tmp_path) == before


def test_an_error_while_a_content_is_made_leaves_nothing(tmp_path):
    def broken(file) -> None:
        file.write(b"some")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_file(tmp_path / "file", broken)
    assert os.listdir(tmp_path) == []
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ZeroDivisionError):  # it is not even opened
        write_file(pipe, broken)


def test_a_picture_on_standard_output_is_all_that_is_there(tmp_path, capfd):
    (tmp_path / "loss.py").write_text("import autograd_mini as am\nloss = am.tensor(1.0) * 2\n")
    words = ["draw", f"{tmp_path}/loss.py:loss", "-o", "/dev/stdout", "--format", "svg"]
    assert main(words) == 0
    ElementTree.fromstring(capfd.readouterr().out)


def test_a_closed_pipe_ends_the_command_line_quietly(tmp_path):
    (tmp_path / "loss.py").write_text("import autograd_mini as am\nloss = am.tensor(1.0) * 2\n")
    command = [sys.executable, "-m", "autograd_mini", "draw", f"{tmp_path}/loss.py:loss"]
    command += ["-o", "/dev/stdout", "--format", "svg"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


# ── programs and their arrays ────────────────────────────────────────────────────────────────


def test_a_saved_program_leaves_the_weights_of_its_name_alone(model, tmp_path):
    model.save(tmp_path / "model.npz")
    compiled(2.0).save(tmp_path / "model.py")
    compiled(3.0).save(tmp_path / "model.py")
    assert same(model, tmp_path / "model.npz") and run_saved(tmp_path / "model.py") == 180
    model.save(tmp_path / "model.npz")
    assert run_saved(tmp_path / "model.py") == 180


def test_only_the_arrays_of_the_present_program_stay(tmp_path):
    others = ["step.py.npz", "step.abcdef012345.npz", "step.pyx.abcdef012345.npz"]
    others += ["step.1.py.abcdef012345.npz", "step.py.ABCDEF012345.npz"]
    for name in others:
        (tmp_path / name).touch()
    for value in (1.0, 2.0, 3.0):
        compiled(value).save(tmp_path / "step.py")
    (arrays,) = set(os.listdir(tmp_path)) - {"step.py", *others}
    assert arrays.removeprefix("step") in (tmp_path / "step.py").read_text()


def test_a_copy_of_both_files_is_a_program_too(tmp_path):
    compiled(2.0).save(tmp_path / "step.py")
    for path in list(tmp_path.iterdir()):
        path.with_name(path.name.replace("step", "best")).write_bytes(path.read_bytes())
    compiled(3.0).save(tmp_path / "step.py")
    assert run_saved(tmp_path / "best.py") == 120 and run_saved(tmp_path / "step.py") == 180


def test_the_same_program_is_saved_as_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        compiled(2.0).save(tmp_path / name / "step.py")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_programs_that_save_one_file_at_a_time_leave_one_that_runs(tmp_path):
    saves = [compiled(float(value)) for value in range(4)]
    threads = [
        threading.Thread(target=lambda f=f: [f.save(tmp_path / "step.py") for _ in range(5)])
        for f in saves
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run_saved(tmp_path / "step.py") in [60.0 * value for value in range(4)]
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_fork_in_the_middle_of_a_save_does_not_keep_the_folder_locked(tmp_path):
    pipe = os.pipe()
    with locked_folder(tmp_path):
        child = os.fork()
        if not child:
            os.read(pipe[0], 1)  # until the parent is done
            os._exit(0)
    try:
        compiled(2.0).save(tmp_path / "step.py")
        assert len(os.listdir(tmp_path)) == 2
    finally:
        os.write(pipe[1], b"x")
        os.waitpid(child, 0)
        list(map(os.close, pipe))


def test_ctrl_c_while_a_program_is_written_leaves_the_old_one(tmp_path, monkeypatch):
    compiled(2.0).save(tmp_path / "step.py")
    before, usual = contents(tmp_path), os.replace

    def interrupted(source, target) -> None:
        if str(target).endswith(".py"):
            signal.raise_signal(signal.SIGINT)
        usual(source, target)

    new = compiled(3.0)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        new.save(tmp_path / "step.py")
    assert contents(tmp_path) == before
