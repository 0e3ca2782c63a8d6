"""History: what training measured, one row per epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ..core.visible import show_text

Stopped = Literal["running", "completed", "early", "interrupted"]


@dataclass(slots=True, repr=False)
class History:
    """What `Module.fit` returns; `history["accuracy"]` is the list of that number by epoch.

    What is shown counts epochs from 1, here as in the errors of training. Lists and `best_epoch`,
    which is a place in them, start at 0 as everywhere in Python: epoch 1 is `rows[0]`.

    Attributes:
        rows: for each completed epoch its numbers by name: loss, the metrics, val_loss, the
            metrics on the validation data as `val_accuracy`, and lr, the last learning rate.
        stopped: why training ended: "completed" all epochs, "early" by patience, "interrupted" by
            Ctrl-C; the parameters are then those after the last completed step.
        restored: whether the parameters are those of the best epoch.
        seconds: how long it took.
        eager: why the steps were not replayed as a compiled program, or None.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    stopped: Stopped = "running"
    restored: bool = False
    seconds: float = 0.0
    eager: str | None = None

    def __getitem__(self, name: str) -> list[float]:
        if self.rows and name not in self.rows[0]:
            raise KeyError(f"{name!r}; the history has {', '.join(self.rows[0])}")
        return [row[name] for row in self.rows]

    @property
    def names(self) -> list[str]:
        """The measured losses and metrics, one row for each epoch."""
        return list(self.rows[0]) if self.rows else []

    @property
    def loss(self) -> list[float]:
        """The training loss of each epoch: the mean of its batches, each before its step."""
        return self["loss"]

    @property
    def val_loss(self) -> list[float]:
        """The loss on the validation data after each epoch; empty without validation."""
        return self["val_loss"] if "val_loss" in self.names else []

    @property
    def metrics(self) -> dict[str, list[float]]:
        """Every number but the losses and the rate, by name."""
        return {n: self[n] for n in self.names if n not in ("loss", "val_loss", "lr")}

    def monitored_value(self, epoch: int) -> float:
        """Return the number that early stopping looks at: val_loss, or loss without validation."""
        row = self.rows[epoch]
        return row.get("val_loss", row["loss"])

    @property
    def best_epoch(self) -> int | None:
        """The place in `rows`, from 0, of the lowest monitored loss; None if there is none."""
        losses = [self.monitored_value(i) for i in range(len(self.rows))]
        finite = [i for i, loss in enumerate(losses) if math.isfinite(loss)]
        return min(finite, key=losses.__getitem__, default=None)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        """Say how it ended, and the first and last of every number."""
        best = self.best_epoch
        lines = [
            f"History: {len(self)} epoch{'s' * (len(self) != 1)}, {self.stopped}, "
            f"{self.seconds:.2f} s"
            + ("" if best is None else f", best epoch {best + 1}")
            + (", restored" if self.restored else "")
        ]
        for name in self.names:
            numbers = self[name]
            shown = show_text(name, one_line=True)
            lines.append(f"  {shown:<14} {numbers[0]:.6g} → {numbers[-1]:.6g}")
        return "\n".join(lines)
