"""Names of tools and parameters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.contract.lint.words import said

__all__ = ["RULES"]

_SAFE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_SAFE_PARAMETER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,63}")
_EMPTY_WORDS = frozenset(
    said(
        "api call data do endpoint exec execute foo bar func function get handle handler "
        "helper invoke item main method new object operation perform process request run "
        "send set submit test tool util value"
    )
)
_PLACEHOLDERS = re.compile(r"(?:arg|param|parameter|field|input|value|var|x|y|z)s?_?\d+")


def _unfit(subject: Subject) -> Iterator[Hit]:
    name = subject.tool.name
    # What reading put before the author's name is nothing that the author could change.
    if not _SAFE.fullmatch(subject.listed.written or name):
        yield Hit(
            subject=subject,
            path="name",
            words="Not every provider accepts this name; it would be changed on the way.",
            evidence=name,
        )


def _vague(subject: Subject) -> Iterator[Hit]:
    words = [word for word in subject.words if not word.isdigit()]
    if not words or (len(words) <= 2 and all(word in _EMPTY_WORDS for word in words)):
        yield Hit(
            subject=subject,
            path="name",
            words="The name does not say what the tool does.",
            evidence=subject.tool.name,
        )


def _repeated(subjects: Sequence[Subject]) -> Iterator[Hit]:
    by_name: dict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        by_name[subject.tool.name].append(subject)
    for name, same in by_name.items():
        if len(same) > 1:
            yield Hit(
                subject=same[1],
                path="name",
                words=f"{len(same)} tools of this surface have the same name.",
                evidence=name,
            )


def _style(name: str) -> str:
    if "-" in name:
        return "kebab-case"
    if "_" in name:
        return "snake_case"
    return "camelCase" if re.search(r"[a-z][A-Z]", name) else ""


def _mixed(subjects: Sequence[Subject]) -> Iterator[Hit]:
    styles: dict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        styles[_style(subject.tool.name)].append(subject)
    styles.pop("", None)
    if len(styles) < 2:
        return
    usual, *others = sorted(styles, key=lambda style: -len(styles[style]))
    for style in others:
        yield Hit(
            subject=styles[style][0],
            path="name",
            words=f"{len(styles[style])} names are in {style}, {len(styles[usual])} in {usual}.",
            evidence=styles[style][0].tool.name,
        )


def _parameter(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if not _SAFE_PARAMETER.fullmatch(parameter.name):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="Not every provider accepts this name of a parameter.",
                evidence=parameter.name,
            )


def _placeholder(subject: Subject) -> Iterator[Hit]:
    letters = {p.name for p in subject.parameters if len(p.name) == 1}
    # Several letters are coordinates or channels of a colour, and known as such.
    lonely = letters if len(letters) == 1 else set[str]()
    for parameter in subject.parameters:
        vague = _PLACEHOLDERS.fullmatch(parameter.name.lower()) or parameter.name in lonely
        if vague and len(parameter.description.split()) < 2:
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="Neither the name nor a description says what this parameter is.",
                evidence=parameter.name,
            )


RULES = (
    Rule(
        id="name-not-portable",
        severity=Severity.WARNING,
        reason="Providers take letters, digits, `_` and `-`, up to 64; other names are refused.",
        fix="Use letters, digits and `_`, beginning with a letter, at most 64 characters.",
        each=_unfit,
    ),
    Rule(
        id="name-vague",
        severity=Severity.WARNING,
        reason="The name is what a model sees first; a word that fits every tool tells none apart.",
        fix="Name the action and its object, such as `search_orders`.",
        each=_vague,
    ),
    Rule(
        id="name-duplicate",
        severity=Severity.ERROR,
        reason="A provider refuses two tools of one name, and a call could mean either.",
        fix="Give each tool a name of its own, or leave one out.",
        across=_repeated,
    ),
    Rule(
        id="name-style-mixed",
        severity=Severity.INFO,
        reason="Models spell names as the others around are spelled.",
        fix="Write all names of a surface in one style.",
        across=_mixed,
    ),
    Rule(
        id="parameter-name-not-portable",
        severity=Severity.WARNING,
        reason="Names of parameters outside letters, digits, `_`, `.` and `-` are refused by some "
        "providers, and models misspell them.",
        fix="Use letters, digits and `_`, beginning with a letter, at most 64 characters.",
        each=_parameter,
    ),
    Rule(
        id="parameter-name-vague",
        severity=Severity.WARNING,
        reason="A model fills what it understands.",
        fix="Give the parameter a telling name, or a description.",
        each=_placeholder,
    ),
)
