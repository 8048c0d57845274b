"""Recorded conversations: what is well stays as it is, and goes on with every other provider."""

from pathlib import Path

import pytest

from callgate.codecs import by_name
from callgate.codecs.doctor import examine
from callgate.messages import ModelRequest
from tests.codecs.histories import FILES, WIRES, broken_rules, histories, unsigned

CALLS = {
    "openai_chat": 207,
    "openai_compatible_chat": 48,
    "openai_responses": 222,
    "openai_compatible_responses": 9,
    "mistral_chat": 26,
    "cohere_chat_v2": 9,
    "anthropic_messages": 242,
    "bedrock_converse": 83,
    "gemini_generate_content": 218,
}


@pytest.mark.parametrize("name", FILES)
def test_a_recorded_history_that_was_accepted_is_not_changed(data_dir: Path, name: str):
    wire, _ = FILES[name]
    checked = 0
    for item_id, model, messages in histories(data_dir, name):
        treated = examine(messages, wire=wire, model=model)
        assert treated.repairs == (), item_id
        assert len(treated.messages) == len(messages)
        assert all(a is b for a, b in zip(treated.messages, messages, strict=True))
        checked += 1
    assert checked == CALLS[name]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", FILES)
def test_a_recorded_history_goes_on_at_another_provider(data_dir: Path, name: str, wire: str):
    model = "gemini-4-argon" if wire == "gemini" else "another-model"
    codec = by_name(wire)
    checked = 0
    for item_id, _, messages in histories(data_dir, name):
        treated = examine(messages, wire=wire, model=model)
        body = codec.encode_request(ModelRequest(messages=treated.messages), model=model)
        assert broken_rules(wire, body) == [], item_id
        assert wire != "gemini" or unsigned(body) == [], item_id
        again = examine(treated.messages, wire=wire, model=model)
        assert again.repairs == (), item_id
        checked += 1
    assert checked == CALLS[name]
