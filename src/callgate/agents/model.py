"""Models by their names: `open_model` and `fallback`.

`openai:NAME` is a provider's model, `NAME@http://host:port/v1` one at any server that speaks
OpenAI Chat Completions, `anthropic:NAME@http://host:port` one at any server that speaks that
provider's wire, `local:NAME` one that runs in this process, and `A|B` is A or, if A is out, B.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from callgate.agents.fallback import Fallback
from callgate.agents.patience import Retries, TimeOuts
from callgate.agents.protocol import Model
from callgate.agents.providers import PROVIDERS, address
from callgate.errors import MissingDependencyError, SettingsError
from callgate.settings import ModelSettings, load

if TYPE_CHECKING:
    import httpx2

__all__ = ["Model", "fallback", "open_model"]

_LOCAL = "local"


def open_model(
    chosen: ModelSettings | str,
    folder: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    timeouts: TimeOuts | None = None,
    retries: Retries | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Model:
    """Return the model of a name; nothing is sent and nothing large is loaded before it is asked.

    Args:
        chosen: A name, or an entry of the settings that names one. The key of an entry, the name of
            a variable, is sent to its base URL; a provider's usual key goes nowhere else.
        folder: Where local models keep their weights; defaults to the settings' own folder.
        environment: Environment variables; defaults to those of the process.
        timeouts: How long a request may be silent; defaults to `TimeOuts()`.
        retries: How often and when a request is made again; defaults to `Retries()`.
        transport: What carries the requests, such as a recorder of `callgate.testing.cassettes`;
            defaults to the network.

    Raises:
        SettingsError: The name is not one of a model, or its key is not set.
        MissingDependencyError: What it needs is not installed.
        ModelFileError: A local model is not on this machine.
    """
    entry = ModelSettings(name=chosen) if isinstance(chosen, str) else chosen
    variables = os.environ if environment is None else environment
    if "|" in entry.name:
        return fallback(
            *_names(entry),
            folder=folder,
            environment=variables,
            timeouts=timeouts,
            retries=retries,
            transport=transport,
        )
    provider, _, model = entry.name.partition(":")
    if provider == _LOCAL and model and "://" not in model:
        return _local(model, folder or load(variables).folder / "models")
    place = address(entry, variables)
    if place is None:
        raise _unknown(entry.name)
    try:
        from callgate.agents import http
    except ModuleNotFoundError as exc:
        raise _missing(exc, place.name, "models") from exc
    endpoint = http.endpoint_of(place, variables)
    return http.HttpModel(
        place.name, endpoint, timeouts=timeouts, retries=retries, transport=transport
    )


def fallback(
    *models: Model | ModelSettings | str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeouts: TimeOuts | None = None,
    retries: Retries | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Model:
    """Return a chain of models: the next one answers when the one before is out.

    Args:
        *models: Models or their names, in the order of preference.
        folder: As in `open_model`.
        environment: As in `open_model`.
        timeouts: As in `open_model`.
        retries: As in `open_model`.
        transport: As in `open_model`.

    Raises:
        MisuseError: There is no model.
        SettingsError: As in `open_model`.
        MissingDependencyError: As in `open_model`.
        ModelFileError: As in `open_model`.
    """
    opened = partial(
        open_model,
        folder=folder,
        environment=environment,
        timeouts=timeouts,
        retries=retries,
        transport=transport,
    )
    return Fallback(
        [opened(model) if isinstance(model, ModelSettings | str) else model for model in models]
    )


def _names(entry: ModelSettings) -> list[str]:
    """Return the names of a chain."""
    if entry.url is not None or entry.key is not None:
        raise SettingsError(f"{entry.name}: a chain of models has no base URL or key of its own.")
    return [name.strip() for name in entry.name.split("|")]


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
    known = [f"{provider}:NAME" for provider in (*PROVIDERS, _LOCAL)]
    provider = name.partition(":")[0]
    near = difflib.get_close_matches(provider, (*PROVIDERS, _LOCAL), n=1)
    hint = f" Did you mean {near[0]}:...?" if near else ""
    return SettingsError(
        f"{name!r} is no model: allowed are {', '.join(known)}, NAME@http://host:port/v1, "
        f"PROVIDER:NAME@http://host:port, chains A|B and tables [models.NAME] of "
        f"callgate.toml.{hint}",
        details={"got": name, "allowed": known},
    )
