"""Which addresses of the network a source may reach: public ones, and those named to it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import httpx2

from callgate.errors import SettingsError, ToolFailedError

__all__ = ["Origin", "Reach", "origin_of"]

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS: Mapping[str, int] = MappingProxyType({"http": 80, "https": 443})
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(
    r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_LAST_PORT = 65_535
_LOW_32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a request goes to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _PORTS.get(self.scheme) == self.port
        return f"{self.scheme}://{host}" if usual else f"{self.scheme}://{host}:{self.port}"


def origin_of(url: str) -> Origin:
    """Return the origin of a URL that is written plainly.

    Args:
        url: An absolute URL of the web.

    Raises:
        SettingsError: It is another scheme, names a user, or writes its host so that two readers
            may read two hosts (as decimal, octal or hexadecimal number, with a backslash).
    """
    if _UNSAFE.search(url):
        raise _refused(url, "it has spaces, control characters or backslashes")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as exc:
        raise _refused(url, "it is no URL") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise _refused(url, "it is no absolute URL with http or https")
    if parsed.userinfo or "@" in url.partition("://")[2].partition("/")[0]:
        raise _refused(url, "it names a user; secrets belong into `auth`", shown=False)
    host = parsed.raw_host.decode("ascii").lower().strip("[]").rstrip(".")
    if _literal(host) is None:
        _check_name(url, host)
    port = parsed.port or _PORTS[parsed.scheme]
    if port > _LAST_PORT:
        raise _refused(url, "there is no such port")
    return Origin(parsed.scheme, host, port)


def _check_name(url: str, host: str) -> None:
    if "%" in host or not _NAME.fullmatch(host):
        raise _refused(url, "its host is no name and no plain address")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # `2130706433`, `0x7f.1`, `0177.0.0.1`: the system reads them as addresses.
        raise _refused(url, "its host is a number; write an address as four decimal numbers")


def _refused(url: str, why: str, *, shown: bool = True) -> SettingsError:
    what = f"{url[:200]!r}" if shown else "a URL"
    return SettingsError(f"{what} is refused: {why}.", details={"key": "url"})


def _literal(host: str) -> _Address | None:
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


class Reach:
    """Whom one source may reach: origins it was given, at public addresses or named hosts."""

    def __init__(self, urls: Iterable[str], hosts: Iterable[str] = ()) -> None:
        """Keep what is allowed.

        Args:
            urls: URLs whose origins may be reached.
            hosts: Hosts, `name` or `name:port`, that may stand on this machine or in a private
                network; without a port the scheme's usual one is meant.

        Raises:
            SettingsError: A URL is refused whatever its address; see `origin_of`.
        """
        self.origins = frozenset(origin_of(url) for url in urls)
        self._hosts = frozenset(host.lower() for host in hosts)

    def check(self, url: str) -> Origin:
        """Return the origin of a URL that may be reached.

        Raises:
            ToolFailedError: It may not; nothing was sent.
        """
        try:
            origin = origin_of(url)
        except SettingsError as exc:
            raise ToolFailedError(exc.message) from None
        if origin not in self.origins:
            allowed = ", ".join(sorted(str(one) for one in self.origins)) or "nothing"
            raise ToolFailedError(f"{origin} may not be reached; allowed is {allowed}.")
        return origin

    def judge(self, host: str, port: int, addresses: Iterable[str]) -> str:
        """Return the address to connect to, when all that a name stands for are allowed.

        Raises:
            ToolFailedError: One of them is private, or there is none; nothing was sent.
        """
        found = list(addresses)
        if not found:
            raise ToolFailedError(f"{host} has no address.")
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        named = place in self._hosts or (port in _PORTS.values() and host in self._hosts)
        if not named and not all(_is_public(address) for address in found):
            raise ToolFailedError(
                f"{host} may not be reached: it stands at an address that is not public. "
                f'To allow it, name it in the settings: hosts = ["{place}"].'
            )
        return found[0]


def _is_public(text: str) -> bool:
    address = _literal(text)
    return address is not None and all(
        one.is_global
        and not one.is_multicast
        and not one.is_reserved
        and not (isinstance(one, ipaddress.IPv6Address) and one.is_site_local)
        for one in _inside(address)
    )


def _inside(address: _Address) -> Iterator[_Address]:
    """Yield the addresses that traffic to `address` may end at."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & _LOW_32)
        return
    yield address
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & _LOW_32)
    if address in _NAT64_LOCAL:
        yield ipaddress.IPv4Address("127.0.0.1")  # whatever it embeds, it is somebody's own net
