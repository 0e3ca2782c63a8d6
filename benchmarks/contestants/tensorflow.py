"""TensorFlow: the whole step is one tf.function on variables."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from workloads import Step, Workload


def training(workload: Workload) -> Step:
    """Return the training step."""
    layers = [(tf.Variable(w), tf.Variable(b)) for w, b in workload.weights()]
    parameters = [p for pair in layers for p in pair]
    x, target = map(tf.constant, workload.data())

    def loss_of(x: Any, target: Any) -> Any:
        h = x
        for w, b in layers[:-1]:
            h = tf.tanh(h @ w + b)
        w, b = layers[-1]
        y = h @ w + b
        if workload.loss == "squared error":
            return tf.reduce_mean((y - target) ** 2)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=target, logits=y)
        return tf.reduce_mean(losses)

    @tf.function
    def update(x: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(x, target)
        for p, g in zip(parameters, tape.gradient(loss, parameters), strict=True):
            p.assign_sub(workload.rate * g)
        return loss

    return lambda: update(x, target)
