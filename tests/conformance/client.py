"""The client that the official conformance suite drives: our source behind a gate.

The suite names the scenario in MCP_CONFORMANCE_SCENARIO, says what has to be known in
MCP_CONFORMANCE_CONTEXT, and gives the address of its server as the last argument.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from callgate import CallPart, Gate, Principal
from callgate.session import Session
from callgate.sources.mcp import McpServer, McpSource, OAuth
from callgate.sources.secrets import Secrets
from callgate.types import Limits, Status, Tool, ToolResult


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What the suite wants: its name, what has to be known, and whether it is of the old era."""

    name: str
    context: dict[str, Any]
    old: bool

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Scenario":
        """Read it from the environment."""
        return cls(
            name=environment["MCP_CONFORMANCE_SCENARIO"],
            context=json.loads(environment.get("MCP_CONFORMANCE_CONTEXT") or "{}"),
            old=environment["MCP_CONFORMANCE_PROTOCOL_VERSION"] < "2026",
        )

    def get(self, name: str, principal: Principal) -> str:
        """Find the suite's secrets where it put them; the scenario is their vault."""
        return str(self.context[name])

    def oauth(self) -> OAuth | None:
        """Say how the scenario wants us to prove who we are."""
        if not self.name.startswith("auth/"):
            return None
        if self.name == "auth/client-credentials-jwt":
            return OAuth(
                grant="client_credentials",
                client_id=self.context["client_id"],
                key="suite:private_key_pem",
                algorithm=self.context.get("signing_algorithm", "ES256"),
            )
        if self.name == "auth/client-credentials-basic":
            return OAuth(
                grant="client_credentials",
                client_id=self.context["client_id"],
                client_secret="suite:client_secret",
            )
        return OAuth(
            client_id=self.context.get("client_id"),
            client_secret="suite:client_secret" if "client_secret" in self.context else None,
            document="https://conformance-test.local/client-metadata.json",
            authorize=authorize,
        )

    def server(self, url: str) -> McpServer:
        """Describe the suite's server."""
        return McpServer(
            # An address without a path is one with the path "/".
            url=url if urlsplit(url).path else f"{url}/",
            era="2025" if self.old else "auto",
            roots=("file:///tmp",),
            oauth=self.oauth(),
            limits=Limits(timeout=60.0, attempts=1),
        )


async def authorize(address: str) -> str:
    """Agree at once, as the person of the suite does."""
    async with httpx2.AsyncClient() as client:
        response = await client.get(address)
    return response.headers["location"]


async def sample(params: dict[str, Any]) -> dict[str, Any]:
    """Answer as a model would."""
    text = {"type": "text", "text": "yes"}
    return {"role": "assistant", "model": "none", "content": text}


async def call(session: Session, name: str, arguments: dict[str, Any]) -> ToolResult:
    """Make one call and agree to what it waits for, with the defaults of the question."""
    part = CallPart(id="1", name=name, arguments=json.dumps(arguments))
    answer = await session.turn([part])
    while answer.waiting:
        pending = answer.waiting[0].result.pending
        assert pending is not None
        form = pending.schema.get("anyOf", [pending.schema])[0]
        agreed = {
            key: True
            for key, inner in form.get("properties", {}).items()
            if inner.get("type") == "boolean" and "default" not in inner
        }
        answer = await session.resume(answer, {part.id: agreed})
    return answer.answered[0].result


def arguments_for(tool: Tool) -> dict[str, Any]:
    """Return something for every argument that a tool wants."""
    usual: dict[str, Any] = {"number": 5, "integer": 5, "boolean": True}
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    return {
        name: usual.get(properties[name].get("type"), "text")
        for name in tool.parameters.get("required", ())
    }


def planned(scenario: Scenario, tools: Sequence[Tool]) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls of a scenario: those it names, else one of every tool."""
    if named := scenario.context.get("toolCalls"):
        # Our callers leave out what is null.
        return [
            (one["name"], {k: v for k, v in one["arguments"].items() if v is not None})
            for one in named
        ]
    if scenario.name == "json-schema-2020-12-preservation":
        return [("json_schema_echo", {"schema": tools[0].parameters})]
    return [(tool.name, arguments_for(tool)) for tool in tools]


async def main(url: str, environment: Mapping[str, str]) -> None:
    """Connect, list, call what there is to call, close.

    Raises:
        CallError: The server could not be reached or did not let us in.
        SystemExit: A call did not succeed.
    """
    scenario = Scenario.of(environment)
    source = McpSource(scenario.server(url), secrets=Secrets({"suite": scenario}), sampler=sample)
    try:
        await source.connect()
        session = Gate([source]).session()
        for name, arguments in planned(scenario, source.list()):
            result = await call(session, name, arguments)
            if result.status is not Status.OK and not scenario.name.startswith("auth/"):
                sys.exit(f"{name}: {result.text()}")
    finally:
        await source.aclose()
