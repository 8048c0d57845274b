"""The official client runs a tool loop through a session, at a server on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import types

from callgate import Gate, tool

Json = dict[str, Any]


@tool(effect="read", cheap=True)
def price(item: str) -> int:
    """Tell what an item costs, in cents."""
    return {"tea": 250}[item]


class Server(ThreadingHTTPServer):
    """Plays answers one after the other, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Json] = []
        self.asked: list[Json] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        length = int(self.headers["content-length"])
        self.server.asked.append(json.loads(self.rfile.read(length)))
        body = json.dumps(self.server.answers.pop(0)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the test looks at what was asked."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def client(server: Server) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{server.server_port}")
    opened = genai.Client(api_key="none", http_options=options)
    yield opened
    opened.close()


async def test_generate_content_runs_a_tool_loop(server: Server, client: genai.Client):
    model = "gemini-3-flash-preview"
    called = {
        "functionCall": {"name": "price", "args": {"item": "tea"}},
        "thoughtSignature": "c2ln",
    }
    for part in (called, {"text": "250 cents"}):
        content = {"role": "model", "parts": [part]}
        candidate = {"content": content, "finishReason": "STOP"}
        server.answers.append({"candidates": [candidate], "modelVersion": model})
    session = Gate([price]).session()
    config: Any = {
        "tools": list(session.tools(wire="gemini")),
        "automatic_function_calling": {"disable": True},
    }
    contents: list[Any] = [{"role": "user", "parts": [{"text": "What is tea?"}]}]
    response = client.models.generate_content(model=model, contents=contents, config=config)
    answer = await session.answer(response)
    assert response.candidates is not None
    contents += [response.candidates[0].content, *answer.messages]
    last = client.models.generate_content(model=model, contents=contents, config=config)
    assert last.text == "250 cents"
    sent = server.asked[1]["contents"]
    assert sent[1]["parts"] == [called]
    assert sent[2]["parts"] == [
        {"functionResponse": {"name": "price", "response": {"output": "250"}}}
    ]


async def test_interactions_run_a_tool_loop(server: Server, client: genai.Client):
    called: Json = {
        "type": "function_call",
        "id": "c1",
        "name": "price",
        "arguments": {"item": "tea"},
    }
    said: Json = {"type": "model_output", "content": [{"type": "text", "text": "250 cents"}]}
    for step, status in ((called, "requires_action"), (said, "completed")):
        server.answers.append(
            {"id": "i", "object": "interaction", "status": status, "steps": [step]}
        )
    session = Gate([price]).session()
    create: Any = client.interactions.create
    asked: Json = {
        "model": "gemini-4-argon",
        "tools": list(session.tools(wire="gemini_interactions")),
        "store": False,
    }
    steps: list[Any] = [{"type": "user_input", "content": [{"type": "text", "text": "Tea?"}]}]
    response = create(input=steps, **asked)
    answer = await session.answer(response)
    last = create(input=[*steps, called, *answer.messages], **asked)
    assert last.output_text == "250 cents"
    assert server.asked[1]["input"][2] == {
        "type": "function_result",
        "call_id": "c1",
        "name": "price",
        "result": "250",
    }
