"""Files of exchanges: what is read, and one line for what is not."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from callgate.testing.exchanges import Exchange, RecordingError, files_of, read
from tests.testing.invented import record, written

CALL = {"id": None, "name": "add", "arguments": "{}"}


def test_plain_and_compressed_files_hold_the_same_exchanges(tmp_path: Path):
    records = [
        record("openai.chat", response={}, headers={"Retry-After": 3}, expected_calls=[CALL]),
        {"wire": "openai.chat", "chunks": []},
    ]
    plain = read(written(tmp_path / "a.jsonl", records))
    packed = read(written(tmp_path / "a.jsonl.gz", records))
    assert plain.exchanges == (
        Exchange(
            id="first",
            wire="openai.chat",
            model="m",
            status=200,
            answer="response",
            value={},
            headers={"retry-after": "3"},
            expected=(CALL,),
        ),
        Exchange(id=f"{tmp_path / 'a.jsonl'}:2", wire="openai.chat", answer="chunks", value=[]),
    )
    assert packed.exchanges[0] == plain.exchanges[0]
    assert [one.streamed for one in plain.exchanges] == [False, True]


def test_empty_lines_are_passed_over_and_counted(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(b"\n  \n")
    assert read(tmp_path / "a.jsonl").exchanges == ()


def test_a_lone_surrogate_is_read_as_it_was_recorded(tmp_path: Path):
    (tmp_path / "a").write_bytes(b'{"wire": "w", "response": "\\ud800"}')
    assert read(tmp_path / "a").exchanges[0].value == "\ud800"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes"),
        ("[]", "expected an object, got list"),
        (
            "{}",
            "has no answer; an exchange has one of response, response_sse, response_events, chunks",
        ),
        ('{"response": {}}', "has no wire"),
        ('{"wire": 7, "response": {}}', "wire is int, not str"),
        ('{"wire": "w", "response": {}, "chunks": []}', "has response and chunks; an exchange has"),
        ('{"wire": "w", "response_sse": []}', "response_sse is list, not str"),
        ('{"wire": "w", "chunks": "x"}', "chunks is str, not list"),
        ('{"wire": "w", "response": {}, "status": "200"}', "status is str, not int"),
        ('{"wire": "w", "response": {}, "status": true}', "status is bool, not int"),
        ('{"wire": "w", "response": {}, "expected_calls": [1]}', "a call of expected_calls has no"),
    ],
)
def test_a_line_of_another_form_is_told_with_its_place(tmp_path: Path, line: str, told: str):
    file = tmp_path / "a.jsonl"
    file.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(RecordingError) as caught:
        read(file)
    assert caught.value.message.startswith(f"{file}:2: {told}")


@pytest.mark.parametrize(
    "data", [gzip.compress(b"{}", mtime=0)[:-6], b"\x1f\x8b\x08 damaged", b"\x1f\x8b"]
)
def test_a_damaged_archive_is_told_in_one_line(tmp_path: Path, data: bytes):
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(data)
    with pytest.raises(RecordingError, match=r"a\.jsonl\.gz: cannot be read: [^\n]+$"):
        read(file)


def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path):
    with pytest.raises(RecordingError) as caught:
        read(tmp_path / "a")
    assert caught.value.message == f"{tmp_path / 'a'}: cannot be read: No such file or directory"


def test_a_folder_stands_for_its_recordings(tmp_path: Path):
    one: dict[str, Any] = {}
    files = [written(tmp_path / name, [one]) for name in ("b.jsonl", "a.jsonl.gz")]
    (tmp_path / "README.md").write_text(json.dumps(one))
    alone = tmp_path / "elsewhere"
    assert list(files_of([tmp_path, alone])) == [files[1], files[0], alone]


def test_a_folder_without_recordings_is_told(tmp_path: Path):
    with pytest.raises(RecordingError) as caught:
        list(files_of([tmp_path]))
    assert caught.value.message == f"{tmp_path}: the folder has no *.jsonl or *.jsonl.gz"
