"""What may stand in the files of the project, and proof that each rule bites."""

import subprocess
import types
from pathlib import Path

import pytest

import callgate
from tests.conftest import ROOT
from tests.house import gates

SKIPPED = {".git", ".venv", ".venv-oldest", "site", "node_modules", "__pycache__"}


def _project_files() -> list[Path]:
    """Files in git, or all files of a copy without history."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        return [path for name in listed if name and (path := ROOT / name).is_file()]
    return [
        p for p in ROOT.rglob("*") if p.is_file() and not SKIPPED & set(p.relative_to(ROOT).parts)
    ]


def test_no_file_names_a_folder_of_one_machine_or_a_registry_host():
    assert gates.places(_project_files()) == []


@pytest.mark.parametrize(
    "line",
    [
        "see /wo" + "rk/main/x",
        "/ro" + "ot/.cache",
        "/ho" + "me/ana/x",
        "https://py" + "pi.org/simple",
        "files.python" + "hosted.org",
        "registry.npm" + "js.org",
    ],
)
def test_a_line_that_names_a_place_is_red(tmp_path: Path, line: str):
    path = tmp_path / "a.md"
    path.write_text(f"fine\n{line}\n")
    assert gates.places([path]) == [f"{path}:2 {line}"]


@pytest.mark.parametrize(
    "line", ["network/work/x", "`homework/`", "example.org/home/", "a/b/root/x"]
)
def test_a_line_that_only_looks_like_a_place_is_green(tmp_path: Path, line: str):
    path = tmp_path / "a.md"
    path.write_text(line)
    assert gates.places([path]) == []


def test_the_locks_pin_every_package_by_version_and_hash():
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert lines
        assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


def test_the_run_lock_is_part_of_the_development_lock():
    def pins(name: str) -> set[str]:
        # Without the markers: what only tests need may ask for a package on more platforms.
        text = (ROOT / "requirements" / name).read_text()
        return {line.split()[0] for line in text.splitlines() if "==" in line}

    assert pins("run.txt") - pins("dev.txt") == set()


# ------------------------------------------------------------------ the public names


def test_every_public_name_is_documented():
    assert gates.undocumented(callgate, ROOT / "src") == []


def test_a_public_name_without_a_docstring_is_red(tmp_path: Path):
    def told() -> None:
        """Say it."""

    def silent() -> None: ...

    (tmp_path / "a.py").write_text('Alias = int | str\n"""Either."""\nBare = int\n')
    names = {"told": told, "silent": silent, "Alias": int | str, "Bare": int | None}
    module = types.SimpleNamespace(__all__=list(names), **names)
    assert gates.undocumented(module, tmp_path) == [
        "silent: public, and has no docstring",
        "Bare: public, and has no docstring",
    ]
