"""What a definition costs in every turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.contract.lint.finding import Edit, Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Subject
from callgate.contract.lint.tokens import definition_text, estimate
from callgate.contract.lint.words import split_name

__all__ = ["RULES"]

_TOOL = 1_500
_SURFACE = 20_000
_OPENAI_TOOLS = 128


def _dear(subject: Subject) -> Iterator[Hit]:
    tokens = estimate(definition_text(subject.tool))
    if tokens > _TOOL:
        yield Hit(
            subject=subject,
            words=f"The definition costs about {tokens:,} tokens in every turn (estimate).",
            evidence=f"above {_TOOL}",
        )


def _dear_surface(subjects: Sequence[Subject]) -> Iterator[Hit]:
    costs = [estimate(definition_text(subject.tool)) for subject in subjects]
    if sum(costs) > _SURFACE:
        most = max(range(len(costs)), key=costs.__getitem__)
        yield Hit(
            subject=subjects[most],
            words=f"{len(subjects)} definitions cost about {sum(costs):,} tokens in every turn "
            f"(estimate); this one is the dearest.",
            evidence=f"above {_SURFACE}",
        )


def _too_many(subjects: Sequence[Subject]) -> Iterator[Hit]:
    if len(subjects) > _OPENAI_TOOLS:
        yield Hit(
            subject=subjects[_OPENAI_TOOLS],
            words=f"{len(subjects)} tools; OpenAI takes {_OPENAI_TOOLS} in a request, and choices "
            "get worse from some 40 on.",
            evidence=f"above {_OPENAI_TOOLS}",
        )


def _title(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        title = parameter.schema.get("title")
        if not isinstance(title, str) or split_name(title) != list(parameter.words):
            continue
        steps = subject.steps(parameter.path)
        yield Hit(
            subject=subject,
            path=parameter.path,
            words="The title repeats the name, and costs tokens in every turn.",
            evidence=title,
            edits=() if steps is None else (Edit(steps=(*steps[:-1], "title"), value=None),),
        )


RULES = (
    Rule(
        id="tokens-tool",
        severity=Severity.WARNING,
        reason="One definition that costs as much as ten is paid for in every turn.",
        fix="Shorten descriptions, drop what repeats, split the tool, or defer it.",
        each=_dear,
    ),
    Rule(
        id="tokens-surface",
        severity=Severity.WARNING,
        reason="Definitions eat the window, and more tools make choices worse.",
        fix="Offer fewer tools at once: search, or one surface per task.",
        across=_dear_surface,
    ),
    Rule(
        id="tools-many",
        severity=Severity.WARNING,
        reason="OpenAI refuses a request with more than 128 tools.",
        fix="Offer fewer tools at once: search, or one surface per task.",
        across=_too_many,
    ),
    Rule(
        id="title-redundant",
        severity=Severity.INFO,
        reason="Generated titles repeat the name of their parameter.",
        fix="Leave them out.",
        each=_title,
    ),
)
