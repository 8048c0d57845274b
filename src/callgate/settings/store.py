"""`[store]`: where effects, runs and evidence are kept."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from callgate.settings.table import RefusedError, Table, seconds, text, whole

__all__ = ["StoreSettings", "store"]

_FILE_URL = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where effects, runs and evidence are kept: the table `[store]`.

    Attributes:
        url: `sqlite:///path/to/file.db` or `postgresql://user@host/name`; None keeps nothing.
        sync: What a commit that has to last waits for: `full`, the disk, or `normal`, the
            operating system.
        staleness: Seconds for which the kill switch, and what effects of other processes have
            changed, may be out of date; 0, the default, looks before each call.
        ahead: Tokens of a rate that a process may take at once.
    """

    url: str | None = None
    sync: str = "full"
    staleness: float = 0.0
    ahead: int = 1


def store(table: Table, variables: Table, root: Path) -> StoreSettings:
    """Read `[store]`.

    Args:
        table: The table.
        variables: The environment.
        root: What a relative file is relative to.
    """
    table.only([part.name for part in fields(StoreSettings)])
    url = variables.take("store_url", text, table.take("url", _url, None))
    if url is not None and url.startswith(_FILE_URL):
        # A relative file of the settings is relative to them, from wherever a command is started.
        path = (root / Path(url.removeprefix(_FILE_URL)).expanduser()).resolve()
        url = f"{_FILE_URL}{path}"
    usual = StoreSettings()
    return StoreSettings(
        url=url,
        sync=variables.take("store_sync", _sync, table.take("sync", _sync, usual.sync)),
        staleness=table.take("staleness", _staleness, usual.staleness),
        ahead=table.take("ahead", whole, usual.ahead),
    )


def _staleness(value: object) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    try:
        return seconds(value)
    except RefusedError:
        raise RefusedError("a number of seconds, 0 or above") from None


def _url(value: object) -> str:
    url = text(value)
    if ":" in url.partition("://")[2].rpartition("@")[0]:
        raise RefusedError(
            "a URL without a password; one with a password belongs into CALLGATE_STORE_URL",
            secret=True,
        )
    return url


def _sync(value: object) -> str:
    if value in ("full", "normal"):
        return str(value)
    raise RefusedError("full or normal")
