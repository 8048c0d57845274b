from decimal import Decimal
from pathlib import Path

import pytest

from callgate.errors import SettingsError
from callgate.settings import (
    LintSettings,
    ModelSettings,
    RunLimits,
    Settings,
    StoreSettings,
    find_file,
    load,
)

FULL = """
tools = ["tools.py:add", "package.module:TOOLS"]
model = "fast"
folder = "large"

[models.fast]
name = "openai:gpt-x"
url = "https://example.test/v1"
key = "EXAMPLE_KEY"

[limits]
turns = 3
calls = 9
tokens = 1000
seconds = 2
cost = 0.1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "callgate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environment or {}, file=written(folder, text))
    return caught.value.message.replace(str(folder), "FOLDER")


def test_a_full_file_gives_every_setting(tmp_path: Path) -> None:
    path = written(tmp_path, FULL)
    assert load({}, file=path) == Settings(
        file=path,
        root=tmp_path,
        tools=("tools.py:add", "package.module:TOOLS"),
        model="fast",
        models={
            "fast": ModelSettings(
                name="openai:gpt-x", url="https://example.test/v1", key="EXAMPLE_KEY"
            )
        },
        limits=RunLimits(turns=3, calls=9, tokens=1000, seconds=2.0, cost=Decimal("0.1")),
        folder=tmp_path / "large",
    )


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = load({"XDG_CACHE_HOME": "/caches"}, start=tmp_path)
    assert settings == Settings(root=tmp_path, folder=Path("/caches/callgate"))


def test_without_any_variable_large_files_go_to_the_users_cache_folder(tmp_path: Path) -> None:
    assert load({}, start=tmp_path).folder == Path.home() / ".cache" / "callgate"


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    environment = {
        "CALLGATE_TOOLS": "a.py:one, b:two,",
        "CALLGATE_MODEL": "local:x",
        "CALLGATE_HOME": "/home-of-weights",
        "CALLGATE_LIMITS_TURNS": "5",
        "CALLGATE_LIMITS_CALLS": "6",
        "CALLGATE_LIMITS_TOKENS": "7",
        "CALLGATE_LIMITS_SECONDS": "0.5",
        "CALLGATE_LIMITS_COST": "2.50",
    }
    settings = load(environment, file=written(tmp_path, FULL))
    assert (settings.tools, settings.model) == (("a.py:one", "b:two"), "local:x")
    assert settings.folder == Path("/home-of-weights")
    assert settings.limits == RunLimits(
        turns=5, calls=6, tokens=7, seconds=0.5, cost=Decimal("2.50")
    )


def test_the_nearest_file_above_is_found_and_tools_are_relative_to_it(tmp_path: Path) -> None:
    path = written(tmp_path, 'tools = ["tools.py:add"]')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    settings = load({}, start=inner)
    assert (settings.file, settings.root) == (path, tmp_path)


def test_a_variable_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert find_file(Path("/"), {"CALLGATE_FILE": str(path)}) == path


def test_a_named_file_that_is_absent_is_told(tmp_path: Path) -> None:
    absent = tmp_path / "no.toml"
    with pytest.raises(SettingsError) as by_variable:
        load({"CALLGATE_FILE": str(absent)})
    with pytest.raises(SettingsError) as by_option:
        load({}, file=absent)
    told = f"there is no file {absent}; `callgate init` writes a new callgate.toml"
    assert by_variable.value.message == f"CALLGATE_FILE: {told}"
    assert by_option.value.message == f"--file: {told}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'modell = "x"',
            (
                "modell: got an unknown key; allowed is one of tools, model, models, limits, "
                "sources, store, approvals, controls, modes, lint, folder; did you mean 'model'?"
            ),
        ),
        (
            "zzz = 1",
            (
                "zzz: got an unknown key; allowed is one of tools, model, models, limits, sources, "
                "store, approvals, controls, modes, lint, folder"
            ),
        ),
        ("model = 3", "model: got 3; allowed is a text that is not empty"),
        ('tools = "a"', "tools: got 'a'; allowed is a list of texts, such as [\"tools.py:add\"]"),
        ("tools = [1]", "tools: got [1]; allowed is a text that is not empty"),
        ("limits = 1", "limits: got 1; allowed is a table"),
        (
            "[limits]\nturn = 1",
            (
                "limits.turn: got an unknown key; allowed is one of turns, calls, tokens, seconds, "
                "cost; did you mean 'turns'?"
            ),
        ),
        ("[limits]\nturns = 0", "limits.turns: got 0; allowed is a whole number of at least 1"),
        (
            "[limits]\nturns = true",
            "limits.turns: got True; allowed is a whole number of at least 1",
        ),
        ("[limits]\ncalls = 1.5", "limits.calls: got 1.5; allowed is a whole number of at least 1"),
        (
            "[limits]\nseconds = inf",
            "limits.seconds: got inf; allowed is a number of seconds above 0",
        ),
        ('[limits]\ncost = "much"', "limits.cost: got 'much'; allowed is US dollars above 0"),
        ("[limits]\ncost = true", "limits.cost: got True; allowed is US dollars above 0"),
        (
            "[models.x]\nurl = 'http://a'",
            'models.x.name: got nothing; allowed is a model, such as "openai:gpt-6-sol"',
        ),
        (
            "[models.x]\nname = 'openai:y'\nurl = 'ftp://a'",
            "models.x.url: got 'ftp://a'; allowed is a URL that starts with http:// or https://",
        ),
        (
            "[models.x]\nnmae = 'y'",
            (
                "models.x.nmae: got an unknown key; allowed is one of name, url, key; "
                "did you mean 'name'?"
            ),
        ),
    ],
)
def test_a_mistake_names_file_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, told: str
) -> None:
    assert refused(tmp_path, text) == f"FOLDER/callgate.toml: {told}"


def test_a_key_written_into_the_file_is_refused_and_never_repeated(tmp_path: Path) -> None:
    secret = "sk-secret-1234"
    text = refused(tmp_path, f"[models.x]\nname = 'openai:y'\nkey = '{secret}'")
    assert "the NAME of an environment variable" in text
    assert secret not in text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TURNS", "x", "got 'x'; allowed is a whole number of at least 1"),
        ("SECONDS", "x", "got 'x'; allowed is a number of seconds above 0"),
        ("SECONDS", "-1", "got '-1'; allowed is a number of seconds above 0"),
        ("COST", "0", "got '0'; allowed is US dollars above 0"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    text = refused(tmp_path, "", {f"CALLGATE_LIMITS_{name}": value})
    assert text == f"environment: CALLGATE_LIMITS_{name}: {told}"


def test_a_file_that_is_not_toml_is_told_with_the_place(tmp_path: Path) -> None:
    assert "callgate.toml: not readable as TOML: " in refused(tmp_path, "tools = [")


def test_a_long_value_is_shown_shortened(tmp_path: Path) -> None:
    assert "aaa...; allowed is a list" in refused(tmp_path, f"tools = '{'a' * 200}'")


def test_the_store_is_read_from_the_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text('[store]\nurl = "sqlite:///calls.db"\nsync = "normal"\n')
    assert load({}, file=file).store == StoreSettings(
        url=f"sqlite:///{tmp_path / 'calls.db'}", sync="normal"
    )
    url = "postgresql://ana:swordfish@db/calls"
    chosen = load({"CALLGATE_STORE_URL": url, "CALLGATE_STORE_SYNC": "full"}, file=file).store
    assert chosen == StoreSettings(url=url, sync="full")
    assert load({}, file=_empty(tmp_path)).store == StoreSettings()


def test_a_password_does_not_belong_into_the_file_and_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text('[store]\nurl = "postgresql://ana:swordfish@db/calls"\n')
    with pytest.raises(SettingsError, match="belongs into CALLGATE_STORE_URL") as caught:
        load({}, file=file)
    assert "swordfish" not in str(caught.value)
    file.write_text('[store]\nsync = "maybe"\n')
    with pytest.raises(SettingsError, match="sync: got 'maybe'; allowed is full or normal"):
        load({}, file=file)


def _empty(folder: Path) -> Path:
    file = folder / "empty.toml"
    file.write_text("")
    return file


def test_the_rules_of_lint_are_chosen_in_a_table_of_their_own(tmp_path: Path):
    file = tmp_path / "callgate.toml"
    file.write_text(
        '[lint]\nenable = ["all"]\ndisable = ["a"]\nignore = ["b:c"]\nseverity = { d = "error" }\n'
    )
    assert load({}, file=file).lint == LintSettings(
        enable=("all",), disable=("a",), ignore=("b:c",), severity={"d": "error"}
    )
    assert Settings().lint == LintSettings()
