"""Weights in files: `.npz`, one array a tensor under its path, never pickled.

The file is a plain zip of `.npy` members, which `np.load` reads too. Names, shapes and dtypes are
read and compared before any data is; what is loaded is assigned all at once or not at all.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from ..errors import OperandError, ShapeError, WeightsError
from ..ops.conversion import assign_all
from ..tensors import Tensor

if TYPE_CHECKING:
    from zipfile import ZipFile

    from .module import Module

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write all parameters and buffers to an `.npz` file at exactly `path`.

    The file is replaced when it is complete, so a crash leaves the old one.

    Raises:
        OSError: if it cannot be written; FileNotFoundError, if its directory does not exist.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")
    try:
        with open(partial, "xb") as file:
            write(file, {name: t.data for name, t in model.named_tensors()})
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        if error.filename is None:  # while writing, as a full disk: nothing to say of the path
            raise
        raise unsaved(error, path, target.parent) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def unsaved(error: OSError, path: str | os.PathLike[str], directory: Path) -> OSError:
    """Return an error of the same kind that names the path which the user gave."""
    reason = error.strerror
    if not directory.exists():
        place = str(directory)
        reason = f"there is no directory {place!r}; create it with os.makedirs({place!r})"
    return OSError(error.errno, f"cannot save: {reason}", os.fspath(path))


def write(file: IO[bytes], arrays: dict[str, Any]) -> None:
    """Write arrays as `np.savez` does, whatever they are called."""
    from zipfile import ZipFile  # 5 ms of import

    with ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array), allow_pickle=False)


def load(model: Module, path: str | os.PathLike[str]) -> None:
    """Read parameters and buffers from a file that `save` (or `np.savez`) wrote.

    Values are cast to the dtype of the model's tensors, if of the same kind: float64 weights go
    into a float32 model, rounded; complex or integer ones do not go into a float one.

    Raises:
        WeightsError: if the file cannot be read, is not of this model, or is damaged; the model is
            then as it was.
    """
    own = dict(model.named_tensors())
    try:
        arrays = arrays_of(own, path)
        with np.errstate(over="raise"):
            assign_all(list(own.values()), arrays)
    except (ShapeError, OperandError, FloatingPointError) as error:
        raise WeightsError(f"{os.fspath(path)!r} does not fit the model: {error}") from error


def arrays_of(own: dict[str, Tensor], path: str | os.PathLike[str]) -> list[Any]:
    """Read the array of each tensor from a file.

    Raises:
        WeightsError: if the file cannot be read, is damaged, or holds other arrays.
    """
    import zlib
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            check(headers(archive), own, path)
            return [read(archive, name) for name in own]
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {os.fspath(path)!r}") from error
    except OSError as error:
        raise WeightsError(f"cannot read {os.fspath(path)!r}: {error}") from error
    # What reading raises for a file that is no such archive, is cut, or is encrypted.
    except (BadZipFile, zlib.error, ValueError, EOFError, KeyError, RuntimeError) as error:
        raise WeightsError(
            f"{os.fspath(path)!r} is no file of weights, or a damaged one: {error}; expected an "
            ".npz that model.save wrote"
        ) from error


def headers(archive: ZipFile) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Return shape and dtype of each array in an archive, without reading the data.

    Raises:
        WeightsError: for an array of objects, which would have to be unpickled.
    """
    found = {}
    for member in archive.namelist():
        with archive.open(member) as file:
            version = npy.read_magic(file)
            if version not in HEADERS:
                raise WeightsError(f"member {member!r} has .npy version {version}, not 1.0 or 2.0")
            shape, _, dtype = HEADERS[version](file)
        if dtype.hasobject:
            raise WeightsError(
                f"member {member!r} holds Python objects, which are never unpickled; expected "
                "arrays of numbers"
            )
        found[member.removesuffix(".npy")] = shape, dtype
    return found


def check(found: dict[str, Any], own: dict[str, Tensor], path: Any) -> None:
    """Compare a file's headers with a model.

    Raises:
        WeightsError: naming everything that differs.
    """
    wrong = [f"lacks {name} {t.shape}" for name, t in own.items() if name not in found]
    wrong += [f"has {name} {s}, which the model has not" for name, (s, _) in found.items()
              if name not in own]  # fmt: skip
    for name, (shape, dtype) in found.items():
        if name in own and shape != own[name].shape:
            wrong.append(f"has {name} of shape {shape}, the model's is {own[name].shape}")
        elif name in own and not np.can_cast(dtype, own[name].dtype, "same_kind"):
            wrong.append(f"has {name} of dtype {dtype}, the model's is {own[name].dtype}")
    if wrong:
        shown = "; ".join(wrong[:6]) + (f"; and {len(wrong) - 6} more" if len(wrong) > 6 else "")
        raise WeightsError(
            f"{os.fspath(path)!r} is not of this model: it {shown}. Nothing was changed; make the "
            "model with the sizes that it was saved with"
        )


def read(archive: ZipFile, name: str) -> Any:
    """Read one array; the checksum is verified on the way."""
    with archive.open(f"{name}.npy") as file:
        array = npy.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"member {name!r} has more data than its header says")
    return array[()] if not array.ndim else array
