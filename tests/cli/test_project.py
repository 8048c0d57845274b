import os
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command


def test_a_new_project_works_at_once(callgate: Command, project: Path) -> None:
    written = callgate("init", "fresh")
    names = ["callgate.toml", "tools.py", "README.md"]
    assert (written.code, written.out.splitlines()) == (0, [f"fresh/{name}" for name in names])
    assert written.err == "next: callgate tools list; callgate doctor\n"
    settings = ("--file", "fresh/callgate.toml")
    listed = callgate("tools", "list", "--json", *settings).json
    assert [tool["name"] for tool in listed] == ["count_words", "add_note"]
    counted = callgate("call", "count_words", '{"text": "three short words"}', *settings)
    assert (counted.code, counted.out) == (0, "3\n")
    noted = callgate("call", "add_note", '{"note": "milk"}', *settings)
    assert (noted.code, noted.out) == (0, '"noted: milk"\n')
    assert (project / "fresh" / "notes.txt").read_text(encoding="utf-8") == "milk\n"


def test_the_files_written_can_be_told_as_json(callgate: Command) -> None:
    assert callgate("init", "fresh", "--json").json[0] == "fresh/callgate.toml"


def test_nothing_is_overwritten(callgate: Command, project: Path) -> None:
    before = (project / "callgate.toml").read_text(encoding="utf-8")
    done = callgate("init")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "settings: . has callgate.toml and tools.py already; choose another folder: "
        "callgate init FOLDER\n"
    )
    assert (project / "callgate.toml").read_text(encoding="utf-8") == before
    assert not (project / "README.md").exists()


def run(*command: str, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, os.environ["PYTHONPATH"]])}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_module_is_the_command(project: Path) -> None:
    done = run("-m", "callgate", "call", "add", '{"a": 1, "b": 2}', folder=project)
    assert (done.returncode, done.stdout) == (0, "3\n")


def test_a_wrong_command_line_exits_with_2(project: Path) -> None:
    done = run("-m", "callgate", "call", folder=project)
    assert (done.returncode, done.stdout) == (2, "")


def test_without_the_extra_one_line_says_what_to_install(project: Path) -> None:
    hidden = project / "hidden"
    hidden.mkdir()
    (hidden / "typer.py").write_text(
        "raise ModuleNotFoundError('No module named typer', name='typer')\n", encoding="utf-8"
    )
    done = run("-m", "callgate", "--help", folder=project, path=str(hidden))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == 'callgate: typer is not installed; pip install "callgate[cli]"\n'


def test_a_defect_is_not_taken_for_a_missing_extra(project: Path) -> None:
    hidden = project / "hidden"
    hidden.mkdir()
    (hidden / "orjson.py").write_text(
        "raise ModuleNotFoundError('No module named orjson', name='orjson')\n", encoding="utf-8"
    )
    done = run("-m", "callgate", "--help", folder=project, path=str(hidden))
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr


def test_the_version_is_told(callgate: Command) -> None:
    done = callgate("--version")
    assert done.code == 0
    assert done.out.startswith("callgate 0.")
