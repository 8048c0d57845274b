"""The composition root: from settings to objects. It chooses classes and decides nothing else."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from callgate.agents.budget import Budget
from callgate.agents.loop import Options
from callgate.agents.model import Model, fallback, open_model
from callgate.agents.prices import price_of
from callgate.errors import MissingDependencyError, SettingsError
from callgate.gate import Gate
from callgate.pipeline import Listener
from callgate.settings import ModelSettings, Settings, load
from callgate.sources import reference
from callgate.types import Tool

if TYPE_CHECKING:
    from callgate.store.stores import Store

__all__ = [
    "budget",
    "gate",
    "model",
    "model_settings",
    "models_folder",
    "options",
    "settings",
    "store",
    "stored",
    "tools",
]


def settings(file: Path | None = None) -> Settings:
    """Read the settings from the environment and `file`, or the nearest `callgate.toml`.

    Raises:
        SettingsError: The file or a variable is wrong.
    """
    return load(os.environ, file=file)


def gate(chosen: Settings, listeners: Iterable[Listener] = (), store: Store | None = None) -> Gate:
    """Make the gate over the tools that the settings name.

    Args:
        chosen: The settings.
        listeners: As those of `Gate`.
        store: Where its effects and records are kept, as `store` gives it; by default nowhere.

    Raises:
        SettingsError: A tool cannot be imported.
        DefinitionError: A tool is declared wrongly.
        StoreError: The store cannot be used.
    """
    offered = reference.load(chosen.tools, chosen.root)
    if store is None:
        return Gate(offered, listeners=listeners, controls=chosen.controls)
    made = Gate(
        offered,
        backends=store.backends(),
        listeners=(*listeners, store.records),
        controls=chosen.controls,
    )
    store.records.know(made.surface.tools)
    return made


def tools(chosen: Settings) -> tuple[Tool, ...]:
    """Return the tools that a model is offered.

    Raises:
        SettingsError: A tool cannot be imported.
        DefinitionError: A tool is declared wrongly.
    """
    return gate(chosen).session().tools()


def store(chosen: Settings) -> Store:
    """Return the store that the settings name; nothing is opened yet.

    Raises:
        SettingsError: They name none, or no URL of a store.
        MissingDependencyError: The extra `store` or `postgres` is not installed.
    """
    if chosen.store.url is None:
        raise SettingsError(
            'There is no store: set url in [store] of callgate.toml, such as "sqlite:///calls.db", '
            "or CALLGATE_STORE_URL."
        )
    try:
        from callgate.store.stores import Store
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            f'A store needs {exc.name}: pip install "callgate[store]"'
        ) from exc
    return Store(chosen.store.url, sync=chosen.store.sync)


@contextmanager
def stored(chosen: Settings) -> Generator[Store | None]:
    """Open the store for a while, if the settings name one.

    Raises:
        SettingsError: They name no URL of a store.
        MissingDependencyError: The extra `store` or `postgres` is not installed.
    """
    if chosen.store.url is None:
        yield None
        return
    with closing(store(chosen)) as opened:
        yield opened


def budget(chosen: Settings) -> Budget:
    """Return what one run may spend."""
    limits = chosen.limits
    return Budget(
        turns=limits.turns,
        calls=limits.calls,
        tokens=limits.tokens,
        seconds=limits.seconds,
        cost=limits.cost,
    )


def options(model: Model) -> Options:
    """Return how a run with `model` is conducted: with its prices, and repeatably where it can be.

    Raises:
        MissingDependencyError: The extra `models` is not installed.
    """
    if model.name.startswith("local:") and "|" not in model.name:
        return Options(price=price_of(model.name), temperature=0.0, seed=0)
    # The newest hosted models refuse a temperature.
    return Options(price=price_of(model.name))


def model_settings(chosen: Settings, name: str | None = None) -> ModelSettings:
    """Return what the settings say of a model: a name of `[models]`, else a full name."""
    wanted = name or chosen.model
    return chosen.models.get(wanted) or ModelSettings(name=wanted)


def models_folder(chosen: Settings) -> Path:
    """Return where the weights of local models are kept."""
    return chosen.folder / "models"


def model(chosen: Settings, name: str | None = None) -> Model:
    """Open a model: the one named, or the settings' own.

    Args:
        chosen: The settings.
        name: A name of `[models]`, a full name, or several with `|` between them: the next one
            answers when the one before is out.

    Raises:
        SettingsError: The name belongs to no provider, or the key is not set.
        MissingDependencyError: The provider's extra is not installed.
        ModelFileError: The weights of a local model are not there.
    """
    wanted = name or chosen.model
    folder = models_folder(chosen)
    if "|" in wanted and wanted not in chosen.models:
        parts = [model_settings(chosen, part.strip()) for part in wanted.split("|")]
        return fallback(*parts, folder=folder)
    return open_model(model_settings(chosen, wanted), folder)
