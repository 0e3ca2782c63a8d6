"""What a picture shows is what was recorded: arrows, parameters and folds of random graphs.

The truth comes from the operands of the recorded operations, contracted by the boxes that are
shown; what is shown is read from the picture. Copies of a tensor, the results of `view="tensors"`
and the boxes of several leaves are joined with what they stand for before the two are compared.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.core.record import Operation
from viz.graphs.builder import MOST_ARROWS
from viz.graphs.graph_views import GraphView, graph_picture
from viz.graphs.operations import view_facts
from viz.graphs.outline import Outline
from viz.graphs.scalars import ScalarView

FOLDED = {"scope", "gradient_scope", "update_scope", "earlier"}
LIMITS = (None, 4, 6, 8, 12, 20, 40, 80)
VIEWS: tuple[GraphView, ...] = ("operations", "operations", "backward", "backward", "tensors")
LISTED = re.compile(r"^(?P<count>\d+) (?P<noun>parameter|gradient|input)s?(?:: (?P<names>.*))?$")
MORE = "not named"
Ends = tuple[Any, Any]


# ── random graphs ─────────────────────────────────────────────────────────────────────────────
class Program:
    """Records a random computation: shared leaves, nested scopes, loops, interleaved contexts."""

    def __init__(self, seed: int, numbers: bool = False) -> None:
        self.random = Random(seed)
        self.shape: tuple[int, ...] = self.random.choice([(), (3,), (3,)])
        if numbers:
            self.shape = ()
        self.numbers = numbers
        parameters = self.random.choice([1, 2, 3, 5, 14])
        inputs = self.random.choice([0, 1, 2, 6])
        self.leaves = [self.leaf(f"p{i}", True) for i in range(parameters)]
        self.leaves += [self.leaf(f"x{i}", False) for i in range(inputs)]
        self.made: list[am.Tensor] = []

    def leaf(self, name: str, trained: bool) -> am.Tensor:
        return am.tensor(np.full(self.shape, 0.5), name=name, requires_grad=trained)

    def outputs(self) -> list[am.Tensor]:
        """Record, and return named outputs; rarely one of them is a leaf."""
        self.block(depth=0, length=self.random.randint(1, 14))
        if self.random.random() < 0.25:
            self.interleaved()
        if not self.made:
            self.step()
        count = self.random.choice([1, 1, 1, 2, 3, 12])
        chosen = [self.made[-1], *self.random.choices(self.made, k=count - 1)]
        if self.random.random() < 0.1:
            chosen.append(self.random.choice(self.leaves))
        found = list({(y.serial, y.index): y for y in chosen}.values())
        for place, y in enumerate(found):
            if y.op is not None:
                y.name = f"y{place}"
        return found

    def block(self, depth: int, length: int) -> None:
        """Record operations, scopes, and loops whose rounds are scopes or plain."""
        for _ in range(length):
            kind = self.random.random()
            if kind < 0.6 or depth > 3:
                self.step()
            elif kind < 0.65 and not self.numbers:
                self.fan()
            elif kind < 0.8:
                with am.scope(self.random.choice(["a", "b", "net", "dense_1"])):
                    self.block(depth + 1, self.random.randint(1, 5))
            else:
                self.loop(depth)

    def fan(self) -> None:
        """Record a scope of which many results are taken together."""
        with am.scope("fan"):
            made = [self.taken() * 0.5 for _ in range(self.random.randint(2, 10))]
        self.made.append(np.stack(made).sum(0))

    def loop(self, depth: int) -> None:
        """Record rounds that are alike, from one state of the generator each."""
        state, rounds = self.random.getstate(), self.random.choice([2, 3, 6, 9, 15])
        scoped, length = self.random.random() < 0.6, self.random.randint(1, 3)
        for place in range(rounds):
            self.random.setstate(state)
            if scoped:
                with am.scope(f"cell_{place}"):
                    self.block(depth + 3, length)
            else:
                self.block(depth + 3, length)

    def interleaved(self) -> None:
        """Record in two contexts by turns, so that the operations of a scope are scattered."""
        contexts = [copy_context(), copy_context()]
        for context, name in zip(contexts, ("left", "right"), strict=True):
            context.run(am.scope(name).__enter__)
        plain = copy_context()
        for _ in range(self.random.randint(4, 20)):
            self.random.choice([*contexts, plain]).run(self.step)

    def taken(self) -> am.Tensor:
        """Choose an operand, often one of the latest."""
        if self.made and self.random.random() < 0.6:
            return self.random.choice(self.made[-4:])
        return self.random.choice([*self.leaves, *self.made])

    def step(self) -> None:
        """Record one operation, or two where one has several results."""
        x, y = self.taken(), self.taken()
        kind = self.random.randrange(9)
        if kind == 0:
            self.made.append(np.tanh(x))
        elif kind == 1:
            self.made.append(x * 0.5)
        elif kind == 2:
            self.made.append(x + np.full(self.shape or (1,), 0.25).reshape(self.shape or ()))
        elif kind == 3:
            first = self.random.choice([x, y, 0.5])
            self.made.append(np.where(x > y, first, 0.25))
        elif kind == 4 and self.shape:
            first, second = np.split(x, [1])
            self.made.append(np.concatenate([first, second * 2.0]))
        elif kind == 5 and not self.numbers and self.random.random() < 0.4:
            many = [self.taken() for _ in range(self.random.randint(3, 16))]
            self.made.append(np.stack([*many, *self.leaves]).sum(0))
        else:
            self.made.append(self.random.choice([np.add, np.multiply, np.subtract])(x, y))


# ── the truth ─────────────────────────────────────────────────────────────────────────────────
def name_of(x: am.Tensor) -> tuple[int, int]:
    return x.serial, x.index


@dataclass
class Truth:
    """What a graph is when the operations of one box are one vertex.

    Attributes:
        arrows: between boxes, from a leaf (its name) to a box, to an output ("→", its name).
        parameters: for each box that stands for several operations, the parameters that it takes.
        inputs: likewise the inputs.
        operands: for each box of one operation, how many operands are drawn.
        arrays: for each box, how many plain arrays it takes.
        terms: how many terms of the gradient of a leaf a box passes on.
        sums: for two boxes, of how many terms each cotangent is that one passes to the other.
    """

    arrows: set[Ends] = field(default_factory=set)
    parameters: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    inputs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    operands: Counter[str] = field(default_factory=Counter)
    arrays: Counter[str] = field(default_factory=Counter)
    terms: Counter[Ends] = field(default_factory=Counter)
    sums: dict[Ends, list[int]] = field(default_factory=lambda: defaultdict(list))

    def total(self, leaf: str) -> int:
        """Count the terms of the gradient of a leaf, those of a leaf that is an output too."""
        return sum(n for (_, name), n in self.terms.items() if name == leaf)


def forward_truth(graph: am.Graph, box_of: dict[int, str], folded: set[str]) -> Truth:
    """Contract the recorded graph by the boxes."""
    truth = Truth()
    for op in graph.operations:
        head = box_of[op.serial]
        for x in op.inputs:
            if not x.serial:
                truth.arrays[head] += x.ndim > 0
                truth.operands[head] += x.ndim > 0
            elif x.op is not None:
                truth.operands[head] += 1
                if box_of[x.serial] != head:
                    truth.arrows.add((box_of[x.serial], head))
            elif x.requires_grad and head in folded:
                truth.parameters[head].add(str(x.name))
            else:
                truth.operands[head] += 1
                (truth.inputs[head].add if head in folded else id)(str(x.name))
                truth.arrows.add((x.name, head))
    for y in graph.outputs:
        tail = y.name if y.op is None else box_of[y.serial]
        truth.arrows.add((tail, ("→", y.name)))
    return truth


def flows(op: Operation, position: int) -> bool:
    """Whether the rule of an operation has something for an operand."""
    rules = op.primitive.vjp
    return op.inputs[position].requires_grad and not (
        isinstance(rules, tuple) and rules[position] is None
    )


def backward_truth(graph: am.Graph, box_of: dict[int, str], folded: set[str]) -> Truth:
    """Contract the walk back, from the outputs along the rules that exist."""
    truth = Truth()
    reached = {name_of(y) for y in graph.outputs if y.requires_grad}
    for y in graph.outputs:
        if y.requires_grad:
            head = ("∂", y.name) if y.op is None else box_of[y.serial]
            truth.arrows.add((("→", y.name), head))
            truth.terms["→", y.name] += y.op is None
    for op in reversed(graph.operations):
        if reached.isdisjoint(name_of(y) for y in op.outputs if y.requires_grad):
            continue
        tail = box_of[op.serial]
        truth.operands[tail] += 1
        passed = [x for position, x in enumerate(op.inputs) if flows(op, position)]
        inner = Counter(name_of(x) for x in passed if x.op is not None)
        for (serial, _), count in inner.items():
            truth.sums[tail, box_of[serial]].append(count)
        for x in passed:
            truth.terms[tail, x.name] += x.op is None
            reached.add(name_of(x))
            if x.op is not None:
                if box_of[x.serial] != tail:
                    truth.arrows.add((tail, box_of[x.serial]))
            elif tail in folded:
                truth.parameters[tail].add(str(x.name))
            else:
                truth.arrows.add((tail, ("∂", x.name)))
    return truth


# ── what is shown ─────────────────────────────────────────────────────────────────────────────
class Shown:
    """A picture as it is read: its JSON, and which operations each of its boxes holds."""

    def __init__(self, graph: am.Graph, view: GraphView, limit: int | None, wanted: Any) -> None:
        picture, collector = graph_picture(graph, view, limit, "TB", None, wanted)
        known = view_facts(collector)
        exchanged = json.loads(viz.Drawing(picture, facts=lambda: known).json)
        self.nodes = {node["id"]: node for node in exchanged["nodes"]}
        self.edges = exchanged["edges"]
        self.description = exchanged["description"]
        self.captions = {scope["id"]: scope["caption"] for scope in exchanged["scopes"]}
        self.parts = {
            box: [op.serial for op in part.operations]
            for part, box in collector.box_of_part.items()
        }
        self.gradients: dict[str, str] = {
            box: collector.box_of_part[part]
            for part, box in getattr(collector, "gradient_of_part", {}).items()
        }
        self.folded = {box for box in self.parts if self.nodes[box]["role"] in FOLDED}

    @property
    def box_of(self) -> dict[int, str]:
        """Each operation's box."""
        return {serial: box for box, held in self.parts.items() for serial in held}

    def lines(self, box: str) -> list[str]:
        return str(self.nodes[box]["label"]).split("\n")

    def listed(self, box: str, noun: str) -> set[str]:
        """Read what a box lists: its facts name all, its label some of them and their number."""
        told = [m for m in map(LISTED.match, self.lines(box)) if m and m["noun"] == noun]
        facts = self.nodes[box]["facts"].get(f"{noun}s", "")
        names = [x for x in facts.rpartition(": ")[2].split(", ") if x]
        more = re.fullmatch(r"… and (\d+) more", names[-1]) if names else None
        names = names[:-1] if more else names
        count = len(names) + (int(more[1]) if more else 0)
        assert len(told) == bool(names), (box, self.nodes[box])
        for found in told:
            assert int(found["count"]) == count
            shown = [x for x in (found["names"] or "").split(", ") if x and x != "…"]
            assert shown == names[: len(shown)]
            assert len(shown) == count or not shown or "…" in found["names"]
        return set(names) | {f"{MORE} {i}" for i in range(count - len(names))}

    def several(self, box: str) -> list[str]:
        """Return the leaves that a box of several stands for, empty for other boxes."""
        node = self.nodes[box]
        several = str(node["label"]).startswith("…") and node["role"] not in FOLDED
        return str(node["facts"]["holds"]).rpartition(": ")[2].split(", ") if several else []

    def begins(self, box: str) -> bool:
        """Whether arrows start at a box: the gradient of an output by itself, not of a leaf."""
        return any(edge["tail"] == box for edge in self.edges)

    def ends(self, box: str) -> list[Any]:
        """Return what a box stands for in the truth."""
        node, first = self.nodes[box], self.lines(box)[0]
        if self.several(box):
            kinds = {"output": "→", "gradient_value": "→" if self.begins(box) else "∂"}
            kind = kinds.get(node["role"])
            return [(kind, x) if kind else x for x in self.several(box)]
        if box in self.gradients:
            return [self.gradients[box]]
        if node["role"] == "output":
            return [("→", first)]
        if node["role"] == "gradient_value":
            return [("→" if self.begins(box) else "∂", first.partition("/∂")[2])]
        if node["role"] == "tensor":
            (maker,) = [edge["tail"] for edge in self.edges if edge["head"] == box]
            return [maker]
        return [first] if node["role"] in ("input", "parameter") else [box]


