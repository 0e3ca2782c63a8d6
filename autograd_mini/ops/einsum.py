"""Einstein summation: any product of tensors that names its axes by letters.

The primitive takes one term an operand and the output's term, one letter an axis: no ellipsis, no
spaces, nothing implied. Its transpose is an einsum again, with g in the place of the operand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.primitive import Primitive, case, implements, multilinear
from ..core.record import check_operand, value_of
from ..core.source_text import Written, literal
from ..errors import ArgumentError, AutogradError, OperandError, ShapeError, UnsupportedError
from .checks import refuse_out
from .conversion import convert_operand

SYMBOLS = ascii_uppercase + ascii_lowercase  # in ASCII order, so that sorting keeps the numbers'


def _unused_letters(terms: Sequence[str]) -> Iterator[str]:
    """Return the letters that no term has.

    Raises:
        UnsupportedError: by `next`, where all are taken.
    """
    taken = "".join(terms)
    yield from (letter for letter in ascii_letters if letter not in taken)
    raise UnsupportedError(f"einsum: more than {len(ascii_letters)} letters are needed")


def _einsum_code(*xs: Written, inputs: tuple[str, ...], output: str, optimize: bool) -> str | None:
    """Write the call with its letters as one text."""
    if _shows(inputs, output):
        optimize = False  # there is nothing to order
    names = ", ".join(x.text for x in xs)
    order = literal(optimize)
    return order and f'np.einsum("{",".join(inputs)}->{output}", {names}, optimize={order})'


def _shows(inputs: tuple[str, ...], output: str) -> bool:
    """Whether nothing is multiplied or summed, for which NumPy returns a view."""
    return len(inputs) == 1 and set(inputs[0]) == set(output)


def _einsum_forward(*xs: Any, inputs: tuple[str, ...], output: str, optimize: Any) -> Array:
    """Call NumPy's."""
    return np.einsum(f"{','.join(inputs)}->{output}", *xs, optimize=optimize)


def product(terms: Sequence[str], xs: Sequence[object], output: str, optimize: object) -> Array:
    """Multiply further terms, to which an explicit order of the first ones does not apply."""
    return einsum_(*xs, inputs=tuple(terms), output=output, optimize=bool(optimize))


def _einsum_pulled(
    position: int,
    g: Array,
    xs: Sequence[Any],
    inputs: tuple[str, ...],
    output: str,
    optimize: object,
) -> Array:
    """∂xₖ: the product of g and the other operands, repeated along letters that only xₖ has.

    A letter that xₖ has twice stands for a diagonal: identities put the product there.
    """
    term, x = inputs[position], xs[position]
    others = [i for i in range(len(xs)) if i != position]
    terms = [output, *(inputs[i] for i in others)]
    letters = "".join(dict.fromkeys(term))
    known = "".join(letter for letter in letters if any(letter in t for t in terms))
    part = product(terms, [g, *(xs[i] for i in others)], known, optimize)
    sizes = dict(zip(term, x.shape, strict=True))
    found = dict(zip(known, part.shape, strict=True))
    full = tuple(sizes[n] if found.get(n, 1) == 1 else found[n] for n in letters)
    if known != letters:
        part = np.reshape(part, tuple(found.get(n, 1) for n in letters))
    if part.shape != full:
        part = np.broadcast_to(part, full)
    return part if letters == term else _on_diagonal(part, letters, term)


def _on_diagonal(part: Array, letters: str, term: str) -> Array:
    """Put a tensor of different letters where those of a term are equal, with 0 elsewhere."""
    fresh, sizes = _unused_letters([term]), dict(zip(letters, part.shape, strict=True))
    seen: set[str] = set()
    identities, pairs, target = [], [], ""
    for letter in term:
        named = letter
        if letter in seen:
            named = next(fresh)
            identities.append(np.eye(sizes[letter], dtype=part.dtype))
            pairs.append(letter + named)
        seen.add(letter)
        target += named
    return product([letters, *pairs], [part, *identities], target, False)


def _einsum_rule(
    g: Array, y: Array, *xs: object, inputs: tuple[str, ...], output: str, optimize: object
) -> list[object]:
    """Return the cotangent of each operand."""
    return [_einsum_pulled(i, g, xs, inputs, output, optimize) for i in range(len(xs))]


def _einsum_batch(
    primitive: Primitive,
    size: int,
    xs: Sequence[Any],
    mapped: Sequence[bool],
    params: dict[str, Any],
) -> np.ndarray:
    """Name the new axis by an unused letter."""
    inputs, output = params["inputs"], params["output"]
    new = next(_unused_letters(inputs))
    terms = tuple(new + t if m else t for t, m in zip(inputs, mapped, strict=True))
    return primitive(*xs, **{**params, "inputs": terms, "output": new + output})


einsum_: Primitive = multilinear(
    _einsum_forward,
    "einsum",
    "Sum of products by the letters of axes.  ∂xₖ: the einsum of g and the other operands",
    name="einsum",
    vjp=_einsum_rule,
    samples=(
        case((3, 4), (4, 2), inputs=("ij", "jk"), output="ik", optimize=False),
        case((3, 4), inputs=("ij",), output="", optimize=False),
        case((3, 3), inputs=("ii",), output="i", optimize=False),
        case((2, 2, 2, 3), (2,), inputs=("iiij", "k"), output="ji", optimize=False),
        case((2, 3), (3, 3), (2,), inputs=("ij", "jk", "i"), output="ki", optimize=True),
        case((1, 3), (2, 1), inputs=("ij", "ij"), output="i", optimize=False),
        case((), (2,), inputs=("", "i"), output="i", optimize=False),
        case((0, 2), (2, 3), inputs=("ij", "jk"), output="k", optimize=False),
    ),
    params=("inputs", "output", "optimize"),
    batch=_einsum_batch,
    broadcasts=True,
    view=lambda *xs, inputs, output, optimize: _shows(inputs, output),
    code=_einsum_code,
)


