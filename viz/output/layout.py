"""The layout: from DOT text to an SVG, PNG or PDF file, by a layout program, with hints for it.

The computation is a straight line, with parameters at its sides. A leaf that only one operation
takes stands on the rank of that operation, at its left or right according to the order of operands.
That saves a rank for each parameter. It also keeps the order of operands inside clusters, where the
layout program does not keep it.

`graphviz-pure` is installed as a wheel with this package and needs no Graphviz on the machine;
`engine="dot"` uses the Graphviz of the system. The program runs with a time limit. If even a simple
layout takes too long, `place_in_rows` computes positions without it: each box stands in the row of
its longest path from the inputs, arrows are straight, and scopes are not drawn.

The program draws a PNG with its own fonts. `missing_characters` finds the characters that they
lack. An SVG has no such limit, because the reader's fonts draw it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from ..errors import LayoutError, SlowLayoutError
from ..picture import OPERATIONS, Arrow, Box, Cluster, Direction, Picture, Point

Side = Literal["left", "right"]
MOST_OPERANDS: Final = 3
"""The leaves of an operation with more operands than this stand in one row above it."""
LONGEST_ROW: Final = 8
"""If more leaves than this changed, each stands where its value is ready, not in a row."""
LEAVES: Final = frozenset({"input", "parameter"})
BOTH_CLOSE: Final = [False, True, True]
"""Of three operands, the second and third are leaves that may stand next to their user."""


def find_sides(picture: Picture) -> dict[Arrow, Side]:
    """Return the arrows whose tail stands at the side of their head, and which side it is."""
    boxes = {box.id: box for box in picture.boxes}
    leaving = Counter(arrow.tail for arrow in picture.arrows)
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        if boxes[arrow.head].role in OPERATIONS:
            entering.setdefault(arrow.head, []).append(arrow)
    sides: dict[Arrow, Side] = {}
    for head, arrows in entering.items():
        if len(arrows) <= MOST_OPERANDS:
            leaves = [
                boxes[x.tail] if leaving[x.tail] == 1 and x.tail not in picture.lifted else None
                for x in arrows
            ]
            close = [_can_stand_beside(leaf, boxes[head]) for leaf in leaves]
            anywhere = [_can_stand_beside(leaf, boxes[head], data=True) for leaf in leaves]
            line = boxes[arrows[_first_from_above(anywhere)].tail]
            if leaving[line.id] > 1:  # an array would stand between two branches
                roles = [boxes[x.tail].role for x in arrows]
                close = [c and role == "parameter" for c, role in zip(close, roles, strict=True)]
            wide = leaving[line.id] == 1 and line.role not in LEAVES and picture.direction == "TB"
            if boxes[arrows[0].tail].cluster != boxes[head].cluster and close == BOTH_CLOSE:
                # above it, they would push a line from outside of the scope aside
                sides |= {arrows[1]: "left", arrows[2]: "right"}
            else:
                sides |= _sides_of_line(arrows, close, anywhere if wide else close)
    return sides


def _sides_of_line(arrows: list[Arrow], left: list[bool], right: list[bool]) -> dict[Arrow, Side]:
    """Return the neighbours of the first operand from above, if they can stand at its sides.

    Only the first and the last operand can, or another one would come in between. A leaf from
    outside of the scope can stand only at the right, where the layout program puts it anyway.
    """
    above = _first_from_above(right)
    sides: dict[Arrow, Side] = {}
    if above == 1 and left[0]:
        sides[arrows[0]] = "left"
    if above + 2 == len(arrows) and right[above + 1]:
        sides[arrows[above + 1]] = "right"
    return sides


def _first_from_above(can: list[bool]) -> int:
    """Return the place of the first operand that comes from above."""
    return can.index(False) if False in can else 0


def _can_stand_beside(leaf: Box | None, head: Box, data: bool = False) -> bool:
    """Return whether a leaf may stand next to its only user.

    It may in the same scope. With `data`, an input may also stand outside of that scope.
    """
    if leaf is None or leaf.role not in LEAVES:
        return False
    return leaf.cluster == head.cluster or (data and leaf.role == "input")


@dataclass(frozen=True, slots=True)
class End:
    """How an arrow ends, so that readers see the order of operands.

    Attributes:
        port: the point of the head where it ends, empty for any.
        start: the point of the tail where it starts, empty for any.
        mark: the place of the operand as text, where the points cannot show the order.
    """

    port: str = ""
    start: str = ""
    mark: str = ""


PORTS: Final = {
    "TB": {"left": "w", "right": "e", 2: ("nw", "ne"), 3: ("nw", "n", "ne")},
    "LR": {"left": "n", "right": "s", 2: ("nw", "sw"), 3: ("nw", "w", "sw")},
}
"""The points of a box, from left to right or from top to bottom: for leaves at its sides, and for
two or three operands from above."""
SIDE_OF_OPERANDS: Final = {"TB": "n", "LR": "w"}


def port_name(place: int, direction: Direction) -> str:
    """Return the point at the side of a box where the operands from above end, from left to right.

    The label of the box has cells of these names; see `dot`.
    """
    return f"in{place}:{SIDE_OF_OPERANDS[direction]}"


def takes_ports(box: Box) -> bool:
    """Return whether the label of a box has cells where its operands end."""
    return box.role in OPERATIONS and not box.bars


OPPOSITE: Final[dict[Side, Side]] = {"left": "right", "right": "left"}


def arrow_ends(picture: Picture) -> list[End]:
    """Return how each arrow ends. If the order of operands does not matter, an end is empty.

    Up to three operands end from left to right, wherever the layout program puts the boxes that
    they come from. More operands, and several in one arrow, are numbered by text.
    """
    sides = find_sides(picture)
    ports = PORTS[picture.direction]
    boxes = {box.id: box for box in picture.boxes}
    entering: dict[str, list[int]] = {}
    for place, arrow in enumerate(picture.arrows):
        if arrow.operand:
            entering.setdefault(arrow.head, []).append(place)
    found = [End()] * len(picture.arrows)
    for places in entering.values():
        arrows = [picture.arrows[place] for place in places]
        if len(places) > MOST_OPERANDS or _cannot_point(arrows):
            for place, arrow in zip(places, arrows, strict=True):
                found[place] = End(mark=arrow.operand)
            continue
        from_above = [x for x, arrow in zip(places, arrows, strict=True) if arrow not in sides]
        marked = len(places) == MOST_OPERANDS and sides.get(arrows[1]) == "left"
        for place, arrow in zip(places, arrows, strict=True):
            if marked:  # the second is at the left of the first
                end = "" if arrow in sides else SIDE_OF_OPERANDS[picture.direction]
                found[place] = End(end, mark=arrow.operand)
            elif arrow in sides:
                found[place] = End(str(ports[sides[arrow]]), str(ports[OPPOSITE[sides[arrow]]]))
            elif len(from_above) > 1:
                above = from_above.index(place)
                corner = str(ports[len(from_above)][above])
                cell = port_name(above, picture.direction)
                found[place] = End(cell if takes_ports(boxes[arrow.head]) else corner)
    return found


def _cannot_point(arrows: list[Arrow]) -> bool:
    """Is an arrow several operands, or one of several in the same place, of two graphs?"""
    return any(arrow.count > 1 for arrow in arrows) or len({arrow.change for arrow in arrows}) > 1


def find_misplaced(picture: Picture, centres: Mapping[str, Point]) -> frozenset[str]:
    """Return the leaves that a layout put at the wrong side of their users.

    An arrow from such a leaf would run around it, to the side where it has to end.

    Args:
        picture: the picture.
        centres: id of a box → its centre; y grows upwards.
    """
    found = set()
    for arrow, side in find_sides(picture).items():
        if arrow.tail in centres and arrow.head in centres:
            (x, y), (u, v) = centres[arrow.tail], centres[arrow.head]
            first = x < u if picture.direction == "TB" else y > v
            if first != (side == "left"):
                found.add(arrow.tail)
    return frozenset(found)


def lift_leaves(picture: Picture, leaves: frozenset[str]) -> Picture:
    """Return a picture in which these leaves stand above their users."""
    return replace(picture, lifted=picture.lifted | leaves)


def move_arrays_outside(picture: Picture) -> Picture:
    """Return a picture whose arrays stand outside of scopes, unless they are next to their user.

    Inside, an array would need another row above the first operation of the scope.
    """
    staying = {arrow.tail for arrow in find_sides(picture)}
    boxes = [
        box if box.role != "input" or box.id in staying else replace(box, cluster=None)
        for box in picture.boxes
    ]
    return replace(picture, boxes=boxes)


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where arrows enter a cluster from above.

    Attributes:
        heads: the boxes that have to stand right of the captions. The first one is the head of the
            highest arrow. The others are as high as it, since they take the same tensors and
            leaves.
        crossed: the clusters whose border the highest arrow crosses, the innermost first.
    """

    heads: list[str]
    crossed: list[Cluster]


