"""The contestants: each library's way to write the same workloads, one module a library."""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass

from workloads import Step, Workload


@dataclass(frozen=True, eq=False)
class Contestant:
    """One library in one mode.

    Attributes:
        name: in tables.
        package: the distribution that must be installed.
        module: of this package.
        makers: for each kind of workload, the function that makes the step.
    """

    name: str
    package: str
    module: str
    makers: dict[str, str]

    def version(self) -> str | None:
        """Return the version, or None if it is not installed."""
        for package in self.package.split("|"):
            try:
                return importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        return None

    def make(self, workload: Workload) -> Step:
        """Return the workload's step; imports the library."""
        module = importlib.import_module(f"contestants.{self.module}")
        return getattr(module, self.makers[workload.kind])(workload)


COMPILED = Contestant(
    "autograd_mini compiled",
    "autograd-mini",
    "own",
    {"training": "compiled_training", "moons": "compiled_moons", "prediction": "compiled_forward"},
)
EAGER = Contestant(
    "autograd_mini eager",
    "autograd-mini",
    "own",
    {"training": "training", "moons": "scalar_moons", "prediction": "prediction"},
)
BY_HAND = Contestant(
    "NumPy by hand", "numpy", "by_hand", {"training": "training", "prediction": "prediction"}
)
MICROGRAD = Contestant("micrograd", "micrograd", "micrograd", {"moons": "moons"})
TORCH = Contestant(
    "PyTorch eager", "torch", "pytorch", {"training": "training", "prediction": "prediction"}
)
JAX = Contestant(
    "JAX jit", "jax", "jax", {"training": "training", "prediction": "prediction"}
)  # fmt: skip

CONTESTANTS = [
    COMPILED,
    EAGER,
    BY_HAND,
    MICROGRAD,
    TORCH,
    Contestant("PyTorch inference_mode", "torch", "pytorch", {"prediction": "inference"}),
    Contestant("torch.compile", "torch", "pytorch", {"training": "compiled_training"}),
    JAX,
    Contestant(
        "TensorFlow tf.function",
        "tensorflow|tensorflow-cpu",
        "tensorflow",
        {"training": "training"},
    ),
    Contestant("HIPS autograd", "autograd", "hips_autograd", {"training": "training"}),
    Contestant("MyGrad", "mygrad", "mygrad", {"training": "training"}),
    Contestant("tinygrad eager", "tinygrad", "tinygrad", {"training": "training"}),
    Contestant("tinygrad TinyJit", "tinygrad", "tinygrad", {"training": "jitted_training"}),
]
