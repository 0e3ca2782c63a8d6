"""The view of a graph with its backward: next to each box of the forward stands its gradient.

The forward has the layout of the view of operations. The box at the right of an operation is its
step in the reverse pass, and dashed arrows carry the cotangents back the way the values came.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

from autograd_mini.core.record import Operation, Record, Scope, recorder
from autograd_mini.core.reverse import apply_vjp
from autograd_mini.core.tensor import Tensor, leaf
from autograd_mini.errors import AutogradError

from ..backward_pass import Ledger, find_reached, gradient_notes, passes_gradient
from ..errors import PictureError
from ..picture import Arrow
from ..reading import Key, has_values, key, operands
from ..texts import (
    clean_text,
    format_count,
    format_shape,
    list_names,
    operation_label,
    operation_symbol,
)
from .builder import name_in_scope
from .operations import OperationsView
from .outline import Outline
from .scopes import Branch, Part

MOST_SYMBOLS: Final = 4
"""If a rule has more operations than this, only the tooltip lists them."""


class BackwardView(OperationsView):
    """Draws the forward as the view of operations does, then the backward from its end.

    Raises:
        PictureError: if nothing in the graph requires a gradient, or it holds no values.
    """

    def __init__(self, outline: Outline, title: str, direction: Any) -> None:
        super().__init__(outline, title, direction)
        self.mirrored: dict[Branch, Branch] = {outline.tree.root: Branch(None, None)}
        self.gradient_of_part: dict[Part, str] = {}
        self.gradient_of_leaf: dict[Key, str] = {}
        self.gradient_of_lump: dict[str, str] = {}
        ends = [y for y in outline.graph.outputs if y.requires_grad]
        self.end = clean_text(ends[0].name or "output") if len(ends) == 1 else "Σ"
        self.reached = find_reached(outline.graph)
        self.terms_of_part = Counter(
            (part, key(x))
            for part in outline.parts
            for operation in part.operations
            for position, x in enumerate(operands(operation))
            if isinstance(x, Tensor) and self._passes_gradient(operation, position)
        )
        self.terms: Counter[Key] = Counter()
        for (_, name), count in self.terms_of_part.items():
            self.terms[name] += count
        self.terms.update(key(y) for y in outline.graph.outputs if y.is_leaf and y.requires_grad)
        if not ends or not has_values(outline.graph):
            raise PictureError(
                "view='backward' needs a result that requires a gradient, with its values: pass a "
                "loss computed from am.tensor(…, requires_grad=True); a compiled step shows its "
                "backward in view='operations'"
            )

    def build(self) -> None:
        """Add the boxes and arrows of the forward, then those of the backward."""
        self.builder.notes += gradient_notes(self.outline.graph)
        super().build()
        for part in reversed(self.outline.parts):
            if any(operation.serial in self.reached for operation in part.operations):
                box = self._add_gradient(part)
                self.gradient_of_part[part] = box
                self.builder.picture.ties.append((self.box_of_part[part], box))
        for y, box in self.box_of_output:
            if y.requires_grad:
                self._add_seed(y, box)
        self._add_more_seeds()
        for part in reversed(self.outline.parts):
            if part in self.gradient_of_part:
                self._add_flows(part)

    def mirror(self, branch: Branch) -> Branch:
        """Return the scope for the gradients of a scope; make it if it is missing."""
        missing = []
        while branch not in self.mirrored:
            missing.append(branch)
            assert branch.parent is not None  # the root has one from the start
            branch = branch.parent
        found = self.mirrored[branch]
        for inner in reversed(missing):
            found = self.mirrored[inner] = Branch(Scope(f"∂ {inner.caption}", None), found)
        return found

    def _add_gradient(self, part: Part) -> str:
        """Add the box for the gradient of a part."""
        inside = self.mirror(part.around)
        if part.kind != "operation":
            passed = sum(operation.serial in self.reached for operation in part.operations)
            count = format_count(passed, "operation")
            name = f"of {count}" if part.kind == "earlier" else clean_text(part.branch.caption)
            names = [self._name_of_end(x, part) for x in self._listed_ends(part)]
            box = self.builder.add_box(
                "gradient_scope",
                f"∂ {name}",
                list_names(names, "gradient") if names else "",
                tooltip=f"the gradient of {_share_of(passed, part)}",
                inside=inside,
                tensors=tuple(("gradient_value", key(x)) for x in self._listed_ends(part)),
            )
            if names:
                self.builder.lists[box] = {"gradients": names}
            return box
        (operation,) = part.operations
        made = [operation_symbol(op) for op in _rule_operations(operation)]
        words = "  ".join(made) if len(made) <= MOST_SYMBOLS else ""
        counts = ", ".join(f"{n} {sign}" if n > 1 else sign for sign, n in Counter(made).items())
        rules = operation.primitive.doc.partition("  ∂")[2]
        lines = (
            f"∂{rules}".replace("  ∂", "\n∂"),
            f"computed by {counts}" if counts else "",
        )
        tooltip = clean_text("\n".join(filter(None, lines)), 300, lines=8)
        name = clean_text(f"∂ {operation_label(operation)}")
        return self.builder.add_box(
            "gradient", name, clean_text(words), tooltip=tooltip, inside=inside
        )

    def _name_of_end(self, x: Tensor, part: Part) -> str:
        """Return the name of a gradient that ends in a part, and how many of its terms do."""
        terms, here = self.terms[key(x)], self.terms_of_part[part, key(x)]
        some = f"{here} of {terms} terms" if here < terms else f"sum of {terms}"
        name = f"∂{name_in_scope(x, part.branch)}" if x.name else ""
        return f"{name} ({some})" if name and terms > 1 else name

    def _add_seed(self, y: Tensor, box: str) -> None:
        """Add the cotangent of an output, where the reverse pass begins."""
        name = clean_text(y.name or "output")
        seed = self.builder.add_box(
            "gradient_value",
            f"∂{name}/∂{name}",
            "1" if not y.ndim else f"1s {format_shape(y)}",
            tensors=(("gradient_value", ("seed", key(y))),),
        )
        self.builder.picture.ties.append((box, seed))
        self._add_backward_arrow(seed, self._gradient_at(y), format_shape(y))

    def _add_more_seeds(self) -> None:
        """Add one box for the cotangents of the outputs that are only counted."""
        outputs = [y for y in self.outline.more_outputs if y.requires_grad]
        if not outputs:
            return
        seed = self.builder.add_box(
            "gradient_value",
            f"… {format_count(len(outputs), 'more output')}",
            "1s",
            tooltip="the gradient of each of them by itself",
            tensors=tuple(("gradient_value", ("seed", key(y))) for y in outputs),
        )
        self.builder.lists[seed] = {
            "holds": [clean_text(y.name or "output", lines=1) for y in outputs]
        }
        for head in dict.fromkeys(map(self._gradient_at, outputs)):
            self._add_backward_arrow(seed, head)

    def _gradient_at(self, y: Tensor) -> str:
        """Return the box at which the cotangent of an output arrives."""
        part = self.outline.part_of(y)
        if part is None:
            return self._leaf_gradient_box(y, self.outline.tree.root)
        return self.gradient_of_part[part]

    def _listed_ends(self, part: Part) -> list[Tensor]:
        """Return the listed leaves of a part that receive a gradient, each once."""
        inside = {key(x) for x in self.outline.listed_leaves(part)}
        found: dict[Key, Tensor] = {}
        for operation in part.operations:
            for position, x in enumerate(operands(operation)):
                if (
                    isinstance(x, Tensor)
                    and key(x) in inside
                    and self._passes_gradient(operation, position)
                ):
                    found.setdefault(key(x), x)
        return list(found.values())

    def _passes_gradient(self, operation: Operation, position: int) -> bool:
        """Return whether the reverse pass sends a cotangent to this operand of an operation."""
        return operation.serial in self.reached and passes_gradient(operation, position)

    def _add_flows(self, part: Part) -> None:
        """Add the arrows of the cotangents that a part passes on, one for each tensor it takes.

        A box of several gradients gets one arrow.
        """
        tail = self.gradient_of_part[part]
        seen: set[Key | str] = set()
        for operation, position, x in self.outside_operands(part):
            if (
                not isinstance(x, Tensor)
                or not self._passes_gradient(operation, position)
                or key(x) in seen
            ):
                continue
            seen.add(key(x))
            before = self.outline.part_of(x)
            if before is not None:
                terms = self.terms_of_part[part, key(x)] if part.kind == "operation" else 1
                several = f"sum of {terms}" if terms > 1 else ""
                label = ", ".join(filter(None, (format_shape(x), several)))
                self._add_backward_arrow(tail, self.gradient_of_part[before], label)
            elif (part, key(x)) in self.sources:
                branch = self.sources[part, key(x)].around(self.outline.tree.root)
                head = self._leaf_gradient_box(x, branch)
                if head not in seen:
                    self._add_backward_arrow(tail, head)
                seen.add(head)

    def _leaf_gradient_box(self, x: Tensor, branch: Branch) -> str:
        """Return the box of a leaf's gradient, where the reverse pass ends.

        If the leaf is only counted, its gradient is only counted, too.
        """
        lump = self.box_of_leaf[key(x)]
        if lump in self.lumps:
            return self._group_gradient_box(lump, branch)
        found = self.gradient_of_leaf.get(key(x))
        if found is None:
            full = x.name or "parameter"
            name = name_in_scope(x, branch) or full
            of_what = " of Σ, the sum of the outputs," if self.end == "Σ" else ""
            found = self.gradient_of_leaf[key(x)] = self.builder.add_box(
                "gradient_value",
                f"∂{self.end}/∂{name}",
                format_shape(x),
                f"sum of {self.terms[key(x)]}" if self.terms[key(x)] > 1 else "",
                tooltip=f"gradient{of_what} by {clean_text(full)}, "
                "added into its .grad by backward()",
                inside=self.mirror(branch),
                tensors=(("gradient_value", key(x)),),
            )
        return found

    def _group_gradient_box(self, lump: str, branch: Branch) -> str:
        """Return the box that counts the gradients of counted leaves."""
        found = self.gradient_of_lump.get(lump)
        if found is None:
            names = self.builder.lists[lump]["holds"]
            counted_here = next(x.tensors for x in self.builder.picture.boxes if x.id == lump)
            several = sum(self.terms[name] > 1 for name in self.leaves_of_lump[lump])
            found = self.gradient_of_lump[lump] = self.builder.add_box(
                "gradient_value",
                f"… {format_count(len(names), 'more gradient')}",
                tooltip=f"of them {format_count(several, 'sum')} of several terms"
                if several
                else "",
                inside=self.mirror(branch),
                tensors=tuple(("gradient_value", name) for _, name in counted_here),
            )
            self.builder.lists[found] = {"holds": names}
        return found

    def _add_backward_arrow(self, tail: str, head: str, label: str = "") -> None:
        """Add an arrow of the backward."""
        self.builder.picture.arrows.append(Arrow(tail, head, label, backward=True))


def _share_of(passed: int, part: Part) -> str:
    """Write how many operations of a part the reverse pass goes through."""
    count = format_count(len(part.operations), "operation")
    return count if passed == len(part.operations) else f"{passed} of {count}"


def _rule_operations(operation: Operation) -> list[Operation]:
    """Return the operations of a vjp rule, as recorded for a cotangent of ones."""
    vertex, ledger = operation._record, Ledger()
    seeds: list[Any] = [leaf(np.ones(y.shape, y.dtype)[()]) for y in operation.outputs]
    last = max(seed.serial for seed in seeds)
    g = seeds if type(vertex) is Record else seeds[0]
    try:
        with recorder(None), np.errstate(all="ignore"):
            apply_vjp(vertex, g, False, ledger, None, True, None)
    except AutogradError:  # a rule that cannot be recorded is still a rule
        return []
    found: dict[int, Any] = {}
    waiting = [x.amount for x in ledger.entries if isinstance(x.amount, Tensor)]
    while waiting:  # no further back than the rule itself
        made_by = waiting.pop().op
        if made_by is not None and made_by.serial > last and made_by.serial not in found:
            found[made_by.serial] = made_by
            waiting += [x for x in operands(made_by) if isinstance(x, Tensor)]
    return [found[serial] for serial in sorted(found)]
