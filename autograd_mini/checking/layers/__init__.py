"""Check layers: objects with `forward` and `backward` that hold their parameters and gradients.

`check_layer` has the public function, and turns the layer into a function. `gradients` calls the
layer, and finds the parameters and their gradients by name. `state` saves, restores and widens
everything that the layer holds.
"""

from __future__ import annotations

from .check_layer import layer

__all__ = ["layer"]
