"""What a server was accepted to offer, and what it offers now."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from callgate.codecs.mcp_tools import Offer, Trust, fingerprint, read_tool
from callgate.errors import DefinitionError
from callgate.sources.mcp.server import McpServer
from callgate.types import Tool

__all__ = ["Catalogue", "Change"]

_log = logging.getLogger("callgate.mcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A tool is not what it was when it was accepted.

    Attributes:
        name: The server's own name of the tool.
        before: Its definition as accepted; None for a new tool.
        after: Its definition now; None for one that is gone.
    """

    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    def told(self) -> str:
        """Return in words what has changed."""
        if self.after is None:
            return "the server no longer offers it"
        if self.before is None:
            return "it is new"
        before, after = self.before, self.after
        parts = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        return f"changed: {', '.join(parts)}"


class Catalogue:
    """The accepted tools of one server.

    Attributes:
        skipped: Why some definitions are not offered, by the server's name of the tool.
    """

    def __init__(self, server: McpServer) -> None:
        """Start with nothing accepted.

        Args:
            server: What a person said about the server.
        """
        self.skipped: dict[str, str] = {}
        self._server = server
        self._trust = Trust(effects=server.effects, hints=server.accept_hints)
        self._offers: dict[str, Offer] | None = None

    @property
    def known(self) -> bool:
        """Whether a listing has been accepted."""
        return self._offers is not None

    @property
    def offers(self) -> Mapping[str, Offer]:
        """What is offered, by our names."""
        return self._offers or {}

    @property
    def definitions(self) -> list[Any]:
        """The accepted definitions, as the server sent them."""
        return [offer.definition for offer in self.offers.values()]

    def tools(self) -> Sequence[Tool]:
        """Return the tools in the order of the server."""
        return [offer.tool for offer in self.offers.values()]

    def accept(self, definitions: Iterable[Any]) -> None:
        """Take a listing as what is offered from now on."""
        # What has not changed is not read again: schemas are compiled while reading.
        before = {offer.digest: offer for offer in self.offers.values()}
        offers: dict[str, Offer] = {}
        self.skipped = {}
        for definition in definitions:
            name = _name(definition)
            if self._server.only and name not in self._server.only:
                continue
            try:
                offer = before.get(_digest(definition)) or self._read(definition, offers)
            except DefinitionError as exc:
                self.skipped[name] = exc.message
                _log.warning(
                    "A tool of the MCP server %r is not offered: %s", self._server.name, exc.message
                )
            else:
                offers[offer.tool.name] = offer
        self._offers = offers

    def changes(self, definitions: Iterable[Any]) -> dict[str, Change]:
        """Return how a listing differs from what was accepted, by the server's names."""
        accepted = {offer.name: offer for offer in self.offers.values()}
        now: dict[str, Mapping[str, Any]] = {}
        for definition in definitions:
            name = _name(definition)
            listed = not self._server.only or name in self._server.only
            usable = name in accepted or name not in self.skipped
            if listed and usable and isinstance(definition, dict):
                now.setdefault(name, cast("dict[str, Any]", definition))
        found: dict[str, Change] = {}
        for name in {*accepted, *now}:
            before, after = accepted.get(name), now.get(name)
            if before is None or after is None or _digest(after) != before.digest:
                found[name] = Change(name=name, before=before and before.definition, after=after)
        return found

    def _read(self, definition: Any, taken: Mapping[str, Offer]) -> Offer:
        server = self._server
        offer = read_tool(
            definition,
            server=server.name,
            prefix=server.prefix,
            trust=self._trust,
            limits=server.limits,
        )
        if offer.tool.name in taken:
            raise DefinitionError(f"Another tool of the server is named {offer.tool.name}, too.")
        return offer


def _name(definition: Any) -> str:
    name = cast("dict[str, Any]", definition).get("name") if isinstance(definition, dict) else None
    return name if isinstance(name, str) else ""


def _digest(definition: object) -> str:
    """Return the digest of a definition; an empty text for what is none."""
    try:
        return (
            fingerprint(cast("dict[str, Any]", definition)) if isinstance(definition, dict) else ""
        )
    except TypeError:
        return ""
