"""`python -m tests.chaos.world LOG`: the world in which effects happen; it outlives whoever acts.

It appends every effect to a log. It knows keys only of the kind of effect that is idempotent; for
all others, asking twice is acting twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from typing import Any

SLOW = 0.012  # seconds at most before an effect, and again before its answer


class World:
    """What has happened, and the ways to ask."""

    def __init__(self, log: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._keys: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; an effect happens also if nobody waits for the answer any more."""
        try:
            asked = json.loads(await reader.readline() or b"{}")
            if asked:
                writer.write(json.dumps(await self._answer(asked)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, asked: dict[str, Any]) -> Any:
        key = asked["key"]
        if asked["op"] == "ask":
            return key in self._keys
        await asyncio.sleep(random.uniform(0, 2 * SLOW))
        if not (asked["kind"] == "put" and key in self._keys):
            self._keys.add(key)
            line = {"n": asked["n"], "key": key, "kind": asked["kind"]}
            os.write(self._log, json.dumps(line).encode() + b"\n")
        await asyncio.sleep(random.uniform(0, SLOW))
        return asked["n"]


async def main() -> None:
    """Serve on a free port of the loopback and say which, until the standard input ends."""
    server = await asyncio.start_server(World(sys.argv[1]).serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
