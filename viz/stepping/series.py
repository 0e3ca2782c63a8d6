"""`frames`: a computation step by step, forward and backward, as pictures with one layout."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from autograd_mini.files import write_file

from ..drawing import (
    Drawing,
    check_labels,
    find_graph,
    finish_picture,
    make_wording,
    no_graph_error,
)
from ..errors import PictureError
from ..graphs.builder import default_title
from ..graphs.operations import OperationsView
from ..graphs.outline import Outline
from ..graphs.scalars import ScalarView, suits_scalar_view
from ..output.conversion import convert_to_pngs
from ..output.layout import Engine
from ..output.notebook import notebook_bundle
from ..picture import Direction, Picture
from ..style import ThemeName
from ..theme import Theme
from ..wording.language import ENGLISH, Wording, use_wording
from .captions import Step, join_steps
from .film import SECONDS_PER_FRAME, Animation, Film, add_captions, animate, cut_frame
from .part_steps import PartSteps
from .scalar_steps import ScalarSteps

if TYPE_CHECKING:
    from ..output.moving_images import MovingFormat

MOST_FRAMES = 60
LONGEST_STAY: Final = 600
"""A frame stays less than so many seconds."""
MOVING_SUFFIXES: Final[dict[str, Literal["svg", "gif", "apng"]]] = {
    ".svg": "svg",
    ".gif": "gif",
    ".apng": "apng",
    ".png": "apng",
}
"""Suffix of an animation → its format."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a series.

    Attributes:
        svg: the text of its file.
        step: what happens in it.
    """

    svg: str
    step: Step

    @property
    def caption(self) -> str:
        """What happens, in words and numbers."""
        return "\n".join(self.step.caption)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        return notebook_bundle(self.svg, self.caption)


class Frames:
    """A series of pictures of one graph, in which numbers appear as they are computed.

    It has a length, an index and a loop, as a list has. A notebook shows it as an animation.

    Attributes:
        drawing: the picture with everything that any frame shows.
        steps: what happens in each frame.
    """

    def __init__(
        self,
        picture: Picture,
        steps: list[Step],
        engine: Engine,
        theme: ThemeName | Theme = "auto",
        wording: Wording | None = None,
    ) -> None:
        self._wording = wording or Wording()
        self.drawing = Drawing(picture, engine, theme, wording=self._wording)
        self.steps = steps

    @cached_property
    def film(self) -> Film:
        """The drawing with the windows of all frames."""
        return Film(self.drawing.svg, self.drawing.picture, self.steps)

    @cached_property
    def _film_with_captions(self) -> Any:
        with use_wording(self._wording):
            return add_captions(self.film)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, place: int) -> Frame:
        """Return a frame; the last one is −1.

        Raises:
            IndexError: if there is none.
        """
        if not -len(self) <= place < len(self):
            raise IndexError(f"frame {place} of {len(self)}; expected 0 to {len(self) - 1}")
        place %= len(self)
        film = self._film_with_captions
        with use_wording(self._wording):
            return Frame(cut_frame(film, self.film, place), self.steps[place])

    def __iter__(self) -> Iterator[Frame]:
        return (self[place] for place in range(len(self)))

    def save(
        self, directory: str | os.PathLike[str], *, format: Literal["svg", "png"] = "svg"
    ) -> list[Path]:
        """Write the frames as `frame_001.svg`, `frame_002.svg`…; return the paths.

        The directory is made if it is missing. Each file is written whole or not at all.

        Args:
            directory: where to write.
            format: "svg", or "png" on white, all of one size.

        Raises:
            PictureError: if there is a file in its place, or for another format.
            LayoutError: for PNG, if Typst is not installed.
        """
        target = Path(directory)
        if format not in ("svg", "png"):
            raise PictureError(f"format={format!r} is not known; expected 'svg' or 'png'")
        if target.exists() and not target.is_dir():
            raise PictureError(
                f"cannot save frames in {str(target)!r}: it is a file; expected a directory. "
                "frames.animation(path) writes a single file"
            )
        target.mkdir(parents=True, exist_ok=True)
        paths = []
        files: Iterator[str | bytes]
        files = (one.svg for one in self) if format == "svg" else self._pngs("a PNG")
        for place, content in enumerate(files, start=1):
            path = target / f"frame_{place:03}.{format}"
            write_file(path, content)
            paths.append(path)
        return paths

    def _pngs(self, what: str, most: float | None = None) -> Iterator[bytes]:
        """Yield the frames as PNG files on white; `most` bounds the pixels of a side."""
        return convert_to_pngs([one.svg for one in self], what, most=most)

    def animation(
        self, path: str | os.PathLike[str] | None = None, *, seconds: float = SECONDS_PER_FRAME
    ) -> Animation:
        """Return one SVG that plays the frames, and write a file if there is a path.

        It is a string, and shows itself in a notebook. Readers of the SVG whose system asks for
        less motion see the last frame.

        Args:
            path: a file with the suffix .svg; .gif, which Word and PowerPoint play; or .apng or
                .png, a PNG that moves, with all colours, for browsers. The last three need
                `pip install 'autograd-mini[pictures]'`, have a white ground, and at most 1920
                pixels on a side.
            seconds: how long each frame stays.

        Raises:
            PictureError: for another suffix, a missing directory, or a time that is not positive.
            LayoutError: for a GIF or PNG, if Typst or Pillow is not installed.
        """
        if not 0 < seconds < LONGEST_STAY:
            raise PictureError(
                f"seconds={seconds!r} per frame; expected more than 0, and less than {LONGEST_STAY}"
            )
        film = self.film
        with use_wording(self._wording):
            text = animate(film, seconds)
        if path is not None:
            target = Path(path)
            if target.suffix.lower() not in MOVING_SUFFIXES:
                raise PictureError(
                    f"an animation is an SVG, a GIF or a PNG; {str(target)!r} has the suffix "
                    f"{target.suffix!r}, expected one of {', '.join(MOVING_SUFFIXES)}"
                )
            if not target.parent.is_dir():
                raise PictureError(f"there is no directory {str(target.parent)!r}; create it first")
            kind = MOVING_SUFFIXES[target.suffix.lower()]
            write_file(target, text if kind == "svg" else self._join_frames(kind, seconds))
        return Animation(text)

    def _join_frames(self, kind: MovingFormat, seconds: float) -> bytes:
        """Return the file of a GIF or a moving PNG."""
        from ..output.moving_images import MOST_PIXELS, join_frames

        what = "a GIF" if kind == "gif" else "a moving PNG"
        return join_frames(self._pngs(what, MOST_PIXELS), kind, seconds)

    def _repr_svg_(self) -> str:
        return self.animation()

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        return notebook_bundle(self.animation(), repr(self))

    def __repr__(self) -> str:
        return f"<Frames {self.drawing.picture.title!r}: {len(self)} frames>"


def frames(
    subject: object,
    *,
    direction: Direction | None = None,
    limit: int | None = 40,
    most: int = MOST_FRAMES,
    title: str | None = None,
    labels: Mapping[str, str] | None = None,
    caption: str | None = None,
    legend: bool = False,
    language: str = ENGLISH,
    engine: Engine = "graphviz-pure",
) -> Frames:
    """Draw a computation step by step: values as they are computed, gradients as they arrive.

    For numbers, captions show the exact values and the chain rule at each operation; for arrays,
    the shapes, norms and the rule. A folded scope is one step. All frames have one layout.

    Args:
        subject: a tensor, a sequence of tensors, or a `Graph`.
        direction: "LR" by default for numbers, "TB" for arrays.
        limit: about how many boxes at most, None for all.
        most: about how many frames at most; neighbours become one if there are more.
        title: read aloud by screen readers.
        labels: as in `draw`.
        caption: as in `draw`; the captions of the steps stand below it.
        legend: as in `draw`.
        language: as in `draw`.
        engine: the layout program.

    Raises:
        PictureError: if the subject has no graph of operations, or `most` is less than 4.

    >>> import autograd_mini as am
    >>> x = am.tensor(2.0, name="x", requires_grad=True)
    >>> for frame in frames(x * 3 + 1):
    ...     print(frame.caption.splitlines()[0])
    given: x = 2
    v₁ = x × 3 = 2 × 3 = 6
    L = v₁ + 1 = 6 + 1 = 7
    backward starts at the end: how does L change with each number?
    ∂L/∂v₁ = ∂L/∂L × ∂L/∂v₁ = 1 × 1 = 1
    ∂L/∂x = ∂L/∂v₁ × ∂v₁/∂x = 1 × 3 = 3
    """
    graph = find_graph(subject)
    if graph is None:
        raise no_graph_error(subject)
    if not isinstance(most, int) or most < 4:
        raise PictureError(f"most={most!r} is too few frames; expected a whole number from 4")
    chosen = make_wording(language, labels)
    with use_wording(chosen):
        found: ScalarSteps | PartSteps
        if suits_scalar_view(graph):
            outline = Outline(graph, None if limit is None else 3 * limit, fold=False)
            named = title or default_title(graph)
            found = ScalarSteps(ScalarView(outline, named, direction or "LR"))
        else:
            outline = Outline(graph, limit)
            named = title or default_title(graph)
            found = PartSteps(OperationsView(outline, named, direction or "TB"))
        picture = finish_picture(found.picture, caption, legend)
        steps = join_steps(found.steps, most)
    check_labels(chosen, picture, subject)
    return Frames(picture, steps, engine, wording=chosen)
