import re

from hypothesis import example, given
from hypothesis import strategies as st

from callgate.codecs import wire_name, wire_names
from callgate.types import Tool

SAFE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def tool(name: str) -> Tool:
    return Tool(name=name, description="", parameters={"type": "object"})


def test_a_name_that_every_provider_accepts_is_kept():
    for name in ("a", "_x", "get-weather_2", "x" * 64, "under__score", "a__xyz"):
        assert wire_name(name) == name


@given(st.text(max_size=200))
@example("")
@example("files.read")
@example("9lives")
@example("x" * 65)
@example("trailing\n")
@example("\ud800")
def test_every_name_becomes_one_that_every_provider_accepts(name: str):
    assert SAFE.fullmatch(wire_name(name))


@given(st.lists(st.text(max_size=80), unique=True))
@example(["files.read", "files_read", "files/read", wire_name("files.read")])
def test_no_two_names_become_one(names: list[str]):
    assert len({wire_name(name) for name in names}) == len(names)


def test_a_name_made_to_look_like_a_changed_one_is_changed_itself():
    taken = wire_name("files.read")
    assert wire_name(taken) != taken


@given(st.lists(st.text(max_size=80), unique=True))
def test_the_way_back_leads_to_our_name(names: list[str]):
    back = wire_names(map(tool, names))
    assert [back.get(wire_name(name), wire_name(name)) for name in names] == names


def test_names_that_need_no_change_need_no_way_back():
    assert wire_names([tool("a"), tool("b")]) == {}
