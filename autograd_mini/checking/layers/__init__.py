"""Check layers: objects with `forward` and `backward` that hold their parameters and gradients.

`check_layer` has the public function. `finding` finds the parameters and their gradients, by the
names in `gradients`. `state` saves, restores and widens everything that the layer holds. `calls`
calls the layer, and `subject` turns it into a function.
"""

from __future__ import annotations

from .check_layer import layer

__all__ = ["layer"]
