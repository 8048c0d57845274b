"""What a cassette holds: one request and its answer, without secrets, as one line of JSON. Pure."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import orjson

from callgate.contract.secrets import SECRETS
from callgate.errors import MisuseError

__all__ = ["SECRETS", "Exchange", "Redaction"]

MARK = "[redacted]"
"""What stands where a secret stood."""

_KEPT = re.compile(
    r"content-type|accept|date|retry-after(-ms)?|x-should-retry|(x-)?request-id"
    r"|x-amzn-(requestid|errortype)|anthropic-(version|beta)|(x|anthropic)-ratelimit-.+"
)
_SECRET_PARAMETER = re.compile(r"(?i).*(key|token|secret|signature|credential|password).*")
_SECRET_HEADER = re.compile(r"(?i)(proxy-)?authorization|cookie|.*(key|token|secret).*")
_BETWEEN = re.compile(r"[\s,]+|(?:Signature|Credential)=")
_BETWEEN_COOKIES = re.compile(r"[\s;=]+")
_NO_SECRETS = ("AWS4-", "SignedHeaders=")
_LEAST = 8
_SHOWN = 80
_DIFFERENCES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What of an exchange is never written.

    Headers are left out but for a few that are known to hold no secret. What the left out headers
    of a request held (keys, tokens, signatures) is replaced wherever it stands, and so is whatever
    a pattern matches, in addresses and in the bodies of requests and answers.

    Attributes:
        patterns: Replaced by `[redacted]`; defaults to `SECRETS`.
        headers: Names of further headers to keep, in lower case.
    """

    patterns: tuple[re.Pattern[str], ...] = SECRETS
    headers: frozenset[str] = field(default_factory=frozenset[str])

    def text(self, text: str, secrets: Iterable[str] = ()) -> str:
        """Return a text without the secrets."""
        for secret in secrets:
            text = text.replace(secret, MARK)
        for pattern in self.patterns:
            text = pattern.sub(MARK, text)
        return text

    def kept(self, headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
        """Return the headers that are written, names in lower case."""
        return {
            name: self.text(value, secrets)
            for name, value in ((name.lower(), value) for name, value in headers.items())
            if _KEPT.fullmatch(name) or name in self.headers
        }

    def body(self, data: bytes, secrets: Iterable[str]) -> dict[str, Any]:
        """Return the written form of a body: `text`, or `base64` for what is not UTF-8.

        Raises:
            MisuseError: A body that is not text holds a secret: it cannot be replaced there
                without breaking what surrounds it.
        """
        try:
            return {"text": self.text(data.decode(), secrets)}
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        if self.text(text, secrets) != text:
            raise MisuseError("A binary body holds a secret; the exchange is not recorded.")
        return {"base64": b64encode(data).decode()}

    def target(self, target: str, secrets: Iterable[str]) -> str:
        """Return path and query of an address."""
        path, mark, query = target.partition("?")
        pairs = [
            (name, MARK if _SECRET_PARAMETER.fullmatch(name) else value)
            for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        return self.text(f"{path}{mark}{urlencode(pairs, safe='[]')}", secrets)


def secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of a request's headers that prove who asks, the longest first."""
    words = {
        word
        for name, value in headers.items()
        if _SECRET_HEADER.fullmatch(name)
        for word in (_BETWEEN_COOKIES if name.lower() == "cookie" else _BETWEEN).split(value)
        if len(word) >= _LEAST and not word.startswith(_NO_SECRETS)
    }
    spellings = {form for word in words for form in (word, word.replace("/", "\\/"))}
    return tuple(sorted(spellings, key=len, reverse=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as far as it decides which recorded answer it gets.

    Attributes:
        method: Such as `POST`.
        target: Path and query; the host does not count, so that a recording plays anywhere.
        body: The JSON value, or `{"text": ...}` or `{"base64": ...}` for what is not JSON.
    """

    method: str
    target: str
    body: Any

    @classmethod
    def of(
        cls,
        redaction: Redaction,
        *,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Asked:
        """Return a request without its secrets.

        Raises:
            MisuseError: As `Redaction.body`.
        """
        secrets = secrets_in(headers)
        written = redaction.body(body, secrets)
        try:
            value = orjson.loads(written.get("text", ""))
        except orjson.JSONDecodeError:
            value = written
        return cls(method=method, target=redaction.target(target, secrets), body=value)

    def same(self, other: Asked) -> bool:
        """Whether it is the same request; a body's fields may come in any order."""
        return next(self.differences(other), None) is None

    def differences(self, other: Asked) -> Iterator[str]:
        """Say where `other` differs, one place after the other."""
        yield from _differences("method", self.method, other.method)
        yield from _differences("address", self.target, other.target)
        yield from _differences("$", self.body, other.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer, without secrets.

    Attributes:
        asked: The request.
        status: The answer's HTTP status.
        headers: Its headers, as far as they are kept.
        body: Its body.
    """

    asked: Asked
    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def read(cls, line: bytes) -> Exchange:
        """Read one line of a cassette.

        Raises:
            ValueError: It is none.
        """
        try:
            data = orjson.loads(line)
            asked, answer = data["request"], data["response"]
            body = answer["body"]
            return cls(
                asked=Asked(method=asked["method"], target=asked["target"], body=asked["body"]),
                status=answer["status"],
                headers=answer["headers"],
                body=b64decode(body["base64"]) if "base64" in body else body["text"].encode(),
            )
        except (KeyError, TypeError) as exc:
            raise ValueError(f"no exchange: {exc!r}") from exc


def written(
    asked: Asked, sent: Mapping[str, str], *, status: int, headers: Mapping[str, str], body: Any
) -> bytes:
    """Return the line of an exchange; everything in it is without secrets already."""
    return orjson.dumps(
        {
            "request": {
                "method": asked.method,
                "target": asked.target,
                "headers": sent,
                "body": asked.body,
            },
            "response": {"status": status, "headers": headers, "body": body},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def nearest(asked: Asked, recorded: Iterable[Asked]) -> tuple[int, list[str]] | None:
    """Return the place of the recorded request that is most like `asked`, and where they differ.

    Only the first differences are told; None if nothing is recorded.
    """
    counted = [
        (sum(1 for _ in one.differences(asked)), place, one) for place, one in enumerate(recorded)
    ]
    if not counted:
        return None
    _, place, one = min(counted, key=lambda entry: entry[:2])
    return place, list(islice(one.differences(asked), _DIFFERENCES))


_NOTHING = object()


def _differences(place: str, recorded: Any, asked: Any) -> Iterator[str]:
    inner = _inner(place, recorded, asked)
    if inner is not None:
        for one in inner:
            yield from _differences(*one)
    # 1 is True and 1.0 to Python, but not to a provider.
    elif type(recorded) is not type(asked) or recorded != asked:
        yield f"{place} is {_shown(recorded)} there and {_shown(asked)} here"


def _inner(place: str, recorded: Any, asked: Any) -> list[tuple[str, Any, Any]] | None:
    """Return the values inside two objects or two arrays, side by side; None for others."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        left, right = cast("dict[str, Any]", recorded), cast("dict[str, Any]", asked)
        return [
            (f"{place}.{name}", left.get(name, _NOTHING), right.get(name, _NOTHING))
            for name in dict.fromkeys((*left, *right))
        ]
    if isinstance(recorded, list) and isinstance(asked, list):
        pairs = zip_longest(
            cast("list[Any]", recorded), cast("list[Any]", asked), fillvalue=_NOTHING
        )
        return [(f"{place}[{index}]", one, other) for index, (one, other) in enumerate(pairs)]
    return None


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "absent"
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
