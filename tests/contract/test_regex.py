"""Automata against the engine that checks patterns when a tool is called."""

import random

import jsonschema_rs
import pytest

from callgate.contract.inclusion.answers import Empty, Found
from callgate.contract.inclusion.facts import Pattern
from callgate.contract.inclusion.regex import UnsupportedPatternError, automata
from callgate.contract.inclusion.strings import Fuel, find_string

ATOMS = (
    "a",
    "b",
    "c",
    ".",
    "[ab]",
    "[^a]",
    r"\d",
    "[a-c]",
    "^",
    "$",
    r"\w",
    r"\x61",
    "[\\w-]",
    r"\S",
)
SHORT = [
    "",
    *"abcx1_\n",
    *(one + two for one in "abcx1\n" for two in "abcx1\n"),
    "abc",
    "aaa1",
    "xbx",
]


def random_pattern(chance: random.Random, depth: int) -> str:
    roll = chance.randrange(12)
    if depth <= 0 or roll < 4:
        return chance.choice(ATOMS)
    if roll < 6:
        return random_pattern(chance, depth - 1) + random_pattern(chance, depth - 1)
    if roll < 8:
        one, other = (random_pattern(chance, depth - 1) for _ in range(2))
        return f"({one}|{other})"
    count = chance.choice(["*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])
    return f"(?:{random_pattern(chance, depth - 1)}){count}"


@pytest.mark.parametrize("seed", range(8))
def test_automata_accept_what_the_engine_accepts(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        one, other = random_pattern(chance, 3), random_pattern(chance, 3)
        schema = {"allOf": [{"pattern": one}, {"not": {"pattern": other}}]}
        options = jsonschema_rs.RegexOptions()
        engine = jsonschema_rs.Draft202012Validator(schema, pattern_options=options)
        patterns = [Pattern(True, one), Pattern(False, other)]
        answer = find_string(0, 3, patterns, ["a"], Fuel(100_000))
        if isinstance(answer, Found):
            assert engine.is_valid(answer.value), schema
            assert answer.value != "a"
        else:
            assert isinstance(answer, Empty)
            missed = [text for text in SHORT if text != "a" and engine.is_valid(text)]
            assert [text for text in missed if len(text) <= 3] == [], schema


@pytest.mark.parametrize(
    "pattern",
    [
        "(a)\\1",
        "\\bword",
        "\\p{L}",
        "(?i)a",
        "(?<=a)b",
        "a(?=b)",
        "^(?=a)b|c",
        "^(?=a)*b",
        "*a",
        "a**",
        "(a",
        "a)",
        "[a",
        "[]",
        "[z-a]",
        "[\\d-z]",
        "a{5001}",
        "((a{100}){100})",
        "\\",
        "\\q",
        "\\u{110000}",
        "\\ud800",
        "^(?=(a",
        "(" * 50 + ")" * 50,
    ],
)
def test_what_is_not_understood_is_said_so(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        automata(pattern, True)


def test_look_ahead_cannot_be_denied() -> None:
    with pytest.raises(UnsupportedPatternError):
        automata("^(?=a)b", False)
    assert [machine.wanted for machine in automata("^(?!a)(?=b).*$", True)] == [False, True, True]


def test_too_many_different_sets_of_characters_are_too_much() -> None:
    pattern = "".join(f"[{chr(200 + i)}x]" for i in range(200))
    with pytest.raises(UnsupportedPatternError):
        automata(pattern, True)


def test_the_shortest_text_is_found_and_a_pleasant_one() -> None:
    fuel = Fuel(100_000)
    patterns = [Pattern(True, "^[^x]+$"), Pattern(False, "^[a-y]*$")]
    assert find_string(2, None, patterns, [], fuel) == Found("az")
    assert find_string(0, 1, [Pattern(True, "[\\u0000-\\u001f]")], [], fuel) == Found("\x00")
    assert find_string(0, 1, [], ["", *"abc"], fuel) == Found("d")
    assert find_string(0, 0, [], [""], fuel) == Empty()
    every = [chr(code) for code in range(0x4E00)]
    assert find_string(1, 1, [], every, fuel) == Found("一")
