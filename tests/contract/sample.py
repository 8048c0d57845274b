"""Draws findings to be read by a person.

    python -m tests.contract.sample [SEED] [EACH]
    python -m tests.contract.sample uniform [SEED] [COUNT]
    python -m tests.contract.sample RULE,RULE,... [SEED] [EACH]

It lints the real tools of the evaluation data, and the MCP servers whose tools stand in a folder of
JSON files (`CALLGATE_SERVERS`). The first form prints EACH findings of every rule, drawn by SEED;
the second COUNT of all findings alike; the third EACH of some rules. The last two draw from what
was not read before. What a person says of a draw is kept in `tests/contract/labels/`.
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

from callgate.contract.lint import RULES, Choice, Finding, judge
from callgate.release.read import read

SEED = 2026
EACH = 3
ALIKE_SEED = 20261126
RUNNING_SEED = 20261129
COUNT = 100
MENDED_SEED = 20261127
MENDED_EACH = 20
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


def labels(*names: str) -> list[dict[str, Any]]:
    """Return what was said of findings: in some files of `labels/`, or in all."""
    files = [LABELS / f"{name}.jsonl" for name in names] or sorted(LABELS.glob("*.jsonl"))
    return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


def main() -> None:
    """Print the sample."""
    words = sys.argv[1:]
    which = words.pop(0) if words and not words[0].isdecimal() else ""
    usual = {"": (SEED, EACH), "uniform": (RUNNING_SEED, COUNT)}
    given, preset = [int(word) for word in words], usual.get(which, (MENDED_SEED, MENDED_EACH))
    seed, many = (*given, *preset[len(given) :])
    found = findings(Path(os.environ["CALLGATE_DATA"]))
    # Later draws have larger seeds, so that an earlier one is drawn again as it was.
    known = {label["id"] for label in labels() if label["seed"] < seed}
    if which == "uniform":
        sample, told = drawn_uniformly(found, seed, many, known), f"of {len(found)} findings"
    else:
        rules = which.split(",") if which else [rule.id for rule in RULES]
        seen: Collection[str] = known if which else ()
        found = [(n, f) for n, f in found if f.rule in rules and f.id not in seen]
        sample, told = drawn(found, seed, many), f"{many} of {which or 'every rule'}"
    lines = [f"seed {seed}, {told}: {len(sample)} findings"]
    for name, finding in sample:
        lines.append(" | ".join((finding.id, finding.rule, name, finding.tool, finding.path)))
        lines.append(f"    {finding.words} :: {finding.evidence} :: {finding.fix}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
