"""What is too large, too deep or too slow to judge ends in bounded time and memory, and says so."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = 20.0
MEGABYTES = 600

# Runs the command as the console does, then says what it took; the last line of standard error.
CHILD = """
import resource, sys
from callgate.cli import main
code = 0
try:
    main()
except SystemExit as done:
    code = done.code or 0
used = resource.getrusage(resource.RUSAGE_SELF)
# `ru_maxrss` is handed down by the process that forked this one; this is the child's own.
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
sys.stderr.write(f"\\n{code} {used.ru_utime + used.ru_stime} {peak // 1024}")
"""

CATASTROPHE = {
    "name": "find_code",
    "description": "Find a code. Returns its text.",
    "parameters": {
        "type": "object",
        "properties": {
            "code": {
                "type": "string",
                "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$",
                "default": "a" * 60,
                "examples": ["a" * 60],
            },
            "back": {"type": "string", "pattern": r"^(a+)+\1$", "default": "a" * 40 + "!"},
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str
    seconds: float
    megabytes: int


def run(folder: Path, *words: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    err, _, last = done.stderr.rpartition("\n")
    code, seconds, megabytes = last.split()
    return Done(
        code=int(code),
        out=done.stdout,
        err=err,
        seconds=float(seconds),
        megabytes=int(megabytes),
    )


def commands(source: str) -> list[tuple[str, ...]]:
    return [("inspect", source), ("lint", source), ("diff", source, source)]


def make(folder: Path, name: str) -> str:
    match name:
        case "large.json":
            tools = json.dumps(CATASTROPHE).encode()
            (folder / name).write_bytes(b"[" + (tools + b",") * (50_000_000 // len(tools)) + b"0]")
        case "large.yaml":
            (folder / name).write_bytes(b"a:\n" + b"- {b: c}\n" * 5_500_000)
        case "bomb.json.gz":
            (folder / name).write_bytes(gzip.compress(b" " * 500_000_000, 1))
        case "deep.json":
            (folder / name).write_bytes(b'{"properties": {"a": ' * 20_000 + b"{}" + b"}}" * 20_000)
        case _:
            raise AssertionError(name)
    return name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("large.json", "large.json holds more than 32 MiB"),
        ("large.yaml", "more than"),
        ("bomb.json.gz", "bomb.json.gz holds more than 32 MiB"),
        ("deep.json", "nested too deep|is not JSON"),
    ],
)
def test_a_document_beyond_all_bounds_is_one_clear_line(tmp_path: Path, name: str, told: str):
    source = make(tmp_path, name)
    for words in commands(source):
        done = run(tmp_path, *words)
        assert done.code in (1, 2), done.err
        assert "Traceback" not in done.err
        assert any(part in done.err for part in told.split("|")), done.err[-300:]
        assert done.err.strip().count("\n") == 0
        assert done.seconds < SECONDS
        assert done.megabytes < MEGABYTES


def test_a_pattern_that_would_take_for_ever_is_judged_in_bounded_time(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps([CATASTROPHE]))
    narrower = json.loads(json.dumps(CATASTROPHE))
    narrower["parameters"]["properties"]["code"]["pattern"] = "^(([a-y])+.)+[A-Z]([a-z])+$"
    (tmp_path / "b.json").write_text(json.dumps([narrower]))
    inspected = run(tmp_path, "inspect", "a.json")
    linted = run(tmp_path, "lint", "a.json", "--json")
    compared = run(tmp_path, "diff", "a.json", "b.json", "--json")
    assert "find_code" in inspected.out
    assert json.loads(linted.out)["tools"] == 1
    assert json.loads(compared.out)["verdict"] in ("breaking", "undecided")
    for done in (inspected, linted, compared):
        assert "Traceback" not in done.err
        assert done.seconds < SECONDS
        assert done.megabytes < MEGABYTES
