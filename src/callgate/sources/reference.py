"""Finds what `tools = [...]` of the settings names: `module:attribute` or `path/file.py:attribute`.

The attribute is a tool, a source, or a list of these. Importing a module runs it: whoever may write
the settings file may run code, as with any configuration that names code.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeGuard, cast

from callgate.errors import SettingsError
from callgate.pipeline import Source
from callgate.tool import FunctionTool

__all__ = ["Offered", "find", "load"]

Offered: TypeAlias = FunctionTool[..., Any] | Source


def load(references: Iterable[str], root: Path) -> list[Offered]:
    """Import what each reference names.

    Args:
        references: `module:attribute` or `path/file.py:attribute`.
        root: What paths are relative to; modules are looked for here first.

    Returns:
        Tools and sources in order; a list or tuple of them gives its items.

    Raises:
        SettingsError: A reference is not readable, not importable, or names nothing.
    """
    _look_in(root)
    return [item for reference in references for item in _items(reference, root)]


def find(reference: str, root: Path) -> object:
    """Import what a reference names, whatever it is.

    Args:
        reference: `module:attribute` or `path/file.py:attribute`; a module or file alone gives
            the module.
        root: What paths are relative to; modules are looked for here first.

    Raises:
        SettingsError: It is not importable, or names nothing.
    """
    _look_in(root)
    if ":" in reference:
        return _attribute(reference, root)
    return _loaded(reference, reference, root)


def _look_in(root: Path) -> None:
    if str(root) not in sys.path:
        # As `python script.py` does for the script's folder; a console command does not.
        sys.path.insert(0, str(root))


def _loaded(reference: str, place: str, root: Path) -> ModuleType:
    return _file(reference, root / place) if place.endswith(".py") else _module(reference, place)


def _items(reference: str, root: Path) -> Iterable[Offered]:
    """Yield what one reference names, and refuse what is no tool before a gate meets it."""
    found = _attribute(reference, root)
    many = isinstance(found, list | tuple)
    for item in cast("Iterable[object]", found) if many else (found,):
        if not _is_offered(item):
            kind = getattr(item, "__name__", None) or type(item).__name__
            hint = "; put @tool before the function" if callable(item) else ""
            raise _error(reference, f"{kind} is neither a tool nor a source{hint}")
        yield item


def _is_offered(item: object) -> TypeGuard[Offered]:
    return isinstance(item, FunctionTool) or (
        callable(getattr(item, "list", None)) and callable(getattr(item, "call", None))
    )


def _attribute(reference: str, root: Path) -> object:
    place, colon, name = reference.rpartition(":")
    if not (place and colon and name):
        raise _error(
            reference, 'expected "module:attribute" or "file.py:attribute", such as "tools.py:add"'
        )
    module = _loaded(reference, place, root)
    try:
        return getattr(module, name)
    except AttributeError:
        public = [other for other in vars(module) if not other.startswith("_")]
        near = difflib.get_close_matches(name, public, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _error(reference, f"{place} has no {name!r}{hint}") from None


def _module(reference: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as exc:
        raise _error(reference, _told(exc)) from exc


def _file(reference: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise _error(reference, f"there is no file {path}")
    # The name holds the whole path, so that two files called tools.py do not share a module.
    name = "callgate_file_" + "".join(c if c.isalnum() else "_" for c in str(path.resolve()))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _error(reference, f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs: annotations are resolved through `sys.modules`.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        del sys.modules[name]
        raise _error(reference, _told(exc)) from exc
    return module


def _told(exc: Exception) -> str:
    """Say where in the user's own code an import failed."""
    trace, place = exc.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file not in (__file__, importlib.__file__):
            place = f" ({Path(file).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"importing it failed with {type(exc).__name__}: {exc}{place}"


def _error(reference: str, problem: str) -> SettingsError:
    return SettingsError(
        f"tools: {reference}: {problem}", details={"key": "tools", "got": reference}
    )
