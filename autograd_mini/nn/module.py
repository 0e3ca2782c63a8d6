"""Module: a piece of a model that owns parameters; its summary, and its weights in files.

A module is a plain object. What it owns is found when asked for, in its attributes and in the
lists, tuples and dicts there, so a subclass needs neither `super().__init__()` nor any
registration. A tensor that requires a gradient is a parameter, another leaf tensor is a buffer
(saved, not trained), the result of an operation is neither. The path of each is how Python reaches
it: `layers.0.weight` is `model.layers[0].weight`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from ..archives import BoundedReader, Header, member_names, read_array, read_header, write_arrays
from ..core.contexts import Scope, context, run_quietly
from ..core.extraction import tracing
from ..core.tensor import Tensor, tensor
from ..core.visible import show_text
from ..errors import ArgumentError, OperandError, ShapeError, UnsupportedError, WeightsError
from ..files import write_file
from ..ops.conversion import assign_all
from .inference import PREDICTOR, Mode, evaluate, predict
from .operands import floating
from .training import fit

if TYPE_CHECKING:
    from zipfile import ZipFile

    from numpy.typing import DTypeLike


LISTED: Final = 6
"""Differences that an error names."""
LONGEST: Final = 80
"""Letters of a name in an error."""


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write all parameters and buffers to an `.npz` file at exactly `path`.

    The file is replaced when it is complete, so a crash, a kill or a full disk leaves the old one.
    It keeps its permissions; a link stays a link; a device or named pipe gets the bytes.

    Raises:
        OSError: if it cannot be written; FileNotFoundError, if its directory does not exist.
    """
    arrays = {name: t.data for name, t in model.named_tensors()}
    write_file(path, lambda file: write_arrays(file, arrays))


def load(model: Module, path: str | os.PathLike[str]) -> None:
    """Read parameters and buffers from a file that `save` (or `np.savez`) wrote.

    Values are cast to the dtype of the model's tensors, if of the same kind: float64 weights go
    into a float32 model, rounded; complex or integer ones do not go into a float one.

    Raises:
        WeightsError: if the file cannot be read, is not of this model, or is damaged; the model is
            then as it was.
    """
    own = dict(model.named_tensors())
    try:
        arrays = _arrays_of(own, path)
        run_quietly(lambda: assign_all(list(own.values()), arrays), over="raise")
    except (ShapeError, OperandError, FloatingPointError) as error:
        raise WeightsError(f"{os.fspath(path)!r} does not fit the model: {error}") from error


def _arrays_of(own: dict[str, Tensor], path: str | os.PathLike[str]) -> list[object]:
    """Read the array of each tensor from a file.

    Raises:
        WeightsError: if the file cannot be read, is damaged, or holds other arrays.
    """
    from zipfile import ZipFile

    members = member_names(own)
    try:
        with open(path, "rb", buffering=0) as raw, BoundedReader(raw) as file:
            file.expect(members.values())
            with ZipFile(file) as archive:
                found, others = _headers(archive, set(members.values()))
                wrong = _differences(found, others, own, members)
                if wrong:
                    raise _unlike(wrong, path)
                return [read_array(archive, found[member]) for member in members.values()]
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"there is no file {os.fspath(path)!r}") from error
    except OSError as error:
        raise WeightsError(f"cannot read {os.fspath(path)!r}: {error}") from error
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise WeightsError(
            f"{os.fspath(path)!r} is not a file of weights, or is damaged: "
            f"{str(error) or type(error).__name__}; expected an .npz that model.save wrote"
        ) from error


def _headers(archive: ZipFile, wanted: set[str]) -> tuple[dict[str, Header], list[str]]:
    """Return the header of each member of an archive, without its data, and the names of the rest.

    Of the members that nobody wants only the first ones are looked at, for an error.

    Raises:
        ValueError: if two members have one name.
    """
    found: dict[str, Header] = {}
    others: dict[str, str] = {}
    for info in archive.infolist():
        member = info.filename
        if member in found or member in others:
            raise ValueError(f"it has two members {short(member)!r}")
        if member in wanted:
            found[member] = read_header(archive, info)
            continue
        name, npy, _ = member.rpartition(".npy")
        others[member] = short(name) if npy else f"{short(member)!r} without the ending .npy"
        if len(others) <= LISTED:
            others[member] += f" {read_header(archive, info).shape}"
    return found, list(others.values())


