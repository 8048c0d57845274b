"""An MCP server on standard input and output for the contract of sources: `backend.py HOST PORT`.

It speaks both eras in raw JSON lines, plays the roles of `tests.sources.contract`, and tells the
test at HOST:PORT what it sees. What it breaks once, it breaks once per folder it runs in.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

KEY = "callgate/idempotency-key"


class Backend:
    """The server; `hung` are requests it will never answer."""

    def __init__(self, test: socket.socket, effects: dict[str, str]) -> None:
        self.test = test
        self.roles = effects
        self.hung: set[Any] = set()

    def tell(self, **event: Any) -> None:
        """Tell the test."""
        self.test.sendall(json.dumps(event).encode() + b"\n")

    def answer(self, message: dict[str, Any]) -> None:
        """Handle one message."""
        method, params = message.get("method"), message.get("params") or {}
        if method == "notifications/cancelled":
            self.hung.discard(params["requestId"])
            self.tell(event="quiet", hung=len(self.hung))
        if "id" not in message:
            return
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        if method == "tools/call":
            outcome = self.call(message["id"], params)
            if outcome is None:
                return
        elif method in ("initialize", "server/discover", "tools/list"):
            outcome = {"result": getattr(self, method.replace("/", "_"))(params)}
        else:
            outcome = {"error": {"code": -32601, "message": "Method not found"}}
        sys.stdout.write(json.dumps(reply | outcome) + "\n")
        sys.stdout.flush()

    def initialize(self, params: dict[str, Any]) -> dict[str, Any]:
        """Begin the old way."""
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "backend", "version": "1"},
        }

    def server_discover(self, params: dict[str, Any]) -> dict[str, Any]:
        """Say which versions there are."""
        return {
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "ttlMs": 0,
            "cacheScope": "private",
        }

    def tools_list(self, params: dict[str, Any]) -> dict[str, Any]:
        """List a tool for each role."""
        tools = [
            {
                "name": role,
                "description": f"The role {role}.",
                "inputSchema": {
                    "type": "object",
                    "properties": {"text": {"type": "string"}},
                    "required": ["text"],
                },
            }
            for role in self.roles
        ]
        return {"resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private"}

    def call(self, number: Any, params: dict[str, Any]) -> dict[str, Any] | None:
        """Play a role."""
        role, text = params["name"], params["arguments"]["text"]
        key = params["_meta"][KEY]
        secret = os.environ["BACKEND_SECRET"]
        if role.startswith("hang"):
            self.hung.add(number)
        self.tell(event="arrival", role=role, text=text, key=key, secret=secret)
        if role.startswith("hang"):
            return None
        if role.startswith("break"):
            flag = Path(role)
            if not flag.exists():
                flag.touch()
                os._exit(3)
        if role == "refuse":
            told = {"type": "text", "text": f"There is no order 77 for {secret}."}
            return {"result": {"isError": True, "content": [told]}}
        if role == "garbage":
            return {"result": {"content": "no array"}}
        if role == "flood":
            text = "x" * 3_000_000
        return {"result": {"content": [], "structuredContent": {"text": text}}}


def main() -> None:
    """Serve until the input ends."""
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as test:
        backend = Backend(test, json.loads(sys.argv[3]))
        for line in sys.stdin:
            backend.answer(json.loads(line))


if __name__ == "__main__":
    main()
