"""Matchers say which values are right, as data."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import DefinitionError
from callgate.evals.matchers import ABSENT, check_matcher, matches

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text("ab ", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("wanted", "value", "right"),
    [
        (1, 1.0, True),
        (1, True, False),
        (True, True, True),
        ("a", "A", False),
        (None, None, True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"$has": {"a": 1}}, {"a": 1, "b": 2}, True),
        ({"$has": {"a": 1}}, "a", False),
        ({"$in": ["x", {"$near": [2, 0.5]}]}, 2.5, True),
        ({"$in": ["x"]}, "y", False),
        ({"$near": [2, 0.1]}, True, False),
        ({"$near": [2, 0.1]}, 2.2, False),
        ({"$text": "New-York"}, "new york", True),
        ({"$text": "New-York"}, 7, False),
        ({"$match": "^a+$"}, "aaa", True),
        ({"$match": "^a+$"}, 3, False),
        ({"$match": "^a+$"}, ABSENT, False),
        ({"$contains": "TEN"}, "tender", True),
        ({"$contains": 3}, [1, 3.0], True),
        ({"$contains": 3}, "3", False),
        ({"$not": "a"}, "b", True),
        ({"$any": True}, None, True),
        ({"$any": True}, ABSENT, False),
        ({"$absent": True}, ABSENT, True),
        ({"$absent": True}, None, False),
        ({"a": {"$absent": True}}, {}, True),
        ("a", ABSENT, False),
        ({"$contains": "1,234"}, "It is 1234.", True),
        ({"$contains": [1]}, "1", False),
        ({"$all": [{"$contains": "a"}, {"$contains": "b"}]}, "ab", True),
        ({"$all": [{"$contains": "a"}, {"$contains": "b"}]}, "a", False),
        ({"$equal": {"$in": [1]}}, {"$in": [1.0]}, True),
        ({"$equal": {"$in": [1]}}, 1, False),
        ({"$equal": None}, ABSENT, False),
        ({"$in": [{"$absent": True}, 2]}, ABSENT, True),
        ({"price": 1, "$in": 2}, {"price": 1, "$in": 2}, True),
    ],
)
def test_a_value_matches(wanted: Any, value: Any, right: bool):
    assert matches(wanted, value) is right


@given(JSON)
def test_every_value_matches_itself_and_nothing_when_negated(value: Any):
    assert matches(value, value)
    assert not matches({"$not": value}, value)


@given(JSON)
def test_a_value_is_equal_to_itself_whatever_its_keys(value: Any):
    assert matches({"$equal": {"$like": value}}, {"$like": value})


@pytest.mark.parametrize(
    "wanted",
    [
        {"$like": 1},
        [{"a": {"$near": [1]}}],
        {"$near": ["1", 2]},
        {"$match": "("},
        {"$all": 1},
        {"$in": None},
        {"$in": "ab"},
        {"$has": [1]},
    ],
)
def test_what_is_no_matcher_is_refused_when_the_suite_is_read(wanted: Any):
    with pytest.raises(DefinitionError):
        check_matcher(wanted)
