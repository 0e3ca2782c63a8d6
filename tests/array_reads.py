"""Programs that may read elements of an array from outside."""

import contextlib
import copy
import functools
import operator
import pickle
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from array_uses import (
    GLOBAL,  # noqa: F401  # read by its name
    READING,
    S,
    give_back,
    plain_or_not,
    read_one,
    sum_up,
    take_all,
    weigh,
    with_default,
)

import autograd_mini as am

UNPROVEN = []


def unproven(program):
    """Enter a program that may read elements of `S.A`."""
    UNPROVEN.append(pytest.param(program, id=program.__name__))
    return program


@unproven
def element(x):
    return x * S.A[0]


@unproven
def element_and_product(x):
    return x * S.A * S.A[0]


@unproven
def part(x):
    return x * S.A[:1]


@unproven
def decision(x):
    return x * S.A if S.A[0] > 0.5 else x


@unproven
def compared(x):
    return x * (S.A > 0)


@unproven
def chained(x):
    return x if (0 < S.A).all() and (S.A < 5).all() else x * S.A  # noqa: SIM300


@unproven
def dot_of_plain(x):
    return x * np.dot(S.A, S.A)


@unproven
def sum_method(x):
    return x * S.A.sum()


@unproven
def sum_function(x):
    return x * np.sum(S.A) + S.A


@unproven
def transposed(x):
    return x * S.A.T


@unproven
def iterated(x):
    for p in S.A:
        x = x * p
    return x


@unproven
def comprehended(x):
    return x * sum([p for p in S.A])


@unproven
def generated(x):
    return x * sum(p for p in S.A)


@unproven
def generator_of_products(x):
    return sum(x * S.A for _ in range(2))


@unproven
def sorted_places(x):
    return x[np.argsort(S.A)]


@unproven
def plain_product(x):
    return x * (S.A * S.A)


@unproven
def plain_then_recorded(x):
    return x * S.A + (S.A * 2.0)


@unproven
def negated(x):
    return x * -S.A


@unproven
def called_with_plain(x):
    plain_or_not(np.ones(3))
    return plain_or_not(x)


@unproven
def plain_result_is_read(x):
    n = plain_or_not(np.ones(3))
    return plain_or_not(x) * n[0]


@unproven
def helper_reads(x):
    return read_one(x, S.A)


@unproven
def star_arguments(x):
    return take_all(x, S.A)


@unproven
def star_arguments_summed(x):
    return sum_up(x, S.A, S.B) * S.A


@unproven
def default_argument(x):
    return with_default(x)


@unproven
def handed_back(x):
    return x * float(give_back(S.A)[0])


@unproven
def in_list(x):
    tables = [S.A, S.B]
    return x * tables[0].sum()


@unproven
def in_list_summed(x):
    tables = [S.A, S.B]
    return x * S.A * np.sum(tables)


@unproven
def in_dict(x):
    d = {"a": S.A}
    return x * d["a"].max()


@unproven
def starred(x):
    return x * max(*S.A)


@unproven
def unpacked(x):
    a, b, c = S.A
    return x * a + b * c


@unproven
def container_to_library(x):
    return am.grad(lambda d: np.sum(d[0] * np.sum(d[1])))([x, S.A])[0]


@unproven
def text_of_array(x):
    return x if f"{S.A}" else x * S.A


@unproven
def text_by_format(x):
    return x * S.A * len("{0.A[0]}".format(S))  # noqa: UP030, UP032


@unproven
def contained(x):
    return x * S.A if 0.5 in S.A else x


@unproven
def matched(x):
    match S.A.tolist():
        case [0.5, *_]:
            return x * S.A
    return x


@unproven
def by_getattr(x):
    return x * getattr(S, "A")[0]  # noqa: B009


@unproven
def by_property(x):
    return x * S.first


@unproven
def by_property_of_array(x):
    return x * S.table.sum()


@unproven
def by_lambda(x):
    return (lambda t: x * t[0])(S.A)


@unproven
def by_walrus(x):
    return x * t if (t := S.A)[0] > 0 else x


@unproven
def by_closure(x):
    t = S.A

    def inner():
        return t[0]

    return x * t * inner()


@unproven
def by_dict_of_object(x):
    return x * vars(S)["A"][0] * S.A


GETTER = operator.attrgetter("A")
SUMMER = operator.methodcaller("sum")
TOTAL = S.A.sum
WRITER = pickle.dumps
FORMAT = "{0.A[0]}".format
PARTIAL = functools.partial(read_one, w=S.A)


@unproven
def by_getter(x):
    return x * GETTER(S)[0]


@unproven
def by_methodcaller(x):
    return x * SUMMER(S.A)


@unproven
def by_bound_method(x):
    return x * TOTAL() * S.A


@unproven
def by_pickle(x):
    return x * S.A * len(WRITER(S))


@unproven
def by_bound_format(x):
    return x * S.A * len(FORMAT(S))