def many(edge: dict[str, Any]) -> int:
    """Return for how many arrows one stands."""
    found = re.search(r"(?:^| )(\d+) times$|^(\d+) (?:tensor|operand)s$", edge["label"])
    return int(found[1] or found[2]) if found else 1


def check_arrows(shown: Shown, truth: Truth, backward: bool) -> None:
    """Check that the arrows are the true ones, each shown and none beside them."""
    left = set(truth.arrows)
    for edge in shown.edges:
        if edge["backward"] is not backward or shown.nodes[edge["head"]]["role"] == "tensor":
            continue
        if shown.lines(edge["tail"])[0] == "array":
            continue
        pairs = {(t, h) for t in shown.ends(edge["tail"]) for h in shown.ends(edge["head"])}
        assert pairs & truth.arrows, f"nothing leads from {pairs}"
        left -= pairs
    listed = {
        (name, box)
        for box in shown.folded
        for name in (() if backward else shown.listed(box, "input"))
    }
    assert listed <= truth.arrows
    assert left == listed, f"not shown: {left - listed}; shown and listed: {listed - left}"


def check_lists(shown: Shown, truth: Truth, boxes: Iterable[tuple[str, str]], noun: str) -> None:
    """Check that boxes list what they take, and nothing else."""
    for box, stands_for in boxes:
        found, true = shown.listed(box, noun), truth.parameters[stands_for]
        names = {name for name in found if not name.startswith(MORE)}
        wanted = {told_of(truth, stands_for, x) if noun == "gradient" else x for x in true}
        assert names <= wanted, (box, noun)
        assert len(found) == len(wanted), (box, noun)


