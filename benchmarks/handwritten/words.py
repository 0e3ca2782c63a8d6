"""The words by which a report names a cause: alternatives, generous in wording, not in meaning.

They were written before any report was seen, and read once beside the first reports, to add other
wordings of the same meaning and to take out words that fitted a wrong cause. Each name is a tuple
of regular expressions in lower case; a report names the cause if one of them is found on a line.
"""

MISSED = (
    r"(miss|forg[eo]t|left out|leaves out|lack|drop|omit|ignor|constant|without|absent|neglect"
    r"|detach|not (counted|included|propagated|taken|added|summed|applied|used)|skip|lost"
    r"|only (one|the|part)|does not flow|fixed|stop)"
)


def near(first: str, second: str) -> tuple[str, ...]:
    """Return the patterns of two words on one line, in either order; a short one stands alone."""
    first, second = (rf"\b{w}\b" if w.isalnum() and len(w) < 3 else w for w in (first, second))
    return (f"({first}).*({second})", f"({second}).*({first})")


def missed(*things: str) -> tuple[str, ...]:
    """Return the patterns of something that was left out of the gradient."""
    patterns = [pattern for thing in things for pattern in near(thing, MISSED)]
    if {"term", "path", "use", "sum", "product"} & set(things):
        patterns += ["rest of the formula", "a part is missing", "a sum or mean is missing"]
    return tuple(patterns)


def scaled(factor: str, inverse: str = "") -> tuple[str, ...]:
    """Return the patterns of a gradient that is too large by a factor, given as a pattern."""
    return (
        rf"(factor|times|multiplied by|scaled by|scale|multiple)( of)? ?{factor}\b",
        rf"\b{factor} ?(times|×|\*|fold)",
        *((rf"(divided by|/|over) ?{inverse}\b",) if inverse else ()),
        *((rf"\b{inverse} times too (small|low)",) if inverse else ()),
    )


SIGN = (r"\bsign\b", r"\bsigns\b", "negat", "minus", "opposite", r"(factor|times)( of)? ?-1\b")
TWICE = (*scaled(r"2(\.0+)?"), "twice", "doubl", "two times", "counted two")
HALF = (*scaled(r"(0\.50*|1/2|½)", r"2(\.0+)?"), r"\bhalf\b", "halv")
TRANSPOSED = ("transpos", "(axes|rows and columns|axis).*(swap|exchang|permut|interchang)")
REPEATED = (
    "repeat",
    "duplicat",
    "overwrit",
    "accumulat",
    "last (one|occurrence|write|value)",
    r"= (where|instead of) (a )?\+=",
    r"add\.at",
    "more than once",
    "several times",
    "scatter",
    "not summed",
)
MEAN_FOR_SUM = ("mean where a sum", "mean instead of (a |the )?sum", "averag")
SUM_FOR_MEAN = ("sum where a mean", "sum instead of (a |the )?mean", *missed("mean", "averag"))
REVERSED = ("revers", "flip", "backward(s)? order", "mirror", "upside")
SHIFTED = (
    "shift",
    "off.by.one",
    "roll",
    "displaced",
    "one (step|place|position|index|row|entry) (too|late|earl|off|ahead|behind)",
    "neighbou?r",
    "(next|previous|adjacent) (entry|row|step|time|index)",
)
