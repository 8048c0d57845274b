"""Tools of ours, of LangChain and of pydantic-ai, found in modules."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.errors import DefinitionError, SettingsError
from callgate.release.read import read
from callgate.types import Effect

MODULE = '''
from typing import Literal

from langchain_core.tools import tool as lc_tool
from pydantic_ai import Agent, FunctionToolset, Tool
from pydantic_ai.models.test import TestModel

from callgate import tool
from callgate.testing import FakeSource
from callgate.types import Tool as Contract


@tool(effect="read", tags=frozenset({"ignore:name-vague"}))
def ours(a: int) -> int:
    """Count.

    Args:
        a: How many.
    """
    return a


@lc_tool
def chained(city: str, unit: Literal["c", "f"] = "c") -> str:
    """Tell the weather."""
    return city


chained.tags = ["ignore:unit-missing"]


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


typed = Tool(add)
toolset = FunctionToolset([add])
agent = Agent(TestModel(), tools=[add])
source = FakeSource([Contract(name="faked", description="Fake.", parameters={"type": "object"})])
both = [ours, chained]
number = 7
_hidden = ours
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a module of tools; what importing it leaves behind is taken away again."""
    modules, path = set(sys.modules), list(sys.path)
    (tmp_path / "all_tools.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "no_tools.py").write_text("x = 1\n", encoding="utf-8")
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.endswith(("all_tools", "no_tools")) or "_tools_py" in name:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "form", "tools"),
    [
        ("ours", "callgate", ["ours"]),
        ("chained", "langchain", ["chained"]),
        ("typed", "pydantic-ai", ["add"]),
        ("toolset", "pydantic-ai", ["add"]),
        ("agent", "pydantic-ai", ["add"]),
        ("source", "callgate", ["faked"]),
    ],
)
def test_an_attribute_gives_its_tools(folder: Path, name: str, form: str, tools: list[str]):
    listing = read(f"all_tools.py:{name}", folder)
    assert (listing.forms, [tool.name for tool in listing.tools]) == ((form,), tools)
    assert {entry.place for entry in listing.entries} == {f"all_tools.py:{name}"}


def test_contracts_are_those_of_the_frameworks(folder: Path):
    ours, chained = read("all_tools:both", folder).entries
    assert (ours.tool.effect, ours.effect_told, ours.ignored) == (Effect.READ, True, {"name-vague"})
    assert chained.tool.parameters["properties"]["unit"]["enum"] == ["c", "f"]
    assert (chained.tool.description, chained.ignored) == ("Tell the weather.", {"unit-missing"})
    (typed,) = read("all_tools.py:typed", folder).entries
    assert typed.tool.parameters["required"] == ["a", "b"]


def test_a_module_alone_gives_all_its_public_tools_once(folder: Path):
    listing = read("all_tools.py", folder)
    assert [tool.name for tool in listing.tools] == [
        "ours",
        "chained",
        "add",
        "add",
        "add",
        "faked",
    ]


def test_what_holds_no_tool_is_told(folder: Path):
    with pytest.raises(DefinitionError, match=r"no_tools\.py has no tool among its public names"):
        read("no_tools.py", folder)
    with pytest.raises(SettingsError, match="int is neither a tool nor a source"):
        read("all_tools.py:number", folder)
    with pytest.raises(SettingsError, match="put @tool before the function"):
        read("all_tools.py:add", folder)
    with pytest.raises(SettingsError, match="importing it failed"):
        read("no_such_module:tool", folder)
