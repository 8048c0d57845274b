"""AWS Signature Version 4: `sign` is pure; `AwsKey` signs the requests of a client with it.

Needs the extra `models` (httpx2). The own signer spares botocore (14 MB and 0.3 s of imports) for
what are three hashes; the tests hold it to AWS's published vectors and to botocore.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

import httpx2

from callgate.agents.keys import Secret

__all__ = ["AwsKey", "Credentials", "Signable", "sign"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who signs, and for which service; the secrets are in no representation.

    Attributes:
        id: The access key's id.
        secret: The access key.
        token: The session's token; empty for long-lived keys.
        region: Such as `eu-central-1`.
        service: Such as `bedrock`.
    """

    id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    region: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signable:
    """The parts of a request that a signature covers.

    Attributes:
        method: Such as `POST`.
        path: The path as it is sent, percent-encoded.
        query: The query as it is sent, without `?`.
        headers: The headers to sign, names in lower case; must hold `host`.
        body: The body as it is sent.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str]
    body: bytes = b""


def sign(request: Signable, credentials: Credentials, now: datetime) -> dict[str, str]:
    """Return the headers that make a request a signed one.

    Args:
        request: What is signed.
        credentials: Who signs.
        now: The time of the signature; AWS takes it for five minutes.
    """
    now = now.astimezone(UTC)
    added = {"x-amz-date": now.strftime("%Y%m%dT%H%M%SZ")}
    if credentials.token:
        added["x-amz-security-token"] = credentials.token
    headers = dict(sorted({**request.headers, **added}.items()))
    names = ";".join(headers)
    scope = f"{now:%Y%m%d}/{credentials.region}/{credentials.service}/aws4_request"
    told = "\n".join(
        (_ALGORITHM, added["x-amz-date"], scope, _digest(_canonical(request, headers).encode()))
    )
    signature = hmac.new(_key(credentials, now), told.encode(), hashlib.sha256).hexdigest()
    added["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.id}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return added


def _canonical(request: Signable, headers: Mapping[str, str]) -> str:
    pairs = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(request.query, keep_blank_values=True)
    )
    return "\n".join(
        (
            request.method,
            # All services but S3 encode the encoded path once more.
            quote(request.path or "/", safe="/" + _UNRESERVED),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(value.split())}" for name, value in headers.items()),
            "",
            ";".join(headers),
            _digest(request.body),
        )
    )


def _key(credentials: Credentials, now: datetime) -> bytes:
    key = f"AWS4{credentials.secret}".encode()
    for part in (f"{now:%Y%m%d}", credentials.region, credentials.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)


class AwsKey(Secret):
    """Signs every request, every attempt anew; neither the keys nor a signature are shown."""

    requires_request_body = True

    def __init__(
        self, credentials: Credentials, *, source: str, now: Callable[[], datetime] = _now
    ) -> None:
        """Keep the credentials.

        Args:
            credentials: Who signs.
            source: Where they are from; this may be shown.
            now: Tells the time.

        Raises:
            SettingsError: One of them is empty, or no header can carry it.
        """
        token = (credentials.token,) if credentials.token else ()
        super().__init__(credentials.secret, credentials.id, *token, source=source)
        self._credentials = credentials
        self._now = now

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Put the signature into a request."""
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        signable = Signable(
            method=request.method,
            path=path,
            query=query,
            headers={name: request.headers[name] for name in ("host", "content-type")},
            body=request.content,
        )
        request.headers.update(sign(signable, self._credentials, self._now()))
        yield request

    def hide(self, data: bytes, request: httpx2.Request) -> bytes:
        """Return bytes of an answer without the keys and without the request's signature."""
        _, _, signature = request.headers["authorization"].rpartition("Signature=")
        return super().hide(data.replace(signature.encode(), self.MARK), request)
