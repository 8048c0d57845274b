import subprocess
import sys

import pytest

from callgate import codecs

WIRES = [
    "openai",
    "gemini",
    "gemini_interactions",
    "anthropic",
    "bedrock",
    "openai_responses",
    "cohere",
    "mistral",
    "ollama",
]


@pytest.mark.parametrize("wire", WIRES)
def test_every_wire_is_found_by_its_name_and_is_always_the_same(wire: str):
    codec = codecs.by_name(wire)
    assert codec.wire == wire
    assert codecs.by_name(wire) is codec


def test_every_public_name_is_there():
    assert [name for name in codecs.__all__ if not hasattr(codecs, name)] == []
    assert not hasattr(codecs, "Morse")


def test_a_wire_is_loaded_when_it_is_first_asked_for():
    probe = (
        "import sys, callgate;"
        "loaded = lambda: 'callgate.codecs.ollama' in sys.modules;"
        "before = loaded(); from callgate.codecs import Ollama; print(before, loaded())"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == ["False", "True"]
