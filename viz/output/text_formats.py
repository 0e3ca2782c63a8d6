"""A picture as text: our JSON, the JSON of Google's Model Explorer, and a Mermaid flowchart.

Our JSON, version 2, is one object:

- `title`, `caption`, `direction` ("TB" or "LR"), `description` (the picture in words), `version`
- `nodes`: `id`, `role`, `label`, `tooltip`, `scope` (an id or null), `copy_of` (the id of the first
  box of the same tensor, or null), `cells` (each `text` and `kind`), `position` (x and y in points,
  or null), `facts`: what is known of it as texts, among them `shape`, `dtype`, `operation`,
  `scope`, `parameters`, `formula`, `derivatives`, `recorded at`
- `edges`: `tail`, `head`, `label`, `tooltip`, `backward`, `operand` ("1st", "2nd"… where the
  order matters, else empty), in the order of the operands
- in the difference of two graphs nodes and edges have `change`: "same", "changed", "new" or "gone"
- `scopes`: `id`, `caption`, `parent` (an id or null), outer ones before inner ones

Both kinds of JSON are ASCII, so that any text is safe in them.

Many code hosts draw Mermaid in Markdown pages. A label there keeps letters, digits and spaces and
writes every other character by its number, so that no name can end its label, start a directive or
become HTML.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Final

from ..picture import BESIDE, SCOPES, Arrow, Box, Change, Picture, Role
from ..style import BOX, CHANGED_BOX
from ..texts import clean_text, describe_picture

Facts = list[tuple[str, str]]
NOTHING: Final[dict[str, Facts]] = {}
VERSION: Final = 2
PLAIN_SIGNS: Final = str.maketrans(
    {"×": "x", "−": "-", "÷": "/", "·": "*", "²": "^2", "√": "sqrt", "Σ": "sum", "σ": "sigmoid",
     "∂": "d", "‖": "|", "←": "<-", "…": "..."}
)  # fmt: skip
"""Replacements of signs that the font of Model Explorer lacks."""
LONGEST_LABEL: Final = 200
"""The most letters of a label; Mermaid refuses a text of more than 50,000 letters."""
CHANGED_LINE: Final = {"new": "==>", "gone": "-.->"}
ROUND: Final[frozenset[Role]] = frozenset(
    {"feature", "neuron", "prediction", "bias", "scalar_operation", "dot"}
)


def write_json(picture: Picture, facts: Mapping[str, Facts] = NOTHING) -> str:
    """Return our JSON of a picture, with the facts about its boxes, by id.

    >>> picture = Picture("One box", boxes=[Box("n0", "input", ("x", "(3,)"))])
    >>> json.loads(write_json(picture))["nodes"][0]["label"]
    'x\\n(3,)'
    """
    return _dump_json(
        {
            "version": VERSION,
            "title": picture.title,
            "direction": picture.direction,
            "caption": picture.caption,
            "description": describe_picture(picture),
            "nodes": [_json_node(box, facts.get(box.id, [])) for box in picture.boxes],
            "edges": [
                {
                    "tail": x.tail,
                    "head": x.head,
                    "label": x.label,
                    "tooltip": x.tooltip,
                    "backward": x.backward,
                    "operand": x.operand,
                }
                | _json_change(x.change)
                for x in picture.arrows
            ],
            "scopes": [
                {"id": x.id, "caption": x.caption, "parent": x.parent} for x in picture.clusters
            ],
        }
    )


def _json_node(box: Box, facts: Facts) -> dict[str, object]:
    """Return a box in our JSON."""
    return {
        "id": box.id,
        "role": box.role,
        "label": "\n".join(box.lines) or box.words,
        "tooltip": box.tooltip,
        "scope": box.cluster,
        "copy_of": box.copy_of,
        "cells": [{"text": cell.text, "kind": cell.kind} for cell in box.cells],
        "position": None if box.position is None else list(box.position),
        "facts": dict(facts),
    } | _json_change(box.change)


def _json_change(change: str) -> dict[str, object]:
    """Return how a thing of two graphs compares, in our JSON; nothing in other pictures."""
    return {"change": change} if change else {}


def write_model_explorer(picture: Picture, facts: Mapping[str, Facts] = NOTHING) -> str:
    """Return a graph collection that Google's Model Explorer opens.

    Scopes become namespaces, facts become attributes.
    Source: the `Graph` and `GraphNode` types of google-ai-edge/model-explorer.
    """
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow)
    spaces = _namespaces(picture)
    nodes = [
        {
            "id": box.id,
            "label": box.words.translate(PLAIN_SIGNS),
            "namespace": spaces[box.cluster],
            "attrs": _explorer_attributes(box, facts.get(box.id, [])),
            "incomingEdges": [
                {
                    "sourceNodeId": x.tail,
                    "sourceNodeOutputId": str(x.output),
                    "targetNodeInputId": str(i),
                }
                for i, x in enumerate(entering.get(box.id, ()))
            ],
            "inputsMetadata": [
                {"id": str(i), "attrs": [{"key": "label", "value": x.label}]}
                for i, x in enumerate(entering.get(box.id, ()))
            ],
        }
        for box in picture.boxes
        if box.role not in BESIDE
    ]
    label = picture.title
    return _dump_json({"label": label, "graphs": [{"id": label, "nodes": nodes}]})


def _namespaces(picture: Picture) -> dict[str | None, str]:
    """Return the path of each scope; if several have one path, the later ones get a number."""
    found: dict[str | None, str] = {None: ""}
    used: Counter[str] = Counter()
    for cluster in picture.clusters:
        name = cluster.caption.replace("\n", " ")
        path = f"{found[cluster.parent]}/{name}" if found[cluster.parent] else name
        used[path] += 1
        found[cluster.id] = path if used[path] == 1 else f"{path} ({used[path]})"
    return found


def _explorer_attributes(box: Box, facts: Facts) -> list[dict[str, str]]:
    """Return the role of a box and its facts, or its tooltip if it has none, as keys and values."""
    rows = [{"key": "role", "value": box.role}]
    if facts:
        return rows + [{"key": key, "value": value} for key, value in facts]
    for place, line in enumerate(filter(None, box.tooltip.split("\n"))):
        key, colon, value = line.partition(": ")
        rows.append({"key": key, "value": value} if colon else {"key": f"{place}", "value": line})
    return rows


def _dump_json(content: dict[str, object]) -> str:
    """Write JSON with one space of indentation."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_mermaid(picture: Picture) -> str:
    """Return the text of a flowchart with a subgraph for each scope and a class for each role.

    >>> from ..picture import Arrow
    >>> boxes = [Box("n0", "input", ("x",)), Box("n1", "operation", ("+",))]
    >>> print(write_mermaid(Picture("Sum", boxes=boxes, arrows=[Arrow("n0", "n1", "3")])))
    ---
    title: "Sum"
    ---
    flowchart TB
      n0["x"]:::input
      n1["#43;"]:::operation
      n0 -->|"3"| n1
      classDef input fill:#e6f5f0,stroke:#009e73,color:#1f2328,stroke-width:2.5px
      classDef operation fill:#ffffff,stroke:#57606a,color:#1f2328,stroke-width:1px
    <BLANKLINE>
    """
    lines = [
        "---",
        f'title: "{_encode_title(picture.title)}"',
        "---",
        f"flowchart {picture.direction}",
    ]
    lines += _scope_lines(picture)
    for arrow in picture.arrows:
        line = "---" if arrow.colour else "-.->" if arrow.backward else "-->"
        line = CHANGED_LINE.get(arrow.change, line)
        words = ": ".join(filter(None, (arrow.operand, arrow.label.strip())))
        label = f'|"{encode_label(words)}"|' if words else ""
        lines.append(f"  {arrow.tail} {line}{label} {arrow.head}")
    for place, arrow in enumerate(picture.arrows):
        if arrow.colour:
            width = 1.0 if arrow.width is None else arrow.width
            lines.append(
                f"  linkStyle {place} stroke:{arrow.colour[:7]},stroke-width:{width:.2f}px"
            )
    roles = dict.fromkeys(box.role for box in picture.boxes)
    changes = dict.fromkeys(box.change for box in picture.boxes if box.change)
    for change in changes:
        named = ",".join(box.id for box in picture.boxes if box.change == change)
        lines.append(f"  class {named} {change}")
    definitions = [*map(_class_definition, roles), *map(_change_definition, changes)]
    return "\n".join([*lines, *definitions, ""])


