"""Layers: Dense, Dropout; Sequential and MLP, which chain layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from ..core.extraction import reads_no_elements, tracing
from ..core.primitive import Primitive
from ..core.tensor import tensor, tensor_or_array
from ..errors import ArgumentError, ShapeError
from ..ops.activations import relu, sigmoid, softmax, softplus
from ..ops.elementwise import tanh
from ..optim.optimizer import within
from ..random import Generator
from .module import Module
from .operands import Seed, floating, generator, in_dtype, whole

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from ..core.arrays import Numbers


@reads_no_elements
class Dense(Module):
    """A fully connected layer: activation(x @ weight + bias).

    The initial weight suits the activation: He's for relu and softplus, Glorot's for the others
    (`_initial_weight` has the formulas); the initial bias is 0. Arrays and lists are taken in the
    layer's dtype, so a float32 layer stays in float32; a tensor keeps its dtype, and NumPy's rules
    apply.

    Args:
        inputs: the number of features.
        outputs: the number of neurons.
        activation: "tanh", "relu", "sigmoid", "softplus", "softmax", a function of a tensor, or
            None (or "linear"). It can be changed later.
        bias: whether there is one.
        seed: an integer, a generator to draw from, or None for other numbers each time.
        dtype: float64 by default, exact enough for gradient checks; "float32" trains faster.
        name: the scope.

    Attributes:
        weight: a tensor of shape (inputs, outputs).
        bias: a tensor of shape (outputs,), or None.

    Raises:
        ArgumentError: for sizes below 1, an unknown activation, a dtype that is not floating.

    >>> Dense(2, 3, activation="relu", seed=0)(np.zeros((5, 2))).shape
    (5, 3)
    """

    guarded_attributes: ClassVar = ("weight", "bias", "activation")

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation = None,
        bias: bool = True,
        seed: Seed = None,
        dtype: DTypeLike = np.float64,
        name: str | None = None,
    ) -> None:
        function_of(activation)
        self.inputs, self.outputs = whole("inputs", inputs, 1), whole("outputs", outputs, 1)
        self.activation = activation
        kind = floating(dtype)
        weight = _initial_weight(self.inputs, self.outputs, activation, generator(seed), kind)
        prefix = f"{name}." if name else ""
        self.name = name
        self.weight = tensor(weight, requires_grad=True, name=f"{prefix}weight")
        self.bias = (
            tensor(np.zeros(self.outputs, kind), requires_grad=True, name=f"{prefix}bias")
            if bias
            else None
        )

    def forward(self, x: Numbers) -> Any:
        """Return activation(x @ weight + bias) for x of shape (…, inputs).

        Raises:
            ShapeError: if the last axis of x has another length.
        """
        weight, bias = self.weight, self.bias
        x = tensor_or_array(x)
        if x.dtype != weight.dtype:
            x = in_dtype(x, weight.dtype)
        if x.shape[-1:] != (self.inputs,):
            raise ShapeError(
                f"{self.name or 'Dense'}: got an input of shape {x.shape}; expected "
                f"(…, {self.inputs}), one column for each of its {self.inputs} inputs"
            )
        z = x @ weight
        if bias is not None:
            z = z + bias
        function = function_of(self.activation)
        return z if function is None else function(z)

    def hyperparameters(self) -> dict[str, object]:
        """Return the hyperparameters."""
        chosen: dict[str, object] = {
            "neurons": self.outputs,
            "activation": name_of(self.activation),
        }
        return chosen if self.bias is not None else chosen | {"bias": False}

    def output_shape(self) -> str:
        """Describe the shape of the output."""
        return f"(n, {self.outputs})"

    def __repr__(self) -> str:
        return f"Dense({self.inputs}, {self.outputs}, activation={name_of(self.activation)!r})"


@reads_no_elements
class Dropout(Module):
    """Set elements to 0 with probability `rate` in training; pass everything on in use.

    What is left is divided by 1 − rate, so that the expected value stays (Srivastava et al. 2014,
    "inverted"). Generators are copied and pickled with the model, not saved with its weights.

    Args:
        rate: in [0, 1).
        seed: an integer, a generator to draw from, or None for other numbers each time.

    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    guarded_attributes: ClassVar = ("rate", "rng")

    def __init__(self, rate: float, seed: Seed = None) -> None:
        self.rate = within("Dropout: the rate", rate, 1.0)
        self.rng = generator(seed)

    def forward(self, x: Numbers) -> Any:
        """Return x, in training with zeros in it."""
        x = tensor_or_array(x)
        trace = tracing.get()
        if trace is not None:
            trace.depends(self, ["training"])
        if not self.training or not self.rate:
            return x
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(float)
        kept = Generator(self.rng).random(x.shape) >= self.rate
        return x * (kept * (1 / dtype.type(1 - self.rate)))

    def output_shape(self) -> str:
        """Describe the shape of the output."""
        return "as input"

    def hyperparameters(self) -> dict[str, object]:
        """Return the hyperparameters."""
        return {"rate": self.rate}

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


