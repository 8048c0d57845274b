"""Whom a server on the network may lead us to: decided by where it stands itself.

Authorization leads to hosts that the server names. A public server may name public ones; one on
this machine or in a private network may name others there. Addresses are judged when a connection
is made, so it does not matter what a name stood for before or will stand for afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx2

from callgate.errors import ToolFailedError
from callgate.sources.web.address import Reach
from callgate.sources.web.client import GuardedTransport, Resolve, look_up

__all__ = ["Guard"]


class Guard:
    """Judges addresses for the connections to one server, the later ones too."""

    def __init__(self, url: str, *, resolve: Resolve | None = None) -> None:
        """Look nothing up yet.

        Args:
            url: Where the server is; that address itself was chosen by a person.
            resolve: Looks names up; defaults to the system.
        """
        own = httpx2.URL(url)
        self._host = own.raw_host.decode("ascii")
        self._port = own.port or (443 if own.scheme == "https" else 80)
        self._resolve = resolve or look_up
        self._reach = Reach(())
        self._inside: bool | None = None

    def transport(self) -> GuardedTransport:
        """Return a transport whose connections are judged."""
        return GuardedTransport(self.judge, resolve=self._resolve)

    async def look(self, url: httpx2.URL) -> None:
        """Find out where the server stands, if its word may lead elsewhere and nobody knows yet.

        Args:
            url: Where the next request goes.
        """
        if self._inside is not None or url.raw_host.decode("ascii") == self._host:
            return
        try:
            self._own(await self._resolve(self._host, self._port))
        except (OSError, ToolFailedError):
            return  # nobody is led inside by a server that cannot be found

    def judge(self, host: str, port: int, addresses: Sequence[str]) -> None:
        """Refuse addresses that the server may not lead to.

        Raises:
            ToolFailedError: Nothing was sent.
        """
        if host == self._host:
            self._own(addresses)
        elif not self._inside and not self._public(host, port, addresses):
            raise ToolFailedError(
                f"{host} may not be reached: it stands at an address that is not public, and was "
                f"named by {self._host}, which is not known to stand in that network itself."
            )

    def _own(self, addresses: Sequence[str]) -> None:
        """Note where the server stands: once seen in public, it does not move inside."""
        public = self._public(self._host, self._port, addresses)
        if self._inside is False and not public:
            raise ToolFailedError(
                f"{self._host} may not be reached: it stood at a public address, and now its name "
                "leads to one that is not public."
            )
        self._inside = not public

    def _public(self, host: str, port: int, addresses: Sequence[str]) -> bool:
        if not addresses:
            raise ToolFailedError(f"{host} has no address.")
        try:
            self._reach.judge(host, port, addresses)
        except ToolFailedError:
            return False
        return True
