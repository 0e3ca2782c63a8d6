"""Check layers: objects with `forward` and `backward` that hold their parameters and gradients.

`check_layer` has the public function, finds the parameters and their gradients by the names in
`gradients`, and turns the layer into a function. `state` saves, restores and widens everything that
the layer holds. `calls` calls the layer.
"""

from __future__ import annotations

from .check_layer import layer

__all__ = ["layer"]
