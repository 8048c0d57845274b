"""What the suite starts for each scenario: hands it to the nursery and exits as the client does."""

import json
import os
import socket
import sys


def main(place: str, url: str) -> str:
    """Knock; return what went wrong, or nothing."""
    wanted = {key: value for key, value in os.environ.items() if key.startswith("MCP_")}
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(place)
        knock = {"url": url, "environment": wanted}
        door.sendall(json.dumps(knock).encode() + b"\n")
        with door.makefile("rb") as said:
            return said.read().decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[-1]) or 0)
