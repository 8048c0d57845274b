"""An MCP server of the stateless era that answers in every odd way, in raw JSON lines."""

import json
import sys
from typing import Any

NAMES = ("mismatch", "url", "many", "again", "forever", "wants", "big", "error", "ok")
FORM = {
    "method": "elicitation/create",
    "params": {
        "message": "Sure?",
        "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}},
    },
}
URL = {
    "method": "elicitation/create",
    "params": {"mode": "url", "message": "Go to", "url": "https://x.example/a"},
}
calls: dict[str, int] = {}


def text(said: Any) -> dict[str, Any]:
    """Return a result of one text."""
    return {"result": {"content": [{"type": "text", "text": json.dumps(said)}]}}


def asks(state: str | None = None, **requests: Any) -> dict[str, Any]:
    """Return a result that wants input first."""
    kept = {} if state is None else {"requestState": state}
    return {"result": {"resultType": "input_required", "inputRequests": requests} | kept}


def failed(code: int, message: str = "No.", **data: Any) -> dict[str, Any]:
    """Return an error."""
    return {"error": {"code": code, "message": message, "data": data or None}}


def act(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Answer one call."""
    calls[name] = calls.get(name, 0) + 1
    responses, state = params.get("inputResponses"), params.get("requestState")
    first = calls[name] == 1
    listing = {"method": "roots/list"}
    sample = {"method": "sampling/createMessage", "params": {"messages": []}}
    odd: dict[str, Any] = {
        "mismatch": failed(-32020) if first else text("found"),
        "url": failed(-32042, elicitations=[URL["params"]]) if first else text("let in"),
        "many": text([responses, state])
        if responses
        else asks("s1", a=FORM, b=URL, c=listing, d=sample),
        "again": text(state) if state == "s2" else asks("s1" if first else "s2"),
        "forever": asks("on"),
        "wants": asks(a={"method": "magic/do"}),
        "big": asks("x" * 300_000, a=FORM),
        "ok": text("ok"),
    }
    arguments = params["arguments"]
    return failed(arguments["code"], arguments["message"]) if name == "error" else odd[name]


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Answer one request."""
    if method == "server/discover":
        result: dict[str, Any] = {
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {"listChanged": True}},
        }
        return {"result": result | {"resultType": "complete", "ttlMs": -1, "cacheScope": "public"}}
    if method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in NAMES]
        bad = {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": "A B"}}}
        tools.append({"name": "bad", "inputSchema": bad})
        calls["list"] = calls.get("list", 0) + 1
        return {"result": {"tools": tools, "ttlMs": 60_000, "cacheScope": "public"}}
    if method == "tools/call":
        return act(params["name"], params)
    return failed(-32601)


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            reply = answer(message["method"], message.get("params") or {})
            head = {"jsonrpc": "2.0", "id": message["id"]}
            sys.stdout.write(json.dumps(head | reply) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
