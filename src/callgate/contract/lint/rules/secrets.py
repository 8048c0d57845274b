"""Secrets that stand in a definition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Parameter, Subject
from callgate.schema.values import is_array

__all__ = ["RULES"]

_SHAPES = re.compile(
    r"\b(?:sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|"
    r"github_pat_\w{30,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35}|glpat-[\w-]{20}|"
    r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}|npm_[A-Za-z0-9]{36}|"
    r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,})|-----BEGIN [A-Z ]*PRIVATE KEY-----|"
    r"[a-z][a-z0-9+]*://[^/\s:@]+:[^/\s:@]{3,}@"
)
_NAMED = re.compile(
    r"(?:^|_)(?:api_?key|apikey|token|secret|password|passwd|private_?key|auth|authorization)$",
    re.IGNORECASE,
)
_OPAQUE = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[A-Za-z0-9+/_=.-]{16,}")
_DUMMY = re.compile(
    r"x{4,}|\busers?(?:name)?:|:pass(?:word)?@|your|example|dummy|test|placeholder|\*{3,}|[<>{]|"
    r"123456|abcdef",
    re.IGNORECASE,
)


def _in_values(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        for keyword, value in _values(parameter):
            if isinstance(value, str) and (kind := _secret(value, parameter.name)):
                yield Hit(
                    subject=subject,
                    path=parameter.path,
                    words=f"The {keyword} looks like {kind}.",
                    evidence=_masked(value),
                )


def _in_texts(subject: Subject) -> Iterator[Hit]:
    for path, text in subject.texts:
        for found in _SHAPES.finditer(text):
            if not _DUMMY.search(found[0]):
                yield Hit(
                    subject=subject,
                    path=path,
                    words="The description holds what looks like a secret.",
                    evidence=_masked(found[0]),
                )


def _both(subject: Subject) -> Iterator[Hit]:
    yield from _in_values(subject)
    yield from _in_texts(subject)


def _values(parameter: Parameter) -> Iterator[tuple[str, Any]]:
    for keyword in ("default", "const"):
        if keyword in parameter.schema:
            yield keyword, parameter.schema[keyword]
    for keyword in ("enum", "examples"):
        listed = parameter.schema.get(keyword)
        for value in listed if is_array(listed) else ():
            yield keyword, value


def _secret(value: str, name: str) -> str:
    if _DUMMY.search(value):
        return ""
    if _SHAPES.search(value):
        return "a secret of a known form"
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_")
    if _NAMED.search(snake) and _OPAQUE.fullmatch(value):
        return "a real value of a secret"
    return ""


def _masked(value: str) -> str:
    return f"{value[:4]}… ({len(value)} characters)"


RULES = (
    Rule(
        id="secret-in-definition",
        severity=Severity.ERROR,
        reason="A definition is sent to every model, logged and committed.",
        fix="Take the value out, and revoke it: it has been published.",
        each=_both,
    ),
)
