"""A copy of the house with one test file in it, to see what fails there."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

Run = Callable[..., tuple[int, str]]

# Plug-ins that these runs have no use for cost half a second each time.
PLAIN = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:pytest_cov"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one test file in a copy of the house and return exit code and output."""
    shutil.copytree(ROOT / "tests/guard", tmp_path / "tests/guard")
    (tmp_path / "tests/house").mkdir()
    for name in ("pyproject.toml", "tests/conftest.py", "tests/house/limits.toml"):
        shutil.copy(ROOT / name, tmp_path / name)

    def _run(code: str, *options: str, **environment: str) -> tuple[int, str]:
        suite = tmp_path / "tests/suite"
        suite.mkdir(exist_ok=True)
        (suite / "test_sample.py").write_text(code)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CALLGATE_", "COVERAGE_"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *(options or PLAIN), "tests/suite"],
            cwd=tmp_path,
            env=clean | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    return _run
