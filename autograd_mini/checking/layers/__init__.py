"""Layers: objects with `forward` and `backward`, that keep parameters and gradients themselves.

`check_layer` has the public function. `finding` looks for parameters and their gradients, by the
names in `gradients`; `state` keeps and puts back what the layer holds, `widening` makes it float64,
`calls` calls it, and `subject` makes a function of it.
"""

from __future__ import annotations

from .check_layer import layer

__all__ = ["layer"]
