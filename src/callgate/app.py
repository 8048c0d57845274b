"""The composition root: from settings to objects. It chooses classes and decides nothing else."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callgate.agents.budget import Budget
from callgate.agents.loop import Options
from callgate.agents.model import Model, fallback, open_model
from callgate.agents.prices import price_of
from callgate.approvals.desk import Approvals
from callgate.approvals.ledger import RoleAuthority
from callgate.approvals.links import Links
from callgate.approvals.need import Escalation
from callgate.approvals.rules import Rule
from callgate.backends import Backends
from callgate.contract.lint import Choice, Report
from callgate.contract.listing import Listed, Listing
from callgate.errors import MissingDependencyError, SettingsError
from callgate.evals.cases import Case
from callgate.evals.suite.environment import Environment, Environments, of_replies
from callgate.gate import Gate
from callgate.pipeline import Listener
from callgate.release import mend as mending
from callgate.release import read as surfaces
from callgate.release.python_tools import read_references
from callgate.settings import FILE, ModelSettings, Settings, find_file, load
from callgate.sources import reference, tables
from callgate.types import Principal, Tool

if TYPE_CHECKING:
    from callgate.store.stores import Store

__all__ = [
    "approvals",
    "backends",
    "budget",
    "environments",
    "gate",
    "links",
    "lint_choice",
    "mend",
    "model",
    "model_settings",
    "models_folder",
    "options",
    "person",
    "read",
    "read_source",
    "read_tools",
    "settings",
    "settings_file",
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
        SettingsError: A tool cannot be imported, or a source does not fit what it names.
        DefinitionError: A tool or rule is declared wrongly.
        MissingDependencyError: The extra of a source is not installed.
        StoreError: The store cannot be used.
    """
    offered = [one for group in _offered(chosen).values() for one in group]
    watching = tuple(listeners) if store is None else (*listeners, store.records, store.denials)
    made = Gate(
        offered,
        backends=backends(chosen, store),
        listeners=watching,
        controls=chosen.controls,
        observe=chosen.modes,
    )
    if store is not None:
        store.records.know(made.surface.tools)
    return made


def backends(chosen: Settings, store: Store | None = None) -> Backends:
    """Return what stands behind the stages of a gate.

    Args:
        chosen: The settings.
        store: Where it is kept, as `store` gives it; in memory by default.

    Raises:
        DefinitionError: A rule cannot be read.
        SchemaError: The tables of the store are of another version, or there are none.
        StoreError: The database does not do what it must.
    """
    said = chosen.store
    behind = (
        Backends() if store is None else store.backends(staleness=said.staleness, ahead=said.ahead)
    )
    asks = store is not None or chosen.approvals.rules
    return replace(behind, approvals=approvals(chosen, store)) if asks else behind


def approvals(chosen: Settings, store: Store | None = None) -> Approvals:
    """Return the rules and the desk of the settings.

    Raises:
        DefinitionError: A rule cannot be read.
    """
    said = chosen.approvals
    return Approvals(
        None if store is None else store.approvals,
        rules=[_rule(rule) for rule in said.rules],
        authority=RoleAuthority(granters=said.granters),
    )


def _rule(said: Mapping[str, Any]) -> Rule:
    steps = tuple(Escalation(**step) for step in said.get("escalations", ()))
    given: dict[str, Any] = {**said, "escalations": steps}
    return Rule(**given)


def person(chosen: Settings, name: str) -> Principal:
    """Return somebody who may decide.

    Raises:
        SettingsError: The settings name nobody so.
    """
    people = chosen.approvals.people
    if name not in people:
        raise SettingsError(
            f"nobody is called {name!r}: set roles in [approvals.people.{name}] of callgate.toml; "
            f"there are: {', '.join(people) or 'none'}",
            details={"key": f"approvals.people.{name}"},
        )
    return Principal(id=name, tenant=people[name].tenant, roles=people[name].roles)


