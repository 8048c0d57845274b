"""Every Python example in README and docs/ runs; commands shown are commands that exist.

The blocks of one page share a namespace and run from top to bottom in an empty folder. Blocks of
other languages are read by people: of those, `make` lines must name a target, `callgate` lines a
command (tests/cli tests what they print).
"""

import re
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def _run(page: Path) -> int:
    """Run the Python blocks of a page; a failure names the page and the line."""
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(page)
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    return len(examples)


@by_name
def test_the_python_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert _run(page) == page.read_text().count("```python\n")


def test_an_example_that_fails_is_red(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError):
        _run(page)


def _unknown_targets(text: str) -> set[str]:
    return set(re.findall(r"(?:^|`|\$ )make ([a-z-]+)", text, re.MULTILINE)) - TARGETS


@by_name
def test_every_make_target_a_page_names_exists(page: Path):
    assert _unknown_targets(page.read_text()) == set()


def test_an_unknown_make_target_is_red():
    text = "Run `make demo`, then:\n\n```console\n$ make tea\n```\n"
    assert _unknown_targets(text) == {"tea"}


def _broken_links(page: Path) -> list[str]:
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", page.read_text())
    return [link for link in links if not (page.parent / link).exists()]


@by_name
def test_every_relative_link_of_a_page_leads_somewhere(page: Path):
    assert _broken_links(page) == []


def test_a_link_to_nowhere_is_red(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("[a](nowhere.md) [b](page.md#x) [c](https://example.org)\n")
    assert _broken_links(page) == ["nowhere.md"]
