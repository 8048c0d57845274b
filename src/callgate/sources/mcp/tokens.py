"""Where the tokens of authorization servers are kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson

__all__ = ["FileTokens", "MemoryTokens"]


class MemoryTokens:
    """Keeps tokens as long as the process lives."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[str, dict[str, Any]] = {}

    async def load(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under `key`, if anything."""
        return self._kept.get(key)

    async def save(self, key: str, value: dict[str, Any]) -> None:
        """Keep a JSON object under `key`."""
        self._kept[key] = value


class FileTokens:
    """Keeps tokens in one file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Keep the path.

        Args:
            path: The file; made when something is kept for the first time.
        """
        self._path = path
        self._lock = asyncio.Lock()

    async def load(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under `key`, if anything."""
        return (await asyncio.to_thread(self._read)).get(key)

    async def save(self, key: str, value: dict[str, Any]) -> None:
        """Keep a JSON object under `key`."""
        async with self._lock:
            kept = await asyncio.to_thread(self._read)
            await asyncio.to_thread(self._write, {**kept, key: value})

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}

    def _write(self, kept: dict[str, dict[str, Any]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.part")
        # Nobody else may read it, not even before it has its name.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps(kept))
        part.replace(self._path)