def links(chosen: Settings) -> Links:
    """Return what signs links, with the key from the environment.

    Raises:
        SettingsError: The variable is not set, or its value is too short.
    """
    name = chosen.approvals.link_key
    if not (key := os.environ.get(name)):
        raise SettingsError(
            f"signed links need a key: set {name} to the output of openssl rand -hex 32",
            details={"key": name},
        )
    return Links(key.encode())


def settings_file() -> Path | None:
    """Return the settings file that is used without another one being named; None for none.

    Raises:
        SettingsError: `$CALLGATE_FILE` names a file that is not there.
    """
    return find_file(Path.cwd(), os.environ)


def _offered(chosen: Settings) -> dict[str, list[reference.Offered]]:
    """Return what the settings offer, by the names of sources; what `tools` names comes first.

    Servers have been asked for their tools, each once and all at the same time.
    """
    groups = {"": reference.load(chosen.tools, chosen.root)}
    for name, table in chosen.sources.items():
        groups[name] = tables.opened(name, table, chosen.root)
    tables.known([one for group in groups.values() for one in group])
    return groups


def read_source(chosen: Settings, name: str) -> Listing:
    """Read the tools of one source of the settings.

    Args:
        chosen: The settings.
        name: The name of its table.

    Raises:
        SettingsError: The table does not fit what it names.
        DefinitionError: One of its tools has the name of another one.
        CallError: A server cannot be reached or does not let us in.
        MissingDependencyError: Its extra is not installed.
    """
    groups = _offered(chosen)
    Gate([one for group in groups.values() for one in group])  # no two may have one name
    return _listing(name, groups[name])


def _listing(name: str, offered: Sequence[reference.Offered]) -> Listing:
    """Return the tools of one table as they are judged: as a model is shown them."""
    place = f"sources.{name}"
    shown = Gate(offered).session().tools()
    entries = [Listed(tool=tool, place=place, form="callgate", effect_told=True) for tool in shown]
    notes = tuple(tables.left_out(offered))
    return Listing(source=place, entries=tuple(entries), notes=notes)


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


def read(source: str, *, timeout: float = 30.0) -> Listing:
    """Read the tools that a source names, see `release.read`.

    Args:
        source: A reference, a file, a server; or a settings file, or its folder, for the tools that
            it names.
        timeout: Seconds a live server may take; defaults to 30.

    Raises:
        DefinitionError: The source cannot be read, or holds no tools.
        SettingsError: The settings are wrong, or a Python module cannot be imported.
        MissingDependencyError: A live server is asked for, without the extra `mcp`.
    """
    path = Path(source)
    if path.is_dir() and (path / FILE).is_file():
        path = path / FILE
    if path.suffix == ".toml":
        return read_tools(settings(path))
    return surfaces.read(source, Path.cwd(), timeout=timeout)


def read_tools(chosen: Settings) -> Listing:
    """Read the tools that the settings name, those of their sources included.

    Raises:
        SettingsError: A Python module cannot be imported, or a source does not fit what it names.
        DefinitionError: What it names is no tool.
        CallError: A server cannot be reached or does not let us in.
        MissingDependencyError: The extra of a source is not installed.
    """
    named = read_references(chosen.tools, chosen.root)
    if not chosen.sources:
        return named
    groups = _offered(chosen)
    found = [named, *(_listing(name, groups[name]) for name in chosen.sources)]
    return Listing(
        source=", ".join(one.source for one in found if one.source),
        entries=tuple(entry for one in found for entry in one.entries),
        notes=tuple(note for one in found for note in one.notes),
    )


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


def data_folder(chosen: Settings) -> Path:
    """Return where the data of benchmarks are kept."""
    return chosen.folder / "evals"


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


def environments(chosen: Settings) -> Environments:
    """Return what makes a fresh environment for each case of a suite.

    A case names a function that makes its own; without one its tools answer what it says.
    """

    def make(case: Case) -> Environment:
        if not case.environment:
            return of_replies(case)
        maker = reference.find(case.environment, chosen.root)
        made = maker() if callable(maker) else maker
        if not isinstance(made, Environment):
            raise SettingsError(
                f"{case.environment}: expected a function that returns an Environment, "
                f"got {type(made).__name__}"
            )
        return made

    return make
