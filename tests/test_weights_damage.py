"""Files of weights that lie: they cost no memory, change nothing, and raise WeightsError only."""

from __future__ import annotations

import copy
import io
import random
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

import autograd_mini as am
from autograd_mini.nn import MLP

SIZES = [2, 3, 1]
ROOM = 6_000_000
"""Bytes that a load of such a small model may take at most, whatever the file says."""
Members = list[tuple[str, bytes]]


def model(seed: int = 1) -> MLP:
    return MLP(SIZES, seed=seed)


def values(of: MLP) -> dict[str, np.ndarray]:
    return {name: np.array(t.data) for name, t in of.named_tensors()}


RIGHT = values(model(0))


def npy_bytes(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    npy.write_array(file, np.asarray(array), version)
    return file.getvalue()


def written(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """Return a `.npy` file with a header of any text."""
    text = header.encode("utf-8" if version == (3, 0) else "latin-1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return npy.MAGIC_PREFIX + bytes(version) + length + text + data


def members() -> Members:
    return [(f"{name}.npy", npy_bytes(x)) for name, x in RIGHT.items()]


def zipped(content: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in content:
            archive.writestr(name, data)
    return file.getvalue()


def replaced(name: str, data: bytes) -> Members:
    return [(n, data if n == f"{name}.npy" else old) for n, old in members()]


def loads(path: Path) -> bool:
    """Load a file into a fresh model; whether it had the right values.

    It has them, or there is a WeightsError and the model is as it was; memory is bounded.
    """
    fresh = model()
    before = values(fresh)
    tracemalloc.start()
    try:
        fresh.load(path)
        done = True
    except am.WeightsError:
        done = False
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < ROOM, f"{peak:,} bytes"
    wanted = RIGHT if done else before
    for name, x in values(fresh).items():
        np.testing.assert_array_equal(x, wanted[name])
    return done


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "weights.npz"
        path.write_bytes(content)
        return path

    return write


# ── what is right, however it is written ─────────────────────────────────────────────────────


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_version_of_the_format_is_read(version, method, file):
    content = [(f"{name}.npy", npy_bytes(x, version)) for name, x in RIGHT.items()]
    assert loads(file(zipped(content, method)))


@pytest.mark.parametrize("change", [np.asfortranarray, lambda x: x.astype(">f8"), lambda x: x[::1]])
def test_order_and_byte_order_are_those_of_the_file(change, file):
    assert loads(file(zipped([(f"{name}.npy", npy_bytes(change(x))) for name, x in RIGHT.items()])))


def test_headers_of_other_writers_are_read(file):
    data = RIGHT["layers.0.weight"].tobytes()
    for header in (
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f8'}",
        '{"descr":"<f8","fortran_order":False,"shape":(2,3)}',
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 3L), }",
    ):
        assert loads(file(zipped(replaced("layers.0.weight", written(header, data)))))


def test_an_archive_behind_other_bytes_is_read(file):
    assert loads(file(b"#!/bin/sh\n" + zipped(members())))


def test_members_in_any_order_are_read(file):
    assert loads(file(zipped(members()[::-1])))


# ── what lies ────────────────────────────────────────────────────────────────────────────────


def refused(path: Path, match: str) -> None:
    assert not loads(path)
    with pytest.raises(am.WeightsError, match=match):
        model().load(path)


def test_a_header_that_unpacks_to_a_gigabyte_is_not_read(file):
    head = npy.MAGIC_PREFIX + bytes((2, 0)) + struct.pack("<I", 1 << 30)
    content = zipped(replaced("layers.0.bias", head + b" " * (1 << 22)), zipfile.ZIP_DEFLATED)
    refused(file(content), "a header of 1,073,741,824 bytes")


def test_data_beyond_what_the_header_says_are_not_read(file):
    data = npy_bytes(RIGHT["layers.0.bias"]) + bytes(1 << 24)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refused(file(zipped(replaced("layers.0.bias", data), method)), r"has 16,777,240 bytes for")


def test_a_member_of_an_array_s_name_without_npy_is_another_one(file):
    large = npy_bytes(np.zeros(1 << 21))
    for content in (
        [*members(), ("layers.0.bias", large)],
        [("layers.0.bias", large), *members()],
        [("layers.0.bias" if n == "layers.0.bias.npy" else n, x) for n, x in members()],
    ):
        refused(file(zipped(content)), r"has 'layers\.0\.bias' without the ending \.npy")


def test_two_members_of_one_name_are_refused_before_any_is_read(file):
    large = npy_bytes(np.zeros(1 << 21))
    for content in ([*members(), ("layers.0.bias.npy", large)], members() + members()):
        refused(file(zipped(content)), r"two members 'layers\.0\.bias\.npy'|two members")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_without_a_bound_are_refused(method, file):
    refused(file(zipped(members(), method)), "compressed by method")


def test_two_names_for_the_same_bytes_are_refused(file):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        name, data = members()[0]
        archive.writestr(name, data)
        for other, _ in members()[1:]:
            alias = copy.copy(archive.filelist[0])
            alias.filename = alias.orig_filename = other
            archive.filelist.append(alias)
    refused(file(stream.getvalue()), "not a file of weights|not of this model")


def test_a_long_table_of_contents_is_not_read(file):
    with zipfile.ZipFile(stream := io.BytesIO(), "w") as archive:
        archive.writestr("x" * 200, b"")
        for i in range(20_000):
            alias = copy.copy(archive.filelist[0])
            alias.filename = f"{i}" * 20
            archive.filelist.append(alias)
    refused(file(stream.getvalue()), "a table of contents of")


def test_a_larger_model_of_the_same_kind_is_named(file):
    content = [(f"layers.{i}.weight.npy", npy_bytes(np.zeros(3))) for i in range(2000)]
    refused(file(zipped(content)), r"lacks .*; has layers\.2\.weight \(3,\), which .*more")


@pytest.mark.parametrize("size", [0, 20, 100, 1 << 20, (1 << 32) - 2])
def test_sizes_in_the_table_of_contents_are_not_believed(size, file):
    content = bytearray(zipped(members()))
    at = content.index(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<I", size)
    refused(file(bytes(content)), "do not fill|not a file of weights|not of this model")


HEADERS = [
    "",
    "{",
    "(" * 3000,
    "-" * 3000 + "1",
    "[" * 90 + "]" * 90,
    "{'descr': '<f8', 'fortran_order': False}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'more': 1}",
    "{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': 3}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True, True, 3)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3.0,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807,) * 2}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 4)}",
    f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'9' * 3000},)}}",
    "{'descr': '<f99', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '<V1000000000', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '(1000000000,)f8', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': ('<f8', (1000000000,)), 'fortran_order': False, 'shape': (3,)}",
    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}",
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}\0",
    "__import__('os').abort()",
    "{'descr': 'a3', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': None, 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '\xff', 'fortran_order': False, 'shape': (3,)}",
]


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0), (4, 0), (0, 0)])
@pytest.mark.parametrize("header", HEADERS)
def test_wrong_headers_are_refused(header, version, file):
    data = written(header, bytes(24), version)
    damaged = file(zipped(replaced("layers.0.bias", data)))
    refused(damaged, "not a file of weights|not of this model")


