"""A layer, or a list of layers, as a subject: a function of its inputs and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.tree import flatten
from ..causes import Kind
from ..handwritten import Handwritten
from ..inputs import Arrays, Inputs, leaf_array, problem
from .finding import ParameterFinder
from .gradients import Parameter, Spec
from .state import LayerState, is_narrow


class LayerSubject(Handwritten):
    """A layer as a function of its inputs and parameters, with the gradients of `backward`."""

    what = "backward"
    unsteady = (
        "forward gives another result when it is called again, with the same state: it draws "
        "random numbers from a generator that is not the layer's; keep it in the layer (self.rng = "
        "np.random.default_rng(0)), or give forward= a function that seeds it"
    )

    def __init__(
        self, name: str, finder: ParameterFinder, inputs: Inputs, parameters: Sequence[Parameter]
    ) -> None:
        super().__init__(finder.network.forward, None, inputs)
        self.title, self.network, self.finder = name, finder.network, finder
        self.parameters = list(parameters)
        self.count = len(inputs) - len(self.parameters)
        self.state = LayerState(finder.root, finder.state.path)
        self.state.draws = finder.draws

    @property
    def name(self) -> str:
        """The class of the layer."""
        return self.title

    def call(self, values: Arrays) -> Any:
        """Restore the layer, set the parameters, and call `forward` with the inputs.

        Raises:
            Problem: if `forward` changes a parameter.
        """
        arguments = self.inputs.fill_arguments(values)
        self.state.restore()
        given = arguments[self.count :]
        for parameter, value in zip(self.parameters, given, strict=True):
            parameter.write(value)
        y = self.network.forward(arguments[: self.count])
        cure = "; if it is state, name those to check: parameters=[...]"
        self._require_unchanged(given, "forward", cure)
        return y

    def _require_unchanged(self, given: Sequence[Any], what: str, cure: str) -> None:
        """Refuse a layer that changes its own parameters.

        Raises:
            Problem: in that case.
        """
        for parameter, value in zip(self.parameters, given, strict=True):
            if not np.array_equal(parameter.read(), value, equal_nan=True):
                text = f"{what} changed {parameter.name} itself{cure}"
                raise problem(Kind.MUTATION, text, parameter.name)

    def weights(self, outputs: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw a cotangent; use 1 for a loss whose `backward` needs none."""
        self.takes_cotangent = not self.network.starts_alone(self.results)
        drawn = super().weights(outputs, generator)
        return drawn if self.takes_cotangent else [np.ones_like(g) for g in drawn]

    def pull_back(self, values: Arrays, weights: Arrays) -> list[Any]:
        """Call `forward` and `backward`, and collect the gradients."""
        given = self.inputs.fill_arguments(values)[self.count :]
        g = flatten(self.call(values))[1](weights)
        rate = self.network.layers[0].rate
        found = self.network.backward(g, self.count, not self.takes_cotangent)
        if rate is None:
            cure = ", as an update does: give learning_rate= if it takes one"
            self._require_unchanged(given, "backward", cure)
            gradients = [self.finder.gradient(p) for p in self.parameters]
        else:
            rows = zip(self.parameters, given, strict=True)
            gradients = [(value - np.asarray(p.read())) / rate for p, value in rows]
        return self.pick_gradients((*self._of_inputs(found), *gradients))

    def _of_inputs(self, found: Sequence[object]) -> list[object]:
        """Return the gradients of the inputs.

        Raises:
            Problem: if a differentiated input has no gradient.
        """
        names = self.inputs.arguments[: self.count]
        specs: dict[str, Spec] = self.finder.specs
        rows = zip(found, names, strict=True)
        gradients = [self.finder.named_gradient(specs[n]) if n in specs else g for g, n in rows]
        for i, name in enumerate(names):
            if i in self.inputs.moving and gradients[i] is None:
                text = (
                    f"backward returned no gradient of {name}; return it, or check the parameters "
                    "alone by argnums=()"
                )
                raise problem(Kind.SHAPE, text, name)
        return gradients

    def runs_wide(self) -> bool:
        """Does everything run in double precision?"""
        if any(is_narrow(p.value) for p in self.parameters):
            return False
        values = self.inputs.values(self.inputs.arrays)
        try:
            y = flatten(self.call(values))[0]
            outputs = [np.asarray(leaf_array(x)) for x in y]
            self.takes_cotangent = not self.network.starts_alone(outputs)
            found = self.pull_back(values, [np.ones(x.shape)[()] for x in outputs])
        except Exception:  # the layer may only accept narrow dtypes
            return False
        return not any(is_narrow(np.asarray(g)) for g in found) or any(map(is_narrow, outputs))
