"""Picture: boxes, arrows and clusters, without positions and colours.

Every view of a graph or a network makes one `Picture`, and the writers of files (DOT, SVG, PNG)
read only that. The role of a box says what it stands for; `style` says how each role looks.
Characters that XML forbids are replaced here, so that every format can hold every text.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Literal

from autograd_mini.core.visible import replace_hidden

Role = Literal[
    "input",
    "parameter",
    "operation",
    "gradient",
    "update",
    "updated",
    "gradient_value",
    "scalar_operation",
    "scope",
    "gradient_scope",
    "update_scope",
    "output",
    "failed",
    "error",
    "tensor",
    "earlier",
    "feature",
    "neuron",
    "prediction",
    "bias",
    "dot",
    "heading",
    "legend",
    "anchor",
    "scale",
    "input_name",
    "class_name",
    "entry",
    "exit",
]
OPERATIONS: Final[frozenset[Role]] = frozenset({"operation", "gradient", "update"})
"""The roles of one operation: in the forward, the backward, and the step of an optimizer."""
SCOPES: Final[frozenset[Role]] = frozenset({"scope", "gradient_scope", "update_scope"})
"""The roles of a folded scope, in the same three phases."""
BESIDE: Final[frozenset[Role]] = frozenset(
    {"heading", "anchor", "legend", "scale", "input_name", "class_name"}
)
"""The roles of headings, names beside neurons, and legends, which are not boxes of the graph."""
PORTS: Final[frozenset[Role]] = frozenset({"entry", "exit"})
"""The points where arrows enter and leave the picture of one scope."""
Direction = Literal["TB", "LR"]
Change = Literal["same", "changed", "new", "gone"]
"""How a thing of two graphs compares."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a box that shows several values side by side: `name | data | grad`."""

    text: str
    kind: Literal["name", "data", "gradient", "nonfinite", "changed"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", replace_hidden(self.text))


@dataclass(frozen=True, slots=True)
class Box:
    """One vertex of a picture.

    Attributes:
        id: `n0`, `n1`… in order of creation.
        role: what the box stands for.
        lines: the label, unless there are `cells`.
        cells: the fields of a label with several values.
        tooltip: what the label leaves out.
        cluster: the id of the cluster around the box.
        position: the centre in points, if the view computes positions itself.
        ordered: whether the order of the incoming arrows matters.
        fill: a hexadecimal colour with opacity, if a value decides it; the role's by default.
        bars: heights of a small histogram below the label, from 0 to 1.
        swatches: the colours that a legend explains.
        copy_of: the id of the first box of the same tensor, if this is a further one.
        tensors: role and identity of each tensor that the box shows, counts or lists, so that the
            description of a picture counts each tensor once.
        first: whether a thick border says "look here first".
        lit: whether it lies on the path that is explained.
        change: in the difference of two graphs, how it compares.
        looks: the roles that a legend explains, one for each line, with the look of their boxes.
        width: in points, if the text is set at a side of a given width.
    """

    id: str
    role: Role
    lines: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    tooltip: str = ""
    cluster: str | None = None
    position: Point | None = None
    ordered: bool = False
    fill: str | None = None
    bars: tuple[float, ...] = ()
    swatches: tuple[str, ...] = ()
    copy_of: str | None = None
    tensors: tuple[tuple[Role, Hashable], ...] = ()
    first: bool = False
    lit: bool = False
    change: Change | Literal[""] = ""
    looks: tuple[Role, ...] = ()
    width: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(map(replace_hidden, self.lines)))
        object.__setattr__(self, "tooltip", replace_hidden(self.tooltip))

    @property
    def words(self) -> str:
        """The label as one line of text."""
        return " ".join(self.lines) or " ".join(cell.text for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Arrow:
    """One edge of a picture; a weight has a colour, a width and no head.

    Attributes:
        tail: the id of the box where it starts.
        head: the id of the box where it ends.
        label: shape, name, or index of the output.
        colour: a hexadecimal colour with opacity, if a value decides it.
        width: in points, if a value decides it.
        backward: whether it carries a cotangent, against the direction of the picture.
        output: the index of the result that it carries, if its tail has several results.
        count: how many operands it stands for.
        operand: the place of the operand, "1st" or "2nd", if the order matters.
        carries: the identity of each tensor that it stands for.
        lit: "failed" if it leads to the operation that raised an error, "path" if it lies on the
            path that is explained.
        change: in the difference of two graphs, whose operand it is.
    """

    tail: str
    head: str
    label: str = ""
    tooltip: str = ""
    colour: str | None = None
    width: float | None = None
    backward: bool = False
    output: int = 0
    count: int = 1
    operand: str = ""
    lit: Literal["", "failed", "path"] = ""
    change: Change | Literal[""] = ""
    carries: tuple[Hashable, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", replace_hidden(self.label))
        object.__setattr__(self, "tooltip", replace_hidden(self.tooltip))


@dataclass(frozen=True, slots=True)
class Loop:
    """What a box of several alike rounds passes from each round to the next one.

    Attributes:
        box: the id of the box.
        label: names and shapes.
    """

    box: str
    label: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", replace_hidden(self.label))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A scope that is drawn open, around the boxes and clusters inside it."""

    id: str
    caption: str
    parent: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", replace_hidden(self.caption))


@dataclass(slots=True)
class Picture:
    """Everything that is drawn.

    Attributes:
        title: one line, which screen readers read aloud.
        direction: where the arrows point, to the bottom or to the right.
        ranksep: the distance between ranks, in inches.
        boxes: in order of creation.
        arrows: the operands of one operation stand together, in order.
        clusters: outer ones before inner ones.
        ties: pairs of boxes that stand side by side, the second after the first.
        caption: the author's text below the picture.
        loops: what boxes of several rounds pass from round to round; no arrows of the graph.
        lifted: leaves that stand above their user, since the layout program puts them at the wrong
            side of it.
    """

    title: str
    direction: Direction = "TB"
    ranksep: float = 0.4
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    ties: list[tuple[str, str]] = field(default_factory=list)
    caption: str = ""
    loops: list[Loop] = field(default_factory=list)
    lifted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.title = replace_hidden(self.title)
        self.caption = replace_hidden(self.caption)

    @property
    def placed(self) -> bool:
        """Return whether the view computed the positions itself."""
        return any(box.position is not None for box in self.boxes)

    def next_id(self) -> str:
        """Return the id of the box that is added next."""
        return f"n{len(self.boxes)}"

    def texts(self) -> list[str]:
        """Return every text that is drawn, tooltips left out."""
        shown = [line for box in self.boxes for line in box.lines]
        shown += [cell.text for box in self.boxes for cell in box.cells]
        shown += [arrow.label for arrow in self.arrows]
        shown += [loop.label for loop in self.loops]
        return [*shown, *(cluster.caption for cluster in self.clusters), self.caption]
