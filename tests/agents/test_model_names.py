import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callgate.agents.http import HttpModel
from callgate.agents.model import Model, open_model
from callgate.errors import MissingDependencyError, ModelFileError, SettingsError
from callgate.messages import Message, ModelRequest, Role
from callgate.settings import ModelSettings
from callgate.types import Text
from canaries import canary
from tests.agents.provider import serving, whole

KEYS = {"OPENAI_API_KEY": canary("of-openai"), "OTHER_KEY": canary("of-another")}
OTHER = f"Bearer {KEYS['OTHER_KEY']}"
ANSWER = {"model": "m", "choices": [{"message": {"content": "hello"}}]}


def opened(chosen: ModelSettings | str) -> Model:
    return open_model(chosen, Path("models"), environment=KEYS)


@pytest.mark.parametrize(
    ("chosen", "name", "url"),
    [
        ("openai:gpt-6-sol", "openai:gpt-6-sol", "https://api.openai.com/v1"),
        (
            "qwen@http://127.0.0.1:8080/v1",
            "qwen@http://127.0.0.1:8080/v1",
            "http://127.0.0.1:8080/v1",
        ),
        ("@cf/a/b@https://x.org/v1", "@cf/a/b@https://x.org/v1", "https://x.org/v1"),
        (
            ModelSettings(name="qwen", url="http://127.0.0.1:1/v1"),
            "qwen@http://127.0.0.1:1/v1",
            "http://127.0.0.1:1/v1",
        ),
        (
            ModelSettings(name="openai:gpt-6-sol", url="http://127.0.0.1:1/v1"),
            "openai:gpt-6-sol@http://127.0.0.1:1/v1",
            "http://127.0.0.1:1/v1",
        ),
    ],
)
def test_a_name_opens_its_model(chosen: ModelSettings | str, name: str, url: str):
    model = opened(chosen)
    assert isinstance(model, HttpModel)
    assert model.name == name
    assert repr(model) == f"HttpModel({name!r}, url={url!r})"


@pytest.mark.parametrize(
    "name", ["", "gpt-6-sol", "openai:", "opnai:gpt-6-sol", "morse:code", "m@ftp://x.org"]
)
def test_an_unknown_name_is_refused_with_the_known_forms(name: str):
    with pytest.raises(SettingsError) as error:
        opened(name)
    assert "allowed are openai:NAME, openai_responses:NAME, anthropic:NAME" in error.value.message
    assert "local:NAME, NAME@http://host:port/v1, PROVIDER:NAME@http://" in error.value.message
    assert ("Did you mean openai:...?" in error.value.message) == name.startswith("op")


def test_two_base_urls_are_one_too_many():
    with pytest.raises(SettingsError, match="one base URL is in the name, another beside it"):
        opened(ModelSettings(name="m@http://127.0.0.1/v1", url="http://127.0.0.2/v1"))


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": " "}])
def test_a_missing_key_is_told_by_the_name_of_its_variable(environment: dict[str, str]):
    with pytest.raises(SettingsError, match="set the environment variable OPENAI_API_KEY"):
        open_model("openai:gpt-6-sol", environment=environment)


async def sent(chosen: ModelSettings, environment: dict[str, str]) -> AsyncIterator[str | None]:
    async with serving(whole(ANSWER)) as provider:
        chosen = ModelSettings(
            name=chosen.name.replace("URL", provider.url),
            url=chosen.url and provider.url,
            key=chosen.key,
        )
        if "OPENAI_BASE_URL" in environment:
            environment["OPENAI_BASE_URL"] = provider.url
        model = open_model(chosen, environment=environment)
        message = Message(role=Role.USER, parts=(Text(text="hi"),))
        await model.complete(ModelRequest(messages=[message], max_tokens=3))
        await model.close()
        (request,) = provider.requests
        yield request.headers.get("authorization")
        yield next(key for key in request.body if key.startswith("max_"))


@pytest.mark.parametrize(
    ("chosen", "environment", "key", "limit"),
    [
        # The provider's own variables, as its own client reads them.
        (
            ModelSettings(name="openai:m"),
            {**KEYS, "OPENAI_BASE_URL": "x"},
            f"Bearer {canary('of-openai')}",
            "max_completion_tokens",
        ),
        (
            ModelSettings(name="openai:m", key="OTHER_KEY"),
            {**KEYS, "OPENAI_BASE_URL": "x"},
            f"Bearer {canary('of-another')}",
            "max_completion_tokens",
        ),
        # A key goes nowhere it was not meant for.
        (ModelSettings(name="openai:m", url="here"), KEYS, None, "max_completion_tokens"),
        (ModelSettings(name="m@URL"), KEYS, None, "max_tokens"),
        (
            ModelSettings(name="m@URL", key="OTHER_KEY"),
            KEYS,
            f"Bearer {canary('of-another')}",
            "max_tokens",
        ),
        (
            ModelSettings(name="m", url="here", key="OTHER_KEY"),
            KEYS,
            f"Bearer {canary('of-another')}",
            "max_tokens",
        ),
    ],
)
async def test_a_key_goes_only_where_it_belongs(
    chosen: ModelSettings, environment: dict[str, str], key: str | None, limit: str
):
    assert [got async for got in sent(chosen, environment)] == [key, limit]


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", canary("of-openai"))
    assert open_model("openai:m").name == "openai:m"


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("httpx2", "openai:m", "models"), ("callgate.agents.local", "local:m", "local")],
)
def test_a_missing_extra_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
):
    for loaded in ("callgate.agents.http", "callgate.agents.endpoint", "callgate.agents.local"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
        monkeypatch.delattr(loaded, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf'pip install "callgate\[{extra}\]"'):
        opened(name)


def test_a_local_model_is_looked_for_among_the_published_ones(tmp_path: Path):
    with pytest.raises(ModelFileError, match="who-knows"):
        open_model("local:who-knows", tmp_path)
    with pytest.raises(ModelFileError, match="callgate model pull"):
        open_model("local:qwen2.5-coder-1.5b", environment={"CALLGATE_HOME": str(tmp_path)})


def test_the_seam_loads_no_client_and_no_runtime():
    program = (
        "import sys, callgate.agents.model;"
        "print({'httpx2', 'xllamacpp', 'genai_prices', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
