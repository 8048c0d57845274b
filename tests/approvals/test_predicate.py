"""Conditions over arguments: parsed to data, three answers, no code."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.approvals.predicate import parse
from callgate.errors import DefinitionError
from callgate.types import Principal, Scope, ToolCall


def ask(text: str, arguments: dict[str, Any]) -> bool | None:
    principal = Principal(
        id="ana", tenant="acme", roles=frozenset({"clerk"}), attributes={"level": 3}
    )
    scope = Scope(
        session="s",
        principal=principal,
        prefix="acme/ana/s",
        emit=lambda event: None,
        labels=frozenset({"web"}),
    )
    call = ToolCall(id="c", key="k", name="pay", arguments=arguments, scope=scope)
    return parse(text).test(call)


ORDER = {
    "amount": 99,
    "currency": "EUR",
    "express": True,
    "note": None,
    "rate": 0.5,
    "to": {"iban": "DE1", "names": ["Ana", "Bo"]},
    "items": [{"sku": "a1", "price": 10, "tags": ["x"]}, {"sku": "b2", "price": 90, "tags": []}],
    "a b": 1,
    "any": 7,
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("always", True),
        ("amount < 100", True),
        ("amount < 99", False),
        ("amount <= 99", True),
        ("amount > 98.5", True),
        ("amount >= 1e2", False),
        ("amount == 99.0", True),
        ("amount != 99", False),
        ("rate < 1", True),
        ("-1 < amount", True),
        ('currency == "EUR"', True),
        ('currency in ["EUR", "USD"]', True),
        ('currency not in ["EUR"]', False),
        ('currency < "EUS"', True),
        ('currency starts_with "E"', True),
        ('currency ends_with "E"', False),
        ('currency contains "UR"', True),
        ("express", True),
        ("not express", False),
        ("express == true", True),
        ("express == 1", False),
        ("note == null", True),
        ('to.iban == "DE1"', True),
        ('$.to["iban"] == "DE1"', True),
        ('to.names[1] == "Bo"', True),
        ('to.names contains "Ana"', True),
        ("len(to.names) == 2", True),
        ("len(currency) == 3 and len(to) == 2 and len($) == 9", True),
        ("every items[*].price <= 90", True),
        ("every items[*].price < 90", False),
        ("any items[*].price < 20", True),
        ("any items[*].price > 90", False),
        ('any items[*].tags[*] == "x"', True),
        ('every items[*].sku starts_with "a"', False),
        ("$.any == 7", True),
        ('$["a b"] == 1', True),
        ("amount < 10 or amount > 90 and express", True),
        ("(amount < 10 or amount > 90) and not express", False),
        ('@id == "ana" and @tenant == "acme" and @roles contains "clerk"', True),
        ('@labels contains "web" and @attributes.level >= 3', True),
        ("[1, 2] == [1, 2]", True),
        ("[1] == [true]", False),
    ],
)
def test_a_condition_says_yes_or_no(text: str, answer: bool) -> None:
    assert ask(text, ORDER) is answer


@pytest.mark.parametrize(
    "text",
    [
        "missing < 1",
        "missing == 1",
        "missing != 1",
        "not missing == 1",
        "amount < 100 and missing < 1",
        "amount > 100 or missing < 1",
        "amount < currency",
        "express < 5",
        "amount",
        'amount contains "9"',
        'amount starts_with "9"',
        'currency in "EUR USD"',
        "currency contains 5",
        "to.iban.country == 1",
        "to.names[7] == 1",
        "items.price == 1",
        "len(amount) == 1",
        "every currency[*] == 1",
        "every items[*].weight < 5",
        "missing in [1, 2]",
        "amount in [missing]",
    ],
)
def test_what_is_missing_or_of_another_type_is_unknown(text: str) -> None:
    assert ask(text, ORDER) is None


def test_what_is_known_decides_before_what_is_not() -> None:
    assert ask("amount > 100 and missing < 1", ORDER) is False
    assert ask("amount < 100 or missing < 1", ORDER) is True
    assert ask("amount in [99, missing]", ORDER) is True
    assert ask("every items[*].price < 1", {"items": [{}, {"price": 5}]}) is False


def test_every_element_of_an_empty_list_meets_all_and_none_meets_any() -> None:
    assert ask("every items[*].price < 1", {"items": []}) is True
    assert ask("any items[*].price < 1", {"items": []}) is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it ends where an argument, a number, a string or a list was expected"),
        ("amount <", "it ends where an argument, a number, a string or a list was expected"),
        ("amount < 1 )", "`)` stands where the end, `and` or `or` was expected"),
        ("(amount < 1", "it ends where `)` was expected"),
        ("amount ? 1", "`? 1` stands where the end, `and` or `or` was expected"),
        ("amount not < 1", "`<` stands where a comparison such as `<`, `==` or `in` was expected"),
        ("every amount < 1", "`<` stands where a path with `[*]` was expected"),
        ("items[*] == 1", "say `every` or `any` before a path with `[*]`"),
        ("items[x] == 1", "`x` stands where a whole number or a string was expected"),
        ("items[-1] == 1", "`-1` stands where a whole number or a string was expected"),
        ("a. == 1", "`==` stands where a name was expected"),
        ("in == 1", "`in` stands where the name of an argument was expected"),
        ("len(5) == 1", "`5` stands where the name of an argument was expected"),
        ("amount < 1 amount", "`amount` stands where the end, `and` or `or` was expected"),
        ('__import__("os").system', "`(` stands where the end, `and` or `or` was expected"),
        (r'a == "\x"', r"""`"\x"` stands where a string as JSON writes it was expected"""),
        ("[1, 2", "it ends where `]` was expected"),
    ],
)
def test_what_is_no_condition_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    assert caught.value.message == f"the condition `{text}` cannot be read: {told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x" * 2001, "a condition has at most 2000 characters, not 2001"),
        ("(" * 40 + "a" + ")" * 40, "a condition nests at most 32 deep"),
        ("not " * 40 + "a", "a condition nests at most 32 deep"),
        (
            "@name == 1",
            (
                "the condition `@name == 1` asks for @name; say @id, @roles, @tenant, @labels, "
                "@attributes"
            ),
        ),
    ],
)
def test_what_is_too_long_too_deep_or_about_nobody_is_refused(text: str, told: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    assert caught.value.message == told


def test_a_condition_tells_the_arguments_it_looks_at() -> None:
    read = parse('a < 1 and $.b.c == 2 and len(d) > 1 and any e[*].f == 1 and @id == "x"')
    assert read.names == {"a", "b", "d", "e"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
_LEAF = st.sampled_from(
    ["a < 1", "a == b", "b.c >= 2", 'c in ["a"]', "any a[*] == 1", "every b[*].a < 3", "len(c) > 1"]
)
_CONDITION = st.recursive(
    _LEAF,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({' '.join(t)})")
        | inner.map(lambda one: f"not ({one})")
    ),
    max_leaves=6,
)


@given(text=_CONDITION, arguments=st.dictionaries(st.sampled_from("abc"), _JSON))
def test_any_condition_has_one_of_three_answers_for_any_arguments(
    text: str, arguments: dict[str, Any]
) -> None:
    answer = ask(text, arguments)
    assert answer in (True, False, None)
    assert ask(f"not ({text})", arguments) is (None if answer is None else not answer)


@given(text=st.text(max_size=40))
def test_any_text_is_a_condition_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(DefinitionError):
        assert parse(text).text == text
