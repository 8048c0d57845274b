"""OAuth 2.1 through the SDK's own providers, with tokens kept where we say."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from callgate.errors import SettingsError
from callgate.sources.mcp.server import Authorize, McpServer, OAuth, Tokens
from callgate.sources.secrets import Secrets
from callgate.types import Principal

__all__ = ["provider"]


class _Storage:
    """One client's share of `Tokens`, as the SDK wants to see it."""

    def __init__(self, tokens: Tokens, key: str, given: OAuthClientInformationFull | None) -> None:
        self._tokens = tokens
        self._key = key
        self._given = given

    async def get_tokens(self) -> OAuthToken | None:
        kept = await self._tokens.load(f"{self._key} tokens")
        return None if kept is None else OAuthToken.model_validate(kept)

    async def set_tokens(self, tokens: OAuthToken) -> None:
        await self._tokens.save(
            f"{self._key} tokens", tokens.model_dump(mode="json", exclude_none=True)
        )

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        if self._given is not None:
            return self._given
        kept = await self._tokens.load(f"{self._key} client")
        return None if kept is None else OAuthClientInformationFull.model_validate(kept)

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        await self._tokens.save(
            f"{self._key} client", client_info.model_dump(mode="json", exclude_none=True)
        )


class _Person:
    """Leads a person to the authorization server and takes what comes back."""

    def __init__(self, authorize: Authorize) -> None:
        self._authorize = authorize
        self._back = ""

    async def lead(self, address: str) -> None:
        self._back = await self._authorize(address)

    async def result(self) -> AuthorizationCodeResult:
        said = parse_qs(urlsplit(self._back).query)
        return AuthorizationCodeResult(
            code=said.get("code", [""])[0],
            state=said.get("state", [None])[0],
            iss=said.get("iss", [None])[0],
        )


async def provider(
    server: McpServer, oauth: OAuth, principal: Principal, tokens: Tokens, secrets: Secrets
) -> httpx2.Auth:
    """Return what proves who we are to `server`.

    Raises:
        SettingsError: Something that the grant needs is not set.
    """
    who = f" {principal.tenant} {principal.id}" if oauth.personal else ""
    key = f"{server.url}{who}"
    secret = (
        (await secrets.get(oauth.client_secret, principal)).reveal()
        if oauth.client_secret
        else None
    )
    if oauth.grant == "client_credentials":
        return await _machine(
            server, oauth, _Storage(tokens, key, None), secret, principal, secrets
        )
    if oauth.authorize is None:
        raise SettingsError(
            f"MCP server {server.name}: the grant authorization_code needs `authorize`, which "
            "shows a person where to agree."
        )
    person = _Person(oauth.authorize)
    return OAuthClientProvider(
        server_url=server.url,
        client_metadata=OAuthClientMetadata(
            client_name="Callgate",
            redirect_uris=[AnyUrl(oauth.redirect)],
            scope=oauth.scope,
        ),
        storage=_Storage(tokens, key, _registered(oauth, secret)),
        redirect_handler=person.lead,
        callback_handler=person.result,
        client_metadata_url=oauth.document,
    )


def _registered(oauth: OAuth, secret: str | None) -> OAuthClientInformationFull | None:
    if oauth.client_id is None:
        return None
    return OAuthClientInformationFull(
        client_id=oauth.client_id,
        client_secret=secret,
        redirect_uris=[AnyUrl(oauth.redirect)],
        token_endpoint_auth_method="client_secret_basic" if secret else "none",
        issuer=oauth.issuer,
    )


async def _machine(
    server: McpServer,
    oauth: OAuth,
    storage: _Storage,
    secret: str | None,
    principal: Principal,
    secrets: Secrets,
) -> httpx2.Auth:
    if oauth.client_id is None:
        raise SettingsError(f"MCP server {server.name}: client_credentials needs a client_id.")
    if oauth.key is not None:
        signed = SignedJWTParameters(
            issuer=oauth.client_id,
            subject=oauth.client_id,
            signing_algorithm=oauth.algorithm,
            signing_key=(await secrets.get(oauth.key, principal)).reveal(),
        )
        return PrivateKeyJWTOAuthProvider(
            server_url=server.url,
            storage=storage,
            client_id=oauth.client_id,
            assertion_provider=signed.create_assertion_provider(),
            scope=oauth.scope,
            issuer=oauth.issuer,
        )
    if secret is None:
        raise SettingsError(
            f"MCP server {server.name}: client_credentials needs a client_secret or a key."
        )
    return ClientCredentialsOAuthProvider(
        server_url=server.url,
        storage=storage,
        client_id=oauth.client_id,
        client_secret=secret,
        scope=oauth.scope,
        issuer=oauth.issuer,
    )
