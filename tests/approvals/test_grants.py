"""Standing grants: what they cover, how they end, and that nothing is covered by accident."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.approvals.records import tool_digest
from callgate.approvals.rules import Rule
from callgate.errors import ApprovalError, DefinitionError
from callgate.messages import CallPart
from callgate.types import Principal, Status
from tests.approvals.scenes import ANA, BOSS, OTHER, Scene, part


async def test_a_granted_call_waits_for_nobody_and_is_counted(scene: Scene) -> None:
    gate = scene.gate()
    grant = await gate.approvals.give("pay", BOSS, uses=2, when="cents < 100", reason="lunch")
    session = gate.session(ANA)
    assert (await session.call("pay", {"cents": 5})).ok
    assert (await session.call("pay", {"cents": 500})).status is Status.PENDING
    assert (await session.call("pay", {"cents": 6})).ok
    assert (await session.call("pay", {"cents": 7})).status is Status.PENDING
    (used,) = await gate.approvals.grants(all=True)
    assert (used.id, used.used, await gate.approvals.grants()) == (grant.id, 2, [])
    assert ("approved", f"by {grant.id} of boss") in scene.verdicts()


@pytest.mark.parametrize(
    "bounds",
    [
        {"principal": "otto"},
        {"session": "another"},
        {"versions": ("7",)},
        {"digests": ("sha256:0",)},
        {"when": 'to == "me"'},
        {"when": "missing < 1"},
    ],
)
async def test_a_grant_for_something_else_does_not_help(
    scene: Scene, bounds: dict[str, Any]
) -> None:
    gate = scene.gate()
    await gate.approvals.give("pay", BOSS, **bounds)
    result = await gate.session(ANA, id="s").call("pay", {"cents": 5})
    assert (result.status, scene.done) == (Status.PENDING, [])


async def test_a_grant_for_one_digest_ends_with_a_change_of_the_tool(scene: Scene) -> None:
    gate = scene.gate()
    bound = tool_digest(gate.surface.tools["pay"])
    await gate.approvals.give("pay", BOSS, digests=(bound,))
    assert (await gate.session(ANA).call("pay", {"cents": 5})).ok
    deployed = scene.gate(description="Pay, and more.")
    assert (await deployed.session(ANA).call("pay", {"cents": 5})).status is Status.PENDING


async def test_a_grant_that_was_taken_back_or_is_over_covers_nothing(scene: Scene) -> None:
    gate = scene.gate()
    first = await gate.approvals.give("pay", BOSS)
    await gate.approvals.give("pay", BOSS, seconds=60)
    assert (await gate.approvals.revoke(first.id, BOSS)).revoked_by == "boss"
    with pytest.raises(ApprovalError, match="was taken back already"):
        await gate.approvals.revoke(first.id, BOSS)
    scene.wall.now += 60
    assert (await gate.session(ANA).call("pay", {"cents": 5})).status is Status.PENDING


async def test_a_grant_taken_back_between_check_and_use_is_not_used(scene: Scene) -> None:
    desk = scene.desk()
    grant = await desk.give("pay", BOSS)
    gate = scene.gate()
    await gate.session(ANA, id="s").turn([part("look", who="all")])
    (asked,) = await desk.list()
    rider = scene.store.using_grant(grant, asked.binding.key)
    await desk.revoke(grant.id, BOSS)
    error = await scene.claims(rider, asked)
    assert error is not None
    assert "taken back" in error.message


async def test_the_last_use_of_a_grant_is_used_once(scene: Scene) -> None:
    gate = scene.gate()
    await gate.approvals.give("pay", BOSS, uses=1)
    session = gate.session(ANA)
    calls = [CallPart(id=f"c{n}", name="pay", arguments={"cents": n}) for n in range(6)]
    answers = await asyncio.gather(*(session.turn([call]) for call in calls))
    results = [answer.answered[0].result for answer in answers]
    assert [result.ok for result in results].count(True) == 1
    assert len(scene.done) == 1


async def test_a_granted_call_that_is_not_started_gives_its_use_back(scene: Scene) -> None:
    gate = scene.gate()
    await gate.approvals.give("pay", BOSS, uses=1)
    session = gate.session(ANA, id="s")
    # `note` is denied its arguments, so the effect behind it in the turn is not started.
    turn = [CallPart(id="c0", name="note", arguments={}), part("pay", "c1", cents=5)]
    answer = await session.turn(turn)
    error = answer.answered[1].result.error
    assert error is not None
    assert error.code == "not_executed"
    (left,) = await gate.approvals.grants()
    assert left.used == 0
    assert (await session.call("pay", {"cents": 5})).ok


async def test_a_use_counts_once_for_one_intent(scene: Scene) -> None:
    desk = scene.desk()
    grant = await desk.give("pay", BOSS, uses=2)
    await scene.gate().session(ANA).turn([part("look", who="all")])
    (asked,) = await desk.list()
    rider = scene.store.using_grant(grant, asked.binding.key)
    assert await scene.claims(rider, asked) is None
    assert await scene.claims(rider, asked, before="started") is None
    assert await scene.claims(rider, asked, key="acme/ana//other") is not None
    await scene.store.give_back(grant.id, asked.binding.key)
    await scene.store.give_back(grant.id, asked.binding.key)
    found = await scene.store.grant(grant.id)
    assert found is not None
    assert found.used == 0


async def test_a_grant_does_not_stand_for_two_people_or_for_another_role(scene: Scene) -> None:
    for rule in (
        Rule(tools=("pay",), then="ask", approvers=2),
        Rule(tools=("pay",), then="ask", grants=False),
        Rule(tools=("pay",), then="ask", roles=frozenset({"finance"})),
    ):
        gate = scene.gate(rule)
        await gate.approvals.give("pay", BOSS)
        assert (await gate.session(ANA).call("pay", {"cents": 5})).status is Status.PENDING


@pytest.mark.parametrize(
    ("person", "bounds", "told"),
    [
        (OTHER, {}, "otto may not decide about grants for pay: it takes one of the roles granter"),
        (BOSS, {"principal": "boss"}, "nobody grants anything to themselves"),
        (BOSS, {"tenant": "evil"}, "the grant is for another tenant"),
        (BOSS, {"uses": 0}, "A grant covers at least one call and more than 0 seconds."),
        (BOSS, {"seconds": 0}, "A grant covers at least one call and more than 0 seconds."),
    ],
)
async def test_giving_is_itself_authorised_and_gives_something(
    scene: Scene, person: Principal, bounds: dict[str, Any], told: str
) -> None:
    with pytest.raises(ApprovalError, match=told):
        await scene.desk().give("pay", person, **bounds)
    assert await scene.desk().grants(all=True) == []


async def test_a_grant_needs_a_condition_that_can_be_read(scene: Scene) -> None:
    with pytest.raises(DefinitionError):
        await scene.desk().give("pay", BOSS, when="cents <")


async def test_taking_back_is_authorised_too(scene: Scene) -> None:
    grant = await scene.desk().give("pay", BOSS)
    with pytest.raises(ApprovalError, match="otto may not decide about grants"):
        await scene.desk().revoke(grant.id, OTHER)
    with pytest.raises(ApprovalError, match="There is no grant grt_0"):
        await scene.desk().revoke("grt_0", BOSS)
    assert [one.id for one in await scene.desk().grants(tenant="acme", tool="pay")] == [grant.id]
    assert await scene.desk().grants(tenant="evil") == []


async def test_grants_are_listed_in_the_order_they_were_given(scene: Scene) -> None:
    desk = scene.desk()
    given = []
    for seconds in (50.0, 10.0, 30.0):
        given.append((await desk.give("pay", BOSS, seconds=seconds)).id)
        scene.wall.now += 1
    assert [one.id for one in await desk.grants()] == given
