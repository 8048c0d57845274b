"""The table `[modes]`, and how stale what the store tells may be."""

from pathlib import Path
from typing import Any

import pytest

from callgate import app
from callgate.errors import SettingsError
from callgate.settings import Settings, StoreSettings, load


def _load(folder: Path, text: str) -> Settings:
    file = folder / "callgate.toml"
    file.write_text(text, encoding="utf-8")
    return load({}, file=file)


def test_every_stage_that_decides_may_observe(tmp_path: Path) -> None:
    assert _load(tmp_path, "").modes == frozenset()
    text = """
    [modes]
    admit = "observe"
    approve = "observe"
    breaker = "enforce"
    guard = "observe"
    """
    assert _load(tmp_path, text).modes == {"admit", "approve", "guard"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("guard = 'watch'", "modes.guard: got 'watch'; allowed is observe or enforce"),
        ("guard = true", "modes.guard: got True; allowed is observe or enforce"),
        (
            "gard = 'observe'",
            "modes.gard: got an unknown key; allowed is one of admit, approve, breaker, fallback,",
        ),
        ("journal = 'observe'", "modes.journal: got an unknown key; allowed is one of admit,"),
    ],
)
def test_a_mistake_in_modes_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, f"[modes]\n{text}")
    assert told in caught.value.message


def test_staleness_and_tokens_ahead_reach_what_asks_the_store(tmp_path: Path) -> None:
    chosen = _load(tmp_path, '[store]\nurl = "sqlite:///calls.db"\nstaleness = 0.5\nahead = 10\n')
    assert chosen.store == StoreSettings(
        url=f"sqlite:///{tmp_path / 'calls.db'}", staleness=0.5, ahead=10
    )
    with app.stored(chosen) as store:
        behind: Any = app.backends(chosen, store)
        told = [behind.switches._staleness, behind.generations._staleness, behind.rates._ahead]
    assert told == [0.5, 0.5, 10]
    assert _load(tmp_path, "[store]\nstaleness = 0").store == StoreSettings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("staleness = -1", "store.staleness: got -1; allowed is a number of seconds, 0 or above"),
        ("staleness = false", "store.staleness: got False; allowed is a number of seconds, 0 or"),
        ("ahead = 0", "store.ahead: got 0; allowed is a whole number of at least 1"),
    ],
)
def test_a_mistake_in_the_store_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, f"[store]\n{text}")
    assert told in caught.value.message
