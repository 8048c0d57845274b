"""What names people gets a stand-in, the same for the same; what was done becomes a case."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate import Gate, tool
from callgate.agents import run
from callgate.agents.runlog import RunLog
from callgate.errors import EvaluationDataError
from callgate.evals.suite.disguise import Disguise
from callgate.evals.suite.reading import case_of
from callgate.evals.suite.recorded import case_of_run
from callgate.messages import Message, Role
from callgate.testing import ScriptedModel, calls, says
from callgate.types import ImagePart, Text

KEY = "sk-proj-" + "Ab9" * 8


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Mail Ada@Firm.org and ada@firm.org.",
            "Mail person1@example.com and person1@example.com.",
        ),
        (f"My key is {KEY}!", "My key is [secret 1]!"),
        ("Host 10.1.2.3 is down.", "Host 192.0.2.2 is down."),
        ("Call +49 30 1234567 or (030) 1234567.", "Call +49 30 5550001 or (030) 5550001."),
        ("555-867-5309", "555-555-0001"),
        ("Card 4111 1111 1111 1111", "Card 4000 0000 0000 0010"),
        # What only looks alike stays: a day, a version, an order, an amount.
        ("On 2026-11-25 at 10:30", "On 2026-11-25 at 10:30"),
        ("Order 4111111111111112 for 1,234.50", "Order 4111111111111112 for 1,234.50"),
        ("Version 1.2.3.4.5", "Version 1.2.3.4.5"),
    ],
)
def test_what_names_somebody_gets_a_stand_in(text: str, told: str):
    assert Disguise().text(text) == told


def test_a_stand_in_for_a_card_is_a_number_of_a_card_and_keeps_its_form():
    disguise = Disguise()
    told = disguise.value({"card": 4111111111111111, "again": "4111-1111-1111-1111", "n": 7})
    assert told == {"card": 4000000000000010, "again": "4000-0000-0000-0010", "n": 7}
    assert disguise.counts == {"card": 1}


def test_patterns_of_ones_own_come_first():
    disguise = Disguise([re.compile(r"Zoe|zoe@x\.org")])
    assert disguise.value(["Zoe", {"Zoe": "zoe@x.org"}, None, True, 2.5]) == [
        "hidden-1",
        {"hidden-1": "hidden-2"},
        None,
        True,
        2.5,
    ]


@given(st.lists(st.emails(), min_size=1, max_size=5))
def test_no_address_of_mail_is_left(addresses: list[str]):
    plain = [one for one in addresses if re.fullmatch(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", one)]
    told = Disguise().text(" ".join(plain))
    assert all(one.lower() not in told.lower() for one in plain)


# --- runs -----------------------------------------------------------------------------------


@tool(effect="read")
def look(place: str) -> str:
    """Look somewhere."""
    return f"seen {place}"


async def recorded(*answers: Any, messages: tuple[Message, ...] = ()) -> RunLog:
    gate = Gate([look])
    asked = messages or (Message(role=Role.USER, parts=(Text(text="Look around."),)),)
    done = await run(gate.session(), asked, model=ScriptedModel(answers))
    await gate.close()
    return done.log


TOOLS = Gate([look]).surface.tools


async def test_calls_that_were_answered_alike_are_a_whole_conversation():
    log = await recorded(calls(("look", {"place": "here"})), says("Seen."))
    case = case_of(case_of_run(log, TOOLS, Disguise()))
    assert case.loop
    assert case.replies == {"look": "seen here"}
    assert case.expect.calls is not None
    ((wanted,),) = case.expect.calls
    assert (wanted.name, wanted.arguments) == ("look", {"place": {"$equal": "here"}})
    assert case.tags == ("recorded",)


async def test_calls_that_were_answered_differently_are_judged_by_the_first_answer():
    log = await recorded(
        calls(("look", {"place": "here"})), calls(("look", {"place": "there"})), says("Seen.")
    )
    case = case_of(case_of_run(log, TOOLS, Disguise()))
    assert not case.loop
    assert len(case.expect.calls or ()) == 1


async def test_a_run_without_calls_expects_none():
    case = case_of(case_of_run(await recorded(says("Hello.")), TOOLS, Disguise()))
    assert case.expect.abstain


async def test_a_run_that_makes_no_case_says_why():
    seen = await recorded(calls(("look", {"place": "here"})), says("Seen."))
    with pytest.raises(EvaluationDataError, match="look, which the surface does not have now"):
        case_of_run(seen, {}, Disguise())
    with pytest.raises(EvaluationDataError, match="it was not done"):
        case_of_run(RunLog(seen.run, seen.events[:2]), TOOLS, Disguise())
    failed = await recorded(calls(("look", {"where": "here"})), says("It failed."))
    with pytest.raises(EvaluationDataError, match="did not succeed"):
        case_of_run(failed, TOOLS, Disguise())
    shown = (Message(role=Role.USER, parts=(ImagePart(data=b"x", media_type="image/png"),)),)
    with pytest.raises(EvaluationDataError, match="more than words"):
        case_of_run(await recorded(says("A cat."), messages=shown), TOOLS, Disguise())
