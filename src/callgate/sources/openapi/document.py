"""Reads an OpenAPI document: JSON or YAML, 3.0 or 3.1, of bounded size, closed in itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import orjson
import yaml

from callgate.errors import SettingsError
from callgate.schema.values import is_array, is_object

__all__ = ["Document", "UnusableError", "of_yaml", "parse", "read"]

_MOST_BYTES = 64 * 1024 * 1024
_MOST_NODES = 1_000_000
"""Values of a YAML document; a thousand operations have some hundred thousand."""
_MOST_DEPTH = 200
_MOST_STEPS = 32
"""References that may lead to each other."""


class UnusableError(Exception):
    """A part of a document cannot be used; says why. The rest of the document still can."""


def _loader() -> type[yaml.CSafeLoader]:
    """Make a loader for YAML as its version 1.2 reads it: no dates, no `yes`, no base 60."""

    class Loader(yaml.CSafeLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    digits = list("-+0123456789.")
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
    )
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), digits
    )
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
        digits,
    )
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])
    return Loader


class Document:
    """A document, and what its references lead to.

    Attributes:
        root: The whole document.
        old: Whether it is version 3.0, whose schemas are not JSON Schema yet.
        name: Where it is from, for errors.
    """

    def __init__(self, root: dict[str, Any], name: str) -> None:
        """Keep the document.

        Args:
            root: The whole document, as JSON values.
            name: Where it is from.

        Raises:
            SettingsError: It is no OpenAPI document of a version that is understood.
        """
        version = str(root.get("openapi", ""))
        if not re.fullmatch(r"3\.[012](\.\d+)?(-.*)?", version):
            found = f"OpenAPI {version}" if version else "no OpenAPI document"
            if "swagger" in root:
                found = f"Swagger {root['swagger']}"
            raise SettingsError(
                f"{name}: it is {found}; OpenAPI 3.0 and 3.1 are understood. Converters from "
                "Swagger 2.0 are common.",
                details={"key": "document", "got": found},
            )
        self.root = root
        self.old = version.startswith("3.0")
        self.name = name

    def at(self, reference: str) -> Any:
        """Return what a reference leads to.

        Raises:
            UnusableError: It leaves the document, or leads nowhere.
        """
        if not reference.startswith("#"):
            raise UnusableError(f"{reference[:200]} is outside the document")
        here: Any = self.root
        for step in reference[1:].split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if is_object(here) and key in here:
                here = here[key]
            elif is_array(here) and key.isdigit() and int(key) < len(here):
                here = here[int(key)]
            else:
                raise UnusableError(f"{reference[:200]} leads nowhere")
        return here

    def resolved(self, value: Any) -> dict[str, Any]:
        """Return an object of the document, whatever references stand in its place.

        Raises:
            UnusableError: It is no object, or its references lead nowhere or in circles.
        """
        for _ in range(_MOST_STEPS):
            if not is_object(value):
                raise UnusableError(f"an object was expected, and {type(value).__name__} is there")
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = self.at(reference)
        raise UnusableError("references lead in circles")

    def component(self, kind: str) -> dict[str, Any]:
        """Return the components of a kind, by name."""
        components = self.root.get("components")
        found = components.get(kind) if is_object(components) else None
        return found if is_object(found) else {}


def read(path: Path) -> Document:
    """Read a document from a file.

    Raises:
        SettingsError: It is not there, too large, not JSON or YAML, or no OpenAPI document.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _unreadable(str(path), f"it has more than {_MOST_BYTES} bytes")
        data = path.read_bytes()
    except OSError as exc:
        raise _unreadable(str(path), exc.strerror or "it cannot be read") from exc
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Document:
    """Read a document from its bytes.

    Args:
        data: JSON or YAML.
        name: Where it is from, for errors.

    Raises:
        SettingsError: It is not JSON or YAML, or no OpenAPI document.
    """
    try:
        root: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        root = of_yaml(data, name)
    if not is_object(root):
        raise _unreadable(name, "it is no object")
    return Document(root, name)


def of_yaml(data: bytes, name: str) -> Any:
    """Return the JSON value of a YAML text, whose aliases are counted where they stand.

    Args:
        data: YAML 1.2, as far as it says what JSON can.
        name: Where it is from, for errors.

    Raises:
        SettingsError: It is not YAML, has no form in JSON, or is too large.
    """
    try:
        _count(data)
        value = yaml.load(data, Loader=_loader())
        return _Plain().of(value, 0)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        raise _unreadable(name, f"it is neither JSON nor YAML: {str(exc)[:300]}") from exc


def _count(data: bytes) -> None:
    # Reading on costs ten times as much time, and a kilobyte for each value.
    for number, _ in enumerate(yaml.parse(data, Loader=yaml.CSafeLoader)):
        if number > _MOST_NODES:
            raise ValueError("it is too large: write it as JSON, or leave parts of it out")


class _Plain:
    """Makes JSON values of what YAML gave; aliases are counted wherever they stand."""

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MOST_DEPTH:
            raise ValueError("it is too large or too deep when its aliases are written out")
        if is_object(value):
            return {_key(key): self.of(inner, depth + 1) for key, inner in value.items()}
        if is_array(value):
            return [self.of(inner, depth + 1) for inner in value]
        if value is None or isinstance(value, str | int | float):
            return value
        raise ValueError(f"a {type(value).__name__} has no form in JSON")


def _key(key: Any) -> str:
    return key if isinstance(key, str) else orjson.dumps(key).decode()


def _unreadable(name: str, why: str) -> SettingsError:
    return SettingsError(f"{name}: {why}", details={"key": "document", "got": name})
