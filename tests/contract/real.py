"""The tools of the evaluation data, changed by the mutations: `python -m tests.contract.real`."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from callgate.contract.diff.tool import diff_tools
from callgate.contract.inclusion.include import Verdict
from callgate.errors import DefinitionError
from callgate.release.read import read
from callgate.schema.check import Checker
from callgate.types import Tool
from tests.contract.mutations import mutated
from tests.contract.sampling import Sampler

FILES = (
    "agentdojo_tools.jsonl.gz",
    "apibank_tools.jsonl.gz",
    "bfcl_v1_questions.jsonl.gz",
    "bfcl_v4_multi_turn_functions.json",
    "bfcl_v4_questions.jsonl.gz",
    "complexfuncbench_tools.jsonl.gz",
    "nestful_v1_tools.jsonl.gz",
    "retrieval_sealtools_tools.jsonl.gz",
    "retrieval_toolbench_tools.jsonl.gz",
)


def tools(folder: Path, files: Sequence[str] = FILES) -> list[Tool]:
    """Return the tools of all files, or of some."""
    return [tool for file in files for tool in read(file, folder / "evals").tools]


def judged(given: list[Tool], seed: int, pairs: int) -> dict[str, Any]:
    """Change some tools and judge the changes; return what came of it as JSON.

    Args:
        given: The tools.
        seed: What the choice and the changes depend on.
        pairs: How many changes are judged; the tools are taken in turn, in random order.
    """
    chance = random.Random(seed)
    order = list(given)
    chance.shuffle(order)
    verdicts: Counter[str] = Counter()
    undecided: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    times: list[float] = []
    for number in range(pairs):
        old = order[number % len(order)]
        schema, names = mutated(old.parameters, chance, chance.choice([1, 1, 2, 3]))
        new = replace(old, parameters=schema)
        try:
            start = time.process_time()
            found = diff_tools(old, new)
            times.append(time.process_time() - start)
        except DefinitionError:
            verdicts["refused"] += 1
            continue
        verdicts[found.verdict] += 1
        undecided.update(word for _, words in found.undecided for word in words)
        before, after = Checker(old.parameters), Checker(schema)
        if found.verdict is Verdict.BREAKING:
            witness = found.broken[0].witness
            if not before.is_valid(witness) or after.is_valid(witness):
                wrong.append({"tool": old.name, "changes": names, "witness": witness})
        elif found.verdict is Verdict.COMPATIBLE:
            missed = _missed(old.parameters, schema, chance)
            if missed:
                wrong.append({"tool": old.name, "changes": names, "missed": missed})
    return {
        "seed": seed,
        "tools": len(given),
        "pairs": pairs,
        "verdicts": dict(verdicts),
        "wrong": wrong,
        "undecided_by_keyword": dict(undecided),
        "cpu_ms": {
            "median": round(1000 * statistics.median(times), 3),
            "p99": round(1000 * sorted(times)[int(len(times) * 0.99)], 3),
            "max": round(1000 * max(times), 3),
        },
    }


def _missed(old: Any, new: Any, chance: random.Random) -> list[Any]:
    """Return arguments that show a "compatible" to be wrong, of 200 sampled ones."""
    before, after = Checker(old), Checker(new)
    found = 0
    for _, value in zip(range(1_000), Sampler(old, new, chance).values(), strict=False):
        if isinstance(value, dict) and before.is_valid(value):
            if not after.is_valid(value):
                return [value]
            found += 1
            if found == 200:
                break
    return []


def main() -> int:
    """Judge and report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.real", description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=None, help="random by default, and printed")
    options = parser.parse_args()
    beside = Path(__file__).resolve().parents[3] / "shared/data"
    folder = Path(os.environ.get("CALLGATE_DATA") or beside)
    seed = random.randrange(2**31) if options.seed is None else options.seed
    told = judged(tools(folder), seed, options.pairs)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return int(bool(told["wrong"] or told["undecided_by_keyword"]))


if __name__ == "__main__":
    sys.exit(main())
