"""Where a model behind HTTP is, the key it wants, and how patient we are with it.

Needs the extra `models` (httpx2).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx2

from callgate.codecs import Codec, OpenAIChat
from callgate.errors import ModelError, SettingsError

__all__ = ["Endpoint", "Key", "Retries", "TimeOuts"]

_HIDDEN = b"[key]"


class Key(httpx2.Auth):
    """A secret that is written into requests and shown nowhere.

    It is set while a request is on its way, so that no variable of ours ever holds a header.
    """

    def __init__(self, value: str, *, source: str) -> None:
        """Keep the secret.

        Args:
            value: The secret.
            source: Where it is from, such as the name of a variable; this may be shown.

        Raises:
            SettingsError: It is empty, or no header can carry it.
        """
        if not value or not value.isascii() or not value.isprintable():
            raise SettingsError(
                f"{source} holds no key: it is empty, or has characters that no key has.",
                details={"key": source},
            )
        self._value = value
        self._source = source

    def __repr__(self) -> str:
        return f"Key(source={self._source!r})"

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Put the secret into a request."""
        request.headers["Authorization"] = f"Bearer {self._value}"
        yield request

    def hide(self, data: bytes) -> bytes:
        """Return bytes of an answer without the secret: some servers repeat it in an error."""
        return data.replace(self._value.encode(), _HIDDEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOuts:
    """How long a request may be silent; a run's own deadline bounds the whole.

    Attributes:
        connect: Seconds until a connection stands.
        read: Seconds between two pieces of an answer; a model may think that long.
        write: Seconds between two pieces of a request.
        pool: Seconds until one of the client's connections is free.
    """

    connect: float = 10.0
    read: float = 300.0
    write: float = 60.0
    pool: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and when a failed request is made again.

    The pause is drawn evenly between 0 and `first * 2**n` seconds (full jitter), but is at least
    what the provider asks for.

    Attributes:
        attempts: Requests made in all; 1 means no retry.
        first: Seconds that the first pause has at most.
        most: Seconds that any drawn pause has at most.
        longest: Seconds the provider may ask for; for more, the request fails at once.
    """

    attempts: int = 3
    first: float = 0.5
    most: float = 8.0
    longest: float = 60.0

    def pause(self, error: ModelError, attempt: int, draw: float) -> float | None:
        """Return the seconds to wait after a failure; None to give up.

        Args:
            error: Why the attempt failed.
            attempt: Which one it was; starts at 1.
            draw: A random number from 0 to 1.
        """
        if attempt >= self.attempts or not error.details.get("retry", error.retryable):
            return None
        drawn = draw * min(self.most, self.first * 2 ** (attempt - 1))
        asked = error.retry_after or 0.0
        return None if asked > self.longest else max(asked, drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which model at which address, and how it is spoken to.

    Attributes:
        url: Base URL, such as `https://api.openai.com/v1`.
        model: The model's name there.
        codec: The wire; defaults to OpenAI Chat Completions.
        key: The secret; None sends none.

    Raises:
        SettingsError: The URL is not one, or holds a secret, a query or a fragment.
    """

    url: str
    model: str
    codec: Codec = field(default_factory=OpenAIChat)
    key: Key | None = None

    def __post_init__(self) -> None:
        try:
            url = httpx2.URL(self.url)
        except httpx2.InvalidURL:
            raise SettingsError("The base URL of a model is not a URL.") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise SettingsError("The base URL of a model starts with http:// or https://.")
        if url.userinfo or url.query or url.fragment:
            # Not repeated here: what stands there may be secret.
            raise SettingsError(
                f"The base URL of a model at {url.host} has more than scheme, host, port and "
                "path. A key belongs into an environment variable."
            )

    def address(self, *, stream: bool) -> httpx2.URL:
        """Return the URL of a request."""
        return httpx2.URL(self.url.rstrip("/") + self.codec.path(self.model, stream=stream))

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine."""
        host = httpx2.URL(self.url).host
        if host == "localhost":
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False
