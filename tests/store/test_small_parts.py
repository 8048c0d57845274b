"""The small parts of the store: JSON text, texts of statements, places of keys, stores."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import dialect

from callgate.store.journal import _place_of
from callgate.store.json_text import dump, load
from callgate.store.tables import owners
from callgate.store.texts import Texts


@pytest.mark.parametrize("value", [{"a": 2**70}, ["\ud800"], {"b": [1, None, "ä"]}])
def test_json_text_keeps_what_orjson_would_not(value: Any) -> None:
    assert load(dump(value)) == value


def test_texts_stay_few_whatever_rides_with_claims() -> None:
    texts = Texts(dialect(paramstyle="named"))
    for n in range(600):
        text, values = texts.of(select(owners.c.beat).where(owners.c.beat == n), {})
        assert (text.partition(":")[0][-2:], list(values.values())) == ("= ", [n])
    assert len(texts._known) <= 256


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("acme/ana/s/3/1", {"turn": 3, "ordinal": 1, "caller": None}),
        ("acme/ana/s/3/1/child/2", {"turn": 3, "ordinal": 1, "caller": None}),
        ("/anyone//order/77//x", {"turn": None, "ordinal": None, "caller": "order/77//x"}),
        ("odd", {"turn": None, "ordinal": None, "caller": None}),
    ],
)
def test_the_place_of_a_call_is_read_from_its_key(key: str, place: dict[str, Any]) -> None:
    assert _place_of(key) == place
