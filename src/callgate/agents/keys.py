"""Secrets that are written into requests and shown nowhere.

Needs the extra `models` (httpx2).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

import httpx2

from callgate.errors import SettingsError

__all__ = ["Key", "Secret"]

_LEAST = 8
"""Characters of the shortest secret that is hidden: to hide `none` or `x`, as servers without keys
are given, would break answers."""


class Secret(httpx2.Auth):
    """What proves who asks: it is set while a request is on its way, and hidden in its answer.

    No variable of ours ever holds a header, so that no traceback can show one.
    """

    MARK: ClassVar[bytes] = b"[key]"
    """What stands in an answer where a secret stood."""

    def __init__(self, *values: str, source: str) -> None:
        """Keep the secrets.

        Args:
            *values: All of them.
            source: Where they are from, such as the name of a variable; this may be shown.

        Raises:
            SettingsError: One of them is empty, or no header can carry it.
        """
        if any(not value or not value.isascii() or not value.isprintable() for value in values):
            raise SettingsError(
                f"{source} holds no key: it is empty, or has characters that no key has.",
                details={"key": source},
            )
        # JSON may write a slash with a backslash before it.
        spellings = {
            form
            for value in values
            if len(value) >= _LEAST
            for form in (value, value.replace("/", "\\/"))
        }
        self._hidden = tuple(form.encode() for form in sorted(spellings, key=len, reverse=True))
        self._source = source

    def __repr__(self) -> str:
        return f"{type(self).__name__}(source={self._source!r})"

    def hide(self, data: bytes, request: httpx2.Request) -> bytes:
        """Return bytes of an answer without the secrets: some servers repeat them in an error.

        Args:
            data: Any part of the answer.
            request: The request as it was sent.
        """
        for form in self._hidden:
            data = data.replace(form, self.MARK)
        return data


class Key(Secret):
    """A key that stands in one header."""

    def __init__(
        self, value: str, *, source: str, header: str = "Authorization", scheme: str = "Bearer "
    ) -> None:
        """Keep the key.

        Args:
            value: The key.
            source: Where it is from; this may be shown.
            header: The header it stands in.
            scheme: What stands before it there.

        Raises:
            SettingsError: It is empty, or no header can carry it.
        """
        super().__init__(value, source=source)
        self._value = value
        self._header = header
        self._scheme = scheme

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Put the key into a request."""
        request.headers[self._header] = f"{self._scheme}{self._value}"
        yield request
