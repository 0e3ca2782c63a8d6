"""PyTorch: eager, and with torch.compile over the loss and the optimizer."""

from __future__ import annotations

from typing import Any

import torch
from workloads import Step, Workload


def network(workload: Workload) -> torch.nn.Module:
    """Return the workload's network."""
    layers: list[torch.nn.Module] = []
    for w, b in workload.weights():
        layer = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(w.T))
            layer.bias.copy_(torch.tensor(b))
        layers += [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def parts(workload: Workload) -> tuple[Any, torch.optim.Optimizer]:
    """Return the function of the loss, and the optimizer."""
    model = network(workload)
    optimizer = torch.optim.SGD(model.parameters(), lr=workload.rate)
    x, target = map(torch.tensor, workload.data())
    functional = torch.nn.functional
    loss = functional.mse_loss if workload.loss == "squared error" else functional.cross_entropy
    return (lambda: loss(model(x), target)), optimizer


def stepping(forward: Any, update: Any, optimizer: torch.optim.Optimizer) -> Step:
    """Return the training step of its parts."""

    def step() -> Any:
        optimizer.zero_grad()
        loss = forward()
        loss.backward()
        update()
        return loss.detach()

    return step


def training(workload: Workload) -> Step:
    """Return the training step."""
    forward, optimizer = parts(workload)
    return stepping(forward, optimizer.step, optimizer)


def compiled_training(workload: Workload) -> Step:
    """Return the training step with the loss, its gradient and the update compiled."""
    forward, optimizer = parts(workload)
    return stepping(torch.compile(forward), torch.compile(optimizer.step), optimizer)


def predicting(workload: Workload, mode: Any) -> Step:
    """Return the forward pass in a mode without gradients."""
    model = network(workload).eval()
    x = torch.tensor(workload.data()[0])

    def step() -> Any:
        with mode():
            return model(x)

    return step


def prediction(workload: Workload) -> Step:
    """Return the forward pass under no_grad."""
    return predicting(workload, torch.no_grad)


def inference(workload: Workload) -> Step:
    """Return the forward pass under inference_mode."""
    return predicting(workload, torch.inference_mode)
