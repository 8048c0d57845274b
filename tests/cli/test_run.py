"""`callgate run` against a server that speaks a provider's wire on loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import Command


class Provider(ThreadingHTTPServer):
    """Answers each request with the next message of a list."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.messages = messages
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        provider = self.server
        assert isinstance(provider, Provider)
        provider.asked.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        message = provider.messages.pop(0) if provider.messages else None
        self.send_response(200 if message else 400)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(orjson.dumps(_body(message)))

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def _body(message: dict[str, Any] | None) -> dict[str, Any]:
    if message is None:
        return {"error": {"message": "no more answers", "type": "invalid_request_error"}}
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "r",
        "object": "chat.completion",
        "model": "small",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020},
    }


def called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    made = {"id": "c1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [made]}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@pytest.fixture
def provider(project: Path) -> Iterator[Provider]:
    """A provider that has nothing to say yet, reachable under the name `small`."""
    with Provider([]) as server:
        (project / "callgate.toml").write_text(
            f'tools = ["tools.py:TOOLS"]\nmodel = "small"\n[limits]\nturns = 2\n'
            f'[models.small]\nname = "small"\nurl = "{server.url}"\n',
            encoding="utf-8",
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_answer_goes_to_standard_output_and_the_calls_to_standard_error(
    callgate: Command, provider: Provider
) -> None:
    provider.messages += [called("add", {"a": 2, "b": 3}), said("It is 5.")]
    done = callgate("run", "What is 2 + 3?")
    assert (done.code, done.out) == (0, "It is 5.\n")
    lines = done.err.splitlines()
    assert lines[0] == '  1 → add {"a":2,"b":3}'
    assert lines[1].startswith("  1 ← ok ")
    assert lines[-1] == "done: answer (2 requests, 2,000 tokens read, 40 written)"
    assert provider.asked[0]["messages"] == [{"role": "user", "content": "What is 2 + 3?"}]
    assert [tool["function"]["name"] for tool in provider.asked[0]["tools"]] == [
        "add",
        "fail",
        "wait",
    ]


def test_a_run_as_json_holds_answer_calls_and_usage(callgate: Command, provider: Provider) -> None:
    provider.messages += [called("add", {"a": 2, "b": 3}), said("It is 5.")]
    done = callgate("run", "What is 2 + 3?", "--json")
    told = done.json
    assert (done.code, done.err) == (0, "")
    assert (told["status"], told["reason"], told["answer"]) == ("done", "answer", "It is 5.")
    assert [(call["tool"], call["value"]) for call in told["calls"]] == [("add", 5)]
    assert told["usage"] == {"input": 2000, "output": 40, "cached": 0, "requests": 2}
    assert told["cost"] is None


def test_a_run_that_waits_for_a_person_exits_with_4(callgate: Command, provider: Provider) -> None:
    provider.messages += [called("wait", {})]
    done = callgate("run", "Wait.")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1].startswith("waiting: ")


def test_a_model_that_does_not_answer_exits_with_1_and_one_line(
    callgate: Command, provider: Provider
) -> None:
    done = callgate("run", "Anything?")
    assert (done.code, done.out, len(provider.asked)) == (1, "", 1)
    (line,) = done.err.splitlines()
    assert line.startswith("failed: ")
    assert "no more answers" in line


def test_a_model_can_be_named_on_the_command_line(callgate: Command, provider: Provider) -> None:
    provider.messages += [said("Here.")]
    done = callgate("run", "Who?", "--model", f"other@{provider.url}")
    assert (done.code, done.out, provider.asked[0]["model"]) == (0, "Here.\n", "other")


def test_an_unknown_model_exits_with_2(callgate: Command) -> None:
    done = callgate("run", "Who?", "--model", "nobody:x")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("settings: ")


def test_weights_that_are_absent_exit_with_3(callgate: Command) -> None:
    done = callgate("run", "Who?")
    assert (done.code, done.out) == (3, "")
    assert "callgate model pull qwen2.5-coder-1.5b" in done.err