def told_of(truth: Truth, box: str, leaf: str) -> str:
    """Return how the gradient of a leaf is listed: with how many of its terms arise there."""
    here, total = truth.terms[box, leaf], truth.total(leaf)
    some = f"sum of {total} terms" if here == total else f"{here} of {total} terms"
    return f"∂{leaf} ({some})" if total > 1 else f"∂{leaf}"


def check_sums(shown: Shown, truth: Truth) -> None:
    """Check that the gradients of leaves, and arrows, say of how many terms they are sums."""
    for box, node in shown.nodes.items():
        if node["role"] == "gradient_value" and not shown.several(box) and not shown.begins(box):
            leaf, told = shown.lines(box)[0].partition("/∂")[2], shown.lines(box)[-1]
            total = truth.total(leaf)
            assert (told == f"sum of {total} terms") == (total > 1), node
    labels: dict[Ends, list[int]] = defaultdict(list)
    for edge in shown.edges:
        if edge["backward"] and {edge["tail"], edge["head"]} <= shown.gradients.keys():
            found = re.search(r"sum of (\d+) terms$", edge["label"])
            ends = shown.gradients[edge["tail"]], shown.gradients[edge["head"]]
            labels[ends].append(int(found[1]) if found else 1)
    for ends, sums in labels.items():
        if ends[0] not in shown.folded and len(truth.sums[ends]) <= MOST_ARROWS:
            assert sorted(sums) == sorted(truth.sums[ends])


