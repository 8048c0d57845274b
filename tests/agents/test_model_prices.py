import sys
from decimal import Decimal

import pytest

from callgate.agents.prices import price_of
from callgate.errors import MissingDependencyError
from callgate.messages import Usage

USAGE = Usage(input=1_000, output=10, requests=1)


def test_a_listed_model_costs_what_the_list_says():
    # USD for a million tokens: 2 in, 10 out, 0.2 from the cache.
    price = price_of("openai:gpt-6-sol")
    assert price(USAGE, "gpt-6-sol") == Decimal("0.0021")
    cached = Usage(input=1_000, output=10, cached=500, requests=1)
    assert price(cached, "gpt-6-sol") == Decimal("0.0012")


def test_a_dated_model_that_is_not_listed_costs_as_the_one_that_was_asked():
    price = price_of("openai:gpt-6-sol")
    assert price(USAGE, "who-knows-2026-11-22") == Decimal("0.0021")


def test_the_address_of_a_server_names_its_provider():
    price = price_of("llama-3.3-70b-versatile@https://api.groq.com/openai/v1")
    assert price(USAGE, "llama-3.3-70b-versatile") == Decimal("0.0005979")


@pytest.mark.parametrize(
    ("name", "model", "cost"),
    [
        ("openai_responses:gpt-6-sol", "gpt-6-sol", "0.0021"),
        ("anthropic:claude-sonnet-5-5", "claude-sonnet-5-5-20261001", "0.0021"),
        ("gemini:gemini-3.8-flash", "gemini-3.8-flash", "0.0007875"),
        ("gemini_interactions:gemini-3.8-flash", "gemini-3.8-flash", "0.0007875"),
        (
            "bedrock:us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "0.003465",
        ),
        ("mistral:mistral-large-latest", "mistral-large-latest", "0.00206"),
        ("cohere:command-a-03-2025", "command-a-03-2025", "0.0026"),
        ("groq:llama-3.3-70b-versatile", "llama-3.3-70b-versatile", "0.0005979"),
        ("ollama:qwen3:8b", "qwen3:8b", "0"),
    ],
)
def test_every_provider_has_its_prices(name: str, model: str, cost: str):
    assert price_of(name)(USAGE, model) == Decimal(cost)


@pytest.mark.parametrize(
    "name", ["openai:who-knows", "gpt-6-sol@http://127.0.0.1:8080/v1", "morse:code"]
)
def test_what_is_not_listed_has_no_price(name: str):
    assert price_of(name)(USAGE, "who-knows") is None


def test_more_cached_than_read_is_no_reason_to_fail():
    assert price_of("openai:gpt-6-sol")(Usage(input=1, cached=9), "gpt-6-sol") is not None


def test_a_local_model_costs_nothing():
    assert price_of("local:qwen2.5-coder-1.5b")(USAGE, "qwen2.5-coder-1.5b") == Decimal(0)


def test_prices_without_their_extra_are_refused_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "callgate\[models\]"'):
        price_of("openai:gpt-6-sol")
