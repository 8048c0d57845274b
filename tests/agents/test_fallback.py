"""Chains of models: who answers, when the chain is followed, and what the response tells."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from callgate.agents.fallback import Fallback
from callgate.agents.http import Endpoint, HttpModel, Retries, TimeOuts
from callgate.agents.model import fallback, open_model
from callgate.agents.prices import price_of
from callgate.codecs import by_name
from callgate.errors import (
    MisuseError,
    ModelError,
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
    SettingsError,
)
from callgate.messages import (
    CallDelta,
    Message,
    ModelEvent,
    ModelRequest,
    ResponseDone,
    Role,
    TextDelta,
    Usage,
)
from callgate.settings import ModelSettings
from callgate.testing import ScriptedModel, says
from callgate.types import Text
from tests.agents.provider import serving, whole
from tests.agents.wires import WIRES

ASKED = ModelRequest(messages=[Message(role=Role.USER, parts=(Text(text="hi"),))])
OUT = ModelUnavailableError("no connection")
BUSY = RateLimitedError("slow down", details={"status": 429})
NOTE_OUT = "scripted is out: no connection [model_unavailable]"
NOTE_BUSY = "scripted is out: slow down [rate_limited]"


def chain(*scripts: Any) -> Fallback:
    return Fallback([ScriptedModel([script]) for script in scripts])


async def whole_answer(model: Fallback) -> tuple[str, tuple[str, ...]]:
    response = await model.complete(ASKED)
    return response.message.text, response.notes


async def streamed_answer(model: Fallback) -> tuple[str, tuple[str, ...]]:
    *_, done = [event async for event in model.stream(ASKED)]
    assert isinstance(done, ResponseDone)
    return done.response.message.text, done.response.notes


ASKS = pytest.mark.parametrize("ask", [whole_answer, streamed_answer])
Ask = Callable[[Fallback], Any]


@ASKS
async def test_the_first_model_answers_if_it_can(ask: Ask):
    assert await ask(chain(says("one"), says("two"))) == ("one", ())


@ASKS
async def test_the_next_model_answers_when_the_one_before_is_out_and_the_response_tells(ask: Ask):
    got = await ask(chain(OUT, BUSY, says("three"), says("four")))
    assert got == ("three", (NOTE_OUT, NOTE_BUSY))


@ASKS
async def test_if_all_are_out_the_last_error_is_told_with_those_before(ask: Ask):
    busy = RateLimitedError("slow down", details={"status": 429})
    with pytest.raises(RateLimitedError, match="slow down") as error:
        await ask(chain(OUT, busy))
    assert error.value.details == {"status": 429, "before": [NOTE_OUT]}


@ASKS
@pytest.mark.parametrize("kind", [ModelRequestError, ModelStreamError, ModelError])
async def test_what_another_model_would_not_mend_is_raised(ask: Ask, kind: type[ModelError]):
    with pytest.raises(kind, match="no") as error:
        await ask(chain(kind("no"), says("two")))
    assert error.value.details == {}


class Broken:
    """Says a word, then fails; keeps whether it was told to stop."""

    name = "broken"

    def __init__(self, error: ModelError | None = None) -> None:
        self.error = error
        self.stopped = False
        self.closed = False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        try:
            yield TextDelta(text="hal")
            if self.error is not None:
                raise self.error
            yield CallDelta(index=0)
        finally:
            self.stopped = True

    async def complete(self, request: ModelRequest) -> Any:
        raise AssertionError("not asked")

    async def close(self) -> None:
        self.closed = True
        raise ModelError("cannot close")


async def test_once_a_piece_was_given_the_chain_is_not_followed():
    second = ScriptedModel([says("two")])
    stream = Fallback([Broken(OUT), second]).stream(ASKED)
    assert await anext(stream) == TextDelta(text="hal")
    with pytest.raises(ModelUnavailableError, match="no connection"):
        await anext(stream)
    assert second.requests == 0


async def test_whoever_leaves_a_stream_ends_it_in_the_model():
    model = Broken()
    async with aclosing(Fallback([model]).stream(ASKED)) as stream:
        assert await anext(stream) == TextDelta(text="hal")
    assert model.stopped


class Listed:
    """A model whose stream is no generator."""

    name = "listed"

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        return Once(ResponseDone(response=says("listed")))

    async def complete(self, request: ModelRequest) -> Any:
        raise AssertionError("not asked")

    async def close(self) -> None:
        """Nothing to close."""


class Once(AsyncIterator[ModelEvent]):
    """Gives one event."""

    def __init__(self, *events: ModelEvent) -> None:
        self._events = list(events)

    async def __anext__(self) -> ModelEvent:
        if not self._events:
            raise StopAsyncIteration
        return self._events.pop()


async def test_a_stream_may_be_any_iterator():
    assert await streamed_answer(Fallback([Listed()])) == ("listed", ())


async def test_all_models_are_closed_even_if_one_cannot_be():
    first, second = Broken(), Broken()
    with pytest.raises(ModelError, match="cannot close"):
        await Fallback([first, ScriptedModel([]), second]).close()
    assert (first.closed, second.closed) == (True, True)


def test_a_chain_has_at_least_one_model():
    with pytest.raises(MisuseError, match="at least one model"):
        fallback()


# ------------------------------------------------------------------ by name


NAMES = "ollama:a|b@http://127.0.0.1:1/v1"


def test_a_chain_has_a_name_that_opens_it_again():
    made = fallback("ollama:a", ModelSettings(name="b", url="http://127.0.0.1:1/v1"))
    assert made.name == NAMES
    assert open_model(f"ollama:a | {NAMES[9:]}").name == NAMES
    assert repr(made) == f"Fallback({NAMES!r})"
    mixed = fallback(ScriptedModel([]), "ollama:a")
    assert mixed.name == "scripted|ollama:a"


@pytest.mark.parametrize("beside", [{"url": "http://127.0.0.1:1"}, {"key": "KEY"}])
def test_a_chain_has_no_url_and_no_key_of_its_own(beside: dict[str, str]):
    with pytest.raises(SettingsError, match="has no base URL or key of its own"):
        open_model(ModelSettings(name=NAMES, **beside))


async def test_the_patience_of_a_chain_is_that_of_its_models():
    down = whole({"error": {"message": "down"}}, 503)
    async with serving(down, WIRES["ollama"].whole) as provider:
        root = provider.url.removesuffix("/v1")
        names = f"ollama:a@{root}|ollama:b@{root}"
        model = open_model(names, timeouts=TimeOuts(read=5.0), retries=Retries(attempts=1))
        response = await model.complete(ASKED)
        await model.close()
    assert [one.body["model"] for one in provider.requests] == ["a", "b"]
    assert [note.split(" is out")[0] for note in response.notes] == [f"ollama:a@{root}"]


def test_a_chain_costs_what_the_model_that_answered_costs():
    price = price_of("anthropic:claude-sonnet-5-5|openai:gpt-6-luna|ollama:qwen3")
    used = Usage(input=1_000, output=10, requests=1)
    assert price(used, "claude-sonnet-5-5-20261001") == Decimal("0.0021")
    assert price(used, "gpt-6-luna") == Decimal("0.000105")
    assert price(used, "qwen3") == 0


# ------------------------------------------------------------------ over the wire


async def test_a_conversation_goes_on_with_another_provider_without_what_is_bound_to_the_first():
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    answer = {
        "id": "r",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [thought, {"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    down = whole({"error": {"message": "down"}}, 529)
    async with (
        serving(whole(answer), whole(answer), down) as first,
        serving(WIRES["openai"].whole) as second,
    ):
        root = first.url.removesuffix("/v1")
        claude = HttpModel(
            "claude",
            Endpoint(url=root, model="m", codec=by_name("anthropic")),
            retries=Retries(attempts=1),
        )
        model = fallback(claude, f"gpt@{second.url}")
        said = [ASKED.messages[0], (await model.complete(ASKED)).message]
        await model.complete(ModelRequest(messages=said))
        response = await model.complete(ModelRequest(messages=said))
        await model.close()
    assert response.message.text == "hello"
    assert response.notes == ("claude is out: The provider answered 529: down [model_unavailable]",)
    again, *_ = first.requests[1].body["messages"][1:]
    assert again["content"] == answer["content"]
    assert second.requests[0].body["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello."},
    ]
