"""Which providers refuse a definition, in which mode, and what they would no longer enforce."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.contract.lint.finding import Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.errors import DefinitionError
from callgate.schema.dialects import WIRES, CompiledSchema, Compiler, Dialect

__all__ = ["RULES"]

_WIRES = ("openai", "anthropic", "gemini", "gemini_parameters", "vllm")
"""Wires that differ: the others take what one of these takes."""

_USUAL = frozenset({"additionalProperties", "required"})
"""Keywords that every strict mode rewrites in every schema."""


def _dialects() -> Iterator[tuple[str, Dialect]]:
    for name in _WIRES:
        wire = WIRES[name]
        if wire.relaxed.keywords is not None:
            yield name, wire.relaxed
        if wire.strict is not None:
            yield f"{name} --strict", wire.strict


def _compiled(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, str, CompiledSchema | str]]:
    """Yield what each wire makes of each tool, or why it cannot take it."""
    compiler = Compiler()
    dialects = tuple(_dialects())
    for subject in subjects:
        for name, dialect in () if subject.problem else dialects:
            made = subject.memo.get(name)
            if made is None:
                made = subject.memo[name] = _made(compiler, subject, dialect)
            yield subject, name, made


def _made(compiler: Compiler, subject: Subject, dialect: Dialect) -> CompiledSchema | str:
    try:
        made = compiler.compile(subject.tool.parameters, dialect)
    except DefinitionError as exc:
        return exc.message
    return made.unfit or made


def _refused(subjects: Sequence[Subject]) -> Iterator[Hit]:
    reasons: dict[tuple[int, str], tuple[Subject, list[str]]] = {}
    for subject, name, made in _compiled(subjects):
        if isinstance(made, str):
            reasons.setdefault((id(subject), made), (subject, []))[1].append(name)
    for (_, reason), (subject, names) in reasons.items():
        yield Hit(
            subject=subject,
            path="parameters",
            words=f"{', '.join(names)} cannot take these parameters: {reason}",
            evidence=", ".join(names),
        )


def _as_written(subjects: Sequence[Subject]) -> Iterator[Hit]:
    refused: dict[int, tuple[Subject, list[str]]] = {}
    for subject, name, made in _compiled(subjects):
        if isinstance(made, str):
            continue
        words = sorted({loss.keyword for loss in made.losses} - _USUAL)
        if words:
            told = f"{name} {', '.join(words)}"
            refused.setdefault(id(subject), (subject, []))[1].append(told)
    for subject, told in refused.values():
        yield Hit(
            subject=subject,
            path="parameters",
            words=f"Sent as it is, keywords are refused or ignored: {'; '.join(told)}.",
            evidence="; ".join(told),
        )


def _narrowed(subjects: Sequence[Subject]) -> Iterator[Hit]:
    told: dict[tuple[int, str], tuple[Subject, list[str]]] = {}
    for subject, name, made in _compiled(subjects):
        for loss in () if isinstance(made, str) else made.losses:
            # That an object takes no names that it does not mention is what most authors meant.
            if loss.narrows and loss.keyword not in _USUAL:
                words = f"{loss.words} (at {loss.path})"
                told.setdefault((id(subject), words), (subject, []))[1].append(name)
    for (_, words), (subject, names) in told.items():
        yield Hit(
            subject=subject,
            path="parameters",
            words=f"Some valid arguments cannot be written on {', '.join(names)}: {words}",
            evidence=words,
        )


RULES = (
    Rule(
        id="wire-refuses",
        severity=Severity.WARNING,
        reason="A provider answers 400 to the whole request, or the tool cannot be strict there.",
        fix="Change what is named, or leave strict mode off for this tool.",
        across=_refused,
    ),
    Rule(
        id="wire-narrows",
        severity=Severity.INFO,
        reason="What a schema allows and a wire cannot express, a model cannot ask for.",
        fix="Name properties, and avoid what the wire cannot say.",
        across=_narrowed,
    ),
    Rule(
        id="wire-not-as-written",
        severity=Severity.INFO,
        reason="Sent without compiling, these keywords are refused with an error or ignored.",
        fix="Send what `callgate compile` makes of it.",
        across=_as_written,
        on=False,
    ),
)
