"""How we prove who we are: each grant becomes the SDK's provider, with tokens where we say."""

from typing import Any, Literal

import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyUrl

from callgate.errors import SettingsError
from callgate.sources.mcp import McpServer, OAuth
from callgate.sources.mcp.oauth import provider
from callgate.sources.mcp.tokens import MemoryTokens
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.types import Principal
from canaries import canary

URL = "https://tickets.example/mcp"
ANA, BO = Principal(id="ana", tenant="t"), Principal(id="bo", tenant="t")


async def agree(address: str) -> str:
    return f"http://localhost:3000/callback?code=c&state=s&iss=i&from={address}"


async def made(tokens: MemoryTokens | None = None, who: Principal = ANA, **options: Any) -> Any:
    oauth = OAuth(**options)
    secrets = Secrets(
        {"env": EnvironmentVault({"SECRET": canary("of-the-client"), "KEY": canary("pem")})}
    )
    server = McpServer(name="tickets", url=URL, oauth=oauth)
    return await provider(server, oauth, who, tokens or MemoryTokens(), secrets)


async def test_a_person_is_led_to_the_authorization_server_and_back() -> None:
    auth = await made(authorize=agree, document="https://us.example/client.json", scope="read")
    assert type(auth) is OAuthClientProvider
    context: Any = auth.context
    assert context.client_metadata_url == "https://us.example/client.json"
    assert context.client_metadata.scope == "read"
    await context.redirect_handler("https://as.example")
    came = await context.callback_handler()
    assert (came.code, came.state, came.iss) == ("c", "s", "i")


async def test_a_registered_client_brings_its_id_and_secret() -> None:
    auth = await made(
        authorize=agree, client_id="us", client_secret="env:SECRET", issuer="https://as"
    )
    known = await auth.context.storage.get_client_info()
    assert (known.client_id, known.client_secret, known.issuer) == (
        "us",
        canary("of-the-client"),
        "https://as",
    )
    assert known.token_endpoint_auth_method == "client_secret_basic"
    public = await made(authorize=agree, client_id="us")
    assert (await public.context.storage.get_client_info()).token_endpoint_auth_method == "none"


async def test_machines_prove_themselves_by_secret_or_key() -> None:
    grant: Literal["client_credentials"] = "client_credentials"
    secret = await made(
        grant=grant, client_id="us", client_secret="env:SECRET", issuer="https://as.example"
    )
    assert type(secret) is ClientCredentialsOAuthProvider
    signed = await made(grant=grant, client_id="us", key="env:KEY", issuer="https://as.example")
    assert type(signed) is PrivateKeyJWTOAuthProvider


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "needs `authorize`"),
        ({"grant": "client_credentials"}, "needs a client_id"),
        ({"grant": "client_credentials", "client_id": "us"}, "client_secret or a key"),
    ],
)
async def test_what_is_missing_is_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        await made(**options)


@pytest.mark.parametrize("personal", [True, False])
async def test_tokens_belong_to_the_server_or_to_one_principal_of_it(personal: bool) -> None:
    tokens = MemoryTokens()
    first = await made(tokens, ANA, authorize=agree, personal=personal)
    storage = first.context.storage
    assert await storage.get_tokens() is None
    assert await storage.get_client_info() is None
    await storage.set_tokens(OAuthToken(access_token=canary("token")))
    redirect = AnyUrl("http://localhost:3000/callback")
    await storage.set_client_info(
        OAuthClientInformationFull(client_id="c", redirect_uris=[redirect])
    )
    again = await made(tokens, ANA, authorize=agree, personal=personal)
    assert (await again.context.storage.get_tokens()).access_token == canary("token")
    assert (await again.context.storage.get_client_info()).client_id == "c"
    other = await made(tokens, BO, authorize=agree, personal=personal)
    assert (await other.context.storage.get_tokens() is None) is personal
