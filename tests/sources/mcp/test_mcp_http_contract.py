"""The contract of sources, kept by an MCP server over streamable HTTP, in both eras."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from callgate.sources.mcp import McpServer, McpSource
from callgate.sources.secrets import EnvironmentVault, Secrets
from canaries import canary
from tests.sources.contract import (
    ROLES,
    Absence,
    Answers,
    Deadlines,
    Outcomes,
    Secrecy,
    Subject,
    Waits,
    WireKeys,
)
from tests.sources.mcp.over_http import McpService
from tests.sources.webserver import free_port, serving

CANARY = canary("http/55")


@pytest.fixture(params=["2025", "2026"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    era: Literal["2025", "2026"] = request.param
    secrets = Secrets({"env": EnvironmentVault({"SHOP": CANARY})})
    async with serving(McpService(CANARY)) as service:
        server = McpServer(
            name="shop",
            url=f"{service.url}/mcp",
            era=era,
            effects=ROLES,
            secret_headers={"X-Key": "env:SHOP"},
        )
        source = McpSource(server, secrets=secrets)
        await source.connect()
        absent = McpServer(
            name="absent", url=f"http://127.0.0.1:{await free_port()}/mcp", effects=ROLES
        )
        yield Subject(
            source=source,
            absent=McpSource(absent, definitions=source.definitions),
            arrivals=service.arrivals,
            begun=service.begun,
            quiet=service.quiet,
            canaries=service.canaries,
            shown=service.shown,
        )
        await source.aclose()


class TestMcpOverHttp(Absence, Answers, Deadlines, Outcomes, Secrecy, Waits, WireKeys):
    pass
