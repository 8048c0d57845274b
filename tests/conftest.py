"""What every test gets: no network, no leaked secret, named skips, bounded time, one profile.

`CALLGATE_REQUIRE=all` turns every skip into a failure; CI sets it.
"""

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import network_guard

pytest_plugins = ["canaries"]

ROOT = Path(__file__).resolve().parent.parent
LIMITS = tomllib.loads((ROOT / "tests/house/limits.toml").read_text())
REQUIRE_ALL = os.environ.get("CALLGATE_REQUIRE") == "all"

# A skip names what is missing: "needs bubblewrap: ..." or pytest.importorskip's own words.
_NAMES_WHAT_IS_MISSING = re.compile(r"needs \S+|could not import '\S+'")

# ------------------------------------------------------------------ the machine a test sees

network_guard.install()
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT / "tests/guard"), os.environ.get("PYTHONPATH")])
)
for _name in list(os.environ):
    # A proxy would turn loopback into elsewhere, a key would turn a local model into a paid one.
    if _name.lower().endswith(("_proxy", "_api_key")):
        del os.environ[_name]

settings.register_profile(
    "callgate", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.register_profile(
    "ci", settings.get_profile("callgate"), derandomize=True, database=None, print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "callgate")


@pytest.fixture(autouse=True)
def _network_is_loopback() -> Iterator[None]:
    """Fail a test whose code swallowed a refused connection."""
    network_guard.blocked.clear()
    yield
    tried = list(network_guard.blocked)
    network_guard.blocked.clear()
    assert not tried, f"reached for the network: {tried}"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of evaluation data: CALLGATE_DATA, else `shared/data` beside the checkout."""
    folder = Path(os.environ.get("CALLGATE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("needs CALLGATE_DATA: the folder of evaluation data is not on this machine")
    return folder


# ------------------------------------------------------------------ a skip is named, or a failure


def _skip_problem(reason: str) -> str | None:
    if REQUIRE_ALL:
        return f"CALLGATE_REQUIRE=all forbids skips: {reason}"
    if not _NAMES_WHAT_IS_MISSING.search(reason):
        return f"a skip says what it needs ('needs NAME: ...'), this one says: {reason}"
    return None


def _refuse_skip(report: Any) -> None:
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else str(where)
    if problem := _skip_problem(reason):
        report.outcome = "failed"
        report.longrepr = problem


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    _refuse_skip(report)
    return report


# ------------------------------------------------------------------ a suite has its time

_seconds: defaultdict[str, float] = defaultdict(float)


def _over_time() -> list[str]:
    limits: dict[str, float] = LIMITS["suite_seconds"]
    return [
        f"tests/{suite} took {spent:.0f} s of its {limits.get(suite, limits['default']):.0f} s"
        for suite, spent in sorted(_seconds.items())
        if spent > limits.get(suite, limits["default"])
    ]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    parts = Path(report.nodeid.partition("::")[0]).parts
    _seconds[parts[1] if len(parts) > 2 else "."] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and _over_time() and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _over_time():
        terminalreporter.line(f"FAILED {line} (tests/house/limits.toml)", red=True)
