"""A picture as JSON: our own form, and the one that Google's Model Explorer opens.

Our form, version 2, is one object:

- `title`, `direction` ("TB" or "LR"), `description` (the picture told in words), `version`
- `nodes`: `id`, `role`, `label`, `tooltip`, `scope` (an id or null), `copy_of` (the id of the first
  box of the same tensor, or null), `cells` (each `text` and `kind`), `position` (x and y in points,
  or null), `facts`: what is known of it as texts, among them `shape`, `dtype`, `operation`,
  `scope`, `parameters`, `formula`, `derivatives`, `recorded at`
- `edges`: `tail`, `head`, `label`, `tooltip`, `backward`, `operand` ("1st", "2nd"… where the
  order matters, else empty), in the order of the operands
- `scopes`: `id`, `caption`, `parent` (an id or null), outer ones before inner ones

Both forms are ASCII, so that any text is safe in them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ..picture import BESIDE, Arrow, Box, Picture
from ..words import describe_picture

Facts = list[tuple[str, str]]
NOTHING: Final[dict[str, Facts]] = {}
VERSION: Final = 2


def write_json(picture: Picture, facts: Mapping[str, Facts] = NOTHING) -> str:
    """Return our JSON of a picture, with what is known of its boxes, by id.

    >>> picture = Picture("One box", boxes=[Box("n0", "input", ("x", "(3,)"))])
    >>> json.loads(exchanged(picture))["nodes"][0]["label"]
    'x\\n(3,)'
    """
    return dump_json(
        {
            "version": VERSION,
            "title": picture.title,
            "direction": picture.direction,
            "description": describe_picture(picture),
            "nodes": [json_node(box, facts.get(box.id, [])) for box in picture.boxes],
            "edges": [
                {
                    "tail": x.tail,
                    "head": x.head,
                    "label": x.label,
                    "tooltip": x.tooltip,
                    "backward": x.backward,
                    "operand": x.operand,
                }
                for x in picture.arrows
            ],
            "scopes": [
                {"id": x.id, "caption": x.caption, "parent": x.parent} for x in picture.clusters
            ],
        }
    )


def json_node(box: Box, facts: Facts) -> dict[str, Any]:
    """Return a box in our form."""
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
    }


def write_model_explorer(picture: Picture, facts: Mapping[str, Facts] = NOTHING) -> str:
    """Return a graph collection that Google's Model Explorer opens.

    Scopes are its namespaces, tooltips its attributes.
    Source: the `Graph` and `GraphNode` types of google-ai-edge/model-explorer.
    """
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow)
    spaces = namespaces(picture)
    nodes = [
        {
            "id": box.id,
            "label": box.words.translate(PLAIN),
            "namespace": spaces[box.cluster],
            "attrs": explorer_attributes(box, facts.get(box.id, [])),
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
    return dump_json({"label": label, "graphs": [{"id": label, "nodes": nodes}]})


PLAIN: Final = str.maketrans(
    {"×": "x", "−": "-", "÷": "/", "·": "*", "²": "^2", "√": "sqrt", "Σ": "sum", "σ": "sigmoid",
     "∂": "d", "‖": "|", "←": "<-", "…": "..."}
)  # fmt: skip
"""Signs that the letters of Model Explorer do not have."""


def namespaces(picture: Picture) -> dict[str | None, str]:
    """Return the path of each scope; of scopes with one name, later ones get a number."""
    found: dict[str | None, str] = {None: ""}
    used: Counter[str] = Counter()
    for cluster in picture.clusters:
        name = cluster.caption.replace("\n", " ")
        path = f"{found[cluster.parent]}/{name}" if found[cluster.parent] else name
        used[path] += 1
        found[cluster.id] = path if used[path] == 1 else f"{path} ({used[path]})"
    return found


def explorer_attributes(box: Box, facts: Facts) -> list[dict[str, str]]:
    """Return the role of a box and what is known of it, or its tooltip, as keys and values."""
    rows = [{"key": "role", "value": box.role}]
    if facts:
        return rows + [{"key": key, "value": value} for key, value in facts]
    for place, line in enumerate(filter(None, box.tooltip.split("\n"))):
        key, colon, value = line.partition(": ")
        rows.append({"key": key, "value": value} if colon else {"key": f"{place}", "value": line})
    return rows


def dump_json(content: dict[str, Any]) -> str:
    """Write JSON with one space of indentation."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
