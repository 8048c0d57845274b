"""The site builds without a warning from what the locks install."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The documentation, where a build may write."""
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def _build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_site_builds_and_holds_every_page(copy: Path):
    build = _build(copy)
    assert build.returncode == 0, build.stdout + build.stderr
    pages = {page.stem for page in (copy / "docs").glob("*.md")} - {"index"}
    assert {page.name for page in (copy / "site").iterdir() if page.is_dir()} >= pages


def test_every_page_stands_in_the_navigation():
    navigation = (ROOT / "zensical.toml").read_text()
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in navigation]
    assert missing == []


def test_a_link_to_a_page_that_is_not_there_is_red(copy: Path):
    (copy / "docs/index.md").write_text("# Callgate\n\n[more](nowhere.md)\n")
    assert _build(copy).returncode != 0