def _scope_lines(picture: Picture) -> list[str]:
    """Return the lines of boxes, each inside its scope, without recursion: nesting may be deep."""
    inside: dict[str | None, list[str]] = {None: []}
    for cluster in picture.clusters:
        inside[cluster.id] = [f'  subgraph {cluster.id}["{encode_label(cluster.caption)}"]']
    for box in picture.boxes:
        inside[box.cluster].append(f"  {_box_line(box)}")
    for cluster in reversed(picture.clusters):  # inner ones are complete before outer ones
        inside[cluster.parent] += [*inside[cluster.id], "  end"]
    return inside[None]


def _box_line(box: Box) -> str:
    """Return the line of a box; its shape follows its role."""
    words = "\n".join(box.lines) or " | ".join(cell.text for cell in box.cells)
    start, end = ("[[", "]]") if box.role in SCOPES else ("[", "]")
    if box.role in ROUND:
        start, end = "((", "))"
    return f'{box.id}{start}"{encode_label(words) or " "}"{end}:::{box.role}'


def encode_label(text: str) -> str:
    """Write a label; each character except letters, digits and spaces becomes its number.

    >>> encode_label('W "x"\\n]]')
    'W #34;x#34;<br/>#93;#93;'
    """
    shown = clean_text(text, LONGEST_LABEL)
    return "<br/>".join("".join(map(_encode_letter, line)).strip() for line in shown.split("\n"))


def _encode_letter(character: str) -> str:
    """Write one character of a label."""
    if character == " " or character.isalnum():
        return character
    return f"#{ord(character)};"


def _encode_title(text: str) -> str:
    """Write the title inside of quotation marks, as YAML reads it."""
    shown = clean_text(text, LONGEST_LABEL, lines=1)
    return "".join(c if c == " " or c.isalnum() else f"\\U{ord(c):08x}" for c in shown)


def _class_definition(role: Role) -> str:
    """Return the line that defines the look of a role."""
    look = BOX[role]
    parts = [
        f"fill:{look.get('fillcolor', 'none')}",
        f"stroke:{look.get('color', 'none')}",
        f"color:{look.get('fontcolor', '#1f2328')}",
        f"stroke-width:{look.get('penwidth', '1')}px",
    ]
    if "dashed" in look.get("style", ""):
        parts.append("stroke-dasharray:4 3")
    return f"  classDef {role} {','.join(parts)}"


def _change_definition(change: Change) -> str:
    """Return the line that defines the look of what is the same, changed, new or gone."""
    look = CHANGED_BOX[change]
    parts = [
        f"fill:{look['fillcolor']}",
        f"stroke:{look['color']}",
        f"stroke-width:{look['penwidth']}px",
        *(["stroke-dasharray:4 3"] if change == "gone" else []),
    ]
    return f"  classDef {change} {','.join(parts)}"
