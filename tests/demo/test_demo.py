import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from callgate.testing import ScriptedModel, calls, says
from examples.flights import demo
from examples.flights.check import Question

MAKER = Question(
    id="maker",
    kind="chain",
    ask="Who made the plane of UA 1545?",
    check="text",
    truth="SELECT manufacturer FROM flights JOIN planes USING (tailnum)",
)
WATCH = Question(
    id="watch",
    kind="write",
    ask="Watch UA 1545.",
    check="rows",
    truth="SELECT 'UA', 1545",
    columns=("carrier", "flight"),
)
FARE = Question(id="fare", kind="none", ask="What does it cost?", check="none")

PATIENT = demo.TimeLimits(question=100.0, begin=100.0)
HURRIED = demo.TimeLimits(question=100.0, begin=-1.0)
UA = {"carrier": "UA", "flight": "1545", "month": 1, "day": 1}


def script() -> ScriptedModel:
    return ScriptedModel(
        [
            calls(("lookup_flight", UA)),
            calls(("plane_details", {"tailnum": "N14228"})),
            says("Boeing made it."),
            calls(("watch_flight", {**UA, "flight": 1545})),
            says("Done."),
            calls(("buy_ticket", {})),
            says("It costs 200 dollars."),
        ]
    )


async def test_the_demo_shows_calls_answer_truth_and_verdict(database: Path) -> None:
    shown = StringIO()
    console = Console(file=shown, width=200, highlight=False, soft_wrap=True)
    outcomes = await demo.ask_all((MAKER, WATCH, FARE), script(), database, console, PATIENT)
    demo.show_table(outcomes, "scripted", console)
    assert [outcome.verdict.right for outcome in outcomes] == [True, True, False]
    assert [outcome.marks for outcome in outcomes] == [
        {"calls": 2, "repaired": 1, "retried": 0, "refused": 0},
        {"calls": 1, "repaired": 0, "retried": 0, "refused": 0},
        {"calls": 1, "repaired": 0, "retried": 0, "refused": 1},
    ]
    lines = shown.getvalue().splitlines()
    assert "1/3 chain  Who made the plane of UA 1545?" in lines
    assert '  1   repaired $.flight: "1545" → 1545' in lines
    assert "    answer  Boeing made it." in lines
    assert "    truth   BOEING" in lines
    assert any(line.startswith("    right   ") for line in lines)
    assert any(line.startswith("    wrong   ") for line in lines)
    assert lines[-1].startswith("2 of 3 right in ")


async def test_the_summary_is_one_json_value_with_every_call(database: Path) -> None:
    console = Console(file=StringIO())
    outcomes = await demo.ask_all((MAKER,), script(), database, console, PATIENT)
    told = json.loads(json.dumps(demo.summary(outcomes, "scripted")))
    assert (told["right"], told["asked"], told["model"]) == (1, 1, "scripted")
    (question,) = told["questions"]
    assert [call["tool"] for call in question["path"]] == ["lookup_flight", "plane_details"]
    assert question["truth"] == "BOEING"


async def test_when_the_time_is_up_the_rest_is_named_and_not_asked(database: Path) -> None:
    shown = StringIO()
    console = Console(file=shown, width=200)
    outcomes = await demo.ask_all((MAKER, FARE), script(), database, console, HURRIED)
    assert outcomes == ()
    assert shown.getvalue() == "time is up; not asked: maker, fare\n"


async def test_a_run_without_an_answer_tells_why(database: Path) -> None:
    shown = StringIO()
    console = Console(file=shown, width=200)
    await demo.ask_all((FARE,), ScriptedModel([]), database, console, PATIENT)
    assert "answer  (model: The script ends after 0 answers." in shown.getvalue()


def test_a_key_chooses_the_provider_and_the_command_line_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLGATE_MODEL", raising=False)
    assert demo.chosen_model(None) == "local:qwen2.5-coder-1.5b"
    monkeypatch.setenv("OPENAI_API_KEY", "not a key")
    assert demo.chosen_model(None) == "openai:gpt-6-luna"
    monkeypatch.setenv("OPENAI_MODEL", "gpt-x")
    assert demo.chosen_model(None) == "openai:gpt-x"
    assert demo.chosen_model("local:y") == "local:y"
