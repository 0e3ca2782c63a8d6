r"""A picture for LaTeX: the shapes and texts of the finished SVG as a standalone TikZ document.

The file compiles by itself, with pdfLaTeX, LuaLaTeX or XeLaTeX. A document with
`\usepackage{standalone}` and `\usepackage{tikz}` takes it with `\input`; then the texts are in the
sans-serif font of that document. The centre of each box is a coordinate with the box's id, so that
a later `\draw (n3) -- (n5);` in the picture finds it; a comment tells the names.

Characters that LaTeX has a command for are written by it. pdfLaTeX has no others: they become
small boxes with their numbers, and a warning names them.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

from ..picture import Picture
from ..texts import clean_text
from .svg import SVG

Element = ElementTree.Element
HEAD: Final = r"""\documentclass[tikz, border=0pt]{standalone}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[T1]{fontenc}
  \renewcommand{\sfdefault}{phv}
\else
  \usepackage{fontspec}
  \defaultfontfeatures{Ligatures=TeXOff}
  \IfFontExistsTF{Liberation Sans}{\setsansfont{Liberation Sans}}{%
    \IfFontExistsTF{Arial}{\setsansfont{Arial}}{%
      \IfFontExistsTF{TeX Gyre Heros}{\setsansfont{TeX Gyre Heros}}{}}}
