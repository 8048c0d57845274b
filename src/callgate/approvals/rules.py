"""Rules that say which calls need a person, and which are approved by their arguments alone."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol, TypeAlias

from callgate.approvals.need import DAY, Escalation, Need, need_to_json
from callgate.approvals.predicate import Condition, Test, parse
from callgate.errors import DefinitionError
from callgate.schema.canonical import digest
from callgate.types import Surface, Tool, ToolCall

__all__ = ["ApprovalRules", "Judge", "Rule", "Rules", "ToolRules"]

Judge: TypeAlias = Callable[[ToolCall], Need | None]
"""Says what a call with canonical arguments needs; None for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """The rules that can reach one tool.

    Attributes:
        judge: Says what a call needs.
        version: Changes whenever the rules of this tool do; part of every approval.
    """

    judge: Judge
    version: str


class ApprovalRules(Protocol):
    """Decides which calls need a person; asked once per tool, when a surface is built."""

    def for_tool(self, tool: Tool, surface: Surface) -> ToolRules | None:
        """Return the rules of `tool`, or None if no call of it can ever need a person.

        Raises:
            DefinitionError: A rule contradicts the tool or names one that is not there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is done with calls of some tools that meet a condition.

    A call has to meet all that a rule says. A condition that has no answer for a call, because an
    argument is missing or of another type, never approves and always asks.

    Attributes:
        then: `approve` lets the call pass without a person, `ask` waits for one.
        tools: Names of tools, or patterns such as `payments_*`.
        tags: Only tools with one of these tags; empty for all.
        effects: Only tools with one of these effects; empty for all.
        when: A condition over the arguments, see `callgate.approvals.predicate`.
        roles: As in `Need`.
        approvers: As in `Need`.
        expires: As in `Need`.
        self_approval: As in `Need`.
        grants: As in `Need`.
        escalations: As in `Need`.
        reason: What the approver reads; tells the condition by default.
    """

    then: Literal["approve", "ask"]
    tools: tuple[str, ...] = ("*",)
    tags: frozenset[str] = frozenset()
    effects: frozenset[str] = frozenset()
    when: str = "always"
    roles: frozenset[str] = Need().roles
    approvers: int = 1
    expires: float = DAY
    self_approval: bool = False
    grants: bool = True
    escalations: tuple[Escalation, ...] = ()
    reason: str = ""

    @property
    def need(self) -> Need | None:
        """What a call that meets the rule needs."""
        if self.then == "approve":
            return None
        return Need(
            reason=self.reason or f"A rule asks for it: {self.when}.",
            roles=self.roles,
            approvers=self.approvers,
            expires=self.expires,
            self_approval=self.self_approval,
            grants=self.grants,
            escalations=self.escalations,
        )


class Rules:
    """A list of rules; the first one that a call meets decides.

    After the last one comes what the tool itself declares (`@tool(approval=...)`). A call that
    nothing reaches needs nobody.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, declared: Need | None = None) -> None:
        """Read the rules.

        Args:
            rules: In their order.
            declared: What a call needs whose tool asks for approval; defaults to `Need()`.

        Raises:
            DefinitionError: A condition cannot be read, or a rule allows nothing.
        """
        self._rules = tuple((rule, _read(rule)) for rule in rules)
        self._declared = declared or Need()

    def for_tool(self, tool: Tool, surface: Surface) -> ToolRules | None:
        """Return the rules of `tool`, or None if no call of it can ever need a person.

        Raises:
            DefinitionError: A rule names a tool or an argument that does not exist.
        """
        for rule, _ in self._rules:
            _check_names(rule, surface)
        reached = [_step(rule, read, tool) for rule, read in self._rules if _reaches(rule, tool)]
        if tool.approval:
            read = _known(parse(tool.approval), tool)
            reached.append((read.text, read.test, self._declared))
        if not any(need for _, _, need in reached):
            return None
        version = digest([[text, need and need_to_json(need)] for text, _, need in reached])
        return ToolRules(judge=_judge([step[1:] for step in reached]), version=version)


def _judge(steps: Sequence[tuple[Test, Need | None]]) -> Judge:
    def judge(call: ToolCall) -> Need | None:
        for test, need in steps:
            answer = test(call)
            if answer or (answer is None and need is not None):
                return need
        return None

    return judge


def _read(rule: Rule) -> Condition:
    if rule.approvers < 1 or rule.expires <= 0 or not rule.tools:
        raise DefinitionError(
            f"the rule `{rule.when}` needs a tool, at least one approver and more than 0 seconds"
        )
    if any((step.approvers or rule.approvers) < rule.approvers for step in rule.escalations):
        raise DefinitionError(
            f"the rule `{rule.when}` asks for fewer people after a time; an escalation adds people"
        )
    if rule.then == "ask" and not rule.roles:
        raise DefinitionError(
            f"the rule `{rule.when}` names no role, so nobody could approve; say roles=..."
        )
    return parse(rule.when)


def _reaches(rule: Rule, tool: Tool) -> bool:
    return (
        any(fnmatchcase(tool.name, pattern) for pattern in rule.tools)
        and (not rule.tags or not rule.tags.isdisjoint(tool.tags))
        and (not rule.effects or tool.effect.value in rule.effects)
    )


def _step(rule: Rule, read: Condition, tool: Tool) -> tuple[str, Test, Need | None]:
    # A pattern may reach tools without the argument: there the condition has no answer.
    named = tool.name in rule.tools
    return read.text, (_known(read, tool) if named else read).test, rule.need


def _known(read: Condition, tool: Tool) -> Condition:
    """Return a condition whose names the tool knows; a misspelt one would never be met."""
    known: dict[str, Any] = tool.parameters.get("properties", {})
    if tool.parameters.get("additionalProperties") is False:
        for name in sorted(read.names - set(known)):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}."
            raise DefinitionError(
                f"the condition `{read.text}` looks at {name!r}, which {tool.name} has no argument"
                f" for; {hint}"
            )
    return read


def _check_names(rule: Rule, surface: Surface) -> None:
    for name in rule.tools:
        if name not in surface.tools and not set("*?[") & set(name):
            near = difflib.get_close_matches(name, surface.tools, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DefinitionError(
                f"the approval rule `{rule.when}` names the tool {name!r}, which is not there{hint}"
            )
