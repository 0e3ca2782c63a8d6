"""Step 5: the computation graph, where a vertex is a computed value.

An edge x1 → z1 says that x1 is needed to compute z1. What the triangle was solved with is such a
graph in three layers, a multilayer perceptron: input (the features x1, x2), hidden (the neurons z1,
z2, z3) and output (the prediction p). Nobody writes the graph down: computing leaves it behind.
"""

from __future__ import annotations

import sys
from functools import reduce
from operator import add
from pathlib import Path

import autograd_mini as am
import viz


def number(value: float, name: str, trainable: bool = True) -> am.Tensor:
    return am.tensor(value, name=name, requires_grad=trainable)


def neuron(inputs: list[am.Tensor], weights: list[am.Tensor], bias: am.Tensor, name: str):
    """Compute σ(w·x + b) number by number, in a scope of the neuron's name."""
    with am.scope(name):
        products = [w * x for x, w in zip(inputs, weights, strict=True)]
        output = am.sigmoid(reduce(add, products) + bias)
    output.name = name
    return output


def network(x1: am.Tensor, x2: am.Tensor) -> tuple[list[am.Tensor], am.Tensor]:
    """Compute the three hidden neurons of the triangle and the prediction."""
    sides = [(0.0, 6.0, 3.0), (-5.2, -3.0, 3.0), (5.2, -3.0, 3.0)]  # w1, w2, b of each side
    hidden = []
    for i, (w1, w2, b) in enumerate(sides, start=1):
        weights = [number(w1, f"w1{i}"), number(w2, f"w2{i}")]
        hidden.append(neuron([x1, x2], weights, number(b, f"b{i}"), f"z{i}"))
    weights = [number(8.0, f"v{i}") for i in (1, 2, 3)]
    return hidden, neuron(hidden, weights, number(-20.0, "c"), "p")


def needed_for(value: am.Tensor, graph: am.Graph, named: list[am.Tensor]) -> list[str]:
    """Follow the edges from a value to the next values with a name."""
    found, stack = set(), [value]
    names = {tensor.serial: tensor.name for tensor in named}
    while stack:
        for operation in graph.consumers(stack.pop()):
            for output in operation.outputs:
                if output.serial in names:
                    found.add(names[output.serial])
                else:
                    stack.append(output)
    return sorted(found)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    x1, x2 = number(0.2, "x1", trainable=False), number(0.1, "x2", trainable=False)
    hidden, p = network(x1, x2)
    graph = am.Graph(p)

    print("value   computed   is needed for")
    for value in (x1, x2, *hidden, p):
        others = ", ".join(needed_for(value, graph, [*hidden, p])) or "nothing: it is the output"
        print(f"{value.name:<8}{value.item():.4f}     {others}")

    print(f"\nall of it, {graph!r}; first the operations of neuron z1:")
    for operation in graph.operations[:5]:
        inputs = ", ".join(tensor.name or tensor.op.type for tensor in operation.inputs)
        print(f"  {operation.type}({inputs}) = {operation.outputs[0].item():.4f}")

    small = neuron([x1, x2], [number(0.5, "w1"), number(-2.0, "w2")], number(0.25, "b"), "z")
    viz.render(small, pictures / "step5_one_neuron.svg", title="One neuron, number by number")
    # Folded, each neuron is one vertex: the graph of the lesson. Unfolded, every operation is one.
    folded, unfolded = pictures / "step5_values.svg", pictures / "step5_operations.svg"
    viz.render(p, folded, view="operations", limit=8, direction="LR", title="A graph of values")
    viz.render(p, unfolded, view="operations", limit=None, title="A graph of operations")
    print(f"pictures: {pictures}/step5_one_neuron.svg, step5_values.svg, step5_operations.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
