"""Refuse every connection and name look-up that would leave this machine.

The guard is an audit hook: it sees every socket of the process, whoever opened it, and no test can
take it off. Only the standard library is used, so that child processes can load it at their start
(see `sitecustomize.py` beside this file).
"""

import ipaddress
import socket
import sys
from collections.abc import Sequence
from functools import cache

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})
_OWN_NAMES = frozenset({"", "localhost", "ip6-localhost"})

blocked: list[str] = []
"""What was refused in this process, oldest first; a test that leaves an entry here fails."""


class NetworkBlockedError(RuntimeError):
    """A test tried to reach something other than this machine."""


def is_own(host: object) -> bool:
    """Tell whether `host` (a name, an address, or None) is this machine."""
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in _OWN_NAMES:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _host(event: str, args: Sequence[object]) -> object:
    if event == "socket.getaddrinfo":
        return args[0]
    connection, address = args[0], args[1]
    family = getattr(connection, "family", None)
    if family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple) and address:
        return address[0]
    return None


def refuse(event: str, args: tuple[object, ...]) -> None:
    """Audit hook: raise for what leaves the machine, pass everything else."""
    if event not in _EVENTS:
        return
    host = _host(event, args)
    if is_own(host):
        return
    blocked.append(f"{event} {host!r}")
    raise NetworkBlockedError(
        f"tests reach nothing but loopback: {event} to {host!r} was refused;"
        " serve it on 127.0.0.1 in the test"
    )


@cache
def install() -> None:
    """Put the guard on this process, once and for good."""
    sys.addaudithook(refuse)
