"""Calls that need a person: asked, decided, executed once, and what the model is told."""

from __future__ import annotations

import pytest

from callgate import Gate, tool
from callgate.approvals.desk import Verdict
from callgate.approvals.need import Escalation
from callgate.approvals.records import Standing
from callgate.approvals.rules import Rule
from callgate.errors import DefinitionError, MisuseError, NotApprovedError
from callgate.messages import ResultPart
from callgate.types import Status
from tests.approvals.scenes import ANA, BOSS, CFO, Scene, part


def texts(answer) -> list[str]:
    parts = answer.messages[0].parts
    return [one.text for one in parts if isinstance(one, ResultPart)]


async def test_a_call_waits_and_the_approver_sees_exactly_what_will_execute(scene: Scene) -> None:
    gate = scene.gate()
    answer = await gate.session(ANA, id="s").turn([part("pay", cents="1200")])
    assert (answer.messages, scene.done) == ((), [])
    pending = answer.waiting[0].result.pending
    assert pending is not None
    assert pending.kind == "approval"
    assert pending.prompt == 'pay with {"cents":1200,"to":"shop"}. The tool asks for it.'
    (asked,) = await gate.approvals.list(tenant="acme")
    assert (asked.id, asked.tool, asked.arguments) == (
        pending.id,
        "pay",
        b'{"cents":1200,"to":"shop"}',
    )
    assert (asked.binding.key, asked.binding.session) == ("acme/ana/s/1/0", "s")
    assert scene.verdicts() == [("asked", "The tool asks for it.")]


