"""What a server wants to know from a person: from its question to `Pending`, and back.

In the stateless era a question is a result, and its state travels with the `Pending`: any process
can go on. In the old era a server asks while the call is running; the call stays open for as long
as `McpServer.hold` says, in this process, and `OpenCalls` knows which call a question belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from callgate.codecs.foreign import bounded, clean_value
from callgate.codecs.mcp import Asks
from callgate.errors import DefinitionError, ResultError, ToolFailedError
from callgate.schema.check import Checker
from callgate.types import JsonSchema, Pending

__all__ = ["OpenCall", "OpenCalls", "answers", "pending_of", "replied"]

Json: TypeAlias = Mapping[str, Any]

_PROMPT = 2_000  # characters of a question that a person is shown
_STATE = 262_144  # characters of a server's state that travel with a waiting call
_REFUSE = ("decline", "cancel")
_AGREE = ("accept", *_REFUSE)


def pending_of(name: str, asks: Asks, *, note: str = "") -> Pending:
    """Return what a call waits for.

    Args:
        name: Our name of the tool.
        asks: What the server asks.
        note: What a person is told first, such as what was wrong with an earlier answer.

    Raises:
        ResultError: The server asks for something that no person can answer.
    """
    if len(asks.state or "") > _STATE:
        raise ResultError(f"{name}: the server's state is longer than {_STATE} characters.")
    read = {key: _question(name, request) for key, request in asks.requests.items()}
    kinds = {kind for kind, _, _ in read.values()}
    prompts = [prompt for _, prompt, _ in read.values()]
    schemas = {key: schema for key, (_, _, schema) in read.items()}
    return Pending(
        kind=kinds.pop() if len(kinds) == 1 else "elicitation",
        prompt="\n".join(part for part in (note, *prompts) if part),
        schema=next(iter(schemas.values())) if len(schemas) == 1 else _all_of(schemas),
        state={"requests": dict(asks.requests), "state": asks.state},
    )


def _question(name: str, request: Json) -> tuple[str, str, JsonSchema]:
    """Return the kind, the prompt and the schema of the answer of one request."""
    params = request.get("params")
    if request.get("method") != "elicitation/create" or not isinstance(params, dict):
        method = bounded(str(request.get("method")), 60)
        raise ResultError(f"{name}: the server asks for {method!r}, which it was not offered.")
    said = cast("dict[str, Any]", params)
    prompt = bounded(str(said.get("message", "")), _PROMPT)
    if said.get("mode") == "url":
        address = bounded(str(said.get("url", "")), _PROMPT)
        return "elicitation_url", f"{prompt} {address}".strip(), {"enum": list(_AGREE)}
    schema = clean_value(said.get("requestedSchema"))
    if not isinstance(schema, dict):
        raise ResultError(f"{name}: the server asks without saying what an answer looks like.")
    form = cast("JsonSchema", schema)
    try:
        Checker(form).compile()
    except DefinitionError as exc:
        raise ResultError(f"{name}: what the server asks for is not usable: {exc.message}") from exc
    return "elicitation", prompt, {"anyOf": [form, {"enum": list(_REFUSE)}]}


def _all_of(schemas: Mapping[str, JsonSchema]) -> JsonSchema:
    return {"type": "object", "properties": dict(schemas), "required": list(schemas)}


def replied(pending: Pending) -> Asks:
    """Return what a server had asked, from what the call was waiting for.

    Raises:
        ToolFailedError: This is no question of an MCP server.
    """
    state = pending.state
    if isinstance(state, dict):
        kept = cast("dict[str, Any]", state)
        if isinstance(kept.get("requests"), dict):
            return Asks(requests=kept["requests"], state=kept.get("state"))
    raise ToolFailedError("What this call was waiting for is lost. Make the call again.")


def answers(pending: Pending, asks: Asks, reply: Any) -> dict[str, Json] | str:
    """Return the answers to a server's requests by its keys, or what is wrong with the reply.

    Args:
        pending: What the call was waiting for.
        asks: What the server had asked.
        reply: What a person answered.
    """
    given = reply
    if len(asks.requests) == 1 and isinstance(reply, dict):
        given = _with_defaults(reply, next(iter(asks.requests.values())))
    problems = Checker(pending.schema).problems(given)
    if problems:
        return f"{problems[0].got} at {problems[0].path} is no answer: {problems[0].allowed}."
    if len(asks.requests) == 1:
        return {key: _answer(given) for key in asks.requests}
    many = cast("dict[str, Any]", given)
    return {key: _answer(many[key]) for key in asks.requests}


def _with_defaults(reply: Any, request: Json) -> Any:
    params = cast("dict[str, Any]", request.get("params") or {})
    schema = cast("dict[str, Any]", params.get("requestedSchema") or {})
    properties = cast("dict[str, Any]", schema.get("properties") or {})
    usual = {
        key: cast("dict[str, Any]", inner)["default"]
        for key, inner in properties.items()
        if isinstance(inner, dict) and "default" in inner
    }
    return {**usual, **reply}


def _answer(given: Any) -> Json:
    if isinstance(given, str):
        return {"action": given}
    return {"action": "accept", "content": given}


# --- the old era: a server asks while the call is running ------------------------------------


class OpenCall:
    """A call that is running and may be asked something."""

    def __init__(self, running: asyncio.Task[Any]) -> None:
        """Keep what is running.

        Args:
            running: The request.
        """
        self.running = running
        self._asked: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[Json] | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self._answer is not None

    async def ask(self, params: Json) -> Json:
        """Put a question to whoever made the call, and wait for the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._asked.set_result(params)
        try:
            return await self._answer
        finally:
            self._answer = None

    def answer(self, answer: Json) -> None:
        """Answer the open question."""
        self._asked = asyncio.get_running_loop().create_future()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    async def outcome(self) -> Json | None:
        """Wait until it ends or asks; return the question, or None at its end."""
        try:
            await asyncio.wait({self.running, self._asked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stop()
            raise
        return None if self.running.done() else self._asked.result()

    async def stop(self) -> None:
        """Give the request up; the server is told."""
        self.running.cancel()
        await asyncio.wait({self.running})
        if not self.running.cancelled():
            self.running.exception()


class OpenCalls:
    """The calls of one connection of the old era, and those that wait for a person."""

    def __init__(self, hold: float) -> None:
        """Start empty.

        Args:
            hold: Seconds a call may wait for a person.
        """
        self._hold = hold
        self._open: list[OpenCall] = []
        self._held: dict[str, tuple[OpenCall, asyncio.TimerHandle]] = {}

    def add(self, call: OpenCall) -> None:
        """Take a call that has begun."""
        self._open.append(call)

    def remove(self, call: OpenCall) -> None:
        """Forget a call that has ended."""
        if call in self._open:
            self._open.remove(call)

    def hold(self, key: str, call: OpenCall) -> None:
        """Keep a call that waits for a person, under its key."""
        timer = asyncio.get_running_loop().call_later(self._hold, self._expire, key)
        self._held[key] = (call, timer)

    def take(self, key: str) -> OpenCall | None:
        """Return the call that waits under `key` and keep it no longer."""
        call, timer = self._held.pop(key, (None, None))
        if timer is not None:
            timer.cancel()
        return call

    async def ask(self, params: Json) -> Json:
        """Put a server's question to the call it belongs to.

        The wire does not say which one that is. Where several are running, the question would
        perhaps be shown to somebody it is not for, so it is answered with `cancel`.
        """
        if len(self._open) != 1 or self._open[0].waits:
            return {"action": "cancel"}
        return await self._open[0].ask(params)

    async def close(self) -> None:
        """Give up all calls that wait."""
        for key in list(self._held):
            if (call := self.take(key)) is not None:
                await call.stop()
                self.remove(call)

    def _expire(self, key: str) -> None:
        if (call := self.take(key)) is not None:
            call.answer({"action": "cancel"})
            call.running.add_done_callback(lambda done: done.cancelled() or done.exception())
            self.remove(call)
