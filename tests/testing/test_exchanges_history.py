"""A history that is written again is compared with what a provider accepted, by few rules."""

from pathlib import Path
from typing import Any

import pytest

from callgate.testing.exchanges import Check, FileCount, read, replay
from tests.testing.invented import (
    PAIRS,
    Json,
    anthropic,
    bedrock,
    chat,
    counts,
    gemini,
    interactions,
    replayed,
    responses,
    tally,
    written,
)


def test_a_pair_whose_partner_is_not_given_is_unpaired(tmp_path: Path):
    found = tally(replayed(tmp_path, chat()[:1]), Check.HISTORY)
    assert (found.checked, dict(found.skipped)) == (0, {"unpaired": 1})


def test_a_partner_may_stand_in_another_file(tmp_path: Path):
    first, then = chat()
    files = [written(tmp_path / name, [one]) for name, one in (("a", first), ("b", then))]
    report = replay(map(read, files), seed=1)
    assert counts(report)["history"] == (1, 0)
    assert report.files == [
        FileCount(name=str(files[0]), exchanges=1, checked=3),
        FileCount(name=str(files[1]), exchanges=1, checked=1),
    ]


def test_a_conversation_that_goes_on_elsewhere_is_not_compared(tmp_path: Path):
    first, then = chat()
    report = replayed(tmp_path, [first, then | {"wire": "mistral.chat"}])
    skipped = report.wires["openai.chat"][Check.HISTORY].skipped
    assert skipped == {"continued on another wire": 1}


@pytest.mark.parametrize("wire", PAIRS)
def test_a_later_request_without_the_calls_is_not_compared(tmp_path: Path, wire: str):
    first, then = PAIRS[wire]()
    then["request"] = first["request"]
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert found.checked == 0
    assert found.skipped["the later request does not hold the calls"] == 1


@pytest.mark.parametrize("make", [anthropic, bedrock, gemini])
def test_calls_without_results_are_compared_alone(tmp_path: Path, make: Any):
    first, then = make()
    name = "contents" if make is gemini else "messages"
    then["request"][name] = then["request"][name][:2]
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_what_the_model_said_must_go_back_as_it_was(tmp_path: Path):
    first, then = chat()
    then["request"]["messages"][1]["content"] = "Let me think."
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert found.mismatches == 1
    assert found.examples[0][1].startswith("what the model said: got ...")


def test_results_must_go_back_as_they_were(tmp_path: Path):
    first, then = interactions()
    then["request"]["input"][0]["more"] = 1
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert found.mismatches == 1
    assert found.examples[0][1].startswith("results: got ...")


def test_an_earlier_turn_that_was_rewritten_does_not_hide_the_calls(tmp_path: Path):
    first, then = chat()
    then["request"]["messages"].insert(0, {"role": "system", "content": "Be brief."})
    then["request"]["messages"].append({"role": "user", "content": "Thanks."})
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_items_are_found_behind_other_items_too(tmp_path: Path):
    first, then = responses()
    first["request"]["input"] = "2 + 1?"
    then["request"]["input"].append({"role": "user", "content": "Thanks."})
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)
    then["request"] |= {"previous_response_id": "r", "input": then["request"]["input"][-2:]}
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert (found.checked, found.mismatches) == (1, 0)
    assert found.left_out == {"everything: the provider keeps the conversation": 1}


def test_a_kind_that_a_client_leaves_out_is_counted(tmp_path: Path):
    first, then = chat(reasoning_content="Add.")
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert (found.mismatches, found.left_out) == (0, {"thought": 1})


@pytest.mark.parametrize(
    ("said", "accepted"),
    [
        ({"reasoning": "Add."}, {"content": "<think>\nAdd.\n</think>\n\nLet me see."}),
        ({"content": "It \u2019s \u2014 ok\u2026"}, {"content": "It 's -- ok..."}),
        (
            {"content": "a"},
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]},
        ),
        ({"content": None, "refusal": None}, {"content": "", "audio": None}),
    ],
)
def test_spellings_that_clients_and_recorders_change_are_the_same(
    tmp_path: Path, said: Json, accepted: Json
):
    first, then = chat(**said)
    then["request"]["messages"][1] |= accepted
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_ids_that_the_wire_did_not_give_are_not_compared(tmp_path: Path):
    first, then = chat()
    first["expected_calls"][0]["id"] = None
    first["response"]["choices"][0]["message"] |= {
        "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}]
    }
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


