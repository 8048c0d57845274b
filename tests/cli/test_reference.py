import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.errors import SettingsError
from callgate.sources.reference import load
from callgate.testing import FakeSource
from callgate.tool import FunctionTool
from tests.cli.conftest import TOOLS


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of tools; what importing them leaves behind is taken away again."""
    modules, path = set(sys.modules), list(sys.path)
    (tmp_path / "some_tools.py").write_text(TOOLS, encoding="utf-8")
    (tmp_path / "beside.py").write_text("from some_tools import add\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("x = 1\ny = 1 / 0\n", encoding="utf-8")
    (tmp_path / "broken_module.py").write_text("import no_such_module\n", encoding="utf-8")
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def names(references: list[str], folder: Path) -> list[str]:
    return [item.tool.name for item in load(references, folder) if isinstance(item, FunctionTool)]


def test_a_file_or_a_module_gives_a_tool_or_a_list_of_them(folder: Path) -> None:
    references = ["some_tools.py:add", "some_tools:TOOLS", "beside.py:add"]
    assert names(references, folder) == ["add", "add", "fail", "wait", "add"]


def test_one_file_is_imported_once(folder: Path) -> None:
    first, second = load(["some_tools.py:add", "some_tools.py:add"], folder)
    assert first is second


def test_a_source_is_passed_on(folder: Path) -> None:
    (folder / "fake.py").write_text(
        "from callgate.testing import FakeSource\nsource = FakeSource([])\n", encoding="utf-8"
    )
    (source,) = load(["fake.py:source"], folder)
    assert isinstance(source, FakeSource)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (
            "add",
            'expected "module:attribute" or "file.py:attribute", such as "tools.py:add"',
        ),
        (
            "some_tools.py:",
            'expected "module:attribute" or "file.py:attribute", such as "tools.py:add"',
        ),
        ("gone.py:add", "there is no file FOLDER/gone.py"),
        ("some_tools.py:ad", "some_tools.py has no 'ad'; did you mean 'add'?"),
        ("some_tools:zzzzzz", "some_tools has no 'zzzzzz'"),
        (
            "some_tools.py:plain",
            "plain is neither a tool nor a source; put @tool before the function",
        ),
        ("some_tools.py:__name__", "str is neither a tool nor a source"),
        (
            "broken.py:x",
            "importing it failed with ZeroDivisionError: division by zero (broken.py, line 2)",
        ),
        (
            "broken_module:x",
            (
                "importing it failed with ModuleNotFoundError: No module named 'no_such_module' "
                "(broken_module.py, line 1)"
            ),
        ),
        (
            "no.such.module:x",
            "importing it failed with ModuleNotFoundError: No module named 'no'",
        ),
    ],
)
def test_a_reference_that_names_no_tool_is_told(folder: Path, reference: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load([reference], folder)
    message = caught.value.message.replace(str(folder), "FOLDER")
    assert message == f"tools: {reference}: {told}"
