"""Effects survive kill -9, in a short form; `make chaos-calls` is the long one."""

from __future__ import annotations

from pathlib import Path

from callgate.store.database import Database
from tests.chaos.calls import chaos


def test_no_effect_is_repeated_or_lost_when_processes_are_killed(
    database: Database, tmp_path: Path
) -> None:
    url = database.url.set(drivername=database.url.get_backend_name())
    folder = tmp_path / "run"
    folder.mkdir()
    report = chaos(url.render_as_string(hide_password=False), folder, seed=7, calls=32, kills=4)
    assert report["calls"] == 32
    assert report["kills"] >= 1
    assert report["revocations"] >= 3
    assert (report["repeated"], report["lost"], report["unsurfaced"]) == (0, 0, 0)
    assert sum(report["kills_hit"].values()) >= 1


def test_without_a_journal_the_same_kills_repeat_effects(tmp_path: Path) -> None:
    report = chaos(None, tmp_path, seed=7, calls=32, kills=4)
    assert report["repeated"] >= 0.03 * report["calls"]
