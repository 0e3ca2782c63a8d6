"""A picture as a Mermaid flowchart, which Markdown pages of code hosts draw by themselves.

A label keeps letters, digits and spaces as they are and writes every other character by its number,
so that no name can end its label, start a directive or become HTML.
"""

from __future__ import annotations

from typing import Final

from ..picture import SCOPES, Box, Picture, Role
from ..style import BOX
from ..texts import clean_text

LONGEST: Final = 200
"""Letters of a label; Mermaid refuses texts of more than 50,000 in all."""
ROUND: Final[frozenset[Role]] = frozenset(
    {"feature", "neuron", "prediction", "bias", "scalar_operation", "dot"}
)


def write_mermaid(picture: Picture) -> str:
    """Return the text of a flowchart with a subgraph for each scope and a class for each role.

    >>> from ..picture import Arrow
    >>> boxes = [Box("n0", "input", ("x",)), Box("n1", "operation", ("+",))]
    >>> print(mermaid(Picture("Sum", boxes=boxes, arrows=[Arrow("n0", "n1", "3")])))
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
        f'title: "{encode_title(picture.title)}"',
        "---",
        f"flowchart {picture.direction}",
    ]
    lines += scope_lines(picture)
    for arrow in picture.arrows:
        line = "---" if arrow.colour else "-.->" if arrow.backward else "-->"
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
    return "\n".join([*lines, *map(class_definition, roles), ""])


def scope_lines(picture: Picture) -> list[str]:
    """Return the lines of boxes, each inside its scope; without recursion, nesting may be deep."""
    inside: dict[str | None, list[str]] = {None: []}
    for cluster in picture.clusters:
        inside[cluster.id] = [f'  subgraph {cluster.id}["{encode_label(cluster.caption)}"]']
    for box in picture.boxes:
        inside[box.cluster].append(f"  {box_line(box)}")
    for cluster in reversed(picture.clusters):  # inner ones are complete before outer ones
        inside[cluster.parent] += [*inside[cluster.id], "  end"]
    return inside[None]


def box_line(box: Box) -> str:
    """Return the line of a box; its shape follows its role."""
    words = "\n".join(box.lines) or " | ".join(cell.text for cell in box.cells)
    start, end = ("[[", "]]") if box.role in SCOPES else ("[", "]")
    if box.role in ROUND:
        start, end = "((", "))"
    return f'{box.id}{start}"{encode_label(words) or " "}"{end}:::{box.role}'


def encode_label(text: str) -> str:
    """Write a label: what is no letter, digit or space becomes its number.

    >>> encoded('W "x"\\n]]')
    'W #34;x#34;<br/>#93;#93;'
    """
    shown = clean_text(text, LONGEST)
    return "<br/>".join("".join(map(encode_letter, line)).strip() for line in shown.split("\n"))


def encode_letter(character: str) -> str:
    """Write one character of a label."""
    if character == " " or character.isalnum():
        return character
    return f"#{ord(character)};"


def encode_title(text: str) -> str:
    """Write the title inside of quotation marks, as YAML reads it."""
    shown = clean_text(text, LONGEST, lines=1)
    return "".join(c if c == " " or c.isalnum() else f"\\U{ord(c):08x}" for c in shown)


def class_definition(role: Role) -> str:
    """Return the look of a role."""
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
