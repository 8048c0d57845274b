"""`python -m tests.contract.fuzz`: the diff against the validator, over random pairs of schemas.

Every witness has to be valid under the old schema and invalid under the new one; for every
"compatible", 200 values that are valid under the old one have to be valid under the new one. Prints
one JSON report; exits with 1 if a verdict was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import jsonschema_rs

from callgate.contract.inclusion.include import Inclusion, Verdict, include
from callgate.errors import DefinitionError
from tests.contract.mutations import mutated
from tests.contract.sampling import Sampler, universe
from tests.contract.schemas import histogram, schema

SAMPLES = 200
"""Values that a "compatible" has to survive."""

MOST_TRIES = 10_000
"""Values made to find so many; where a schema allows hardly anything, fewer are found."""

FIRST_TRIES = 250
"""Values after which a schema under which none was valid is taken to allow none."""

CHUNK = 250


@dataclass(slots=True)
class Tally:
    """What came of some pairs."""

    pairs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter[str])
    wrong: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    undecided: Counter[str] = field(default_factory=Counter[str])
    keywords: Counter[str] = field(default_factory=Counter[str])
    changes: Counter[str] = field(default_factory=Counter[str])
    schemas: int = 0
    samples: int = 0
    few_samples: int = 0
    nothing: int = 0
    slowest: float = 0.0
    seconds: float = 0.0

    def add(self, other: Tally) -> None:
        self.pairs += other.pairs
        self.schemas += other.schemas
        self.samples += other.samples
        self.few_samples += other.few_samples
        self.nothing += other.nothing
        self.verdicts += other.verdicts
        self.undecided += other.undecided
        self.keywords += other.keywords
        self.changes += other.changes
        self.wrong += other.wrong
        self.slowest = max(self.slowest, other.slowest)
        self.seconds += other.seconds


def pair(chance: random.Random) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return an old and a new schema: two in three pairs are a change, one is of strangers."""
    old = schema(chance)
    roll = chance.random()
    if roll < 0.7:
        new, names = mutated(old, chance, chance.choice([1, 1, 1, 2, 3]))
        return old, new, names
    if roll < 0.85:
        return old, schema(chance), ["stranger"]
    kept = {name: value for name, value in old.items() if name != "$defs"}
    other = {name: value for name, value in schema(chance, 2).items() if "$ref" not in repr(value)}
    new = {"anyOf": [other, kept]} | ({"$defs": old["$defs"]} if "$defs" in old else {})
    return old, new, ["union"]


def judge(old: Any, new: Any, chance: random.Random, tally: Tally) -> Inclusion:
    """Decide one pair and hold the verdict against the validator."""
    start = time.perf_counter()
    answer = include(old, new)
    took = time.perf_counter() - start
    tally.seconds += took
    tally.slowest = max(tally.slowest, took)
    tally.verdicts[answer.verdict.value] += 1
    before = jsonschema_rs.Draft202012Validator(old)
    after = jsonschema_rs.Draft202012Validator(new)
    if answer.verdict is Verdict.BREAKING:
        if not before.is_valid(answer.witness) or after.is_valid(answer.witness):
            tally.wrong.append({"old": old, "new": new, "witness": answer.witness})
    elif answer.verdict is Verdict.UNDECIDED:
        tally.undecided.update(answer.keywords)
    else:
        _sample(old, new, chance, tally)
    return answer


def _sample(old: Any, new: Any, chance: random.Random, tally: Tally) -> None:
    """Hold a "compatible" against values that are valid under `old`."""
    before = jsonschema_rs.Draft202012Validator(old)
    after = jsonschema_rs.Draft202012Validator(new)
    # Beside the sampled values: every small one.
    missed = [one for one in universe() if before.is_valid(one) and not after.is_valid(one)]
    found = 0
    for tried, value in enumerate(islice(Sampler(old, new, chance).values(), MOST_TRIES)):
        if missed or found == SAMPLES or (not found and tried == FIRST_TRIES):
            break
        if before.is_valid(value):
            found += 1
            missed = [] if after.is_valid(value) else [value]
    if missed:
        tally.wrong.append({"old": old, "new": new, "missed": missed[0]})
    tally.samples += found
    if found < SAMPLES:
        nothing = not found and include(old, False).verdict is Verdict.COMPATIBLE
        tally.nothing += nothing
        tally.few_samples += not nothing


def chunk(seed: int, first: int, count: int) -> Tally:
    """Judge `count` pairs; each has a seed of its own, so that one can be made again."""
    tally = Tally()
    for number in range(first, first + count):
        chance = random.Random(f"{seed}:{number}")
        old, new, names = pair(chance)
        wrong = len(tally.wrong)
        try:
            judge(old, new, chance, tally)
        except DefinitionError:
            tally.verdicts["refused"] += 1
        for one in tally.wrong[wrong:]:
            one["seed"] = f"{seed}:{number}"
        tally.pairs += 1
        tally.changes.update(names)
        for one in (old, new):
            tally.keywords.update(histogram(one))
            tally.schemas += 1
    return tally


def report(tally: Tally, seed: int) -> dict[str, Any]:
    """Return what came of it as JSON."""
    return {
        "seed": seed,
        "pairs": tally.pairs,
        "verdicts": dict(tally.verdicts),
        "wrong": len(tally.wrong),
        "wrong_pairs": tally.wrong[:20],
        "undecided_share": round(tally.verdicts["undecided"] / tally.pairs, 5),
        "undecided_by_keyword": dict(tally.undecided.most_common()),
        "samples": tally.samples,
        "compatible_with_fewer_samples": tally.few_samples,
        "compatible_because_nothing_is_valid": tally.nothing,
        "keyword_share_of_schemas": {
            name: round(count / tally.schemas, 4) for name, count in tally.keywords.most_common()
        },
        "changes": dict(tally.changes.most_common()),
        "mean_ms": round(1000 * tally.seconds / tally.pairs, 3),
        "slowest_ms": round(1000 * tally.slowest, 1),
    }


def run(seed: int, pairs: int, jobs: int) -> dict[str, Any]:
    """Judge so many pairs in some processes."""
    tally = Tally()
    starts = range(0, pairs, CHUNK)
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(chunk, seed, start, min(CHUNK, pairs - start)) for start in starts]
        for one in waiting:
            tally.add(one.result())
            if tally.pairs % 5_000 == 0:
                # The whole takes a while; what is cut short has said at least this.
                sys.stderr.write(
                    f"{tally.pairs} pairs: {len(tally.wrong)} wrong, "
                    f"{tally.verdicts['undecided']} undecided\n"
                )
    return report(tally, seed)


def main() -> int:
    """Judge and report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.fuzz", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None, help="random by default, and printed")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    seed = random.randrange(2**31) if options.seed is None else options.seed
    sys.stderr.write(f"seed {seed}\n")
    told = run(seed, options.pairs, options.jobs)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return int(told["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
