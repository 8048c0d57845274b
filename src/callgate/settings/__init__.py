"""Typed settings: read once from `callgate.toml` and the environment, then passed down.

A value is taken from the environment, else from the file, else from the default. Secrets are never
settings: a setting names where one is. Every mistake is one `SettingsError` that names the place,
the key, what came, what is allowed and, for a name, the nearest one. `table` reads one table,
`sources`, `store`, `approvals`, `controls`, `modes` and `lint` are the tables of these names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from callgate.controls import Controls
from callgate.errors import SettingsError
from callgate.settings.approvals import ApprovalSettings, PersonSettings, approvals
from callgate.settings.controls import controls
from callgate.settings.lint import LintSettings, lint
from callgate.settings.modes import modes
from callgate.settings.sources import SourceSettings, source
from callgate.settings.store import StoreSettings, store
from callgate.settings.table import (
    Table,
    money,
    names,
    seconds,
    seconds_text,
    text,
    texts,
    url,
    variable,
    whole,
    whole_text,
)

__all__ = [
    "FILE",
    "ApprovalSettings",
    "LintSettings",
    "ModelSettings",
    "PersonSettings",
    "RunLimits",
    "Settings",
    "StoreSettings",
    "find_file",
    "load",
]

FILE = "callgate.toml"
"""The name of the settings file."""

DEFAULT_MODEL = "local:qwen2.5-coder-1.5b"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Bounds of one run: the table `[limits]`.

    Attributes:
        turns: Answers a model may give; at least 1.
        calls: Tool calls a run may make.
        tokens: Tokens read and written in all; None for no bound.
        seconds: Seconds a run may take; None for no bound.
        cost: US dollars a run may cost; None for no bound.
    """

    turns: int = 16
    calls: int = 64
    tokens: int | None = None
    seconds: float | None = 600.0
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """How to reach a model under a name of one's own: a table `[models.NAME]`.

    Attributes:
        name: The model, such as `openai:gpt-6-sol` or `local:qwen2.5-coder-1.5b`.
        url: Base URL of a server that speaks the same wire; None for the provider's own.
        key: The *name* of the environment variable that holds the key; None for the provider's
            usual one.
    """

    name: str
    url: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that may be set.

    Attributes:
        file: Where the settings were read; None when there was no file.
        root: The folder that `tools` are relative to: the file's own, or the working folder.
        tools: What is offered, each `module:attribute` or `path/file.py:attribute`.
        model: The model used when none is named; a name of `models` or a full one.
        models: Models under names of one's own.
        limits: Bounds of one run.
        sources: Where more tools come from, by name.
        store: Where effects, runs and evidence are kept.
        approvals: Which calls need a person, and who decides.
        controls: Rates, allowances, breakers, backends and chains: the table `[controls]`.
        modes: The stages that only tell what they would do: the table `[modes]`.
        lint: Which rules of `callgate lint` run.
        folder: Where weights and other large files are kept.
    """

    file: Path | None = None
    root: Path = field(default_factory=Path)
    tools: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    models: Mapping[str, ModelSettings] = field(default_factory=dict[str, ModelSettings])
    limits: RunLimits = field(default_factory=RunLimits)
    sources: Mapping[str, SourceSettings] = field(default_factory=dict[str, SourceSettings])
    store: StoreSettings = field(default_factory=StoreSettings)
    approvals: ApprovalSettings = field(default_factory=ApprovalSettings)
    controls: Controls = field(default_factory=Controls)
    modes: frozenset[str] = frozenset()
    lint: LintSettings = field(default_factory=LintSettings)
    folder: Path = field(default_factory=Path)


def find_file(start: Path, environment: Mapping[str, str]) -> Path | None:
    """Return the settings file: `$CALLGATE_FILE`, else the nearest one in `start` or above it.

    Args:
        start: The working folder.
        environment: Environment variables.

    Raises:
        SettingsError: `$CALLGATE_FILE` names a file that is not there.
    """
    if named := environment.get("CALLGATE_FILE"):
        return _existing(Path(named), "CALLGATE_FILE")
    start = start.resolve()
    return next(
        (path for folder in (start, *start.parents) if (path := folder / FILE).is_file()), None
    )


def load(
    environment: Mapping[str, str], *, file: Path | None = None, start: Path | None = None
) -> Settings:
    """Read the settings.

    Args:
        environment: Environment variables; `CALLGATE_FILE`, `CALLGATE_HOME`, `CALLGATE_TOOLS`
            (separated by commas), `CALLGATE_MODEL` and `CALLGATE_LIMITS_TURNS`, `..._CALLS`,
            `..._TOKENS`, `..._SECONDS`, `..._COST`, `CALLGATE_STORE_URL`, `CALLGATE_STORE_SYNC`
            are read.
        file: The settings file; None (the default) looks for one.
        start: Where to look for it; defaults to the working folder.

    Raises:
        SettingsError: The file is absent or not TOML, or a key or value is not one of ours.
    """
    start = start or Path.cwd()
    path = find_file(start, environment) if file is None else _existing(file, "--file")
    table = Table(str(path or "callgate.toml"), "", _parse(path) if path else {})
    table.only(part.name for part in fields(Settings) if part.name not in ("file", "root"))
    variables = Table.of_environment(environment)
    root = (path.parent if path else start).resolve()
    kept = store(table.table("store"), variables, root)
    return Settings(
        file=path,
        root=root,
        tools=variables.take("tools", names, table.take("tools", texts, ())),
        model=variables.take("model", text, table.take("model", text, DEFAULT_MODEL)),
        models={name: _model(inner) for name, inner in table.tables("models")},
        limits=_limits(table.table("limits"), variables),
        sources={name: source(inner) for name, inner in table.tables("sources")},
        store=kept,
        approvals=approvals(table.table("approvals")),
        controls=controls(table.table("controls"), stored=kept.url is not None),
        modes=modes(table.table("modes")),
        lint=lint(table.table("lint")),
        folder=_folder(table, root, environment),
    )


def _limits(table: Table, variables: Table) -> RunLimits:
    table.only([part.name for part in fields(RunLimits)])
    usual = RunLimits()
    readers: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
        "turns": (whole, whole_text),
        "calls": (whole, whole_text),
        "tokens": (whole, whole_text),
        "seconds": (seconds, seconds_text),
        "cost": (money, money),
    }
    return RunLimits(
        **{
            name: variables.take(
                f"limits_{name}", of_text, table.take(name, of_toml, getattr(usual, name))
            )
            for name, (of_toml, of_text) in readers.items()
        }
    )


def _model(table: Table) -> ModelSettings:
    table.only([part.name for part in fields(ModelSettings)])
    name = table.take("name", text, "")
    if not name:
        raise table.error("name", "nothing", 'a model, such as "openai:gpt-6-sol"')
    return ModelSettings(
        name=name, url=table.take("url", url, None), key=table.take("key", variable, None)
    )


def _folder(table: Table, root: Path, environment: Mapping[str, str]) -> Path:
    """Choose where large files are kept; a relative path of the file is relative to the file."""
    if home := environment.get("CALLGATE_HOME"):
        return Path(home).expanduser().resolve()
    if chosen := table.take("folder", text, ""):
        return (root / Path(chosen).expanduser()).resolve()
    caches = environment.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "callgate"


def _existing(path: Path, where: str) -> Path:
    if path.is_file():
        return path.resolve()
    raise SettingsError(
        f"{where}: there is no file {path}; `callgate init` writes a new {FILE}",
        details={"key": where, "got": str(path)},
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(
            f"{path}: not readable as TOML: {exc}", details={"file": str(path)}
        ) from exc
