"""Count NumPy's functions that record a gradient, here and in other libraries.

    python docs/numpy_coverage.py                # the libraries that are installed
    python docs/numpy_coverage.py --write        # and the result goes into docs/coverage.md

Every library is called, with the same arguments: those of `tests/calls`, and a few more for the
functions that this library does not record. A function counts for a library if, for at least one
form of arguments, a gradient comes out and equals the finite differences of NumPy's own function.
Only forms whose finite differences are not all 0 are asked for. A form is one of the calls; they
are those that this library is tested with, so the share of forms favours it.

HIPS autograd is called by its own names (`autograd.numpy.linalg.inv`), JAX by its own
(`jax.numpy.linalg.inv`), MyGrad by NumPy's, which it dispatches, and else by its own.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini.files import write_file

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
from calls import CALLS  # noqa: E402
from calls.forms import Call  # noqa: E402
from calls.further import FURTHER  # noqa: E402

PAGE = Path(__file__).with_name("coverage.md")
SPACES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft}
RTOL, STEP = 1e-4, 1e-6

HERMITIAN = ("linalg.cholesky", "linalg.eigh", "linalg.eigvalsh")
"""NumPy reads one triangle, others both: they agree on matrices that are Hermitian."""

DEPRECATED = ("in1d", "row_stack", "trapz")
"""Old names, which warn when they are called."""


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the public functions of a module: what can be called and is no class."""
    for name in sorted(dir(module)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = getattr(module, name)
        if name[0] == "_" or name in DEPRECATED or not callable(found):
            continue
        if not isinstance(found, (type, types.ModuleType)):
            yield name, found


class Form:
    """One call of a function, as a function of the real numbers in its arguments."""

    def __init__(self, names: list[str], function: Any, call: Call) -> None:
        self.names, self.function, self.call = names, function, call
        self.numbers: list[Any] = []
        self.visit((call.args, call.kwargs), self.collect)

    def visit(self, value: Any, seen: Callable[[Any], Any]) -> Any:
        """Rebuild nested arguments, with something else for each array of numbers."""
        if isinstance(value, dict):
            return {k: self.visit(v, seen) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.visit(v, seen) for v in value)
        floating = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fc"
        return seen(value) if floating else value

    def collect(self, value: Any) -> Any:
        """Note an array as one real array, or two for a complex one."""
        parts = (value.real, value.imag) if value.dtype.kind == "c" else (value,)
        self.numbers += [np.array(part, float) for part in parts]
        return value

    def scalar(self, function: Callable[..., Any], real: Any, imag: Any, *numbers: Any) -> Any:
        """Call a library's function, and weigh all real numbers in its result."""
        left = iter(numbers)

        def taken(value: Any) -> Any:
            x = next(left)
            mirrored = self.names[0] in HERMITIAN and x.ndim > 1
            x = (x + x.swapaxes(-1, -2)) / 2 if mirrored else x
            if value.dtype.kind != "c":
                return x
            i = next(left)
            return x + 1j * ((i - i.swapaxes(-1, -2)) / 2 if mirrored else i)

        args, kwargs = self.visit((self.call.args, self.call.kwargs), taken)
        generator = np.random.default_rng(0)
        total = 0.0
        for y in parts_of(function(*args, **kwargs), real, imag):
            total = total + (y * generator.uniform(0.5, 1.5, np.shape(y))).sum()
        return total

    def numeric(self) -> list[Any] | None:
        """Return the finite differences of NumPy's function, None if there is nothing to find."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = [self.difference(i, STEP) for i in range(len(self.numbers))]
                again = [self.difference(i, 10 * STEP) for i in range(len(self.numbers))]
            except Exception:  # NumPy's own deprecations among them
                return None
        steady = all(close(f, g) for f, g in zip(found, again, strict=True))  # not in float32
        return found if steady and any(np.any(np.abs(g) > 1e-4) for g in found) else None

    def difference(self, position: int, step: float) -> Any:
        """Return the central differences by one of the numbers."""
        at = [x.copy() for x in self.numbers]
        found = np.zeros_like(at[position])
        for place in np.ndindex(found.shape):
            centre = at[position][place]
            sides = []
            for sign in (1, -1):
                at[position][place] = centre + sign * step
                given = [x[()] for x in at]
                sides.append(self.scalar(self.function, np.real, np.imag, *given))
            at[position][place] = centre
            found[place] = (sides[0] - sides[1]) / (2 * step)
        return found


def parts_of(value: Any, real: Any, imag: Any) -> Iterator[Any]:
    """Yield the results that hold numbers, in a fixed order; complex ones as two."""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "SequenceBox":  # autograd's
        for part in value:
            yield from parts_of(part, real, imag)
        return
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "c":
        yield from (real(value), imag(value))
    elif kind == "f":
        yield value


# ── the libraries: a form and its function to its gradients ───────────────────────────────────
def by_ours(form: Form) -> list[Any]:
    """Differentiate with this library."""
    tensors = [am.tensor(x, requires_grad=True) for x in form.numbers]
    y = form.scalar(form.function, np.real, np.imag, *tensors)
    y.backward()
    return [np.zeros(t.shape) if t.grad is None else t.grad for t in tensors]


def by_autograd(form: Form) -> list[Any]:
    """Differentiate with HIPS autograd."""
    import autograd
    import autograd.numpy as anp

    function = named("autograd.numpy", form.names)
    return autograd.grad(
        lambda numbers: form.scalar(function, anp.real, anp.imag, *numbers)
    )([x[()] for x in form.numbers])  # fmt: skip


def by_mygrad(form: Form) -> list[Any]:
    """Differentiate with MyGrad: NumPy's function dispatched to it, else its own."""
    import mygrad

    error: Exception = AttributeError()
    for function in (form.function, named("mygrad", form.names)):
        tensors = [mygrad.tensor(x) for x in form.numbers]
        try:
            y = form.scalar(function, np.real, np.imag, *tensors)
            y.backward()
        except Exception as raised:
            error = raised
            continue
        return [np.zeros(t.shape) if t.grad is None else t.grad for t in tensors]
    raise error


def by_jax(form: Form) -> list[Any]:
    """Differentiate with JAX, in 64 bits."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    function = named("jax.numpy", form.names)
    gradient = jax.grad(lambda numbers: form.scalar(function, jnp.real, jnp.imag, *numbers))
    return gradient([jnp.asarray(x) for x in form.numbers])


LIBRARIES: dict[str, tuple[str, Callable[[Form], list[Any]]]] = {
    "autograd_mini": ("autograd_mini", by_ours),
    "JAX": ("jax", by_jax),
    "HIPS autograd": ("autograd", by_autograd),
    "MyGrad": ("mygrad", by_mygrad),
}


def named(package: str, names: list[str]) -> Any:
    """Return a library's function by one of NumPy's names for it, None if it has none."""
    for name in names:
        found: Any = import_module(package)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


def right(differentiate: Callable[[Form], list[Any]], form: Form, expected: list[Any]) -> bool:
    """Whether a gradient comes out and equals the finite differences."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = differentiate(form)
        except Exception:  # a missing function, argument form or rule
            return False
    return all(close(f, e) for f, e in zip(found, expected, strict=True))


def close(found: Any, expected: Any) -> bool:
    """Whether two derivatives are finite and the same, but for the error of the differences."""
    scale = np.max(np.abs(expected), initial=1.0)
    finite = bool(np.all(np.isfinite(expected)))
    return finite and np.allclose(np.asarray(found, float), expected, RTOL, RTOL * scale)


def functions() -> Iterator[tuple[list[str], Any]]:
    """Yield every function of NumPy once, with all its names."""
    for space, module in SPACES.items():
        prefix = f"{space}.".removeprefix("numpy.")
        names: dict[int, list[str]] = {}
        found = dict(public(module))
        for name, function in found.items():
            names.setdefault(id(function), []).append(f"{prefix}{name}")
        for same in names.values():
            yield same, found[same[0].rpartition(".")[2]]


def forms() -> dict[str, list[tuple[Form, list[Any]]]]:
    """Return the forms of each function that have a gradient, with their finite differences."""
    found: dict[str, list[tuple[Form, list[Any]]]] = {}
    for names, function in functions():
        for call in (*CALLS.get(function, ()), *FURTHER.get(function, ())):
            form = Form(names, function, call)
            expected = form.numeric()
            if expected is not None:
                found.setdefault(names[0], []).append((form, expected))
    return found


def counted(known: dict[str, list[tuple[Form, list[Any]]]]) -> dict[str, dict[str, int]]:
    """Return how many forms of each function each installed library gets right."""
    found: dict[str, dict[str, int]] = {}
    for library, (package, differentiate) in LIBRARIES.items():
        try:
            import_module(package)
        except ImportError:
            print(f"{library} is not installed here, so it is left out")
            continue
        found[library] = defaultdict(int)
        for name, cases in known.items():
            found[library][name] = sum(right(differentiate, *case) for case in cases)
        print(f"{library}: {sum(n > 0 for n in found[library].values())} functions", flush=True)
    return found


def space_of(name: str) -> str:
    """Return the module of a full name."""
    return f"numpy.{name.partition('.')[0]}" if "." in name else "numpy"


def version(library: str) -> str:
    """Return a library's name and version."""
    package = LIBRARIES[library][0]
    return (
        f"{library} {am.__version__ if package == 'autograd_mini' else metadata.version(package)}"
    )


def report(known: dict[str, Any], found: dict[str, dict[str, int]]) -> str:
    """Write the counts as tables, and the functions that a library misses."""
    total = {name: len(cases) for name, cases in known.items()}
    lines = ["| | with a gradient | " + " | ".join(map(version, found)) + " |"]
    lines.append("|---|" + "---:|" * (len(found) + 1))
    for space in (*SPACES, "together"):
        names = [n for n in known if space in ("together", space_of(n))]
        counts = [sum(rights[n] > 0 for n in names) for rights in found.values()]
        lines.append(f"| {space} | {len(names)} | " + " | ".join(map(str, counts)) + " |")
    sums = [sum(rights.values()) for rights in found.values()]
    every = sum(total.values())
    shares = [f"{n / every:.0%}" for n in sums]
    lines.append(f"| argument forms | {every} | " + " | ".join(shares) + " |")
    lines.append("\n## Missing\n")
    for library, rights in found.items():
        missing = [f"`{n}`" for n in known if not rights[n]]
        lines.append(f"**{library}** ({len(missing)}): {', '.join(missing) or 'none'}.\n")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Count, print, and write the page if asked."""
    known = forms()
    print(f"{len(known)} functions have a gradient in some form of their arguments")
    text = report(known, counted(known))
    print(text)
    if "--write" in arguments:
        intro = (__doc__ or "").partition("\n\n")[2].partition("\n\n")[2]
        head = f"# NumPy's functions that record a gradient\n\n{intro}\nNumPy {np.__version__}."
        write_file(PAGE, f"{head}\n\n{text}")


if __name__ == "__main__":
    main(sys.argv[1:])