def _differences(
    found: dict[str, Header], others: list[str], own: dict[str, Tensor], members: dict[str, str]
) -> list[str]:
    """Say how the headers of a file differ from the tensors of a model."""
    wrong = [f"lacks {short(n)} {t.shape}" for n, t in own.items() if members[n] not in found]
    wrong += [f"has {other}, which the model has not" for other in others]
    for name, t in own.items():
        if members[name] in found:
            wrong += _mismatch(short(name), found[members[name]], t)
    return wrong


def short(name: str) -> str:
    """Return a name as an error shows it."""
    return show_text(name, one_line=True, longest=LONGEST)


def _mismatch(name: str, header: Header, own: Tensor) -> list[str]:
    """Say how an array differs from its tensor, if it does."""
    dtype = header.dtype
    if header.shape != own.shape:
        return [f"has {name} of shape {header.shape}, the model's is {own.shape}"]
    if dtype.hasobject:
        return [f"has {name} as Python objects, which are never unpickled"]
    if dtype.kind not in "biufc" or not np.can_cast(dtype, own.dtype, "same_kind"):
        return [f"has {name} of dtype {dtype}, the model's is {own.dtype}"]
    if not header.is_complete:
        size = header.info.file_size - header.start
        return [f"has {size:,} bytes for {name}, which do not fill {dtype} {own.shape}"]
    return []


def _unlike(wrong: list[str], path: str | os.PathLike[str]) -> WeightsError:
    """Return the error that names the differences."""
    shown = "; ".join(wrong[:LISTED])
    shown += f"; and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
    return WeightsError(
        f"{os.fspath(path)!r} is not of this model: it {shown}. Nothing was changed; make the "
        "model with the sizes that it was saved with"
    )


HEADINGS: Final = ("layer", "output", "trainable", "parameters", "hyperparameters")
NUMBERS: Final = HEADINGS.index("trainable")
"""The right-aligned column."""


def summary(model: Module) -> str:
    """Return the table: a row for each module that has tensors or hyperparameters.

    `n` is the number of samples. Parameters stand under the names that files of weights use; a
    shared one stands where it is found first.

    >>> from autograd_mini.nn import MLP
    >>> print(MLP([2, 16, 1], seed=0))
    MLP(2-16-1, activation='tanh'): 65 trainable parameters, float64, 520 bytes
    layer    output   trainable  parameters                                    hyperparameters
    dense_1  (n, 16)         48  layers.0.weight (2, 16), layers.0.bias (16,)  neurons 16, activation tanh
    dense_2  (n, 1)          17  layers.1.weight (16, 1), layers.1.bias (1,)   neurons 1, activation linear
    """  # noqa: E501  # the table is as wide as it is
    unlisted = {t.serial: path for path, t in model.named_tensors()}
    scopes: dict[str, str] = {}
    rows: list[tuple[str, ...]] = [HEADINGS]
    for path, module in model.named_modules():
        scopes[path] = _scope_path(path, module, scopes)
        own = [(unlisted.pop(t.serial), t) for _, t in module.own_tensors() if t.serial in unlisted]
        chosen = module.hyperparameters()
        if own or chosen:
            shapes = (f"{p} {t.shape}{'' if t.requires_grad else ' not trained'}" for p, t in own)
            trained = sum(t.size for _, t in own if t.requires_grad)
            written = ", ".join(f"{name} {value}" for name, value in chosen.items())
            output = module.output_shape()
            cells = (scopes[path], output, f"{trained:,}", ", ".join(shapes), written)
            rows.append(tuple(show_text(cell, one_line=True) for cell in cells))
    return "\n".join([show_text(heading(model)), *_align_columns(rows)])


