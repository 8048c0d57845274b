"""The table `[approvals]`: rules, people, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate import app
from callgate.approvals.need import Escalation
from callgate.errors import SettingsError
from callgate.settings import ApprovalSettings, PersonSettings, load

WHOLE = """
[approvals]
granters = ["admin"]
link_key = "MY_KEY"

[[approvals.rules]]
then = "approve"
tools = ["pay"]
when = "cents < 100"

[[approvals.rules]]
then = "ask"
tags = ["money"]
effects = ["irreversible"]
roles = ["finance"]
approvers = 2
expires = 60
self_approval = true
grants = false
reason = "It is money."
escalations = [{ after = 600, roles = ["cfo"] }, { after = 900, approvers = 3 }]

[approvals.people.boss]
tenant = "acme"
roles = ["approver"]
"""


def settings(tmp_path: Path, text: str) -> ApprovalSettings:
    file = tmp_path / "callgate.toml"
    file.write_text(text, encoding="utf-8")
    return load({}, file=file).approvals


def test_a_file_without_the_table_asks_nobody(tmp_path: Path) -> None:
    assert settings(tmp_path, "") == ApprovalSettings()


def test_the_whole_table_is_read(tmp_path: Path) -> None:
    read = settings(tmp_path, WHOLE)
    assert read.people == {"boss": PersonSettings(tenant="acme", roles=frozenset({"approver"}))}
    assert (read.granters, read.link_key) == (frozenset({"admin"}), "MY_KEY")
    first, second = read.rules
    assert first == {"then": "approve", "tools": ("pay",), "when": "cents < 100"}
    assert second["escalations"] == (
        {"after": 600.0, "roles": frozenset({"cfo"}), "approvers": None},
        {"after": 900.0, "roles": frozenset(), "approvers": 3},
    )


def test_rules_of_the_settings_are_rules(tmp_path: Path) -> None:
    (tmp_path / "callgate.toml").write_text(WHOLE, encoding="utf-8")
    chosen = load({}, file=tmp_path / "callgate.toml")
    rule = app._rule(chosen.approvals.rules[1])
    need = rule.need
    assert need is not None
    assert (need.approvers, need.roles, need.expires) == (2, frozenset({"finance"}), 60.0)
    assert (need.self_approval, need.grants, need.reason) == (True, False, "It is money.")
    assert need.escalations == (
        Escalation(after=600.0, roles=frozenset({"cfo"})),
        Escalation(after=900.0, approvers=3),
    )
    assert app.person(chosen, "boss").tenant == "acme"
    assert app.backends(chosen).approvals is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[approvals]\nrule = []", "approvals.rule: got an unknown key; allowed is one of rules"),
        ("[[approvals.rules]]\ntools = []", "approvals.rules[0].then: got nothing; allowed is"),
        (
            '[[approvals.rules]]\nthen = "deny"',
            "approvals.rules[0].then: got 'deny'; allowed is approve or ask",
        ),
        (
            '[[approvals.rules]]\nthen = "ask"\nrolls = []',
            "approvals.rules[0].rolls: got an unknown key; allowed is one of then",
        ),
        (
            '[[approvals.rules]]\nthen = "ask"\ngrants = 1',
            "approvals.rules[0].grants: got 1; allowed is true or false",
        ),
        (
            '[[approvals.rules]]\nthen = "ask"\nescalations = [{ roles = ["x"] }]',
            "approvals.rules[0].escalations[0].after: got nothing; allowed is a number of seconds",
        ),
        ("[approvals]\nrules = 5", "approvals.rules: got 5; allowed is a list of tables"),
        (
            '[approvals]\nlink_key = "0a1b2c"',
            "approvals.link_key: got a value that is not shown; allowed is the NAME",
        ),
        (
            "[approvals.people.boss]\nrole = 1",
            "approvals.people.boss.role: got an unknown key; allowed is one of tenant, roles",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text)
    assert told in caught.value.message