def test_a_header_that_ends_early_is_refused(file):
    whole = npy_bytes(RIGHT["layers.0.bias"])
    for length in (0, 3, 6, 7, 8, 9, 10, 60, 127, 128, 140):
        refused(file(zipped(replaced("layers.0.bias", whole[:length]))), "not a file|not of this")


def test_nothing_is_read_before_everything_has_been_compared(file, monkeypatch):
    large = [(f"{n}.npy", npy_bytes(np.zeros((1000, 1000)))) for n in RIGHT]
    read: list[Any] = []
    monkeypatch.setattr("autograd_mini.nn.module.read_array", lambda *args: read.append(args))
    for content in (
        [*large[:-1], ("other.npy", b"")],
        [*members()[:-1], (members()[-1][0], npy_bytes(np.zeros((3, 2))))],
        [*members()[:-1], (members()[-1][0], npy_bytes(np.zeros(1, "c16")))],
        [*members()[:-1], (members()[-1][0], npy_bytes(RIGHT["layers.1.bias"]) + b"x")],
    ):
        refused(file(zipped(content)), "not of this model|not a file of weights")
    assert read == []


# ── damage of every kind ─────────────────────────────────────────────────────────────────────


def originals() -> Iterator[bytes]:
    """Yield archives that are right."""
    yield zipped(members())
    yield zipped(members(), zipfile.ZIP_DEFLATED)
    file = io.BytesIO()
    np.savez_compressed(file, **RIGHT)
    yield file.getvalue()
    yield zipped([(f"{n}.npy", npy_bytes(np.asfortranarray(x), (3, 0))) for n, x in RIGHT.items()])


