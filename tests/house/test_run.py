"""Proof that the test run itself bites: network, skips, warnings, time."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

import network_guard
from tests.house.conftest import Run


def test_a_passing_test_is_green(run: Run):
    code, output = run("def test_a():\n    assert True\n")
    assert (code, "1 passed" in output) == (0, True)


CONNECT = """import socket
def go():
    with socket.socket() as out:
        out.connect(('192.0.2.1', 80))
"""


def test_a_test_that_leaves_the_machine_is_red(run: Run):
    code, output = run(f"{CONNECT}def test_a():\n    go()\n")
    assert code == 1
    assert "tests reach nothing but loopback" in output


def test_a_test_that_swallows_the_refusal_is_red(run: Run):
    swallow = "    try:\n        go()\n    except RuntimeError:\n        pass\n"
    code, output = run(f"{CONNECT}def test_a():\n{swallow}")
    assert code == 1
    assert "reached for the network: [\"socket.connect '192.0.2.1'\"]" in output


def test_a_python_process_that_a_test_starts_is_guarded():
    probe = "import socket; socket.getaddrinfo('callgate.example', 80)"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "NetworkBlockedError" in done.stderr


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", b"localhost", None, ""]
)
def test_loopback_is_own(host: object):
    assert network_guard.is_own(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "fe80::1%eth0", "callgate.example"])
def test_everything_else_is_not(host: str):
    assert not network_guard.is_own(host)


def test_loopback_and_unix_sockets_pass_the_guard(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    path = str(tmp_path / "s")
    with (
        socket.socket(socket.AF_UNIX) as server,
        socket.socket(socket.AF_UNIX) as client,
    ):
        server.bind(path)
        server.listen()
        client.connect(path)
    assert network_guard.blocked == []


SKIP = "import pytest\ndef test_a():\n    pytest.skip({reason!r})\n"


def test_a_skip_that_names_what_is_missing_is_allowed(run: Run):
    code, output = run(SKIP.format(reason="needs bubblewrap: not installed"))
    assert (code, "1 skipped" in output) == (0, True)


def test_a_skip_that_names_nothing_is_red(run: Run):
    code, output = run(SKIP.format(reason="flaky"))
    assert code == 1
    assert "a skip says what it needs" in output


@pytest.mark.parametrize(
    "code",
    [
        SKIP.format(reason="needs bubblewrap: not installed"),
        "import pytest\npytest.importorskip('no_such_module')\n",
        "import pytest\n@pytest.mark.skipif(True, reason='needs x')\ndef test_a():\n    pass\n",
    ],
    ids=["call", "module", "mark"],
)
def test_with_everything_required_a_skip_is_red(run: Run, code: str):
    status, output = run(code, CALLGATE_REQUIRE="all")
    assert status != 0
    assert "CALLGATE_REQUIRE=all forbids skips" in output


def test_a_warning_is_red(run: Run):
    code, _ = run("import warnings\ndef test_a():\n    warnings.warn('x')\n")
    assert code == 1


def test_an_unknown_mark_is_red(run: Run):
    code, _ = run("import pytest\n@pytest.mark.quick\ndef test_a():\n    pass\n")
    assert code != 0


def test_an_expected_failure_that_passes_is_red(run: Run):
    code, _ = run("import pytest\n@pytest.mark.xfail\ndef test_a():\n    pass\n")
    assert code == 1


def test_an_expected_failure_is_no_skip(run: Run):
    code, output = run(
        "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert False\n",
        CALLGATE_REQUIRE="all",
    )
    assert (code, "1 xfailed" in output) == (0, True)


def test_a_suite_that_takes_longer_than_its_limit_is_red(run: Run, tmp_path: Path):
    (tmp_path / "tests/house/limits.toml").write_text("[suite_seconds]\ndefault = 0.0\n")
    code, output = run("def test_a():\n    assert True\n")
    assert code == 1
    assert "FAILED tests/suite took" in output


def test_keys_and_proxies_do_not_reach_a_test(run: Run):
    code, _ = run(
        "import os\ndef test_a():\n    assert not {'A_API_KEY', 'HTTPS_PROXY'} & set(os.environ)\n",
        A_API_KEY="x",
        HTTPS_PROXY="x",
    )
    assert code == 0
