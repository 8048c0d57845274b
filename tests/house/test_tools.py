"""Proof that the linter and the type checker bite, with this project's own configuration."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

BIN = Path(sys.executable).parent


def _lint(code: str, name: str = "src/callgate/sample.py") -> set[str]:
    """Rules that the project's linter finds broken in `code`, as if it stood in file `name`."""
    run = subprocess.run(
        [BIN / "ruff", "check", "--output-format=json", "--stdin-filename", name, "-"],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return {finding["code"] for finding in json.loads(run.stdout)}


_BRANCHES = "\n".join(f"    if x == {number}:\n        return {number}" for number in range(10))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("C901", f"def f(x):\n{_BRANCHES}\n    return x\n"),
        ("PLR0913", "def f(a, b, c, d, e, g, h, i, *, j):\n    return a\n"),
        ("PLC0415", "def f():\n    import json\n    return json\n"),
        ("BLE001", "try:\n    x = 1\nexcept Exception:\n    x = 2\n"),
        ("E722", "try:\n    x = 1\nexcept:\n    x = 2\n"),
        ("T201", "print(1)\n"),
        ("D103", "def f():\n    return 1\n"),
        (
            "D417",
            'def f(a, b):\n    """Add.\n\n    Args:\n        a: One.\n    """\n    return a\n',
        ),
        ("ASYNC251", "import time\n\n\nasync def f():\n    time.sleep(1)\n"),
        ("UP006", "from typing import List\n\nx: List[int] = [1]\n"),
        ("PERF401", "y = []\nfor x in range(3):\n    y.append(x + 1)\n"),
        ("TRY002", "raise Exception('x')\n"),
        ("PLW0603", "x = 1\n\n\ndef f():\n    global x\n    x = 2\n"),
        ("TID252", "from . import errors\n"),
        ("S307", "eval('1')\n"),
        ("S301", "import pickle\n\npickle.loads(b'')\n"),
        ("FIX002", "# TODO: later\n"),
        ("F401", "import os\n"),
    ],
    ids=lambda value: value if value.isalnum() and value.isupper() else "",
)
def test_the_linter_finds(rule: str, code: str):
    assert rule in _lint(code)


def test_the_linter_passes_clean_code():
    assert _lint('"""A module."""\n\nANSWER = 42\n') == set()


def test_the_formatter_finds_a_file_it_would_change():
    run = subprocess.run(
        [BIN / "ruff", "format", "--check", "--stdin-filename", "src/callgate/sample.py", "-"],
        input="x = {  'a':1 }\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 1


@pytest.fixture(scope="module")
def type_errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Type errors of one bad module in src and the same module in tests, by file name."""
    folder = tmp_path_factory.mktemp("types")
    untyped = 'import json\n\n\ndef f(x):\n    return json.loads(x)\n\n\ny: int = "a"\n'
    for place, name in (("src", "strict.py"), ("tests", "standard.py")):
        (folder / place).mkdir()
        (folder / place / name).write_text(untyped)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    settings["include"] = ["src", "tests"]
    settings["venvPath"] = str(ROOT)
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [BIN / "pyright", "--outputjson", "--project", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found: dict[str, set[str]] = {"strict.py": set(), "standard.py": set()}
    for finding in json.loads(run.stdout)["generalDiagnostics"]:
        found[Path(finding["file"]).name].add(finding["rule"])
    return found


def test_the_type_checker_is_strict_on_the_package(type_errors: dict[str, set[str]]):
    assert type_errors["strict.py"] >= {
        "reportAssignmentType",
        "reportMissingParameterType",
        "reportUnknownParameterType",
    }


def test_the_type_checker_is_standard_on_the_tests(type_errors: dict[str, set[str]]):
    assert type_errors["standard.py"] == {"reportAssignmentType"}