def _scope_path(path: str, module: Module, scopes: dict[str, str]) -> str:
    """Return the names of the modules around a module and its own, the model's left out."""
    if not path:
        return module.scope_name
    parents = (p for p in scopes if p and path.startswith(join_paths(p, "")))
    parent = max(parents, key=len, default="")
    return f"{scopes[parent]}/{module.scope_name}" if parent else module.scope_name


def heading(model: Module) -> str:
    """Return the line above the table: the model's class and its totals."""
    tensors = [t for _, t in model.named_tensors()]
    trained = sum(t.size for t in tensors if t.requires_grad)
    fixed = sum(t.size for t in tensors if not t.requires_grad)
    parts = [f"{trained:,} trainable parameters"]
    if fixed:
        parts.append(f"{fixed:,} not trained")
    parts += sorted({str(t.dtype) for t in tensors})
    parts.append(f"{sum(t.nbytes for t in tensors):,} bytes")
    text = repr(model)
    kind = text if len(text) <= 60 and "trainable" not in text else type(model).__name__
    return f"{kind}: {', '.join(parts)}"


def _align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i == NUMBERS else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


FROZEN: Final = "_frozen"
"""The attribute that remembers which parameters `requires_grad_(False)` froze."""
INTERNAL: Final = frozenset({FROZEN, PREDICTOR})
"""Attributes that no `forward` reads."""
HIDDEN: Final = frozenset({"name", "training"})


