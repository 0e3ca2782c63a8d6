"""What a case is, and how its forms are brought to one: a function of arrays and its vjp.

A case has a function, its right gradient, and three wrong ones. People write gradients in several
forms, and each case keeps the form that is natural for it:

| form | the function returns | a gradient is |
|---|---|---|
| `vjp` | an array | `vjp(g, *inputs)`, a tuple |
| `grad` | a number | `grad(*inputs)`, a tuple |
| `pair` | — | a function that returns `(loss, grads)`, a tuple or a dict by argument name |
| `scipy` | — | a function that returns `(loss, flat gradient)` of its first argument |

A layer, an object with `forward` and `backward`, becomes the form `vjp` by `make_layer_case`. An
input that is not differentiated has None for a gradient.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from autograd_mini.checking.inputs import argument_names

Gradient = Callable[..., Any]
Mistakes = Mapping[str, tuple[Any, tuple[str, ...]]]


@dataclass(frozen=True)
class Case:
    """A function of arrays, its right gradient, and wrong ones that people really write.

    Attributes:
        name: tells the case from all others.
        family: the topic, the name of the module.
        function: returns the value; in the forms `pair` and `scipy` it is `right` itself.
        right: the right gradient.
        wrong: by a description in plain English, the wrong gradient and the words, as regular
            expressions in lower case, of which a diagnosis of the true cause would have one.
        inputs: draws the inputs from a random generator.
        form: `vjp`, `grad`, `pair` or `scipy`, see the module.
        argnums: the inputs that are differentiated; None for all of floating point.
        names: of the inputs, where the signature does not have them.
    """

    name: str
    family: str
    function: Callable[..., Any]
    right: Gradient
    wrong: Mistakes
    inputs: Callable[[np.random.Generator], tuple[Any, ...]]
    form: str = "vjp"
    argnums: tuple[int, ...] | None = None
    names: tuple[str, ...] | None = None

    def draw_inputs(self) -> tuple[Any, ...]:
        """Return the inputs of this case, the same at every call."""
        seed = sum(ord(letter) * (place + 1) for place, letter in enumerate(self.name))
        return self.inputs(np.random.default_rng(seed))

    def list_argnums(self, inputs: tuple[Any, ...]) -> tuple[int, ...]:
        """Return the positions of the inputs that are differentiated."""
        if self.argnums is not None:
            return self.argnums
        return tuple(i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind in "fc")

    def list_names(self) -> tuple[str, ...]:
        """Return the names of the inputs: those of the function's arguments."""
        return self.names or tuple(argument_names(self.function, len(self.draw_inputs()), None))

    def evaluate(self, *inputs: Any) -> Any:
        """Return the value of the function alone, whatever the form."""
        if self.form in ("pair", "scipy"):
            return self.right(*inputs)[0]
        return self.function(*inputs)

    def apply_gradient(self, gradient: Gradient, g: Any, *inputs: Any) -> list[Any]:
        """Return the gradients of the differentiated inputs, each of its input's shape."""
        if self.form == "vjp":
            answer = gradient(g, *inputs)
        elif self.form == "grad":
            answer = gradient(*inputs)
        else:
            answer = gradient(*inputs)[1]
        return [
            (g if self.form != "vjp" else 1) * np.reshape(entry, np.shape(inputs[i]))
            for i, entry in self._pick(answer, inputs)
        ]

    def _pick(self, answer: Any, inputs: tuple[Any, ...]) -> list[tuple[int, Any]]:
        argnums = self.list_argnums(inputs)
        if isinstance(answer, dict):
            return [(i, answer[self.list_names()[i]]) for i in argnums]
        if not isinstance(answer, (tuple, list)):
            return [(argnums[0], answer)]
        return [(i, answer[i]) for i in argnums]


def run_forward(make: Callable[[], Any], names: tuple[str, ...], x: Any, *values: Any) -> Any:
    """Return the layer's result for `x` with these parameters."""
    return _prepare_layer(make, names, values).forward(x)


def run_backward(
    make: Callable[[], Any], names: tuple[str, ...], g: Any, x: Any, *values: Any
) -> tuple[Any, ...]:
    """Return the layer's gradients: of `x`, then those of the parameters from the layer."""
    layer = _prepare_layer(make, names, values)
    layer.forward(x)
    dx = layer.backward(g)
    grads = getattr(layer, "grads", None)
    return (dx, *(getattr(layer, "d" + n) if grads is None else grads[n] for n in names))


def make_layer_case(
    name: str,
    family: str,
    layer: Callable[[], Any],
    parameters: tuple[str, ...],
    wrong: Mistakes,
    inputs: Callable[[np.random.Generator], tuple[Any, ...]],
) -> Case:
    """Return the case of a layer object, whose inputs are `x` and its parameters.

    Args:
        name: of the case.
        family: its topic.
        layer: makes the layer; its parameters are attributes, their gradients are in the dict
            `grads`, or attributes with a `d` before the name.
        parameters: their names.
        wrong: as in a `Case`, but with the class of the wrong layer for its gradient.
        inputs: draws `x` and the parameters.
    """
    return Case(
        name=name,
        family=family,
        function=partial(run_forward, layer, parameters),
        right=partial(run_backward, layer, parameters),
        wrong={
            text: (partial(run_backward, make, parameters), words)
            for text, (make, words) in wrong.items()
        },
        inputs=inputs,
        names=("x", *parameters),
    )


def _prepare_layer(make: Callable[[], Any], names: tuple[str, ...], values: Any) -> Any:
    layer = make()
    for name, value in zip(names, values, strict=True):
        setattr(layer, name, value)
    return layer


def with_mistake(gradient: Gradient, mistake: str) -> Gradient:
    """Return a gradient that makes this one of the mistakes that it knows."""
    return partial(gradient, mistake=mistake)
