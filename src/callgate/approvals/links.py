"""Signed links: one decision of one person about one approval, to be sent by mail or chat.

A token is a JSON object and its HMAC-SHA-256, both as URL-safe text. Whoever has it can make that
one decision, once, until it expires; nothing in it is secret, and nothing in it can be changed. Its
number stands in the vote, so that a second use is refused wherever the first one was made.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from callgate.approvals.desk import Approvals
from callgate.approvals.records import Approval
from callgate.errors import ApprovalError, SettingsError
from callgate.types import Principal

__all__ = ["KEY_BYTES", "Link", "Links"]

KEY_BYTES = 32
"""The least length of a key in bytes."""

_LONGEST = 4096  # characters of a token
_CONTEXT = b"callgate.approval.link.1\n"  # so that the key signs nothing else by accident


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a token says.

    Attributes:
        approval: The id of the approval.
        decision: `approve` or `deny`.
        by: Whose decision it is, with the roles that count.
        expires_at: When it ends, in seconds since 1970.
        number: Makes it usable once.
    """

    approval: str
    decision: Literal["approve", "deny"]
    by: Principal
    expires_at: float
    number: str


class Links:
    """Signs tokens and reads them."""

    def __init__(
        self,
        key: bytes,
        *,
        now: Callable[[], float] = time.time,
        ids: Callable[[], str] = lambda: os.urandom(16).hex(),
    ) -> None:
        """Keep the key.

        Args:
            key: The secret, at least 32 bytes; the same in every process that reads the tokens.
            now: Seconds since 1970.
            ids: Makes the numbers of links.

        Raises:
            SettingsError: The key is too short.
        """
        if len(key) < KEY_BYTES:
            raise SettingsError(
                f"The key of signed links has {len(key)} bytes and needs {KEY_BYTES}; make one with"
                " openssl rand -hex 32."
            )
        self._key = key
        self._now = now
        self._ids = ids

    def sign(
        self,
        approval: Approval,
        decision: Literal["approve", "deny"],
        by: Principal,
        *,
        seconds: float = 3600.0,
    ) -> str:
        """Return the token of one decision.

        Args:
            approval: What is decided.
            decision: How.
            by: Whose decision it is.
            seconds: How long it can be used; an hour by default, never longer than the approval.
        """
        told = {
            "approval": approval.id,
            "decision": decision,
            "by": by.id,
            "tenant": by.tenant,
            "roles": sorted(by.roles),
            "expires_at": min(self._now() + seconds, approval.expires_at),
            "number": self._ids(),
        }
        body = json.dumps(told, separators=(",", ":"), sort_keys=True).encode()
        return f"{_encode(body)}.{_encode(self._mac(body))}"

    def read(self, token: str) -> Link:
        """Return what a token says.

        Raises:
            ApprovalError: It is not ours, was changed, or has expired.
        """
        told = self._verified(token)
        link = Link(
            approval=told["approval"],
            decision=told["decision"],
            by=Principal(id=told["by"], tenant=told["tenant"], roles=frozenset(told["roles"])),
            expires_at=told["expires_at"],
            number=told["number"],
        )
        if self._now() >= link.expires_at:
            raise ApprovalError("This link has expired; ask for a new one.")
        return link

    async def follow(self, token: str, desk: Approvals, *, reason: str = "") -> Approval:
        """Make the decision of a token, and return the approval as it stands then.

        Args:
            token: The token.
            desk: Where it is decided.
            reason: What the person says to it.

        Raises:
            ApprovalError: The token does not hold, was used, or the decision is not accepted.
        """
        link = self.read(token)
        decide = desk.approve if link.decision == "approve" else desk.deny
        return await decide(link.approval, link.by, reason=reason, link=link.number)

    def _verified(self, token: str) -> Mapping[str, Any]:
        head, dot, tail = token.partition(".")
        if not dot or len(token) > _LONGEST:
            raise ApprovalError("This is no link to an approval.")
        try:
            body, mac = _decode(head), _decode(tail)
        except (binascii.Error, ValueError):
            raise ApprovalError("This is no link to an approval.") from None
        if not hmac.compare_digest(mac, self._mac(body)):
            raise ApprovalError("This link was not signed here, or was changed.")
        return json.loads(body)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, _CONTEXT + body, hashlib.sha256)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
