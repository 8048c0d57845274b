"""Which texts of thousands are nearly alike: tf-idf vectors, all pairs above a threshold, exactly.

Comparing every text with every other one costs 12 million products for 5,000 tools. Here a term
enters the index of a text only from where on the terms before it cannot make the pair similar
alone (Bayardo, Ma and Srikant, "Scaling up all pairs similarity search", 2007); frequent terms,
which are in every second tool, nearly never do.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Pair", "similar_pairs"]

_BEFORE = 50
"""Texts that are thought to have been seen before: of two texts alone no word is rare."""

Vector: TypeAlias = list[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts that are alike.

    Attributes:
        first: The place of the earlier one.
        second: The place of the later one.
        score: Cosine of their vectors, 0 to 1.
    """

    first: int
    second: int
    score: float


def similar_pairs(texts: Sequence[Mapping[str, float]], threshold: float) -> list[Pair]:
    """Return all pairs of texts whose cosine is at least a threshold, most similar first.

    Args:
        texts: Terms with their weights in each text.
        threshold: Above 0, at most 1.
    """
    vectors, most = _vectors(texts)
    index: dict[str, list[tuple[int, float]]] = defaultdict(list)
    rests: list[dict[str, float]] = []
    pairs: list[Pair] = []
    for second, vector in enumerate(vectors):
        weights = dict(vector)
        scores: dict[int, float] = defaultdict(float)
        for term, weight in vector:
            for first, other in index.get(term, ()):
                scores[first] += weight * other
        for first, score in scores.items():
            rest = rests[first]
            total = score + sum(w * weights[term] for term, w in rest.items() if term in weights)
            if total >= threshold:
                pairs.append(Pair(first=first, second=second, score=min(total, 1.0)))
        rests.append(_enter(index, second, vector, most, threshold))
    return sorted(pairs, key=lambda pair: (-pair.score, pair.first, pair.second))


def _vectors(texts: Sequence[Mapping[str, float]]) -> tuple[list[Vector], dict[str, float]]:
    """Weigh terms by their rarity, scale to length 1, and put the frequent ones first."""
    frequency = Counter(term for text in texts for term in text)
    count = len(texts)
    vectors: list[Vector] = []
    most: dict[str, float] = defaultdict(float)
    for text in texts:
        weighed = {
            term: weight * math.log(1 + (count + _BEFORE) / (frequency[term] + _BEFORE / 10))
            for term, weight in text.items()
        }
        length = math.sqrt(sum(weight * weight for weight in weighed.values())) or 1.0
        vector = sorted(
            ((term, weight / length) for term, weight in weighed.items()),
            key=lambda item: (-frequency[item[0]], item[0]),
        )
        vectors.append(vector)
        for term, weight in vector:
            most[term] = max(most[term], weight)
    return vectors, most


def _enter(
    index: dict[str, list[tuple[int, float]]],
    place: int,
    vector: Vector,
    most: Mapping[str, float],
    threshold: float,
) -> dict[str, float]:
    """Put the terms of a text into the index; return those that could be left out."""
    bound, rest = 0.0, dict[str, float]()
    for term, weight in vector:
        bound += weight * most[term]
        # A little below, because sums of floats in another order may differ in the last bit.
        if bound >= threshold - 1e-9:
            index[term].append((place, weight))
        else:
            rest[term] = weight
    return rest
