"""Texts: the labels of boxes (numbers, norms, shapes, names, operations), and a picture in words.

The description in words is for readers who cannot see the picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.primitive import PRIMITIVES
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor
from autograd_mini.core.visible import replace_hidden

from .picture import Picture, Role
from .reading import is_number, operands, scope_of, scope_path
from .wording.language import has_label, label_of, say, say_count, say_list

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Numbers

LONGEST_NAME: Final = 32
NUMBERS: Final = frozenset("fciub")
"""The kinds of dtypes that hold numbers or truth values."""
LONGEST_TOOLTIP: Final = 300
FEWEST_DIGITS: Final = 6
MOST_DIGITS: Final = 10
"""Constants are written with at most this many digits."""
LONGEST_LIST: Final = 24
"""A list of names has at most this many letters, unless the first name alone is longer."""
COMMUTATIVE: Final = frozenset(
    {
        *("add", "add_n", "multiply", "dot", "maximum", "minimum", "hypot", "logaddexp"),
        *("equal", "not_equal", "bitwise_and", "bitwise_or"),
    }
)


LETTERS: Final = "xyzuvw"
"""The operands of a function in its label: `where(x, y, 0)`."""
INDICES: Final = "ijkmnp"
"""The arrays of places in an index: `[i, j]`."""
LARGEST: Final = frozenset(float(np.finfo(x).max) for x in (np.float16, np.float32, np.float64))
PLAIN_SYMBOLS: Final = {
    ("stop_gradient", "stop"): "no gradient",
    ("class_numbers", "class?"): "check classes",
    ("finite", "finite?"): "check finite",
    ("demanded", "holds?"): "check",
    ("added_at", "[ ]+"): "add at places",
    ("set_at", "[ ]←"): "set at places",
    ("getitem", "[ ]"): "pick",
    ("picked", "[ ]"): "pick",
    ("dot", "·"): "dot product",
    ("ldexp", "·2^"): "× 2^",
    ("affine", "@ +"): "x @ W + b",
    ("accumulated", "+ @"): "c + a @ b",
}
"""Name and symbol of operations whose symbol only programmers read → the words for them."""
ORDINALS: Final = {1: "{place}st", 2: "{place}nd", 3: "{place}rd"}


def clean_text(text: str, longest: int = LONGEST_NAME, lines: int = 3) -> str:
    """Make a user's text safe to draw: no control characters, no lone surrogates, not too long.

    At most `lines` lines are left; further line breaks become spaces.

    >>> clean_text("a" * 50)
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    >>> clean_text("bell \\x07")
    'bell �'
    """
    if len(text) <= longest and text.isprintable():
        return text  # most texts; nothing in them is hidden, and no line ends
    text = text[: longest + 1].replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    text = replace_hidden(text)
    *first, last = text.split("\n", lines - 1)
    text = "\n".join([*first, last.replace("\n", " ")])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def format_number(value: object) -> str:
    """Write a number in at most four significant digits.

    >>> [format_number(x) for x in (0.5, -2.0, float("nan"), 12345678.9)]
    ['0.5', '−2', 'NaN', '1.235e+07']
    """
    value = value.item() if isinstance(value, np.ndarray | np.generic) else value
    if value is None or isinstance(value, bool):
        return str(value)
    value = value or 0  # no −0
    text = str(value) if isinstance(value, int) and abs(value) < 10**9 else f"{value:.4g}"
    return text.replace("nan", "NaN").replace("-", "−")


def format_constant(value: object) -> str:
    """Write a constant of the user's code: in full, or in six digits after "≈".

    More than six digits are written if six would look like a rounder number.

    >>> [format_constant(x) for x in (0.5, 0.99999, 1 / 3, 1 + 1e-9)]
    ['0.5', '0.99999', '≈0.333333', '1.000000001']
    """
    held = value.item() if isinstance(value, np.ndarray | np.generic) else value
    if not isinstance(held, int | float) or isinstance(held, bool) or not np.isfinite(held):
        return format_number(value)
    if isinstance(held, int) and abs(held) < 10**9:
        return _with_true_minus(str(held))
    whole = str(value)  # in the dtype's own precision, which is less than a float's
    text = ""
    for digits in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        text = f"{held:.{digits}g}"
        if float(text) == float(whole):
            return _with_true_minus(text)
        if count_digits(text) == digits:
            break
    if held == int(held) and abs(held) < 10**9:
        return _with_true_minus(str(int(held)))
    return f"≈{_with_true_minus(text)}"


def count_digits(text: str) -> int:
    """Count the digits of a number, without the zeros at its ends.

    >>> count_digits("-0.0125"), count_digits("1.5e+10")
    (3, 2)
    """
    return len(text.partition("e")[0].replace(".", "").lstrip("-").strip("0"))


def _with_true_minus(text: str) -> str:
    """Return a number with a true minus sign, and 0 for −0."""
    return "0" if float(text) == 0 else text.replace("-", "−")


def format_rough(value: float) -> str:
    """Write a number in two digits.

    >>> format_rough(1234.0), format_rough(0.0567)
    ('1200', '0.057')
    """
    rounded = float(f"{value:.2g}")
    return format_number(
        rounded if np.isfinite(rounded) else value
    )  # the largest numbers round to inf


def format_shape(of: Any) -> str:
    """Write a shape: `100×2`, `(5,)` for a vector, and nothing for a scalar.

    >>> format_shape(np.zeros((100, 2))), format_shape(np.zeros(5)), format_shape(1.0)
    ('100×2', '(5,)', '')
    """
    lengths = np.shape(of._value if isinstance(of, Tensor) else of)
    return str(lengths) if len(lengths) == 1 else "×".join(map(str, lengths))


def value_or_shape(tensor: Tensor) -> str:
    """Write the value of a 0-d tensor, or the shape of others."""
    if tensor.ndim or type(tensor._value) is Absent:
        return format_shape(tensor)
    return format_number(tensor.data)


def operation_label(operation: Operation) -> str:
    """Write an operation with the numbers among its operands: `@`, `× 2`, `2 ÷ x`, `max(x, 0)`."""
    taken = operands(operation)
    sign = operation_symbol(operation)
    if operation.type == "getitem" and "index" in operation.params:
        return clean_text(f"[{_format_index(operation.params['index'])}]")
    if operation.type == "set_at" and "index" in operation.params:
        return clean_text(f"[{_format_index(operation.params['index'])}] ←")
    if operation.type == "draw" and "method" in operation.params:
        return f"{sign} {operation.params['method'].replace('_', ' ')}"
    own = PRIMITIVES.get(operation.type) is operation.primitive  # not a user's of the same name
    if own and operation.type == "transpose" and not _is_reversal(operation.params["axes"]):
        return say("axes {axes}", axes=", ".join(map(str, operation.params["axes"])))
    if not any(is_number(x) for x in taken):
        return f"{sign}{_format_axis(operation)}"
    if any(c.isalpha() for c in sign) or len(taken) != 2:
        letters = iter(LETTERS if sum(not is_number(x) for x in taken) > 1 else "x")
        inside = ", ".join(
            _format_operand(x) if is_number(x) else next(letters, "…") for x in taken
        )
        return f"{sign}({inside})"
    left, right = taken
    if is_number(right):
        return f"{sign} {_format_operand(right)}"
    if operation.type in COMMUTATIVE:
        return f"{sign} {_format_operand(left)}"
    return f"{_format_operand(left)} {sign} x"


def _format_operand(value: object) -> str:
    """Write a number among the operands; the largest one of its dtype, a bound, by this name.

    >>> _format_operand(np.finfo(np.float64).max), _format_operand(np.float32(2.5))
    ('largest number', '2.5')
    """
    held = value.item() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(held, float) and abs(held) in LARGEST:
        return say("largest number") if held > 0 else say("−largest number")
    return format_constant(value)


def _is_reversal(axes: tuple[int, ...]) -> bool:
    """Return whether a permutation reverses the axes, as `.T` does."""
    return list(axes) == list(range(len(axes)))[::-1]


def operation_symbol(operation: Operation) -> str:
    """Return the symbol of an operation on one line, or its name if it has no symbol.

    An author's label for the operation stands in place of both.
    """
    row = operation.primitive
    named = next((label_of(x) for x in (row.name, row.symbol) if x and has_label(x)), "")
    words = PLAIN_SYMBOLS.get((row.name, row.symbol))
    return (
        clean_text(named or (say(words) if words else row.symbol), lines=1).strip()
        or clean_text(row.name, lines=1).strip()
        or say("operation")
    )


def _format_axis(operation: Operation) -> str:
    """Write the axis of an operation, unless its input has no other axes."""
    value = operation.params.get("axis")
    ndim = np.ndim(getattr(operands(operation)[0], "_value", operands(operation)[0]))
    axes = value if isinstance(value, tuple) else () if value is None else (value,)
    if not axes or ndim < 2 or len(axes) == ndim:
        return ""
    return say(" axis {axes}", axes=", ".join(map(str, axes)))


def _format_index(parts: tuple[object, ...]) -> str:
    """Write an index as the user did: `0, 1:3, …`; arrays of places are `i`, `j`, `k`."""
    parts = parts if isinstance(parts, tuple) else (parts,)
    letters = iter(INDICES)
    return ", ".join(_index_part(part, letters) for part in parts)


def _index_part(part: Any, letters: Iterator[str]) -> str:
    """Write a part of an index."""
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends if part.step is None else [*ends, str(part.step)])
    if part is Ellipsis:
        return "…"
    if np.ndim(part) == 0 and repr(part) != "ARRAY":
        return str(part)
    return next(letters, "…")


def operation_tooltip(operation: Operation) -> str:
    """Return the tooltip of an operation: scope, type, parameters, formula."""
    params = ", ".join(f"{k}={v!r}" for k, v in operation.params.items() if " at 0x" not in repr(v))
    path = "/".join(filter(None, (scope_path(scope_of(operation)), operation.type)))
    call = f"{path}({params})" if params else path
    cut = [x for x in operands(operation) if is_number(x) and format_constant(x).startswith("≈")]
    numbers = f"\nwith {', '.join(map(str, cut))}" if cut else ""
    return clean_text(f"{call}{numbers}\n{operation.primitive.doc}", LONGEST_TOOLTIP, lines=4)


def list_names(names: Sequence[str], noun: str) -> str:
    """Write the number of names, and the first of them, as many as fit on a line.

    Names may be empty. Equal names are written once, with their number.

    >>> list_names(["W", "U", "b"], "parameter")
    '3 parameters: W, U, b'
    >>> list_names(["", ""], "parameter"), list_names(["W", "W", "b"], "parameter")
    ('2 parameters', '3 parameters: W 2 times, b')
    """
    different = with_counts([name for name in names if name])
    shown: list[str] = []
    for name in different:
        if shown and sum(map(len, shown)) + 2 * len(shown) + len(name) > LONGEST_LIST:
            break
        shown.append(name)
    if not shown:
        return format_count(len(names), noun)
    rest = [] if len(shown) == len(different) and all(names) else ["…"]
    return f"{format_count(len(names), noun)}: {', '.join([*shown, *rest])}"


def with_counts(names: Iterable[str]) -> list[str]:
    """Return the different names, with a count after those that occur several times."""
    return [times(name, n) for name, n in Counter(names).items()]


def times(name: str, count: int) -> str:
    """Write a name, and how often it occurs if it does several times.

    >>> times("W", 1), times("W", 3)
    ('W', 'W 3 times')
    """
    return say_count("{name} {n} time", count, name=name) if count > 1 else name


def join_list(texts: Sequence[str], longest: int = LONGEST_TOOLTIP, between: str = ", ") -> str:
    """Join the first texts, as many as fit, and write how many are left.

    >>> join_list(["W", "U", "b"], 9), join_list(["W", "U", "b"], 3)
    ('W, U, b', 'W, … and 2 more')
    """
    shown: list[str] = []
    length = 0
    for text in texts:
        length += len(text) + len(between)
        if shown and length - len(between) > longest:
            break
        shown.append(text)
    rest = len(texts) - len(shown)
    return between.join([*shown, *([say("… and {rest} more", rest=rest)] if rest else [])])


def ordinal(place: int) -> str:
    """Write a number as a place in an order.

    >>> ordinal(1), ordinal(12), ordinal(22)
    ('1st', '12th', '22nd')
    """
    teens = place // 10 % 10 == 1
    message = "{place}th" if teens else ORDINALS.get(place % 10, "{place}th")
    return say(message, place=place)


def format_count(count: int, noun: str) -> str:
    """Write a count with its noun: `1 operation`, `960 operations`."""
    return say_count(f"{{n}} {noun}", count)


MOST_SENTENCES: Final = 60
NOUNS: Final[dict[Role, str]] = {
    "input": "{n} input",
    "parameter": "{n} parameter",
    "operation": "{n} operation",
    "gradient": "{n} backward operation",
    "update": "{n} update operation",
    "updated": "{n} updated tensor",
    "failed": "{n} operation that failed",
    "gradient_value": "{n} gradient",
    "scalar_operation": "{n} operation",
    "scope": "{n} fold",
    "gradient_scope": "{n} fold of the backward",
    "update_scope": "{n} fold of the update",
    "earlier": "{n} box of what is left out",
    "tensor": "{n} result",
    "output": "{n} output",
}
"""Role → the counted message of its boxes."""
NAMED: Final[dict[Role, str]] = {
    "input_name": "Inputs: {names}.",
    "class_name": "Outputs: {names}.",
}
TENSORS: Final[frozenset[Role]] = frozenset(
    {"input", "parameter", "updated", "gradient_value", "output"}
)
"""The roles of tensors. Several boxes may draw, count or list one tensor."""


def describe_picture(picture: Picture) -> str:
    """Describe a picture: how many boxes of each kind, then what each box takes.

    A tensor counts once, however often it is drawn, counted or listed.
    """
    if picture.placed:
        return " ".join([_describe_layers(picture), *_describe_caption(picture)])
    tensors = {tensor for box in picture.boxes for tensor in box.tensors}
    counts: Counter[Role] = Counter(role for role, _ in tensors)
    counts.update(box.role for box in picture.boxes if box.role not in TENSORS)
    amounts = [say_count(noun, counts[role]) for role, noun in NOUNS.items() if counts[role]]
    if not amounts:
        sentences = [say("An empty graph.")]
    else:
        sentences = [say("A graph of {amounts}.", amounts=", ".join(amounts))]
    sentences += _describe_operands(picture)
    if len(sentences) > MOST_SENTENCES:
        rest = len(sentences) - MOST_SENTENCES
        more = say_count("{n} more box takes others.", rest)
        sentences = [*sentences[:MOST_SENTENCES], more]
    names = {box.id: box.lines[0] for box in picture.boxes if box.lines}
    loops = [
        say("{name} passes {state} from round to round.", name=names[x.box], state=x.label)
        for x in picture.loops
    ]
    return " ".join([*sentences, *loops, *_describe_legends(picture), *_describe_caption(picture)])


def _describe_layers(picture: Picture) -> str:
    """Write the layers of a network, with the names of its inputs and classes."""
    headings = [box.words for box in picture.boxes if box.role == "heading"]
    found = [say("Layers from left to right: {headings}.", headings=", ".join(headings))]
    for role, message in NAMED.items():
        chosen = [box.words for box in picture.boxes if box.role == role]
        found += [say(message, names=", ".join(chosen))] if chosen else []
    return " ".join(found)


def _describe_caption(picture: Picture) -> list[str]:
    """Return the caption as a sentence, if there is one."""
    text = " ".join(picture.caption.split())
    return [text if text.endswith((".", "!", "?", "…")) else f"{text}."] if text else []


def _describe_operands(picture: Picture) -> list[str]:
    """Return a sentence for each box with incoming arrows: what it takes, and how often."""
    names = {box.id: " ".join(box.words.split("\n")).rstrip() for box in picture.boxes}
    entering: dict[str, Counter[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, Counter())[arrow.tail] += arrow.count
    taken_by = {
        head: [times(names[x], n) for x, n in found.items()] for head, found in entering.items()
    }
    return [
        say("{name} takes {operands}.", name=names[box.id], operands=say_list(taken_by[box.id]))
        for box in picture.boxes
        if box.id in taken_by
    ]


def _describe_legends(picture: Picture) -> list[str]:
    """Return the sentences of the legends and of the colour scales."""
    found = []
    for box in picture.boxes:
        if box.role == "scale":
            what, *ends = box.lines
            between = say(" to ") if len(box.swatches) > len(ends) else ", "
            told = f"{what}, {between.join(ends)}"
            found.append(say("Colours tell: {what}.", what=told))
        elif box.role == "legend" and not box.looks:
            found.append(f"{box.words}.")
    return found


def norm(value: Numbers) -> float:
    """Return the Euclidean length of all elements.

    >>> norm(np.array([3.0, 4.0])), 4e200 < norm(np.array([3e200, 4e200])) < 6e200
    (5.0, True)
    """
    with np.errstate(all="ignore"):
        lengths, exponent = _scale_down(_flatten_to_float64(value))
        return float(np.ldexp(np.sqrt(np.sum(np.square(lengths))), exponent))


def mean_and_deviation(value: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of one real number or more.

    >>> mean_and_deviation(np.array([1e200, 3e200]))
    (2e+200, 1e+200)
    """
    with np.errstate(all="ignore"):
        numbers, exponent = _scale_down(_flatten_to_float64(value))
        mean = np.add.reduce(numbers) / numbers.size  # np.mean and np.std take three times as long
        deviation = np.sqrt(np.add.reduce(np.square(numbers - mean)) / numbers.size)
        return float(np.ldexp(mean, exponent)), float(np.ldexp(deviation, exponent))


def _flatten_to_float64(value: object) -> np.ndarray:
    """Return the elements as a 1-d float64 array; a complex number gives its two parts."""
    row = np.ravel(np.asarray(value))
    if row.dtype.kind == "c":
        return row.astype(np.complex128).view(np.float64)
    return row.astype(np.float64)


def _scale_down(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the numbers divided by a power of two, all below 1, and its exponent."""
    largest = np.max(np.abs(numbers), initial=0.0)
    if largest == 0 or not np.isfinite(largest):
        return numbers, 0
    exponent = int(np.frexp(largest)[1])
    return np.ldexp(numbers, -exponent), exponent
