"""The view of a scalar graph that learners know: boxes `name | data | grad`, circles between them.

The gradient is the derivative of the output with respect to that tensor. It is computed when the
picture is drawn, so intermediate tensors have one, too, and no call of `backward` is needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..backward_pass import compute_gradients, find_stale, gradient_notes
from ..errors import PictureError
from ..picture import Cell, Direction, Picture, Role
from ..reading import Key, all_scalar, has_values, key, operands
from ..texts import (
    COMMUTATIVE,
    NUMBERS,
    clean_text,
    format_number,
    format_shape,
    operation_label,
    operation_tooltip,
)
from ..wording.language import label_of, say
from .builder import Builder, Tensors, default_title
from .outline import Outline
from .scopes import Part, Source

MOST_OPERATIONS = 60
"""A larger graph of scalars is drawn as operations."""


def suits_scalar_view(graph: Graph) -> bool:
    """Return whether this view is the default for a graph: small, and every tensor 0-d."""
    return 0 < len(graph) <= MOST_OPERATIONS and all_scalar(graph) and has_values(graph)


def scalar_picture(
    graph: Graph, *, limit: int | None, direction: Direction, title: str | None
) -> Picture:
    """Draw a graph of 0-d tensors with their values and gradients.

    Raises:
        PictureError: if a tensor has axes, or the graph holds no values.
    """
    refuse_other_scalars(graph)
    outline = Outline(graph, None if limit is None else 3 * limit, fold=False)
    return ScalarView(outline, title or default_title(graph), direction).picture()


def refuse_other_scalars(graph: Graph) -> None:
    """Refuse graphs that this view cannot show.

    Raises:
        PictureError: if a tensor has axes, or the graph holds no values.
    """
    if not has_values(graph):
        raise PictureError(
            "view='scalars' shows values and gradients, and the graph of a compiled program holds "
            "none; use view='operations', or draw what the function returns before it is compiled"
        )
    if not all_scalar(graph):
        raise PictureError(
            "view='scalars' draws only graphs of 0-d tensors, but this graph has tensors with "
            "axes; use view='operations', or index single elements first"
        )


class ScalarView:
    """Draws the picture, in the order of the operations."""

    def __init__(self, outline: Outline, title: str, direction: Direction) -> None:
        self.outline = outline
        self.builder = Builder(outline, title, direction)
        self.builder.picture.ranksep = 0.25
        stale = find_stale(outline.graph) is not None
        self.gradients = None if stale else compute_gradients(outline.graph)
        self.builder.notes += gradient_notes(outline.graph)
        self.outputs = {key(y) for y in outline.graph.outputs}
        self.names = {key(y): y.name for y in outline.graph.outputs}
        self.boxes: dict[Key, str] = {}

    def picture(self) -> Picture:
        """Return the picture."""
        for operation in self.outline.graph.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and x.name:
                    self.names[key(x)] = x.name
        for part in self.outline.parts:
            if part.kind == "earlier":
                self.add_earlier(part)
            else:
                self._add_operation(part)
        for y in self.outline.graph.outputs:
            if y.is_leaf:
                self._add_leaf_output(y)
        self.add_more_outputs()
        return self.builder.finish()

    def add_earlier(self, part: Part) -> None:
        """Add one box for the operations that are left out, and the arrows to it."""
        listed = {key(x) for x in self.outline.listed_leaves(part)}
        outside = {
            key(x): x
            for operation in part.operations
            for x in operands(operation)
            if isinstance(x, Tensor) and self.outline.part_of(x) is not part
        }
        tails = [
            self.boxes.get(name) or self._ensure_leaf(x, None)
            for name, x in outside.items()
            if name not in listed
        ]
        box = self.builder.add_earlier(part)
        for tail in dict.fromkeys(tails):
            self.builder.add_arrow(tail, box)
        for operation in part.operations:
            for y in operation.outputs:
                self.boxes[key(y)] = box

    def add_more_outputs(self) -> None:
        """Add the box that counts the left-out outputs, and the arrows to it."""
        parts = [(self.outline.part_of(y), y) for y in self.outline.graph.outputs]
        hidden = [y for part, y in parts if part is not None and part.kind == "earlier"]
        if hidden:
            box = self.builder.add_more_outputs(hidden)
            for tail in dict.fromkeys(self.boxes[key(y)] for y in hidden):
                self.builder.add_arrow(tail, box)

    def _add_operation(self, part: Part) -> None:
        """Add an operation's leaves, its circle, its results, and the arrows between them."""
        (operation,) = part.operations
        tails = [
            self.boxes.get(key(x)) or self._ensure_leaf(x, part)
            for x in operands(operation)
            if isinstance(x, Tensor)
        ]
        tooltip = operation_tooltip(operation)
        circle = self.builder.add_box(
            "scalar_operation",
            operation_label(operation),
            tooltip=tooltip,
            inside=part.around,
            ordered=operation.type not in COMMUTATIVE,
        )
        for tail in tails:
            self.builder.add_arrow(tail, circle)
        for y in operation.outputs:
            role: Role = "output" if key(y) in self.outputs else "tensor"
            cells = self.cells(y)
            identities: Tensors = (("output", key(y)),) if role == "output" else ()
            box = self.builder.add_box(
                role, cells=cells, tooltip=tooltip, inside=part.around, tensors=identities
            )
            self.boxes[key(y)] = box
            self.builder.add_arrow(circle, box, output=y.index)

    def _ensure_leaf(self, tensor: Tensor, part: Part | None) -> str:
        """Return the box of a leaf; add it if it is missing."""
        if key(tensor) not in self.boxes:
            role = Source(tensor, []).role
            inside = part.around if part and role == "parameter" else None
            tooltip = self.builder.leaf_tooltip(tensor)
            cells = self.cells(tensor)
            self.boxes[key(tensor)] = self.builder.add_box(
                role, cells=cells, tooltip=tooltip, inside=inside, tensors=((role, key(tensor)),)
            )
        return self.boxes[key(tensor)]

    def _add_leaf_output(self, y: Tensor) -> None:
        """Add the output box of a leaf that is an output; its gradient is in the leaf's box."""
        name = self.names.get(key(y)) or y.name
        fields = [Cell(clean_text(label_of(name)), "name")] if name else []
        cells = (*fields, number_cell("data", y.data))
        tail = self._ensure_leaf(y, None)
        box = self.builder.add_box("output", cells=cells, tensors=(("output", key(y)),))
        self.builder.add_arrow(tail, box)

    def cells(self, tensor: Tensor) -> tuple[Cell, ...]:
        """Return the fields of a tensor's box."""
        name = self.names.get(key(tensor)) or tensor.name
        fields = [Cell(clean_text(label_of(name)), "name")] if name else []
        fields.append(number_cell("data", tensor.data))
        if self.builder.is_marked_changed(tensor):
            fields.append(Cell(say("changed"), "changed"))
        if self.gradients is not None and tensor.requires_grad:
            gradient = self.gradients.get(key(tensor), 0.0)
            fields.append(_with_accumulated(number_cell("grad", gradient), tensor))
        return tuple(fields)


def _with_accumulated(cell: Cell, tensor: Tensor) -> Cell:
    """Return the field of a gradient, with the content of `.grad` if that is another number.

    Calls of backward() add up in `.grad`; the picture shows the derivative of its output.
    """
    if not isinstance(tensor.grad, np.ndarray | np.generic):
        return cell
    held = _format_gradient(tensor.grad)
    return cell if cell.text == f"grad {held}" else Cell(f"{cell.text}, .grad {held}", cell.kind)


def _format_gradient(held: Any) -> str:
    """Write the content of `.grad` in few words; users may assign anything to it."""
    if held.dtype.kind not in NUMBERS:
        return str(held.dtype)
    return format_shape(held) if held.ndim else format_number(held)


def number_cell(label: str, value: Any) -> Cell:
    """Return a field with a number; NaN and infinity have another look."""
    text = f"{label} {format_number(value)}"
    if np.isfinite(value):
        return Cell(text, "gradient" if label == "grad" else "data")
    return Cell(text, "nonfinite")
