"""BFCL's single-call items: its dialect of JSON Schema, and its check of a call.

The check follows the leaderboard's own for one call: every argument must be among the accepted
values, one that was left out must be optional there, integers pass for floats, and strings are
compared without case and punctuation.
"""

import gzip
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callgate.evals.benchmarks.bfcl.kinds import Language
from callgate.evals.benchmarks.bfcl.schema import parameters
from callgate.types import Effect, Tool

LEFT_OUT = ""
IGNORED = re.compile(r"[ ,./\-_*^]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A request, the tool that serves it, and the accepted values by argument."""

    id: str
    request: str
    tool: Tool
    accepted: Mapping[str, list[Any]]


def items(folder: Path, category: str) -> Iterator[Item]:
    """Yield the items of a category that ask for one call."""
    with gzip.open(folder / "evals/bfcl_v4_questions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["category"] == category:
                answer = entry.get("possible_answer") or [{"": {}}]
                yield Item(
                    id=entry["id"],
                    request=entry["question"][0][-1]["content"],
                    tool=tool(entry["function"][0]),
                    accepted=next(iter(answer[0].values())),
                )


def draw(folder: Path, *, number: int, seed: int) -> list[Item]:
    """Draw items of `simple_python` whose tools all differ."""
    shuffled = list(items(folder, "simple_python"))
    random.Random(seed).shuffle(shuffled)
    distinct = {item.tool.name: item for item in reversed(shuffled)}
    return [item for item in shuffled if distinct[item.tool.name] is item][:number]


def tool(function: Mapping[str, Any]) -> Tool:
    """Make a tool of a BFCL function; it only reads, for nothing is behind it."""
    return Tool(
        name=function["name"].replace(".", "_")[:64],
        description=function["description"],
        parameters=parameters(function, Language.PYTHON),
        effect=Effect.READ,
    )


def is_right(arguments: Mapping[str, Any], accepted: Mapping[str, list[Any]]) -> bool:
    """Return whether all arguments are among the accepted ones, and none is missing."""
    given = all(
        name in accepted and matches(value, accepted[name]) for name, value in arguments.items()
    )
    missing = set(accepted) - set(arguments)
    return given and all(LEFT_OUT in accepted[name] for name in missing)


def matches(value: Any, accepted: list[Any]) -> bool:
    """Return whether a value is one of those accepted."""
    return any(same(value, option) for option in accepted)


def same(value: Any, option: Any) -> bool:
    """Compare a value with one accepted value, whose members may again be lists of options."""
    match value, option:
        case bool(), _:
            return value is option
        case str(), str():
            return plain(value) == plain(option)
        case list(), list():
            return len(value) == len(option) and all(map(same, value, option))
        case dict(), dict():
            return is_right(value, {k: as_options(v) for k, v in option.items()})
        case ((int() | float()), (int() | float())):
            return value == option and not isinstance(option, bool)
        case _:
            return value is None and option is None


def as_options(value: Any) -> list[Any]:
    """Return the accepted values of a nested argument."""
    return value if isinstance(value, list) else [value]


def plain(text: str) -> str:
    """Return a string as the leaderboard compares it."""
    return IGNORED.sub("", text).lower().replace("'", '"')
