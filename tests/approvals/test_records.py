"""Approvals and grants as records: as JSON and back, and what they cover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.approvals.need import Escalation, Need
from callgate.approvals.records import (
    Approval,
    Binding,
    Grant,
    Standing,
    Vote,
    approval_from_json,
    approval_id,
    approval_to_json,
    grant_from_json,
    grant_to_json,
    tool_digest,
)
from callgate.types import Effect, Example, Limits, Principal, Tool

BINDING = Binding(
    key="acme/ana/s/1/0",
    tool="sha256:1",
    arguments="sha256:2",
    tenant="acme",
    principal="ana",
    session="s",
    policy="sha256:3",
)
APPROVAL = Approval(
    id=approval_id(BINDING),
    binding=BINDING,
    tool="pay",
    version="1",
    effect="irreversible",
    description="Pay. é",
    parameters={"type": "object"},
    arguments=b'{"to":"\xc3\xa9"}',
    need=Need(escalations=(Escalation(after=5, roles=frozenset({"x"}), approvers=2),)),
    asked_at=100.0,
    votes=(Vote(by="b", tenant="acme", roles=frozenset({"y", "x"}), verdict="approve", at=1.5),),
)
GRANT = Grant(
    id="grt_1",
    tool="pay",
    by="boss",
    by_roles=frozenset({"approver"}),
    given_at=100.0,
    expires_at=200.0,
    tenant="acme",
)
TOOL = Tool(name="pay", description="Pay.", parameters={"type": "object"}, version="1.2")


def test_records_survive_the_way_through_json() -> None:
    assert approval_from_json(approval_to_json(APPROVAL)) == APPROVAL
    full = replace(GRANT, versions=("1.*",), digests=("d",), uses=3, used=1, revoked_by="x")
    assert grant_from_json(grant_to_json(full)) == full


@given(field=st.sampled_from(list(Binding.__dataclass_fields__)), value=st.text(max_size=5))
def test_every_part_of_the_binding_makes_another_approval(field: str, value: str) -> None:
    changes: dict[str, Any] = {field: value}
    other = replace(BINDING, **changes)
    assert (approval_id(other) == APPROVAL.id) is (other == BINDING)
    assert BINDING.differs(other) == ([] if other == BINDING else [field])


@pytest.mark.parametrize(
    "change",
    [
        {"name": "pey"},
        {"version": "2"},
        {"description": "Pay!"},
        {"parameters": {"type": "object", "title": "x"}},
        {"returns": {}},
        {"effect": Effect.READ},
        {"examples": (Example(arguments={}),)},
        {"approval": "always"},
    ],
)
def test_all_that_a_model_and_an_approver_see_is_in_the_digest(change: dict[str, Any]) -> None:
    assert tool_digest(replace(TOOL, **change)) != tool_digest(TOOL)


def test_what_nobody_sees_is_not_in_the_digest() -> None:
    assert tool_digest(replace(TOOL, limits=Limits(attempts=1))) == tool_digest(TOOL)


def test_time_ends_what_is_open_and_nothing_else() -> None:
    end = APPROVAL.expires_at
    assert APPROVAL.standing(end - 1) is Standing.PENDING
    for state in (Standing.PENDING, Standing.APPROVED):
        assert replace(APPROVAL, state=state).standing(end) is Standing.EXPIRED
    for state in (Standing.DENIED, Standing.EDITED, Standing.CONSUMED):
        assert replace(APPROVAL, state=state).standing(end) is state


@pytest.mark.parametrize(
    ("change", "covers"),
    [
        ({}, True),
        ({"tool": "pey"}, False),
        ({"versions": ("1.2",)}, True),
        ({"versions": ("1.*",)}, True),
        ({"versions": ("1.2.*",)}, True),
        ({"versions": ("1",)}, False),
        ({"versions": ("1.20", "2.*")}, False),
        ({"digests": (tool_digest(TOOL),)}, True),
        ({"digests": ("sha256:0",)}, False),
        ({"tenant": "evil"}, False),
        ({"principal": "ana"}, True),
        ({"principal": "otto"}, False),
        ({"session": "s"}, True),
        ({"session": "t"}, False),
    ],
)
def test_a_grant_covers_what_it_says(change: dict[str, Any], covers: bool) -> None:
    who = Principal(id="ana", tenant="acme")
    assert replace(GRANT, **change).covers(TOOL, tool_digest(TOOL), who, "s") is covers


@pytest.mark.parametrize(
    ("change", "now", "stands"),
    [
        ({}, 199.0, True),
        ({}, 200.0, False),
        ({"revoked_by": "x"}, 150.0, False),
        ({"uses": 2, "used": 1}, 150.0, True),
        ({"uses": 2, "used": 2}, 150.0, False),
    ],
)
def test_a_grant_stands_until_it_is_used_up_over_or_taken_back(
    change: dict[str, Any], now: float, stands: bool
) -> None:
    assert replace(GRANT, **change).stands(now) is stands