PICTURE = {"type": "input_image", "image_url": "https://x.test/y.png", "detail": "auto"}
DATA = "data:application/pdf;base64,AAAA"
SHOWN: list[tuple[Any, dict[str, int]]] = [
    ([{"type": "input_text", "text": "3"}, PICTURE], {}),
    ([PICTURE, {"type": "input_text", "text": "3"}], {}),
    ([{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}], {}),
    ([{"type": "input_file", "file_url": "https://x.test/y.pdf"}], {}),
    ([{"type": "input_file", "filename": "y.pdf", "file_data": DATA}], {}),
    (
        [{"type": "input_file", "file_id": "file-1"}],
        {"a result that shows something of the provider's own": 1},
    ),
    (
        [{"type": "input_image", "image_url": "data:image/png;base64,?"}],
        {"a result that holds no base64": 1},
    ),
]


@pytest.mark.parametrize(("output", "skipped"), SHOWN)
def test_results_may_show_images_and_files(tmp_path: Path, output: Any, skipped: dict[str, int]):
    first, then = responses()
    then["request"]["input"][-1]["output"] = output
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert (found.checked, found.examples) == (1, [])
    assert found.skipped == {"no later request": 1, **skipped}


@pytest.mark.parametrize(
    ("wire", "result", "skipped"),
    [
        ("openai.chat", {"content": [{"type": "image_url"}]}, "a result that is not text"),
        ("gemini.interactions", {"result": [{"type": "image"}]}, "a result that is not text"),
    ],
)
def test_results_that_our_messages_do_not_have_are_not_compared(
    tmp_path: Path, wire: str, result: Json, skipped: str
):
    first, then = PAIRS[wire]()
    sent = then["request"].get("messages") or then["request"]["input"]
    sent[-1] |= result
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert (found.checked, found.mismatches, found.skipped[skipped]) == (1, 0, 1)


def test_a_message_may_be_a_text_instead_of_blocks(tmp_path: Path):
    first, then = anthropic()
    first["response"] |= {"content": [{"type": "text", "text": "3"}], "stop_reason": "end_turn"}
    first["expected_calls"] = []
    then["request"]["messages"][1]["content"] = "3"
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_a_refusal_goes_back_as_a_refusal(tmp_path: Path):
    first, then = responses()
    refusal = {"type": "refusal", "refusal": "No."}
    first["response"]["output"][1] |= {"content": [refusal]}
    then["request"]["input"][2] = {"role": "assistant", "content": [refusal]}
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_steps_that_a_client_sends_back_are_compared(tmp_path: Path):
    first, then = interactions()
    steps = first["response"]["steps"]
    then["request"] = {"input": [*steps, *then["request"]["input"]]}
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_blocks_that_only_one_wire_has_go_through_results(tmp_path: Path):
    first, then = anthropic()
    then["request"]["messages"][-1]["content"][0]["content"] = [
        {"type": "tool_reference", "tool_name": "add"}
    ]
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)
    first, then = bedrock()
    result = then["request"]["messages"][-1]["content"][0]["toolResult"]
    result |= {"content": [{"json": {"sum": 3}}], "status": "error"}
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_results_of_gemini_may_be_objects_errors_and_images(tmp_path: Path):
    first, then = gemini()
    first["model"] = "gemini-3.8-pro"  # older ones have no place for images in results
    results = then["request"]["contents"][-1]["parts"]
    picture = {"inlineData": {"mimeType": "image/png", "data": "+/8="}}
    for response in ({"error": "no"}, {"sum": 3}, {"output": "3", "unit": "m"}):
        results[0]["functionResponse"] |= {"response": response, "parts": [picture]}
        assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)
    older = first | {"model": "gemini-2.5-pro"}
    assert counts(replayed(tmp_path, [older, then]))["history"] == (1, 1)
    results[0]["functionResponse"]["parts"] = [{"videoMetadata": {}}]
    found = tally(replayed(tmp_path, [first, then]), Check.HISTORY)
    assert found.skipped["a result that shows something of the provider's own"] == 1


def test_a_signature_of_gemini_may_stand_alone(tmp_path: Path):
    first, then = gemini()
    alone = {"thoughtSignature": "AA=="}
    first["response"]["candidates"][0]["content"]["parts"].append(alone)
    then["request"]["contents"][1]["parts"].append(alone)
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)


def test_a_search_for_tools_and_a_namespace_may_be_spelled_otherwise(tmp_path: Path):
    first, then = responses()
    search = {"type": "tool_search_call", "execution": "server", "status": "completed"}
    found = {"type": "tool_search_output", "tools": [{"name": "add", "strict": None}]}
    ours, theirs = first["response"]["output"], then["request"]["input"]
    ours[1:1] = [search | {"id": "ts_1", "arguments": {"paths": ["n"]}}, found]
    ours[-1]["namespace"] = "add"
    theirs[2:2] = [
        {**search, "call_id": "ts_1", "arguments": {"queries": ["n"]}},
        {**found, "tools": [{"name": "add"}]},
    ]
    assert counts(replayed(tmp_path, [first, then]))["history"] == (1, 0)
