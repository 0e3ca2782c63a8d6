"""`Part` and `Source`: the operations, or the leaf, that one box of a graph stands for.

An `Outline` makes them, and the views draw a box for each.
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
        kind: "operation" for one, "scope" for a folded scope, "earlier" for left-out operations.
        branch: the open scope around it; the scope itself if it is folded.
        operations: in order.
        members: the alike parts that it replaces, if it stands for a repetition.
        whole: how many operations its scope has, if it is a piece of a scope.
        follows: whether it needs a part that is shown; if not, it comes before all of them.
    """

    kind: Literal["operation", "scope", "earlier"]
    branch: Branch
    operations: list[Operation] = field(default_factory=list)
    members: list[Part] = field(default_factory=list)
    whole: int = 0
    follows: bool = False

    @property
    def around(self) -> Branch:
        """The open scope in which it is drawn."""
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
        """Its role: a parameter if it requires a gradient."""
        wanted = isinstance(self.value, Tensor) and self.value.requires_grad
        return "parameter" if wanted else "input"

    def around(self, root: Branch) -> Branch:
        """Return the scope in which it is drawn: that of its consumers, the root for an input."""
        if isinstance(self.value, Tensor) and self.role == "input":
            return root
        return common_branch(part.around for part in self.consumers)
