"""Secrets of sources: where they come from, and a value that shows itself to nobody by accident.

Settings name a secret by its place, `scheme:rest`: `env:SHOP_TOKEN`, `file:secrets/shop`. Another
scheme is a plug-in: an entry point of the group `callgate.secrets`, named as the scheme, that is a
function of no arguments giving a `Vault`. `{principal}` and `{tenant}` in a place stand for those
of the call, so each can have secrets of their own.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.metadata import entry_points
from inspect import isawaitable
from pathlib import Path
from typing import NoReturn, Protocol
from urllib.parse import quote

import orjson

from callgate.errors import SettingsError
from callgate.types import ANYONE, Principal

__all__ = [
    "GROUP",
    "HIDDEN",
    "EnvironmentVault",
    "FileVault",
    "Secret",
    "Secrets",
    "Vault",
    "forms_of",
    "hide",
]

GROUP = "callgate.secrets"
"""The group of entry points in which other vaults are found."""

HIDDEN = b"[secret]"
"""What stands in an answer where a secret stood."""

_LEAST = 6
"""Characters of the shortest secret that is hidden in answers: to hide `x` would break them."""
_MOST = 65_536
_WORD = re.compile(r"[A-Za-z0-9_]{1,128}")
_SEGMENT = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_.@-]{0,127}")
_WHO = re.compile(r"\{(principal|tenant)\}")


class Secret:
    """A secret text: compared in constant time, never printed, never stored."""

    __slots__ = ("_text", "place")

    def __init__(self, text: str, *, place: str) -> None:
        """Keep the text.

        Args:
            text: The secret.
            place: Where it is from; this may be shown.
        """
        self._text = text
        self.place = place

    def reveal(self) -> str:
        """Return the secret; the caller writes it into a request and keeps it nowhere."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({self.place!r})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._text.encode(), other._text.encode()
        )

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} cannot be stored")


class Vault(Protocol):
    """Keeps secrets of one scheme."""

    def get(self, name: str, principal: Principal, /) -> str | Awaitable[str | None] | None:
        """Return a secret, at once or later; None where there is none.

        Args:
            name: What follows the scheme in a place; `{principal}` and `{tenant}` still stand
                there, for only the vault knows how to write them safely.
            principal: On whose behalf the call is made.
        """
        ...


class EnvironmentVault:
    """Secrets in environment variables: `env:NAME`.

    A principal or tenant becomes part of a name as it is, so that no two share a variable; one
    with other characters than letters, digits and `_` has no variable.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Keep the environment.

        Args:
            environment: The variables.
        """
        self._environment = environment

    def get(self, name: str, principal: Principal, /) -> str | None:
        """Return the variable's value."""
        filled = _filled(name, principal, _WORD)
        return None if filled is None else self._environment.get(filled)


class FileVault:
    """Secrets in files of their own: `file:PATH`, without the line's end.

    A principal or tenant becomes one segment of a path; one that is no plain name has no file.
    """

    def __init__(self, root: Path) -> None:
        """Keep the folder.

        Args:
            root: What relative paths are relative to.
        """
        self._root = root

    def get(self, name: str, principal: Principal, /) -> str | None:
        """Return what stands in the file."""
        filled = _filled(name, principal, _SEGMENT)
        if filled is None:
            return None
        try:
            with (self._root / filled).open(encoding="utf-8") as file:
                return file.read(_MOST).rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return None


class Secrets:
    """Finds the vault of a place; with settings the only reader of secrets."""

    def __init__(self, vaults: Mapping[str, Vault], *, group: str | None = GROUP) -> None:
        """Keep the vaults.

        Args:
            vaults: The vault of each scheme.
            group: The group of entry points where others are looked for; None looks nowhere.
        """
        self._vaults = dict(vaults)
        self._group = group

    @classmethod
    def usual(cls, root: Path, environment: Mapping[str, str] | None = None) -> Secrets:
        """Make the one that reads the environment and files.

        Args:
            root: What paths of files are relative to.
            environment: The variables; defaults to the process's own.
        """
        variables = os.environ if environment is None else environment
        return cls({"env": EnvironmentVault(variables), "file": FileVault(root)})

    async def get(self, place: str, principal: Principal = ANYONE) -> Secret:
        """Return the secret at a place.

        Args:
            place: `scheme:rest`.
            principal: On whose behalf the call is made.

        Raises:
            SettingsError: There is no such scheme, or no secret for this principal; the message
                names the place and never a value.
        """
        scheme, colon, name = place.partition(":")
        vault = self._vault(scheme) if colon else None
        if vault is None:
            raise SettingsError(
                f"{place.partition(':')[0] if colon else 'a secret'}: no scheme of secrets; known "
                f"are {', '.join(sorted(self._vaults))} and the entry points of {self._group}",
                details={"key": "secret"},
            )
        found = vault.get(name, principal)
        text = await found if isawaitable(found) else found
        if not text:
            whose = " for this principal" if _WHO.search(name) else ""
            raise SettingsError(
                f"{place}: there is no secret{whose}; set it where the settings say it is",
                details={"key": place},
            )
        return Secret(text, place=place)

    def _vault(self, scheme: str) -> Vault | None:
        if scheme not in self._vaults and self._group is not None:
            for found in entry_points(group=self._group, name=scheme):
                make: Callable[[], Vault] = found.load()
                self._vaults[scheme] = make()
        return self._vaults.get(scheme)


def _filled(name: str, principal: Principal, allowed: re.Pattern[str]) -> str | None:
    """Write principal and tenant into a name; None if one of them cannot stand there safely."""
    words = {"principal": principal.id, "tenant": principal.tenant}
    if any(not allowed.fullmatch(words[part]) for part in _WHO.findall(name)):
        return None
    return _WHO.sub(lambda found: words[found[1]], name)


def forms_of(*texts: str) -> tuple[bytes, ...]:
    """Return how secrets may be spelled in an answer that repeats them.

    Args:
        *texts: The secrets; those shorter than six characters are left out.
    """
    forms = {
        form
        for text in texts
        if len(text) >= _LEAST
        for form in (
            text.encode(),
            orjson.dumps(text)[1:-1],
            text.replace("/", "\\/").encode(),
            quote(text, safe="").encode(),
            base64.b64encode(text.encode()),
        )
    }
    return tuple(sorted(forms, key=len, reverse=True))


def hide(data: bytes, forms: Iterable[bytes]) -> bytes:
    """Return bytes without secrets: some servers repeat them in an error.

    Args:
        data: Any part of an answer.
        forms: What `forms_of` gave.
    """
    for form in forms:
        data = data.replace(form, HIDDEN)
    return data
