"""Numbers without bounds, and optional values of which nobody says what leaving them out means."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.schema.values import is_array

__all__ = ["RULES"]

_SIZES = re.compile(
    r"(?:max_?|num_?|number_of_|page_?|top_?)?(?:limit|results|page_?size|per_?page|top_?k|count)|"
    r"max_(?:items|rows|results|records|entries)|num_(?:results|items)|n_results|top_n|"
    r"results_per_page|items_per_page",
    re.IGNORECASE,
)
_OF_RESULTS = re.compile(
    r"\b(?:results?|items?|records?|rows?|entries|documents?|hits|return(?:ed|s)?|per page|"
    r"fetch\w*|retriev\w+|list\w*|page)\b",
    re.IGNORECASE,
)
_RANGES = re.compile(r"(?:.*_)?(?:latitude|longitude|probability|hour|minute|month)", re.IGNORECASE)
_LEFT_OUT = re.compile(
    r"\b(?:default|if (?:not|omitted|absent|empty|none|null|unset|provided|given|specified|set)|"
    r"when (?:not|omitted|absent|empty|unset|provided|given|specified)|otherwise|optional(?:ly)?|"
    r"omit(?:ted)?|leave|all|any|filter|unless|without|only)\b",
    re.IGNORECASE,
)
_UPPER = ("maximum", "exclusiveMaximum", "enum", "const")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _unbounded(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if not parameter.types or not parameter.types <= {"integer", "number"}:
            continue
        if any(parameter.keyword(key) is not None for key in _UPPER):
            continue
        told = parameter.description
        if _SIZES.fullmatch(_snake(parameter.name)) and (not told or _OF_RESULTS.search(told)):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="Nothing bounds how much may be asked for.",
                evidence=parameter.description or parameter.name,
            )


def _range(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if not parameter.types or not parameter.types <= {"integer", "number"}:
            continue
        keys = (*_UPPER, "minimum", "exclusiveMinimum")
        if _RANGES.fullmatch(_snake(parameter.name)) and not any(
            parameter.keyword(key) is not None for key in keys
        ):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The value has natural bounds, and the schema names none.",
                evidence=parameter.description or parameter.name,
            )


def _array(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.types == frozenset({"array"}) and parameter.keyword("maxItems") is None:
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="Nothing bounds the length of the list.",
                evidence=parameter.description or parameter.name,
            )


def _ambiguous(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.required or "default" in parameter.schema or parameter.depth:
            continue
        if not _LEFT_OUT.search(parameter.description):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="It may be left out, and nothing says what happens then.",
                evidence=parameter.description or parameter.name,
            )


def _null_or_absent(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.required or "default" in parameter.schema:
            continue
        kinds = parameter.schema.get("type")
        members = parameter.schema.get("anyOf")
        nullable = is_array(kinds) and "null" in kinds
        nullable = nullable or (is_array(members) and {"type": "null"} in members)
        if nullable and not re.search(r"\bnull\b|\bnone\b", parameter.description, re.I):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="It may be null or left out, and nothing says whether that is the same.",
                evidence=parameter.description or parameter.name,
            )


RULES = (
    Rule(
        id="size-unbounded",
        severity=Severity.WARNING,
        reason="A model asks for 10,000 rows where 20 would do, and the window overflows.",
        fix="Give `maximum`, and a `default`.",
        each=_unbounded,
    ),
    Rule(
        id="range-missing",
        severity=Severity.INFO,
        reason="A bound in the schema refuses 95 as a latitude before the service does.",
        fix="Give `minimum` and `maximum`.",
        each=_range,
    ),
    Rule(
        id="array-unbounded",
        severity=Severity.INFO,
        reason="A list without bound may hold thousands of items.",
        fix="Give `maxItems`.",
        each=_array,
        on=False,
    ),
    Rule(
        id="optional-ambiguous",
        severity=Severity.INFO,
        reason="A model that does not know what leaving a value out means fills it in by guess.",
        fix="Give `default`, or say what happens when it is left out.",
        each=_ambiguous,
        on=False,
    ),
    Rule(
        id="optional-nullable",
        severity=Severity.INFO,
        reason="Two ways to say nothing: models use both, and services tell them apart.",
        fix="Give `default: null`, or do not allow null.",
        each=_null_or_absent,
    ),
)
