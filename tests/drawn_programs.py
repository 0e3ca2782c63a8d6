"""Compiled programs that tests draw."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as am
import viz
from autograd_mini.compiler.program import Instruction, Program, Value
from autograd_mini.core.primitive import PRIMITIVES

FLOAT = np.dtype("float32")


class Writer:
    """Writes a program by hand, one instruction a call."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.leaves: dict[Value, am.Tensor] = {}
        self.constants: dict[Value, Any] = {}
        self.instructions: list[Instruction] = []

    def input(self, name: str, *shape: int) -> Value:
        self.inputs.append(Value(shape, FLOAT, name))
        return self.inputs[-1]

    def leaf(self, name: str, *shape: int, trained: bool = True) -> Value:
        value = Value(shape, FLOAT, name)
        self.leaves[value] = am.tensor(np.zeros(shape, FLOAT), requires_grad=trained, name=name)
        return value

    def constant(self, data: Any, name: str | None = None) -> Value:
        value = Value(np.shape(data), np.asarray(data).dtype, name)
        self.constants[value] = data
        return value

    def do(self, name: Any, *operands: Any, shape: Any = (), path: str = "", **params: Any) -> Any:
        primitive = PRIMITIVES[name] if isinstance(name, str) else name
        shapes = shape if primitive.multiple else [shape]
        results = tuple(Value(s, FLOAT) for s in shapes)
        step = Instruction(primitive, operands, params, results, path, "model.py:7")
        self.instructions.append(step)
        return results if primitive.multiple else results[0]

    def program(self, outputs: list[Any], *updates: tuple[Value, Value]) -> Program:
        return Program(
            "step",
            self.inputs,
            self.leaves,
            self.constants,
            self.instructions,
            outputs,
            list(updates),
        )


def training_step(returned: str = "loss") -> Program:
    """One layer of 2 × 3, a squared loss, its gradient, and gradient descent with momentum."""
    p = Writer()
    x, t = p.input("x", 5, 2), p.input("t", 5, 3)
    w, v = p.leaf("w", 2, 3), p.leaf("velocity", 2, 3, trained=False)
    rate = p.leaf("rate", trained=False)
    z = p.do("matmul", x, w, shape=(5, 3), path="mlp/dense_1")
    h = p.do("tanh", z, shape=(5, 3), path="mlp/dense_1")
    d = p.do("subtract", h, t, shape=(5, 3))
    loss = p.do("mean", p.do("square", d, shape=(5, 3)), axis=(0, 1), keepdims=False)
    loss.name = "loss"
    gh = p.do("multiply", 2, d, shape=(5, 3))
    slope = p.do("subtract", 1, p.do("square", h, shape=(5, 3)), shape=(5, 3))
    gz = p.do("multiply", gh, slope, shape=(5, 3))
    g = p.do("matmul", p.do("transpose", x, shape=(2, 5), axes=(1, 0)), gz, shape=(2, 3))
    norm = p.do("sum", p.do("square", g, shape=(2, 3)), axis=(0, 1), keepdims=False)
    moved = p.do("add", p.do("multiply", 0.9, v, shape=(2, 3)), g, shape=(2, 3))
    new = p.do("subtract", w, p.do("multiply", rate, moved, shape=(2, 3)), shape=(2, 3))
    outputs = {"loss": [loss], "norm": [loss, norm], "nothing": []}[returned]
    return p.program(outputs, (w, new), (v, moved))


def roles(picture: viz.Picture, role: str) -> list[str]:
    return [box.words for box in picture.boxes if box.role == role]