def cluster_entrances(picture: Picture) -> dict[str, Entrance]:
    """Return the entrance of each cluster that an arrow enters from above.

    A box with a leaf at its left is already far from the caption.
    """
    boxes = {box.id: box for box in picture.boxes}
    left = {arrow.head: arrow.tail for arrow, side in find_sides(picture).items() if side == "left"}
    entering: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow.tail)
    found: dict[str, list[str]] = {}
    crossed: dict[str, list[Cluster]] = {}
    for arrow in _sort_arrows_by_height(picture):
        head = boxes[arrow.head]
        if head.cluster is None or boxes[arrow.tail].cluster == head.cluster or arrow.backward:
            continue
        heads = found.setdefault(head.cluster, [])
        made = {tail for tail in entering[head.id] if tail in entering}
        as_high = made and made <= set(entering[heads[0]]) if heads else True
        if as_high and head.id not in heads:
            heads.append(head.id)
        if head.cluster not in crossed:
            crossed[head.cluster] = _crossed_clusters(picture, boxes[arrow.tail], head)
    return {
        cluster: Entrance([heads[0], *(left.get(x, x) for x in heads[1:])], crossed[cluster])
        for cluster, heads in found.items()
        if heads[0] not in left
    }


def _crossed_clusters(picture: Picture, tail: Box, head: Box) -> list[Cluster]:
    """Return the clusters around one box and not around another one, the innermost first."""
    known = {cluster.id: cluster for cluster in picture.clusters}
    around = []
    name = tail.cluster
    while name is not None:
        around.append(name)
        name = known[name].parent
    found = []
    name = head.cluster
    while name is not None and name not in around:
        found.append(known[name])
        name = known[name].parent
    return found


