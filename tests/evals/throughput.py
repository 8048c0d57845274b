"""Scores 100,000 recorded outputs of BFCL in one run of the command; prints JSON.

    python -m tests.evals.throughput [VERDICTS]

The recorded outputs of the first edition stand several times in one file. Each run is a process of
its own, from its start to its end, so that its time and its memory are what a user sees. A run over
one copy stands beside the run over all: what its memory has less, the items have taken.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["run"]

VERDICTS = 100_000

# What the system tells of a child that has ended begins with the memory of whoever started it, so
# the process itself tells its own peak at its end.
_COMMAND = """
import atexit, pathlib, runpy, sys
peak = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: peak.write_bytes(pathlib.Path("/proc/self/status").read_bytes()))
runpy.run_module("callgate", run_name="__main__", alter_sys=True)
"""


def run(folder: Path, evals: Path, *, verdicts: int = VERDICTS) -> dict[str, Any]:
    """Score one copy of the recorded outputs, then as many as have so many verdicts.

    Args:
        folder: Where files are written.
        evals: The folder of evaluation data.
        verdicts: How many verdicts there are at least.
    """
    one = _scored(folder, evals, copies=1)
    copies = -(-verdicts // one["items"])
    many = _scored(folder, evals, copies=copies)
    return {
        "processors": os.cpu_count(),
        "copies": copies,
        **many,
        "one_copy": one,
        "grown_mb": round(many["peak_mb"] - one["peak_mb"], 1),
    }


def _scored(folder: Path, evals: Path, *, copies: int) -> dict[str, Any]:
    outputs = folder / f"{copies}.jsonl.gz"
    with outputs.open("wb") as file:
        for _ in range(copies):
            # A file of several gzip members is one of all their lines.
            with (evals / "bfcl_v1_verdicts.jsonl.gz").open("rb") as recorded:
                shutil.copyfileobj(recorded, file)
    report, status = folder / f"{copies}.json", folder / f"{copies}.status"
    command = [sys.executable, "-c", _COMMAND, str(status), "eval", "score", "bfcl", "--json"]
    command += ["--questions", str(evals / "bfcl_v1_questions.jsonl.gz")]
    command += ["--models", str(evals / "bfcl_v1_scores.json"), "--outputs", str(outputs)]
    # Coverage would be measured in its stead.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    with report.open("wb") as file:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, stdout=file, env=env, check=True)
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = json.loads(report.read_text())
    return {
        "items": told["items"],
        "compared": told["compared"],
        "differences": told["differences"],
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(_peak(status) / 1024, 1),
    }


def _peak(status: Path) -> int:
    """Return the kilobytes that a process had in memory at most."""
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0])


def main() -> int:
    """Run with the arguments of the command line; 0 if the verdicts are the official ones."""
    data = Path(os.environ.get("CALLGATE_DATA") or Path(__file__).parents[3] / "shared/data")
    verdicts = int(sys.argv[1]) if len(sys.argv) > 1 else VERDICTS
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), data / "evals", verdicts=verdicts)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
