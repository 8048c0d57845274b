"""Leads a person to an authorization server in the browser, and hears where it leads back to."""

from __future__ import annotations

import asyncio
import logging
import webbrowser
from collections.abc import Callable
from urllib.parse import urlsplit

from callgate.errors import SettingsError

__all__ = ["Browser"]

_log = logging.getLogger("callgate.mcp")

_HEAD = 65_536  # bytes of a request's head
_DONE = b"Thank you. You may close this window."
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_DONE),
    _DONE,
)


class Browser:
    """Opens an address in the browser of this machine, and waits at the redirect address."""

    def __init__(self, redirect: str, *, show: Callable[[str], object] = webbrowser.open) -> None:
        """Keep where the person comes back to.

        Args:
            redirect: An address of this machine, such as `http://localhost:3000/callback`.
            show: Opens an address; it is written into the log as well.
        """
        self._redirect = redirect
        self._show = show

    async def __call__(self, address: str) -> str:
        """Show `address` and return the address that the person came back to.

        Raises:
            SettingsError: The redirect address is not one of this machine.
        """
        place = urlsplit(self._redirect)
        if place.scheme != "http" or place.hostname not in ("localhost", "127.0.0.1"):
            raise SettingsError(
                f"oauth.redirect: {self._redirect} is not an http address of this machine"
            )
        back: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = (await reader.readuntil(b"\r\n")).decode("latin-1").split(" ")
                if len(head) == 3 and urlsplit(head[1]).path == place.path and not back.done():
                    back.set_result(f"http://{place.netloc}{head[1]}")
                writer.write(_ANSWER)
                await writer.drain()
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
                pass  # no browser
            finally:
                writer.close()

        listening = await asyncio.start_server(greet, "127.0.0.1", place.port, limit=_HEAD)
        async with listening:
            _log.warning("To let Callgate in, agree at %s", address)
            await asyncio.to_thread(self._show, address)
            return await back
