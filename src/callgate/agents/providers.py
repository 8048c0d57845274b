"""The providers of models: where each one is, which wire it speaks, and what it wants to see.

Data and names only; nothing is opened and no secret is read here. A new provider is one entry of
`PROVIDERS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from callgate.codecs import Codec, by_name
from callgate.codecs.openai_chat import OpenAIChat
from callgate.errors import SettingsError
from callgate.settings import ModelSettings

__all__ = ["PROVIDERS", "Address", "AwsVariables", "KeyVariable", "Provider", "address", "split"]

_AT_URL = re.compile(r"(.+)@(https?://.+)")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVariable:
    """A key in one header.

    Attributes:
        names: The environment variables that may hold it; the first one that is set counts.
        header: The header it stands in.
        scheme: What stands before it there.
    """

    names: tuple[str, ...]
    header: str = "Authorization"
    scheme: str = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsVariables:
    """The usual variables of AWS; requests are signed with what they hold.

    Attributes:
        bearer: A key that is sent instead of a signature, if it is set.
        region: The region that signatures are for.
        service: The service that signatures are for.
    """

    bearer: KeyVariable
    region: str
    service: str


Credential: TypeAlias = KeyVariable | AwsVariables


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider, reached as its own client reaches it.

    Attributes:
        wire: The name of its codec.
        url: Its address; `{region}` stands for AWS's region.
        url_variable: Variable that may hold another address; empty for none.
        root: What follows the address before a codec's path.
        key: Its key; None if it wants none.
        headers: What else it wants to see.
        prices: Its id in the price list of genai-prices; None if it costs nothing.
    """

    wire: str
    url: str
    url_variable: str = ""
    root: str = ""
    key: KeyVariable | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    prices: str | None = None


_GOOGLE_KEY = KeyVariable(
    names=("GOOGLE_API_KEY", "GEMINI_API_KEY"), header="x-goog-api-key", scheme=""
)
_BEDROCK_KEY = KeyVariable(names=("AWS_BEARER_TOKEN_BEDROCK",))


def _openai(wire: str) -> Provider:
    return Provider(
        wire=wire,
        url="https://api.openai.com/v1",
        url_variable="OPENAI_BASE_URL",
        key=KeyVariable(names=("OPENAI_API_KEY",)),
        prices="openai",
    )


def _google(wire: str) -> Provider:
    return Provider(
        wire=wire,
        url="https://generativelanguage.googleapis.com",
        url_variable="GOOGLE_GEMINI_BASE_URL",
        root="/v1beta",
        key=_GOOGLE_KEY,
        prices="google",
    )


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "openai": _openai("openai"),
        "openai_responses": _openai("openai_responses"),
        "anthropic": Provider(
            wire="anthropic",
            url="https://api.anthropic.com",
            url_variable="ANTHROPIC_BASE_URL",
            key=KeyVariable(names=("ANTHROPIC_API_KEY",), header="x-api-key", scheme=""),
            headers={"anthropic-version": "2023-06-01"},
            prices="anthropic",
        ),
        "gemini": _google("gemini"),
        "gemini_interactions": _google("gemini_interactions"),
        "bedrock": Provider(
            wire="bedrock",
            url="https://bedrock-runtime.{region}.amazonaws.com",
            url_variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            key=_BEDROCK_KEY,
            prices="aws",
        ),
        "mistral": Provider(
            wire="mistral",
            url="https://api.mistral.ai/v1",
            key=KeyVariable(names=("MISTRAL_API_KEY",)),
            prices="mistral",
        ),
        "cohere": Provider(
            wire="cohere",
            url="https://api.cohere.com",
            url_variable="CO_API_URL",
            key=KeyVariable(names=("CO_API_KEY",)),
            prices="cohere",
        ),
        "ollama": Provider(wire="ollama", url="http://127.0.0.1:11434", url_variable="OLLAMA_HOST"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a model is and how it is spoken to.

    Attributes:
        name: Our full name of the model.
        url: Its base URL.
        model: Its name there.
        codec: The wire.
        key: The key to send, still as names of variables; None to send none.
        headers: What else is sent with every request.
    """

    name: str
    url: str
    model: str
    codec: Codec
    key: Credential | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def split(name: str) -> tuple[str, str, str | None]:
    """Return provider (empty if none is named), model and base URL (None if none is named).

    Args:
        name: A name of a model, such as `openai:NAME`, `NAME@URL` or `anthropic:NAME@URL`.
    """
    at_url = _AT_URL.fullmatch(name)
    left, url = (at_url[1], at_url[2]) if at_url else (name, None)
    provider, _, model = left.partition(":")
    return (provider, model, url) if provider in PROVIDERS and model else ("", left, url)


def address(entry: ModelSettings, variables: Mapping[str, str]) -> Address | None:
    """Return the address that a name stands for; None if it is no name of a model behind HTTP.

    Args:
        entry: The name, and what settings say beside it.
        variables: Environment variables.

    Raises:
        SettingsError: There are two base URLs, or AWS's region is not known.
    """
    provider, model, url = split(entry.name)
    if url is not None and entry.url is not None:
        raise SettingsError(f"{entry.name}: one base URL is in the name, another beside it.")
    url = url or entry.url
    if url is not None:
        return _elsewhere(provider, model, url, entry.key)
    return _usual(provider, model, entry, variables) if provider else None


def _elsewhere(provider: str, model: str, url: str, key: str | None) -> Address:
    """Return an address of the caller's choice; a provider's usual key is not sent there."""
    if not provider:
        return Address(
            name=f"{model}@{url}",
            url=url,
            model=model,
            codec=OpenAIChat(token_limit="max_tokens", announce_parallel=True),
            key=None if key is None else KeyVariable(names=(key,)),
        )
    its = PROVIDERS[provider]
    return Address(
        name=f"{provider}:{model}@{url}",
        url=url,
        model=model,
        codec=by_name(its.wire),
        key=None if key is None else _renamed(its, key),
        headers=its.headers,
    )


def _usual(
    provider: str, model: str, entry: ModelSettings, variables: Mapping[str, str]
) -> Address:
    its = PROVIDERS[provider]
    url = variables.get(its.url_variable, "") or its.url
    key: Credential | None = its.key if entry.key is None else _renamed(its, entry.key)
    if provider == "bedrock":
        region = _region(entry.name, variables)
        url = url.format(region=region)
        if entry.key is None:
            key = AwsVariables(bearer=_BEDROCK_KEY, region=region, service="bedrock")
    elif provider == "ollama":
        url = _of_host(url)
    return Address(
        name=entry.name,
        url=url.rstrip("/") + its.root,
        model=model,
        codec=by_name(its.wire),
        key=key,
        headers=its.headers,
    )


def _renamed(provider: Provider, variable: str) -> KeyVariable:
    """Return a provider's way to send a key, for one that another variable holds."""
    usual = provider.key or KeyVariable(names=())
    return KeyVariable(names=(variable,), header=usual.header, scheme=usual.scheme)


def _region(name: str, variables: Mapping[str, str]) -> str:
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or ""
    if not _REGION.fullmatch(region):
        raise SettingsError(
            f"{name} needs a region: set the environment variable AWS_REGION, such as us-east-1.",
            details={"model": name, "got": region},
        )
    return region


def _of_host(host: str) -> str:
    """Return the URL of what `OLLAMA_HOST` holds: host, host and port, or a whole URL."""
    if "://" in host:
        return host
    return f"http://{host}" if re.search(r":\d+$", host) else f"http://{host}:11434"
