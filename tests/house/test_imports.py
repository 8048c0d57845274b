"""Who may import what, what `import callgate` costs, and proof that each rule bites."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import LIMITS, ROOT
from tests.house import gates

PACKAGE = ROOT / "src/callgate"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAY_BE_LATE = set(
    PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]
)


def _sample(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


# ------------------------------------------------------------------ cycles


def test_no_modules_import_each_other():
    assert gates.import_cycles("callgate") == []


def test_a_cycle_through_a_late_import_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _sample(
        tmp_path,
        {
            "knot/__init__.py": "",
            "knot/a.py": "from knot import b\n",
            "knot/b.py": "def f():\n    from knot import a\n",
        },
    )
    monkeypatch.syspath_prepend(tmp_path)
    (cycle,) = gates.import_cycles("knot")
    assert set(cycle.split(" -> ")) == {"knot.a", "knot.b"}


# ------------------------------------------------------------------ late imports


def test_only_listed_modules_are_imported_inside_functions():
    found = gates.late_imports(PACKAGE)
    assert {name: found[name] for name in gates.unlisted(found, MAY_BE_LATE)} == {}


def test_every_listed_late_import_is_made():
    found = gates.late_imports(PACKAGE)
    assert [
        module for module in MAY_BE_LATE if found.keys() == gates.unlisted(found, [module])
    ] == []


def test_a_late_import_is_found_where_it_stands(tmp_path: Path):
    text = "import os\nif os:\n    import json\ndef f():\n    import x\n    from y import z\n"
    folder = _sample(tmp_path, {"a.py": text})
    found = gates.late_imports(folder)
    assert found == {"x": [f"{folder}/a.py:5"], "y.z": [f"{folder}/a.py:6"]}
    assert gates.unlisted(found, ["x", "y"]) == set()
    assert gates.unlisted(found, ["y.zz"]) == {"x", "y.z"}


# ------------------------------------------------------------------ third parties


def _foreign(folder: Path) -> list[str]:
    return gates.foreign_imports(
        folder, LIMITS["third_party"], own=["callgate"], stdlib=sys.stdlib_module_names
    )


def test_a_layer_imports_only_the_packages_it_may():
    assert _foreign(PACKAGE) == []


def test_a_stage_that_imports_an_http_client_is_red(tmp_path: Path):
    text = "import asyncio\nimport orjson\nfrom callgate import errors\nimport httpx2\n"
    folder = _sample(tmp_path, {"stages/call.py": text, "agents/http.py": "import httpx2\n"})
    assert _foreign(folder) == [f"{folder}/stages/call.py:4 stages may not import httpx2"]


# ------------------------------------------------------------------ layers


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()"]
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    return subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"callgate/errors.py": "import callgate.gate\n"}, "callgate.errors -> callgate.gate"),
        (
            {"callgate/tool.py": "import callgate.pipeline\n", "callgate/pipeline.py": ""},
            "callgate.tool -> callgate.pipeline",
        ),
        ({"callgate/surprise.py": ""}, "callgate.surprise"),
    ],
    ids=["upwards", "sideways", "unlisted"],
)
def test_an_import_against_the_layers_is_red(tmp_path: Path, files: dict[str, str], complaint: str):
    whole = {"callgate/__init__.py": "", "callgate/errors.py": "", "callgate/gate.py": ""}
    run = _lint_imports(_sample(tmp_path, whole | files))
    assert run.returncode == 1
    assert complaint in run.stdout


def test_imports_along_the_layers_are_green(tmp_path: Path):
    files = {"__init__.py": "", "errors.py": "", "gate.py": "import callgate.errors\n"}
    run = _lint_imports(
        _sample(tmp_path, {f"callgate/{name}": text for name, text in files.items()})
    )
    assert run.returncode == 0, run.stdout


# ------------------------------------------------------------------ the cost of `import callgate`


def _loaded_by(statement: str) -> set[str]:
    """Modules that a statement adds to a fresh interpreter."""
    probe = f"import sys; a = set(sys.modules); {statement}; print(*(set(sys.modules) - a))"
    # Coverage of child processes would load modules before we count.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    run = subprocess.run(
        [sys.executable, "-I", "-c", probe],
        env=plain,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(run.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return _loaded_by("import callgate")


def _edges(modules: set[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in modules}
    third = tops - sys.stdlib_module_names - {"callgate"} - set(LIMITS["import"]["third_party"])
    return third | (modules & set(LIMITS["import"]["never"]))


def test_import_callgate_loads_no_http_sql_server_or_model_client(loaded: set[str]):
    assert _edges(loaded) == set()


@pytest.mark.parametrize("edge", ["httpx2", "sqlite3", "typer", "http.server", "numpy"])
def test_an_edge_that_is_loaded_is_seen(edge: str):
    assert edge in _edges(_loaded_by(f"import {edge}"))


def test_import_callgate_stays_within_its_modules(loaded: set[str]):
    limit = LIMITS["import"]["modules"]
    count = len(loaded)
    assert count <= limit, f"import callgate loads {count} modules, at most {limit}"


def test_the_module_limit_is_no_looser_than_its_margin(loaded: set[str]):
    slack = LIMITS["import"]["modules"] - len(loaded)
    assert slack <= LIMITS["import"]["margin"], f"lower import.modules by {slack}"
