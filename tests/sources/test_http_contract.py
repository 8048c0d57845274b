"""The contract of sources, kept by endpoints declared in the settings."""

from collections.abc import AsyncIterator

import pytest

from callgate.settings.sources import HttpSettings
from callgate.settings.sources.http import EndpointSettings
from callgate.settings.sources.web import AuthSettings
from callgate.sources.http import http
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.sources.web.source import OperationSource
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
from tests.sources.webserver import Service, free_port, serving

CANARY = "canary-1f3a9c/77"


def source(url: str) -> OperationSource:
    settings = HttpSettings(
        url=url,
        hosts=(url.removeprefix("http://"),),
        auth=AuthSettings(kind="bearer", secret="env:SHOP"),
        tools={
            role: EndpointSettings(
                path=f"/{role}",
                description=f"The role {role}.",
                method="POST",
                effect=effect.value,
                parameters={"text": {"type": "string", "required": True}},
            )
            for role, effect in ROLES.items()
        },
    )
    return http("shop", settings, secrets=Secrets({"env": EnvironmentVault({"SHOP": CANARY})}))


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    async with serving(Service(canaries=(CANARY,))) as service:
        made = source(service.url)
        yield Subject(
            source=made,
            absent=source(f"http://127.0.0.1:{await free_port()}"),
            arrivals=service.arrivals,
            begun=service.begun,
            quiet=service.quiet,
            canaries=service.canaries,
            shown=service.shown,
        )
        await made.aclose()


class TestHttpSource(Absence, Answers, Deadlines, Outcomes, Secrecy, Waits, WireKeys):
    pass
