"""`difference`: two graphs in one picture, before a change and after it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from autograd_mini.core.arrays import is_foreign
from autograd_mini.core.graph import Graph, as_graph
from autograd_mini.core.tensor import Tensor, leaf
from autograd_mini.errors import AutogradError

from ..drawing import Drawing, find_graph, refuse_unknown_options
from ..errors import PictureError
from ..formats import check_path
from ..graphs.scopes import Open
from ..output.layout import Engine
from ..picture import Change, Direction, Picture
from ..style import ThemeName
from ..theme import Theme

NO_INPUTS: Final = "inputs= is for functions and models"


class Difference(Drawing):
    """The drawing of a difference, with its numbers.

    Attributes:
        operations: how many operations are "same", "changed", "new" and "gone".
        tensors: how many inputs, parameters and outputs are.
        arrows: how many operands are: an operand that is another one is one new and one gone.
    """

    def __init__(
        self,
        picture: Picture,
        engine: Engine,
        theme: ThemeName,
        facts: Callable[[], Any],
        counts: tuple[dict[Change, int], dict[Change, int], dict[Change, int]],
    ) -> None:
        super().__init__(picture, engine, theme, facts)
        self.operations, self.tensors, self.arrows = counts

    @property
    def same(self) -> bool:
        """Is nothing changed, new or gone, neither operation nor tensor nor arrow?"""
        found = (self.operations, self.tensors, self.arrows)
        return not any(n for counts in found for change, n in counts.items() if change != "same")

    def __repr__(self) -> str:
        found = (self.operations, self.tensors, self.arrows)
        names = ("operations", "tensors", "arrows")
        listed = (f"{what} {_list_counts(x)}" for what, x in zip(names, found, strict=True))
        return f"<Difference: {'; '.join(listed)}>"


def _list_counts(counts: dict[Change, int]) -> str:
    """Write the counts that are not 0."""
    return ", ".join(f"{n} {change}" for change, n in counts.items() if n) or "none"


def difference(
    first: object,
    second: object,
    path: str | os.PathLike[str] | None = None,
    *,
    inputs: Any = None,
    values: bool | None = None,
    direction: Direction | None = None,
    limit: int | None = 40,
    title: str | None = None,
    open: Open = None,
    engine: Engine = "graphviz-pure",
    theme: ThemeName | None = None,
    format: str | None = None,
) -> Difference:
    """Draw two graphs as one: what is the same grey, changed blue, new green, gone red.

    What is the same has equal primitive, parameters, shapes, types, scope and name, and equal
    numbers where they are compared. Marks (+, −, ≠) and lines tell it without colours, too.

    Args:
        first: what is compared: a tensor or several, a `Graph`, a compiled function or a `Program`
            (`step.recorded` is the one before the passes), a model, or a function of arrays.
        second: what it is compared with.
        path: a file to write; its suffix names the format, as in `render`.
        inputs: the arguments of functions and models: an array or tensor, a tuple of them, or a
            dict by name. A network of dense layers needs none, only its parameters are compared.
        values: whether numbers are compared, too. By default those of inputs, parameters and
            outputs are, and those between them if all operations match; otherwise nearly all that
            follows would be changed. A program holds no numbers.
        direction: "TB" or "LR".
        limit: about how many boxes to draw at most, None for all.
        title: read aloud by screen readers.
        open: scopes to show open, as in `draw`.
        engine: the layout program, "graphviz-pure" or the system's "dot".
        theme: "auto", "light", "dark" or "print".
        format: of the file, where the suffix does not say it.

    Returns:
        a drawing, with the numbers of operations, tensors and arrows that are the same, changed,
        new and gone.

    Raises:
        PictureError: if a subject has no graph, or a function or model lacks inputs.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0], name="x")
    >>> difference(np.tanh(x).sum(), np.tanh(np.exp(x)).sum())
    <Difference: operations 2 same, 1 new; tensors 1 same, 1 changed; arrows 2 same, 2 new, 1 gone>
    """
    refuse_unknown_options(None, direction, limit, engine, theme)
    if isinstance(theme, Theme):
        raise PictureError(
            "theme: a difference keeps its four colours, so that they mean the same everywhere; "
            "give 'auto', 'light', 'dark' or 'print'"
        )
    if path is not None and check_path(path, format)[1] == "html":
        raise PictureError(
            f"a difference has no page; write {os.fspath(path)!r} as .svg, not .html"
        )
    from .union import unite_graphs
    from .view import (
        count_arrows,
        count_operations,
        count_tensors,
        difference_facts,
        difference_picture,
    )

    given = _Inputs(inputs)
    graphs = [_graph_of(x, given, which) for which, x in (("first", first), ("second", second))]
    given.refuse_unused()
    union = unite_graphs(*graphs, values=values, results=not given.made_up)
    picture, view = difference_picture(union, limit, direction or "TB", title, open)
    drawing = Difference(
        picture,
        engine,
        theme or "auto",
        lambda: difference_facts(union, view),
        (count_operations(union), count_tensors(union), count_arrows(union)),
    )
    if path is not None:
        drawing.save(path, format=format)
    return drawing


class _Inputs:
    """The arguments of the functions and models that are compared, one tensor for both."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.used = False
        self.made_up = False
        self._tensors: dict[Any, Any] = {}

    def refuse_unused(self) -> None:
        """Refuse inputs that neither subject takes."""
        if self.given is not None and not self.used:
            raise PictureError(f"{NO_INPUTS}; both subjects have a graph already, so leave it out")

    def call(self, function: Callable[..., object], which: str) -> object:
        """Call a function or model with the inputs."""
        self.used = True
        if self.given is None:
            raise PictureError(
                f"the {which} subject, {_describe(function)}, has to be called to have a graph; "
                "pass its arguments, as viz.difference(f, g, inputs=(x, y))"
            )
        names = _parameter_names(function)
        if isinstance(self.given, Mapping):
            keywords = {name: self._tensor(name, x, name) for name, x in self.given.items()}
            return _call(function, which, (), keywords)
        given = self.given if isinstance(self.given, tuple) else (self.given,)
        arguments = [
            self._tensor(place, x, names[place] if place < len(names) else None)
            for place, x in enumerate(given)
        ]
        return _call(function, which, arguments, {})

    def call_with_zeros(self, model: Any, width: int) -> object:
        """Call a network with an input that only has the right shape."""
        self.made_up = True
        return model(self._tensor("zeros", np.zeros((1, width)), "x"))

    def _tensor(self, place: Any, x: Any, name: str | None) -> Any:
        """Return an argument; floating-point numbers become a named tensor, the same for both."""
        if isinstance(x, Tensor) or is_foreign(x):
            return x
        if not isinstance(x, (np.ndarray, np.generic, float, complex, list)):
            return x
        value = np.asarray(x)[()]
        if value.dtype.kind not in "fc":
            return x
        return self._tensors.setdefault(place, leaf(value, name=name))


