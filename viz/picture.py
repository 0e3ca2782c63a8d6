"""Picture: boxes, arrows and clusters, before anyone decides where they go or how they look.

Every view of a graph or a network ends as one `Picture`; everything after it (DOT, SVG, PNG) reads
nothing else. A role says what a box stands for; `style` says how that role looks. Whatever a text
holds, every format can hold it: what XML forbids is replaced here.
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
]
OPERATIONS: Final[frozenset[Role]] = frozenset({"operation", "gradient", "update"})
"""The roles of one operation: of a forward, a backward, and an optimizer's step."""
SCOPES: Final[frozenset[Role]] = frozenset({"scope", "gradient_scope", "update_scope"})
"""The roles of a folded scope, in the same three parts."""
BESIDE: Final[frozenset[Role]] = frozenset({"heading", "anchor", "legend", "scale"})
"""The roles of what is drawn beside a graph and is no box of it."""
Direction = Literal["TB", "LR"]
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
        role: what it stands for.
        lines: its label; or `cells`, which then take its place.
        tooltip: everything that the label leaves out.
        cluster: the id of the cluster around it.
        position: its centre in points, where the view computes positions itself.
        ordered: whether its value depends on the order of what enters it.
        fill: hexadecimal, with opacity, where a value decides it; its role's by default.
        bars: heights of a small histogram beneath the label, from 0 to 1.
        swatches: the colours that a legend explains.
        copy_of: the id of the first box of the same tensor, for each further one.
        tensors: those that it is, counts or lists, each by the role in which it is told and by what
            tells it from all others; so that the words about a picture count each once.
        first: whether a thick border says to look at it first.
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
        label: what rides on it: the shape, the name, the output's index.
        colour: hexadecimal, with opacity, where a value decides it.
        width: in points, likewise.
        backward: whether a cotangent moves along it, against the direction of the picture.
        output: which result of the box at its tail rides on it, where it has several.
        count: for how many operands it stands.
        operand: which operand it brings, "1st" or "2nd", where their order matters.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", replace_hidden(self.label))
        object.__setattr__(self, "tooltip", replace_hidden(self.tooltip))


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
    """What is to be seen.

    Attributes:
        title: one line, read aloud by screen readers.
        direction: which way the arrows run.
        ranksep: how far the ranks are apart, in inches.
        boxes: in order of creation.
        arrows: the operands of one operation stand together, in order.
        clusters: outer ones before inner ones.
        ties: pairs of boxes that stand side by side, the second after the first.
    """

    title: str
    direction: Direction = "TB"
    ranksep: float = 0.4
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    ties: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.title = replace_hidden(self.title)

    @property
    def placed(self) -> bool:
        """Whether the view computed the positions itself."""
        return any(box.position is not None for box in self.boxes)

    def next_id(self) -> str:
        """Return the id of the box that is added next."""
        return f"n{len(self.boxes)}"

    def texts(self) -> list[str]:
        """Return every text that is drawn, tooltips left out."""
        shown = [line for box in self.boxes for line in box.lines]
        shown += [cell.text for box in self.boxes for cell in box.cells]
        shown += [arrow.label for arrow in self.arrows]
        return shown + [cluster.caption for cluster in self.clusters]
