"""Every recorded exchange means to us what it meant to the provider and to its client.

Each file states how much of it was compared, so that none can pass by looking at nothing.
"""

from pathlib import Path

import pytest

from callgate.testing.exchanges import Check, read, replay

CHECKED = {
    # decode, stream, history, tools, errors
    "anthropic_messages": (242, 43, 79, 311, 25),
    "bedrock_converse": (83, 1, 23, 100, 6),
    "cohere_chat_v2": (9, 1, 3, 14, 2),
    "fixtures_vercel_ai": (242, 120, 0, 0, 5),
    "gemini_generate_content": (218, 20, 102, 237, 3),
    "mistral_chat": (26, 0, 8, 28, 0),
    "ollama_chat": (1, 0, 0, 0, 0),
    "openai_chat": (207, 66, 79, 578, 11),
    "openai_compatible_chat": (48, 1, 8, 56, 8),
    "openai_compatible_responses": (9, 0, 3, 8, 0),
    "openai_responses": (232, 72, 90, 271, 10),
}


@pytest.mark.parametrize("name", CHECKED)
def test_a_recording_is_read_and_written_back_as_it_was(data_dir: Path, name: str):
    report = replay([read(data_dir / "exchanges" / f"{name}.jsonl.gz")], seed=20261122)
    tallies = [tally for checks in report.wires.values() for tally in checks.values()]
    assert [one for tally in tallies for one in tally.examples] == []
    assert report.ok
    found = (sum(checks[check].checked for checks in report.wires.values()) for check in Check)
    assert tuple(found) == CHECKED[name]


def test_the_recordings_hold_all_pairs_but_those_that_go_on_elsewhere(data_dir: Path):
    files = [read(data_dir / "exchanges" / f"{name}.jsonl.gz") for name in CHECKED]
    pairs = [one for file in files for one in file.exchanges if one.followup]
    known = {one.id: one for file in files for one in file.exchanges}
    elsewhere = [one for one in pairs if known[one.followup].wire != one.wire]
    assert sum(counts[2] for counts in CHECKED.values()) == len(pairs) - len(elsewhere) == 395
