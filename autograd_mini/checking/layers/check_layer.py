"""layer: check an object with `forward` and `backward`, seen as a function of all parameters.

The parameters of a layer, and where it stores their gradients, are found by running it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...core.tensor import Tensor
from ...core.tree import flatten
from ...errors import ArgumentError
from ..adapters.foreign import frameworks_of, map_leaves
from ..check import check_subject, match_signature, refuse_settings
from ..examination import Options
from ..inputs import Arrays, Inputs, argument_names, argument_positions, leaf_array, problem
from ..report import Kind, Report
from ..subjects import Handwritten, output_arrays
from .gradients import (
    INPUTS,
    Layer,
    LayerNetwork,
    Method,
    Parameter,
    Spec,
    find_candidates,
    find_gradients,
    find_in_dict,
    follow_path,
    is_numeric,
    names_of,
    readable_values,
    type_name,
    write_place,
)
from .state import LayerState, StatePlace, is_narrow, widen, widen_value

if TYPE_CHECKING:
    from ...core.arrays import Array


class ParameterFinder:
    """Runs a layer once, forward and backward, to find its parameters and gradients.

    Attributes:
        specs: where the user says that gradients are.
        left: the arrays that `backward` created.
        draws: whether the layer draws from global random generators.
    """

    def __init__(
        self,
        network: LayerNetwork,
        root: object,
        state: LayerState,
        xs: Sequence[object],
        specs: Mapping[str, Spec],
    ) -> None:
        self.network, self.root, self.state, self.xs = network, root, state, xs
        self.specs = dict(specs)
        self.left, self.draws = "", True

    def parameters(self, names: Sequence[str] | None, inputs: Sequence[str]) -> list[Parameter]:
        """Return the parameters, each with a gradient.

        Args:
            names: names of the wanted parameters; None for all.
            inputs: names of the inputs, which do not count as parameters.

        Raises:
            ArgumentError: for an unknown name, or a parameter without a gradient.
        """
        known = find_candidates(self.state)
        steady = self.forward() is not None
        self._refuse_parameters_made_later(steady)
        kept = {p.key for p in known if not self._was_overwritten(p)}
        self.backward()
        now = LayerState(self.root, self.state.path)
        self.left, self.draws = self._name_left_arrays(now), self.state.has_drawn()
        known = [_drop_unused_places(p, now) for p in known]
        updates = self.network.layers[0].rate is not None
        moved = {p.key for p in known if updates and self._was_overwritten(p)}
        have = {p.key: self._gradients_of(p) for p in known}
        told = {self._find_named(n, known).key: n for n in self.specs if n not in inputs}
        wanted = known if names is None else [self._find_named(n, known) for n in names]
        found = []
        for parameter in wanted:
            key = parameter.key
            if key in told:
                found.append(Parameter(told[key], parameter.places, self.specs[told[key]]))
                continue
            has = key in moved if updates else bool(have[key])
            if names is None and not self._is_parameter_of_layer(
                parameter, has, key in kept, steady
            ):
                continue
            if not updates:
                self._require_gradient(parameter, have[key])
            found.append(parameter)
        for parameter in found:
            if not parameter.can_move:
                text = f"{parameter.name} is read-only; give the layer a copy of it"
                raise ArgumentError(f"layer: {text}")
        return found

    def _refuse_parameters_made_later(self, steady: bool) -> None:
        """Refuse a layer that creates its parameters in its first call.

        Such parameters are new after the first call, unchanged by the second, and affect the
        result.

        Raises:
            ArgumentError: in that case.
        """
        now = LayerState(self.root, self.state.path)
        new = [
            p
            for p in find_candidates(now)
            if id(p.value) in now.saved.keys() - self.state.saved.keys()
        ]
        if not new or not steady:
            return
        now.restore()
        before = self.result()
        left = [p for p in new if p.can_move and p.read() is p.value]
        for parameter in left:
            now.restore()
            parameter.write(_shift_values(parameter.value))
            depends = not _same_results(before, self.result())
            now.restore()
            if depends and parameter.read() is parameter.value:
                raise ArgumentError(
                    f"layer: {parameter.name} is made by the first call of forward; call forward "
                    "once before the check"
                )
        self.forward()

    def _is_parameter_of_layer(
        self, parameter: Parameter, has: bool, kept: bool, steady: bool
    ) -> bool:
        """Is this a parameter: does it have a gradient, or affect the result?"""
        if has and kept:
            return True
        if not has and not (isinstance(parameter.value, np.ndarray) and parameter.can_move):
            return False
        return steady and self._depends_on(parameter)

    def _find_named(self, name: str, known: Sequence[Parameter]) -> Parameter:
        """Return the parameter with a name.

        Raises:
            ArgumentError: if there is none, or more than one.
        """
        for spellings in (lambda p: {p.name}, _all_names):
            found = [p for p in known if name in spellings(p)]
            if len(found) == 1:
                return found[0]
        names = ", ".join(p.name for p in found or known) or "none"
        text = f"{len(found)} parameters are called" if found else "there is no parameter"
        raise ArgumentError(f"layer: {text} {name!r}; arrays and numbers that were seen: {names}")

    # ── calls ─────────────────────────────────────────────────────────────────────────────────
    def forward(self) -> Arrays | None:
        """Call `forward` twice at the point; return the results, or None if they differ."""
        self.state.restore()
        first = output_arrays(self.network.forward(self._fresh_inputs()))
        self.state.restore()
        again = output_arrays(self.network.forward(self._fresh_inputs()))
        same = len(first) == len(again) and all(map(np.array_equal, first, again))
        return again if same else None

    def _fresh_inputs(self) -> list[object]:
        """Copy the inputs, so that a layer never keeps the originals."""
        return map_leaves(lambda x: x.copy() if isinstance(x, np.ndarray) else x, self.xs)

    def backward(self) -> None:
        """Call `forward` and `backward`."""
        self.state.restore()
        y = self.network.forward(self._fresh_inputs())
        leaves, structure = flatten(y)
        generator = np.random.default_rng(0)
        gs = [np.asarray(generator.uniform(0.5, 1.5, np.shape(x)))[()] for x in leaves]
        self.network.backward(structure(gs), len(self.xs), self.network.starts_alone(leaves))

    def _was_overwritten(self, parameter: Parameter) -> bool:
        """Did `forward`, which has just run, put another value in this place?"""
        now = parameter.read()
        before = self.state.saved.get(id(parameter.value), parameter.value)
        return now is not parameter.value or not np.array_equal(now, before, equal_nan=True)

    def _depends_on(self, parameter: Parameter) -> bool:
        """Does the result change with this parameter?"""
        self.state.restore()
        before = self.result()
        self.state.restore()
        parameter.write(_shift_values(parameter.value))
        after = self.result()
        self.state.restore()
        return not _same_results(before, after)

    def result(self) -> Arrays | None:
        """Return the results of a call; None if the layer refuses its numbers."""
        try:
            return output_arrays(self.network.forward(self._fresh_inputs()))
        except Exception:  # the layer may refuse these numbers
            return None

    # ── gradients ─────────────────────────────────────────────────────────────────────────────
    def _gradients_of(self, parameter: Parameter) -> list[StatePlace]:
        """Return the current places of the gradient of a parameter."""
        found = [g for p in parameter.places for g in find_gradients(p, self.state.parents)]
        if isinstance(returned := self._last_returned(), dict):
            for place in parameter.places:
                found += find_in_dict(returned, place.key, "what backward returns")
        return [g for g in found if all(g.value is not p.value for p in parameter.places)]

    def _last_returned(self) -> object:
        """Return the last result of `backward`, if there is a single layer."""
        layers = self.network.layers
        return layers[0].returned if len(layers) == 1 else None

    def _require_gradient(self, parameter: Parameter, found: Sequence[StatePlace]) -> None:
        """Refuse a parameter without a gradient, or with two gradients that differ.

        Raises:
            ArgumentError: then.
        """
        name = parameter.name
        if not found:
            raise ArgumentError(
                f"layer: forward depends on {name}, and backward leaves no gradient of it: it left "
                f"{self.left}. Give gradients={{{name!r}: ...}} with the name, or "
                "parameters=[...] with the names of those to check"
            )
        owners = {id(self._holder(g)): g for g in found if g.value is not found[0].value}
        differ = [g for g in owners.values() if not _same_values(g.value, found[0].value)]
        shared = [g for g in owners.values() if self._holder(g) is not self._holder(found[0])]
        if differ or shared:
            other = (differ or shared)[0]
            raise ArgumentError(
                f"layer: there are two gradients of {name}, {found[0].path} and {other.path}; say "
                f"which it is, or add them: gradients={{{name!r}: lambda layer: ...}}"
            )

    def _holder(self, place: StatePlace) -> object:
        """Return the object that a gradient belongs to; for an item, the owner of its container."""
        owner = place.owner
        while isinstance(owner, (dict, list, tuple)) and id(owner) in self.state.parents:
            owner = self.state.parents[id(owner)].owner
        return owner

    def _name_left_arrays(self, now: LayerState) -> str:
        """List the arrays that `backward` created."""
        before = {p.path: id(p.value) for p in self.state.places}
        numeric = [p for p in now.places if is_numeric(p.value)]
        new = [write_place(p) for p in numeric if before.get(p.path) != id(p.value)]
        return ", ".join(new[:12]) or "nothing"

    # ── before a check ────────────────────────────────────────────────────────────────────────
    def clear(self, parameters: Sequence[Parameter]) -> None:
        """Set all gradients to zero, so that accumulated gradients start from zero."""
        self.state.restore()
        for layer in self.network.layers:
            layer.returned = None
        values = [p.value for p in parameters if isinstance(p.value, np.ndarray)]
        places = [g for p in parameters for g in self._gradients_of(p)]
        for layer in self.network.layers:
            places += _find_input_gradients(layer)
        for place in places:
            value = place.value
            if not isinstance(value, np.ndarray):
                if isinstance(place.owner, (dict, list)) or not _is_property(place):
                    place.write(type(value)(0))
            elif value.flags.writeable and not any(np.may_share_memory(value, v) for v in values):
                value[...] = 0

    def gradient(self, parameter: Parameter) -> object:
        """Return the gradient of a parameter after `backward`."""
        if parameter.spec is not None:
            return self.named_gradient(parameter.spec)
        found = self._gradients_of(parameter)
        return found[0].value if found else None

    def named_gradient(self, spec: Spec) -> Array:
        """Return the gradient at the place that the user named.

        Raises:
            ArgumentError: if there is none.
        """
        if callable(spec):
            return spec(self.root)
        if isinstance(spec, str):
            return follow_path(self.root, spec.removeprefix(self.state.path))
        returned = self._last_returned()
        if not isinstance(returned, (tuple, list)) or not -len(returned) <= spec < len(returned):
            raise ArgumentError(
                f"layer: gradients names position {spec} of the result of backward, which is "
                f"{returned!r:.60}"
            )
        return returned[spec]


def _find_input_gradients(layer: Layer) -> list[StatePlace]:
    """Return the places where a layer stores the gradients of its inputs."""
    holder = readable_values(layer.owner)
    wanted = [*INPUTS, *(n for name in layer.names for n in names_of(name))]
    return [StatePlace(n, layer.owner, n, holder[n]) for n in wanted if is_numeric(holder.get(n))]


def _drop_unused_places(parameter: Parameter, now: LayerState) -> Parameter:
    """Drop the places of a parameter in objects that a call has replaced."""
    places = tuple(p for p in parameter.places if id(p.owner) in now.reached)
    return Parameter(parameter.name, places or parameter.places)


def _shift_values(value: np.ndarray) -> np.ndarray:
    """Return numbers close to those of a parameter."""
    x = np.asarray(value)
    shift = np.random.default_rng(1).uniform(0.5e-3, 1e-3, x.shape)
    return np.where(np.isfinite(x), x * (1 + shift) + shift, x)[()]


def _same_results(a: Arrays | None, b: Arrays | None) -> bool:
    """Did two calls return the same results?"""
    if a is None or b is None or len(a) != len(b):
        return False
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def _is_property(place: StatePlace) -> bool:
    """Is a place a property of its class?"""
    return isinstance(getattr(type(place.owner), str(place.key), None), property)


def _all_names(parameter: Parameter) -> set[str]:
    """Return every name that a parameter may have."""
    keys = {p.key for p in parameter.places if isinstance(p.key, str)}
    return keys | {p.path for p in parameter.places} | {write_place(p) for p in parameter.places}


def _same_values(a: np.ndarray, b: np.ndarray) -> bool:
    """Do two gradients hold the same numbers?"""
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True)


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

    def call(self, values: Arrays) -> object:
        """Restore the layer, set the parameters, and call `forward` with the inputs.

        Raises:
            Problem: if `forward` changes a parameter.
        """
        arguments: list[Any] = self.inputs.fill_arguments(values)
        self.state.restore()
        given = arguments[self.count :]
        for parameter, value in zip(self.parameters, given, strict=True):
            parameter.write(value)
        y = self.network.forward(arguments[: self.count])
        cure = "; if it is state, name those to check: parameters=[...]"
        self._require_unchanged(given, "forward", cure)
        return y

    def _require_unchanged(self, given: Arrays, what: str, cure: str) -> None:
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

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
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
    layer: object,
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
    owners = list(layer) if isinstance(layer, (list, tuple)) else [layer]
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

    def copy_value(x: object) -> object:
        if isinstance(x, Tensor):
            x = leaf_array(x)
        if isinstance(x, (np.ndarray, np.generic)):
            return np.array(x if keep else widen_value(x))[()]
        return x

    return map_leaves(copy_value, inputs)
