"""The canonical form: one text per value."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.schema.canonical import canonical, digest
from tests.schema.strategies import FINITE, TEXTS, WHOLE

JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | FINITE | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


def test_keys_are_sorted_and_numbers_are_exact() -> None:
    value = {"b": [1, 2.5, 18446744073709551615], "a": {"ü": None, "z": True}, "B": "é"}

    assert canonical(value) == (
        '{"B":"é","a":{"z":true,"ü":null},"b":[1,2.5,18446744073709551615]}'.encode()
    )


@given(JSON)
def test_the_canonical_text_reads_back_and_is_its_own_canonical_text(value: Any) -> None:
    text = canonical(value)

    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(st.dictionaries(TEXTS, JSON, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    names = list(value)
    random.shuffle(names)

    assert canonical({name: value[name] for name in names}) == canonical(value)


def test_a_digest_names_its_algorithm_and_takes_values_and_canonical_bytes() -> None:
    expected = "sha256:" + hashlib.sha256(b'{"a":1}').hexdigest()

    assert digest({"a": 1}) == expected
    assert digest(b'{"a":1}') == expected


@pytest.mark.parametrize("value", [2**64, {1: 2}, {1, 2}, "\ud800", [object()]])
def test_what_is_no_json_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)
