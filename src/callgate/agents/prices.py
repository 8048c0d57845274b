"""What model requests cost, by the price list of genai-prices (extra `models`, no network)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from callgate.agents.budget import Price
from callgate.agents.providers import PROVIDERS, split
from callgate.errors import MissingDependencyError
from callgate.messages import Usage

__all__ = ["price_of"]


def price_of(name: str) -> Price:
    """Return the prices of the provider of a model.

    Call the result once per request and add up: some prices depend on the size of the request.

    Args:
        name: Our full name of the model: `openai:NAME`, `NAME@URL`, `local:NAME`, or a chain `A|B`,
            which costs what the model that answered costs. A model of one's own machine
            (`local:`, `ollama:`) costs nothing; a server without a known price list has no price.

    Raises:
        MissingDependencyError: The extra `models` is not installed.
    """
    lists = [_list_of(part.strip()) for part in name.split("|")]

    def price(usage: Usage, model: str) -> Decimal | None:
        # The model that answered may be a dated one that no list names.
        for named in (True, False):
            for its in lists:
                if (cost := its(usage, model, named)) is not None:
                    return cost
        return None

    return price


_List: TypeAlias = Callable[[Usage, str, bool], Decimal | None]
"""What usage of a model costs; by the model's own name, or else by the name that was asked."""


def _list_of(name: str) -> _List:
    if name.startswith("local:"):
        return _free(name.removeprefix("local:"))
    provider, model, url = split(name)
    if url is not None:
        return _listed(model, url=url)
    if not provider:
        provider, _, model = name.partition(":")
        return _listed(model, provider=provider)
    prices = PROVIDERS[provider].prices
    return _free(model) if prices is None else _listed(model, provider=prices)


def _free(asked: str) -> _List:
    def price(usage: Usage, model: str, named: bool) -> Decimal | None:
        return Decimal(0) if not named or model == asked else None

    return price


def _listed(asked: str, *, provider: str | None = None, url: str | None = None) -> _List:
    try:
        # Loads the whole list, 0.2 s: here, not between two requests.
        import genai_prices
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            'Prices need a package that is not installed: pip install "callgate[models]"'
        ) from exc

    def price(usage: Usage, model: str, named: bool) -> Decimal | None:
        counted = genai_prices.Usage(
            input_tokens=usage.input,
            cache_read_tokens=min(usage.cached, usage.input),
            output_tokens=usage.output,
        )
        name = model if named else asked
        try:
            if url is not None:
                return genai_prices.calc_price(counted, name, provider_api_url=url).total_price
            return genai_prices.calc_price(counted, name, provider_id=provider).total_price
        except LookupError:
            return None

    return price
