"""Single endpoints declared in the settings, each one tool: `kind = "http"`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from callgate.errors import DefinitionError, SettingsError
from callgate.schema.check import Checker
from callgate.schema.values import is_object
from callgate.settings.sources.http import EndpointSettings, HttpSettings
from callgate.settings.sources.web import AuthSettings
from callgate.sources.secrets import Secrets
from callgate.sources.web.address import Reach
from callgate.sources.web.auth import Prover
from callgate.sources.web.client import Resolve, WebClient
from callgate.sources.web.operation import EFFECTS, Body, Field, Operation, Parameter
from callgate.sources.web.pages import pages_of
from callgate.sources.web.source import OperationSource
from callgate.types import Effect, JsonSchema, Limits, Tool

__all__ = ["http"]

_AUTH = "auth"
_HOLE = re.compile(r"\{([^{}]+)\}")
_METHOD = re.compile(r"[A-Z]+")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "cookie", "host"}
    | {"proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)
_PLACES = ("path", "query", "header", "cookie", "body")
_BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_WORDS = frozenset({"in", "wire", "required", "style", "explode", "value"})
"""What may stand beside the schema of a parameter."""


def http(
    name: str, settings: HttpSettings, *, secrets: Secrets, resolve: Resolve | None = None
) -> OperationSource:
    """Make the source of a table `[sources.NAME]` with `kind = "http"`.

    Args:
        name: The table's name, for errors.
        settings: The table.
        secrets: Where secrets are.
        resolve: Looks names of hosts up; defaults to the system.

    Raises:
        SettingsError: An endpoint cannot be called as it is declared.
    """
    auth = settings.auth
    urls = [settings.url, *([auth.token_url] if auth is not None and auth.token_url else [])]
    client = WebClient(
        Reach(urls, settings.hosts), response_bytes=settings.response_bytes, resolve=resolve
    )
    return OperationSource(
        [
            _operation(f"sources.{name}.tools.{tool}", tool, endpoint, settings)
            for tool, endpoint in settings.tools.items()
        ],
        client=client,
        prover=Prover(
            {} if auth is None else {_AUTH: _usual(auth)}, secrets=secrets, client=client
        ),
        headers=[_header(f"sources.{name}.headers", *pair) for pair in settings.headers.items()],
    )


def _usual(auth: AuthSettings) -> AuthSettings:
    if auth.kind is not None:
        return auth
    return replace(auth, kind="oauth2" if auth.token_url else "basic" if auth.user else "bearer")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """One parameter as it is declared."""

    argument: str
    schema: JsonSchema
    wire: str
    place: str
    required: bool
    style: str
    explode: bool
    value: Any = None


def _operation(
    where: str, name: str, endpoint: EndpointSettings, settings: HttpSettings
) -> Operation:
    method = endpoint.method.upper()
    if not _NAME.fullmatch(name) or not _METHOD.fullmatch(method):
        raise _wrong(where, "a tool has a name of letters, digits, `_` and `-`, and a method")
    if not endpoint.path.startswith("/") or "#" in endpoint.path:
        raise _wrong(f"{where}.path", 'it begins with "/" and has no "#"')
    holes = set(_HOLE.findall(endpoint.path))
    declared = [
        _declared(where, argument, given, method, holes)
        for argument, given in endpoint.parameters.items()
    ]
    if missing := holes - {one.wire for one in declared if one.place == "path"}:
        raise _wrong(f"{where}.parameters", f"the path has {', '.join(sorted(missing))}, too")
    effect = EFFECTS.get(method, Effect.IRREVERSIBLE)
    tool = Tool(
        name=name,
        description=endpoint.description,
        parameters=_schema(where, [one for one in declared if one.value is None]),
        returns=endpoint.returns,
        effect=effect if endpoint.effect is None else Effect(endpoint.effect),
        limits=Limits(timeout=endpoint.timeout or settings.timeout),
    )
    outside = [one for one in declared if one.place != "body"]
    inside = [one for one in declared if one.place == "body"]
    return Operation(
        tool=tool,
        method=method,
        path=endpoint.path,
        base=settings.url.rstrip("/"),
        parameters=tuple(_parameter(one) for one in outside),
        body=_body(endpoint.body, inside),
        schemes=((),) if settings.auth is None else ((_AUTH,),),
        select=endpoint.select,
        pages=pages_of(endpoint.pages, {one.wire: one.argument for one in declared}),
    )


def _declared(where: str, argument: str, given: Any, method: str, holes: set[str]) -> _Declared:
    where = f"{where}.parameters.{argument}"
    if not is_object(given) or not _NAME.fullmatch(argument):
        raise _wrong(where, 'a parameter is a JSON Schema, such as { type = "string" }')
    wire = str(given.get("wire", argument))
    usual = "path" if wire in holes else "query" if method in _BODYLESS else "body"
    place = given.get("in", usual)
    if place not in _PLACES:
        raise _wrong(f"{where}.in", f"it is one of {', '.join(_PLACES)}")
    if place == "header":
        _header(where, wire, "")
    form = "form" if place in ("query", "cookie", "body") else "simple"
    style = str(given.get("style", form))
    return _Declared(
        argument=argument,
        schema={key: value for key, value in given.items() if key not in _WORDS},
        wire=wire,
        place=place,
        required=bool(given.get("required", place == "path")),
        style=style,
        explode=bool(given.get("explode", style == "form")),
        value=given.get("value"),
    )


def _schema(where: str, seen: list[_Declared]) -> JsonSchema:
    schema: JsonSchema = {
        "type": "object",
        "properties": {one.argument: one.schema for one in seen},
        "additionalProperties": False,
    }
    if required := [one.argument for one in seen if one.required]:
        schema["required"] = required
    try:
        Checker(schema).compile()
    except DefinitionError as exc:
        raise _wrong(f"{where}.parameters", exc.message) from exc
    return schema


def _parameter(one: _Declared) -> Parameter:
    return Parameter(
        argument=one.argument,
        name=one.wire,
        place=one.place,
        style=one.style,
        explode=one.explode,
        fixed=one.value,
    )


def _body(media_type: str, inside: list[_Declared]) -> Body | None:
    if not inside:
        return None
    if not _has_fields(media_type):
        return Body(media_type=media_type, whole=inside[0].argument)
    return Body(
        media_type=media_type,
        fields=tuple(
            Field(argument=one.argument, name=one.wire, style=one.style, explode=one.explode)
            for one in inside
        ),
    )


def _has_fields(media_type: str) -> bool:
    return media_type in (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ) or media_type.endswith("+json")


def _header(where: str, name: str, value: str) -> tuple[str, str]:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
        raise _wrong(where, f"{name!r} is no header that may be set")
    if not value.isascii() or not (value.isprintable()):
        raise _wrong(where, f"the value of {name} has characters that no header carries")
    return name, value


def _wrong(where: str, why: str) -> SettingsError:
    return SettingsError(f"{where}: {why}", details={"key": where})
