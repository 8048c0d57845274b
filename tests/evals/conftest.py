"""Fixtures of the evaluations: the data, and small files of its form."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def evals(data_dir: Path) -> Path:
    """The folder of evaluation data."""
    return data_dir / "evals"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write JSON lines, as gzip if the name says so."""

    def file(name: str, lines: Iterable[Any]) -> Path:
        path = tmp_path / name
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return file


def described(name: str = "add", **parameters: Any) -> dict[str, Any]:
    """A function of BFCL; every parameter is required whose description does not say otherwise."""
    properties = {
        key: {"type": kind} if isinstance(kind, str) else kind for key, kind in parameters.items()
    }
    return {
        "name": name,
        "description": "",
        "parameters": {"type": "dict", "properties": properties, "required": []},
    }
