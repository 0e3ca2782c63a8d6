"""What other libraries call a thing, and what it is called here: for the errors of unknown names.

A name is looked up here only after it was not found, so this costs nothing else anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

import numpy as np

from .core.table import table

_NO_DEVICES: Final = "there are no devices: everything is computed by NumPy"
_OWN_RULE: Final = "am.primitive, with .vjp and .jvp"
_CONTAINERS: Final = "a comprehension: am.grad, am.vmap and others take dicts and lists as they are"
_LOOPS: Final = "a loop or a branch of Python; am.compile unrolls it"
_CONVOLUTIONS: Final = (
    "np.einsum over np.lib.stride_tricks.sliding_window_view; examples/twelve_models.py has one"
)

_ENGINE: Final = {
    "jit": "am.compile",
    "function": "am.compile",
    "numpy": "import numpy as np: its functions record tensors",
    "Variable": "am.tensor(values, requires_grad=True)",
    "Value": "am.tensor(value, requires_grad=True)",
    "Parameter": "am.tensor(values, requires_grad=True)",
    "constant": "am.tensor(values), or the array itself",
    "from_numpy": "am.tensor(array), or the array itself",
    "as_tensor": "am.tensor(array), or the array itself",
    "convert_to_tensor": "am.tensor(array), or the array itself",
    "GradientTape": "every operation is recorded: loss.backward(), or am.grad(f)",
    "elementwise_grad": "am.grad(lambda x: np.sum(f(x)))",
    "jacfwd": "am.jacobian",
    "jacrev": "am.jacobian",
    "make_vjp": "am.vjp",
    "make_jvp": "am.jvp",
    "linearize": "am.jvp",
    "linear_transpose": "am.vjp",
    "hessian_vector_product": "am.hvp",
    "make_hvp": "am.hvp",
    "holomorphic_grad": "am.grad(f, holomorphic=True)",
    "check_grads": "am.gradcheck",
    "gradgradcheck": "am.gradcheck(f, x, order=2)",
    "custom_vjp": _OWN_RULE,
    "custom_jvp": _OWN_RULE,
    "custom_gradient": _OWN_RULE,
    "Function": _OWN_RULE,
    "detach": "t.detach(), or am.stop_gradient(t)",
    "lax": f"NumPy's functions, and {_LOOPS}",
    "scan": _LOOPS,
    "fori_loop": _LOOPS,
    "while_loop": _LOOPS,
    "cond": "np.where(condition, a, b), or an if outside of compiled functions",
    "tree_map": _CONTAINERS,
    "tree_util": _CONTAINERS,
    "manual_seed": "am.random.seed",
    "enable_grad": "recording is always on outside of am.no_grad()",
    "set_grad_enabled": "am.no_grad()",
    "inference_mode": "am.no_grad()",
    "detect_anomaly": "am.debug()",
    "set_detect_anomaly": "am.debug()",
    "cuda": _NO_DEVICES,
    "device": _NO_DEVICES,
    "device_put": _NO_DEVICES,
    "pmap": _NO_DEVICES,
    "save": "model.save(path)",
    "load": "model.load(path)",
    "keras": "am.nn and am.optim",
    "optimizers": "am.optim",
    "layers": "am.nn",
}

_NETWORKS: Final = {
    "Linear": "am.nn.Dense(inputs, outputs)",
    "Layer": "am.nn.Module",
    "Model": "am.nn.Module",
    "ModuleList": "a list of modules as an attribute",
    "ModuleDict": "a dict of modules as an attribute",
    "Parameter": "am.tensor(values, requires_grad=True) as an attribute of a Module",
    "functional": "losses are in am.nn, activations in am: am.nn.mse, am.relu",
    "ReLU": 'am.relu, or am.nn.Dense(…, activation="relu")',
    "Sigmoid": 'am.sigmoid, or am.nn.Dense(…, activation="sigmoid")',
    "Softmax": 'am.softmax, or am.nn.Dense(…, activation="softmax")',
    "Softplus": 'am.softplus, or am.nn.Dense(…, activation="softplus")',
    "Tanh": 'np.tanh, or am.nn.Dense(…, activation="tanh")',
    "MSELoss": "am.nn.mse",
    "CrossEntropyLoss": "am.nn.cross_entropy",
    "BCELoss": "am.nn.binary_cross_entropy, which takes logits: leave the last sigmoid away",
    "BCEWithLogitsLoss": "am.nn.binary_cross_entropy",
    "Conv1d": _CONVOLUTIONS,
    "Conv2d": _CONVOLUTIONS,
    "Conv2D": _CONVOLUTIONS,
    "Embedding": "a tensor indexed by an array of whole numbers: weight[numbers]",
    "LSTM": "a loop over the steps; examples/twelve_models.py has one",
    "GRU": "a loop over the steps; examples/recurrent.py has one",
    "RNN": "a loop over the steps; examples/recurrent.py has one",
    "LayerNorm": "(x - np.mean(x, -1, keepdims=True)) / np.std(x, -1, keepdims=True)",
    "Flatten": "np.reshape(x, (len(x), -1))",
}

_OPTIMIZERS: Final = {
    "lr_scheduler": "model.fit(…, schedule=am.optim.Cosine(…)), or optimizer.lr = schedule(step)",
    "clip_grad_norm_": "am.optim.clip_grad_norm",
    "clip_grad_value_": "am.optim.clip_grad_value",
}

NAMES: Final = {
    "autograd_mini": _ENGINE,
    "autograd_mini.nn": _NETWORKS,
    "autograd_mini.optim": _OPTIMIZERS,
}
"""Module → name in another library → what to write here."""


def unknown_name(module: str, name: str, public: Iterable[str]) -> AttributeError:
    """Return the error for a name that a module does not have, with what to write instead.

    Args:
        module: the full name of the module.
        name: what was asked for.
        public: the names that the module has.
    """
    text = f"module {module!r} has no attribute {name!r}"
    if here := NAMES[module].get(name):
        return AttributeError(f"{text}; here it is {here}")
    spelled = {one.lower(): one for one in public}
    if near := get_close_matches(name.lower(), spelled, n=1, cutoff=0.8):
        return AttributeError(f"{text}; did you mean {spelled[near[0]]!r}?")
    function = getattr(np, name, None)
    if function in table:
        return AttributeError(f"{text}; use np.{name}, which records")
    if function is not None:
        return AttributeError(f"{text}; NumPy has np.{name}")
    return AttributeError(text)
