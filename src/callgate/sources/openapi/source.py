"""The source behind one OpenAPI document: its operations, filtered, overlaid and made tools."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import orjson

from callgate.errors import DefinitionError, SettingsError
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object
from callgate.settings.sources.openapi import OpenApiSettings, OverlaySettings
from callgate.settings.sources.web import AuthSettings
from callgate.sources.openapi.document import Document, UnusableError, read
from callgate.sources.openapi.operations import Arguments, Found, found_in
from callgate.sources.openapi.schemas import Schemas
from callgate.sources.openapi.security import schemes_of, ways_of
from callgate.sources.secrets import Secrets
from callgate.sources.web.address import Reach
from callgate.sources.web.auth import Prover
from callgate.sources.web.client import Resolve, WebClient
from callgate.sources.web.operation import EFFECTS, Body, Operation, Parameter
from callgate.sources.web.pages import pages_of
from callgate.sources.web.source import OperationSource
from callgate.types import Effect, JsonSchema, Limits, Tool

__all__ = ["OpenApiSource", "Skipped", "openapi"]

_JSON_FIRST = "application/json, */*;q=0.5"
_SHOWN_BYTES = 65_536
"""Bytes of a schema that a model can still be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An operation that is no tool, and why."""

    method: str
    path: str
    reason: str


class OpenApiSource(OperationSource):
    """The tools of one document.

    Attributes:
        skipped: Operations that cannot be tools; filtered and hidden ones are not among them.
    """

    skipped: tuple[Skipped, ...] = ()


def openapi(
    name: str,
    settings: OpenApiSettings,
    *,
    root: Path,
    secrets: Secrets,
    resolve: Resolve | None = None,
    document: Document | None = None,
) -> OpenApiSource:
    """Make the source of a table `[sources.NAME]` with `kind = "openapi"`.

    Args:
        name: The table's name, for errors.
        settings: The table.
        root: What the document's path is relative to.
        secrets: Where secrets are.
        resolve: Looks names of hosts up; defaults to the system.
        document: The document, if it is read already.

    Raises:
        SettingsError: The document cannot be read, or the settings do not fit it.
    """
    document = document or read(root / settings.document)
    schemes = schemes_of(document, settings.auth, f"sources.{name}.auth")
    loaded = _Loader(name, settings, document, schemes)
    operations = loaded.operations()
    tokens = [auth.token_url for auth in schemes.values() if auth.token_url]
    client = WebClient(
        Reach({*(one.base for one in operations), *tokens}, settings.hosts),
        response_bytes=settings.response_bytes,
        resolve=resolve,
    )
    made = OpenApiSource(
        operations, client=client, prover=Prover(schemes, secrets=secrets, client=client)
    )
    made.skipped = tuple(loaded.skipped)
    return made


class _Loader:
    """Makes the operations of one document."""

    def __init__(
        self,
        name: str,
        settings: OpenApiSettings,
        document: Document,
        schemes: Mapping[str, AuthSettings],
    ) -> None:
        self._where = f"sources.{name}"
        self._settings = settings
        self._document = document
        self._schemes = schemes
        self._schemas = Schemas(document)
        self._shared: dict[int, tuple[JsonSchema, str, bool]] = {}
        self.skipped: list[Skipped] = []

    def operations(self) -> list[Operation]:
        found = list(found_in(self._document))
        overlays = self._overlays(found)
        made: dict[str, Operation] = {}
        for one in found:
            overlay = overlays.get(one.name, OverlaySettings())
            if overlay.hide or not self._is_wanted(one):
                continue
            try:
                operation = self._operation(one, overlay)
            except (UnusableError, DefinitionError) as exc:
                self.skipped.append(
                    Skipped(method=one.method, path=one.path, reason=str(exc)[:300])
                )
                continue
            if operation.tool.name in made:
                raise self._wrong(
                    f"tools.{one.name}.name", f"two tools are named {operation.tool.name!r}"
                )
            made[operation.tool.name] = operation
        return list(made.values())

    def _overlays(self, found: Iterable[Found]) -> dict[str, OverlaySettings]:
        """Return the overlays by the tools' own names; each must mean an operation."""
        known: dict[str, str] = {}
        for one in found:
            known[one.name] = one.name
            known[f"{one.method} {one.path}"] = one.name
            if one.id:
                known[one.id] = one.name
        made: dict[str, OverlaySettings] = {}
        for key, overlay in self._settings.tools.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self._wrong(f"tools.{key}", f"the document has no such operation{hint}")
            made[known[key]] = overlay
        return made

    def _is_wanted(self, one: Found) -> bool:
        settings = self._settings
        if settings.tags and not one.tags & set(settings.tags):
            return False
        if settings.paths and not any(fnmatchcase(one.path, glob) for glob in settings.paths):
            return False
        names = {one.name, one.id}
        globs = settings.operations
        return not globs or any(fnmatchcase(name, glob) for name in names if name for glob in globs)

    def _operation(self, one: Found, overlay: OverlaySettings) -> Operation:
        arguments = Arguments(self._document, self._schemas, shared=self._shared)
        arguments.read(one)
        schema, parameters, body = _overlaid(self._where, one, overlay, arguments)
        _check(schema)
        wires = {parameter.name: parameter.argument for parameter in parameters}
        tool = Tool(
            name=f"{self._settings.prefix}{overlay.name or one.name}",
            description=overlay.description or one.description,
            parameters=schema,
            effect=_effect(one, overlay, arguments),
            limits=Limits(timeout=overlay.timeout or self._settings.timeout),
            tags=one.tags,
        )
        return Operation(
            tool=tool,
            method=one.method,
            path=one.path,
            base=self._base(one),
            parameters=tuple(parameters),
            body=body,
            accept=_accept(self._document, one),
            schemes=ways_of(self._document, one.operation, self._schemes),
            keyed=arguments.keyed or "Idempotency-Key",
            select=overlay.select,
            pages=pages_of(overlay.pages, wires),
        )

    def _base(self, one: Found) -> str:
        """Return the base URL of an operation; the settings' own goes before the document's."""
        if self._settings.url:
            return self._settings.url.rstrip("/")
        holders = (one.operation, one.item, self._document.root)
        listed: list[Any] = [h["servers"] for h in holders if is_array(h.get("servers"))]
        server: Any = listed[0][0] if listed and listed[0] else None
        if not is_object(server) or not isinstance(server.get("url"), str):
            raise self._wrong("url", "the document names no server; say where the service is")
        url = server["url"]
        variables = server.get("variables")
        for name, variable in variables.items() if is_object(variables) else ():
            url = url.replace(f"{{{name}}}", self._variable(name, variable))
        if not url.startswith(("http://", "https://")):
            shown = urljoin("https://HOST/", url)
            raise self._wrong(
                "url", f"the document's server {url[:100]!r} has no host; say it: url = {shown!r}"
            )
        return url.rstrip("/")

    def _variable(self, name: str, variable: Any) -> str:
        declared: dict[str, Any] = variable if is_object(variable) else {}
        value = self._settings.variables.get(name, str(declared.get("default", "")))
        allowed = declared.get("enum")
        if is_array(allowed) and allowed and value not in allowed:
            listed = ", ".join(map(str, allowed))
            raise self._wrong(f"variables.{name}", f"{value!r} is not one of {listed}")
        return value

    def _wrong(self, key: str, why: str) -> SettingsError:
        where = f"{self._where}.{key}"
        return SettingsError(f"{where}: {why}", details={"key": where})


