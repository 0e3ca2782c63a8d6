"""Write `gallery.md` and its pictures: every view, overlay, theme and format, on real subjects.

    python docs/gallery.py            # draws into docs/gallery/ and rewrites docs/gallery.md
    python docs/gallery.py --check    # says whether the page is up to date, for the tests
    python docs/gallery.py FOLDER     # draws into another folder only

The code that the page shows is the code that is run.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

from autograd_mini.files import write_file
from viz.formats import SUFFIXES

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = Path(__file__).with_name("gallery.md")
FOLDER: Final = Path(__file__).with_name("gallery")
HEAD: Final = """\
# Gallery

Every view, overlay, theme and format. It is written by `python docs/gallery.py`; the code that you
see drew the pictures. What the options mean is in [Pictures](pictures.md).
"""


@dataclass(frozen=True)
class Entry:
    """A heading, a sentence, and code that draws the pictures beneath it."""

    title: str
    text: str
    code: str

    @property
    def source(self) -> str:
        """The code as it is shown and run."""
        return dedent(self.code).strip() + "\n"

    @property
    def pictures(self) -> list[str]:
        """The names of the pictures that can stand in a page, in order."""
        return [name for name in self.files if name.endswith(".svg")]

    @property
    def files(self) -> list[str]:
        """The names of all files that the code writes, in order."""
        quoted = self.source.split('"')[1::2]
        return [name for name in quoted if Path(name).suffix in SUFFIXES]


ENTRIES: Final = (
    Entry(
        "A scalar expression",
        "`name | data | grad`: the expression that Karpathy's micrograd shows first.",
        """
        import numpy as np
        import autograd_mini as am
        import viz

        a, b = (am.tensor(v, name=n, requires_grad=True) for v, n in ((-4.0, "a"), (2.0, "b")))
        c, d = a + b, a * b + b**3
        c = c + c + 1
        c = c + 1 + c - a
        d = d + d * 2 + am.relu(b + a)
        d = d + 3 * d + am.relu(b - a)
        e = c - d
        f = e**2
        g = f / 2 + 10 / f
        g.name = "g"
        g.backward()
        viz.render(g, "scalars.svg", view="scalars", limit=None, fit="16:9")
        """,
    ),
    Entry(
        "A neuron, step by step",
        "`viz.frames`: forward and backward with the numbers as they arrive, and the chain rule in "
        "words. One animated SVG; `frames.save(folder)` writes one a step.",
        """
        x = am.tensor(2.0, name="x")
        w, b = (am.tensor(v, name=n, requires_grad=True) for v, n in ((-0.5, "w"), (0.3, "b")))
        neuron = am.sigmoid(x * w + b)
        neuron.name = "p"
        _ = viz.frames(neuron).animation("frames.svg")
        """,
    ),
    Entry(
        "A network as neurons",
        "Weights by colour, width and opacity; `sample=` shows the values for an input.",
        """
        triangle = am.nn.MLP([2, 3, 1], "tanh", output_activation="sigmoid", seed=3)
        viz.render(triangle, "neurons.svg")
        viz.render(triangle, "neurons_sample.svg", sample=[0.7, -1.2])
        """,
    ),
    Entry(
        "Wide layers",
        "They show their ends, and their true size in the heading.",
        """
        digits = am.nn.MLP([64, 48, 10], activation="relu", seed=0)
        pixels = np.random.default_rng(0).integers(0, 17, 64) / 16
        viz.render(digits, "digits.svg", sample=pixels)
        """,
    ),
    Entry(
        'Operations: `view="operations"`',
        "A recorded loss: scopes as frames, parameters next to the operation that takes them.",
        """
        rng = np.random.default_rng(1)
        points = am.tensor(rng.normal(size=(100, 2)), name="points")
        inside = am.tensor((rng.random((100, 1)) < 0.5) * 1.0, name="inside")
        loss = np.mean((triangle(points) - inside) ** 2)
        loss.name = "loss"
        viz.render(loss, "operations.svg", view="operations", fit="16:9")
        """,
    ),
    Entry(
        'The backward next to the forward: `view="backward"`',
        "Each gradient is on the row of its operation, and says what its rule is made of.",
        """
        viz.render(loss, "backward.svg", view="backward", fit="16:9")
        """,
    ),
    Entry(
        'Operations and tensors: `view="tensors"`',
        "Each result has its own box.",
        """
        viz.render(loss, "tensors.svg", view="tensors", fit="16:9")
        """,
    ),
    Entry(
        "Twelve blocks",
        "What repeats is one box; `open=` opens what you want to see.",
        """
        from residual_mlp import DeepNetwork, loss_of

        x, labels = rng.normal(size=(64, 64)), rng.integers(0, 10, 64)
        residual = loss_of(DeepNetwork(shortcuts=True), x, labels)
        viz.render(residual, "blocks.svg", fit="16:9")
        viz.render(residual, "blocks_open.svg", open="block_3", fit="16:9")
        """,
    ),
    Entry(
        'Vanishing gradients: `overlay="gradients"`',
        "The same network without its shortcuts, and with them.",
        """
        plain = loss_of(DeepNetwork(shortcuts=False), x, labels)
        viz.render(plain, "gradients_without.svg", overlay="gradients", open=0, fit="16:9")
        viz.render(residual, "gradients_with.svg", overlay="gradients", open=0, fit="16:9")
        """,
    ),
    Entry(
        "A recurrent network",
        "Twenty steps with the same weights are a loop, whose state runs back along an arrow; with "
        "the gradient of each step as a curve; and with the last step open.",
        """
        from recurrent import Recurrent, loss_of, tones

        heard = loss_of(Recurrent(rng), *tones(rng, 8))
        viz.render(heard, "recurrent.svg", fit="16:9")
        viz.render(heard, "recurrent_gradients.svg", overlay="gradients", fit="16:9")
        viz.render(heard, "recurrent_step.svg", open="step_20", fit="16:9")
        """,
    ),
    Entry(
        "A transformer",
        "Plain NumPy on tensors, folded by its scopes; and its self-attention.",
        """
        from transformer import Transformer, loss_of, sequences

        written = loss_of(Transformer(rng), sequences(rng, 2))
        viz.render(written, "transformer.svg", fit="16:9")
        viz.render(written, "attention.svg", open="block/attention", fit="16:9")
        """,
    ),
    Entry(
        'Where NaN comes from: `overlay="nonfinite"`',
        "Black where it arises, grey where it arrives.",
        """
        odds = am.tensor([0.5, -0.1, 2.0], name="odds")
        with np.errstate(invalid="ignore"):
            score = np.mean(np.log(odds) * 0.5 + np.exp(odds))
        score.name = "score"
        viz.render(score, "nonfinite.svg", overlay="nonfinite")
        """,
    ),
    Entry(
        "Where one derivative comes from: `am.explain`",
        "A path is lit, with the local derivatives whose product is its share.",
        """
        v, x = am.tensor(2.0, requires_grad=True, name="w"), am.tensor(3.0, name="x")
        total = -np.log(am.sigmoid(v * x - 6)) + 0.1 * v * v
        total.name = "loss"
        explained = am.explain(total, v)
        viz.render(explained, "explained.svg", direction="LR")
        """,
    ),
    Entry(
        "Values, memory, work, parameters, time",
        '`overlay="values"` has histograms; `"memory"`, `"flops"`, `"parameters"` and `"time"` '
        "colour what costs most.",
        """
        read = np.mean(np.square(digits(am.tensor(rng.random((32, 64)), name="pixels"))))
        read.name = "size"
        viz.render(read, "values.svg", overlay="values", fit="16:9")
        viz.render(read, "memory.svg", overlay="memory", fit="16:9")
        viz.render(read, "flops.svg", overlay=["flops", "parameters"], fit="16:9")
        viz.render(read, "time.svg", overlay="time", fit="16:9")
        """,
    ),
    Entry(
        'A training step, compiled: `view="compiled"`',
        'As it was recorded, and after the passes; `view="forward"` leaves out what follows.',
        """
        optimizer = am.optim.SGD(triangle, lr=0.1)


        @am.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = np.mean((triangle(x) - y) ** 2)
            loss.backward()
            optimizer.step()
            return loss


        for _ in range(2):
            step(points.data, inside.data)
        viz.render(step, "compiled.svg", view="compiled", fit="16:9")
        viz.render(step, "forward.svg", view="forward", fit="16:9")
        """,
    ),
    Entry(
        "A hundred thousand operations",
        "A loop shows its first and last round, and counts those between.",
        """
        y = am.tensor(1.0, name="x", requires_grad=True)
        for _ in range(50_000):
            y = y * 0.999 + 0.1
        viz.render(y, "loop.svg")
        """,
    ),
    Entry(
        "Themes",
        '`"auto"` follows the reader; `"light"`, `"dark"`, and `"print"` without colours.',
        """
        small = np.tanh(points @ am.tensor(np.eye(2), name="W", requires_grad=True))
        viz.render(small, "light.svg", theme="light")
        viz.render(small, "dark.svg", theme="dark")
        viz.render(small, "print.svg", theme="print")
        """,
    ),
    Entry(
        "In your own words",
        "Names of inputs, heads and outputs, a legend, a caption; another language, your colours "
        "and font, whose contrast is checked.",
        """
        class ActorCritic(am.nn.Module):
            def __init__(self):
                self.body = am.nn.Dense(4, 6, "tanh", seed=0)
                self.policy = am.nn.Dense(6, 3, seed=1)
                self.value = am.nn.Dense(6, 1, seed=2)

            def forward(self, x):
                h = self.body(x)
                return {"policy": self.policy(h), "value": self.value(h)}


        viz.render(
            ActorCritic(),
            "heads.svg",
            inputs=["position", "speed", "angle", "angular speed"],
            classes={"policy": ["left", "stay", "right"]},
            legend=True,
            caption="Figure 1. An actor and a critic share their first layer.",
        )
        own = viz.Theme(ground="#fdf6e3", parameter="#7a1f5c", font="Georgia, serif")
        labels = {"points": "точки", "W": "веса"}
        viz.render(small, "words.svg", language="ru", labels=labels, legend=True, theme=own)
        """,
    ),
    Entry(
        "Formats",
        "An HTML page to look around in, PNG, DOT, TikZ for LaTeX, Mermaid, JSON and that of Model "
        "Explorer; `.pdf`, and `.gif` of steps, need `pip install 'autograd-mini[pictures]'`.",
        """
        viz.render(loss, "page.html")
        viz.render(small, "small.png")
        viz.render(small, "small.dot")
        viz.render(small, "small.tex")
        viz.render(small, "small.mmd")
        viz.render(small, "small.json")
        viz.render(small, "small_explorer.json", format="model-explorer")
        """,
    ),
    Entry(
        "The difference of two graphs",
        "What is the same is grey, changed blue, new green, gone red, each with its own mark and "
        "line: a function before and after a change, and a network before and after training.",
        """
        def before(x, W, b):
            return np.mean(np.tanh(x @ W + b) ** 2)


        def after(x, W, b):
            return np.mean(np.abs(am.relu(x @ W + b) * 0.5) ** 3)


        arrays = np.ones((8, 2)), np.eye(2, 3), np.ones(3)
        viz.difference(before, after, "difference.svg", inputs=arrays)

        rng = np.random.default_rng(0)
        points = rng.normal(size=(50, 2))
        targets = points[:, :1] * points[:, 1:]
        fresh, trained = (am.nn.MLP([2, 4, 1], activation="tanh", seed=0) for _ in range(2))
        optimizer = am.optim.Adam(trained.parameters(), lr=0.05)
        steps = {"epochs": 20, "loss": am.nn.mse, "optimizer": optimizer, "seed": 0}
        trained.fit(points, targets, verbose=False, **steps)
        viz.difference(fresh, trained, "difference_training.svg", inputs=points)
        """,
    ),
    Entry(
        "What did not fit: an error",
        "The graph up to the operation that failed, and the error's text.",
        """
        images = am.tensor(np.ones((32, 64)), name="images")
        head = am.tensor(np.ones((16, 10)), requires_grad=True, name="head")
        try:
            am.nn.MLP([64, 32, 10])(images) @ head
        except am.ShapeError as error:
            viz.render(error, "error.svg")
        """,
    ),
)
VOLATILE: Final = frozenset({"time.svg"})
"""Pictures that are another one each time."""


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for entry in ENTRIES:
        others = [name for name in entry.files if name not in entry.pictures]
        links = ", ".join(f"[{name}](gallery/{name})" for name in others)
        pictures = links + "\n".join(
            f"![{entry.title.replace('`', '')}](gallery/{p})" for p in entry.pictures
        )
        parts.append(
            f"## {entry.title}\n\n{entry.text}\n\n```python\n{entry.source}```\n\n{pictures}\n"
        )
    return "\n".join(parts).rstrip() + "\n"


def draw(folder: Path) -> None:
    """Run all the code, in a folder that is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(ROOT / "examples"))
    names: dict[str, Any] = {}
    with chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("error")
        for entry in ENTRIES:
            exec(compile(entry.source, f"<{entry.title}>", "exec"), names)  # our own text, above


def main() -> None:
    """Do what the command line asks for."""
    match sys.argv[1:]:
        case ["--check"]:
            missing = [p for e in ENTRIES for p in e.files if not (FOLDER / p).is_file()]
            if PAGE.read_text(encoding="utf-8") != page() or missing:
                raise SystemExit(f"run python docs/gallery.py: the page is old {missing}")
        case [folder]:
            draw(Path(folder))
        case _:
            draw(FOLDER)
            write_file(PAGE, page())


if __name__ == "__main__":
    main()
