"""Arrays that a traced call uses only as operands, and arrays whose elements plain code reads."""

import gc
import operator
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from array_reads import UNPROVEN
from array_uses import GLOBAL, PROVEN, S, Store

import autograd_mini as am
from autograd_mini.compiler.pipeline import call_traced
from autograd_mini.compiler.trace import Tracer
from autograd_mini.compiler.uses import call_watching_uses


def judged(program, store=None, watched=None):
    """Return the verdict on the arrays of the store in a call of a program."""
    store = store if store is not None else S
    arrays = watched or [x for x in vars(store).values() if type(x) is np.ndarray]
    names = [name for name, x in vars(store).items() if type(x) is np.ndarray]
    tracer = Tracer()
    x = tracer.stand_in(am.tensor([1.0, 2.0, 3.0]), "x")
    _, found = call_traced(
        tracer,
        lambda: call_watching_uses(arrays, names, tracer.uses, lambda: program(x)),
        True,
    )
    assert sys.gettrace() is None
    return found, {id(a) for a in arrays}


@pytest.mark.parametrize("program", PROVEN)
def test_operands_are_proven(program):
    found, arrays = judged(program)
    assert found == arrays


@pytest.mark.parametrize("program", UNPROVEN)
def test_arrays_that_may_be_read_are_not_proven(program):
    found, _ = judged(program)
    assert id(S.A) not in found


def noted(program):
    """Return what a program records, with the arrays of the store as they are."""
    tracer = Tracer()
    x = tracer.stand_in(am.tensor([1.0, 2.0, 3.0]), "x")
    call_traced(tracer, lambda: program(x), True)
    arrays = {m.value for m in tracer.array_operands if any(m.array is a for a in vars(S).values())}
    return [
        (
            step.primitive.name,
            repr(step.params),
            [
                np.asarray(tracer.constants.get(v, v)).tolist()
                for v in step.operands
                if v not in arrays and (v in tracer.constants or not hasattr(v, "shape"))
            ],
        )
        for step in tracer.instructions
    ]


@pytest.mark.parametrize("program", PROVEN)
def test_proven_programs_record_the_same_with_other_elements(program):
    before = {name: x.copy() for name, x in vars(S).items() if type(x) is np.ndarray}
    first = noted(program)
    try:
        for name, x in before.items():
            array = getattr(S, name)
            array[...] = ~x if x.dtype.kind == "b" else 1.75 - x[::-1]
        assert noted(program) == first
    finally:
        for name, x in before.items():
            getattr(S, name)[...] = x


def test_a_tracer_at_work_goes_on_and_nothing_is_proven():
    def trace(frame, event, argument):
        return None

    tracer = Tracer()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        y, found = call_watching_uses([S.A], ["A"], tracer.uses, lambda: 3)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
    assert y == 3 and not found


def test_an_error_of_the_function_is_raised_and_tracing_ends():
    def fail():
        return S.A[0] / [][0]

    with pytest.raises(IndexError):
        call_watching_uses([S.A], ["A"], {}, fail)
    assert sys.gettrace() is None


def test_a_fake_recorder_is_enough():
    uses = Counter()

    class Fake:
        __array_ufunc__ = None

        def __rmul__(self, other):
            uses[id(other)] += 1
            return self

        __mul__ = __rmul__

    x = Fake()
    # What the user's own operator counts is not the library's record of an operand.
    assert call_watching_uses([S.A], ["A"], uses, lambda: x * S.A)[1] == set()
    assert call_watching_uses([S.A], ["A"], uses, lambda: S.k)[1] == {id(S.A)}


def test_each_array_has_its_own_verdict():
    found, _ = judged(lambda x: x * S.A + S.B[0] * S.M[0])
    assert id(S.A) in found and id(S.B) not in found and id(S.M) not in found


def test_the_verdict_is_of_the_call_and_its_way():
    def program(x):
        return x * S.A if S.k > 1 else x * S.A[0]

    assert id(S.A) in judged(program)[0]
    S.k = 0.5
    try:
        assert id(S.A) not in judged(program)[0]
    finally:
        S.k = 2.0