def _overlaid(
    where: str, one: Found, overlay: OverlaySettings, arguments: Arguments
) -> tuple[JsonSchema, list[Parameter], Body | None]:
    """Return schema, parameters and body with what the overlay renames, describes and fixes."""
    for kind, named in (
        ("rename", overlay.rename),
        ("describe", overlay.describe),
        ("fix", overlay.fix),
    ):
        for argument in named:
            if argument not in arguments.properties:
                key = f"{where}.tools.{one.name}.{kind}.{argument}"
                known = ", ".join(arguments.properties) or "none"
                raise SettingsError(f"{key}: its arguments are {known}", details={"key": key})
    for argument, words in overlay.describe.items():
        arguments.properties[argument] = {**arguments.properties[argument], "description": words}
    parameters = [
        replace(parameter, fixed=overlay.fix[parameter.argument])
        if parameter.argument in overlay.fix
        else parameter
        for parameter in arguments.parameters
    ]
    outside = {parameter.argument for parameter in parameters}
    for argument in overlay.fix:
        if argument not in outside:
            key = f"{where}.tools.{one.name}.fix.{argument}"
            raise SettingsError(f"{key}: only parameters outside the body can be fixed")
        del arguments.properties[argument]
    arguments.required = [name for name in arguments.required if name not in overlay.fix]
    body = arguments.body
    if overlay.rename:
        new = dict(overlay.rename)
        arguments.properties = {
            new.get(name, name): schema for name, schema in arguments.properties.items()
        }
        arguments.required = [new.get(name, name) for name in arguments.required]
        parameters = [
            replace(one, argument=new.get(one.argument, one.argument)) for one in parameters
        ]
        if body is not None:
            body = replace(
                body,
                whole=None if body.whole is None else new.get(body.whole, body.whole),
                fields=tuple(
                    replace(part, argument=new.get(part.argument, part.argument))
                    for part in body.fields
                ),
            )
    return arguments.schema(), parameters, body


def _check(schema: JsonSchema) -> None:
    """See that references are well-founded; what they lead to was looked at one by one."""
    if "$defs" in schema:
        if len(orjson.dumps(schema)) > _SHOWN_BYTES:
            raise UnusableError("its schema is too large to show to a model")
        Checker(schema)


def _effect(one: Found, overlay: OverlaySettings, arguments: Arguments) -> Effect:
    if overlay.effect is not None:
        return Effect(overlay.effect)
    usual = EFFECTS.get(one.method, Effect.IRREVERSIBLE)
    return Effect.IDEMPOTENT if usual is Effect.IRREVERSIBLE and arguments.keyed else usual


def _accept(document: Document, one: Found) -> str:
    responses = one.operation.get("responses")
    for status, response in responses.items() if is_object(responses) else ():
        if not status.startswith("2"):
            continue
        try:
            content = document.resolved(response).get("content")
        except UnusableError:
            continue
        kinds = (
            [kind for kind in content if kind.isascii() and kind.isprintable()]
            if is_object(content)
            else []
        )
        if kinds and not any("json" in kind for kind in kinds):
            return ", ".join([*kinds, "*/*;q=0.1"])
        own = [kind for kind in kinds if "json" in kind]
        if own:
            return ", ".join([own[0], "*/*;q=0.5"])
    return _JSON_FIRST
