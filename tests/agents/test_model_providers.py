"""Every provider: opened by name, asked at the right place with the right headers, key unseen."""

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callgate.agents.http import HttpModel, Retries
from callgate.agents.model import Model, open_model
from callgate.codecs import stored
from callgate.errors import ModelError, SettingsError
from callgate.messages import Message, ModelRequest, ResponseDone, Role, TextDelta
from callgate.settings import ModelSettings
from callgate.types import Text, Tool
from canaries import canary
from tests.agents.provider import ECHO, Provider, Reply, serving, whole
from tests.agents.wires import WIRES

CANARY = canary("/0123456789+abcdef==")
ASKED = ModelRequest(messages=[Message(role=Role.USER, parts=(Text(text="hi"),))])
URL_VARIABLES = {
    "openai": "OPENAI_BASE_URL",
    "openai_responses": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "gemini_interactions": "GOOGLE_GEMINI_BASE_URL",
    "bedrock": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "cohere": "CO_API_URL",
    "ollama": "OLLAMA_HOST",
}
KEYS = {
    "OPENAI_API_KEY": CANARY,
    "ANTHROPIC_API_KEY": CANARY,
    "GEMINI_API_KEY": CANARY,
    "MISTRAL_API_KEY": CANARY,
    "CO_API_KEY": CANARY,
    "AWS_ACCESS_KEY_ID": f"AKIA{CANARY}",
    "AWS_SECRET_ACCESS_KEY": f"secret{CANARY}",
    "AWS_SESSION_TOKEN": f"token{CANARY}",
    "AWS_REGION": "eu-central-1",
}


@asynccontextmanager
async def asked(wire: str, *replies: Reply, **more: str) -> AsyncIterator[tuple[Model, Provider]]:
    """Open a provider's model by its name, with the provider moved to the loopback."""
    async with serving(*replies) as provider:
        root = provider.url.removesuffix("/v1")
        if wire == "mistral":
            # Its client knows no variable for its address.
            chosen = ModelSettings(name="mistral:m", url=provider.url, key="MISTRAL_API_KEY")
            moved: dict[str, str] = {}
        else:
            chosen = ModelSettings(name=f"{wire}:m")
            moved = {URL_VARIABLES[wire]: provider.url if wire.startswith("openai") else root}
        model = open_model(chosen, environment={**KEYS, **moved, **more})
        try:
            yield model, provider
        finally:
            await model.close()


def test_every_provider_has_an_address_of_its_own():
    opened = {wire: open_model(f"{wire}:m", environment=KEYS) for wire in WIRES}
    assert {wire: repr(model) for wire, model in opened.items()} == {
        wire: f"HttpModel('{wire}:m', url='{url}')"
        for wire, url in {
            "openai": "https://api.openai.com/v1",
            "openai_responses": "https://api.openai.com/v1",
            "anthropic": "https://api.anthropic.com",
            "gemini": "https://generativelanguage.googleapis.com/v1beta",
            "gemini_interactions": "https://generativelanguage.googleapis.com/v1beta",
            "bedrock": "https://bedrock-runtime.eu-central-1.amazonaws.com",
            "mistral": "https://api.mistral.ai/v1",
            "cohere": "https://api.cohere.com",
            "ollama": "http://127.0.0.1:11434",
        }.items()
    }


@pytest.mark.parametrize("wire", WIRES)
async def test_a_provider_is_asked_on_its_own_wire_at_its_own_path(wire: str):
    exchange = WIRES[wire]
    async with asked(wire, exchange.whole, exchange.stream) as (model, provider):
        response = await model.complete(ASKED)
        assert response.message.text == "hello"
        *pieces, done = [event async for event in model.stream(ASKED)]
        assert isinstance(done, ResponseDone)
        assert done.response.message.text == "hello"
        if wire != "openai_responses":
            assert pieces == [TextDelta(text="hello")]
        assert [one.path for one in provider.requests] == [exchange.path, exchange.stream_path]