def check_marks(shown: Shown, truth: Truth) -> None:
    """Check that a leaf that is in several places says so, and in how many."""
    drawn = Counter(
        shown.lines(box)[0]
        for box, node in shown.nodes.items()
        if node["role"] in ("input", "parameter") and not shown.several(box)
    )
    listed: Counter[str] = Counter()
    lumped: Counter[str] = Counter()
    for box, node in shown.nodes.items():
        if node["role"] in ("input", "parameter"):
            lumped.update(shown.several(box))
    for box in shown.folded:
        inputs = shown.listed(box, "input")
        listed.update(truth.parameters[box] | (truth.inputs[box] & inputs))
    for box, node in shown.nodes.items():
        name = shown.lines(box)[0]
        if node["role"] not in ("input", "parameter") or shown.several(box) or name == "array":
            continue
        told = re.search(r"drawn (\d+) times", node["tooltip"])
        assert int(told[1] if told else 1) == drawn[name], node
        told = re.search(r"listed in (\d+) fold", node["tooltip"])
        assert int(told[1] if told else 0) == listed[name], node
        told = re.search(r"counted in (\d+) group", node["tooltip"])
        assert int(told[1] if told else 0) == lumped[name], node
        marked = any(line.startswith("shared") for line in shown.lines(box)[1:])
        assert marked == (drawn[name] + listed[name] + lumped[name] > 1), node


