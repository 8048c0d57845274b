"""Real documents: every operation becomes a tool with a valid schema, or says why it does not.

`make openapi-documents` fetches two packages: all of GitHub's interface in five editions, and the
examples that a vendor of documentation tests its own product with.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from callgate.errors import SettingsError
from callgate.schema.check import Checker
from callgate.settings.sources import OpenApiSettings
from callgate.sources.openapi.document import read
from callgate.sources.openapi.source import OpenApiSource, openapi
from callgate.sources.secrets import Secrets
from callgate.types import Effect

INSTALLED = Path(__file__).resolve().parents[2] / ".cache/openapi/node_modules"
GITHUB = INSTALLED / "@octokit/openapi/generated"
EXAMPLES = INSTALLED / "@readme/oas-examples"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


def found(folder: Path, *versions: str) -> list[Path]:
    """Return the documents in a folder, in the order of their names."""
    folders = [folder / version for version in versions] or [folder]
    paths = (path for one in folders for path in one.rglob("*") if ".deref." not in path.name)
    return sorted(path for path in paths if path.suffix in {".json", ".yaml"})


def named(path: Path) -> str:
    return str(path.relative_to(INSTALLED))


# Where nothing is installed each test is still there, to be skipped by name.
DOCUMENTS = [*found(GITHUB), *found(EXAMPLES, "3.0", "3.1")] or [INSTALLED]
SWAGGER = found(EXAMPLES, "2.0") or [INSTALLED]
# The package itself says something else in the two notations of it.
UNEQUAL = EXAMPLES / "3.1/yaml/parameters-style.yaml"
PAIRS = [path for path in DOCUMENTS if path.suffix != ".json" and path != UNEQUAL]


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not INSTALLED.is_dir():
        pytest.skip("needs openapi-documents: run `make openapi-documents`")


def loaded(path: Path) -> OpenApiSource:
    settings = OpenApiSettings(document=str(path), url="https://service.example")
    return openapi("real", settings, root=path.parent, secrets=Secrets({}))


def operations(path: Path) -> Iterator[tuple[str, str]]:
    """Yield method and path of every operation, read without a line of ours."""
    data = path.read_bytes()
    root: Any = orjson.loads(data) if path.suffix == ".json" else yaml.safe_load(data)
    for place, item in (root.get("paths") or {}).items():
        for method in METHODS & set(led_to(root, item)):
            yield method.upper(), place


def led_to(root: Any, item: Any) -> Any:
    """Return what a path says, here or at the place that it refers to."""
    if "$ref" not in item:
        return item
    target = root
    for step in item["$ref"].removeprefix("#/").split("/"):
        target = target[step.replace("~1", "/").replace("~0", "~")]
    return led_to(root, target)


def test_the_packages_are_whole() -> None:
    assert [path.name for path in found(GITHUB)] == [
        "api.github.com.json",
        "ghec.json",
        "ghes-3.17.json",
        "ghes-3.18.json",
        "ghes-3.19.json",
    ]
    assert len(DOCUMENTS) - len(found(GITHUB)) == 115
    assert len(SWAGGER) == 14


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_operation_becomes_a_tool_or_says_why_it_does_not(path: Path) -> None:
    source = loaded(path)
    made = [(one.method, one.path) for one in source.operations.values()]
    left_out = [(one.method, one.path) for one in source.skipped]
    assert sorted(made + left_out) == sorted(operations(path))
    assert all(one.reason.strip() for one in source.skipped)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_tool_is_one_a_model_can_be_given(path: Path) -> None:
    for name, operation in loaded(path).operations.items():
        tool = operation.tool
        assert tool.name == name
        assert NAME.fullmatch(name)
        assert tool.description.strip(), name
        parameters = tool.parameters
        Checker(parameters).compile()
        assert parameters["type"] == "object", name
        assert set(parameters.get("required", ())) <= set(parameters["properties"]), name
        # What the address needs is asked for, and what is asked for goes somewhere.
        asked = {one.name for one in operation.parameters if one.place == "path"}
        assert asked == set(re.findall(r"\{([^{}]+)\}", operation.path)), name
        sent = {one.argument for one in operation.parameters}
        if operation.body is not None:
            sent |= {one.argument for one in operation.body.fields}
            sent |= {operation.body.whole} - {None}
        assert set(parameters["properties"]) <= sent, name
        reads = operation.method in {"GET", "HEAD", "OPTIONS", "TRACE"}
        assert (tool.effect is Effect.READ) == reads, name


@pytest.mark.parametrize("path", PAIRS, ids=named)
def test_a_document_means_the_same_in_both_notations(path: Path) -> None:
    other = path.parent.parent / "json" / path.relative_to(path.parent).with_suffix(".json")
    assert list(loaded(path).list()) == list(loaded(other).list())


@pytest.mark.parametrize("path", SWAGGER, ids=named)
def test_a_document_of_the_old_form_is_refused_with_what_to_do(path: Path) -> None:
    with pytest.raises(SettingsError, match=r"it is Swagger 2\.0.*Converters"):
        read(path)
