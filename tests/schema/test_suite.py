"""The official JSON Schema 2020-12 test suite, but for its optional part, through `Checker`."""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from callgate.errors import DefinitionError
from callgate.schema.check import Checker

SDIST = "jsonschema-4.26.0.tar.gz"
FOLDER = "/json/tests/draft2020-12/"
PIN = Path(__file__).with_name("suite.txt")
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "suite"

PASSING = 1_212
REMOTE = "a reference leaves the document: schemas are never fetched, so the tool is refused"
DIALECT = "a meta-schema of somebody's own is not fetched; its keywords are read as 2020-12"

# Every case that does not give the suite's answer: file, group, number of cases, reason.
DIFFERENCES = [
    (
        "dynamicRef.json",
        "$ref and $dynamicAnchor are independent of order - $defs first",
        3,
        REMOTE,
    ),
    ("dynamicRef.json", "$ref and $dynamicAnchor are independent of order - $ref first", 3, REMOTE),
    ("dynamicRef.json", "$ref to $dynamicRef finds detached $dynamicAnchor", 2, REMOTE),
    (
        "dynamicRef.json",
        "strict-tree schema, guards against misspelled properties",
        2,
        REMOTE,
    ),
    (
        "dynamicRef.json",
        "tests for implementation dynamic anchor and reference link",
        3,
        REMOTE,
    ),
    ("refRemote.json", "$ref to $ref finds detached $anchor", 2, REMOTE),
    ("refRemote.json", "Location-independent identifier in remote ref", 2, REMOTE),
    ("refRemote.json", "anchor within remote ref", 2, REMOTE),
    ("refRemote.json", "base URI change", 2, REMOTE),
    ("refRemote.json", "base URI change - change folder", 2, REMOTE),
    ("refRemote.json", "base URI change - change folder in subschema", 2, REMOTE),
    ("refRemote.json", "fragment within remote ref", 2, REMOTE),
    ("refRemote.json", "ref within remote ref", 2, REMOTE),
    ("refRemote.json", "remote HTTP ref with different $id", 2, REMOTE),
    ("refRemote.json", "remote HTTP ref with different URN $id", 2, REMOTE),
    ("refRemote.json", "remote HTTP ref with nested absolute ref", 2, REMOTE),
    ("refRemote.json", "remote ref", 2, REMOTE),
    ("refRemote.json", "remote ref with ref to defs", 2, REMOTE),
    ("refRemote.json", "retrieved nested refs resolve relative to their URI not $id", 2, REMOTE),
    ("refRemote.json", "root ref in remote ref", 3, REMOTE),
    (
        "vocabulary.json",
        "schema that uses custom metaschema with with no validation vocabulary",
        1,
        DIALECT,
    ),
]


class Case(NamedTuple):
    file: str
    group: str
    schema: dict[str, Any]
    data: Any
    valid: bool


@pytest.fixture(scope="module")
def suite() -> list[Case]:
    """The cases of the suite, from the pinned source distribution."""
    archive = Path(os.environ.get("CALLGATE_SUITE") or CACHE) / SDIST
    if not archive.is_file():
        pytest.skip(f"needs {SDIST}: run `make test`, or name its folder in CALLGATE_SUITE")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert f"sha256:{digest}" in PIN.read_text(), f"{archive} is not the file that is pinned"
    return list(_cases(archive))


def _cases(archive: Path) -> Iterator[Case]:
    with tarfile.open(archive) as files:
        for member in sorted(files.getnames()):
            file = member.partition(FOLDER)[2]
            if not file.endswith(".json") or "/" in file:
                continue
            content = files.extractfile(member)
            assert content is not None
            for group in json.load(content):
                whole = group["schema"]
                # A tool's schema is an object; a bare true or false is put into one.
                schema = whole if isinstance(whole, dict) else {"allOf": [whole]}
                for test in group["tests"]:
                    yield Case(
                        file, group["description"], schema, test["data"], bool(test["valid"])
                    )


def _agrees(case: Case) -> bool:
    try:
        checker = Checker(case.schema)
        answers = (checker.is_valid(case.data), checker.problems(case.data) == ())
    except DefinitionError:
        return False
    return answers == (case.valid, case.valid)


def test_the_official_suite_passes_but_for_references_that_would_be_fetched(
    suite: list[Case],
) -> None:
    failing: dict[tuple[str, str], int] = {}
    for case in suite:
        if not _agrees(case):
            name = (case.file, case.group)
            failing[name] = failing.get(name, 0) + 1

    assert failing == {(file, group): number for file, group, number, _ in DIFFERENCES}
    assert len(suite) - sum(failing.values()) == PASSING


@pytest.mark.parametrize(
    ("file", "group"), [(file, group) for file, group, _, reason in DIFFERENCES if reason == REMOTE]
)
def test_a_reference_out_of_the_document_is_refused_when_the_tool_is_defined(
    suite: list[Case], file: str, group: str
) -> None:
    schema = next(case.schema for case in suite if (case.file, case.group) == (file, group))

    with pytest.raises(DefinitionError, match="never fetched"):
        Checker(schema)
