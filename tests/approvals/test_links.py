"""Signed links: one decision of one person, once, in time, and unchangeable."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.approvals.links import Link, Links
from callgate.approvals.records import Approval, Standing
from callgate.approvals.rules import Rule
from callgate.errors import ApprovalError, SettingsError
from callgate.types import Principal
from tests.approvals.scenes import ANA, BOSS, CFO, Scene, Wall, part
from tests.approvals.test_records import APPROVAL

SECRET = b"k" * 32


def links(wall: Wall, key: bytes = SECRET) -> Links:
    numbers = count(1)
    return Links(key, now=wall, ids=lambda: f"n{next(numbers)}")


async def asked(scene: Scene, *rules: Rule) -> Approval:
    gate = scene.gate(*rules)
    await gate.session(ANA, id="s").turn([part("pay", cents=5)])
    (found,) = await gate.approvals.list()
    return found


async def test_a_link_carries_one_decision_of_one_person(scene: Scene) -> None:
    signer, approval = links(scene.wall), await asked(scene)
    token = signer.sign(approval, "approve", BOSS, seconds=60)
    assert signer.read(token) == Link(
        approval=approval.id,
        decision="approve",
        by=BOSS,
        expires_at=scene.wall.now + 60,
        number="n1",
    )
    known = await signer.follow(token, scene.desk(), reason="fine")
    assert (known.state, known.votes[0].by, known.votes[0].link, known.reason) == (
        Standing.APPROVED,
        "boss",
        "n1",
        "fine",
    )


async def test_a_link_can_be_used_once(scene: Scene) -> None:
    signer, approval = links(scene.wall), await asked(scene, Rule(then="ask", approvers=2))
    token = signer.sign(approval, "approve", BOSS)
    await signer.follow(token, scene.desk())
    with pytest.raises(ApprovalError, match="This link has been used already"):
        await signer.follow(token, scene.desk())
    other = signer.sign(approval, "deny", CFO)
    assert (await signer.follow(other, scene.desk())).state is Standing.DENIED
    with pytest.raises(ApprovalError, match="nothing is left to decide"):
        await signer.follow(signer.sign(approval, "approve", CFO), scene.desk())


async def test_a_link_does_not_outlive_its_time_or_its_approval(scene: Scene) -> None:
    signer, approval = links(scene.wall), await asked(scene)
    token = signer.sign(approval, "approve", BOSS, seconds=60)
    scene.wall.now += 60
    with pytest.raises(ApprovalError, match="This link has expired"):
        await signer.follow(token, scene.desk())
    forever = signer.sign(approval, "deny", BOSS, seconds=1e9)
    assert signer.read(forever).expires_at == approval.expires_at


async def test_a_link_gives_nobody_a_right(scene: Scene) -> None:
    signer, approval = links(scene.wall), await asked(scene)
    nobody = Principal(id="nobody", tenant="acme", roles=frozenset({"clerk"}))
    with pytest.raises(ApprovalError, match="nobody may not decide"):
        await signer.follow(signer.sign(approval, "approve", nobody), scene.desk())


async def test_a_link_signed_with_another_key_is_refused(scene: Scene) -> None:
    approval = await asked(scene)
    token = links(scene.wall, b"x" * 32).sign(approval, "approve", BOSS)
    with pytest.raises(ApprovalError, match="not signed here"):
        links(scene.wall).read(token)


@given(data=st.data())
def test_no_changed_link_is_accepted(data: st.DataObject) -> None:
    wall = Wall()
    approval = _approval(wall)
    token = links(wall).sign(approval, "deny", BOSS)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABab01-_.!é"))
    changed = token[:place] + letter + token[place + 1 :]
    try:
        read = links(wall).read(changed)
    except ApprovalError:
        return
    # The last letters of base64 have bits that mean nothing.
    assert read == links(wall).read(token)


def test_a_decision_cannot_be_turned_around(wall: Wall) -> None:
    head, _, tail = links(wall).sign(_approval(wall), "deny", BOSS).partition(".")
    told = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**told, "decision": "approve"}).encode())
    with pytest.raises(ApprovalError, match="not signed here, or was changed"):
        links(wall).read(f"{forged.decode().rstrip('=')}.{tail}")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é", "." * 5000, "a" * 5000, "a.b"])
def test_what_is_no_link_is_refused(wall: Wall, token: str) -> None:
    with pytest.raises(ApprovalError, match=r"no link to an approval|not signed here"):
        links(wall).read(token)


def test_a_short_key_is_refused(wall: Wall) -> None:
    with pytest.raises(SettingsError, match="has 5 bytes and needs 32"):
        links(wall, b"short")


def _approval(wall: Wall) -> Approval:
    return replace(APPROVAL, asked_at=wall.now)
