"""Saving a compiled program: a Python file that needs NumPy only, and a file of its arrays.

The arrays of `step.py` are in `step.py.<digest>.npz`, with a digest of the arrays; the program
names that file. New arrays are written before the program that needs them, and old arrays stay
until their program has been replaced. So `step.py` always has its own arrays, even if a save is
killed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..archives import write_arrays
from ..errors import CompileError
from ..files import locked_folder, write_file
from .program import Value
from .source import ProgramSource

ARRAYS: Final = 'pathlib.Path(__file__).resolve().with_suffix(".py.{digest}.npz")'
LOAD: Final = '''

def {expect}(name, value, shape, dtype):
    """Return an argument as the program takes it; others need a program of their own."""
    array = np.asarray(value)
    if array.shape != shape or not np.can_cast(array.dtype, dtype):
        raise ValueError(
            f"{{name}} is {{array.dtype}} of shape {{array.shape}}; this program was compiled for "
            f"{{dtype}} of shape {{shape}}. Save one for each"
        )
    return array.astype(dtype, copy=False)[()]


def load(path={arrays}):
    """Return the step, with the values saved beside this file, and a dict of all that it keeps.

    The step changes the arrays in the dict, and puts new numbers into it.
    """
    with np.load(path) as saved:
        {state} = {{name: saved[name] for name in saved}}
    {run}, commit, changed = build({build})
    {state}.update(zip({states}, changed))

    def step({inputs}):
{checks}        {results} = {run}({arguments})
        for write in commit:
            write()
{updates}        return {result}

    return step, {state}
'''


def save_program(
    source: ProgramSource, values: Mapping[Value, object], path: str | os.PathLike[str]
) -> None:
    """Write a program to a Python file, and the arrays that it needs to an .npz file next to it.

    If the call does not come to its end, both files are still those of the call before.

    Raises:
        CompileError: if it calls something without source, as an operation that the user declared.
        OSError: if it cannot be written.
    """
    if Path(path).suffix != ".py":
        raise CompileError(
            f"a program is saved as a Python file, such as step.py; got {Path(path).name!r}"
        )
    target = Path(os.path.realpath(path))  # where the program looks for its arrays
    arrays = {source.names[v]: np.asarray(data) for v, data in values.items()}
    arrays |= {name: x for name, x in source.bound.items() if isinstance(x, np.ndarray)}
    digest = _digest_of(arrays)
    text = _saved_text(source, ARRAYS.format(digest=digest))
    beside = target.with_suffix(f".py.{digest}.npz")
    with locked_folder(target.parent):
        try:
            write_file(beside, lambda file: write_arrays(file, arrays), part_of=target)
            write_file(path, text)
        finally:
            _remove_unnamed(target)


def _digest_of(arrays: Mapping[str, Any]) -> str:
    """Return twelve digits that differ for other arrays or names."""
    from hashlib import sha256

    found = sha256()
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        found.update(array.tobytes())
    return found.hexdigest()[:12]


def _remove_unnamed(target: Path) -> None:
    """Remove the arrays that a program does not name: of earlier ones, or of a save that failed."""
    with suppress(OSError):
        text = target.read_bytes() if target.exists() else b""
        wanted = re.compile(re.escape(target.stem) + r"(\.py\.[0-9a-f]{12}\.npz)")
        for found in filter(None, map(wanted.fullmatch, os.listdir(target.parent))):
            if found[1].encode() not in text:
                target.with_name(found[0]).unlink(missing_ok=True)


def _saved_text(source: ProgramSource, arrays: str) -> str:
    """Return the text of a saved program: its source, what it names, and what loads it."""
    read, made = [], []
    for name, value in source.bound.items():
        if isinstance(value, np.ndarray):
            read.append(f'    {name} = _saved["{name}"]')
        else:
            made.append(f"{name} = {_write_generator(name, value)}")
    if read:
        read.insert(0, f"with np.load({arrays}) as _saved:")
    docstring, _, rest = source.text.partition("\n")
    before, _, after = rest.partition("\n\n\ndef build(")
    text = "\n".join([docstring, "", "import pathlib", before, *read, *made])
    return f"{text}\n\n\ndef build({after.rstrip()}\n{_write_loader(source, arrays)}"


def _write_generator(name: str, value: object) -> str:
    """Write an expression for a random generator in its present state.

    Raises:
        CompileError: for any other object.
    """
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        state = repr(bits.state)
        if "array" not in state:
            kind = type(bits).__name__
            return f"np.random.Generator(np.random.{kind}())\n{name}.bit_generator.state = {state}"
    raise CompileError(
        f"the program cannot be saved: it calls {name}, {value!r:.80}, which has no source; "
        "write it with NumPy's functions, or run the program from where it was compiled"
    )


def _write_loader(source: ProgramSource, arrays: str) -> str:
    """Write the function that puts the saved values in place."""
    names = source.names
    inputs = [names[x] for x in source.inputs[: len(source.inputs) - source.captured]]
    run, state, results, expect = (
        _free_name(name, inputs) for name in ("run", "state", "results", "expect")
    )
    checks = [
        f'        {names[x]} = {expect}("{names[x]}", {names[x]}, {x.shape}, "{x.dtype}")\n'
        for x in source.inputs[: len(inputs)]
        if not x.weak
    ]
    others = [*source.inputs[len(inputs) :], *source.read]
    arguments = inputs + [f'{state}["{names[x]}"]' for x in others]
    count = source.count
    updates = [
        f'        {state}["{names[x]}"] = {results}[{count + i}]\n'
        for i, x in enumerate(source.scalars)
    ]
    count += len(source.scalars)
    updates += [
        f'        {state}["{names[x]}"][...] = {results}[{count + i}]\n'
        for i, x in enumerate(source.fresh)
    ]
    return LOAD.format(
        arrays=arrays,
        run=run,
        state=state,
        results=results,
        build=", ".join(f'{state}["{names[x]}"]' for x in source.kept),
        states=[names[x] for x in source.states],
        inputs=", ".join(inputs),
        expect=expect,
        checks="".join(checks),
        arguments=", ".join(arguments),
        updates="".join(updates),
        result=f"{results}[0]" if source.count == 1 else f"{results}[:{source.count}]",
    )


def _free_name(name: str, taken: Iterable[str]) -> str:
    """Return a name, with underscores behind it if an argument of the program has it."""
    while name in taken:
        name += "_"
    return name
