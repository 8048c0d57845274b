"""`callgate approvals` and `callgate grants`, over a store of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.store.audit import verify
from callgate.store.database import Database
from tests.cli.conftest import Command

SETTINGS = """\
tools = ["tools.py:TOOLS"]

[store]
url = "sqlite:///calls.db"

[[approvals.rules]]
then = "approve"
tools = ["pay"]
when = "cents < 100"

[[approvals.rules]]
then = "ask"
tools = ["pay"]
reason = "It is money."
expires = 3600
escalations = [{ after = 600, roles = ["cfo"], approvers = 2 }]

[approvals.people.boss]
roles = ["approver", "granter"]

[approvals.people.clerk]
roles = ["clerk"]
"""

TOOLS = '''
from callgate import tool
from pathlib import Path


@tool(effect="irreversible", version="2")
def pay(cents: int, to: str = "shop") -> str:
    """Pay somebody."""
    with Path("paid.txt").open("a") as file:
        file.write(f"{cents} {to}\\n")
    return f"paid {cents}"


TOOLS = [pay]
'''


@pytest.fixture
def shop(project: Path) -> Path:
    (project / "callgate.toml").write_text(SETTINGS, encoding="utf-8")
    (project / "tools.py").write_text(TOOLS, encoding="utf-8")
    return project


def ask(callgate: Command, key: str = "order-1", cents: int = 500) -> str:
    done = callgate("call", "pay", f'{{"cents": {cents}}}', "--key", key)
    assert done.code == 4
    (waiting,) = callgate("approvals", "list", "--json").json
    return waiting["id"]


def paid(shop: Path) -> list[str]:
    file = shop / "paid.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_a_call_waits_is_approved_and_then_made_once(shop: Path, callgate: Command) -> None:
    id = ask(callgate)
    listed = callgate("approvals", "list", "--by", "boss")
    assert [line.split()[:4] for line in listed.out.splitlines()[1:]] == [
        [id, "pay@2", '{"cents":500,"to":"shop"}', "anyone"]
    ]
    shown = callgate("approvals", "show", id)
    assert shown.code == 0
    assert '"cents": 500' in shown.out
    assert "It is money. It takes 1 of approver." in shown.out
    assert "Pay somebody." in shown.out
    done = callgate("approvals", "approve", id, "--by", "boss", "--reason", "fine")
    assert (done.code, "boss: approve: fine" in done.out) == (0, True)
    assert paid(shop) == []
    for _ in range(2):
        made = callgate("call", "pay", '{"cents": 500}', "--key", "order-1")
        assert (made.code, made.out) == (0, '"paid 500"\n')
    assert paid(shop) == ["500 shop"]
    assert callgate("approvals", "list").out.splitlines()[1:] == []
    (used,) = callgate("approvals", "list", "--all", "--json").json
    assert (used["standing"], used["value"]) == ("consumed", {"cents": 500, "to": "shop"})


def test_a_denial_tells_its_reason(shop: Path, callgate: Command) -> None:
    id = ask(callgate)
    done = callgate("approvals", "deny", id, "--by", "boss", "--reason", "too much", "--json")
    assert (done.code, done.json["standing"]) == (0, "denied")
    made = callgate("call", "pay", '{"cents": 500}', "--key", "order-1", "--json")
    assert made.code == 1
    assert made.json["status"] == "denied"
    assert made.json["error"]["message"] == 'boss did not approve pay: "too much".'
    assert paid(shop) == []


def test_changed_arguments_are_shown_as_they_will_execute(shop: Path, callgate: Command) -> None:
    id = ask(callgate)
    done = callgate(
        *("approvals", "approve", id, "--by", "boss", "--json"), "--arguments", '{"cents": "200"}'
    )
    assert done.json["arguments"] == '{"cents":200,"to":"shop"}'
    made = callgate("call", "pay", '{"cents": 500}', "--key", "order-1")
    assert made.code == 0
    assert "boss changed the arguments before approving" in made.out
    assert paid(shop) == ["200 shop"]


def test_a_small_call_needs_nobody(shop: Path, callgate: Command) -> None:
    assert callgate("call", "pay", '{"cents": 99}').code == 0
    assert callgate("approvals", "list", "--all", "--json").json == []


def test_who_may_not_decide_is_told(shop: Path, callgate: Command) -> None:
    id = ask(callgate)
    refused = callgate("approvals", "approve", id, "--by", "clerk")
    assert refused.code == 1
    assert refused.err.startswith("approval: clerk may not decide about apr_")
    unknown = callgate("approvals", "approve", id, "--by", "bos")
    assert unknown.code == 2
    assert unknown.err.startswith("settings: nobody is called 'bos'")
    nothing = callgate("approvals", "show", "apr_0", "--json")
    assert (nothing.code, nothing.json["error"]["code"]) == (1, "approval")
    assert callgate("approvals", "list", "--by", "clerk", "--json").json == []


def test_a_signed_link_decides_once(
    shop: Path, callgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = ask(callgate)
    without = callgate("approvals", "link", id, "approve", "--by", "boss")
    assert (without.code, "set CALLGATE_LINK_KEY" in without.err) == (2, True)
    monkeypatch.setenv("CALLGATE_LINK_KEY", "0123456789abcdef" * 2)
    made = callgate("approvals", "link", id, "approve", "--by", "boss", "--url", "https://x/")
    assert made.code == 0
    token = made.out.strip().removeprefix("https://x/")
    told = callgate("approvals", "link", id, "deny", "--by", "boss", "--json").json
    assert (told["approval"], set(told)) == (id, {"link", "approval", "expires_at"})
    used = callgate("approvals", "use", token, "--json")
    assert (used.code, used.json["standing"]) == (0, "approved")
    again = callgate("approvals", "use", token)
    assert (again.code, again.err.startswith("approval: ")) == (1, True)
    assert callgate("approvals", "use", token[:-4]).code == 1


def test_grants_are_given_listed_and_taken_back(shop: Path, callgate: Command) -> None:
    refused = callgate("grants", "give", "pay", "--by", "clerk")
    assert refused.code == 1
    given = callgate(
        "grants", "give", "pay", "--by", "boss", "--when", "cents < 900", "--uses", "2"
    )
    id = given.out.strip()
    assert (given.code, id[:4]) == (0, "grt_")
    assert callgate("call", "pay", '{"cents": 500}').code == 0
    listed = callgate("grants", "list")
    assert "1 of 2" in listed.out
    (told,) = callgate("grants", "list", "--json").json
    assert (told["id"], told["when"], told["used"]) == (id, "cents < 900", 1)
    assert callgate("grants", "revoke", id, "--by", "boss").out == f"{id} is taken back\n"
    assert callgate("grants", "list", "--json").json == []
    assert "revoked by boss" in callgate("grants", "list", "--all").out
    again = callgate("grants", "revoke", id, "--by", "boss", "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "approval")
    assert callgate("call", "pay", '{"cents": 500}').code == 4
    more = callgate("grants", "give", "pay", "--by", "boss", "--json")
    assert more.json["uses"] is None
    gone = callgate("grants", "revoke", more.json["id"], "--by", "boss", "--json")
    assert gone.json["revoked_by"] == "boss"


def test_without_a_store_there_is_nothing_to_decide(project: Path, callgate: Command) -> None:
    done = callgate("approvals", "list")
    assert done.code == 2
    assert "There is no store" in done.err


def test_the_store_of_the_shop_has_an_audit_without_a_break(shop: Path, callgate: Command) -> None:
    id = ask(callgate)
    callgate("approvals", "approve", id, "--by", "boss")
    callgate("call", "pay", '{"cents": 500}', "--key", "order-1")
    database = Database(f"sqlite:///{shop / 'calls.db'}")
    with database.begin(reading=True) as connection:
        found = verify(connection)
    database.close()
    assert (found.breaks, found.entries >= 4) == ([], True)