def check_words(shown: Shown, graph: am.Graph, truth: Truth, back: Truth | None) -> None:
    """Check that the words count the tensors of the graph, each once, and the boxes."""
    sentence = shown.description.partition(".")[0].removeprefix("A graph of ")
    counts: Counter[str] = Counter()
    for part in sentence.split(", "):
        number, noun = part.split(" ", 1)
        counts[noun if number == "1" else re.sub(r"(?<!^bo)s\b", "", noun, count=1)] = int(number)
    arrays = sum(n for box, n in truth.arrays.items() if box not in shown.folded)
    assert counts["input"] == len(graph.inputs) + arrays
    assert counts["parameter"] == len(graph.parameters)
    assert counts["output"] == len(graph.outputs)
    roles = Counter(node["role"] for node in shown.nodes.values())
    assert counts["operation"] == roles["operation"]
    assert counts["fold"] == roles["scope"]
    if back is not None:
        leaves = {leaf for (_, leaf), n in back.terms.items() if n}
        seeds = sum(y.requires_grad for y in graph.outputs)
        assert counts["gradient"] == len(leaves) + seeds


def check_no_cycle(shown: Shown, backward: bool) -> None:
    """Check that the arrows of one direction lead nowhere back."""
    following: dict[str, set[str]] = defaultdict(set)
    for edge in shown.edges:
        if edge["backward"] is backward:
            following[edge["tail"]].add(edge["head"])
    entering = Counter(head for heads in following.values() for head in heads)
    ready = [box for box in shown.nodes if not entering[box]]
    seen = 0
    while ready:
        seen += 1
        for head in following[ready.pop()]:
            entering[head] -= 1
            if not entering[head]:
                ready.append(head)
    assert seen == len(shown.nodes), "the picture shows a cycle"


def check_boxes(shown: Shown, graph: am.Graph) -> None:
    """Check that each operation is in one box, which says how many it holds, and in its scope."""
    held = [serial for serials in shown.parts.values() for serial in serials]
    assert sorted(held) == [op.serial for op in graph.operations]
    scopes = {op.serial: op.scope.split("/") for op in graph.operations}
    for box, serials in shown.parts.items():
        if box in shown.folded:
            assert f"{len(serials)} " in str(shown.nodes[box]["label"])
        around = shown.nodes[box]["scope"]
        if around is not None:
            assert all(shown.captions[around] in scopes[serial] for serial in serials)


