"""Saving a compiled program: a Python file that needs NumPy alone, and its arrays beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CompileError
from .program import Value
from .source import Source

LOAD = '''

def load(path=pathlib.Path(__file__).with_suffix(".npz")):
    """Return the step, with the values saved beside this file, and a dict of all that it keeps.

    The step changes the arrays in the dict, and puts new numbers into it.
    """
    with np.load(path) as saved:
        state = {{name: saved[name] for name in saved}}
    run, commit, changed = build({build})
    state.update(zip({states}, changed))

    def step({inputs}):
        results = run({arguments})
        for write in commit:
            write()
{updates}        return {result}

    return step, state
'''


def save(source: Source, values: Mapping[Value, Any], path: str | os.PathLike[str]) -> None:
    """Write a program to a Python file, and the arrays that it needs to an .npz file beside it.

    Raises:
        CompileError: if it calls something that has no text, as an operation of the user's own.
    """
    target = Path(path)
    if target.suffix != ".py":
        raise CompileError(f"a program is saved as a Python file, as step.py; got {target.name}")
    arrays = {source.names[v]: np.asarray(data) for v, data in values.items()}
    head = []
    for name, value in source.bound.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
            head.append(f'{name} = _saved["{name}"]')
        else:
            head.append(f"{name} = {restored(name, value)}")
    if any(line.endswith("]") for line in head if "_saved[" in line):
        head.insert(0, '_saved = np.load(pathlib.Path(__file__).with_suffix(".npz"))')
    docstring, _, rest = source.text.partition("\n")
    text = "\n".join([docstring, "", "import pathlib", *rest.splitlines()])
    before, _, after = text.partition("\n\n\ndef build(")
    text = "\n".join([before, *head]) + "\n\n\ndef build(" + after
    np.savez(target.with_suffix(".npz"), allow_pickle=False, **arrays)
    target.write_text(text.rstrip() + "\n" + loader(source), encoding="utf-8")


def restored(name: str, value: Any) -> str:
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
        f"the program cannot be saved: it calls {name}, {value!r:.80}, which has no source of its "
        "own; write it with NumPy's functions, or run the program from where it was compiled"
    )


def loader(source: Source) -> str:
    """Write the function that puts the saved values in place."""
    names = source.names
    inputs = [names[x] for x in source.inputs[: len(source.inputs) - source.captured]]
    others = [*source.inputs[len(inputs) :], *source.read]
    arguments = inputs + [f'state["{names[x]}"]' for x in others]
    count = source.count
    updates = [
        f'        state["{names[x]}"] = results[{count + i}]\n'
        for i, x in enumerate(source.scalars)
    ]
    count += len(source.scalars)
    updates += [
        f'        state["{names[x]}"][...] = results[{count + i}]\n'
        for i, x in enumerate(source.fresh)
    ]
    states = [names[x] for x in source.states]
    return LOAD.format(
        build=", ".join(f'state["{names[x]}"]' for x in source.kept),
        states=states,
        inputs=", ".join(inputs),
        arguments=", ".join(arguments),
        updates="".join(updates),
        result="results[0]" if source.count == 1 else f"results[:{source.count}]",
    )