@pytest.mark.parametrize(
    ("wire", "headers"),
    [
        ("openai", {"authorization": f"Bearer {CANARY}"}),
        ("openai_responses", {"authorization": f"Bearer {CANARY}"}),
        ("anthropic", {"x-api-key": CANARY, "anthropic-version": "2023-06-01"}),
        ("gemini", {"x-goog-api-key": CANARY}),
        ("gemini_interactions", {"x-goog-api-key": CANARY}),
        ("mistral", {"authorization": f"Bearer {CANARY}"}),
        ("cohere", {"authorization": f"Bearer {CANARY}"}),
        ("ollama", {}),
        ("bedrock", {"x-amz-security-token": f"token{CANARY}"}),
    ],
)
async def test_a_provider_gets_its_headers_and_no_other_key(wire: str, headers: dict[str, str]):
    async with asked(wire, WIRES[wire].whole) as (model, provider):
        await model.complete(ASKED)
        (request,) = provider.requests
        sent = dict(request.headers)
        for usual in ("host", "accept", "accept-encoding", "connection", "content-length"):
            del sent[usual]
        assert sent.pop("content-type") == "application/json"
        assert sent.pop("user-agent") == "callgate"
        if wire == "bedrock":
            assert sent.pop("authorization").startswith("AWS4-HMAC-SHA256 Credential=AKIA")
            assert len(sent.pop("x-amz-date")) == 16
        assert sent == headers


# ------------------------------------------------------------------ keys


