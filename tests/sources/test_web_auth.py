"""Keys, passwords and tokens: written into requests, for whom they are, and never shown."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest

from callgate import Gate, Principal
from callgate.settings.sources import HttpSettings
from callgate.settings.sources.http import EndpointSettings
from callgate.settings.sources.web import AuthSettings
from callgate.sources.http import http
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.sources.web.address import Reach
from callgate.sources.web.auth import Prover
from callgate.sources.web.client import WebClient
from callgate.types import ANYONE, Status, ToolResult
from canaries import MARK, canary
from tests.sources.echo import Echo, echoing
from tests.sources.webserver import Request

Reply = Callable[[Request], tuple[int, Any]]

VARIABLES = {
    "KEY": canary("key-1"),
    "USER": canary(":user"),
    "WORD": canary("word/1"),
    "ID": "client id",
    "CLIENT": canary("client"),
    "REFRESH": canary("refresh"),
    "KEY_ana": canary("of-ana"),
    "BAD": "line\nend",
}
SECRETS = Secrets({"env": EnvironmentVault(VARIABLES)})
BEARER = f"Bearer {VARIABLES['KEY']}"


class Service(Echo):
    """Echoes, but with replies of a test's own."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply

    def answer(self, request: Request) -> tuple[int, bytes]:
        status, value = self.reply(request)
        return status, json.dumps(value).encode()


@asynccontextmanager
async def service(reply: Reply = lambda _: (200, {})) -> AsyncIterator[Service]:
    async with echoing(Service(reply)) as made:
        assert isinstance(made, Service)
        yield made


async def asked(
    url: str, auth: AuthSettings, principal: Principal = ANYONE, times: int = 1
) -> ToolResult:
    settings = HttpSettings(
        url=url,
        hosts=(url.removeprefix("http://"),),
        auth=auth,
        tools={"ask": EndpointSettings(path="/ask?a=b%2C,c", description="Ask.")},
    )
    source = http("web", settings, secrets=SECRETS)
    session = Gate([source], chance=lambda: 0.0).session(principal)
    result = await session.call("ask", {})
    for _ in range(times - 1):
        result = await session.call("ask", {})
    await source.aclose()
    return result


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (AuthSettings(secret="env:KEY"), "authorization", BEARER),
        (
            AuthSettings(kind="bearer", secret="env:KEY"),
            "authorization",
            f"Bearer {canary('key-1')}",
        ),
        (
            AuthSettings(kind="api_key", secret="env:KEY", name="X-Key"),
            "x-key",
            canary("key-1"),
        ),
        (
            AuthSettings(user="env:USER", secret="env:WORD"),
            "authorization",
            "Basic " + base64.b64encode(f"{canary(':user')}:{canary('word/1')}".encode()).decode(),
        ),
        (
            AuthSettings(kind="api_key", secret="env:WORD", name="k", place="cookie"),
            "cookie",
            f"k={MARK}-word%2F1",
        ),
    ],
)
async def test_a_secret_stands_where_its_kind_says(
    auth: AuthSettings, header: str, value: str
) -> None:
    async with service() as made:
        assert (await asked(made.url, auth)).ok
        assert made.log[0].headers[header] == value


async def test_a_key_in_the_query_leaves_the_rest_of_it_as_it_was_written() -> None:
    async with service() as made:
        auth = AuthSettings(kind="api_key", secret="env:WORD", name="k", place="query")
        assert (await asked(made.url, auth)).ok
        assert made.log[0].target == f"/ask?a=b%2C,c&k={MARK}-word%2F1"


async def test_a_principal_is_let_in_by_its_own_secret() -> None:
    async with service() as made:
        auth = AuthSettings(kind="bearer", secret="env:KEY_{principal}")
        assert (await asked(made.url, auth, Principal(id="ana"))).ok
        assert made.log[0].headers["authorization"] == f"Bearer {canary('of-ana')}"
        refused = await asked(made.url, auth, Principal(id="bo"))
        assert refused.text() == (
            "ask: env:KEY_{principal}: there is no secret for this principal; "
            "set it where the settings say it is"
        )
        assert len(made.log) == 1


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        (AuthSettings(kind="bearer", secret="env:GONE"), "env:GONE: there is no secret"),
        (AuthSettings(kind="bearer", secret="env:BAD"), "env:BAD holds characters that no request"),
        (AuthSettings(kind="bearer"), "the settings name no secret for it"),
        (
            AuthSettings(kind="oauth2", client_id="env:ID", client_secret="env:CLIENT"),
            "no token_url",
        ),
    ],
)
async def test_a_proof_that_cannot_be_made_is_told_and_nothing_is_sent(
    auth: AuthSettings, told: str
) -> None:
    async with service() as made:
        result = await asked(made.url, auth)
        assert (result.status, result.error and result.error.code) == (Status.ERROR, "tool_failed")
        assert told in result.text()
        assert MARK not in result.text()
        assert made.log == []


