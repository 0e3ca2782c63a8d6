"""Files that are written whole or not at all: `write_file`.

What is written goes to a hidden file in the same folder first, and takes its place under its name
in one step of the file system. So whoever reads that name finds the old content or the new one,
whatever happens in between: an error, Ctrl-C, a kill, a full disk. The hidden file is locked while
it is written. A killed program leaves it behind without its lock, and the next write of the same
file removes it.
"""

from __future__ import annotations

import errno
import io
import os
import re
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

try:
    import fcntl
except ImportError:  # Windows, which refuses to delete or replace a file that is open
    fcntl = None  # type: ignore[assignment]

Path = str | os.PathLike[str]
Content = bytes | str | Callable[[IO[bytes]], None]
"""Bytes, a text for UTF-8, or a function that writes into a binary file."""

LONGEST: Final = 100
"""Bytes of a name up to which the hidden file's name holds it whole; a file system takes 255."""
MOST_LINKS: Final = 40
EFFECTIVE: Final = os.access in os.supports_effective_ids
CURES: Final = {
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space, or choose another disk",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f), or choose another disk",
    errno.EACCES: "choose another folder, or change its permissions or those of the file",
    errno.EPERM: "choose another folder, or change its permissions or those of the file",
    errno.EROFS: "choose a folder that is not read-only",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "give the name of a file in it",
}


def write_file(path: Path, content: Content, *, part_of: Path | None = None) -> None:
    """Write a file, whole or not at all.

    An existing file keeps its permissions, and a link stays a link. The bytes go into a device, a
    named pipe or `/dev/stdout` as it is.

    Args:
        path: of the file.
        content: what it will hold.
        part_of: the path of a file in the same folder to which it belongs. A new file takes its
            permissions, and the next write of either one removes what killed ones left behind.

    Raises:
        OSError: of the kind that Python's `open` raises, with the path and the cure. The file is
            as it was.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_file(f"{folder}/greeting", "hello")
    ...     pathlib.Path(folder, "greeting").read_bytes()
    b'hello'
    """
    write = content if callable(content) else _writer_of(content)
    try:
        _write(os.path.abspath(path), write, os.path.realpath(part_of or path))
    except OSError as error:
        raise _explained(error, path) from error