def told(error: ModelError) -> list[str]:
    """All that a log of an error may show, with the variables of every frame of ours."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    ours = [line for line in lines if "tests/agents" not in line]
    return [str(error), repr(error), str(error.details), *ours]


def secrets_of(provider: Provider) -> set[str]:
    """Every secret that the requests carried, the signature of each one included."""
    found = {CANARY, CANARY.replace("/", "\\/")}
    for request in provider.requests:
        _, signed, signature = request.headers.get("authorization", "").partition("Signature=")
        found |= {signature} if signed else set()
    return found


@pytest.mark.parametrize("wire", sorted(WIRES.keys() - {"ollama"}))
async def test_no_key_and_no_signature_is_shown_even_if_the_provider_repeats_them(
    wire: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    echo = ECHO.decode()
    shown: list[str] = []
    replies = (
        whole({"error": {"message": echo, "param": echo}, "message": echo}, 400),
        Reply(pieces=(ECHO,)),
        Reply(
            pieces=(KEYS["AWS_SECRET_ACCESS_KEY"].replace("/", "\\/").encode(), ECHO), status=401
        ),
        Reply(pieces=(ECHO,), cut=True),
    )
    async with asked(wire, *replies) as (model, provider):
        once(model)
        for _ in replies:
            with pytest.raises(ModelError) as error:
                await model.complete(ASKED)
            shown += told(error.value)
        secrets = secrets_of(provider)
        assert (len(secrets) > 2) == (wire == "bedrock")
        shown += [repr(model), str(vars(model)), caplog.text]
    assert "[key]" in "".join(shown)
    assert {secret for secret in secrets for text in shown if secret in text} == set()


async def test_a_key_that_an_answer_repeats_reaches_no_record():
    answer = {"id": "r", "model": "m", "choices": [{"message": {"content": ECHO.decode()}}]}
    async with asked("openai", whole(answer)) as (model, _):
        record = stored.response_to_json(await model.complete(ASKED))
    assert "Bearer [key]" in str(record)
    assert CANARY not in str(record)


def once(model: Model) -> None:
    assert isinstance(model, HttpModel)
    model._retries = Retries(attempts=1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anthropic:m", "variable ANTHROPIC_API_KEY."),
        ("gemini:m", "variable GOOGLE_API_KEY or GEMINI_API_KEY."),
        (
            "bedrock:m",
            "variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_BEARER_TOKEN_BEDROCK.",
        ),
    ],
)
def test_a_missing_key_is_told_by_the_names_of_its_variables(name: str, words: str):
    environment = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIA1"}
    with pytest.raises(SettingsError, match=f"{name} needs a key: set the environment {words}$"):
        open_model(name, environment=environment)


async def test_the_newer_variable_of_google_counts_first():
    async with asked("gemini", WIRES["gemini"].whole, GOOGLE_API_KEY="new") as (model, provider):
        await model.complete(ASKED)
        assert provider.requests[0].headers["x-goog-api-key"] == "new"


async def test_a_bearer_token_of_bedrock_is_sent_instead_of_a_signature():
    bearer = {"AWS_BEARER_TOKEN_BEDROCK": "b-1"}
    async with asked("bedrock", WIRES["bedrock"].whole, **bearer) as (model, provider):
        await model.complete(ASKED)
        assert provider.requests[0].headers["authorization"] == "Bearer b-1"


# ------------------------------------------------------------------ addresses


@pytest.mark.parametrize("region", ["", "here", "eu central 1", "x.example.org/"])
def test_bedrock_needs_a_region(region: str):
    with pytest.raises(SettingsError, match="set the environment variable AWS_REGION"):
        open_model("bedrock:m", environment={**KEYS, "AWS_REGION": region})


def test_the_older_variable_of_the_region_is_read_too():
    variables = {**KEYS, "AWS_REGION": "", "AWS_DEFAULT_REGION": "us-gov-west-1"}
    assert "runtime.us-gov-west-1.amazonaws" in repr(open_model("bedrock:m", environment=variables))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("box", "http://box:11434"),
        ("box:80", "http://box:80"),
        ("https://box.example.org/", "https://box.example.org"),
    ],
)
def test_the_variable_of_ollama_holds_a_host_or_a_url(host: str, url: str):
    model = open_model("ollama:qwen3:8b", environment={"OLLAMA_HOST": host})
    assert repr(model) == f"HttpModel('ollama:qwen3:8b', url={url!r})"


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("wire", ["anthropic", "ollama", "bedrock"])
async def test_a_wire_is_spoken_at_any_base_url_without_the_usual_key(wire: str, *, beside: bool):
    async with serving(WIRES[wire].whole) as provider:
        root = provider.url.removesuffix("/v1")
        name = f"{wire}:m@{root}"
        chosen = ModelSettings(name=f"{wire}:m", url=root) if beside else name
        model = open_model(chosen, environment=KEYS)
        assert model.name == name
        assert (await model.complete(ASKED)).message.text == "hello"
        await model.close()
        (request,) = provider.requests
        assert request.path == WIRES[wire].path
        assert CANARY not in str(request.headers)
        assert ("anthropic-version" in request.headers) == (wire == "anthropic")


@pytest.mark.parametrize(
    ("wire", "header", "value"),
    [
        ("anthropic", "x-api-key", "k"),
        ("bedrock", "authorization", "Bearer k"),
        ("ollama", "authorization", "Bearer k"),
    ],
)
async def test_a_key_that_settings_name_is_sent_as_the_provider_wants_it(
    wire: str, header: str, value: str
):
    async with serving(WIRES[wire].whole, WIRES[wire].whole) as provider:
        root = provider.url.removesuffix("/v1")
        variables = {"OWN": "k", "AWS_REGION": "eu-central-1", URL_VARIABLES[wire]: root}
        for chosen in (
            ModelSettings(name=f"{wire}:m", url=root, key="OWN"),
            ModelSettings(name=f"{wire}:m", key="OWN"),
        ):
            model = open_model(chosen, environment=variables)
            await model.complete(ASKED)
            await model.close()
        assert [one.headers[header] for one in provider.requests] == [value, value]


# ------------------------------------------------------------------ what is done otherwise


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_model_cannot_do_as_asked_stands_in_its_response(*, stream: bool):
    tool = Tool(name="add", description="Adds.", parameters={"type": "object"})
    forced = ModelRequest(messages=ASKED.messages, tools=(tool,), choice="required")
    exchange = WIRES["ollama"]
    async with asked("ollama", exchange.stream if stream else exchange.whole) as (model, _):
        if stream:
            *_, done = [event async for event in model.stream(forced)]
            assert isinstance(done, ResponseDone)
            response = done.response
        else:
            response = await model.complete(forced)
    (note,) = response.notes
    assert note == "Ollama cannot force a call: 'required' leaves the model free."
    assert stored.response_from_json(stored.response_to_json(response)).notes == (note,)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        (
            "anthropic",
            whole(
                {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}},
                429,
                retry_after="2",
            ),
        ),
        (
            "bedrock",
            whole({"message": "x"}, 429, x_amzn_errortype="ThrottlingException", retry_after="2"),
        ),
        (
            "gemini",
            whole(
                {
                    "error": {
                        "code": 429,
                        "message": "x",
                        "details": [
                            {
                                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                                "retryDelay": "2s",
                            }
                        ],
                    }
                },
                429,
            ),
        ),
        ("cohere", whole({"message": "x"}, 429, retry_after="2")),
        ("ollama", whole({"error": "x"}, 429, retry_after="2")),
    ],
)
async def test_a_provider_that_asks_for_a_pause_gets_it(wire: str, reply: Reply):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with asked(wire, reply, WIRES[wire].whole) as (model, provider):
        assert isinstance(model, HttpModel)
        model._sleep = sleep
        assert (await model.complete(ASKED)).message.text == "hello"
        assert pauses == [2.0]
        assert len(provider.requests) == 2


async def test_every_attempt_at_bedrock_is_signed_anew():
    busy = whole({"message": "x"}, 503, x_amzn_errortype="ServiceUnavailableException")
    async with asked("bedrock", busy, WIRES["bedrock"].whole) as (model, provider):
        assert isinstance(model, HttpModel)
        model._sleep = no_pause
        await model.complete(ASKED)
        first, second = provider.requests
        assert first.headers["authorization"][:60] == second.headers["authorization"][:60]
        assert "x-amz-date" in second.headers


async def no_pause(_: float) -> None:
    """Go on at once."""
