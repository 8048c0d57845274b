"""Runs BFCL items through `callgate eval run`, kills it twice and lets it go on; prints JSON.

    python -m tests.suites.killed [NUMBER] [MODEL]

The process is killed with SIGKILL when a third and when two thirds of the results are written. What
was answered before a kill must stand untouched at the end: an answer that is asked for again would
be written again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.evals.bfcl import LEFT_OUT, Item, draw

__all__ = ["run"]

SEED = 7
OFFERED = 10
POLL = 0.02


def run(folder: Path, data: Path, *, number: int, model: str) -> dict[str, Any]:
    """Run a suite to its end over two kills.

    Args:
        folder: Where everything is written.
        data: The folder that holds `evals/` with BFCL's questions.
        number: How many items.
        model: A model's name, such as `local:qwen2.5-coder-1.5b`.

    Returns:
        Items, the results that stood at each kill, answers that were written twice, and the
        figures of the last report.
    """
    suite, out = folder / "suite.jsonl", folder / "run.jsonl"
    chosen = draw(data, number=number, seed=SEED)
    suite.write_text("".join(json.dumps(line) + "\n" for line in _cases(chosen)))
    command = ["eval", "run", str(suite), "--out", str(out), "--model", model, "--json"]
    killed: list[int] = []
    stood: dict[Path, tuple[int, int]] = {}
    for wanted in (number // 3, 2 * number // 3):
        killed.append(_kill(folder, command, out, wanted))
        stood |= {path: mark for path, mark in _answers(folder).items() if path not in stood}
    last = _start(folder, command).communicate()[0]
    figures = json.loads(last)
    now = _answers(folder)
    ids = [json.loads(line)["case"] for line in out.read_text().splitlines()[1:]]
    return {
        "model": model,
        "items": number,
        "kills": len(killed),
        "results_at_kill": killed,
        "answers": len(now),
        "answers_before_a_kill": len(stood),
        "asked_twice": sum(now.get(path) != mark for path, mark in stood.items()),
        "complete": sorted(ids) == sorted(item.id for item in chosen),
        "not_run": figures["not_run"],
        "report": figures,
    }


def _cases(chosen: Sequence[Item]) -> list[dict[str, Any]]:
    """Return the items as cases of a suite: ten of them share their ten tools."""
    made: list[dict[str, Any]] = []
    for start in range(0, len(chosen), OFFERED):
        group = chosen[start : start + OFFERED]
        tools = [
            {
                "name": item.tool.name,
                "description": item.tool.description,
                "parameters": item.tool.parameters,
            }
            for item in group
        ]
        for item in group:
            call = {"name": item.tool.name, "arguments": _wanted(item.accepted)}
            made.append(
                {
                    "id": item.id,
                    "ask": item.request,
                    "tools": tools,
                    "expect": {"calls": [call]},
                    "loop": False,
                }
            )
    return made


def _wanted(accepted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _matcher(options) for name, options in accepted.items()}


def _matcher(option: Any) -> Any:
    """Return the matcher of accepted values; lists are alternatives at the top of an argument."""
    options = option if isinstance(option, list) else [option]
    return {"$in": [{"$absent": True} if one == LEFT_OUT else _value(one) for one in options]}


def _value(value: Any) -> Any:
    match value:
        case str():
            return {"$text": value}
        case list():
            return [_value(one) for one in value]
        case dict():
            return _wanted(value)
        case _:
            return value


# --- the process ----------------------------------------------------------------------------


def _start(folder: Path, command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "callgate", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _kill(folder: Path, command: Sequence[str], out: Path, wanted: int) -> int:
    """Start the run, kill it once so many results are written, and return how many were."""
    with _start(folder, command) as process:
        while _results(out) < wanted:
            try:
                code = process.wait(POLL)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError(f"the run ended with {code} before it could be killed")
        process.kill()
        process.wait()
    return _results(out)


def _results(out: Path) -> int:
    return max(0, out.read_bytes().count(b"\n") - 1) if out.exists() else 0


def _answers(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return each answer that is kept, with what changes if it is written again."""
    kept = [path for path in folder.rglob("*.json") if len(path.parent.name) == len("ab")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in kept}


def main() -> int:
    """Run with the arguments of the command line; 0 if the report is complete."""
    data = Path(os.environ.get("CALLGATE_DATA") or Path(__file__).parents[3] / "shared/data")
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    model = sys.argv[2] if len(sys.argv) > 2 else "local:qwen2.5-coder-1.5b"
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), data, number=number, model=model)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0 if found["complete"] and not found["asked_twice"] else 1


if __name__ == "__main__":
    sys.exit(main())
