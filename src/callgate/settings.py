"""Typed settings: read once from `callgate.toml` and the environment, then passed down.

A value is taken from the environment, else from the file, else from the default. Secrets are never
settings: a setting names the environment variable that holds one. Every mistake is one
    `SettingsError` that names the place, the key, what
came, what is allowed and, for a name, the nearest one.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from callgate.errors import SettingsError

__all__ = ["FILE", "LintSettings", "ModelSettings", "RunLimits", "Settings", "find_file", "load"]

FILE = "callgate.toml"
"""The name of the settings file."""

DEFAULT_MODEL = "local:qwen2.5-coder-1.5b"

_Value = TypeVar("_Value")


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
class LintSettings:
    """Which rules of `callgate lint` run: the table `[lint]`.

    Attributes:
        enable: Rules to run beside the usual ones; `all` for every rule.
        disable: Rules not to run.
        ignore: Findings to leave out, each `rule` or `rule:tool`, where both may hold `*`.
        severity: Severities other than a rule's own, by rule.
    """

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, str] = field(default_factory=dict[str, str])


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
        folder: Where weights and other large files are kept.
        lint: Which rules of `callgate lint` run.
    """

    file: Path | None = None
    root: Path = field(default_factory=Path)
    tools: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    models: Mapping[str, ModelSettings] = field(default_factory=dict[str, ModelSettings])
    limits: RunLimits = field(default_factory=RunLimits)
    folder: Path = field(default_factory=Path)
    lint: LintSettings = field(default_factory=LintSettings)


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
            `..._TOKENS`, `..._SECONDS`, `..._COST` are read.
        file: The settings file; None (the default) looks for one.
        start: Where to look for it; defaults to the working folder.

    Raises:
        SettingsError: The file is absent or not TOML, or a key or value is not one of ours.
    """
    start = start or Path.cwd()
    path = find_file(start, environment) if file is None else _existing(file, "--file")
    table = _Table(str(path or "callgate.toml"), "", _parse(path) if path else {})
    table.only(("tools", "model", "models", "limits", "folder", "lint"))
    variables = _Table.of_environment(environment)
    root = (path.parent if path else start).resolve()
    return Settings(
        file=path,
        root=root,
        tools=variables.take("tools", _names, table.take("tools", _texts, ())),
        model=variables.take("model", _text, table.take("model", _text, DEFAULT_MODEL)),
        models={name: _model(inner) for name, inner in table.tables("models")},
        limits=_limits(table.table("limits"), variables),
        folder=_folder(table, root, environment),
        lint=_lint(table.table("lint")),
    )


def _lint(table: _Table) -> LintSettings:
    table.only([part.name for part in fields(LintSettings)])
    levels = table.table("severity")
    return LintSettings(
        enable=table.take("enable", _texts, ()),
        disable=table.take("disable", _texts, ()),
        ignore=table.take("ignore", _texts, ()),
        severity={rule: levels.take(rule, _text, "") for rule in levels.values},
    )


def _limits(table: _Table, variables: _Table) -> RunLimits:
    table.only([part.name for part in fields(RunLimits)])
    usual = RunLimits()
    readers: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
        "turns": (_whole, _whole_text),
        "calls": (_whole, _whole_text),
        "tokens": (_whole, _whole_text),
        "seconds": (_seconds, _seconds_text),
        "cost": (_money, _money),
    }
    return RunLimits(
        **{
            name: variables.take(
                f"limits_{name}", of_text, table.take(name, of_toml, getattr(usual, name))
            )
            for name, (of_toml, of_text) in readers.items()
        }
    )


def _model(table: _Table) -> ModelSettings:
    table.only([part.name for part in fields(ModelSettings)])
    name = table.take("name", _text, "")
    if not name:
        raise table.error("name", "nothing", 'a model, such as "openai:gpt-6-sol"')
    return ModelSettings(
        name=name, url=table.take("url", _url, None), key=table.take("key", _variable, None)
    )


def _folder(table: _Table, root: Path, environment: Mapping[str, str]) -> Path:
    """Choose where large files are kept; a relative path of the file is relative to the file."""
    if home := environment.get("CALLGATE_HOME"):
        return Path(home).expanduser().resolve()
    if chosen := table.take("folder", _text, ""):
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


class _RefusedError(Exception):
    """A value is not allowed; carries what would be, and whether the value may be shown."""

    def __init__(self, allowed: str, *, secret: bool = False) -> None:
        super().__init__(allowed)
        self.secret = secret


class _Table:
    """One table of the file, or the environment, that knows how to name a mistake in it."""

    def __init__(self, place: str, prefix: str, values: Mapping[str, Any]) -> None:
        """Keep the values.

        Args:
            place: What an error names first: the file.
            prefix: The path of this table within it, with a closing dot.
            values: The keys and values.
        """
        self.place = place
        self.prefix = prefix
        self.values = values

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> _Table:
        """Make a table of the variables `CALLGATE_*`, under lower-case names."""
        start = "CALLGATE_"
        ours = {
            key[len(start) :].lower(): value
            for key, value in environment.items()
            if key.startswith(start)
        }
        return cls("environment", start, ours)

    def error(self, key: str, got: str, allowed: str) -> SettingsError:
        """Describe a mistake at `key`."""
        shown = key.upper() if self.place == "environment" else key
        return SettingsError(
            f"{self.place}: {self.prefix}{shown}: got {got}; allowed is {allowed}",
            details={
                "file": self.place,
                "key": f"{self.prefix}{shown}",
                "got": got,
                "allowed": allowed,
            },
        )

    def only(self, names: Iterable[str]) -> None:
        """Refuse keys that are not among `names`."""
        allowed = tuple(names)
        for key in self.values:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.error(key, "an unknown key", f"one of {', '.join(allowed)}{hint}")

    def take(self, key: str, read: Callable[[Any], _Value], default: _Value) -> _Value:
        """Return the value at `key` as `read` makes it, or the default when there is none."""
        if key not in self.values:
            return default
        try:
            return read(self.values[key])
        except _RefusedError as exc:
            got = "a value that is not shown" if exc.secret else _shown(self.values[key])
            raise self.error(key, got, str(exc)) from None

    def table(self, key: str) -> _Table:
        """Return the table at `key`; an empty one when there is none."""
        return _Table(self.place, f"{self.prefix}{key}.", self.take(key, _table, {}))

    def tables(self, key: str) -> Iterable[tuple[str, _Table]]:
        """Return the tables within the table at `key`, with their names."""
        outer = self.table(key)
        return [(name, outer.table(name)) for name in outer.values]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _table(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise _RefusedError("a table")


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise _RefusedError("a text that is not empty")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_text(item) for item in cast("list[object]", value))
    raise _RefusedError('a list of texts, such as ["tools.py:add"]')


def _names(value: str) -> tuple[str, ...]:
    return tuple(name for part in value.split(",") if (name := part.strip()))


def _url(value: object) -> str:
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value
    raise _RefusedError("a URL that starts with http:// or https://")


def _variable(value: object) -> str:
    # The commonest mistake is to write the key itself; refuse it without repeating it.
    if isinstance(value, str) and value.isidentifier() and value.upper() == value:
        return value
    raise _RefusedError(
        "the NAME of an environment variable in capitals, never the key itself", secret=True
    )


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise _RefusedError("a whole number of at least 1")


def _whole_text(value: str) -> int:
    return _whole(int(value) if value.isascii() and value.isdigit() else value)


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise _RefusedError("a number of seconds above 0")


def _seconds_text(value: str) -> float:
    try:
        return _seconds(float(value))
    except ValueError:
        return _seconds(None)


def _money(value: object) -> Decimal:
    try:
        # Through text, so that 0.1 means a tenth and not its nearest binary fraction.
        amount = Decimal("nan") if isinstance(value, bool) else Decimal(str(value))
    except ArithmeticError:
        amount = Decimal("nan")
    if amount.is_finite() and amount > 0:
        return amount
    raise _RefusedError("US dollars above 0")
