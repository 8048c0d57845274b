"""Draws findings to be read by a person.

    python -m tests.contract.sample [SEED] [EACH]
    python -m tests.contract.sample uniform [SEED] [COUNT]

It lints the real tools of the evaluation data, and the MCP servers whose tools stand in a folder of
JSON files (`CALLGATE_SERVERS`). The first form prints EACH findings of every rule, drawn by SEED;
the second prints COUNT of all findings alike, none of which was read before.
What a person says of them is kept in `tests/contract/labels/`.
"""

from __future__ import annotations

import os
import random
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from callgate.contract.lint import Choice, Finding, judge
from callgate.release.read import read

SEED = 2026
EACH = 3
UNIFORM_SEED = 20261126
COUNT = 100
LABELS = Path(__file__).parent / "labels"
FILES = (
    "agentdojo_tools.jsonl.gz",
    "apibank_tools.jsonl.gz",
    "bfcl_v4_questions.jsonl.gz",
    "bfcl_v4_multi_turn_functions.json",
    "retrieval_sealtools_tools.jsonl.gz",
    "retrieval_toolbench_tools.jsonl.gz",
)


def sources(data: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and the folder of every source that is here."""
    for name in FILES:
        yield name, data / "evals"
    servers = os.environ.get("CALLGATE_SERVERS")
    for path in sorted(Path(servers).glob("*.json")) if servers else ():
        yield path.name, path.parent


def findings(data: Path, choice: Choice | None = None) -> list[tuple[str, Finding]]:
    """Return all findings, each with the name of its source."""
    return [
        (name, finding)
        for name, folder in sources(data)
        for finding in judge(read(name, folder), choice).findings
    ]


def drawn(found: list[tuple[str, Finding]], seed: int, each: int) -> list[tuple[str, Finding]]:
    """Return some findings of every rule, the same ones for the same seed."""
    by_rule: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for name, finding in found:
        by_rule[finding.rule].append((name, finding))
    # Each rule by itself, so that a change of one does not draw anew for the others.
    return [
        item
        for rule in sorted(by_rule)
        for item in random.Random(f"{seed} {rule}").sample(
            by_rule[rule], min(each, len(by_rule[rule]))
        )
    ]


def drawn_uniformly(
    found: list[tuple[str, Finding]], seed: int, count: int, known: Collection[str]
) -> list[tuple[str, Finding]]:
    """Return findings drawn from all alike, but those whose ids are known."""
    # A tool that stands in a source many times has its findings once. Sorted, because the order of
    # sources and tools is nothing that a draw should hang on.
    distinct = {finding.id: (name, finding) for name, finding in reversed(found)}
    unread = [distinct[id] for id in sorted(distinct.keys() - set(known))]
    return random.Random(f"{seed} uniform").sample(unread, min(count, len(unread)))


def labels(name: str) -> list[dict[str, Any]]:
    """Return what was said of findings, by the name of a file of `labels/`."""
    return [orjson.loads(line) for line in (LABELS / f"{name}.jsonl").read_bytes().splitlines()]


def main() -> None:
    """Print the sample."""
    uniform = sys.argv[1:2] == ["uniform"]
    given = [int(text) for text in sys.argv[2 if uniform else 1 :]]
    usual = (UNIFORM_SEED, COUNT) if uniform else (SEED, EACH)
    seed, many = (*given, *usual[len(given) :])
    found = findings(Path(os.environ["CALLGATE_DATA"]))
    if uniform:
        known = {label["id"] for label in labels("findings")}
        sample, told = drawn_uniformly(found, seed, many, known), f"of {len(found)} findings"
    else:
        sample, told = drawn(found, seed, many), f"{many} of every rule"
    lines = [f"seed {seed}, {told}: {len(sample)} findings"]
    for name, finding in sample:
        lines.append(" | ".join((finding.id, finding.rule, name, finding.tool, finding.path)))
        lines.append(f"    {finding.words} :: {finding.evidence} :: {finding.fix}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
