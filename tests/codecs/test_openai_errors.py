import orjson
import pytest

from callgate.codecs import by_name
from callgate.codecs.openai_errors import error_in_stream
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

CODEC = by_name("openai")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRequestError),
        (401, ModelRequestError),
        (404, ModelRequestError),
        (307, ModelRequestError),
        (408, ModelUnavailableError),
        (409, ModelUnavailableError),
        (429, RateLimitedError),
        (500, ModelUnavailableError),
        (503, ModelUnavailableError),
        (529, ModelUnavailableError),
    ],
)
def test_the_status_decides_the_kind(status: int, kind: type[ModelError]):
    error = CODEC.decode_error(status, {}, b'{"error":{"message":"no"}}')
    assert type(error) is kind
    assert error.message == f"The provider answered {status}: no"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":"out of memory"}', "out of memory"),
        (b'[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]', "bad"),
        (b'{"message":"no such model"}', "no such model"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b"<html>502 Bad Gateway</html>", "<html>502 Bad Gateway</html>"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"", "without a word"),
        (b"[]", "without a word"),
        (b'{"error":{}}', "without a word"),
    ],
)
def test_the_words_are_found_in_every_known_shape(body: bytes, words: str):
    assert CODEC.decode_error(502, {}, body).message == f"The provider answered 502: {words}"


def test_long_words_are_bounded():
    error = CODEC.decode_error(400, {}, orjson.dumps({"error": {"message": "x" * 10_000}}))
    assert len(error.message) < 600


def test_a_used_up_quota_is_not_tried_again_but_a_rate_is():
    quota = CODEC.decode_error(429, {}, b'{"error":{"code":"insufficient_quota"}}')
    rate = CODEC.decode_error(429, {"retry-after": "3"}, b'{"error":{"code":"rate"}}')
    assert (quota.retryable, quota.retry_after) == (False, None)
    assert (rate.retryable, rate.retry_after) == (True, 3.0)


def test_what_a_program_may_want_to_know_is_in_the_details():
    body = orjson.dumps(
        {
            "error": {
                "message": "m",
                "code": "tool_use_failed",
                "type": "invalid_request_error",
                "param": None,
                "failed_generation": "<function=x>",
                "metadata": {"provider_name": "Google"},
            }
        }
    )
    headers = {
        "x-request-id": "req_1",
        "x-should-retry": "false",
        "x-ratelimit-remaining-tokens": "1",
    }
    assert CODEC.decode_error(400, headers, body).details == {
        "status": 400,
        "code": "tool_use_failed",
        "type": "invalid_request_error",
        "failed_generation": "<function=x>",
        "metadata": "{'provider_name': 'Google'}",
        "request_id": "req_1",
        "limits": {"x-ratelimit-remaining-tokens": "1"},
        "retry": False,
    }


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "code": 429}, RateLimitedError),
        ({"message": "x", "code": 7}, ModelUnavailableError),
        ({"message": "x", "type": "invalid_request_error"}, ModelRequestError),
        ({"message": "x", "code": "rate_limit_exceeded"}, RateLimitedError),
        ({"message": "x", "status_code": 503, "code": "tool_use_failed"}, ModelUnavailableError),
        ({"message": "x"}, ModelUnavailableError),
        ("x", ModelUnavailableError),
    ],
)
def test_an_error_inside_a_stream_is_of_its_kind_too(error: object, kind: type[ModelError]):
    got = error_in_stream(error)
    assert type(got) is kind
    assert got.message.endswith(": x")
