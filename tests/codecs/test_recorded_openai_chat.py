"""Every recorded exchange on the wire of OpenAI Chat Completions is read without loss and back.

Calls, cuts of streams, history and tools are compared by the replay in tests/testing; here stands
what else there is to a recording.
"""

from pathlib import Path

import orjson

from callgate.codecs import by_name
from callgate.errors import ModelRequestError, RateLimitedError
from callgate.messages import ModelResponse
from tests.codecs.recorded import (
    FILES,
    Exchange,
    answered,
    cut,
    events,
    exchanges,
    response_of,
)

CODEC = by_name("openai")


def decoded(item: Exchange, size: int = 4096) -> ModelResponse:
    if "response" in item:
        return CODEC.decode_response(item["response"])
    chunks = cut(item["response_sse"].encode(), size)
    return response_of(events(CODEC.decoder(), chunks))


def test_text_usage_and_model_are_those_of_the_response(data_dir: Path):
    for item in answered(data_dir):
        if "response" not in item:
            continue
        raw, response = item["response"], decoded(item)
        message = raw["choices"][0]["message"]
        assert response.message.text == (message.get("content") or "")
        assert response.model == raw["model"]
        assert response.usage.input == raw["usage"]["prompt_tokens"]
        assert response.usage.output == raw["usage"]["total_tokens"] - response.usage.input


# ------------------------------------------------------------------ errors


def test_recorded_errors_are_of_the_right_kind_and_keep_the_providers_words(data_dir: Path):
    checked = 0
    for name in FILES:
        for item in exchanges(data_dir, name):
            if item["status"] == 200:
                continue
            headers = item.get("headers") or {}
            body = orjson.dumps(item["response"])
            error = CODEC.decode_error(item["status"], headers, body)
            assert type(error) is (RateLimitedError if item["status"] == 429 else ModelRequestError)
            assert item["response"]["error"]["message"][:200] in error.message
            assert error.details["status"] == item["status"]
            assert error.details.get("request_id") == headers.get("x-request-id")
            checked += 1
    assert checked == 18