class Module:
    """A model or a layer; subclass it, set attributes, and write `forward`.

    Calling it runs `forward` in a scope of its name, so that pictures show it as one box.

    Attributes:
        name: the scope; by default the attribute that first holds the module, `dense_1` for the
            first Dense of a list, else the class, as `my_net`.
        training: whether layers such as Dropout behave as in training; see `train` and `eval`.

    >>> import numpy as np, autograd_mini as am
    >>> class Scaled(am.nn.Module):
    ...     def __init__(self):
    ...         self.factor = am.tensor(2.0, requires_grad=True)
    ...         self.inner = am.nn.Dense(3, 1, seed=0)
    ...
    ...     def forward(self, x):
    ...         return self.factor * self.inner(x)
    >>> model = Scaled()
    >>> [path for path, _ in model.named_parameters()]
    ['factor', 'inner.weight', 'inner.bias']
    >>> model(np.ones((2, 3))).op.scope
    'scaled'
    """

    name: str | None = None
    training = Mode()
    starts_in_training: ClassVar[bool] = True

    fit = fit
    predict = predict
    evaluate = evaluate
    save = save
    load = load
    __str__ = summary

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Take `training = False` in a subclass as the mode in which its modules start."""
        super().__init_subclass__(**kwargs)
        if isinstance(vars(cls).get("training"), bool):
            cls.starts_in_training = vars(cls)["training"]
            del cls.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; subclasses write it, users call the module."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward; write def forward(self, x): …"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` in the module's scope."""
        trace = tracing.get()
        if trace is not None:
            trace.depends(self)
        before = context.get()
        try:  # as `with scope(…)`, and Ctrl-C never leaves the scope open
            context.set((before[0], Scope(self.scope_name, before[1])))
            return self.forward(*args, **kwargs)
        finally:
            context.set(before)

    @property
    def scope_name(self) -> str:
        """The name of the block in which it runs."""
        return self.name or _snake_case(type(self).__name__)

    def __setattr__(self, attribute: str, value: object) -> None:
        """Set an attribute; a module or tensor that has no name yet takes the attribute's.

        Raises:
            ArgumentError: if a parameter would be replaced by what is neither trained nor None.
        """
        if isinstance(vars(self).get(attribute), Tensor):
            self._check_replacement(attribute, value)
        object.__setattr__(self, attribute, value)
        if isinstance(value, Tensor | Module | list | tuple | dict):
            _adopt(attribute, value)

    def _check_replacement(self, attribute: str, value: object) -> None:
        """Refuse what would silently end the training of a parameter, and drop it from files."""
        current = vars(self)[attribute]
        frozen = any(current is x for x in vars(self).get(FROZEN, ()))
        trained = isinstance(value, Tensor) and value.requires_grad
        if not current.is_leaf or not (current.requires_grad or frozen):
            return
        if value is None or value is current or trained:
            return
        plain = type(value).__name__
        kind = "a tensor without gradient" if isinstance(value, Tensor) else f"a plain {plain}"
        raise ArgumentError(
            f"{attribute} is a parameter, and {kind} in its place would not be trained; set its "
            f"value with model.{attribute}.assign(value), or freeze it with model.{attribute}."
            f"requires_grad_(False). To put something else there, del model.{attribute} first"
        )

    # ── what it owns ─────────────────────────────────────────────────────────────────────────
    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield path and module: this one (path "") and all inside it, each once."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                inner = [(join_paths(path, local), x) for local, x in module.children()]
                stack.extend(inner[::-1])

    def own_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the local path and leaf tensor of each tensor outside of inner modules."""
        found = owned_objects(self._attributes(), (Tensor, Module))
        return ((path, x) for path, x in found if isinstance(x, Tensor) and x.is_leaf)

    def children(self) -> Iterator[tuple[str, Module]]:
        """Yield local path and module of those directly inside."""
        return owned_objects(self._attributes(), (Module,))

    def _attributes(self) -> list[tuple[str, object]]:
        return [(name, value) for name, value in vars(self).items() if name not in INTERNAL]

    def __getstate__(self) -> dict[str, object]:
        """Return the state for copying and pickling: all but the compiled prediction."""
        return {name: value for name, value in vars(self).items() if name != PREDICTOR}

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield path and tensor of all parameters and buffers; a shared one once.

        Raises:
            ArgumentError: if two tensors have the same path (dict keys 1 and "1").
        """
        seen: set[int] = set()
        paths: set[str] = set()
        for prefix, module in self.named_modules():
            for local, x in module.own_tensors():
                path = join_paths(prefix, local)
                if x.serial in seen:
                    continue
                if path in paths:
                    raise ArgumentError(
                        f"two tensors of {type(self).__name__} have the path {path!r}; rename the "
                        "attribute or key of one of them"
                    )
                seen.add(x.serial)
                paths.add(path)
                yield path, x

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the path and tensor of each parameter; a shared one once."""
        return ((path, x) for path, x in self.named_tensors() if x.requires_grad)

    def parameters(self) -> Iterator[Tensor]:
        """Yield the tensors that are trained, each once."""
        return (x for _, x in self.named_parameters())

    def with_parameters(self, values: Mapping[str, object]) -> Self:
        """Return a copy that computes with other values of its parameters, named by path.

        What is not named is shared with this module. So a loss becomes a function of the
        parameters, which `grad` and `gradcheck` take; generators, as Dropout's, are copied.

        Raises:
            ArgumentError: for a name that is not a parameter.
            ShapeError: for a value of another shape.

        >>> import numpy as np, autograd_mini as am
        >>> model = am.nn.Dense(2, 1, seed=0)
        >>> x = np.ones((3, 2))
        >>> values = dict(model.named_parameters())
        >>> am.gradcheck(lambda p: model.with_parameters(p)(x).sum(), values).ok
        True
        """
        own = dict(self.named_parameters())
        memo: dict[int, Any] = {id(x): x for _, x in self.named_tensors()}
        for path, value in values.items():
            if path not in own:
                raise ArgumentError(
                    f"{type(self).__name__} has no parameter {path!r}; it has {', '.join(own)}"
                )
            given = value if isinstance(value, Tensor) else tensor(value)
            if given.shape != own[path].shape:
                raise ShapeError(f"{path} has shape {own[path].shape}, got {given.shape}")
            if given.name is None:
                given.name = own[path].name
            memo[id(own[path])] = given
        return deepcopy(self, memo)

    # ── modes ────────────────────────────────────────────────────────────────────────────────
    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training (with False: to use)."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Switch to use: Dropout passes everything on."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for x in self.parameters():
            x.grad = None

    def requires_grad_(self, wanted: bool = True) -> Self:
        """Freeze the parameters (False), or make frozen ones trainable again (True).

        Buffers stay buffers. An optimizer made before leaves frozen parameters alone; one made
        while they are frozen does not hold them.
        """
        if wanted:
            for module in self.modules():
                for x in vars(module).pop(FROZEN, ()):
                    x.requires_grad = True
            return self
        for module in self.modules():
            now = tuple(x for _, x in module.own_tensors() if x.requires_grad)
            vars(module)[FROZEN] = vars(module).get(FROZEN, ()) + now
        for x in list(self.parameters()):
            x.requires_grad, x.grad = False, None
        return self

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy whose floating-point tensors have another floating-point dtype."""
        wanted = floating(dtype)
        model = deepcopy(self)
        for _, x in model.named_tensors():
            if x.dtype.kind == "f":
                x._value, x.grad = x._value.astype(wanted), None
        return model

    # ── what it says of itself ───────────────────────────────────────────────────────────────
    def hyperparameters(self) -> dict[str, object]:
        """Return the hyperparameters: by default the public attributes with plain values."""
        plain = int | float | str | bool
        return {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, plain) and name not in HIDDEN and not name.startswith("_")
        }

    def output_shape(self) -> str:
        """Describe the shape of the output for the table, `""` where it depends."""
        return ""

    def __repr__(self) -> str:
        count = sum(x.size for x in self.parameters())
        return f"{type(self).__name__}({count:,} trainable parameters)"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        """Show the neurons in a notebook."""
        from ..display import mimebundle

        return mimebundle(self)


