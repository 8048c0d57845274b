"""How the operations of a document prove who asks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callgate.errors import SettingsError
from callgate.schema.values import is_array, is_object
from callgate.settings.sources.web import AuthSettings
from callgate.sources.openapi.document import Document

__all__ = ["schemes_of", "ways_of"]

_NOBODY = ((),)


def schemes_of(
    document: Document, given: Mapping[str, AuthSettings], where: str
) -> dict[str, AuthSettings]:
    """Return the schemes that are set up: what the document says, and the settings' secrets.

    Args:
        document: The document.
        given: What the settings say, by the scheme's name.
        where: The place of the settings, for errors.

    Raises:
        SettingsError: The document has no such scheme, and the settings do not say what kind it is.
    """
    known = document.component("securitySchemes")
    made: dict[str, AuthSettings] = {}
    for name, auth in given.items():
        declared = known.get(name)
        if not is_object(declared):
            if auth.kind is None:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                listed = ", ".join(known) or "none"
                raise SettingsError(
                    f"{where}.{name}: the document has no scheme of this name{hint} It has: "
                    f"{listed}. Say what kind it is, to use it all the same.",
                    details={"key": f"{where}.{name}"},
                )
            made[name] = auth
        else:
            made[name] = _declared(auth, document.resolved(declared))
    return made


def _declared(auth: AuthSettings, scheme: Mapping[str, Any]) -> AuthSettings:
    match scheme.get("type"), str(scheme.get("scheme", "")).lower():
        case "apiKey", _:
            return replace(
                auth,
                kind="api_key",
                name=str(scheme.get("name", auth.name)),
                place=str(scheme.get("in", auth.place)),
            )
        case "http", "basic":
            return replace(auth, kind="basic")
        case (("oauth2" | "openIdConnect"), _) if auth.client_id is not None:
            return replace(auth, kind="oauth2", token_url=auth.token_url or _token_url(scheme))
        case _:
            return replace(auth, kind="bearer")


def _token_url(scheme: Mapping[str, Any]) -> str | None:
    flows = scheme.get("flows")
    if not is_object(flows):
        return None
    for kind in ("clientCredentials", "authorizationCode", "password"):
        flow = flows.get(kind)
        if is_object(flow) and isinstance(url := flow.get("tokenUrl"), str):
            return url
    return None


def ways_of(
    document: Document, operation: Mapping[str, Any], made: Mapping[str, AuthSettings]
) -> tuple[tuple[str, ...], ...]:
    """Return the ways in which an operation lets somebody in; nobody's way is the last.

    Args:
        document: The document.
        operation: The operation.
        made: The schemes that are set up.
    """
    required = operation.get("security", document.root.get("security"))
    ways = [
        tuple(name for name in way)
        for way in (required if is_array(required) else [])
        if is_object(way)
    ]
    if not ways:
        # A document that is silent about it still lets the settings speak.
        declared = document.component("securitySchemes")
        ways = [(name,) for name in made if name not in declared]
        return (*ways, ())
    return tuple(sorted(ways, key=lambda way: not way)) or _NOBODY
