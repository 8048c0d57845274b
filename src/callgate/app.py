"""The composition root: from settings to objects. It chooses classes and decides nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from callgate.agents.budget import Budget
from callgate.agents.loop import Options
from callgate.agents.model import Model, fallback, open_model
from callgate.agents.prices import price_of
from callgate.contract.lint import Choice, Report
from callgate.contract.listing import Listing
from callgate.errors import SettingsError
from callgate.gate import Gate
from callgate.pipeline import Listener
from callgate.release import mend as mending
from callgate.release import read as surfaces
from callgate.release.python_tools import read_references
from callgate.settings import ModelSettings, Settings, load
from callgate.sources import reference
from callgate.types import Tool

__all__ = [
    "budget",
    "gate",
    "lint_choice",
    "mend",
    "model",
    "model_settings",
    "models_folder",
    "options",
    "read",
    "read_tools",
    "settings",
    "tools",
]


def settings(file: Path | None = None) -> Settings:
    """Read the settings from the environment and `file`, or the nearest `callgate.toml`.

    Raises:
        SettingsError: The file or a variable is wrong.
    """
    return load(os.environ, file=file)


def gate(chosen: Settings, listeners: Iterable[Listener] = ()) -> Gate:
    """Make the gate over the tools that the settings name.

    Raises:
        SettingsError: A tool cannot be imported.
        DefinitionError: A tool is declared wrongly.
    """
    return Gate(reference.load(chosen.tools, chosen.root), listeners=listeners)


def tools(chosen: Settings) -> tuple[Tool, ...]:
    """Return the tools that a model is offered.

    Raises:
        SettingsError: A tool cannot be imported.
        DefinitionError: A tool is declared wrongly.
    """
    return gate(chosen).session().tools()


def read(source: str, *, timeout: float = 30.0) -> Listing:
    """Read the tools that a source names, see `release.read`.

    Args:
        source: A reference, a file, a server; or a settings file, for the tools that it names.
        timeout: Seconds a live server may take; defaults to 30.

    Raises:
        DefinitionError: The source cannot be read, or holds no tools.
        SettingsError: The settings are wrong, or a Python module cannot be imported.
        MissingDependencyError: A live server is asked for, without the extra `mcp`.
    """
    if source.endswith(".toml"):
        return read_tools(settings(Path(source)))
    return surfaces.read(source, Path.cwd(), timeout=timeout)


def read_tools(chosen: Settings) -> Listing:
    """Read the tools that the settings name.

    Raises:
        SettingsError: A Python module cannot be imported.
        DefinitionError: What it names is no tool.
    """
    return read_references(chosen.tools, chosen.root)


def lint_choice(chosen: Settings, options: Choice) -> Choice:
    """Return which rules of lint run: what a command line says is added to the settings."""
    usual = chosen.lint
    return Choice(
        enable=(*usual.enable, *options.enable),
        disable=(*usual.disable, *options.disable),
        only=options.only,
        severity=usual.severity,
        ignore=(*usual.ignore, *options.ignore),
    )


def mend(source: str, report: Report) -> int:
    """Write the safe fixes of a report into the JSON file that was judged; return how many.

    Raises:
        SettingsError: The source is no JSON file.
        DefinitionError: The file cannot be read or written.
    """
    path = Path(source)
    if not path.is_file() or path.suffix == ".py":
        raise SettingsError(f"Fixes are written into JSON files only, and {source} is none.")
    edits = [edit for finding in report.findings for edit in finding.edits]
    return mending.mend(path, source, edits)


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