def _sort_arrows_by_height(picture: Picture) -> list[Arrow]:
    """Return the arrows sorted by the height of their heads, the highest first.

    Arrows from leaves come last, because a leaf is drawn just above its user.
    """
    roles = {box.id: box.role for box in picture.boxes}
    depths: dict[str, int] = {}
    entering: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow.tail)
    for box in picture.boxes:  # each comes after what enters it
        depths[box.id] = max((depths.get(x, 0) + 1 for x in entering.get(box.id, ())), default=0)
    return sorted(
        picture.arrows, key=lambda arrow: (roles[arrow.tail] in LEAVES, depths[arrow.head])
    )


def rows_of_updates(picture: Picture) -> list[list[str]]:
    """Return rows of boxes: the changed leaves of each scope, unless they are many."""
    found: dict[str | None, list[str]] = {}
    for box in picture.boxes:
        if box.role == "updated":
            found.setdefault(box.cluster, []).append(box.id)
    return [row for row in found.values() if 1 < len(row) <= LONGEST_ROW]


Engine = Literal["graphviz-pure", "dot"]
SECONDS: Final = 10.0
"""The time for a careful layout; the simpler one that follows has four times as much."""
SIMPLER: Final = (
    "-Gnslimit=1",
    "-Gnslimit1=1",
    "-Gmclimit=0.05",
    "-Gsplines=line",
)
"""Options of the simpler layout: few rounds against crossings and long edges, straight arrows."""
PIXELS_PER_INCH: Final = 144
"""Two pixels in a point, so that a PNG is sharp on a slide."""
GLYPH_RANGES: Final = (
    (0x20, 0x52F), (0x5BE, 0x5EA), (0x5F0, 0x5F4), (0x1C80, 0x1C88), (0x1D00, 0x20BE),
    (0x2100, 0x214F), (0x2153, 0x2154), (0x215B, 0x215E), (0x2184, 0x2184), (0x2190, 0x2195),
    (0x219A, 0x219B), (0x21A8, 0x21A8), (0x21AE, 0x21AE), (0x2202, 0x2202), (0x2206, 0x2206),
    (0x220F, 0x220F), (0x2211, 0x2212), (0x2215, 0x2215), (0x2219, 0x221A), (0x221E, 0x221F),
    (0x2229, 0x2229), (0x222B, 0x222B), (0x2248, 0x2249), (0x2260, 0x2262), (0x2264, 0x2265),
    (0x226E, 0x2271), (0x2302, 0x2302), (0x2310, 0x2310), (0x2320, 0x2321), (0x2500, 0x2500),
    (0x2502, 0x2502), (0x2550, 0x256C), (0x25A0, 0x25A1), (0x25AA, 0x25AC), (0x25B2, 0x25B2),
    (0x25BA, 0x25BA), (0x25BC, 0x25BC), (0x25C4, 0x25C4), (0x25CA, 0x25CC), (0x25CF, 0x25CF),
    (0x25E6, 0x25E6), (0x263A, 0x263C), (0x2660, 0x2660), (0x2663, 0x2663), (0x2665, 0x2666),
    (0xFB01, 0xFB04), (0xFFFD, 0xFFFD),
)  # fmt: skip
_GLYPH_STARTS: Final = [first for first, _ in GLYPH_RANGES]
LETTER_WIDTH: Final = 7.5
"""The width of a letter, in points."""
BOX_GAP: Final = 24.0
LINE_HEIGHT: Final = 16.0
"""The height of a line of text."""
ROW_GAP: Final = 44.0
"""Between two rows."""


