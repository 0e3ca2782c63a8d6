"""Find the parameters of a layer, and where it stores their gradients, by running it once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.tree import flatten
from ...errors import ArgumentError
from ..adapters.frameworks import map_leaves
from ..subjects import output_arrays
from .calls import Layer, LayerNetwork
from .gradients import (
    INPUTS,
    Parameter,
    Spec,
    find_candidates,
    find_gradients,
    find_in_dict,
    follow_path,
    is_numeric,
    names_of,
    readable_values,
    write_place,
)
from .state import LayerState, StatePlace

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
    def forward(self) -> list[Any] | None:
        """Call `forward` twice at the point; return the results, or None if they differ."""
        self.state.restore()
        first = output_arrays(self.network.forward(self._fresh_inputs()))
        self.state.restore()
        again = output_arrays(self.network.forward(self._fresh_inputs()))
        same = len(first) == len(again) and all(map(np.array_equal, first, again))
        return again if same else None

    def _fresh_inputs(self) -> list[Any]:
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

    def result(self) -> list[Any] | None:
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

    def _last_returned(self) -> Any:
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

    def _holder(self, place: StatePlace) -> Any:
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

    def gradient(self, parameter: Parameter) -> Any:
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


def _same_results(a: list[Any] | None, b: list[Any] | None) -> bool:
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