@reads_no_elements
class Sequential(Module):
    """Layers, one after the other; any function of a tensor may stand between modules.

    >>> model = Sequential(Dense(2, 8, "relu", seed=0), Dropout(0.1), Dense(8, 1, seed=1))
    >>> [layer.name for layer in model]
    ['dense_1', 'dropout_1', 'dense_2']
    """

    guarded_attributes: ClassVar = ("layers",)

    def __init__(self, *layers: Callable[..., object]) -> None:
        for place, layer in enumerate(layers):
            if not callable(layer):
                raise ArgumentError(
                    f"Sequential: layer {place} is {type(layer).__name__} {layer!r:.60}; expected "
                    "modules or functions, as in Sequential(Dense(2, 8), np.tanh, Dense(8, 1))"
                )
        self.layers: list[Any] = list(layers)

    def forward(self, x: Any) -> Any:
        """Return the output of the last layer."""
        for layer in self.layers:
            x = layer(x)
        return x

    def hyperparameters(self) -> dict[str, object]:
        """Return the functions between the modules, by place."""
        functions = [(i, f) for i, f in enumerate(self.layers) if not isinstance(f, Module)]
        return {f"layers.{i}": name_of(f) for i, f in functions}

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, place: int) -> Any:
        return self.layers[place]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))})"


@reads_no_elements
class MLP(Sequential):
    """A multilayer perceptron: Dense layers `dense_1`, `dense_2`, … of the given sizes.

    Args:
        sizes: of the input, of each hidden layer, of the output: at least two.
        activation: of the hidden layers.
        output_activation: of the last layer; None for logits and for regression.
        seed: an integer, a generator to draw from, or None for other numbers each time.
        dtype: float64 by default; see `Dense`.
        name: the scope; by default "mlp", or the attribute that first holds it.

    >>> MLP([2, 16, 1], activation="tanh", seed=0)
    MLP(2-16-1, activation='tanh')
    """

    guarded_attributes: ClassVar = ("layers",)

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation = "tanh",
        output_activation: Activation = None,
        seed: Seed = None,
        dtype: DTypeLike = np.float64,
        name: str | None = None,
    ) -> None:
        self.name = name
        if not isinstance(sizes, Iterable):
            raise ArgumentError(
                f"MLP: sizes are {sizes!r:.60}; expected a list of the sizes of the input, each "
                "hidden layer and the output, such as [2, 16, 1]"
            )
        sizes = [whole("MLP: a size", n, 1) for n in sizes]
        if len(sizes) < 2:
            raise ArgumentError(f"MLP: sizes are {sizes}; expected at least input and output")
        rng = generator(seed)
        activations = [activation] * (len(sizes) - 2) + [output_activation]
        super().__init__(
            *(
                Dense(sizes[i], sizes[i + 1], a, seed=rng, dtype=dtype, name=f"dense_{i + 1}")
                for i, a in enumerate(activations)
            )
        )

    @property
    def sizes(self) -> list[int]:
        """The number of inputs, then of the neurons in each layer."""
        return [self.layers[0].inputs, *(layer.outputs for layer in self.layers)]

    def __repr__(self) -> str:
        hidden, last = self.layers[0].activation, self.layers[-1].activation
        output = f", output_activation={name_of(last)!r}" if last is not None else ""
        shown = f", activation={name_of(hidden)!r}" if len(self.layers) > 1 else ""
        return f"{type(self).__name__}({'-'.join(map(str, self.sizes))}{shown}{output})"


ActivationFunction = Callable[[Any], Any]
Activation = str | ActivationFunction | None

ACTIVATIONS: Final[dict[str | None, ActivationFunction | None]] = {
    None: None,
    "linear": None,
    "tanh": tanh.call,
    "sigmoid": sigmoid.call,
    "relu": relu.call,
    "softplus": softplus.call,
    "softmax": softmax,
}
HE: Final = frozenset({"relu", "softplus"})


def function_of(activation: Activation) -> ActivationFunction | None:
    """Return the function of an activation, None for a linear one.

    Raises:
        ArgumentError: for an unknown name.
    """
    try:
        return ACTIVATIONS[activation]  # type: ignore[index]  # a function is not a key: below
    except (KeyError, TypeError):
        if callable(activation):
            return activation
    known = ", ".join(str(name) for name in ACTIVATIONS if name)
    raise ArgumentError(
        f"unknown activation {activation!r}; expected one of {known}, None or a function of a "
        "tensor"
    )


def name_of(activation: Activation) -> str:
    """Return how a table writes an activation: "relu" for `am.relu` too."""
    if activation is None:
        return "linear"
    if isinstance(activation, str):
        return activation
    if isinstance(activation, Primitive):
        return activation.name
    return getattr(activation, "__name__", type(activation).__name__)


def _initial_weight(
    inputs: int,
    outputs: int,
    activation: Activation,
    rng: np.random.Generator,
    dtype: np.dtype[np.generic],
) -> np.ndarray:
    """Draw a weight of shape (inputs, outputs).

    For relu and softplus, by name or as `am.relu`: normal with standard deviation √(2 / inputs)
    (He et al. 2015, equation 10). For all others: uniform in ±√(6 / (inputs + outputs)) (Glorot &
    Bengio 2010, equation 16).
    The numbers are drawn in float64, so a float32 model starts from the same ones, rounded.
    """
    size = (inputs, outputs)
    if name_of(activation) in HE:
        weight = rng.normal(0.0, np.sqrt(2 / max(inputs, 1)), size)
    else:
        bound = np.sqrt(6 / max(inputs + outputs, 1))
        weight = rng.uniform(-bound, bound, size)
    return weight.astype(dtype)
