"""The seam to language models, and the names by which they are opened.

`openai:NAME` is a provider's model, `NAME@http://host:port/v1` one at any server that speaks
OpenAI Chat Completions, `local:NAME` one that runs in this process. A new provider is one entry of
`_PROVIDERS`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from callgate.codecs import Codec, OpenAIChat
from callgate.errors import MissingDependencyError, SettingsError
from callgate.messages import ModelEvent, ModelRequest, ModelResponse
from callgate.settings import ModelSettings, load

__all__ = ["Model", "open_model"]


class Model(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The full name, as `open_model` takes it."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer piece by piece; ends with `ResponseDone`.

        Raises:
            ModelError: The model did not answer, or not to the end.
        """
        ...

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer at once.

        Raises:
            ModelError: The model did not answer.
        """
        ...

    async def close(self) -> None:
        """Let connections and memory go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    """A provider's address and the variables that its own client reads.

    Attributes:
        url: Base URL.
        url_variable: Variable that may hold another base URL.
        key: Variable that holds the key.
        codec: Its wire.
    """

    url: str
    url_variable: str
    key: str
    codec: Codec


_LOCAL = "local"
_PROVIDERS: Mapping[str, _Provider] = MappingProxyType(
    {
        "openai": _Provider(
            url="https://api.openai.com/v1",
            url_variable="OPENAI_BASE_URL",
            key="OPENAI_API_KEY",
            codec=OpenAIChat(),
        )
    }
)
_COMPATIBLE = OpenAIChat(token_limit="max_tokens", announce_parallel=True)
_AT_URL = re.compile(r"(.+)@(https?://.+)")


def open_model(
    chosen: ModelSettings | str,
    folder: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Model:
    """Open a model by its name; nothing is sent yet.

    Args:
        chosen: The name, or an entry of the settings with a base URL or the name of the variable
            that holds the key.
        folder: Where the weights of local models are kept; defaults to the one that
            the settings name.
        environment: Environment variables; defaults to the process's own.

    Raises:
        SettingsError: The name belongs to no provider, or its key is not set.
        MissingDependencyError: The provider's extra is not installed.
        ModelFileError: The weights of a local model are not there.
    """
    entry = ModelSettings(name=chosen) if isinstance(chosen, str) else chosen
    variables = os.environ if environment is None else environment
    if at_url := _AT_URL.fullmatch(entry.name):
        if entry.url is not None:
            raise SettingsError(f"{entry.name}: one base URL is in the name, another beside it.")
        return _http(entry.name, _elsewhere(at_url[1], at_url[2], entry.key), variables)
    provider, _, model = entry.name.partition(":")
    if provider in _PROVIDERS and model:
        return _http(*_of(_PROVIDERS[provider], entry, model, variables), variables)
    if provider == _LOCAL and model:
        return _local(model, folder or load(variables).folder / "models")
    if entry.url is not None:
        name = f"{entry.name}@{entry.url}"
        return _http(name, _elsewhere(entry.name, entry.url, entry.key), variables)
    raise _unknown(entry.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Address:
    """Where a model is; the key is still the name of a variable, None to send none."""

    url: str
    model: str
    key: str | None
    codec: Codec


def _elsewhere(model: str, url: str, key: str | None) -> _Address:
    return _Address(url=url, model=model, key=key, codec=_COMPATIBLE)


def _of(
    provider: _Provider, entry: ModelSettings, model: str, variables: Mapping[str, str]
) -> tuple[str, _Address]:
    """Return name and address of a provider's model; at another URL its usual key is not sent."""
    if entry.url is not None:
        address = _Address(url=entry.url, model=model, key=entry.key, codec=provider.codec)
        return f"{model}@{entry.url}", address
    url = variables.get(provider.url_variable) or provider.url
    key = entry.key or provider.key
    return entry.name, _Address(url=url, model=model, key=key, codec=provider.codec)


def _http(name: str, address: _Address, variables: Mapping[str, str]) -> Model:
    try:
        from callgate.agents import http
    except ModuleNotFoundError as exc:
        raise _missing(exc, name, "models") from exc
    key = None
    if address.key is not None:
        key = http.Key(_secret(address.key, name, variables), source=address.key)
    place = http.Endpoint(url=address.url, model=address.model, codec=address.codec, key=key)
    return http.HttpModel(name, place)


def _secret(variable: str, name: str, variables: Mapping[str, str]) -> str:
    value = variables.get(variable, "").strip()
    if not value:
        raise SettingsError(
            f"{name} needs a key: set the environment variable {variable}.",
            details={"model": name, "key": variable},
        )
    return value


def _local(model: str, folder: Path) -> Model:
    try:
        from callgate.agents import local
    except ModuleNotFoundError as exc:
        raise _missing(exc, f"{_LOCAL}:{model}", "local") from exc
    return local.open_local(model, folder)


def _missing(exc: ModuleNotFoundError, name: str, extra: str) -> MissingDependencyError:
    return MissingDependencyError(
        f'{name} needs {exc.name}, which is not installed: pip install "callgate[{extra}]"',
        details={"model": name, "package": exc.name, "extra": extra},
    )


def _unknown(name: str) -> SettingsError:
    known = [f"{provider}:NAME" for provider in (*_PROVIDERS, _LOCAL)]
    provider = name.partition(":")[0]
    near = difflib.get_close_matches(provider, (*_PROVIDERS, _LOCAL), n=1)
    hint = f" Did you mean {near[0]}:...?" if near else ""
    return SettingsError(
        f"{name!r} is no model: allowed are {', '.join(known)}, NAME@http://host:port/v1 and "
        f"tables [models.NAME] of callgate.toml.{hint}",
        details={"got": name, "allowed": known},
    )
