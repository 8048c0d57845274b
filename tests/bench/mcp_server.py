"""A small MCP server for the bench: `mcp_server.py TOOLS [SECONDS]`, in raw JSON lines.

It offers so many tools, after so many seconds; each adds two numbers.
"""

import json
import sys
import time
from typing import Any


def tool(number: int) -> dict[str, Any]:
    """Return the definition of one tool, of a usual length."""
    return {
        "name": f"add_{number}",
        "description": "Add two whole numbers and return their sum. Use it whenever " * 3,
        "inputSchema": {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "description": "The first number."},
                "b": {"type": "integer", "description": "The second number."},
            },
            "required": ["a", "b"],
        },
        "outputSchema": {
            "type": "object",
            "properties": {"result": {"type": "integer"}},
            "required": ["result"],
        },
    }


def main() -> None:
    """Serve until the input ends."""
    tools = [tool(number) for number in range(int(sys.argv[1]))]
    time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        params = message.get("params") or {}
        if message["method"] == "initialize":
            result: dict[str, Any] = {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "bench", "version": "1"},
            }
        elif message["method"] == "tools/list":
            result = {"tools": tools}
        elif message["method"] == "server/discover":
            result = {"supportedVersions": ["2025-11-25"], "capabilities": {}}
        else:
            total = params["arguments"]["a"] + params["arguments"]["b"]
            text = json.dumps({"result": total})
            result = {
                "content": [{"type": "text", "text": text}],
                "structuredContent": {"result": total},
            }
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
