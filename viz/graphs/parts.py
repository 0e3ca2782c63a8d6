"""The parts of a picture: what one box of a graph stands for, operations or a leaf.

An `Outline` makes them, and the views draw one box for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from .scopes import Branch, common_branch


@dataclass(slots=True, eq=False)
class Part:
    """One box of the picture, and the operations behind it, in order.

    Attributes:
        kind: one operation, a scope that is folded, or the operations that are left out.
        branch: the open scope around it; the scope itself if it is folded.
        operations: in order.
        members: the parts that it stands for, where alike ones follow each other.
        whole: how many operations its scope has, where it is a piece of it.
        follows: whether it needs a part that is shown; else what is left out comes first.
    """

    kind: Literal["operation", "scope", "earlier"]
    branch: Branch
    operations: list[Operation] = field(default_factory=list)
    members: list[Part] = field(default_factory=list)
    whole: int = 0
    follows: bool = False

    @property
    def around(self) -> Branch:
        """The open scope that it is drawn in."""
        parent = self.branch.parent
        return parent if self.kind == "scope" and parent is not None else self.branch


@dataclass(slots=True, eq=False)
class Source:
    """One box of a leaf: a tensor, or a plain array operand.

    Attributes:
        value: the tensor or array.
        consumers: the parts that take it from this box.
    """

    value: Any
    consumers: list[Part]

    @property
    def role(self) -> Literal["input", "parameter"]:
        """What it stands for."""
        wanted = isinstance(self.value, Tensor) and self.value.requires_grad
        return "parameter" if wanted else "input"

    def around(self, root: Branch) -> Branch:
        """Return the scope to draw it in: its consumers', but outside of all for data."""
        if isinstance(self.value, Tensor) and self.role == "input":
            return root
        return common_branch(part.around for part in self.consumers)