async def test_an_approved_call_executes_once_with_those_arguments(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    answer = await session.turn([part("pay", cents=1200)])
    done = await session.resume(answer, {"c1": Verdict(by=BOSS, approve=True)})
    assert texts(done) == ['"paid 1200 to shop"']
    assert scene.done == [("pay", {"cents": 1200, "to": "shop"})]
    (used,) = await gate.approvals.list(standing=None)
    assert (used.state, [vote.by for vote in used.votes]) == (Standing.CONSUMED, ["boss"])
    again = await session.resume(answer)
    assert texts(again) == ['"paid 1200 to shop"']
    assert len(scene.done) == 1


async def test_the_reason_of_a_denial_goes_to_the_model(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA)
    answer = await session.turn([part("pay", cents=1200)])
    verdict = Verdict(by=BOSS, approve=False, reason="this order was paid")
    done = await session.resume(answer, {"c1": verdict})
    assert done.answered[0].result.status is Status.DENIED
    assert texts(done) == [
        (
            'boss did not approve pay: "this order was paid". Nothing was executed. Do not try to '
            "get around this."
        )
    ]
    assert scene.done == []


async def test_a_changed_call_is_a_new_call_and_the_model_is_told(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    answer = await session.turn([part("pay", cents=1200), part("note", "c2", text="x")])
    verdict = Verdict(by=BOSS, approve=True, arguments={"cents": "900"}, reason="a discount")
    done = await session.resume(answer, {"c1": verdict})
    assert texts(done)[0] == (
        '"paid 900 to shop"\n'
        "[boss changed the arguments before approving. This is the result of pay with "
        '{"cents":900,"to":"shop"}; the reason: a discount]'
    )
    assert scene.done == [("note", "x"), ("pay", {"cents": 900, "to": "shop"})]
    first, second = await gate.approvals.list(standing=None)
    assert {first.state, second.state} == {Standing.EDITED, Standing.CONSUMED}
    made = [event.call for event in scene.seen.events if hasattr(event, "seconds")]
    assert [call.key for call in made if call.name == "pay"][-2:] == [
        "acme/ana/s/1/0+edit",
        "acme/ana/s/1/0",
    ]
    assert made[-2].scope.parent == "acme/ana/s/1/0"


async def test_a_changed_call_that_needs_more_than_its_editor_waits_for_it(scene: Scene) -> None:
    gate = scene.gate(
        Rule(tools=("pay",), when="cents >= 1000", then="ask", roles=frozenset({"finance"})),
    )
    session = gate.session(ANA, id="s")
    answer = await session.turn([part("pay", cents=10)])
    more = Verdict(by=BOSS, approve=True, arguments={"cents": 5000})
    waits = await session.resume(answer, {"c1": more})
    assert scene.done == []
    pending = waits.waiting[0].result.pending
    assert pending is not None
    assert pending.prompt.startswith('pay with {"cents":5000,"to":"shop"}.')
    done = await session.resume(waits, {"c1": Verdict(by=CFO, approve=True)})
    assert scene.done == [("pay", {"cents": 5000, "to": "shop"})]
    assert texts(done)[0].startswith('"paid 5000 to shop"')


async def test_a_changed_call_keeps_its_place_in_the_turn(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    answer = await session.turn([part("pay", f"c{n}", cents=n) for n in (1, 2, 3)])
    yes = Verdict(by=BOSS, approve=True)
    verdicts = {
        "c1": Verdict(by=BOSS, approve=True, arguments={"cents": 10}),
        "c2": yes,
        "c3": Verdict(by=BOSS, approve=True, arguments={"cents": 30}),
    }
    done = await session.resume(answer, verdicts)
    assert [made["cents"] for _, made in scene.done] == [10, 2, 30]
    assert [item.result.ok for item in done.answered] == [True] * 3


async def test_what_cannot_be_seen_is_shown_to_the_approver(scene: Scene) -> None:
    gate = scene.gate()
    # A right-to-left override would make an approver read the name backwards.
    result = await gate.session(ANA).call("pay", {"cents": 1, "to": "a\u202eb\u200bé"})
    assert result.pending is not None
    assert result.pending.prompt.startswith('pay with {"cents":1,"to":"a\\u202eb\\u200bé"}')


async def test_approved_calls_of_a_turn_run_while_others_wait(scene: Scene) -> None:
    gate = scene.gate(Rule(tools=("pay",), when="cents < 100", then="approve"))
    session = gate.session(ANA, id="s")
    calls = [
        part("pay", "c1", cents=5000),
        part("look", "c2", who="bo"),
        part("pay", "c3", cents=50),
        part("pay", "c4", cents=7000),
        part("note", "c5", text="x"),
    ]
    answer = await session.turn(calls)
    assert [item.call.id for item in answer.waiting] == ["c1", "c4"]
    assert scene.done == [("look", "bo"), ("pay", {"cents": 50, "to": "shop"}), ("note", "x")]
    later = await session.resume(answer, {"c4": Verdict(by=BOSS, approve=True)})
    assert [item.call.id for item in later.waiting] == ["c1"]
    assert scene.done[-1] == ("pay", {"cents": 7000, "to": "shop"})
    assert later.messages == ()
    done = await session.resume(later, {"c1": Verdict(by=BOSS, approve=False)})
    assert done.waiting == ()
    assert len(texts(done)) == 5
    assert len(scene.done) == 4


async def test_an_effect_that_was_denied_stops_those_behind_it(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    calls = [part("pay", "c1", cents=1), part("pay", "c2", cents=2)]
    answer = await session.turn(calls)
    for item in answer.waiting:
        assert item.result.pending is not None
        await gate.approvals.get(item.result.pending.id)
    verdicts = {
        "c1": Verdict(by=BOSS, approve=False, reason="no"),
        "c2": Verdict(by=BOSS, approve=True),
    }
    done = await session.resume(answer, verdicts)
    assert [item.result.status for item in done.answered] == [Status.DENIED, Status.ERROR]
    assert scene.done == []
    left = await gate.approvals.list(standing=Standing.APPROVED)
    assert len(left) == 1  # what a later stage refused has used up nothing


async def test_a_decision_made_elsewhere_is_found_by_whoever_resumes(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    answer = await session.turn([part("pay", cents=1)])
    assert (await session.resume(answer)).waiting == answer.waiting
    (asked,) = await scene.desk().list()
    await scene.desk().approve(asked.id, BOSS)
    other = scene.gate().restore(session.state)
    assert texts(await other.resume(answer)) == ['"paid 1 to shop"']


async def test_a_read_that_needs_a_person_is_written_down_too(scene: Scene) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    assert (await session.call("look", {"who": "bo"})).value == "seen bo"
    assert await scene.journal.find("acme/ana/s/1/0") is None
    answer = await session.turn([part("look", who="all")])
    done = await session.resume(answer, {"c1": Verdict(by=BOSS, approve=True)})
    assert texts(done) == ['"seen all"']
    entry = await scene.journal.find("acme/ana/s/2/0")
    assert entry is not None
    assert entry.state.value == "done"


async def test_rules_approve_by_argument_and_only_what_they_understand(scene: Scene) -> None:
    gate = scene.gate(Rule(tools=("pay",), when='cents < 100 and to == "shop"', then="approve"))
    session = gate.session(ANA)
    assert (await session.call("pay", {"cents": 99})).ok
    assert (await session.call("pay", {"cents": 100})).status is Status.PENDING
    assert (await session.call("pay", {"cents": 5, "to": "me"})).status is Status.PENDING
    # The gap between what is shown and what is compared is none: the text became a number first.
    assert (await session.call("pay", {"cents": "42"})).ok


async def test_what_a_rule_cannot_answer_asks_a_person(scene: Scene) -> None:
    gate = scene.gate(
        Rule(tools=("n*",), when="missing > 5", then="ask", reason="It is odd."),
        Rule(tools=("*",), when="missing < 5", then="approve"),
    )
    session = gate.session(ANA)
    result = await session.call("note", {"text": "x"})
    assert result.pending is not None
    assert result.pending.prompt == 'note with {"text":"x"}. It is odd.'
    assert (await session.call("pay", {"cents": 1})).status is Status.PENDING


async def test_two_people_must_approve_where_a_rule_says_so(scene: Scene) -> None:
    gate = scene.gate(Rule(tools=("pay",), then="ask", approvers=2))
    session = gate.session(ANA)
    answer = await session.turn([part("pay", cents=1)])
    half = await session.resume(answer, {"c1": Verdict(by=BOSS, approve=True)})
    assert (half.waiting, scene.done) == (answer.waiting, [])
    done = await session.resume(half, {"c1": Verdict(by=CFO, approve=True)})
    assert texts(done) == ['"paid 1 to shop"']
    assert ("approved", "by boss, cfo") in scene.verdicts()


async def test_a_question_goes_to_another_role_after_a_time(scene: Scene) -> None:
    step = Escalation(after=600, roles=frozenset({"finance"}), approvers=2)
    rule = Rule(tools=("pay",), then="ask", roles=frozenset({"granter"}), escalations=(step,))
    gate = scene.gate(rule)
    desk = gate.approvals
    session = gate.session(ANA)
    answer = await session.turn([part("pay", cents=1)])
    assert [len(await desk.list(person=one)) for one in (BOSS, CFO)] == [1, 0]
    scene.wall.now += 600
    assert [len(await desk.list(person=one)) for one in (BOSS, CFO)] == [1, 1]
    half = await session.resume(answer, {"c1": Verdict(by=CFO, approve=True)})
    assert scene.done == []
    done = await session.resume(half, {"c1": Verdict(by=BOSS, approve=True)})
    assert done.answered[0].result.ok


async def test_observing_tells_what_it_would_ask_and_asks_nobody(scene: Scene) -> None:
    gate = scene.gate(observe=["approve"])
    assert (await gate.session(ANA).call("pay", {"cents": 1})).ok
    assert scene.verdicts() == [("would_ask", "The tool asks for it.")]
    assert await gate.approvals.list() == []


async def test_a_tool_that_declares_approval_is_never_called_without_it() -> None:
    done: list[str] = []

    @tool(approval=True)
    async def erase(it: str) -> str:
        """Erase."""
        done.append(it)
        return "erased"

    gate = Gate([erase])
    session = gate.session()
    answer = await session.turn([part("erase", it="x")])
    person = BOSS.__class__(id="p", roles=frozenset({"approver"}))
    assert (done, len(answer.waiting)) == ([], 1)
    result = await session.resume(answer, {"c1": Verdict(by=person, approve=True)})
    assert (done, texts(result)) == (["x"], ['"erased"'])


async def test_a_gate_without_such_calls_says_how_to_ask() -> None:
    @tool(effect="read", cheap=True)
    def look() -> int:
        """Look."""
        return 1

    with pytest.raises(MisuseError, match="No call of this gate needs a person"):
        _ = Gate([look]).approvals


async def test_a_waiting_call_takes_only_a_verdict_and_only_while_it_waits(scene: Scene) -> None:
    session = scene.gate().session(ANA)
    answer = await session.turn([part("pay", cents=1)])
    with pytest.raises(MisuseError, match="Call c1 waits for approval: answer with a Verdict"):
        await session.resume(answer, {"c1": True})
    with pytest.raises(MisuseError, match="No call waits under the id c9"):
        await session.resume(answer, {"c9": Verdict(by=BOSS, approve=True)})
    assert scene.done == []


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            Rule(tools=("pai",), then="ask"),
            (
                "the approval rule `always` names the tool 'pai', which is not there; did you mean "
                "'pay'?"
            ),
        ),
        (
            Rule(tools=("pay",), when="cent < 100", then="approve"),
            (
                "the condition `cent < 100` looks at 'cent', which pay has no argument for; did "
                "you mean 'cents'?"
            ),
        ),
        (
            Rule(tools=("note",), when="z < 100", then="ask"),
            "the condition `z < 100` looks at 'z', which note has no argument for; it has text.",
        ),
    ],
)
def test_a_misspelt_rule_is_told_when_the_gate_is_made(scene: Scene, rule: Rule, told: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        scene.gate(rule)
    assert caught.value.message == told


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(then="ask", approvers=0), "needs a tool, at least one approver"),
        (Rule(then="ask", expires=0), "more than 0 seconds"),
        (Rule(then="ask", tools=()), "needs a tool"),
        (Rule(then="ask", roles=frozenset()), "names no role, so nobody could approve"),
        (Rule(then="approve", when="a <"), "cannot be read"),
        (
            Rule(then="ask", approvers=2, escalations=(Escalation(after=9, approvers=1),)),
            "asks for fewer people after a time",
        ),
    ],
)
def test_a_rule_that_allows_nothing_is_refused(scene: Scene, rule: Rule, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        scene.desk([rule])


def test_a_tool_with_a_condition_that_cannot_be_read_is_no_tool() -> None:
    with pytest.raises(DefinitionError, match="the condition `x <` cannot be read"):

        @tool(approval="x <")
        def erase(x: int) -> None:
            """Erase."""


async def test_two_processes_that_ask_about_one_call_share_one_question(scene: Scene) -> None:
    first, second = scene.gate().session(ANA, id="s"), scene.gate().session(ANA, id="s")
    results = [await one.turn([part("pay", cents=1)]) for one in (first, second)]
    ids = {
        answer.waiting[0].result.pending and answer.waiting[0].result.pending.id
        for answer in results
    }
    assert len(ids) == 1
    assert len(await scene.desk().list()) == 1


async def test_a_call_waiting_for_long_is_told_that_nobody_came(scene: Scene) -> None:
    session = scene.gate().session(ANA)
    answer = await session.turn([part("pay", cents=1)])
    scene.wall.now += 86_400
    done = await session.resume(answer)
    result = done.answered[0].result
    assert result.status is Status.DENIED
    assert "Nobody approved pay in time" in result.text()
    assert [one.tool for one in await scene.desk().list(standing=Standing.EXPIRED)] == ["pay"]
    assert not isinstance(result.error, NotApprovedError)


async def test_a_clock_that_jumps_backwards_loses_no_approval_and_doubles_none(
    scene: Scene,
) -> None:
    gate = scene.gate()
    session = gate.session(ANA, id="s")
    answer = await session.turn([part("pay", "c1", cents=5), part("pay", "c2", cents=6)])
    asked = await scene.desk().list()
    first, second = sorted(asked, key=lambda one: one.arguments)
    await scene.desk().approve(first.id, BOSS)
    scene.wall.now -= 7200.0
    # Asked in what is now the future: it is open all the same, and what was said holds.
    assert [one.id for one in await scene.desk().list()] == [second.id]
    half = await session.resume(answer)
    assert scene.done == [("pay", {"cents": 5, "to": "shop"})]
    await scene.desk().approve(second.id, BOSS)
    whole = await session.resume(half)
    assert [item.result.status for item in whole.answered] == [Status.OK, Status.OK]
    again = await gate.session(ANA, id="s").turn(
        [part("pay", "c1", cents=5), part("pay", "c2", cents=6)], turn=1
    )
    assert [item.result.attempts for item in again.answered] == [0, 0]
    assert len(scene.done) == 2
