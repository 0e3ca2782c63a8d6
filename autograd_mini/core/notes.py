"""Notes on a few vertices, kept beside the graph: hooks, and the lines where they were recorded.

A slot in each tensor would cost every graph memory for what few graphs have. A note goes when its
vertex does.
"""

from __future__ import annotations

import weakref
from typing import Any, Final


class Notes(dict[int, Any]):
    """A value for the serial of a vertex, forgotten with the vertex.

    Attributes:
        leaf_changes: how often something was noted for a leaf or taken away, for those who have
            made something of the notes.
    """

    leaf_changes = 0

    def attach(self, vertex: Any, value: Any) -> None:
        """Note a value for a tensor or a multi-output record."""
        if vertex.serial not in self:
            weakref.finalize(vertex, self.pop, vertex.serial, None).atexit = False
        self[vertex.serial] = value


hooks: Final = Notes()
"""Functions of a cotangent: serial → {key: (index of the output, function)}."""

lines: Final = Notes()
"""Source lines that `debug` noted: serial → "file.py:12"."""