def _adopt(attribute: str, value: object) -> None:
    """Name what has no name yet after the attribute, or the key in a dict, that holds it.

    In a list, modules are counted by class: `dense_1`, `dense_2`.
    """
    counts: dict[str, int] = {}
    for path, x in owned_objects([(attribute, value)], (Tensor, Module)):
        last = path.rpartition(".")[2]
        if isinstance(x, Module) and last.isdecimal():
            kind = _snake_case(type(x).__name__)
            counts[kind] = counts.get(kind, 0) + 1
            last = f"{kind}_{counts[kind]}"
        if x.name is not None:
            continue
        if isinstance(x, Tensor):
            x.name = path if x.is_leaf else None
            continue
        x.name = last
        for local, t in x.own_tensors():
            if t.name == local:
                t.name = f"{last}.{local}"


@cache
def _snake_case(kind: str) -> str:
    """Return the name of a class as a scope is written: `MyNet` is `my_net`, `MLP` is `mlp`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind)
    return words.lower()


def owned_objects(
    pairs: Iterable[tuple[str, object]], kinds: tuple[type, ...]
) -> Iterator[tuple[str, Any]]:
    """Yield path and object, in order, of everything of `kinds` in named values.

    Lists, tuples and dicts are opened; objects of `kinds` are not.

    Raises:
        UnsupportedError: for a set of such objects, which has no stable order.

    >>> list(owned_objects([("a", 1), ("b", [2, {"c": 3.0}])], (int, float)))
    [('a', 1), ('b.0', 2), ('b.1.c', 3.0)]
    """
    stack = list(pairs)[::-1]
    opened: set[int] = set()  # a list may hold itself
    while stack:
        path, value = stack.pop()
        if isinstance(value, kinds):
            yield path, value
        elif isinstance(value, set | frozenset):
            if any(isinstance(x, kinds) for x in value):
                raise UnsupportedError(
                    f"{path} is a set, which has no order to name and save its members by; use a "
                    "list"
                )
        elif isinstance(value, dict | list | tuple) and id(value) not in opened:
            opened.add(id(value))
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend([(join_paths(path, str(key)), x) for key, x in inner][::-1])


def join_paths(path: str, name: str) -> str:
    """Join two paths by a dot; the first may be empty."""
    return f"{path}.{name}" if path else name