def flip(content: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 1, 2, 5))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def overwrite(content: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(content))
    length = dice.choice((1, 2, 4, 8, 30))
    content[at : at + length] = dice.choice((b"\0", b"\xff", b"9", b"(")) * length


def cut(content: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(content))
    del content[at : at + dice.choice((1, 4, 100, len(content)))]


def double(content: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(content))
    content[at:at] = content[dice.randrange(len(content)) :][: dice.choice((1, 10, 300))]


def change_record(content: bytearray, dice: random.Random) -> None:
    """Change a field of a record of the zip."""
    marks = [i for i in range(len(content)) if content[i : i + 2] == b"PK"] or [0]
    at = dice.choice(marks) + 4 + 2 * dice.randrange(22)
    number = dice.choice((0, 1, 8, 12, 14, 0xFFFF, 0xFFFFFFFF, dice.getrandbits(32)))
    content[at : at + 4] = struct.pack("<I", number)


def change_header(content: bytearray, dice: random.Random) -> None:
    """Change the text of a header, where it is not compressed."""
    marks = [i for i in range(len(content)) if content.startswith(b"{'descr'", i)]
    if marks:
        at = dice.choice(marks) + dice.randrange(70)
        content[at : at + 1] = dice.choice((b"(", b")", b"'", b"9", b"-", b"}", b"L", b"\\", b","))


DAMAGE = (flip, overwrite, cut, double, change_record, change_header)


def survives(path: Path, count: int, seed: int) -> int:
    """Load damaged files; return how many had the right values all the same."""
    dice, right = random.Random(seed), 0
    archives = list(originals())
    for _ in range(count):
        content = bytearray(dice.choice(archives))
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            if content:
                dice.choice(DAMAGE)(content, dice)
        path.write_bytes(content)
        right += loads(path)
    return right


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # those of the parser, for a header as `'\m'`
def test_damaged_files_have_the_right_values_or_are_refused(tmp_path):
    assert 0 < survives(tmp_path / "weights.npz", 300, seed=0) < 300


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(1, 9))
def test_thousands_of_damaged_files_have_the_right_values_or_are_refused(seed, tmp_path):
    print("right all the same:", survives(tmp_path / "weights.npz", 2500, seed))


# ── names ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "names",
    [
        ["file", "allow_pickle", "", " ", ".npy", "x.npy", "x"],
        ["\0", "\\x00", "a\0b", "a\0c", "a"],
        ["\ud800", "\\ud800", "\udfff\ud800"],
        ["n" * 5_000, "n" * 70_000, "n" * 70_001, "ü" * 40_000],
        ["../up", "/root", "a//b", "a/", "\n", "\x1b[31m", "\u202e"],
        ["\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"],
    ],
)
def test_tensors_of_any_names_are_saved_and_loaded(names, tmp_path):
    class Table(am.nn.Module):
        def __init__(self, start: float) -> None:
            self.table = {n: am.tensor(start + i, True) for i, n in enumerate(names)}

    one, other = Table(1.0), Table(100.0)
    one.save(tmp_path / "weights.npz")
    other.load(tmp_path / "weights.npz")
    assert [t.item() for t in other.table.values()] == [1.0 + i for i in range(len(names))]
