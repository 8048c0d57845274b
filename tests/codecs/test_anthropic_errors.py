import orjson
import pytest

from callgate.codecs import Anthropic
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

CODEC = Anthropic()
NOW = {"date": "Sun, 22 Nov 2026 10:00:00 GMT"}
LIMIT = "anthropic-ratelimit-"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRequestError),
        (401, ModelRequestError),
        (402, ModelRequestError),
        (403, ModelRequestError),
        (404, ModelRequestError),
        (413, ModelRequestError),
        (408, ModelUnavailableError),
        (409, ModelUnavailableError),
        (429, RateLimitedError),
        (500, ModelUnavailableError),
        (504, ModelUnavailableError),
        (529, ModelUnavailableError),
    ],
)
def test_a_status_decides_what_may_be_tried_again(status: int, kind: type[ModelError]):
    error = CODEC.decode_error(status, {}, b'{"error":{"message":"because"}}')
    assert type(error) is kind
    assert error.message == f"The provider answered {status}: because"


def test_what_a_program_may_want_to_know_is_in_the_details():
    inner = {
        "type": "invalid_request_error",
        "message": "m",
        "details": {"error_code": "tool_name_conflict"},
    }
    body = orjson.dumps({"type": "error", "error": inner, "request_id": "req_body"})
    headers = {"x-should-retry": "false", f"{LIMIT}tokens-remaining": "5"}
    assert CODEC.decode_error(400, headers, body).details == {
        "status": 400,
        "type": "invalid_request_error",
        "details": "{'error_code': 'tool_name_conflict'}",
        "request_id": "req_body",
        "limits": {f"{LIMIT}tokens-remaining": "5"},
        "retry": False,
    }
    assert CODEC.decode_error(400, {"request-id": "req_1"}, body).details["request_id"] == "req_1"


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[1]", b"", b'{"error":"busy"}', b"\xff"])
def test_any_body_is_told(body: bytes):
    error = CODEC.decode_error(503, {}, body)
    assert type(error) is ModelUnavailableError
    assert error.message.startswith("The provider answered 503: ")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "25"}, 25.0),
        (
            {
                f"{LIMIT}requests-remaining": "0",
                f"{LIMIT}requests-reset": "2026-11-22T10:00:07Z",
                f"{LIMIT}input-tokens-remaining": "0",
                f"{LIMIT}input-tokens-reset": "2026-11-22T10:00:30Z",
                f"{LIMIT}output-tokens-remaining": "9",
                f"{LIMIT}output-tokens-reset": "2026-11-22T11:00:00Z",
                **NOW,
            },
            30.0,
        ),
        (
            {
                "retry-after": "1",
                f"{LIMIT}tokens-remaining": "0",
                f"{LIMIT}tokens-reset": "2026-11-22T10:00:07Z",
                **NOW,
            },
            1.0,
        ),
        (
            {
                f"{LIMIT}tokens-remaining": "0",
                f"{LIMIT}tokens-reset": "2026-11-22T09:59:00Z",
                **NOW,
            },
            0.0,
        ),
        ({f"{LIMIT}tokens-remaining": "0", f"{LIMIT}tokens-reset": "soon", **NOW}, None),
        ({f"{LIMIT}tokens-remaining": "0", f"{LIMIT}tokens-reset": "2026-11-22T10:00:07Z"}, None),
        (
            {f"{LIMIT}tokens-remaining": "0", f"{LIMIT}tokens-reset": "2026-11-22T10:00:07", **NOW},
            None,
        ),
        ({f"{LIMIT}tokens-remaining": "0", **NOW}, None),
    ],
)
def test_the_seconds_to_wait_are_read_from_every_form(
    headers: dict[str, str], seconds: float | None
):
    assert CODEC.decode_error(429, headers, b"{}").retry_after == seconds
