"""Where the schema says one thing and the prose another, or only the prose says it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Parameter, Subject
from callgate.contract.lint.words import has, quoted
from callgate.schema.values import is_array

__all__ = ["RULES"]

_OPENS = r"^\W*(?:optional\W+|required\W+)?(?:an?\s+|the\s+)?"
_CLAIMS: tuple[tuple[frozenset[str], re.Pattern[str]], ...] = (
    (
        frozenset({"string"}),
        re.compile(
            _OPENS + r"(?:integer|int|float|floating[- ]point number|boolean|bool|array|"
            r"dictionary|(?:json )?object (?:with|containing|of))"
            r"\b(?!\s*(?:id|code|key|name|number|field|property|type|path|storage|store|string|"
            r"format|version|expression|operat\w+|quer\w+|or\b|of (?:the|this)))",
            re.IGNORECASE,
        ),
    ),
    (
        frozenset({"integer", "number"}),
        re.compile(
            _OPENS + r"(?:string|text|boolean|bool|array|list|object|dictionary)\b"
            r"(?!\s*(?:index|position|length|size|number|id|offset|or\b))"
            r"|\byyyy-mm-dd\b|\btrue or false\b|\bISO[- ]?8601\b|\bcomma[- ]separated\b",
            re.IGNORECASE,
        ),
    ),
    (
        frozenset({"integer"}),
        re.compile(
            _OPENS + r"(?:float|floating[- ]point|decimal|fraction)\b"
            r"(?!\s+(?:precision|places?|digits?))"
            r"|\b(?:e\.g\.?|for example|such as|example:?)[,:]?\s+[`'\"]?-?\d+\.\d+\b(?![.\d])"
            r"|\bbetween 0(?:\.0)? and 1(?:\.0)?\b(?!\d)|\bfrom 0\.0 to\b",
            re.IGNORECASE,
        ),
    ),
    (
        frozenset({"boolean"}),
        re.compile(
            _OPENS + r"(?:string|integer|number|float|array|list|object|dictionary) (?:of|that|with"
            r"|containing|to|for)\b|\byyyy-mm-dd\b|\bcomma[- ]separated\b",
            re.IGNORECASE,
        ),
    ),
    (
        frozenset({"array"}),
        re.compile(
            _OPENS + r"(?:string|integer|int|float|boolean|bool|comma[- ]separated (?:string|list))"
            r"\b(?!\s*(?:or\b|array|list|values?|s\b|\[\]|pairs))",
            re.IGNORECASE,
        ),
    ),
    (
        frozenset({"object"}),
        re.compile(
            _OPENS + r"(?:json[- ])?(?:string|integer|int|float|boolean|bool|array|list)\b"
            r"(?!\s*(?:or\b|values?|pairs|map|key))",
            re.IGNORECASE,
        ),
    ),
)
_ONE_OF = re.compile(
    r"\b(?:one of|either|must be(?: one of)?|(?:possible|valid|allowed|accepted|supported|"
    r"available) (?:values?|options?|choices?)(?: are| is| include)?|options(?: are)?|"
    r"can (?:only )?be|"
    r"choose (?:from|between)|values)\b\s*:?\s*",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"[\[({]?\s*((?:['\"`][\w .+/-]{1,30}['\"`](?:\s*\([^()]*\))?"
    r"(?:\s*,\s*(?:and\s+|or\s+)?|\s+or\s+|\s+and\s+|\s*\|\s*|\s*/\s*)?){2,})",
    re.IGNORECASE,
)
_ANY = re.compile(
    r"\b(?:e\.?g|i\.e|example|such as|like|etc|for instance|including|any|custom|other|more|or a|"
    r"or an|starting|prefix|default)\b|\.\.\.|…",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\b(?:between|from)\s+(-?\d+(?:\.\d+)?)\s+(?:and|to)\s+(-?\d+(?:\.\d+)?)\b(?!\s*[-/:.]\d)|"
    r"[\[(](?:range:?\s*)?(-?\d+)\s*(?:-|\u2013|to)\s*(\d+)[\])]",
    re.IGNORECASE,
)
_MOST = re.compile(
    r"\b(?:max(?:imum)?(?: (?:value|is|of|allowed|:))*:?|at most|up to|no more than)\s+(\d+)\b"
    r"(?![.:/-]\d)(?!\s*(?:sec|min|hour|day|week|month|year))",
    re.IGNORECASE,
)
_OPTIONAL = re.compile(r"^\W*optional\b|\(\s*optional\s*\)|\[optional\]|[.,;]\s*optional\W*$", re.I)
_REQUIRED = re.compile(
    r"^\W*(?:required|mandatory)\s*(?:[.,:;)\]-]|$)"
    r"|\(\s*(?:required|mandatory)\s*\)|[.,;]\s*(?:required|mandatory)\W*$",
    re.IGNORECASE,
)
_DEFAULT = re.compile(
    r"(?<!['\"`])\bdefaults?(?:\s+(?:value|is|to|as|of|set|will be))*\s*[:=]?\s*"
    r"(?:['\"`]([^'\"`\n]{1,40})['\"`]|(true|false|null|none|-?\d+(?:\.\d+)?)"
    r"(?![\w.]*\w|[-/:]\d)(?!\||\s*(?:%|[kmg]?b\b|percent|ms|milli|sec|min|hour|day|week|month|year)))",
    re.IGNORECASE,
)


def _type(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        for types, pattern in _CLAIMS:
            if not parameter.types or not parameter.types <= types:
                continue
            if seen := has(pattern, parameter.description):
                kind = " or ".join(sorted(parameter.types))
                yield Hit(
                    subject=subject,
                    path=parameter.path,
                    words=f"The type is {kind}, the description speaks of {seen.strip()!r}.",
                    evidence=parameter.description,
                )
                break


def _choices(description: str) -> list[str]:
    """Return the values that a description lists as the only ones."""
    for found in _ONE_OF.finditer(description):
        rest = description[found.end() :]
        listed = _LISTED.match(rest)
        if listed is None:
            continue
        before, after = description[: found.start()][-30:], rest[listed.end() :][:20]
        values = list(dict.fromkeys(quoted(listed[1])))
        if len(values) >= 2 and not _ANY.search(before) and not _ANY.search(after):
            return values
    return []


def _enum(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        allowed = parameter.keyword("enum")
        if not is_array(allowed):
            continue
        known = {str(value).casefold() for value in allowed}
        missing = [v for v in _choices(parameter.description) if v.casefold() not in known]
        if missing:
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"The description allows {', '.join(map(repr, missing[:3]))}, the enum does "
                "not.",
                evidence=parameter.description,
            )


def _free(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if (
            parameter.types != frozenset({"string"})
            or parameter.is_closed
            or parameter.keyword("pattern")
        ):
            continue
        values = _choices(parameter.description)
        if values:
            shown = ", ".join(f'"{value}"' for value in values[:8])
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"The description lists {len(values)} values, and any string is valid.",
                evidence=parameter.description,
                fix=f'Say it in the schema: "enum": [{shown}].',
            )


def _bounds(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if not parameter.types or not parameter.types <= {"integer", "number"}:
            continue
        if parameter.is_closed:
            continue
        keys = ("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum")
        if any(parameter.keyword(key) is not None for key in keys):
            continue
        if seen := has(_BETWEEN, parameter.description) or has(_MOST, parameter.description):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"The description bounds the number ({seen}), the schema does not.",
                evidence=parameter.description,
            )


def _optional(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.required and _OPTIONAL.search(parameter.description):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The description says that it is optional, the schema requires it.",
                evidence=parameter.description,
            )
        if not parameter.required and _REQUIRED.search(parameter.description):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The description says that it is required, the schema does not.",
                evidence=parameter.description,
            )


def _told_default(parameter: Parameter) -> str:
    found = _DEFAULT.search(parameter.description)
    told = next((group for group in found.groups() if group), "") if found else ""
    # A full stop before the closing quote is the sentence's, as in: defaults to `google.com.`
    return told.removesuffix(".") if re.fullmatch(r".*\w\.", told) else told


def _as_json(told: str, types: frozenset[str]) -> str:
    """Return what a description says as a value of the type, in JSON."""
    plain = re.fullmatch(r"-?\d+(?:\.\d+)?|true|false|null|none", told, re.IGNORECASE)
    if plain and types != frozenset({"string"}):
        return "null" if told.casefold() == "none" else told.casefold()
    return orjson.dumps(told).decode()


def _default(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        told = _told_default(parameter)
        if told and "default" in parameter.schema:
            given = parameter.schema["default"]
            if given is not None and not _is_same(told, given):
                yield Hit(
                    subject=subject,
                    path=parameter.path,
                    words=f"The description says that the default is {told!r}, the schema says "
                    f"{str(given)[:40]!r}.",
                    evidence=parameter.description,
                )


def _is_same(told: str, given: Any) -> bool:
    try:
        return float(told) == float(given)
    except (TypeError, ValueError):
        return told.casefold().strip() == str(given).casefold().strip()


def _prose_default(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        told = _told_default(parameter)
        if told and "default" not in parameter.schema and not parameter.required:
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"Only the description says that the default is {told!r}.",
                evidence=parameter.description,
                fix=f'Say it in the schema: "default": {_as_json(told, parameter.types)}.',
            )


def _required_default(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        told = _told_default(parameter)
        has_default = parameter.schema.get("default") is not None
        if parameter.required and told and not has_default:
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"It is required, and the description gives a default ({told!r}).",
                evidence=parameter.description,
            )


RULES = (
    Rule(
        id="type-contradicts-prose",
        severity=Severity.ERROR,
        reason="Measured on small models, a type that contradicts the description costs 13 to 29 "
        "points of success.",
        fix="Make the type what the description says, or the other way round.",
        each=_type,
    ),
    Rule(
        id="enum-contradicts-prose",
        severity=Severity.ERROR,
        reason="A model writes the value that it reads of, and the call is refused.",
        fix="Let the enum and the description list the same values.",
        each=_enum,
    ),
    Rule(
        id="string-should-be-enum",
        severity=Severity.WARNING,
        reason="Values that only prose lists are misspelled, and nothing refuses them.",
        fix="List the values as `enum`.",
        each=_free,
    ),
    Rule(
        id="bounds-only-in-prose",
        severity=Severity.WARNING,
        reason="A bound that only prose states refuses nothing.",
        fix="Say it by `minimum` and `maximum`.",
        each=_bounds,
    ),
    Rule(
        id="required-contradicts-prose",
        severity=Severity.WARNING,
        reason="A model leaves out what it reads is optional.",
        fix="Let `required` and the description say the same.",
        each=_optional,
    ),
    Rule(
        id="default-contradicts-prose",
        severity=Severity.ERROR,
        reason="What happens when the value is left out is not what a model reads.",
        fix="Let `default` and the description say the same.",
        each=_default,
    ),
    Rule(
        id="default-only-in-prose",
        severity=Severity.INFO,
        reason="A default in the schema is filled in and shown to who approves.",
        fix="Say it by `default`.",
        each=_prose_default,
    ),
    Rule(
        id="required-with-default",
        severity=Severity.INFO,
        reason="Whether the value may be left out is not clear.",
        fix="Take it out of `required` and say it by `default`, or drop the default.",
        each=_required_default,
    ),
)
