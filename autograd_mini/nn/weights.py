"""Weights in files: `.npz`, one array a tensor under its path, never pickled.

The file is a plain zip of `.npy` members, which `np.load` reads too. Names, shapes and dtypes are
read and compared before any data is; what is loaded is assigned all at once or not at all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import numpy as np

from ..archives import BoundedReader, Header, member_names, read_array, read_header, write_arrays
from ..core.contexts import run_quietly
from ..core.tensor import Tensor
from ..core.visible import show_text
from ..errors import OperandError, ShapeError, WeightsError
from ..files import write_file
from ..ops.conversion import assign_all

if TYPE_CHECKING:
    from zipfile import ZipFile

    from .ownership import Model

LISTED: Final = 6
"""Differences that an error names."""
LONGEST: Final = 80
"""Letters of a name in an error."""


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write all parameters and buffers to an `.npz` file at exactly `path`.

    The file is replaced when it is complete, so a crash, a kill or a full disk leaves the old one.
    It keeps its permissions; a link stays a link; a device or named pipe gets the bytes.

    Raises:
        OSError: if it cannot be written; FileNotFoundError, if its directory does not exist.
    """
    arrays = {name: t.data for name, t in model.named_tensors()}
    write_file(path, lambda file: write_arrays(file, arrays))


def load(model: Model, path: str | os.PathLike[str]) -> None:
    """Read parameters and buffers from a file that `save` (or `np.savez`) wrote.

    Values are cast to the dtype of the model's tensors, if of the same kind: float64 weights go
    into a float32 model, rounded; complex or integer ones do not go into a float one.

    Raises:
        WeightsError: if the file cannot be read, is not of this model, or is damaged; the model is
            then as it was.
    """
    own = dict(model.named_tensors())
    try:
        arrays = _arrays_of(own, path)
        run_quietly(lambda: assign_all(list(own.values()), arrays), over="raise")
    except (ShapeError, OperandError, FloatingPointError) as error:
        raise WeightsError(f"{os.fspath(path)!r} does not fit the model: {error}") from error


def _arrays_of(own: dict[str, Tensor], path: str | os.PathLike[str]) -> list[object]:
    """Read the array of each tensor from a file.

    Raises:
        WeightsError: if the file cannot be read, is damaged, or holds other arrays.
    """
    from zipfile import ZipFile

    members = member_names(own)
    try:
        with open(path, "rb", buffering=0) as raw, BoundedReader(raw) as file:
            file.expect(members.values())
            with ZipFile(file) as archive:
                found, others = _headers(archive, set(members.values()))
                wrong = _differences(found, others, own, members)
                if wrong:
                    raise _unlike(wrong, path)
                return [read_array(archive, found[member]) for member in members.values()]
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {os.fspath(path)!r}") from error
    except OSError as error:
        raise WeightsError(f"cannot read {os.fspath(path)!r}: {error}") from error
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise WeightsError(
            f"{os.fspath(path)!r} is not a file of weights, or is damaged: "
            f"{str(error) or type(error).__name__}; expected an .npz that model.save wrote"
        ) from error


def _headers(archive: ZipFile, wanted: set[str]) -> tuple[dict[str, Header], list[str]]:
    """Return the header of each member of an archive, without its data, and the names of the rest.

    Of the members that nobody wants only the first ones are looked at, for an error.

    Raises:
        ValueError: if two members have one name.
    """
    found: dict[str, Header] = {}
    others: dict[str, str] = {}
    for info in archive.infolist():
        member = info.filename
        if member in found or member in others:
            raise ValueError(f"it has two members {short(member)!r}")
        if member in wanted:
            found[member] = read_header(archive, info)
            continue
        name, npy, _ = member.rpartition(".npy")
        others[member] = short(name) if npy else f"{short(member)!r} without the ending .npy"
        if len(others) <= LISTED:
            others[member] += f" {read_header(archive, info).shape}"
    return found, list(others.values())


def _differences(
    found: dict[str, Header], others: list[str], own: dict[str, Tensor], members: dict[str, str]
) -> list[str]:
    """Say how the headers of a file differ from the tensors of a model."""
    wrong = [f"lacks {short(n)} {t.shape}" for n, t in own.items() if members[n] not in found]
    wrong += [f"has {other}, which the model has not" for other in others]
    for name, t in own.items():
        if members[name] in found:
            wrong += _mismatch(short(name), found[members[name]], t)
    return wrong


def short(name: str) -> str:
    """Return a name as an error shows it."""
    return show_text(name, one_line=True, longest=LONGEST)


def _mismatch(name: str, header: Header, own: Tensor) -> list[str]:
    """Say how an array differs from its tensor, if it does."""
    dtype = header.dtype
    if header.shape != own.shape:
        return [f"has {name} of shape {header.shape}, the model's is {own.shape}"]
    if dtype.hasobject:
        return [f"has {name} as Python objects, which are never unpickled"]
    if dtype.kind not in "biufc" or not np.can_cast(dtype, own.dtype, "same_kind"):
        return [f"has {name} of dtype {dtype}, the model's is {own.dtype}"]
    if not header.is_complete:
        size = header.info.file_size - header.start
        return [f"has {size:,} bytes for {name}, which do not fill {dtype} {own.shape}"]
    return []


def _unlike(wrong: list[str], path: str | os.PathLike[str]) -> WeightsError:
    """Return the error that names the differences."""
    shown = "; ".join(wrong[:LISTED])
    shown += f"; and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
    return WeightsError(
        f"{os.fspath(path)!r} is not of this model: it {shown}. Nothing was changed; make the "
        "model with the sizes that it was saved with"
    )
