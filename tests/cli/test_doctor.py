from pathlib import Path

import pytest

from callgate.agents.weights import CATALOGUE
from callgate.cli import doctor
from tests.cli.conftest import Command

SMALL = CATALOGUE["smollm2-135m"]


def lines(report: str) -> dict[str, str]:
    """The report by name: `ok` or `problem`, with what stands behind the arrow."""
    found: dict[str, str] = {}
    name = ""
    for line in report.splitlines():
        if line.startswith(("ok ", "problem ")):
            mark, rest = line.split(maxsplit=1)
            name = rest.split("  ")[0]
            found[name] = mark
        else:
            found[name] += f" {line.strip()}"
    return found


@pytest.fixture
def hosted(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a hosted model whose key is set."""
    monkeypatch.setenv("CALLGATE_MODEL", "openai:gpt-x")
    monkeypatch.setenv("OPENAI_API_KEY", "not a key")
    return project


@pytest.mark.usefixtures("hosted")
def test_all_is_well_when_everything_is_there(callgate: Command) -> None:
    done = callgate("doctor")
    assert (done.code, done.err) == (0, "")
    assert lines(done.out) == {
        "python": "ok",
        "settings": "ok",
        "tools": "ok",
        "extra cli": "ok",
        "extra models": "ok",
        "extra local": "ok",
        "model": "ok",
    }


@pytest.mark.usefixtures("hosted")
def test_the_report_as_json_holds_name_verdict_detail_and_fix(callgate: Command) -> None:
    told = callgate("doctor", "--json").json
    assert told[2] == {"name": "tools", "ok": True, "detail": "add, fail, wait", "fix": ""}


def test_a_key_that_is_not_set_is_told_by_the_name_of_its_variable(
    callgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLGATE_MODEL", "openai:gpt-x")
    done = callgate("doctor", "--json")
    assert (done.code, done.json[-1]["ok"]) == (1, False)
    assert "OPENAI_API_KEY" in done.json[-1]["detail"]


def test_weights_that_are_absent_come_with_the_command_that_fetches_them(
    callgate: Command,
) -> None:
    done = callgate("doctor")
    assert done.code == 1
    assert lines(done.out)["model"] == "problem → callgate model pull qwen2.5-coder-1.5b"


def test_wrong_settings_end_the_report(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").write_text("x = 1", encoding="utf-8")
    done = callgate("doctor")
    assert done.code == 1
    assert lines(done.out) == {"python": "ok", "settings": "problem → correct the file"}


@pytest.mark.usefixtures("hosted")
def test_a_tool_that_cannot_be_imported_is_a_problem(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").write_text('tools = ["tools.py:gone"]', encoding="utf-8")
    done = callgate("doctor")
    assert done.code == 1
    assert lines(done.out)["tools"] == "problem → correct what it names"


@pytest.mark.usefixtures("hosted")
def test_without_a_settings_file_there_are_no_tools(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").unlink()
    done = callgate("doctor")
    assert done.code == 1
    found = lines(done.out)
    assert found["settings"] == "problem → callgate init writes one"
    assert found["tools"] == 'problem → add tools = ["tools.py:TOOLS"] to callgate.toml'


@pytest.mark.usefixtures("hosted")
def test_a_missing_extra_comes_with_the_line_that_installs_it(
    callgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"cli": ("no_such_module",), "local": ("no_such",)})
    found = lines(callgate("doctor").out)
    assert found["extra cli"] == 'problem → pip install "callgate[cli]"'
    assert found["extra local"] == "ok"


def test_an_old_python_is_a_problem(callgate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (99, 0))
    assert lines(callgate("doctor").out)["python"] == "problem → use Python 3.11 or newer"


def test_the_models_are_listed_with_what_is_here(callgate: Command, project: Path) -> None:
    folder = project / "home" / "models"
    folder.mkdir(parents=True)
    (folder / f"{SMALL.file}.partial").write_bytes(b"12345")
    done = callgate("model", "list")
    assert done.code == 0
    here = {line.split()[0]: line.split()[4:] for line in done.out.splitlines()[1:]}
    assert here["local:qwen2.5-coder-1.5b"][0] == "no"
    assert here["local:smollm2-135m"][:2] == ["5", "bytes"]
    (small,) = [
        item for item in callgate("model", "list", "--json").json if item["name"] == SMALL.name
    ]
    assert small == {
        "name": SMALL.name,
        "size": SMALL.size,
        "sha256": SMALL.sha256,
        "licence": SMALL.licence,
        "present": False,
        "partial": 5,
        "file": str(folder / SMALL.file),
    }


def test_pulling_an_unknown_model_exits_with_3_and_names_the_known_ones(callgate: Command) -> None:
    done = callgate("model", "pull", "nothing")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("model_file: no local model is called 'nothing'; there are: qwen")


def test_pulling_over_a_wrong_file_exits_with_3_and_says_what_to_do(
    callgate: Command, project: Path
) -> None:
    folder = project / "home" / "models"
    folder.mkdir(parents=True)
    (folder / SMALL.file).write_bytes(b"something else")
    done = callgate("model", "pull", SMALL.name)
    assert (done.code, done.out) == (3, "")
    assert "is not the published file" in done.err
    assert "delete it and run: callgate model pull smollm2-135m" in done.err
