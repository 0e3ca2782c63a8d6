"""Arrays in an `.npz` archive: written as `np.savez` does, and read without trusting the file.

An archive is a zip of `.npy` members. Their headers are read first, each bounded, and say how many
bytes of data follow; only what was expected is read then. So a file costs no more memory than the
arrays that its reader asks for, whatever it claims.
"""

from __future__ import annotations

import ast
import io
import math
import re
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.lib import format as npy

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

    from .core.arrays import Array

LONGEST_NAME: Final = 50_000
"""A member's name has at most this many bytes; a zip allows 65,535."""
LONGEST_HEADER: Final = 4096
"""A header has at most this many bytes; 64 axes, NumPy's most, take 1,400."""
LARGEST_DIRECTORY: Final = 1 << 20
"""Bytes of an archive's table of contents that are read beyond those for the expected members."""
ENTRY: Final = 256
"""A member takes at most this many bytes of that table, without its name."""
CHUNK: Final = 1 << 20
LENGTHS: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
"""Version of the `.npy` format → bytes of the header's length."""


class Header(NamedTuple):
    """What an `.npy` member says of its array.

    Attributes:
        shape, dtype: of the array.
        fortran: whether the first index runs fastest.
        start: the number of bytes before the data.
        info: where the member is in its archive.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int
    info: ZipInfo

    @property
    def is_complete(self) -> bool:
        """Whether the member is as long as its header says."""
        size = math.prod(self.shape) * self.dtype.itemsize
        return bool(self.info.file_size == self.start + size)


# ── names ────────────────────────────────────────────────────────────────────────────────────
def member_names(names: Iterable[str]) -> dict[str, str]:
    r"""Return under which name an archive has each array, the same at each call.

    It is the array's name where a zip can hold it, without NUL and lone surrogates.

    >>> member_names(["w", "a/b", "\0"])
    {'w': 'w.npy', 'a/b': 'a/b.npy', '\x00': '\\x00.npy'}
    """
    found: dict[str, str] = {}
    used: set[str] = set()
    for name in names:
        base = text = _plain(name)
        count = 1
        while text in used:
            count += 1
            text = f"{base}_{count}"
        used.add(text)
        found[name] = f"{text}.npy"
    return found


def _plain(name: str) -> str:
    """Write a name without what a zip cannot hold."""
    text = re.sub("[\0\ud800-\udfff]", lambda c: ascii(c[0])[1:-1], name)
    if len(text.encode()) > LONGEST_NAME:
        import hashlib

        text = f"{text[:1000]}_{hashlib.sha256(text.encode()).hexdigest()}"
    return text


# ── writing ──────────────────────────────────────────────────────────────────────────────────
def write_arrays(file: IO[bytes], arrays: Mapping[str, object]) -> None:
    """Write arrays by name; equal ones make equal bytes, since no member has a date."""
    from zipfile import ZipFile, ZipInfo  # 5 ms of import

    members = member_names(arrays)
    archive = ZipFile(file, "w")
    try:
        for name, array in arrays.items():
            with archive.open(ZipInfo(members[name]), "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array), allow_pickle=False)
        archive.close()
    except BaseException:
        archive.fp = None  # or closing it raises a ValueError in the place of Ctrl-C
        raise


# ── reading ──────────────────────────────────────────────────────────────────────────────────
class BoundedReader(io.BufferedReader):
    """A file that `ZipFile` reads, in pieces that are not longer than expected."""

    longest = LARGEST_DIRECTORY

    def expect(self, members: Iterable[str]) -> None:
        """Allow for the table of contents of such members."""
        self.longest += sum(2 * len(name.encode()) + ENTRY for name in members)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read this many bytes, or all if no number is given.

        Raises:
            ValueError: for more than are expected in one piece.
        """
        if size is None or size < 0:
            return super().read(self.longest)
        if size > self.longest:
            raise ValueError(f"a table of contents of {size:,} bytes")
        return super().read(size)


def read_header(archive: ZipFile, info: ZipInfo) -> Header:
    """Read what a member says of its array.

    Raises:
        ValueError: if it is encrypted, compressed in a way that NumPy does not use, or no array.
    """
    from zipfile import ZIP_DEFLATED, ZIP_STORED

    if info.flag_bits & 1:
        raise ValueError("an encrypted member")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # others have no bound while unpacked
        raise ValueError(f"a member compressed by method {info.compress_type}, not by deflate")
    with archive.open(info) as file:
        start = _exactly(file, npy.MAGIC_LEN)
        version = start[-2], start[-1]
        if start[: len(npy.MAGIC_PREFIX)] != npy.MAGIC_PREFIX or version not in LENGTHS:
            raise ValueError("a member that is not a .npy file of version 1, 2 or 3")
        count = _exactly(file, LENGTHS[version])
        length = int.from_bytes(count, "little")
        if length > LONGEST_HEADER:
            raise ValueError(f"a header of {length:,} bytes, more than {LONGEST_HEADER:,}")
        text = _exactly(file, length).decode("utf-8" if version == (3, 0) else "latin-1")
    return _parsed(text, len(start) + len(count) + length, info)


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("a member that ends within its header")
    return data


def _parsed(text: str, start: int, info: ZipInfo) -> Header:
    """Read the text of a header: a dict of literals."""
    text = re.sub(r"(\d)L\b", r"\1", text)  # as Python 2 wrote long integers
    fields = ast.literal_eval(text.strip())
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise ValueError("a header that is not a dict of descr, fortran_order and shape")
    shape, fortran = fields["shape"], fields["fortran_order"]
    lengths = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not lengths or type(fortran) is not bool:
        raise ValueError("a header with a wrong shape or order")
    return Header(shape, npy.descr_to_dtype(fields["descr"]), fortran, start, info)


def read_array(archive: ZipFile, header: Header) -> Array:
    """Read one array, a scalar if it is 0-d; the checksum is verified on the way.

    Raises:
        ValueError: if it has more data than its header says, or less.
    """
    order: Any = "F" if header.fortran else "C"
    array = np.empty(header.shape, header.dtype, order)
    flat = array.ravel("K").view(np.uint8)
    assert not array.size or np.shares_memory(flat, array)
    with archive.open(header.info) as file:
        _exactly(file, header.start)
        for at in range(0, flat.size, CHUNK):
            data = file.read(min(CHUNK, flat.size - at))
            flat[at : at + CHUNK] = np.frombuffer(data, np.uint8)
        if file.read(1):
            raise ValueError("a member with more data than its header says")
    return array if array.ndim else array[()]
