import pytest

from callgate.codecs.limits import rate_limits, retry_after, should_retry

NOW = {"date": "Sun, 22 Nov 2026 10:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "2", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", **NOW}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", **NOW}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 -0000", **NOW}, None),
        ({"retry-after": "soon", **NOW}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "."}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1m2.5s",
                "x-ratelimit-remaining-tokens": "17",
                "x-ratelimit-reset-tokens": "9h",
            },
            62.5,
        ),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12ms"}, 0.012),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "later"}, None),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "12ms"}, None),
    ],
)
def test_the_seconds_to_wait_are_read_from_every_form(
    headers: dict[str, str], seconds: float | None
):
    assert retry_after(headers) == seconds


def test_rate_limits_are_kept_as_they_came():
    headers = {"x-ratelimit-limit-tokens": "40", "content-type": "x", "date": "y"}
    assert rate_limits(headers) == {"x-ratelimit-limit-tokens": "40"}


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("False", False), ("", None), ("perhaps", None)]
)
def test_the_provider_may_say_whether_to_try_again(value: str, expected: bool | None):
    assert should_retry({"x-should-retry": value}) is expected
