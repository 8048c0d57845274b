"""When a provider wants to be asked again, from the headers of its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

__all__ = ["rate_limits", "retry_after", "should_retry"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_REMAINING = "x-ratelimit-remaining-"
_RESET = "x-ratelimit-reset-"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that the headers name; None if they name none.

    Args:
        headers: HTTP headers, names in lower case. A date is read against their own `date`, so
            that the clocks of both sides need not agree.
    """
    thousandths = _number(headers.get("retry-after-ms", ""))
    if thousandths is not None:
        return thousandths / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is None:
        seconds = _until(text, headers.get("date", ""))
    return _reset(headers) if seconds is None else seconds


def rate_limits(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell a provider's rate limits, as they came."""
    return {name: value for name, value in headers.items() if "ratelimit-" in name}


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """Return what the provider says about another try; None if it says nothing."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


def _number(text: str) -> float | None:
    # isdecimal() is false for "inf", "nan", signs and exponents, which float() would take.
    return float(text) if text.replace(".", "", 1).isdecimal() and text.isascii() else None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def _until(text: str, now: str) -> float | None:
    then, start = _date(text), _date(now)
    if then is None or start is None or (then.tzinfo is None) != (start.tzinfo is None):
        return None
    return max(0.0, (then - start).total_seconds())


def _reset(headers: Mapping[str, str]) -> float | None:
    """Return when the limits that are used up are reset, such as `6m0s` or `12ms`."""
    spans = [
        _seconds(headers.get(_RESET + name.removeprefix(_REMAINING), ""))
        for name, left in headers.items()
        if name.startswith(_REMAINING) and left == "0"
    ]
    return max((span for span in spans if span is not None), default=None)


def _seconds(text: str) -> float | None:
    if not re.fullmatch(rf"(?:{_SPAN.pattern})+", text):
        return None
    return sum(float(count) * _UNITS[unit] for count, unit in _SPAN.findall(text))
