"""A real model, the smallest there is: not clever, but every call it writes is well-formed."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytest.importorskip("xllamacpp")
pytest.importorskip("onnxruntime")

from callgate import Gate
from callgate.agents.llama import Runtime
from callgate.agents.local import LocalModel, open_local
from callgate.agents.weights import find
from callgate.errors import ModelFileError, ModelRequestError
from callgate.messages import Message, ModelRequest, Role, StopReason
from callgate.schema.check import Checker
from callgate.schema.grammar import call_grammar
from callgate.settings import load
from callgate.testing import FakeSource
from callgate.types import Effect, Text, Tool
from tests.local.test_grammar import SCHEMAS

NAME = "smollm2-135m"
ORDER = Tool(
    name="order_food",
    description="Order food from the kitchen.",
    parameters={
        "type": "object",
        "properties": {
            "dish": {"enum": ["soup", "bread", "fish"]},
            "plates": {"type": "integer", "minimum": 1, "maximum": 12},
            "notes": {"type": "array", "maxItems": 1, "items": {"type": "string", "maxLength": 20}},
        },
        "required": ["dish", "plates"],
        "additionalProperties": False,
    },
    effect=Effect.READ,
)

LARGE = {
    "type": "object",
    "properties": {
        "cards": {"type": "object"},
        "text": {"type": "string", "minLength": 5000, "maxLength": 9000},
        "many": {"type": "array", "items": {"type": "array", "items": {}}, "minItems": 500},
    },
    "required": ["cards", "text", "many"],
}


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = load(dict(os.environ)).folder / "models"
    if not (folder / find(NAME).file).exists():
        pytest.skip(f"needs SmolLM2: callgate model pull {NAME}")
    return folder


@pytest.fixture(scope="module")
def runtime(folder: Path) -> Iterator[Runtime]:
    runtime = Runtime(folder / find(NAME).file, context=512, threads=1)
    yield runtime
    runtime.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def model(folder: Path) -> AsyncIterator[LocalModel]:
    # One thread: next to other tests two would mostly wait for each other.
    opened = LocalModel(f"local:{NAME}", Runtime(folder / find(NAME).file, context=2048, threads=1))
    yield opened
    await opened.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "text", ["Order three plates of fish.", "Order soup and bread for me!", "Order " + "food " * 20]
)
async def test_every_call_is_well_formed_and_passes_the_path(model: LocalModel, text: str):
    source = FakeSource([ORDER])
    session = Gate([source]).session(strict=True)
    message = Message(role=Role.USER, parts=(Text(text=text),))
    request = ModelRequest(
        messages=[message], tools=session.tools(), choice="required", max_tokens=64
    )
    response = await model.complete(request)
    await session.turn(response.message.calls)
    (call,) = source.calls
    assert Checker(ORDER.parameters).is_valid(call.arguments)
    assert response.stop is StopReason.CALLS
    assert response.usage.output > 0


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), LARGE], ids=[*SCHEMAS, "large"])
def test_the_runtime_reads_the_grammar_of_every_schema(runtime: Runtime, schema: dict[str, Any]):
    body = {"prompt": "a", "n_predict": 1, "grammar": call_grammar({"f": schema})}
    written = runtime.write(body, on_text=lambda _: None, stopped=lambda: False)
    assert written.cut
    assert written.text.startswith("f")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_grown_conversation_is_read_from_the_cache(model: LocalModel):
    messages = [Message(role=Role.USER, parts=(Text(text="Say hello."),))]
    first = await model.complete(ModelRequest(messages=messages, max_tokens=8))
    messages += [first.message, Message(role=Role.USER, parts=(Text(text="Again."),))]
    second = await model.complete(ModelRequest(messages=messages, max_tokens=8))
    assert second.usage.cached >= first.usage.input
    assert first.usage.output <= 8


@pytest.mark.asyncio(loop_scope="module")
async def test_a_prompt_beyond_the_context_is_refused_with_the_reason(model: LocalModel):
    message = Message(role=Role.USER, parts=(Text(text="word " * 2500),))
    with pytest.raises(ModelRequestError, match="exceeds the available context size"):
        await model.complete(ModelRequest(messages=[message]))


def test_a_file_that_is_no_model_is_told_as_such(tmp_path: Path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF but broken")
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        Runtime(path).write({}, on_text=lambda _: None, stopped=lambda: False)


def test_a_model_opens_by_its_name(folder: Path):
    assert open_local(NAME, folder).name == f"local:{NAME}"


def test_a_model_that_was_not_pulled_is_told_with_the_command(tmp_path: Path):
    with pytest.raises(ModelFileError, match=f"callgate model pull {NAME}"):
        open_local(NAME, tmp_path)
