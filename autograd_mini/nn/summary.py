"""The summary table of a model: its layers, parameters and hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..core.visible import show_text
from .ownership import join_paths

if TYPE_CHECKING:
    from .ownership import Model

HEADINGS: Final = ("layer", "output", "trainable", "parameters", "hyperparameters")
NUMBERS: Final = HEADINGS.index("trainable")
"""The right-aligned column."""


def summary(model: Model) -> str:
    """Return the table: a row for each module that has tensors or hyperparameters.

    `n` is the number of samples. Parameters stand under the names that files of weights use; a
    shared one stands where it is found first.

    >>> from autograd_mini.nn import MLP
    >>> print(MLP([2, 16, 1], seed=0))
    MLP(2-16-1, activation='tanh'): 65 trainable parameters, float64, 520 bytes
    layer    output   trainable  parameters                                    hyperparameters
    dense_1  (n, 16)         48  layers.0.weight (2, 16), layers.0.bias (16,)  neurons 16, activation tanh
    dense_2  (n, 1)          17  layers.1.weight (16, 1), layers.1.bias (1,)   neurons 1, activation linear
    """  # noqa: E501  # the table is as wide as it is
    unlisted = {t.serial: path for path, t in model.named_tensors()}
    scopes: dict[str, str] = {}
    rows: list[tuple[str, ...]] = [HEADINGS]
    for path, module in model.named_modules():
        scopes[path] = _scope_path(path, module, scopes)
        own = [(unlisted.pop(t.serial), t) for _, t in module.own_tensors() if t.serial in unlisted]
        chosen = module.hyperparameters()
        if own or chosen:
            shapes = (f"{p} {t.shape}{'' if t.requires_grad else ' not trained'}" for p, t in own)
            trained = sum(t.size for _, t in own if t.requires_grad)
            written = ", ".join(f"{name} {value}" for name, value in chosen.items())
            output = module.output_shape()
            cells = (scopes[path], output, f"{trained:,}", ", ".join(shapes), written)
            rows.append(tuple(show_text(cell, one_line=True) for cell in cells))
    return "\n".join([show_text(heading(model)), *_align_columns(rows)])


def _scope_path(path: str, module: Model, scopes: dict[str, str]) -> str:
    """Return the names of the modules around a module and its own, the model's left out."""
    if not path:
        return module.scope_name
    parents = (p for p in scopes if p and path.startswith(join_paths(p, "")))
    parent = max(parents, key=len, default="")
    return f"{scopes[parent]}/{module.scope_name}" if parent else module.scope_name


def heading(model: Model) -> str:
    """Return the line above the table: the model's class and its totals."""
    tensors = [t for _, t in model.named_tensors()]
    trained = sum(t.size for t in tensors if t.requires_grad)
    fixed = sum(t.size for t in tensors if not t.requires_grad)
    parts = [f"{trained:,} trainable parameters"]
    if fixed:
        parts.append(f"{fixed:,} not trained")
    parts += sorted({str(t.dtype) for t in tensors})
    parts.append(f"{sum(t.nbytes for t in tensors):,} bytes")
    text = repr(model)
    kind = text if len(text) <= 60 and "trainable" not in text else type(model).__name__
    return f"{kind}: {', '.join(parts)}"


def _align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i == NUMBERS else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