\fi
"""
"""The preamble: the font whose metrics the layout program knows, or one of the same metrics."""
COMMANDS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    '"': r"{\char`\"}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "-": "{-}",
    ",": "{,}",
    "\N{NO-BREAK SPACE}": "~",
    "…": r"\dots{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "\N{HYPHEN}": "{-}",
    "′": r"\ensuremath{'}",
}
"""Characters that mean something to LaTeX, or join with a neighbour into another sign, and marks of
a text."""
SIGNS: Final = {
    **dict.fromkeys("-−", "-"),
    **{"×": r"\times", "÷": r"\div", "·": r"\cdot", "±": r"\pm", "≈": r"\approx", "≠": r"\neq"},
    **{"≤": r"\leq", "≥": r"\geq", "∞": r"\infty", "√": r"\surd", "∂": r"\partial"},
    **{"∇": r"\nabla", "Σ": r"\Sigma", "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "‖": r"\Vert"},
    **{"←": r"\leftarrow", "→": r"\rightarrow", "↑": r"\uparrow", "↓": r"\downarrow"},
    **{"∈": r"\in", "∘": r"\circ", "°": r"{}^{\circ}", "⊙": r"\odot", "⊗": r"\otimes"},
    **{"⊕": r"\oplus", "∧": r"\wedge", "∨": r"\vee", "¬": r"\neg", "∗": r"\ast", "⋮": r"\vdots"},
    **{"⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil", "ℓ": r"\ell"},
    **{"⟨": r"\langle", "⟩": r"\rangle", "∀": r"\forall", "∃": r"\exists", "∝": r"\propto"},
    **{"µ": r"\mu", "Δ": r"\Delta", "ℝ": r"\mathbf{R}", "ℂ": r"\mathbf{C}", "⊤": r"\top"},
    **{"∪": r"\cup", "∩": r"\cap", "⊂": r"\subset", "∅": r"\emptyset", "ϵ": r"\epsilon"},
    **{"⇒": r"\Rightarrow", "⇐": r"\Leftarrow", "↔": r"\leftrightarrow", "ħ": r"\hbar"},
    **{"∓": r"\mp", "∛": r"\sqrt[3]{\,}"},
}
"""Sign → its command in a formula; Greek letters, raised and lowered ones and accents come by their
Unicode names."""
ACCENTS: Final = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
    "\u0328": "k",
}
"""Combining mark → the accent command of a letter."""
T1_LETTERS: Final = frozenset("¡¢£¤¥§©ª«®¶º»¿ÆÐØÞßæðøþĐđıĲĳŁłŊŋŒœȘșȚțẞ€™„“”‘’‚‹›•†‡‰")
"""Other letters that pdfLaTeX reads as they are."""
LATIN_LOOKS: Final = {"ο": "o", "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I",
                      "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P", "Τ": "T", "Χ": "X",
                      "Υ": "Y"}  # fmt: skip
"""Greek letters without a command, since they look like Latin ones."""
COMMAND: Final = re.compile(r"([MLCZ])([^MLCZ]*)")
NUMBER: Final = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def write_tikz(svg: str, picture: Picture) -> str:
    """Return the text of a standalone LaTeX document.

    Args:
        svg: the finished SVG of the picture, which does not follow the reader's theme.
        picture: gives the title and the names of boxes.

    Warns with the characters that pdfLaTeX lacks.
    """
    root = ElementTree.fromstring(svg)
    graph = next(x for x in root.iter(f"{SVG}g") if "graph" in (x.get("class") or "").split())
    shift = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", graph.get("transform", ""))
    across, down = shift.groups() if shift else ("0", "0")
    width, height = (root.get("viewBox") or "0 0 1 1").split()[2:]
    names = {box.id: clean_text(box.words, lines=1) for box in picture.boxes}
    body: list[str] = []
    unknown: set[str] = set()
    for element in graph.iter():
        box = element.get("id", "").partition(f"{root.get('id')}-")[2]
        if element.tag == f"{SVG}text":
            text = unicodedata.normalize("NFC", element.text or "")
            unknown.update(x for x in _letters(text) if not _has_command(x))
            body += [_text_line(element, text)] if text.strip() else []
        elif element.tag == f"{SVG}g" and box in names:
            body += _box_lines(element, box, names[box])
        elif element.tag.removeprefix(SVG) in ("path", "polygon", "polyline", "ellipse", "rect"):
            body.append(_path_line(element))
    if unknown:
        warnings.warn(
            f"pdfLaTeX has no command for {' '.join(sorted(unknown))}; compile the file with "
            "lualatex and a font that has them, set by \\setsansfont, or rename what is drawn",
            UserWarning,
            stacklevel=4,
        )
    colours = sorted({x for line in body for x in re.findall(r"viz([0-9a-f]{6})", line)})
    lines = [
        f"% {clean_text(picture.title, 200, lines=1)}",
        HEAD + "".join(map(_declare_unknown, sorted(unknown))) + r"\begin{document}",
        rf"\begin{{tikzpicture}}[x=1bp, y=-1bp, shift={{({across},{down})}}, line cap=butt]",
        *(rf"  \definecolor{{viz{x}}}{{HTML}}{{{x.upper()}}}" for x in colours),
        rf"  \useasboundingbox (-{across},-{down}) rectangle ++({width},{height});",
        *(f"  {line}" for line in body),
        r"\end{tikzpicture}",
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def _declare_unknown(letter: str) -> str:
    """Return the line that lets pdfLaTeX draw the number of a character that it lacks."""
    number = f"{ord(letter):04X}"
    return rf"\ifPDFTeX\DeclareUnicodeCharacter{{{number}}}{{\fbox{{\tiny {number}}}}}\fi" + "\n"


def _box_lines(group: Element, box: str, name: str) -> list[str]:
    """Return the coordinate at the centre of a box, with a comment that names it."""
    xs, ys = [], []
    for element in group.iter():
        if element.tag == f"{SVG}ellipse":
            xs.append(float(element.get("cx", "0")))
            ys.append(float(element.get("cy", "0")))
        elif element.tag in (f"{SVG}path", f"{SVG}polygon"):
            numbers = NUMBER.findall(element.get("points") or element.get("d") or "")
            xs += map(float, numbers[::2])
            ys += map(float, numbers[1::2])
    if not xs:
        return [f"% {box}: {name}"]
    centre = f"({(min(xs) + max(xs)) / 2:.2f},{(min(ys) + max(ys)) / 2:.2f})"
    return [f"% {box}: {name}", rf"\coordinate ({box}) at {centre};"]


def _path_line(element: Element) -> str:
    """Return the line that draws a shape."""
    look = list(_line_attributes(element))
    return rf"\path[{', '.join(look)}] {_path_of(element)};"


def _line_attributes(element: Element) -> Iterator[str]:
    """Yield the options of a shape: its colours, opacities, width and dashes."""
    for name, option in (("fill", "fill"), ("stroke", "draw")):
        colour = _colour_name(element.get(name, "none"))
        if colour:
            yield f"{option}={colour}"
            opacity = float(element.get(f"{name}-opacity", "1"))
            if opacity < 1:
                yield f"{option} opacity={opacity:.3f}"
    yield f"line width={float(element.get('stroke-width', '1')):g}bp"
    dashes = re.findall(r"[\d.]+", element.get("stroke-dasharray", ""))
    if dashes:
        on_off = (f"{'off' if i % 2 else 'on'} {x}bp" for i, x in enumerate(dashes))
        yield f"dash pattern={' '.join(on_off)}"


def _colour_name(colour: str) -> str:
    """Return the name of a colour in the document, empty for none."""
    if colour in ("none", "transparent"):
        return ""
    return f"viz{colour[1:].lower()}" if colour.startswith("#") else colour


def _path_of(element: Element) -> str:
    """Return the path of a shape."""
    get = element.get
    if element.tag == f"{SVG}ellipse":
        return f"({get('cx')},{get('cy')}) ellipse [x radius={get('rx')}, y radius={get('ry')}]"
    if element.tag == f"{SVG}rect":
        return f"({get('x')},{get('y')}) rectangle ++({get('width')},{get('height')})"
    points = get("points")
    if points is not None:
        corners = " -- ".join(f"({x})" for x in points.split())
        return f"{corners} -- cycle" if element.tag == f"{SVG}polygon" else corners
    parts = []
    for command, text in COMMAND.findall(get("d") or ""):
        numbers = NUMBER.findall(text)
        pairs = [f"({x},{y})" for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        if command == "M":
            parts.append(" -- ".join(pairs))
        elif command == "L":
            parts += [f"-- {pair}" for pair in pairs]
        elif command == "C":
            curves = zip(pairs[::3], pairs[1::3], pairs[2::3], strict=True)
            parts += [f".. controls {a} and {b} .. {end}" for a, b, end in curves]
        else:
            parts.append("-- cycle")
    return " ".join(parts)


ANCHORS: Final = {"start": "base west", "middle": "base", "end": "base east"}


def _text_line(element: Element, text: str) -> str:
    """Return the line that writes a text, its baseline at the place that the layout gave it."""
    size = float(element.get("font-size", "12"))
    anchor = ANCHORS[element.get("text-anchor", "start")]
    bold = r"\bfseries" if element.get("font-weight") == "bold" else ""
    font = rf"\fontsize{{{size:g}bp}}{{{1.2 * size:g}bp}}\sffamily{bold}\selectfont"
    colour = _colour_name(element.get("fill", "black"))
    place = f"({element.get('x')},{element.get('y')})"
    look = f"anchor={anchor}, inner sep=0pt, outer sep=0pt, text={colour or 'black'}, font={font}"
    return rf"\node[{look}] at {place} {{{write_text(text)}}};"


def write_text(text: str) -> str:
    r"""Write a text for LaTeX, so that nothing in it is taken for a command.

    >>> print(write_text("∂w_1 × 50 %"), write_text("σ(ŷ) ≤ x²"))
    \ensuremath{\partial}w\_1 \ensuremath{\times} 50 \% \ensuremath{\sigma}(\^{y}) \ensuremath{\leq} x\textsuperscript{2}
    """  # noqa: E501
    kept = text.strip(" ").replace("\t", " ").replace("\n", " ")
    written = "".join(map(_write_letter, _letters(kept)))
    return re.sub(" {2,}", lambda found: "~" * len(found[0]), written)


def _letters(text: str) -> list[str]:
    """Divide a text into its characters; an accent stays with its letter."""
    return re.findall(f"[A-Za-z][{''.join(ACCENTS)}]|.", text, re.DOTALL)


def _write_letter(letter: str) -> str:
    """Write one character; one without a command stays as it is."""
    return _command_of(letter) or letter


def _has_command(letter: str) -> bool:
    """Can pdfLaTeX write a character?"""
    return bool(_command_of(letter) or letter.isascii() or letter in T1_LETTERS)


def _command_of(letter: str) -> str:
    """Return the command of a character, empty if it has none or needs none."""
    if letter in COMMANDS:
        return COMMANDS[letter]
    if letter.isascii() or letter in T1_LETTERS:
        return ""
    if len(letter) == 2:
        return rf"\{ACCENTS[letter[1]]}{{{letter[0]}}}"
    if letter in SIGNS:
        return rf"\ensuremath{{{SIGNS[letter]}}}"
    kind, _, parts = unicodedata.decomposition(letter).rpartition("> ")
    plain = "".join(chr(int(x, 16)) for x in parts.split())
    if kind in ("<super", "<sub") and all(map(_has_command, plain)):
        name = {"<super": "textsuperscript", "<sub": "textsubscript"}[kind]
        return rf"\{name}{{{''.join(map(_write_letter, plain))}}}"
    if kind == "<fraction":
        above, _, below = plain.partition("\N{FRACTION SLASH}")
        return rf"\textsuperscript{{{above}}}/\textsubscript{{{below}}}"
    if not kind and len(plain) == 2 and plain[0].isascii() and plain[1] in ACCENTS:
        return rf"\{ACCENTS[plain[1]]}{{{plain[0]}}}"
    return _greek_command(letter)


def _greek_command(letter: str) -> str:
    """Return the command of a Greek letter, empty for other characters."""
    if letter in LATIN_LOOKS:
        return LATIN_LOOKS[letter]
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(letter, ""))
    if not found or letter not in "αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΦΨΩ":
        return ""
    name = {"LAMDA": "LAMBDA", "FINAL": "SIGMA"}.get(found[2], found[2]).lower()
    name = {"epsilon": "varepsilon", "phi": "varphi"}.get(name, name) if letter.islower() else name
    return rf"\ensuremath{{\{name if letter.islower() else name.capitalize()}}}"