@implements(np.einsum)
def einsum(*operands: object, out: None = None, optimize: object = False, **cast: Any) -> Array:
    """Sum products over axes named by letters (`'ij,jk->ik', a, b`) or numbers (`a, [0, 1], …`).

    ∂xₖ: the einsum of g and the other operands.

    The order of a result in memory is NumPy's choice here.
    """
    refuse_out("einsum", out)
    subscripts, xs = _split_arguments(operands)
    xs = [_cast_as_asked(x, **cast) for x in xs]
    inputs, output = _explicit(subscripts, [np.shape(value_of(x)) for x in xs])
    path = tuple(optimize) if isinstance(optimize, (list, tuple)) else optimize
    return einsum_(*xs, inputs=inputs, output=output, optimize=path)


def _cast_as_asked(x: Array, dtype: Any = None, casting: Any = "safe", order: str = "K") -> Array:
    """Convert an operand where the casting rule allows it; where it lies in memory is not asked."""
    if dtype is None:
        return x
    kind, dtype = np.result_type(value_of(x)), np.dtype(dtype)
    if not np.can_cast(kind, dtype, casting):
        raise OperandError(
            f"einsum: {kind} values do not become {dtype} by {casting!r} casting; "
            "give casting='same_kind' or 'unsafe', or convert the operand with .astype"
        )
    return x if kind == dtype else convert_operand(x, dtype)


def _split_arguments(arguments: Sequence[object]) -> tuple[str, list[Any]]:
    """Split the arguments of either form into subscripts and operands."""
    if not arguments:
        raise ArgumentError("einsum: expected subscripts and operands, got nothing")
    if isinstance(arguments[0], str):
        return arguments[0].replace(" ", ""), [check_operand(x) for x in arguments[1:]]
    pairs = len(arguments) // 2
    terms = [_letters_of_axes(arguments[2 * i + 1]) for i in range(pairs)]
    subscripts = ",".join(terms)
    if len(arguments) % 2:
        subscripts += f"->{_letters_of_axes(arguments[-1])}"
    return subscripts, [check_operand(arguments[2 * i]) for i in range(pairs)]


def _letters_of_axes(places: Any) -> str:
    """Write a list of numbers, one for each axis, as letters."""
    try:
        return "".join("..." if p is Ellipsis else SYMBOLS[index(p)] for p in places)
    except AutogradError:
        raise
    except (TypeError, IndexError) as error:
        raise ArgumentError(
            f"einsum: {places!r:.60} does not name axes; expected a list of numbers below "
            f"{len(SYMBOLS)}, or subscripts such as 'ij,jk->ik' first"
        ) from error


def _explicit(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[str, ...], str]:
    """Spell out ellipses and an implied output: one letter an axis.

    Raises:
        ArgumentError, ShapeError: if the subscripts are none, or do not fit the shapes.
    """
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ArgumentError(f"einsum: {len(terms)} terms in {subscripts!r}, {len(shapes)} operands")
    for term in (*terms, right):
        rest = term.replace("...", "", 1)
        if any(letter not in SYMBOLS for letter in rest):
            raise ArgumentError(f"einsum: {term!r} in {subscripts!r} has more than letters and ...")
    counts = [_count_hidden_axes(t, shape) for t, shape in zip(terms, shapes, strict=True)]
    fresh = _unused_letters([subscripts])
    ellipsis = "".join(next(fresh) for _ in range(max(counts, default=0)))
    inputs = tuple(
        term.replace("...", ellipsis[len(ellipsis) - n :])
        for term, n in zip(terms, counts, strict=True)
    )
    if not arrow:
        once = [letter for letter in sorted(set(left) - set(".,")) if left.count(letter) == 1]
        right = "..." + "".join(once)
    return inputs, _check_output_term(subscripts, inputs, right, ellipsis)


def _count_hidden_axes(term: str, shape: tuple[int, ...]) -> int:
    """Count the axes that an operand's ellipsis stands for."""
    letters = len(term.replace("...", ""))
    count = len(shape) - letters
    if count < 0 or (count and "..." not in term):
        raise ShapeError(
            f"einsum: {term!r} names {letters} axes of an operand of shape {shape}; expected "
            f"{len(shape)}, or an ellipsis for the others"
        )
    return count


def _check_output_term(subscripts: str, inputs: Sequence[str], right: str, ellipsis: str) -> str:
    """Return the output's term, each letter of which an operand has."""
    if ellipsis and "..." not in right:
        raise ArgumentError(
            f"einsum: the output of {subscripts!r} has no ellipsis for the axes in those of the "
            "operands; write ... there, or letters instead"
        )
    output = right.replace("...", ellipsis)
    for letter in output:
        if output.count(letter) > 1 or not any(letter in term for term in inputs):
            raise ArgumentError(
                f"einsum: {letter!r} in the output of {subscripts!r} must stand there once, and "
                "in an operand"
            )
    return output


@implements(np.einsum_path)
def einsum_path(*operands: object, optimize: Any = "greedy", einsum_call: Any = False) -> Any:
    """Return a good order of the products and a description of it.  No gradient: both are plain."""
    return np.einsum_path(*map(value_of, operands), optimize=optimize, einsum_call=einsum_call)
