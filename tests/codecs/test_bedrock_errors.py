import orjson
import pytest

from callgate.codecs import Bedrock
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

CODEC = Bedrock()


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "ValidationException", ModelRequestError),
        (403, "AccessDeniedException", ModelRequestError),
        (404, "ResourceNotFoundException", ModelRequestError),
        (400, "ServiceQuotaExceededException", ModelRequestError),
        (400, "ThrottlingException", RateLimitedError),
        (429, "", RateLimitedError),
        (429, "ModelNotReadyException", RateLimitedError),
        (408, "ModelTimeoutException", ModelUnavailableError),
        (424, "ModelErrorException", ModelUnavailableError),
        (500, "InternalServerException", ModelUnavailableError),
        (503, "ServiceUnavailableException", ModelUnavailableError),
        (400, "OfTomorrowException", ModelRequestError),
    ],
)
def test_the_name_of_an_exception_decides_before_the_status(
    status: int, name: str, kind: type[ModelError]
):
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/"} if name else {}
    error = CODEC.decode_error(status, headers, b'{"message":"because"}')
    assert type(error) is kind
    assert error.message == f"The provider answered {status}: because"
    assert error.details == {"status": status} | ({"type": name} if name else {})


def test_what_a_program_may_want_to_know_is_told():
    headers = {
        "x-amzn-requestid": "r-1",
        "retry-after": "3",
        "x-ratelimit-remaining-tokens": "1",
    }
    error = CODEC.decode_error(429, headers, b'{"__type":"ThrottlingException","Message":"m"}')
    assert (type(error), error.retry_after) == (RateLimitedError, 3.0)
    assert error.details == {
        "status": 429,
        "type": "ThrottlingException",
        "request_id": "r-1",
        "limits": {"x-ratelimit-remaining-tokens": "1"},
    }


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[1]", b"", b"\xff", orjson.dumps({})])
def test_any_body_is_told(body: bytes):
    error = CODEC.decode_error(503, {}, body)
    assert type(error) is ModelUnavailableError
    assert error.message.startswith("The provider answered 503: ")
