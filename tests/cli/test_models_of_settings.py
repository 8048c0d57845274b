"""Models as the settings name them: tables, full names and chains of both."""

from pathlib import Path

from callgate import app
from callgate.settings import ModelSettings, Settings
from callgate.testing import ScriptedModel

SETTINGS = Settings(
    model="fast",
    models={
        "fast": ModelSettings(name="anthropic:m", url="http://127.0.0.1:1"),
        "a|b": ModelSettings(name="ollama:named"),
    },
    folder=Path("large"),
)
FAST = "anthropic:m@http://127.0.0.1:1"


def test_a_table_or_a_full_name_is_one_model():
    assert app.model(SETTINGS).name == FAST
    assert app.model(SETTINGS, "ollama:m").name == "ollama:m"
    assert app.model(SETTINGS, "a|b").name == "ollama:named"


def test_a_chain_may_hold_names_of_tables_and_full_names():
    assert app.model(SETTINGS, "fast | ollama:m").name == f"{FAST}|ollama:m"


def test_only_a_local_model_alone_is_asked_to_be_repeatable():
    def temperature(name: str) -> float | None:
        model = ScriptedModel([])
        model.name = name
        return app.options(model).temperature

    assert [temperature(name) for name in ("local:m", "local:m|ollama:m", "ollama:m")] == [
        0.0,
        None,
        None,
    ]
