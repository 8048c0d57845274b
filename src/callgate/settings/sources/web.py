"""What the tables of sources on the web have in common: who we are, how results are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from callgate.settings.table import (
    RefusedError,
    Table,
    secret,
    table_of,
    text,
    texts,
    url,
    whole,
)

__all__ = ["AuthSettings", "PageSettings", "auth", "effect", "page", "pairs"]

_EFFECTS = ("read", "idempotent", "reconcilable", "irreversible")
_KINDS = ("api_key", "basic", "bearer", "oauth2")
_PLACES = ("cookie", "header", "query")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """How requests prove who asks; every secret is named by where it is.

    `{principal}` and `{tenant}` in the place of a secret stand for those of the call.

    Attributes:
        kind: `api_key`, `basic`, `bearer` or `oauth2`; an OpenAPI document says it itself.
        secret: The key, token or password.
        user: Where the user name for `basic` is.
        name: The name of the header, query parameter or cookie of an `api_key`.
        place: Where an `api_key` stands: `header`, `query` or `cookie`.
        token_url: Where `oauth2` gets its tokens.
        client_id: Where the client's id is.
        client_secret: Where the client's secret is.
        refresh_token: Where the refresh token is; without one client credentials are used.
        scopes: What is asked for.
    """

    kind: str | None = None
    secret: str | None = None
    user: str | None = None
    name: str = "Authorization"
    place: str = "header"
    token_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    refresh_token: str | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """How the pages of a long answer are put together.

    Attributes:
        items: Where the items stand in a page, such as `data.items`; the page itself by default.
        next: Where what leads on stands, such as `meta.cursor`; `link` for the `Link` header, and
            `count` to count on as long as pages have items.
        parameter: The parameter that takes it; None where it is an address.
        most: How many pages one call reads.
    """

    items: str = ""
    next: str = "link"
    parameter: str | None = None
    most: int = 5


def auth(value: Table) -> AuthSettings:
    """Read how requests prove who asks."""
    return value.fill(
        AuthSettings,
        {
            "kind": _one_of(_KINDS),
            "secret": secret,
            "user": secret,
            "name": text,
            "place": _one_of(_PLACES),
            "token_url": url,
            "client_id": secret,
            "client_secret": secret,
            "refresh_token": secret,
            "scopes": texts,
        },
    )


def page(value: Table) -> PageSettings:
    """Read how pages are put together."""
    return value.fill(PageSettings, {"items": text, "next": text, "parameter": text, "most": whole})


def effect(value: object) -> str:
    """Read an effect class."""
    return _one_of(_EFFECTS)(value)


def pairs(value: object) -> Mapping[str, str]:
    """Read a table of texts."""
    return {name: text(inner) for name, inner in table_of(value).items()}


def _one_of(allowed: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        raise RefusedError(f"one of {', '.join(allowed)}")

    return read
