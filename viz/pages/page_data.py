"""The data of a page: drawings, what is known of each box, and where each scope opens.

What is equal is in the data once: the drawings of alike scopes, and facts, which are lists of pairs
of label and text.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

from autograd_mini.core.graph import Graph

from ..backward_pass import gradient_notes
from ..drawing import Drawing
from ..errors import SlowLayoutError
from ..graphs.builder import default_title, part_caption
from ..graphs.graph_views import COLLECTORS, GraphView, outline_arguments
from ..graphs.levels import Level, build_levels
from ..graphs.operations import Facts, OperationsView, view_facts
from ..graphs.outline import Outline
from ..graphs.scopes import Open
from ..output.dot import make_digraph, wrap_caption
from ..output.layout import Engine, find_misplaced, lay_out
from ..output.svg import read_centres
from ..overlays import Names, measure_overlays, overlay_subjects
from ..overlays.readings import Overlay, apply_overlays, scaled_values
from ..picture import BESIDE, PORTS, Arrow, Box, Direction, Picture, Role
from ..reading import has_values
from ..stepping.captions import Step
from ..stepping.part_steps import GRADIENT_MARK
from ..texts import clean_text, describe_picture
from ..wording.language import Wording, say
from ..wording.messages import MESSAGES
from .fold_states import PageState, wants_frames
from .level_steps import History, LevelStep, LevelSteps

GRADIENT: Final = "norm of the gradient"
SILENT: Final[frozenset[Role]] = BESIDE | PORTS | {"dot"}
"""The roles of boxes that stand for nothing in the graph."""
MOST_LAYOUTS: Final = 4
"""At most this many layouts run at the same time."""
MOST_AT_ONCE: Final = 40
"""One run of the layout program draws at most this many levels."""
WORDS_OF_SCRIPT: Final = (
    " and ",
    "{n} more",
    "{place} of {n}",
    "{role} {words}, from {names}",
    "▶ plays how they are computed",
    "Close",
    "Pause",
    "Play the steps",
    "all steps done",
    "begins at",
    "boxes: {n}",
    "click, or Enter, to open",
    "copied",
    "found: {n}",
    "found: {n}, folded: {hidden}",
    "nothing found",
    "other boxes: {n}",
    "recorded at",
    "same tensor",
    "saved as {name}",
    "scope",
    "steps: {n}",
    "the browser cannot copy a PNG here; save it instead",
    "the browser does not let this page copy; save a file instead",
    "the picture cannot be drawn",
    "the picture is too large for a PNG; save it as SVG",
)
"""The messages that the script of a page says."""
VALUES_OF_SCRIPT: Final = ("hidden", "n", "name", "names", "place", "role", "words")
"""The values in them, which the script fills in."""
WORDS_OF_ROLES: Final[dict[Role, str]] = {
    "input": "input",
    "parameter": "parameter",
    "operation": "operation",
    "scalar_operation": "scalar operation",
    "scope": "scope",
    "tensor": "tensor",
    "output": "output",
    "failed": "operation that failed",
    "earlier": "earlier operations",
    "gradient": "gradient",
    "gradient_scope": "gradient of a scope",
    "gradient_value": "gradient of a tensor",
    "update": "update",
    "update_scope": "update of a scope",
    "updated": "updated tensor",
    "neuron": "neuron",
    "feature": "feature",
    "prediction": "prediction",
    "bias": "bias",
}
"""Role → what the page calls its boxes."""
LARGE: Final = 200
"""A picture with more boxes than this is drawn in a run of its own, with its own time limit."""
NOISE: Final = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<title>.*?</title>| font-family=\"[^\"]*\"|\n", re.S
)
"""What an SVG of the layout program has and a page does not need."""
DIGIT: Final = re.compile("[0-9]")
Data = dict[str, Any]


@dataclass(slots=True)
class Tables:
    """What the levels of a page share.

    Attributes:
        facts: facts, as numbers of pairs → their number.
        pairs: label and text → their number.
        tensors: tensor → its number.
    """

    facts: dict[tuple[int, ...], int] = field(default_factory=dict)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    tensors: dict[Hashable, int] = field(default_factory=dict)

    def add_facts(self, facts: Facts) -> int:
        """Return the number of some facts."""
        pairs = tuple(self.pairs.setdefault(pair, len(self.pairs)) for pair in facts)
        return self.facts.setdefault(pairs, len(self.facts))

    def tensor(self, name: Hashable) -> int:
        """Return the number of a tensor."""
        return self.tensors.setdefault(name, len(self.tensors))

    def data(self) -> Data:
        """Return the tables for the script."""
        pairs = [[translate_label(label), text] for label, text in self.pairs]
        return {"facts": list(map(list, self.facts)), "pairs": pairs}


def translate_label(label: str) -> str:
    """Return the label of a fact in the language of the page."""
    return say(label) if label in MESSAGES else label


def collect_words() -> Data:
    """Return what the script says, in the language of the page."""
    values = {name: f"{{{name}}}" for name in VALUES_OF_SCRIPT}
    return {
        "words": {message: say(message, **values) for message in WORDS_OF_SCRIPT},
        "roles": {role: say(words) for role, words in WORDS_OF_ROLES.items()},
        "phases": {phase: say(phase) for phase in ("forward", "backward")},
        "rule": say("rule of {operation}: {rule}", operation="\0", rule="").partition("\0")[0],
    }


def describe_end(backward: bool) -> str:
    """Return what a page shows after its last step."""
    return say("every value and every gradient") if backward else say("every value")


def graph_levels(
    graph: Graph,
    view: GraphView,
    direction: Direction,
    limit: int | None,
    title: str | None,
    open: Open,
    overlay: Names,
    frames: bool | None,
) -> tuple[Level, bool]:
    """Return the levels of a graph in one of its views, and whether the page has steps.

    Views with more boxes than the operations, and overlays, have no steps; by default neither have
    graphs without values or with many operations.
    """
    title = title or default_title(graph)
    graph, limit = outline_arguments(graph, view, limit)
    measured = measure_overlays(overlay, graph)
    collector = COLLECTORS[view]
    plain = collector is OperationsView and not measured
    steps = plain and wants_frames(graph, frames)
    notes = gradient_notes(graph) if steps and has_values(graph) else []
    first = Outline(graph, limit, open=open, only_loops=bool(overlay))
    root = build_levels(
        first, lambda outline: collector(outline, title, direction), limit, bool(overlay), notes
    )
    if measured:
        _add_overlays(root, measured)
    return root, steps


def _add_overlays(root: Level, measured: list[Overlay]) -> None:
    """Lay overlays over all levels; they have one scale, which the first level explains."""
    levels = list(root.all_levels())
    subjects = [overlay_subjects(level.view) for level in levels]
    values = [value for one in subjects for value in scaled_values(one, measured)]
    firsts: set[int] = set()
    for level, one in zip(levels, subjects, strict=True):
        is_root = level is root
        picture = apply_overlays(
            level.picture, one, measured, values, is_root or id(level) in firsts
        )
        if not is_root:
            picture.boxes = [box for box in picture.boxes if box.role not in BESIDE]
        level.picture = picture
        firsts |= {
            id(level.children[x.id]) for x in picture.boxes if x.first and x.id in level.children
        }


def level_data(root: Level, has_steps: bool, engine: Engine) -> Data:
    """Return the data of a page of levels.

    Args:
        root: the level of the whole graph.
        has_steps: whether there are steps.
        engine: the layout program.
    """
    levels = list(root.all_levels())
    graph = root.outline.graph
    description = describe_picture(root.picture)
    steps: dict[int, LevelSteps] = {}
    if has_steps:
        history = History(graph, root.backward_order())
        steps = {id(level): LevelSteps(level, history) for level in levels}
    tables = Tables()
    number = {id(level): place for place, level in enumerate(levels)}
    drawings, drawn, examples = draw_pictures([level.picture for level in levels], engine)
    shared = Counter(
        name for level in levels for box in level.picture.boxes for name in _tensors(box)
    )
    found = []
    labels: dict[int, str] = {}
    for level, drawing in zip(levels, drawn, strict=True):
        known = level_facts(level, steps.get(id(level)), labels)
        data = _picture_data(level.picture, known, tables)
        for box in level.picture.boxes:
            same = [tables.tensor(name) for name in _tensors(box) if shared[name] > 1]
            if same and box.id in data["boxes"]:
                data["boxes"][box.id].append(same)
        data |= {
            "drawing": drawing,
            "opens": {box: number[id(child)] for box, child in level.children.items()},
            "name": _level_name(level),
            "ports": _ports(level, tables),
            "loops": [loop.box for loop in level.picture.loops],
            **_other_texts(level.picture, examples[drawing]),
        }
        for arrow, carries in zip(data["arrows"], level.picture.arrows, strict=True):
            if {carries.tail, carries.head} & level.children.keys():
                arrow.append([tables.tensor(name) for name in carries.carries])
        if id(level) in steps:
            data |= _steps_data(steps[id(level)], tables)
        found.append(data)
    backward = any(one.backward for one in steps.values())
    return tables.data() | {
        "levels": found,
        "drawings": drawings,
        "open": [number[id(level)] for level in levels[1:] if level.open],
        "title": root.picture.title,
        "description": description,
        "direction": root.picture.direction,
        "caption": wrap_caption(root.picture.caption),
        "end": describe_end(backward),
    }


def _tensors(box: Box) -> list[Hashable]:
    """Return the tensors of a box that other boxes may show, too."""
    return [name for role, name in box.tensors if role in ("input", "parameter")]


def _level_name(level: Level) -> str:
    """Return the caption of a level."""
    if level.part is None:
        return ""
    return clean_text(part_caption(level.part), 120, lines=1) or say("earlier operations")


def _ports(level: Level, tables: Tables) -> Data:
    """Return, for each side of a level, tensor → the box of its port."""
    found: Data = {}
    sides = {"entry": level.outline.entering, "exit": level.outline.leaving}
    for role, ports in sides.items():
        boxes = {number: box for (side, number), box in level.view.ports.items() if side == role}
        found[role] = {
            tables.tensor(name): boxes[number] for name, number in ports.items() if number in boxes
        }
    return found


def level_facts(level: Level, steps: LevelSteps | None, labels: dict[int, str]) -> dict[str, Facts]:
    """Return the facts about the boxes of a level, with the gradients of its steps."""
    facts = view_facts(level.view, labels)
    if steps is None:
        return facts
    last = {w.box: w.text for one in steps.backward for w in one.step.writings}
    for leaf, found in steps.history.last.items():
        last |= dict.fromkeys(steps.boxes_of_leaf.get(leaf, ()), found)
    for box, text in last.items():
        facts[box] = [*facts.get(box, []), (GRADIENT, text.removeprefix(f"{GRADIENT_MARK} "))]
    return facts


def _steps_data(steps: LevelSteps, tables: Tables) -> Data:
    """Return the steps of a level, and where the gradients of its boxes come from."""
    leaf_of = {box: leaf for leaf, boxes in steps.boxes_of_leaf.items() for box in boxes}
    return {
        "forward": [_step_data(found, tables) for found in steps.forward],
        "backward": [_step_data(found, tables) for found in steps.backward],
        "gradients": {
            box: tables.tensor(leaf_of[box]) if box in leaf_of else -1
            for box in sorted(steps.gradient_lines)
        },
    }


def _step_data(found: LevelStep, tables: Tables) -> list[Any]:
    """Return boxes, caption, arrows, texts of boxes and texts of tensors of one step."""
    step = found.step
    return [
        list(step.boxes),
        list(step.caption),
        list(step.arrows),
        {writing.box: writing.text for writing in step.writings},
        {tables.tensor(leaf): text for leaf, text in found.leaves.items()},
    ]


def state_data(found: list[PageState], engine: Engine, wording: Wording) -> Data:
    """Return the data of a page without levels; each of its states replaces the one before."""
    drawings = [Drawing(state.picture, engine, wording=wording) for state in found]
    with ThreadPoolExecutor(min(MOST_LAYOUTS, os.cpu_count() or 1)) as pool:
        drawn = list(pool.map(lambda drawing: drawing.svg, drawings))
    tables = Tables()
    levels = []
    for place, state in enumerate(found):
        data = _picture_data(state.picture, state.facts, tables)
        data |= {
            "drawing": place,
            "opens": {},
            "name": "",
            "scopes": state.scopes,
            "captions": {cluster.id: cluster.caption for cluster in state.picture.clusters},
            "next": state.next,
        }
        levels.append(data)
    steps: list[Step] = found[0].steps
    backward = any(step.phase == "backward" for step in steps)
    return tables.data() | {
        "levels": levels,
        "drawings": [state.svg(svg) for state, svg in zip(found, drawn, strict=True)],
        "open": [],
        "title": found[0].picture.title,
        "description": describe_picture(found[0].picture),
        "direction": found[0].picture.direction,
        "film": [{"phase": step.phase, "caption": step.caption} for step in steps],
        "caption": [],
        "end": describe_end(backward),
    }


def _picture_data(picture: Picture, facts: dict[str, Facts], tables: Tables) -> Data:
    """Return what the script knows of a picture."""
    boxes = {}
    for box in picture.boxes:
        if box.role not in SILENT:
            known = facts.get(box.id) or _tooltip_facts(box.tooltip)
            boxes[box.id] = [_box_name(box), box.role, tables.add_facts(known)]
    arrows = [[arrow.tail, arrow.head] for arrow in picture.arrows]
    return {"boxes": boxes, "arrows": arrows}


def _box_name(box: Box) -> str:
    """Return the name of a box in the page: its label without the gradient, which comes later."""
    if box.cells and box.cells[0].kind == "name":
        return clean_text(box.cells[0].text, 120, lines=1)
    words = " ".join(line for line in box.lines if not line.startswith(GRADIENT_MARK)) or box.words
    return clean_text(words, 120, lines=1)


def _tooltip_facts(tooltip: str) -> Facts:
    """Return a tooltip as facts without labels."""
    return [("", line) for line in tooltip.split("\n") if line]


def _strip_tooltips(picture: Picture) -> Picture:
    """Return a picture without what the page tells by itself."""
    boxes = [replace(box, tooltip="") for box in picture.boxes]
    arrows = [replace(arrow, tooltip="", carries=()) for arrow in picture.arrows]
    return replace(picture, boxes=boxes, arrows=arrows, title="", caption="")


def draw_pictures(
    pictures: list[Picture], engine: Engine
) -> tuple[list[str], list[int], list[Picture]]:
    """Return the distinct drawings, the number of each picture's, and the picture drawn in each.

    Pictures that differ in digits alone share a drawing, since all digits are equally wide. Small
    ones are drawn together in a few runs of the layout program.
    """
    numbers: dict[Hashable, int] = {}
    drawn = [numbers.setdefault(_look(picture), len(numbers)) for picture in pictures]
    firsts = dict(zip(reversed(drawn), reversed(pictures), strict=True))
    distinct = {number: _strip_tooltips(picture) for number, picture in firsts.items()}
    small = [x for x in sorted(distinct) if len(distinct[x].boxes) <= LARGE]
    large = [x for x in sorted(distinct) if len(distinct[x].boxes) > LARGE]
    batches = [small[at : at + MOST_AT_ONCE] for at in range(0, len(small), MOST_AT_ONCE)]
    found: dict[int, str] = {}
    with ThreadPoolExecutor(min(MOST_LAYOUTS, os.cpu_count() or 1)) as pool:
        jobs = [*batches, *([x] for x in large)]
        for job, texts in zip(
            jobs, pool.map(lambda job: _draw([distinct[x] for x in job], engine), jobs), strict=True
        ):
            found |= dict(zip(job, texts, strict=True))
    numbered = range(len(distinct))
    return [NOISE.sub("", found[x]) for x in numbered], drawn, [firsts[x] for x in numbered]


def _look(picture: Picture) -> Hashable:
    """Return what decides how a picture is drawn, so that alike scopes have one drawing."""
    boxes = tuple(
        (
            x.role,
            _without_digits(x),
            x.ordered,
            x.fill,
            x.bars,
            x.swatches,
            x.first,
            x.lit,
            x.cells,
            x.looks,
        )
        for x in picture.boxes
    )
    arrows = tuple(
        (
            x.tail,
            x.head,
            _label_without_digits(x),
            x.colour,
            x.width,
            x.count,
            x.operand,
            x.lit,
            x.output,
        )
        for x in picture.arrows
    )
    return boxes, arrows, tuple(box.id for box in picture.boxes), tuple(picture.loops)


def _without_digits(box: Box) -> tuple[str, ...]:
    """Return the lines of a box with 0 for each digit, where the page can write them again."""
    if (
        box.cells
        or box.bars
        or box.swatches
        or box.looks
        or not all(x.strip() for x in _text_lines(box))
    ):
        return box.lines
    return tuple(DIGIT.sub("0", line) for line in box.lines)


def _label_without_digits(arrow: Arrow) -> str:
    """Return the label of an arrow with 0 for each digit, where the page can write it again."""
    plain = not arrow.operand and "\n" not in arrow.label
    return DIGIT.sub("0", arrow.label) if plain else arrow.label


def _text_lines(box: Box) -> list[str]:
    """Return the lines of a box as they are drawn."""
    return [text for line in box.lines for text in line.split("\n")]


def _other_texts(picture: Picture, drawn: Picture) -> Data:
    """Return the texts of a picture that are other ones in its drawing: of boxes and of arrows."""
    boxes = zip(picture.boxes, drawn.boxes, strict=True)
    arrows = enumerate(zip(picture.arrows, drawn.arrows, strict=True))
    texts = {box.id: _text_lines(box) for box, other in boxes if box.lines != other.lines}
    labels = {place: one.label for place, (one, other) in arrows if one.label != other.label}
    return {"texts": texts, "labels": labels}


def _draw(pictures: list[Picture], engine: Engine) -> list[str]:
    """Return the drawing of each picture; if together they take too long, one by one."""
    if len(pictures) == 1:
        return [Drawing(pictures[0], engine).drawn.decode()]
    sources = "\n".join(str(make_digraph(picture).source) for picture in pictures)
    try:
        text = lay_out(sources, "svg", placed=False, engine=engine).decode()
    except SlowLayoutError:
        return [Drawing(picture, engine).drawn.decode() for picture in pictures]
    found = [f"<?xml{one}" for one in text.split("<?xml")[1:]]
    return [
        Drawing(picture, engine).drawn.decode()
        if find_misplaced(picture, read_centres(one.encode()))
        else one
        for picture, one in zip(pictures, found, strict=True)
    ]
