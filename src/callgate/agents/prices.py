"""What model requests cost, by the price list of genai-prices (extra `models`, no network)."""

from __future__ import annotations

from decimal import Decimal

from callgate.agents.budget import Price
from callgate.errors import MissingDependencyError
from callgate.messages import Usage

__all__ = ["price_of"]


def price_of(name: str) -> Price:
    """Return the prices of the provider of a model.

    Call the result once per request and add up: some prices depend on the size of the request.

    Args:
        name: Our full name of the model: `openai:NAME`, `NAME@URL` or `local:NAME`. A local model
            costs nothing; a server without a known price list has no price.

    Raises:
        MissingDependencyError: The extra `models` is not installed.
    """
    if name.startswith("local:"):
        return _nothing
    model, at, url = name.rpartition("@")
    if at:
        return _listed(model, None, url)
    provider, _, model = name.partition(":")
    return _listed(model, provider, None)


def _nothing(usage: Usage, model: str) -> Decimal:
    return Decimal(0)


def _listed(asked: str, provider: str | None, url: str | None) -> Price:
    try:
        # Loads the whole list, 0.2 s: here, not between two requests.
        import genai_prices
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            'Prices need a package that is not installed: pip install "callgate[models]"'
        ) from exc

    def price(usage: Usage, model: str) -> Decimal | None:
        counted = genai_prices.Usage(
            input_tokens=usage.input,
            cache_read_tokens=min(usage.cached, usage.input),
            output_tokens=usage.output,
        )
        # The model that answered may be a dated one that the list does not name.
        for name in dict.fromkeys((model, asked)):
            try:
                if url is not None:
                    return genai_prices.calc_price(counted, name, provider_api_url=url).total_price
                return genai_prices.calc_price(counted, name, provider_id=provider).total_price
            except LookupError:
                continue
        return None

    return price