@unproven
def by_partial(x):
    return PARTIAL(x)


@unproven
def by_deepcopy(x):
    return x * copy.deepcopy(S).A[0] * S.A


@unproven
def truth(x):
    return x * S.A if S.A.any() and x.ndim else x


@unproven
def written(x):
    S.A[0] = 0.5
    return x * S.A


@unproven
def increased(x):
    t = S.A
    t += 0.0
    return x * t


@unproven
def stored_in_attribute(x):
    S.other = S.A
    del S.other
    return x * S.A


@unproven
def returned(x):
    return x * S.A, S.A


@unproven
def converted(x):
    return x * np.asarray(S.A)


@unproven
def made_tensor(x):
    return x * am.tensor(S.A)


@unproven
def summed_with_start(x):
    return sum([S.A, x, S.A])


@unproven
def applied_along(x):
    np.apply_along_axis(lambda row: (x * S.A).data is None, 0, np.ones(3)) if False else None
    return x * np.apply_along_axis(lambda row: row.sum(), 0, S.A)


@unproven
def recorded_in_callback(x):
    y = []
    np.piecewise(S.A, [S.mask], [lambda v: y.append(x * S.A) or v, 0.0])
    return y[0]


@unproven
def raised(x):
    with contextlib.suppress(ZeroDivisionError):
        S.k / 0
    return x * S.A


@unproven
def model_reads(x):
    return READING(x)


@unproven
def recorded_and_read_together(x):
    return np.where(S.A > 0, x, S.A)


@unproven
def in_thread(x):
    found = []
    thread = threading.Thread(target=lambda: found.append(S.A[0]))
    thread.start()
    thread.join()
    return x * S.A * found[0]


@unproven
def by_locals(x):
    t = S.A
    return x * t * locals()["t"][0]


@unproven
def by_globals(x):
    return x * globals()["GLOBAL"][0]


@unproven
def reduced(x):
    return x * functools.reduce(operator.add, S.A)


@unproven
def mapped(x):
    return x * sum(map(float, S.A))


@unproven
def sorted_array(x):
    return x * np.sort(S.A) + S.A


@unproven
def viewed(x):
    v = S.A.view()
    return x * S.A * v[0]


@unproven
def reversed_items(x):
    return x * next(reversed(S.A))


@unproven
def zipped(x):
    for a, b in zip(S.A, S.B, strict=True):
        x = x * a * b
    return x


@unproven
def mask_as_index(x):
    return np.sum(x[S.mask]) * S.A[0]


@unproven
def delegated(x):
    def gen():
        yield S.A

    for t in gen():
        x = x * t
    return x


@unproven
def interpolated(x):
    return np.interp(x, np.arange(3.0), S.A)


@unproven
def labels_of_classes(x):
    return np.interp(x, S.A, S.B) * am.nn.mse(x, S.A)


@unproven
def by_object_attribute_of_array(x):
    return x * S.A.flat[0]


@unproven
def divided_into_parts(x):
    q, r = divmod(S.A, 2.0)
    return x * q + r


@unproven
def array_twice_in_one_list(x):
    return sum([x, S.A, S.A], S.A) * 1.0


@unproven
def conditional_and(x):
    return x * (S.k and S.A)[0]


@unproven
def conditional_or(x):
    return x * (S.A[0] or S.k)


@unproven
def keyword_dict(x):
    return weigh(x, **{"w": S.A, "b": S.A[0]})


@unproven
def nested_tuple(x):
    (a, b), c = (S.A, S.B), S.M
    return x * a + b.sum() + c[0, 0] + a.sum()


@unproven
def deleted_item(x):
    d = [S.A]
    t = d.pop()
    return x * t * t[0]


@unproven
def default_of_dict(x):
    d = {}
    return x * d.setdefault("a", S.A)[0]


@unproven
def maximum_of_two(x):
    return x * max(S.A, S.A, key=lambda a: a[0])


@unproven
def printed(x):
    return x * S.A * len(str(S.A))


@unproven
def hashed(x):
    return x * S.A * (hash(S.A.tobytes()) % 2)


@unproven
def memory(x):
    return x * S.A * memoryview(S.A)[0]


@unproven
def in_nested_class(x):
    class Inner:
        first = S.A[0]

    return x * S.A * Inner.first


@unproven
def slice_with_elements(x):
    return x[: int(S.B[1])].sum() * S.A * int(S.A[2])


@unproven
def swapped(x):
    a, b = S.A, S.k
    a, b = b, a
    return x * a * b[0]


@unproven
def caught(x):
    try:
        x = x * S.missing
    except AttributeError:
        return x * S.A[0]
    return x * S.A


@dataclass
class Pair:
    """Compares its arrays, by generated code."""

    A: object
    k: float = 1.0


PAIR = Pair(S.A)


@unproven
def dataclass_text(x):
    return x * PAIR.A * len(repr(PAIR))
