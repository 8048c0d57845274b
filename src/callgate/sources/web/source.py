"""Executes operations: the source behind OpenAPI documents and declared endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from callgate.errors import CallError
from callgate.sources.web.answers import result_of, value_of
from callgate.sources.web.auth import Prover
from callgate.sources.web.client import Answer, Outgoing, Proof, WebClient
from callgate.sources.web.operation import Operation, Pages
from callgate.sources.web.pages import Collected, Onward, more_note, onward
from callgate.sources.web.requests import outgoing
from callgate.sources.web.select import Kept, kept, project
from callgate.types import Effect, Status, Tool, ToolCall, ToolResult

__all__ = ["OperationSource"]

_UNAUTHORIZED = 401


class OperationSource:
    """Calls operations of one service.

    Attributes:
        operations: The operations, by the names of their tools.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        *,
        client: WebClient,
        prover: Prover,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Keep the operations; nothing is opened yet.

        Args:
            operations: What can be called; their base URLs are ones that the client may reach.
            client: Sends requests.
            prover: Proves who asks.
            headers: Headers of every request; no secrets.
        """
        self.operations = {operation.tool.name: operation for operation in operations}
        self._tools = [operation.tool for operation in self.operations.values()]
        self._client = client
        self._prover = prover
        self._headers = tuple(headers)
        self._kept: dict[str, Kept] = {
            name: kept(operation.select) for name, operation in self.operations.items()
        }

    def __repr__(self) -> str:
        places = ", ".join(sorted(str(origin) for origin in self._client.reach.origins))
        return f"{type(self).__name__}({len(self._tools)} tools at {places})"

    def list(self) -> Sequence[Tool]:
        """Return the tools."""
        return self._tools

    async def call(self, call: ToolCall) -> ToolResult:
        """Send the request of a call and read its answer.

        Raises:
            CallError: The operation did not succeed; see `sources.web.answers` for which is which.
        """
        operation = self.operations[call.name]
        limits = [limit for limit in (operation.tool.limits.timeout, call.timeout) if limit]
        request = outgoing(
            operation,
            call.arguments,
            key=call.key,
            timeout=min(limits, default=None),
            headers=self._headers,
        )
        answer = await self._send(operation, call, request)
        result = result_of(operation, answer)
        if operation.pages is not None and operation.tool.effect is Effect.READ:
            return await self._paged(operation, operation.pages, call, request, answer)
        keep = self._kept[call.name]
        if keep and result.value is not None:
            value = project(result.value, keep)
            return replace(result, value=value, body=orjson.dumps(value))
        return result

    async def aclose(self) -> None:
        """Let connections go; a later call opens new ones."""
        await self._client.aclose()

    async def _send(self, operation: Operation, call: ToolCall, request: Outgoing) -> Answer:
        principal, name = call.scope.principal, operation.tool.name
        proof: Proof | None = None
        if operation.schemes != ((),):
            proof = await self._prover.prove(operation.schemes, principal, name)
        answer = await self._client.send(request, proof)
        if answer.status == _UNAUTHORIZED and self._prover.forget(operation.schemes, principal):
            # The token has ended early; nothing was done, so a new one is worth one more try.
            proof = await self._prover.prove(operation.schemes, principal, name)
            answer = await self._client.send(request, proof)
        return answer

    # --- pages ------------------------------------------------------------------------------

    async def _paged(
        self,
        operation: Operation,
        pages: Pages,
        call: ToolCall,
        request: Outgoing,
        answer: Answer,
    ) -> ToolResult:
        value = value_of(operation, answer)
        collected = Collected(pages, value)
        arguments = dict(call.arguments)
        note = ""
        leads = onward(pages, answer, value, arguments, request.url)
        while leads is not None and collected.count < pages.most:
            try:
                request = self._next(operation, call, request, leads, arguments)
                answer = await self._send(operation, call, request)
                result_of(operation, answer)
                value = value_of(operation, answer)
            except CallError as error:
                note = f"[Only {collected.count} pages were read: {error.message}]"
                break
            if not collected.add(value):
                break
            leads = onward(pages, answer, value, arguments, request.url)
        if leads is not None and not note:
            note = more_note(pages, collected.count, leads)
        whole = project(collected.value, self._kept[call.name])
        return ToolResult(
            status=Status.OK,
            value=whole,
            body=orjson.dumps(whole),
            notes=(note,) if note else (),
        )

    def _next(
        self,
        operation: Operation,
        call: ToolCall,
        request: Outgoing,
        leads: Onward,
        arguments: dict[str, Any],
    ) -> Outgoing:
        if leads.url is not None:
            self._client.reach.check(leads.url)
            return replace(request, url=leads.url)
        assert operation.pages is not None
        arguments[str(operation.pages.parameter)] = leads.value
        return outgoing(
            operation, arguments, key=call.key, timeout=request.timeout, headers=self._headers
        )