def test_an_array_that_another_object_hides_is_found_by_its_references():
    hidden = np.empty(2, object)
    hidden[0] = S.A
    assert id(S.A) not in judged(lambda x: x * hidden[0][0])[0]
    assert id(S.A) in judged(lambda x: x * hidden[0])[0]


def test_the_collector_is_as_it_was():
    assert gc.isenabled()
    judged(lambda x: x * S.A)
    assert gc.isenabled()


def test_an_array_without_axes_is_an_operand_too():
    store = Store()
    store.A = np.array(2.0)
    assert id(store.A) in judged(lambda x: x * store.A, store)[0]
    assert id(store.A) not in judged(lambda x: x * float(store.A), store)[0]


def test_the_body_of_a_class_is_not_followed_and_runs_as_always():
    hidden = np.empty(1, object)
    hidden[0] = S.A

    def program(x):
        class Inner:
            firsts = [t[0] for t in hidden]

        return x * S.A * Inner.firsts[0]

    assert id(S.A) not in judged(program)[0]


def test_many_instructions_are_not_followed_to_the_end(monkeypatch):
    monkeypatch.setattr("autograd_mini.compiler.uses.MOST", 50)

    def program(x):
        for _ in range(100):
            x = x * S.A
        return x

    assert not judged(program)[0]
    assert judged(lambda x: x * S.A)[0]


class Slotted:
    """Holds an array in a slot."""

    __slots__ = ("A", "inner")


def test_slots_are_attributes():
    outer = Slotted()
    outer.A, outer.inner = S.A, Slotted()
    outer.inner.A = S.B
    found, _ = judged(lambda x: x * outer.A * outer.inner.A)
    assert {id(S.A), id(S.B)} <= found
    found, _ = judged(lambda x: x * outer.A * outer.inner.A[0])
    assert id(S.A) in found and id(S.B) not in found


class Mixed:
    """Objects whose special methods read an array."""

    def __init__(self):
        self.A = S.A

    first = property(operator.attrgetter("A"))

    def __getitem__(self, key):
        return self.A[key]

    def __iter__(self):
        return iter(self.A)

    def __bool__(self):
        return bool(self.A[0] > 0)

    def __contains__(self, x):
        return x in self.A

    def __array__(self, dtype=None, copy=None):
        return self.A

    def __float__(self):
        return float(self.A[0])

    def __mul__(self, other):
        return other * self.A

    def __str__(self):
        return str(self.A)

    def __enter__(self):
        return self.A

    def __exit__(self, *error):
        return None


MIXED = Mixed()


def entered_block(x):
    with MIXED as t:
        return x * t[0]


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x * MIXED[0],
        lambda x: x * sum(MIXED),
        lambda x: x * S.A if MIXED else x,
        lambda x: x * S.A if 0.5 in MIXED else x,
        lambda x: x * np.asarray(MIXED),
        lambda x: x * S.A * np.sum(MIXED),
        lambda x: x * S.A * float(MIXED),
        lambda x: x * (MIXED * np.ones(3)),
        lambda x: x * S.A * len(str(MIXED)),
        lambda x: x * S.A * len("%s" % MIXED),  # noqa: UP031
        lambda x: x * MIXED.first[0],
        entered_block,
    ],
)
def test_special_methods_are_looked_at(program):
    assert id(S.A) not in judged(program)[0]


def test_arrays_with_a_name_are_told_from_those_within_something():
    class Object:
        pass

    held = Object()
    held.named, held.both, held.listed = np.ones(3), np.ones(3), [np.ones(3)]
    held.listed.append(held.both)
    held.space = SimpleNamespace(a=np.ones(3))
    bound = np.ones(3)
    total = bound.sum
    cell = np.ones(3)

    def function(x):
        y = x * held.named + held.both + held.listed[0] + held.space.a + cell + GLOBAL
        return y + 0.0 * total() + 0.0 * len(bound)

    compiled = am.compile(function)
    compiled(np.ones(3))
    (trial,) = compiled._first_traces.values()
    reach = trial.reach
    for array in (held.named, held.space.a, cell, GLOBAL):
        assert id(array) in reach.arrays and id(array) not in reach.within
    for array in (held.both, held.listed[0], bound):
        assert id(array) in reach.within
