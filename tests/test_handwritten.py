"""The gradients of benchmarks/handwritten are what they claim to be: right, or wrong."""

import re

import pytest

from benchmarks.handwritten.collection import list_cases, names_cause
from benchmarks.handwritten.numeric import measure_derivatives, measure_error

CASES = list_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_right_gradients_agree_with_numeric_ones_and_wrong_ones_differ(case):
    inputs = case.draw_inputs()
    bounds = measure_derivatives(case, inputs)
    assert measure_error(case, case.right, inputs, bounds) < 1e-6
    assert len(case.wrong) == 3
    for mistake, (gradient, _words) in case.wrong.items():
        assert measure_error(case, gradient, inputs, bounds) > 1e-3, mistake


def test_names_of_cases_differ():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_every_mistake_has_words_that_are_lower_case_patterns():
    for case in CASES:
        for mistake, (_gradient, words) in case.wrong.items():
            assert isinstance(words, tuple) and words, mistake
            for word in words:
                re.compile(word)
                letters = re.sub(r"\\.", "", word)
                assert letters == letters.lower() and letters.isprintable(), (case.name, word)


def test_a_cause_is_not_read_from_the_headline_or_the_table():
    report = (
        "gradcheck of softmax(x): FAILED\n  x lacks the sum\n  verdict entry\n  wrong x[0] 1.5 2"
    )
    assert names_cause(report, ("sum",))
    assert not names_cause(report, ("softmax", r"1\.5", "entry"))