async def test_a_service_that_repeats_a_secret_is_silenced() -> None:
    async with service(lambda request: (200, dict(request.headers))) as made:
        result = await asked(made.url, AuthSettings(user="env:USER", secret="env:WORD"))
        assert result.unwrap()["authorization"] == "Basic [secret]"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_secret_that_is_not_accepted_is_told_to_be_none_of_the_models_business(
    status: int,
) -> None:
    async with service(lambda _: (status, {"message": "no"})) as made:
        result = await asked(made.url, AuthSettings(secret="env:KEY"))
        assert "does not allow this to the credentials in use" in result.text()
        assert len(made.log) == 1


# --- tokens -----------------------------------------------------------------------------------


def oauth(url: str, **more: Any) -> AuthSettings:
    return AuthSettings(
        kind="oauth2",
        token_url=f"{url}/token",
        client_id="env:ID",
        client_secret="env:CLIENT",
        **more,
    )


def tokens(*given: dict[str, Any], refuse: tuple[str, ...] = ()) -> Reply:
    rest = list(given)

    def reply(request: Request) -> tuple[int, Any]:
        if request.target == "/token":
            return 200, rest.pop(0)
        token = request.headers["authorization"]
        return (401, {}) if token in refuse else (200, {"token": token})

    return reply


async def test_a_token_is_fetched_once_and_used_until_it_ends() -> None:
    async with service(tokens({"access_token": canary("token-1"), "expires_in": 3600})) as made:
        result = await asked(made.url, oauth(made.url, scopes=("read", "write")), times=3)
        assert result.unwrap() == {"token": "Bearer [secret]"}
        assert [request.target for request in made.log].count("/token") == 1
        first, second = made.log[:2]
        assert parse_qs(first.body.decode()) == {
            "grant_type": ["client_credentials"],
            "scope": ["read write"],
        }
        client = base64.b64encode(f"client%20id:{canary('client')}".encode()).decode()
        assert first.headers["authorization"] == f"Basic {client}"
        assert second.headers["authorization"] == f"Bearer {canary('token-1')}"


async def test_a_token_that_ended_early_is_fetched_anew_once() -> None:
    given = tokens(
        {"access_token": "early-1"}, {"access_token": "later-2"}, refuse=("Bearer early-1",)
    )
    async with service(given) as made:
        assert (await asked(made.url, oauth(made.url))).ok
        assert [request.target for request in made.log] == [
            "/token",
            "/ask?a=b%2C,c",
            "/token",
            "/ask?a=b%2C,c",
        ]


async def test_a_token_is_renewed_before_it_ends_with_the_refresh_token_of_last_time() -> None:
    now = [0.0]
    given = tokens(
        {"access_token": "one-1111", "expires_in": 60, "refresh_token": "next-refresh"},
        {"access_token": "two-2222", "expires_in": 60},
    )
    async with service(given) as made:
        client = WebClient(
            Reach([made.url], [made.url.removeprefix("http://")]), response_bytes=10_000
        )
        auth = oauth(made.url, refresh_token="env:REFRESH")
        prover = Prover({"o": auth}, secrets=SECRETS, client=client, now=lambda: now[0])
        await prover.prove((("o",),), ANYONE, "ask")
        now[0] = 29.0
        await prover.prove((("o",),), ANYONE, "ask")
        assert len(made.log) == 1
        now[0] = 31.0
        await prover.prove((("o",),), ANYONE, "ask")
        await client.aclose()
        sent = [parse_qs(request.body.decode()) for request in made.log]
        assert sent == [
            {"grant_type": ["refresh_token"], "refresh_token": [canary("refresh")]},
            {"grant_type": ["refresh_token"], "refresh_token": ["next-refresh"]},
        ]


async def test_a_token_that_is_refused_is_told_in_the_words_of_the_token_service() -> None:
    def reply(request: Request) -> tuple[int, Any]:
        sent = request.headers["authorization"]
        return 400, {"error": "invalid_client", "error_description": f"Bad client {sent}"}

    async with service(reply) as made:
        result = await asked(made.url, oauth(made.url))
        assert result.text() == (
            "The token service of auth gave no token: 400 Bad client Basic [secret]"
        )


async def test_a_token_service_that_is_gone_means_that_nothing_was_done() -> None:
    async with service() as made:
        auth = oauth("http://127.0.0.1:9")
        settings = HttpSettings(
            url=made.url,
            hosts=(made.url.removeprefix("http://"), "127.0.0.1:9"),
            auth=auth,
            tools={"ask": EndpointSettings(path="/ask", description="Ask.", method="POST")},
        )
        source = http("web", settings, secrets=SECRETS)
        result = await Gate([source], chance=lambda: 0.0).session().call("ask", {})
        await source.aclose()
        assert (result.status, result.error and result.error.code) == (Status.ERROR, "transient")
        assert made.log == []
