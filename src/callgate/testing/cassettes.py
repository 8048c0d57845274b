"""Records exchanges with providers into a file and plays them again: tests without a network.

Needs the extra `models` (httpx2), so `callgate.testing` does not import it. Both transports serve
`open_model(..., transport=...)` and every SDK that takes a client of httpx2, blocking or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from callgate.errors import MisuseError
from callgate.testing.tape import (
    SECRETS,
    Asked,
    Exchange,
    Redaction,
    nearest,
    secrets_in,
    written,
)

__all__ = ["SECRETS", "Player", "Recorder", "Redaction"]

_USUAL = Redaction()


class Recorder(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """Passes requests on and writes every exchange down, without secrets; see `Redaction`.

    An exchange is written when its answer has come to an end or is closed; one without an answer
    is not written.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        transport: httpx2.AsyncBaseTransport | httpx2.BaseTransport | None = None,
        redaction: Redaction = _USUAL,
    ) -> None:
        """Begin an empty cassette.

        Args:
            path: The file, one exchange per line; what it held is lost.
            transport: What carries the requests; defaults to the network.
            redaction: What is never written.
        """
        self._path = Path(path)
        self._path.write_bytes(b"")
        self._transport = transport
        self._redaction = redaction

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on; called by a client that blocks.

        Raises:
            MisuseError: The transport below is only for clients that do not block, or a binary
                body holds a secret.
        """
        below = self._transport = self._transport or httpx2.HTTPTransport()
        if not isinstance(below, httpx2.BaseTransport):
            raise MisuseError("The recorder's transport serves no client that blocks.")
        request.read()
        return self._heard(request, below.handle_request(_plain(request)))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on; called by a client that does not block.

        Raises:
            MisuseError: The transport below is only for clients that block, or a binary body
                holds a secret.
        """
        below = self._transport = self._transport or httpx2.AsyncHTTPTransport()
        if not isinstance(below, httpx2.AsyncBaseTransport):
            raise MisuseError("The recorder's transport serves only clients that block.")
        await request.aread()
        return self._heard(request, await below.handle_async_request(_plain(request)))

    def close(self) -> None:
        """Close the transport below."""
        if isinstance(self._transport, httpx2.BaseTransport):
            self._transport.close()

    async def aclose(self) -> None:
        """Close the transport below."""
        if isinstance(self._transport, httpx2.AsyncBaseTransport):
            await self._transport.aclose()

    def _heard(self, request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        asked = _asked(request, self._redaction)

        def write(body: bytes) -> None:
            # Without its compression, so that the cassette can be read and redacted.
            whole = httpx2.Response(answer.status_code, headers=answer.headers, content=body)
            secrets = secrets_in(request.headers)
            line = written(
                asked,
                self._redaction.kept(request.headers, secrets),
                status=answer.status_code,
                headers=self._redaction.kept(answer.headers, secrets),
                body=self._redaction.body(whole.content, secrets),
            )
            with self._path.open("ab") as file:
                file.write(line)

        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_Copied(answer.stream, write),
            extensions=answer.extensions,
        )


class Player(httpx2.AsyncBaseTransport, httpx2.BaseTransport):
    """Answers from a cassette: every recorded exchange once, to exactly the request it was.

    Host and headers of a request do not count, method, path, query and body do. Of equal requests
    the first gets the answer that was recorded first.
    """

    def __init__(self, path: Path | str, *, redaction: Redaction = _USUAL) -> None:
        """Read a cassette.

        Args:
            path: The file that a `Recorder` wrote.
            redaction: The same as when it was recorded.

        Raises:
            MisuseError: The file is no cassette.
        """
        self._path = Path(path)
        self._redaction = redaction
        self._exchanges = _read(self._path)
        self._left = list(range(len(self._exchanges)))

    @property
    def unplayed(self) -> int:
        """How many exchanges were not asked for yet."""
        return len(self._left)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; called by a client that blocks.

        Raises:
            MisuseError: The request was not recorded, or not that often.
        """
        request.read()
        return self._answer(request)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; called by a client that does not block.

        Raises:
            MisuseError: As `handle_request`.
        """
        await request.aread()
        return self._answer(request)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        asked = _asked(request, self._redaction)
        for place in self._left:
            exchange = self._exchanges[place]
            if exchange.asked.same(asked):
                self._left.remove(place)
                return httpx2.Response(
                    exchange.status, headers=dict(exchange.headers), content=exchange.body
                )
        raise self._unknown(asked)

    def _unknown(self, asked: Asked) -> MisuseError:
        sentence = f"{self._path.name} has no answer to {asked.method} {asked.target}"
        found = nearest(asked, [exchange.asked for exchange in self._exchanges])
        if found is None:
            return MisuseError(f"{sentence}: it holds no exchange.")
        place, differences = found
        played = "" if place in self._left else " and was played already"
        how = "; ".join(differences) or "the same"
        return MisuseError(
            f"{sentence}. The nearest is exchange {place + 1} of {len(self._exchanges)}{played}: "
            f"{how}.",
            details={"nearest": place + 1, "differences": differences},
        )


class _Copied(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    """A stream that is told whole, once it is closed, to whoever wants to know."""

    def __init__(self, stream: Any, tell: Callable[[bytes], None]) -> None:
        self._stream = stream
        self._tell = tell
        self._heard = bytearray()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._heard += chunk
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._heard += chunk
            yield chunk

    def close(self) -> None:
        self._stream.close()
        self._tell(bytes(self._heard))

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._tell(bytes(self._heard))


def _plain(request: httpx2.Request) -> httpx2.Request:
    """Ask for an answer that is not compressed: a cut one could not be read."""
    request.headers["accept-encoding"] = "identity"
    return request


def _asked(request: httpx2.Request, redaction: Redaction) -> Asked:
    return Asked.of(
        redaction,
        method=request.method,
        target=request.url.raw_path.decode("ascii"),
        headers=request.headers,
        body=request.content,
    )


def _read(path: Path) -> list[Exchange]:
    exchanges: list[Exchange] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            exchanges.append(Exchange.read(line))
        except ValueError as exc:
            raise MisuseError(f"Line {number} of {path.name} is no recorded exchange.") from exc
    return exchanges
