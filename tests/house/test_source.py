"""Size, names and state of the source, and proof that each rule bites."""

from pathlib import Path

import pytest

from tests.conftest import LIMITS, ROOT
from tests.house import gates

SOURCE = ROOT / "src"
FOLDERS = [folder for name in ("src", "tests", "examples") if (folder := ROOT / name).is_dir()]


@pytest.fixture
def write(tmp_path: Path):
    """Write one sample module and return its folder."""

    def _write(text: str, name: str = "sample.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path

    return _write


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_module_is_longer_than_the_limit(folder: Path):
    assert gates.long_modules(folder, LIMITS["module_lines"]) == []


def test_a_module_one_line_too_long_is_red(write):
    folder = write("x = 1\n" * 601)
    assert gates.long_modules(folder, 600) == [f"{folder}/sample.py: 601 lines, at most 600"]
    assert gates.long_modules(folder, 601) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_function_is_longer_than_the_limit(folder: Path):
    assert gates.long_functions(folder, LIMITS["function_lines"]) == []


def test_a_function_one_line_too_long_is_red_and_its_docstring_is_free(write):
    body = "    x = 1\n" * 61
    folder = write(f'async def f():\n    """One.\n\n    Two.\n    """\n{body}')
    assert gates.long_functions(folder, 60) == [f"{folder}/sample.py:1 f: 61 lines, at most 60"]
    assert gates.long_functions(folder, 61) == []


def test_a_function_that_is_only_a_docstring_has_no_body_lines(write):
    folder = write('def f():\n    """One."""\n')
    assert gates.long_functions(folder, 0) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_module_name_says_what_is_inside(folder: Path):
    assert gates.nameless_modules(folder) == []


@pytest.mark.parametrize("name", ["utils.py", "_core.py", "common/x.py", "a/helpers.py", "base.py"])
def test_a_nameless_module_is_red(write, name: str):
    assert len(gates.nameless_modules(write("", name))) == 1


def test_no_module_of_the_package_holds_mutable_state():
    assert gates.module_state(SOURCE) == []


@pytest.mark.parametrize(
    "line", ["x = []", "x: dict[str, int] = {}", "x = set()", "x = collections.defaultdict(list)"]
)
def test_a_container_that_starts_empty_is_red(write, line: str):
    folder = write(f"import collections\n{line}\nREAD_ONLY = {{'a': 1}}\n")
    assert gates.module_state(folder) == [
        f"{folder}/sample.py:2 module-level state: pass it in instead"
    ]
