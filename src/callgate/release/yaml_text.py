"""YAML documents, read as the source of OpenAPI tools reads them; needs the extra `openapi`."""

from __future__ import annotations

from typing import Any

from callgate.errors import DefinitionError, SettingsError
from callgate.sources.openapi.document import of_yaml

__all__ = ["MAX_BYTES", "parse_yaml"]

MAX_BYTES = 8 * 2**20
"""Bytes of YAML text that are read: it takes many times as long as JSON, and as much memory."""


def parse_yaml(data: bytes, source: str) -> Any:
    """Return the JSON value of a YAML text.

    Args:
        data: The text.
        source: What to call it in errors.

    Raises:
        DefinitionError: It is too long, no YAML, or has no form in JSON.
    """
    if len(data) > MAX_BYTES:
        raise DefinitionError(
            f"{source} holds more than {MAX_BYTES >> 20} MiB of YAML; write it as JSON."
        )
    try:
        return of_yaml(data, source)
    except SettingsError as exc:
        raise DefinitionError(exc.message) from exc
