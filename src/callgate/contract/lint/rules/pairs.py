"""Tools that a model takes for one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.similarity import similar_pairs
from callgate.contract.lint.subject import Subject
from callgate.contract.lint.words import said

__all__ = ["RULES", "separating_sentence"]

_THRESHOLD = 0.85
_EACH = 3
"""Pairs that are told of one tool: more say nothing new."""

_STOP = frozenset(
    said(
        "a an and are as at be by can for from given has have if in into is it its of on or that "
        "the their them then this to used using was which will with you your api tool function "
        "method provided based specified e g such"
    )
)
_SAME = MappingProxyType(
    {
        word: words[0]
        for words in (
            ("search", "find", "query", "lookup"),
            ("get", "fetch", "retrieve", "read", "show", "view"),
            ("create", "add", "make", "insert"),
            ("update", "modify", "edit", "change"),
            ("delete", "remove", "erase"),
            ("document", "doc"),
        )
        for word in words
    }
)
"""Words that tools use for one another."""

_SHOWN = 6
"""Words that tell two tools apart, at most."""


def _terms(subject: Subject) -> dict[str, float]:
    terms: dict[str, float] = defaultdict(float)
    for word in subject.words:
        # What comes before the last dot is common to all tools of a service.
        terms[_stem(word)] += 3.0 if word in subject.action else 0.5
    for word in said(subject.tool.description):
        if word not in _STOP:
            terms[_stem(word)] += 1.0
    for parameter in subject.parameters:
        if parameter.depth == 0:
            for word in parameter.words:
                terms[_stem(word)] += 0.5
    # A word said often is no more telling than one said twice.
    return {term: min(weight, 3.0) for term, weight in terms.items()}


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return _SAME.get(word, word)


def _confusable(subjects: Sequence[Subject]) -> Iterator[Hit]:
    texts = [_terms(subject) for subject in subjects]
    told: dict[int, int] = defaultdict(int)
    for pair in similar_pairs(texts, _THRESHOLD):
        first, second = subjects[pair.first], subjects[pair.second]
        if max(told[pair.first], told[pair.second]) >= _EACH:
            continue
        if first.tool.name == second.tool.name:
            # Another rule speaks of one name for two tools.
            continue
        told[pair.first] += 1
        told[pair.second] += 1
        yield Hit(
            subject=first,
            words=f"It is nearly the same as {second.tool.name} (similarity {pair.score:.2f}).",
            evidence=f"{first.tool.description[:70]} | {second.tool.description[:70]}",
            fix=separating_sentence(first, second),
            other=second.tool.name,
        )


def separating_sentence(first: Subject, second: Subject) -> str:
    """Return a sentence that tells two tools apart, from the words that only one of them has.

    Args:
        first: The tool whose description gets the sentence.
        second: The tool that it is taken for.
    """
    mine, yours = _words(first), _words(second)
    only, other = _only(mine, yours), _only(yours, mine)
    a, b = first.tool.name, second.tool.name
    if only and other:
        return f"Say in {a}: “Use this for {only}; for {other} use {b}.”"
    if only:
        return f"Say in {b}: “For {only} use {a} instead.”"
    if other:
        return f"Say in {a}: “For {other} use {b} instead.”"
    return (
        f"Nothing in the two definitions tells them apart: merge {a} and {b}, or say in each when "
        "it is meant."
    )


def _words(subject: Subject) -> dict[str, str]:
    """Return the telling words by their stems, in the order in which they are met."""
    parameters = [w for p in subject.parameters if p.depth == 0 for w in p.words]
    words = [*subject.words, *said(subject.tool.description), *parameters]
    return {_stem(word): word for word in reversed(words) if word not in _STOP}


def _only(mine: Mapping[str, str], yours: Mapping[str, str]) -> str:
    found = [word for stem, word in reversed(list(mine.items())) if stem not in yours]
    return ", ".join(found[:_SHOWN])


RULES = (
    Rule(
        id="confusable-pair",
        severity=Severity.WARNING,
        reason="Between two tools that read alike a model chooses by chance; what bounds a surface "
        "is not how many tools it has but how alike they are.",
        fix="Say in each when it is meant and not the other.",
        across=_confusable,
        on=False,
    ),
)
