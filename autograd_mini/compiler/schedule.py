"""Schedule: a static plan that computes a scalar graph by vector operations on slots.

Every scalar has a slot in a buffer of its dtype. Constants are there from the start; a call writes
the scalars and elements that come in, runs the steps in order, and reads the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .rows import declare_operation
from .slot_source import ScheduleWriter
from .slots import Load, Places, Step


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """What a packed instruction does.

    Its operands are all scalars, buffer by buffer, then the arrays of the loads; its results are
    the scalars, buffer by buffer, then arrays.

    Attributes:
        dtypes, sizes: of each buffer.
        constants: what each buffer starts with.
        scalars: where the scalars that come in are put.
        loads: where the elements of arrays that come in are put.
        steps: what is computed, in order.
        results: where the scalars are that go out.
        arrays_out: where the elements of the arrays are that go out.
    """

    dtypes: tuple[np.dtype[Any], ...]
    sizes: tuple[int, ...]
    constants: tuple[NDArray[Any], ...]
    scalars: tuple[Places, ...]
    loads: tuple[Load, ...]
    steps: tuple[Step, ...]
    results: tuple[Places, ...]
    arrays_out: tuple[Places, ...]

    def run(self, *operands: Any) -> tuple[Any, ...]:
        """Compute the results of a call; the reference for the source."""
        buffers = [np.zeros(n, dtype) for n, dtype in zip(self.sizes, self.dtypes, strict=True)]
        for buffer, values in zip(buffers, self.constants, strict=True):
            buffer[: len(values)] = values
        given = iter(operands)
        for places in self.scalars:
            for place in places.index:
                buffers[places.buffer][place] = next(given)
        for load, array in zip(self.loads, given, strict=True):
            flat = array.reshape(-1)
            elements = flat if load.elements is None else flat[load.elements]
            buffers[load.target.buffer][load.target.index] = elements
        for step in self.steps:
            step.run(buffers)
        scalars = [x for places in self.results for x in buffers[places.buffer][places.index]]
        return (*scalars, *(buffers[x.buffer][x.index] for x in self.arrays_out))

    def setup(self, name: str) -> list[str]:
        """Write what is done once: buffers with their constants, views, room for gathers.

        The lines use `np` and the arrays of `arrays(name)`; all names they make start with `name`.
        """
        return self._write(name).setup

    def body(self, name: str, operands: list[str], results: list[str]) -> list[str]:
        """Write what is done in each call, given the names of operands and results."""
        written = self._write(name)
        return [*written.write_operands(operands), *written.body, *written.write_results(results)]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the constants and index arrays which the lines use, by name."""
        return self._write(name).arrays

    def _write(self, name: str) -> ScheduleWriter:
        writer = ScheduleWriter(name, self.dtypes, self.sizes)
        writer.start(self.constants)
        writer.set_interface(self.scalars, self.loads, self.results, self.arrays_out)
        for step in self.steps:
            writer.step(step)
        writer.finish()
        return writer

    def __repr__(self) -> str:
        return f"<{len(self.steps)} steps on {sum(self.sizes)} slots>"


def packed_forward(*operands: Any, schedule: Schedule) -> tuple[Any, ...]:
    """Run a schedule."""
    return schedule.run(*operands)


packed_row: Final = declare_operation(
    "packed",
    packed_forward,
    "packed",
    "Many scalar operations at once, by vector operations in the order of a schedule.",
    params=("schedule",),
    multiple=True,
)
