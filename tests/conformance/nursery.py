"""Runs clients that are ready at once: `python nursery.py SOCKET`.

The suite starts one client process per scenario, many at the same time, and each would load the SDK
first, for seconds on a busy machine. Here it is loaded once; `knock.py` is what the suite starts,
and for each knock a fork of this process is the client, a few at a time.
"""

import asyncio
import importlib
import json
import os
import socket
import sys
import traceback

from tests.conformance.client import main

AT_ONCE = 6
"""Clients that run; the others wait, so that none runs into a time-out of its own."""


def serve(place: str) -> None:
    """Answer knocks until the process is ended."""
    children = 0
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(place)
        door.listen(128)
        while True:
            visitor, _ = door.accept()
            if children == AT_ONCE:
                os.wait()
                children -= 1
            children += 1
            if os.fork() == 0:
                door.close()
                with visitor:
                    visitor.sendall(be_client(visitor).encode())
                os._exit(0)
            visitor.close()


def be_client(visitor: socket.socket) -> str:
    """Be the client of one scenario; return an empty text, or what went wrong."""
    with visitor.makefile("rb") as said:
        knock = json.loads(said.readline())
    try:
        asyncio.run(main(knock["url"], knock["environment"]))
    except (Exception, SystemExit):  # noqa: BLE001 - whatever ends the client is told to the suite
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    # Loaded for the children.
    importlib.import_module("callgate.sources.mcp.engine")
    serve(sys.argv[1])
