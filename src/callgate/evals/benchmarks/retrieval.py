"""Tool retrieval: do the tools that a request needs stand at the top of a ranking?

Rankings come from a file, or from the BM25 that is built in as the line to beat.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from math import log, log2
from pathlib import Path
from statistics import fmean
from typing import Any

from callgate.errors import EvaluationDataError
from callgate.evals.files import read_lines
from callgate.evals.statistics import wilson
from callgate.schema.values import is_array, is_object

__all__ = ["Bm25", "score"]

_RECALL = (1, 3, 5, 10, 20)
_GAIN = (1, 3, 5, 10)
_DEPTH = 20
_FEW = 20
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_ENDINGS = ("ing", "ed", "es", "s")
_NAMES = ("id", "api_name", "name")
_LEFT_OUT = frozenset({"responses", "method", "type", "required"})


class Bm25:
    """Okapi BM25 over the names, descriptions and parameters of tools.

    Args:
        tools: Text by tool.
        k1: How soon repetitions stop to count.
        b: How much long texts are held back, from 0 to 1.
    """

    def __init__(self, tools: Mapping[str, str], *, k1: float = 1.2, b: float = 0.75) -> None:
        counts = {name: Counter(_words(text)) for name, text in tools.items()}
        usual = fmean([count.total() for count in counts.values()]) if counts else 0.0
        self._postings: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
        for name, count in counts.items():
            length = k1 * (1 - b + b * count.total() / usual) if usual else k1
            for word, times in count.items():
                self._postings[word].append((name, times * (k1 + 1) / (times + length)))
        total = len(counts)
        # A word that every fifth tool has says little and costs most.
        for word in [w for w, found in self._postings.items() if len(found) > _FEW + total / 5]:
            del self._postings[word]
        self._rarity = {
            word: log(1 + (total - len(found) + 0.5) / (len(found) + 0.5))
            for word, found in self._postings.items()
        }

    def rank(self, request: str, *, depth: int = _DEPTH) -> list[str]:
        """Return the tools that fit a request best, best first; equal ones by name."""
        scores: defaultdict[str, float] = defaultdict(float)
        for word in set(_words(request)):
            for name, weight in self._postings.get(word, ()):
                scores[name] += weight * self._rarity[word]
        return nsmallest(depth, scores, key=lambda name: (-scores[name], name))


def score(tools: Path, queries: Path, *, ranked: Path | None = None) -> dict[str, Any]:
    """Score rankings by recall, by whether all needed tools are found, and by nDCG.

    Args:
        tools: The tools, one a line.
        queries: The requests, each with the names of the tools it needs.
        ranked: Rankings, one a line: `id` and `ranked`, best first; a request without one counts
            as failed and is listed apart. By default BM25 ranks.

    Returns:
        JSON values: measures over all requests, and by group.

    Raises:
        EvaluationDataError: A file is absent, damaged or not of its form.
    """
    names = {_name(line): _text(line) for line in read_lines(tools)}
    given = _rankings(ranked) if ranked else None
    baseline = Bm25(names) if given is None else None
    groups: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    missing = 0
    for line in read_lines(queries):
        relevant = line.get("relevant")
        if not is_array(relevant) or not relevant:
            raise EvaluationDataError(f"{queries.name}: item {line.get('id')!r} has no expectation")
        if baseline is not None:
            ranking = baseline.rank(str(line.get("query")))
        else:
            ranking = (given or {}).get(str(line.get("id")), [])
            missing += not ranking
        groups[str(line.get("group", line.get("split", "all")))].append(
            _measures(ranking, set(map(str, relevant)))
        )
    every = [one for group in groups.values() for one in group]
    return {
        "tools": len(names),
        "items": len(every),
        "missing": missing,
        **_means(every),
        "groups": {name: {"items": len(g), **_means(g)} for name, g in sorted(groups.items())},
    }


def _measures(ranking: Sequence[str], relevant: set[str]) -> dict[str, float]:
    """Return the measures of one request."""
    found = [name in relevant for name in ranking]
    measures = {f"recall@{k}": sum(found[:k]) / len(relevant) for k in _RECALL}
    measures["all@10"] = float(sum(found[:10]) == len(relevant))
    for k in _GAIN:
        gain = sum(hit / log2(place + 2) for place, hit in enumerate(found[:k]))
        best = sum(1 / log2(place + 2) for place in range(min(k, len(relevant))))
        measures[f"ndcg@{k}"] = gain / best
    return measures


def _means(every: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    if not every:
        return {}
    means: dict[str, Any] = {name: round(fmean(one[name] for one in every), 6) for name in every[0]}
    low, high = wilson(int(sum(one["all@10"] for one in every)), len(every))
    return {**means, "all@10_interval": [round(low, 6), round(high, 6)]}


# ------------------------------------------------------------------ data


def _name(line: Mapping[str, Any]) -> str:
    name = next((line[key] for key in _NAMES if key in line), None)
    if not isinstance(name, str):
        raise EvaluationDataError(f"a tool has none of the names {', '.join(_NAMES)}")
    return name


def _text(value: Any) -> str:
    return " ".join(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_object(value):
        for key, member in value.items():
            if key not in _LEFT_OUT:
                yield key
                yield from _texts(member)
    elif is_array(value):
        for member in value:
            yield from _texts(member)


def _words(text: str) -> list[str]:
    return [_stem(word.lower()) for word in _WORD.findall(text)]


def _stem(word: str) -> str:
    ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) > 2), "")
    return word.removesuffix(ending)


def _rankings(path: Path) -> dict[str, list[str]]:
    rankings: dict[str, list[str]] = {}
    for line in read_lines(path):
        ranked = line.get("ranked")
        if not is_array(ranked):
            raise EvaluationDataError(f"{path.name}: item {line.get('id')!r} has no list `ranked`")
        rankings[str(line.get("id"))] = [str(name) for name in ranked]
    return rankings
