"""A model behind HTTP: moves the bytes that a codec writes and reads.

Needs the extra `models` (httpx2). Whatever goes wrong becomes one of our model errors here; the
key appears in none of them, nor in any representation or log line.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace

import httpx2

from callgate.agents.endpoint import Endpoint, endpoint_of
from callgate.agents.keys import Key, Secret
from callgate.agents.patience import Retries, TimeOuts
from callgate.codecs import Frame, Noting, StreamDecoder
from callgate.codecs.json_text import read
from callgate.errors import ModelError, ModelStreamError, ModelUnavailableError
from callgate.messages import (
    CallDelta,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ResponseDone,
    TextDelta,
)

__all__ = ["Endpoint", "HttpModel", "Key", "Retries", "Secret", "TimeOuts", "endpoint_of"]

_ANSWER_BYTES = 64 * 1024 * 1024
_REFUSAL_BYTES = 64 * 1024
_HEADERS = {"content-type": "application/json", "user-agent": "callgate"}
_DRAIN_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A request, ready to be sent any number of times."""

    body: bytes
    names: Mapping[str, str]
    notes: tuple[str, ...]
    stream: bool


class HttpModel:
    """A model behind HTTP; see `Model`.

    Connections are opened when first needed and belong to the event loop that needs them; after
    `close`, or in another loop, new ones are opened.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        timeouts: TimeOuts | None = None,
        retries: Retries | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Keep how to reach the model; nothing is opened yet.

        Args:
            name: Our full name of the model, such as `openai:gpt-6-sol`.
            endpoint: Where it is.
            timeouts: Defaults to `TimeOuts()`.
            retries: Defaults to `Retries()`.
            sleep: Waits some seconds.
            draw: Returns a random number from 0 to 1.
            transport: What carries the requests; defaults to the network.
        """
        self._name = name
        self._endpoint = endpoint
        # To parse a URL costs as much as to write a request.
        self._addresses = {flag: endpoint.address(stream=flag) for flag in (False, True)}
        self._timeouts = timeouts or TimeOuts()
        self._retries = retries or Retries()
        self._sleep = sleep
        self._draw = draw
        self._transport = transport
        self._encoder = endpoint.codec.encoder(endpoint.model)
        self._client: httpx2.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"HttpModel({self._name!r}, url={self._endpoint.url!r})"

    @property
    def name(self) -> str:
        """Our full name of the model."""
        return self._name

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer at once.

        Raises:
            ModelError: The model did not answer, also after retries.
        """
        written = self._write(request, stream=False)
        attempt = 1
        while True:
            try:
                return await self._whole(written)
            except ModelError as error:
                await self._pause(error, attempt)
            attempt += 1

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Answer piece by piece; ends with `ResponseDone`.

        A request is made again only if nothing of its answer was given out.

        Raises:
            ModelError: The model did not answer, or not to the end; for the latter
                `details["received"]` holds what had come.
        """
        written = self._write(request, stream=True)
        attempt = 1
        while True:
            given = False
            try:
                async with aclosing(self._events(written)) as events:
                    async for event in events:
                        given = True
                        yield event
            except ModelError as error:
                if given:
                    raise
                await self._pause(error, attempt)
            else:
                return
            attempt += 1

    async def close(self) -> None:
        """Let connections go."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _write(self, request: ModelRequest, *, stream: bool) -> _Written:
        return _Written(
            body=self._encoder.encode(request, stream=stream),
            names=self._encoder.names(request.tools),
            notes=self._notes(request),
            stream=stream,
        )

    def _notes(self, request: ModelRequest) -> tuple[str, ...]:
        codec = self._endpoint.codec
        if isinstance(codec, Noting):
            return codec.notes(request, model=self._endpoint.model)
        return ()

    async def _pause(self, error: ModelError, attempt: int) -> None:
        """Wait for the next attempt, or raise `error` if there is none."""
        seconds = self._retries.pause(error, attempt, self._draw())
        if seconds is None:
            error.details = {**error.details, "attempts": attempt}
            raise error
        await self._sleep(seconds)

    # --- one attempt ------------------------------------------------------------------------

    async def _whole(self, written: _Written) -> ModelResponse:
        async with self._exchange(written) as answer:
            return await self._read_whole(answer, written)

    async def _read_whole(self, answer: httpx2.Response, written: _Written) -> ModelResponse:
        body, failure = await _body(answer, _ANSWER_BYTES)
        if len(body) > _ANSWER_BYTES:
            raise self._too_long()
        body = self._hidden(body, answer)
        if failure is not None:
            received = {"text": body.decode("utf-8", "replace")}
            raise self._cut(failure, received) from _bare(failure)
        response = self._endpoint.codec.decode_response(
            read(body, f"The answer of {self._name}"),
            model=self._endpoint.model,
            names=written.names,
        )
        return _noted(response, written)

    async def _events(self, written: _Written) -> AsyncGenerator[ModelEvent, None]:
        async with self._exchange(written) as answer:
            if answer.headers.get("content-type", "").startswith("application/json"):
                # A server that does not stream answers whole.
                for event in _pieces(await self._read_whole(answer, written)):
                    yield event
                return
            decoder = self._endpoint.codec.decoder(model=self._endpoint.model, names=written.names)
            async with aclosing(self._frames(answer, decoder)) as frames:
                async for frame in frames:
                    for event in decoder.feed(frame):
                        if isinstance(event, ResponseDone):
                            await _drain(frames)
                        yield _noted_event(event, written)
            for event in decoder.close():
                yield _noted_event(event, written)

    async def _frames(
        self, answer: httpx2.Response, decoder: StreamDecoder
    ) -> AsyncGenerator[Frame, None]:
        framer = self._endpoint.codec.framer()
        size = 0
        try:
            async for chunk in answer.aiter_bytes():
                size += len(chunk)
                if size > _ANSWER_BYTES:
                    raise self._too_long()
                for frame in framer.feed(chunk):
                    yield Frame(frame.event, self._hidden(frame.data, answer))
        except httpx2.RequestError as exc:
            raise self._cut(exc, decoder.received()) from _bare(exc)
        except ModelStreamError as error:
            error.details = {**error.details, "received": decoder.received()}
            raise

    @asynccontextmanager
    async def _exchange(self, written: _Written) -> AsyncGenerator[httpx2.Response, None]:
        """Send a request; the body of the answer is still to be read."""
        client = self._connected()
        request = client.build_request(
            "POST",
            self._addresses[written.stream],
            content=written.body,
        )
        try:
            answer = await client.send(request, stream=True, auth=self._endpoint.key)
        except httpx2.RequestError as exc:
            raise ModelUnavailableError(
                f"{self._name} cannot be reached at {self._endpoint.url}: {_told(exc)}"
            ) from _bare(exc)
        try:
            if not answer.is_success:
                raise await self._refused(answer)
            yield answer
        finally:
            await answer.aclose()

    async def _refused(self, answer: httpx2.Response) -> ModelError:
        # Half an explanation is better than none, so it matters not whether it came to its end.
        body, _ = await _body(answer, _REFUSAL_BYTES)
        return self._endpoint.codec.decode_error(
            answer.status_code, dict(answer.headers), self._hidden(body, answer)
        )

    def _connected(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = self._opened(), loop
        return self._client

    def _opened(self) -> httpx2.AsyncClient:
        times = self._timeouts
        return httpx2.AsyncClient(
            headers={**_HEADERS, **self._endpoint.headers},
            timeout=httpx2.Timeout(
                connect=times.connect, read=times.read, write=times.write, pool=times.pool
            ),
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
            # Loading the certificates costs 18 ms; a plain context trusts nobody.
            verify=True
            if self._endpoint.url.startswith("https://")
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            transport=self._transport,
            # A proxy does not lead to this machine.
            trust_env=not self._endpoint.is_here,
        )

    def _hidden(self, data: bytes, answer: httpx2.Response) -> bytes:
        key = self._endpoint.key
        return data if key is None else key.hide(data, answer.request)

    def _cut(self, exc: httpx2.RequestError, received: object) -> ModelStreamError:
        return ModelStreamError(
            f"The answer of {self._name} was cut: {_told(exc)}", details={"received": received}
        )

    def _too_long(self) -> ModelStreamError:
        return ModelStreamError(f"The answer of {self._name} has more than {_ANSWER_BYTES} bytes.")


async def _body(answer: httpx2.Response, limit: int) -> tuple[bytes, httpx2.RequestError | None]:
    """Return what comes of a body, and what went wrong; stops once it has more than `limit` bytes.

    It does not raise, because its frame holds what is not hidden yet.
    """
    body = bytearray()
    try:
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > limit:
                break
    except httpx2.RequestError as exc:
        return bytes(body), exc
    return bytes(body), None


def _bare(exc: httpx2.RequestError) -> httpx2.RequestError:
    """Return an error without the frames it passed: their variables hold the headers."""
    exc.__cause__ = exc.__context__ = None
    return exc.with_traceback(None)


def _told(exc: httpx2.RequestError) -> str:
    return f"{type(exc).__name__} {exc}".strip()


def _noted(response: ModelResponse, written: _Written) -> ModelResponse:
    return replace(response, notes=written.notes) if written.notes else response


def _noted_event(event: ModelEvent, written: _Written) -> ModelEvent:
    if written.notes and isinstance(event, ResponseDone):
        return ResponseDone(response=_noted(event.response, written))
    return event


def _pieces(response: ModelResponse) -> list[ModelEvent]:
    """Return the events of a response that came whole."""
    events: list[ModelEvent] = []
    if text := response.message.text:
        events.append(TextDelta(text=text))
    events += [
        CallDelta(
            index=index,
            id=call.id,
            name=call.name,
            arguments=call.arguments if isinstance(call.arguments, str) else "",
        )
        for index, call in enumerate(response.message.calls)
    ]
    return [*events, ResponseDone(response=response)]


async def _drain(frames: AsyncGenerator[Frame, None]) -> None:
    """Read to the end of a finished answer, so that its connection serves the next request."""
    with suppress(TimeoutError, ModelStreamError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in frames:
                pass