def _call(
    function: Callable[..., object], which: str, arguments: Any, keywords: dict[str, Any]
) -> object:
    """Call a function; an error of arguments that do not fit says how to pass them."""
    try:
        return function(*arguments, **keywords)
    except AutogradError:
        raise
    except TypeError as error:
        raise PictureError(
            f"the {which} subject, {_describe(function)}, does not take these inputs: {error}; "
            "pass a tuple of its arguments, or a dict by name"
        ) from error


def _parameter_names(function: Any) -> list[str]:
    """Return the names of the positional parameters of a function or of a model's `forward`."""
    try:
        parameters = inspect.signature(getattr(function, "forward", function)).parameters
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, x in parameters.items() if x.kind in kinds]


def _graph_of(subject: Any, inputs: _Inputs, which: str) -> Graph:
    """Return the graph of a subject; call it for one if it is a function or a model."""
    if isinstance(subject, BaseException) or type(subject).__name__ == "Explanation":
        raise PictureError(
            f"the {which} subject is the {type(subject).__name__} {subject!s:.40}; compare graphs: "
            "tensors, models, functions or compiled functions"
        )
    known = _known_graph(subject, inputs)
    if known is not None:
        return known
    if not callable(subject):
        raise PictureError(
            f"the {which} subject, {_describe(subject)}, has no graph; expected a tensor, several, "
            "a Graph, a model, a function, a compiled function or a Program"
        )
    made = None
    if inputs.given is None and hasattr(subject, "named_parameters"):
        width = _input_width(subject)
        made = None if width is None else inputs.call_with_zeros(subject, width)
    made = inputs.call(subject, which) if made is None else made
    found = find_graph(list(_tensors_in(made)) or made)
    if found is None:
        raise PictureError(
            f"the {which} subject, {_describe(subject)}, returned {_describe(made)}; expected "
            "tensors. It must compute with NumPy functions of its arguments"
        )
    return found


def _known_graph(subject: Any, inputs: _Inputs) -> Graph | None:
    """Return the graph of a subject that need not be called; that of a program, if it was."""
    if as_graph(subject) is None and hasattr(subject, "named_parameters"):
        return None
    return find_graph(subject)


def _tensors_in(made: Any) -> list[Tensor]:
    """Return the tensors of a result: one, or those in tuples, lists and dicts."""
    if isinstance(made, Tensor):
        return [made]
    parts = made.values() if isinstance(made, dict) else made
    if not isinstance(made, (tuple, list, dict)):
        return []
    return [x for part in parts for x in _tensors_in(part)]


def _input_width(model: Any) -> int | None:
    """Return how many inputs a network of dense layers has, None for other models."""
    from ..networks.mlp import read_network

    try:
        return int(read_network(model, None).layers[0].weight.shape[0])
    except (PictureError, AttributeError):
        return None


def _describe(subject: object) -> str:
    """Write a subject for an error: its type, and the start of its text."""
    return f"{type(subject).__name__} {subject!r:.50}"