def _write(path: str, write: Callable[[IO[bytes]], None], owner: str) -> None:
    descriptor = _descriptor_of(path)
    if descriptor is not None:
        _write_into(os.dup(descriptor), write)
        return
    target = os.path.realpath(path)
    present = _status(target)
    if present is None or stat.S_ISREG(present.st_mode):
        if present is not None and not os.access(target, os.W_OK, effective_ids=EFFECTIVE):
            raise PermissionError(errno.EACCES, "the file is read-only")
        _replace(target, write, present or _status(owner), os.path.basename(owner))
    elif stat.S_ISDIR(present.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    else:
        _write_into(target, write)


def _writer_of(content: bytes | str) -> Callable[[IO[bytes]], None]:
    data = content.encode() if isinstance(content, str) else content

    def write(file: IO[bytes]) -> None:
        file.write(data)

    return write


def _status(target: str) -> os.stat_result | None:
    """Return the status of a file, None if it does not exist."""
    try:
        return os.stat(target)
    except FileNotFoundError:
        return None


def _descriptor_of(path: str) -> int | None:
    """Return the number in `/dev/stdout`, `/dev/fd/3` or a link there, None for other paths.

    The file behind such a number may be an ordinary one. It is open, so that another one under its
    name would not do: the rest of the output goes on where it is.
    """
    for _ in range(MOST_LINKS):
        directory, name = os.path.split(path)
        place = rf"/dev/fd|/proc/{os.getpid()}(/task/\d+)?/fd"
        if name.isdecimal() and re.fullmatch(place, os.path.realpath(directory)):
            return int(name)
        if not os.path.islink(path):
            return None
        path = os.path.join(directory, os.readlink(path))
    return None


def _write_into(target: str | int, write: Callable[[IO[bytes]], None]) -> None:
    """Write into a device or pipe once all bytes are known: no error sends half of them."""
    whole = io.BytesIO()
    write(whole)
    with open(target, "wb", buffering=0) as file:
        rest = whole.getbuffer()
        while rest:
            written = file.write(rest)
            if written is None:  # a pipe that does not wait for its reader, so this waits
                select.select([], [file], [])
            rest = rest[written or 0 :]


def _replace(
    target: str, write: Callable[[IO[bytes]], None], model: os.stat_result | None, name: str
) -> None:
    """Write a hidden file, called after a name, and give it the name of the target.

    It takes owner and permissions of a model.
    """
    directory, prefix = os.path.dirname(target), _prefix(name)
    _remove_leftovers(directory, prefix)
    done = False
    while not done:
        partial = os.path.join(directory, f"{prefix}{os.urandom(4).hex()}.partial")
        try:
            done = _write_hidden(partial, target, write, model)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise
    _sync(directory)


def _write_hidden(
    partial: str,
    target: str,
    write: Callable[[IO[bytes]], None],
    model: os.stat_result | None,
) -> bool:
    """Write a hidden file and rename it; False if another program mistook it for a leftover."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    mode = 0o666 if model is None else 0o600
    with open(partial, "wb", opener=lambda path, _: os.open(path, flags, mode)) as file:
        # Before it is locked, it looks like what a killed program left behind.
        if _lock(file.fileno()) is False or not _is_at(file.fileno(), partial):
            return False
        write(file)
        file.flush()
        if model is not None:
            _take_over(model, file.fileno())
        os.fsync(file.fileno())  # the bytes reach the disk before the name does
        if fcntl is not None:
            os.replace(partial, target)  # locked until it has its name
    if fcntl is None:
        os.replace(partial, target)
    return True


def _take_over(model: os.stat_result, descriptor: int) -> None:
    """Give a new file the owner and the permissions of another one."""
    if not hasattr(os, "fchmod"):
        return
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (model.st_uid, model.st_gid):
        with suppress(OSError):  # only an administrator may change a file's owner
            os.fchown(descriptor, model.st_uid, model.st_gid)
    with suppress(OSError):  # some file systems have one mode for all files
        os.fchmod(descriptor, stat.S_IMODE(model.st_mode) & 0o777)


def _sync(directory: str) -> None:
    """Let the new name reach the disk, where the system has a way to say so."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked_folder(directory: Path) -> Iterator[None]:
    """Change what belongs together in a folder while no other program or thread does so too.

    Where folders cannot be locked (on Windows, in some networks) it is not guarded.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        _unlock(descriptor)  # closing is not enough if a fork has the descriptor too
        os.close(descriptor)


# ── hidden files ─────────────────────────────────────────────────────────────────────────────


def _prefix(name: str) -> str:
    """Return how the names of a file's hidden files begin; they end in 8 digits and `.partial`."""
    from zlib import crc32

    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST:
        return f".{name}."
    return f".{encoded[:80].decode(errors='ignore')}.{crc32(encoded):08x}."


def _lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock a file or folder: False if another one holds the lock, None if there are no locks.

    The lock ends with the program that holds it, however that ends.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _is_at(descriptor: int, path: str) -> bool:
    """Whether an open file still has this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _remove_leftovers(directory: str, prefix: str) -> None:
    """Remove the hidden files of writes that were killed."""
    wanted = re.compile(re.escape(prefix) + r"[0-9a-f]{8}\.partial")
    with suppress(OSError):
        for name in filter(wanted.fullmatch, os.listdir(directory)):
            with suppress(OSError):
                _remove_unlocked(os.path.join(directory, name))


def _remove_unlocked(path: str) -> None:
    """Remove a file of this user that nobody is writing."""
    if fcntl is None:
        os.unlink(path)  # which fails while it is open
        return
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if own and _lock(descriptor) and _is_at(descriptor, path):
            os.unlink(path)
    finally:
        os.close(descriptor)


# ── errors ───────────────────────────────────────────────────────────────────────────────────


def _explained(error: OSError, path: Path) -> OSError:
    """Return an error of the same kind with the path that the user gave, and the cure."""
    if error.errno is None:
        return error
    reason, cure = error.strerror, CURES.get(error.errno)
    directory = os.path.dirname(os.path.realpath(path))
    if isinstance(error, FileNotFoundError) and not os.path.isdir(directory):
        reason = f"there is no directory {directory!r}"
        cure = f"create it with os.makedirs({directory!r})"
    text = f"cannot write: {reason}" + (f"; {cure}" if cure else "")
    return OSError(error.errno, text, os.fspath(path))
