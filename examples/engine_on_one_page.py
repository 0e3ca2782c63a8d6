"""The whole idea on one page: an engine that records operations, walks back, and draws its graph.

Read it before `autograd_mini/`. The library has the same four parts under the same names: a tensor,
primitives with their derivatives, `record`, and a backward pass. It adds NumPy's other functions,
second derivatives, error messages, a compiler and prettier pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

import graphviz
import numpy as np

import autograd_mini as am
from viz.output.layout import lay_out


# ── a tensor knows its value, and which operation made it ────────────────────────────────────────
class Tensor:
    """A NumPy array in a graph. `grad` appears after `backward`."""

    def __init__(self, value, operation=None):
        self.value = np.asarray(value, dtype=np.float64)
        self.operation = operation  # None for an input of the graph
        self.grad = None
        self.name = ""

    def __add__(self, other):
        return record(ADD, self, other)

    def __mul__(self, other):
        return record(MULTIPLY, self, other)

    def __matmul__(self, other):
        return record(MATMUL, self, other)


# ── an operation is one primitive at work: an arrow from each input to the output ────────────────
class Operation:
    """A node of the graph."""

    def __init__(self, primitive, inputs):
        self.primitive = primitive
        self.inputs = inputs


def record(primitive, *inputs):
    """Compute a primitive, and remember in the result how that was done."""
    inputs = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
    value = primitive.forward(*[x.value for x in inputs])
    return Tensor(value, Operation(primitive, inputs))


# ── a primitive is a NumPy function and its derivative ───────────────────────────────────────────
class Primitive:
    """A function and its vector-Jacobian product.

    Given g, the gradient of the loss by the output, `vjp(g, y, *xs)` returns the gradient of the
    loss by each input. This is the chain rule, one step of it.
    """

    def __init__(self, symbol, forward, vjp):
        self.symbol, self.forward, self.vjp = symbol, forward, vjp


def sum_to(g, x):
    """Undo broadcasting: an entry that was used many times collects all its gradients."""
    g = g.sum(axis=tuple(range(g.ndim - x.ndim)))
    stretched = tuple(i for i, n in enumerate(x.shape) if n == 1)
    return g.sum(axis=stretched, keepdims=True)


ADD = Primitive("+", np.add, lambda g, y, a, b: (sum_to(g, a), sum_to(g, b)))
MULTIPLY = Primitive("×", np.multiply, lambda g, y, a, b: (sum_to(g * b, a), sum_to(g * a, b)))
MATMUL = Primitive("@", np.matmul, lambda g, y, a, b: (g @ b.T, a.T @ g))
TANH = Primitive("tanh", np.tanh, lambda g, y, x: (g * (1 - y * y),))
MEAN = Primitive("mean", np.mean, lambda g, y, x: (np.full(x.shape, g / x.size),))


# ── the backward pass: from the loss to the inputs, each operation after all that use its result ─
def operations_before(tensor):
    """List the tensors that an operation made, each after those that it depends on."""
    order, seen, stack = [], set(), [(tensor, False)]
    while stack:
        t, inputs_are_done = stack.pop()
        if inputs_are_done:
            order.append(t)
        elif id(t) not in seen and t.operation is not None:
            seen.add(id(t))
            stack.append((t, True))
            stack += [(x, False) for x in t.operation.inputs]
    return order


def backward(loss):
    """Write into `grad` of every tensor before the loss its gradient: d loss / d tensor."""
    made = operations_before(loss)
    for t in made:
        t.grad = None
        for x in t.operation.inputs:
            x.grad = None
    loss.grad = np.ones_like(loss.value)
    for t in reversed(made):
        inputs = t.operation.inputs
        gradients = t.operation.primitive.vjp(t.grad, t.value, *[x.value for x in inputs])
        for x, g in zip(inputs, gradients, strict=True):
            x.grad = g if x.grad is None else x.grad + g  # used twice: the gradients add up


# ── a picture: tensors are ellipses, operations are boxes ────────────────────────────────────────
def draw(loss):
    """Return the graph before a tensor in Graphviz's language."""
    graph = graphviz.Digraph(graph_attr={"rankdir": "LR"}, node_attr={"fontname": "Helvetica"})
    numbers = {}
    for t in operations_before(loss):
        box = f"operation {len(numbers)}"
        graph.node(box, t.operation.primitive.symbol, shape="box")
        for x in [*t.operation.inputs, t]:
            node = numbers.setdefault(id(x), f"tensor {len(numbers)}")
            graph.node(node, f"{x.name} {x.value.shape}".strip())
            if x is t:
                graph.edge(box, node)
            else:
                graph.edge(node, box)
    return graph


# ── the same network here and in the library ─────────────────────────────────────────────────────
def network(x, w1, b, w2, t, tanh, mean):
    """Return the loss of a network with one hidden layer: of a mean square, t being −target."""
    error = tanh(x @ w1 + b) @ w2 + t
    return mean(error * error)


def main(pictures: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in [(5, 2), (2, 3), (3,), (3, 1), (5, 1)]]

    ours = [Tensor(a) for a in arrays]
    for t, name in zip(ours, ["x", "W1", "b", "W2", "t"], strict=True):
        t.name = name
    loss = network(*ours, lambda x: record(TANH, x), lambda x: record(MEAN, x))
    backward(loss)

    theirs = [am.tensor(a, requires_grad=True) for a in arrays]
    other_loss = network(*theirs, np.tanh, np.mean)
    other_loss.backward()

    print(f"the loss here        {loss.value:.15f}")
    print(f"in the library       {other_loss.item():.15f}")
    difference = max(np.abs(t.grad - o.grad).max() for t, o in zip(ours, theirs, strict=True))
    print(f"largest difference between {len(ours)} gradients: {difference:.1e}")

    pictures.mkdir(parents=True, exist_ok=True)
    picture = lay_out(draw(loss).source, "svg", placed=False, engine="graphviz-pure")
    path = pictures / "one_page.svg"
    path.write_bytes(picture)
    print(f"the graph: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