def check_operands(shown: Shown, truth: Truth) -> None:
    """Check that an operation has as many arrows as operands, and a fold counts its arrays."""
    entering: Counter[str] = Counter()
    joined = set()
    for edge in shown.edges:
        if not edge["backward"]:
            entering[edge["head"]] += many(edge)
            if shown.several(edge["tail"]):
                joined.add(edge["head"])
    for box in shown.parts:
        if box in shown.folded:
            told = [x for x in shown.lines(box) if re.fullmatch(r"\d+ arrays?", x)]
            count = truth.arrays[box]
            assert told == ([f"{count} array{'s' * (count > 1)}"] if count else [])
        elif box not in joined:
            assert entering[box] == truth.operands[box], shown.nodes[box]


def opened(random: Random, graph: am.Graph) -> Any:
    """Choose which scopes are to be open."""
    paths = sorted({op.scope for op in graph.operations if op.scope})
    answers = {path: random.choice([True, False, None]) for path in paths}
    choices: list[Any] = [None, None, random.randrange(4), answers.get]
    if paths:
        choices += [random.choice(paths), random.sample(paths, min(2, len(paths)))]
    return random.choice(choices)


def check_picture(seed: int) -> None:
    """Check one random graph in one view, with one limit and some scopes open."""
    random = Random(-seed - 1)
    with np.errstate(all="ignore"):
        graph = am.Graph(*Program(seed).outputs())
    view, limit, wanted = random.choice(VIEWS), random.choice(LIMITS), opened(random, graph)
    if view == "backward" and not any(y.requires_grad for y in graph.outputs):
        view = "operations"
    shown = Shown(graph, view, limit, wanted)
    truth, back = forward_truth(graph, shown.box_of, shown.folded), None
    check_boxes(shown, graph)
    check_no_cycle(shown, backward=False)
    check_arrows(shown, truth, backward=False)
    check_lists(shown, truth, ((box, box) for box in shown.folded), "parameter")
    if view != "tensors":
        check_operands(shown, truth)
    if view == "backward":
        back = backward_truth(graph, shown.box_of, shown.folded)
        check_no_cycle(shown, backward=True)
        check_arrows(shown, back, backward=True)
        beside = [(box, part) for box, part in shown.gradients.items() if part in shown.folded]
        check_lists(shown, back, beside, "gradient")
        assert {part for part in shown.gradients.values()} == set(back.operands)
        check_sums(shown, back)
    check_marks(shown, truth)
    check_words(shown, graph, truth, back)


def check_numbers(seed: int) -> None:
    """Check the view of one random graph of numbers; a circle is one with its result."""
    random = Random(-seed - 1)
    with np.errstate(all="ignore"):
        graph = am.Graph(*Program(seed, numbers=True).outputs())
        outline = Outline(graph, random.choice([None, 6, 12, 30, 90]), fold=False)
        view = ScalarView(outline, "", "LR")
        exchanged = json.loads(viz.Drawing(view.picture()).json)
    nodes = {node["id"]: node for node in exchanged["nodes"]}
    results = {edge["tail"]: edge["head"] for edge in exchanged["edges"]}
    ends = {
        box: results[box] if node["role"] == "scalar_operation" else box
        for box, node in nodes.items()
    }
    ends |= {box: "more" for box, node in nodes.items() if node["label"].endswith("more outputs")}
    ends |= {box: "more" for box, node in nodes.items() if node["label"].endswith("more output")}
    ends |= {
        edge["head"]: "an output"
        for edge in exchanged["edges"]
        if nodes[edge["head"]]["role"] == "output"
        and nodes[edge["tail"]]["role"] in ("input", "parameter")
    }
    arrows = [(ends[edge["tail"]], ends[edge["head"]]) for edge in exchanged["edges"]]
    left_out = {box for box, node in nodes.items() if node["role"] == "earlier"}
    assert {(a, b) for a, b in arrows if a != b} == number_truth(graph, view.boxes, nodes, left_out)