@cache
def find_program(engine: Engine) -> str:
    """Return the path of the layout program.

    Raises:
        LayoutError: if it is not installed; the message says how to install it.
    """
    if engine == "dot":
        found = shutil.which("dot")
        if found is None:
            raise LayoutError(
                "engine='dot' needs Graphviz, and there is no `dot` on the PATH; install it (apt "
                "install graphviz, brew install graphviz), or leave engine= out"
            )
        return found
    name = "graphviz-pure" + (".exe" if os.name == "nt" else "")
    beside = Path(sys.executable).parent / name  # also in an environment that is not activated
    if beside.is_file():
        return str(beside)
    found = _find_installed(name) or shutil.which(name)
    if found is None:
        raise LayoutError(
            "the layout program graphviz-pure is missing; install it with "
            "`pip install graphviz-pure`, or use engine='dot' with a system Graphviz"
        )
    return found


def _find_installed(name: str) -> str | None:
    """Return the path of the program in its installed distribution, None if it is not there."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        recorded = files("graphviz-pure") or []
    except PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in recorded if file.name == name)
    return next((str(path.resolve()) for path in paths if path.is_file()), None)


Output = Literal["svg", "png", "pdf", "json0"]


def lay_out(
    source: str,
    kind: Output,
    *,
    placed: bool,
    engine: Engine,
    scale: float | None = None,
) -> bytes:
    """Turn DOT text into an SVG, PNG or PDF file, or into JSON with the positions.

    Args:
        source: the DOT text.
        kind: the format.
        placed: whether the nodes have positions, which then stay.
        engine: which program to use.
        scale: pixels on a page for one of natural size, if the picture fills that page.

    Warns if the careful layout took longer than `SECONDS`, so that a simpler one is drawn.

    Raises:
        LayoutError: if the program is missing or fails.
        SlowLayoutError: if it takes too long even for a simpler layout.
    """
    command = [find_program(engine), f"-T{kind}"]
    if placed:
        command += ["-Kneato", "-n2", "-Gsplines=line"]
    if kind == "png":
        command.append(f"-Gdpi={192 * scale if scale else PIXELS_PER_INCH:.6g}")
        if "bgcolor=transparent" in source[:200]:  # the option would replace a theme's ground
            command.append("-Gbgcolor=white")
    try:
        done = _run_program(command, source, engine)
    except OSError as error:
        raise LayoutError(f"{engine} cannot be run: {error}; reinstall it") from error
    if done.returncode and not placed:  # its curves fail in some large pictures, lines do not
        done = _run_simpler(command, source, engine)
    # It also prints warnings, as about letters whose width it estimates; only a failure counts.
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:500]
        raise LayoutError(f"{engine} failed with code {done.returncode}: {said or 'no output'}")
    return done.stdout


def _run_program(
    command: list[str], source: str, engine: Engine
) -> subprocess.CompletedProcess[bytes]:
    """Run the layout program; if it takes too long, run it again for a simpler layout."""
    try:
        return subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        done = _run_simpler(command, source, engine)
    warnings.warn(
        f"{engine} took more than {SECONDS:.0f} s for a careful layout, so a simpler one is "
        f"drawn, of {_describe_size(source)}",
        UserWarning,
        stacklevel=2,
    )
    return done


def _run_simpler(
    command: list[str], source: str, engine: Engine
) -> subprocess.CompletedProcess[bytes]:
    """Run the layout program for a simpler layout, with straight arrows."""
    try:
        return subprocess.run(
            [*command, *SIMPLER],
            input=source.encode(),
            capture_output=True,
            timeout=4 * SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SlowLayoutError(
            f"{engine} took more than {5 * SECONDS:.0f} s for {_describe_size(source)}"
        ) from error


def _describe_size(source: str) -> str:
    """Write how much is drawn, and the cure."""
    return f"{source.count('->')} arrows; draw less with limit=, or save as .dot"


def missing_characters(texts: Iterable[str]) -> list[str]:
    """Return the characters that the fonts of a PNG lack, in order; it shows them as empty boxes.

    >>> missing_characters(["σ(Wx) ∈ ℝ", "Привет 😀"])
    ['∈', '😀']
    """
    characters = sorted({c for text in texts for c in text if c != "\n"})
    return [c for c in characters if not _has_glyph(ord(c))]


def _has_glyph(code: int) -> bool:
    """Return whether the fonts have a character."""
    place = bisect_right(_GLYPH_STARTS, code) - 1
    return place >= 0 and code <= GLYPH_RANGES[place][1]


def place_in_rows(picture: Picture) -> Picture:
    """Return a picture with a position for each box.

    >>> from ..picture import Arrow
    >>> boxes = [Box("n0", "input", ("x",)), Box("n1", "operation", ("+",))]
    >>> placed = place_in_rows(Picture("", "TB", boxes=boxes, arrows=[Arrow("n0", "n1")]))
    >>> [box.position[1] for box in placed.boxes]
    [-16.0, -92.0]
    """
    rows: dict[int, list[Box]] = {}
    depths = longest_paths(picture)
    for box in picture.boxes:
        rows.setdefault(depths[box.id], []).append(box)
    places: dict[str, tuple[float, float]] = {}
    away = 0.0
    across = 0 if picture.direction == "TB" else 1
    for rank in sorted(rows):
        sizes = [box_extent(box) for box in rows[rank]]
        depth = max(size[1 - across] for size in sizes)
        along = -sum(size[across] + BOX_GAP for size in sizes) / 2
        away += depth / 2
        for box, size in zip(rows[rank], sizes, strict=True):
            along += (size[across] + BOX_GAP) / 2
            places[box.id] = (along, -away) if picture.direction == "TB" else (away, -along)
            along += (size[across] + BOX_GAP) / 2
        away += depth / 2 + ROW_GAP
    boxes = [replace(box, position=places[box.id], cluster=None) for box in picture.boxes]
    return replace(picture, boxes=boxes, clusters=[], ties=[])


def box_extent(box: Box) -> tuple[float, float]:
    """Return about how wide and high a box is."""
    lines = box.lines or (" ".join(cell.text for cell in box.cells),)
    return LETTER_WIDTH * max(map(len, lines), default=1) + 20, LINE_HEIGHT * len(lines) + 16


def longest_paths(picture: Picture) -> dict[str, int]:
    """Return the length of the longest path to each box, so that a box comes after its operands.

    Arrows of the backward count in the other direction: its boxes stand next to the forward's.
    """
    entering: dict[str, list[str]] = {box.id: [] for box in picture.boxes}
    for arrow in picture.arrows:
        tail, head = (arrow.head, arrow.tail) if arrow.backward else (arrow.tail, arrow.head)
        entering[head].append(tail)
    waiting = {box.id: len(entering[box.id]) for box in picture.boxes}
    leaving: dict[str, list[str]] = {box.id: [] for box in picture.boxes}
    for head, tails in entering.items():
        for tail in tails:
            leaving[tail].append(head)
    found = dict.fromkeys(entering, 0)
    ready = [box.id for box in picture.boxes if not waiting[box.id]]
    while ready:
        tail = ready.pop()
        for head in leaving[tail]:
            found[head] = max(found[head], found[tail] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return found
