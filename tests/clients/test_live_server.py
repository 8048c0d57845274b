"""A live model behind the three wires that llama.cpp's server speaks: our client, and the official.

The model is the smallest there is and calls no tool well. What is shown is that real requests with
tools, calls and results are accepted, and that what comes back is understood and counted.
"""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("xllamacpp")

import xllamacpp

from callgate import CallPart, Gate, Message
from callgate.agents.http import Endpoint, HttpModel
from callgate.agents.weights import find
from callgate.codecs import by_name
from callgate.messages import ModelRequest, ModelResponse, ResponseDone, Role, TextDelta
from callgate.settings import load
from callgate.types import Text
from tests.clients import shop

NAME = "smollm2-135m"
TOKENS = 12
# Its own template knows no tools; this one shows them, calls and results in a common form.
TEMPLATE = Path(__file__).with_name("calling_template.jinja")
ROOTS = {"openai": "/v1", "openai_responses": "/v1", "anthropic": ""}


@pytest.fixture(scope="module")
def live() -> Iterator[str]:
    weights = load(dict(os.environ)).folder / "models" / find(NAME).file
    if not weights.exists():
        pytest.skip(f"needs SmolLM2: callgate model pull {NAME}")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.chat_template = TEMPLATE.read_text()
    parameters.n_ctx = 1024
    parameters.n_parallel = 1
    parameters.n_predict = TOKENS
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.verbosity = 0
    parameters.warmup = parameters.ui = parameters.endpoint_slots = False
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server  # ends with its last reference


async def _asked(gate: Gate) -> ModelRequest:
    """Return a request with all that a tool loop sends."""
    session = gate.session(shop.ANA)
    call = CallPart(id="call_1", name="price", arguments=shop.TEA_TEXT)
    question = Message(role=Role.USER, parts=(Text(text=shop.QUESTION),))
    called = Message(role=Role.ASSISTANT, parts=(call,))
    answer = await session.turn([call])
    return ModelRequest(
        messages=[question, called, *answer.messages],
        tools=session.tools(),
        max_tokens=TOKENS,
        temperature=0,
    )


def _is_counted(response: ModelResponse) -> bool:
    usage = response.usage
    return usage.input > 50 and 0 < usage.output <= TOKENS and usage.requests == 1


@pytest.mark.parametrize("wire", ROOTS)
async def test_a_live_server_takes_a_loops_request_and_is_understood(live: str, wire: str) -> None:
    endpoint = Endpoint(url=live + ROOTS[wire], model="smollm2", codec=by_name(wire))
    model = HttpModel(wire, endpoint)
    request = await _asked(Gate([shop.price]))
    whole = await model.complete(request)
    events = [event async for event in model.stream(request)]
    await model.close()
    done = events[-1]
    assert isinstance(done, ResponseDone)
    assert _is_counted(whole)
    assert _is_counted(done.response)
    assert whole.message.text or whole.message.calls
    told = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert told == done.response.message.text


@pytest.mark.parametrize(
    ("package", "client", "wire"),
    [
        ("openai", "openai_chat", "openai"),
        ("openai", "openai_responses", "openai_responses"),
        ("anthropic", "anthropic", "anthropic"),
    ],
)
async def test_the_official_clients_responses_from_a_live_server_are_answered(
    live: str, package: str, client: str, wire: str
) -> None:
    pytest.importorskip(package)
    official = import_module(f"tests.clients.test_{client}_client")
    gate = Gate([shop.price])
    tools = list(gate.tools(wire=wire))
    answers = [
        await gate.answer(await official.ask_async(live, [official.ASKED], tools)),
        await gate.answer_stream(official.pieces_async(live, [official.ASKED], tools), wire=wire),
    ]
    assert [answer.wire for answer in answers] == [wire, wire]
    assert all(answer.said for answer in answers)
    assert all(len(answer.messages) == bool(answer.answered) for answer in answers)