def number_truth(
    graph: am.Graph, box_of: dict[Any, str], nodes: dict[str, Any], left_out: set[str]
) -> set[Ends]:
    """Contract a graph of numbers, and check what the boxes of several operations list."""
    arrows: set[Ends] = set()
    leaves: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for op in graph.operations:
        head = box_of[name_of(op.outputs[0])]
        for x in op.inputs:
            if x.serial and x.op is None and head in left_out:
                leaves[head, "parameter" if x.requires_grad else "input"].add(name_of(x))
            elif x.serial and box_of[name_of(x)] != head:
                arrows.add((box_of[name_of(x)], head))
    made = {box_of[name_of(y)] for y in graph.outputs}
    arrows |= {(box, "more") for box in made & left_out}
    arrows |= {(box_of[name_of(y)], "an output") for y in graph.outputs if y.op is None}
    for box in left_out:
        found = [m for m in map(LISTED.match, nodes[box]["label"].split("\n")) if m]
        counts = {m["noun"]: int(m["count"]) for m in found}
        assert counts.get("parameter", 0) == len(leaves[box, "parameter"])
        inputs = leaves[box, "input"]
        assert counts.get("input", len(inputs)) == len(inputs)
        if "input" not in counts:
            arrows |= {(box_of[name], box) for name in inputs}
    return arrows


@pytest.mark.parametrize("seed", range(30))
def test_the_view_of_numbers_shows_what_was_recorded(seed: int) -> None:
    check_numbers(seed)


@pytest.mark.parametrize("seed", range(100))
def test_what_is_shown_is_what_was_recorded(seed: int) -> None:
    check_picture(seed)


def norm_without_overflow(g: Any) -> float:
    """Return the Euclidean norm; squares of numbers beyond 1e154 are infinite."""
    largest = float(np.max(np.abs(g), initial=0.0))
    scale = largest if 0 < largest < np.inf else 1.0
    return scale * float(np.linalg.norm(np.ravel(g) / scale))


def check_gradients(seed: int) -> None:
    """Check that every box of a parameter ends at the norm that backward() leads to."""
    with np.errstate(all="ignore"):
        outputs = Program(seed).outputs()
        graph = am.Graph(*outputs)
        frames = viz.frames(graph, limit=Random(seed).choice([None, 8, 20]))
        trained = [np.sum(y) for y in outputs if y.requires_grad]
        if trained:
            np.sum(np.stack(trained)).backward()
    texts = {
        writing.box: writing.text
        for step in frames.steps
        for writing in step.writings
        if writing.field == "gradient"
    }
    leaves = {x.name: x for x in graph.parameters}
    for box in frames.drawing.picture.boxes:
        if box.role == "parameter" and box.lines and box.id in texts:
            with np.errstate(all="ignore"):
                size = norm_without_overflow(leaves[box.lines[0]].grad)
            told = re.fullmatch(r"‖grad‖ ([^,]*)(, sum of \d+ terms)?", texts[box.id])
            assert told, texts[box.id]
            assert float(told[1].replace("−", "-")) == pytest.approx(size, rel=1e-3, nan_ok=True)


@pytest.mark.parametrize("seed", range(30))
def test_every_copy_ends_at_the_gradient_of_its_tensor(seed: int) -> None:
    check_gradients(seed)


@pytest.mark.slow
def test_what_is_shown_is_what_was_recorded_2000_times() -> None:
    for seed in range(100, 2100):
        try:
            check_picture(seed)
            check_numbers(seed)
            if seed < 600:
                check_gradients(seed)
        except AssertionError as error:
            raise AssertionError(f"the graph of seed {seed}: {error}") from error
