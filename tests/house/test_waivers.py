"""Lines that are out of a gate stand in one list, and that list only shrinks."""

import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.house import gates

LIST = "tests/house/waivers.toml"
WAIVERS = tomllib.loads((ROOT / LIST).read_text())
FOLDERS = [folder for name in ("src", "tests", "examples") if (folder := ROOT / name).is_dir()]


def _listed(waivers: dict[str, Any]) -> Counter[tuple[str, str]]:
    listed = Counter({(w["file"], w["rule"]): w["count"] for w in waivers.get("waiver", ())})
    listed.update({(b["file"], "BLE001"): b["count"] for b in waivers.get("boundary", ())})
    return listed


def _found() -> Counter[tuple[str, str]]:
    files = [
        path
        for folder in FOLDERS
        for path in gates.python_files(folder)
        # The gates and their tests spell out what they look for.
        if path.parent != ROOT / "tests/house"
    ]
    return gates.exemptions(files, ROOT)


def test_the_list_is_exactly_what_the_code_takes_out_of_its_gates():
    assert _found() == _listed(WAIVERS)


def test_every_entry_has_a_reason():
    entries = [*WAIVERS.get("waiver", ()), *WAIVERS.get("boundary", ())]
    assert [entry for entry in entries if len(entry["reason"]) < 15] == []


def test_the_number_is_the_sum_of_the_entries():
    assert WAIVERS["waivers"] == sum(w["count"] for w in WAIVERS.get("waiver", ()))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x = 1  # noqa", "noqa"),
        ("x = 1  # noqa: C901", "C901"),
        ("# ruff: noqa: T201", "T201"),
        ("x = 1  # type: ignore[assignment]", "assignment"),
        ("x = 1  # pyright: ignore[reportAny]", "reportAny"),
        ("# pyright: basic", "pyright:basic"),
        ("x = 1  # pragma: no cover", "no cover"),
        ("# fmt: off", "fmt:off"),
    ],
)
def test_an_exemption_is_seen(tmp_path: Path, line: str, rule: str):
    path = tmp_path / "a.py"
    path.write_text(f"{line}\n")
    assert gates.exemptions([path], tmp_path) == Counter({("a.py", rule): 1})


# ------------------------------------------------------------------ only shrinks


def _git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def _lowest_sealed(folder: Path) -> int | None:
    """The lowest number among the sealed lists of the history, None without one."""
    commits = _git(folder, "log", "--format=%H", "--", LIST).split()
    past = [tomllib.loads(_git(folder, "show", f"{commit}:{LIST}")) for commit in commits]
    return min((old["waivers"] for old in past if old["sealed"]), default=None)


def _grown(folder: Path) -> str | None:
    now = tomllib.loads((folder / LIST).read_text())
    lowest = _lowest_sealed(folder)
    if lowest is None:
        return None
    if not now["sealed"]:
        return "a sealed list stays sealed"
    if now["waivers"] > lowest:
        return f"{now['waivers']} waivers, there were {lowest}"
    return None


def test_the_list_has_not_grown_since_it_was_sealed():
    if not (ROOT / ".git").exists():
        pytest.skip("needs git: this copy of the source has no history")
    assert _grown(ROOT) is None


@pytest.fixture
def history(tmp_path: Path):
    """A repository whose list had these states, the last one not committed."""

    def _write(*states: tuple[bool, int]) -> Path:
        path = tmp_path / LIST
        path.parent.mkdir(parents=True)
        _git(tmp_path, "init", "--quiet")
        for number, (sealed, waivers) in enumerate(states):
            path.write_text(f"# {number}\nsealed = {str(sealed).lower()}\nwaivers = {waivers}\n")
            if number < len(states) - 1:
                _git(tmp_path, "add", LIST)
                _git(tmp_path, "commit", "--quiet", "--message", "x")
        return tmp_path

    return _write


def test_a_list_that_grew_is_red(history):
    assert _grown(history((True, 3), (True, 1), (True, 2))) == "2 waivers, there were 1"


def test_a_list_that_was_unsealed_is_red(history):
    assert _grown(history((True, 3), (False, 3))) == "a sealed list stays sealed"


def test_a_list_that_shrank_is_green(history):
    assert _grown(history((False, 9), (True, 3), (True, 2))) is None


def test_before_it_is_sealed_a_list_may_grow(history):
    assert _grown(history((False, 1), (False, 2))) is None
