"""Functions and training steps that tests compile."""

import numpy as np

import autograd_mini as am

X = np.linspace(-1, 1, 12).reshape(4, 3)


def thrice(step, *args):
    """Call until the program runs."""
    return [step(*args) for _ in range(3)][-1]


def trainer(optimizer=lambda model: am.optim.SGD(model, lr=0.1), sizes=(3, 5, 1), **options):
    model = am.nn.MLP(sizes, seed=0, **options)
    optim = optimizer(model)

    def step(x, y):
        optim.zero_grad()
        loss = am.nn.mse(model(x), y)
        loss.backward()
        optim.step()
        return loss

    return model, optim, step


OPTIMIZERS = {
    "sgd": lambda model: am.optim.SGD(model, lr=0.1),
    "momentum": lambda model: am.optim.SGD(model, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda model: am.optim.SGD(model, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda model: am.optim.Adam(model, lr=0.01),
    "adamw": lambda model: am.optim.AdamW(model, lr=0.01),
}
