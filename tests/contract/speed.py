"""`python -m tests.contract.speed`: processor seconds of lint, as JSON; over made-up tools.

A thousand tools through all rules, and the confusable pairs among five thousand.
"""

import json
import random
import sys
import time

from callgate.contract.lint import Choice, judge
from callgate.contract.listing import Listed, Listing
from callgate.types import Tool

VERBS = ("get", "list", "search", "update", "cancel", "book", "compare", "count")


def listing(count: int, seed: int = 5) -> Listing:
    """Return tools whose words are drawn as real ones are: few are frequent, many are rare."""
    chance = random.Random(seed)
    words = [f"word{chr(97 + n % 26)}{n}" for n in range(4000)]
    weights = [1 / (n + 3) for n in range(4000)]

    def some(many: int) -> list[str]:
        return chance.choices(words, weights, k=many)

    return Listing(
        source="made",
        entries=tuple(
            Listed(
                tool=Tool(
                    name=f"{chance.choice(VERBS)}_{'_'.join(some(2))}_{n}",
                    description=f"{' '.join(some(14))}. Returns {' '.join(some(5))}.",
                    parameters={
                        "type": "object",
                        "properties": {
                            name: {"type": "string", "description": " ".join(some(8))}
                            for name in some(4)
                        },
                    },
                ),
                place=f"#/{n}",
                form="callgate",
            )
            for n in range(count)
        ),
    )


def seconds(count: int, choice: Choice) -> float:
    """Return the processor seconds of one judgement."""
    tools = listing(count)
    before = time.process_time()
    judge(tools, choice)
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    json.dump(
        {
            "lint of 1,000 tools": round(seconds(1000, Choice(enable=("all",))), 2),
            "pairs of 5,000 tools": round(seconds(5000, Choice(only=("confusable-pair",))), 2),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
