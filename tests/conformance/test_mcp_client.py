"""The official MCP conformance suite against our client, for both eras of the protocol."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/conformance"
SUITE = ROOT / ".cache/mcp/node/node_modules/@modelcontextprotocol/conformance/dist/index.js"
NODE = Path(sys.executable).parent / "node"


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start what runs the clients; give the socket to knock at."""
    place = tmp_path_factory.mktemp("nursery") / "s"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(
        [sys.executable, HERE / "nursery.py", place], cwd=ROOT, env=environment
    ) as process:
        try:
            while not place.exists():
                assert process.poll() is None, "the nursery has ended"
                time.sleep(0.02)
            yield place
        finally:
            process.terminate()


def suite(place: Path, *options: str) -> str:
    """Run the suite and return what it wrote."""
    if not SUITE.exists():
        pytest.skip("needs mcp-servers: run `make mcp-servers`")
    knock = f"{sys.executable} -S -I {HERE / 'knock.py'} {place}"
    command = [NODE, SUITE, "client", "--command", knock, "--timeout", "120000", *options]
    ran = subprocess.run(
        command, cwd=place.parent, capture_output=True, text=True, timeout=230, check=False
    )
    return re.sub(r"\x1b\[\d*m", "", ran.stdout + ran.stderr)


def outcomes(written: str) -> dict[str, bool]:
    """Return for every scenario of a summary whether it passed."""
    _, _, summary = written.partition("=== SUITE SUMMARY ===")
    lines = re.findall(r"^([✓✗]) ([\w/.-]+): \d+ passed", summary, re.MULTILINE)
    return {name: mark == "✓" for mark, name in lines}


def required(revision: str) -> set[str]:
    """Return the scenarios for clients that a revision requires."""
    listed = subprocess.run(
        [NODE, SUITE, "list", "--client", "--requirements", revision],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    _, _, scored = listed.partition("Client scenarios")
    scored, _, _ = scored.partition("Run and reported")
    return set(re.findall(r"^  - (\S+)$", scored, re.MULTILINE))


# What is run but not scored, and passes too.
BEYOND = {
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "json-schema-2020-12-preservation",
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("revision", "number"), [("2025-11-25", 18), ("2026-07-28", 32)])
def test_every_scenario_a_revision_requires_of_clients_passes(
    nursery: Path, revision: str, number: int
) -> None:
    written = suite(nursery, "--requirements", revision)
    passed = outcomes(written)
    wanted = required(revision)
    assert len(wanted) == number
    assert wanted <= set(passed), written
    # All scenarios ran at once, and some look at the clock: what failed has a second try alone.
    failed = {
        name: report
        for name in (wanted | BEYOND)
        if not passed[name]
        and "OVERALL: PASSED"
        not in (report := suite(nursery, "--scenario", name, "--spec-version", revision))
    }
    assert failed == {}, json.dumps(failed, indent=1)
