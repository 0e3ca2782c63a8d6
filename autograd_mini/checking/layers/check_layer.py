"""layer: check an object with `forward` and `backward`, seen as a function of all parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ...core.tensor import Tensor
from ...core.tree import flatten
from ...errors import ArgumentError
from ..adapters.frameworks import frameworks_of, map_leaves
from ..causes import Kind
from ..check import check_subject, match_signature, refuse_settings
from ..examination import Options
from ..inputs import Arrays, Inputs, argument_names, argument_positions, leaf_array, problem
from ..reporting.report import Report
from ..subjects import Handwritten
from .calls import Layer, LayerNetwork, Method, type_name
from .finding import ParameterFinder
from .gradients import Parameter, Spec
from .state import LayerState, is_narrow, widen, widen_value


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


def layer(
    layer: Any,
    *inputs: object,
    parameters: Sequence[str] | None = None,
    gradients: Mapping[str, Spec] | None = None,
    forward: Method = "forward",
    backward: Method = "backward",
    learning_rate: float | None = None,
    argnums: int | Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    seed: int = 0,
    coverage: Literal["auto", "full", "projections"] = "auto",
    progress: bool | None = None,
    keep_dtype: bool = False,
    raises: bool = True,
) -> Report:
    """Check the gradients that `backward` of a layer gives for its inputs and all parameters.

    Each parameter is matched with its gradient by name: `W` with `dW`, `grads["W"]`, `W.grad`,
    `W_grad`, and other names from courses and books. A list of layers is a network: `forward` runs
    in order, `backward` in reverse. Before each call the layer is restored, so running statistics,
    caches, accumulated gradients and random numbers are the same each time. After the check the
    layer is in its original state.

    Args:
        layer: an object with `forward` and `backward`, or a list of them.
        inputs: the inputs of `forward`, arrays or numbers. Integers and other values are passed on.
        parameters: names of the parameters to check; by default all that `forward` depends on, and
            all that have a gradient.
        gradients: where to find a gradient that has an unusual name: `{"W": "dW"}`,
            `{"W": "grads[0]"}`, the position in the result of `backward`, or a function of the
            layer.
        forward: the name of the method, or a function of the layer and the inputs.
        backward: the name of the method, or a function of the layer and the cotangent.
        learning_rate: for a `backward(g, learning_rate)` that updates the parameters. The gradient
            is the decrease of a parameter, divided by the learning rate.
        argnums: which inputs are differentiated; by default all floating-point inputs; `()` for
            none.
        names: names of the inputs; by default the parameter names of `forward`.
        rtol, atol, step, seed, coverage, progress, keep_dtype, raises: see `gradcheck`.

    Raises:
        GradcheckError: if a gradient is wrong or cannot be resolved; `.report` has the details.
        ArgumentError: if there is no `backward`, or a parameter has no gradient.

    >>> import numpy as np
    >>> from autograd_mini.checking import layer
    >>> class Linear:
    ...     def __init__(self, W, b):
    ...         self.W, self.b = W, b
    ...
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.W + self.b
    ...
    ...     def backward(self, g):
    ...         self.dW, self.db = self.x.T @ g, g.sum(0)
    ...         return g @ self.W.T
    >>> rng = np.random.default_rng(0)
    >>> linear = Linear(rng.normal(size=(3, 2)), rng.normal(size=2))
    >>> print(layer(linear, rng.normal(size=(4, 3))))
    gradcheck of Linear(x, W, b): ok, 20 entries checked (rtol 1e-06)
    ...
    """
    __tracebackhide__ = True  # pytest shows the test's line and the report
    refuse_settings(rtol=rtol, atol=atol, step=step, seed=seed)
    several = isinstance(layer, (list, tuple))
    owners = list(layer) if several else [layer]
    _refuse_others(owners, inputs)
    network = LayerNetwork([Layer(x, forward, backward, learning_rate) for x in owners])
    match_signature(network.layers[0].run, inputs)
    path = "layers" if several else ""
    options = Options(rtol, atol, step, seed, coverage, progress)
    specs = dict(gradients or {})
    before = LayerState(layer, path)

    def subject(keep: bool) -> LayerSubject:
        xs = _copy_inputs(inputs, keep)
        finder = ParameterFinder(network, layer, LayerState(layer, path), xs, specs)
        return _make_subject(finder, parameters, argnums, names, keep)

    try:
        if not keep_dtype:
            widen(before)
        checked = subject(keep_dtype)
        if not keep_dtype and not checked.runs_wide():
            before.restore()
            checked = subject(True)
        report = check_subject(checked, options)
        if not checked.state.draws and checked.state.has_drawn():  # not at the point, but near it
            checked.state.draws = True
            checked.state.restore()
            report = check_subject(checked, options)
    finally:
        before.restore()
    return report.raise_unless_ok() if raises else report


def _refuse_others(owners: Sequence[object], inputs: Sequence[object]) -> None:
    """Refuse anything other than layers of NumPy arrays.

    Raises:
        ArgumentError: for an empty list, a class, or tensors of another framework.
    """
    if not owners:
        raise ArgumentError("layer: the list of layers is empty")
    for owner in owners:
        if isinstance(owner, type):
            name = owner.__name__
            raise ArgumentError(f"layer: {name} is a class; give an object of it, {name}(...)")
    for x in flatten(list(inputs))[0]:
        if frameworks_of(x):
            raise ArgumentError(
                f"layer: layers are checked with NumPy's arrays, got {type(x).__name__}; functions "
                "and modules of PyTorch, JAX and TensorFlow are checked by am.gradcheck(f, x)"
            )


def _make_subject(
    finder: ParameterFinder,
    wanted: Sequence[str] | None,
    argnums: int | Sequence[int] | None,
    names: Sequence[str] | None,
    keep: bool,
) -> LayerSubject:
    """Find the parameters, and return the layer as a function of its inputs and parameters."""
    network, xs = finder.network, finder.xs
    first = network.layers[0]
    first.names = written = argument_names(first.run, len(xs), names)
    first.by_position = any(isinstance(finder.specs.get(n), int) for n in written)
    parameters = finder.parameters(wanted, written)
    finder.clear(parameters)
    count = len(xs)
    moving = [*sorted(argument_positions(argnums, count)), *range(count, count + len(parameters))]
    arguments = [*xs, *(p.value for p in parameters)]
    inputs = Inputs(arguments, [*written, *(p.name for p in parameters)], moving, keep)
    several = isinstance(finder.root, (list, tuple))
    name = "network" if several else type_name(finder.root)
    return LayerSubject(name, finder, inputs, parameters)


def _copy_inputs(inputs: Sequence[object], keep: bool) -> list[object]:
    """Copy the inputs, in double precision unless their dtypes are kept."""

    def copy_value(x: np.ndarray) -> np.ndarray:
        if isinstance(x, Tensor):
            x = leaf_array(x)
        if isinstance(x, (np.ndarray, np.generic)):
            return np.array(x if keep else widen_value(x))[()]
        return x

    return map_leaves(copy_value, inputs)
