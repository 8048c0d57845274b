"""Data sets come from their homes, held to hashes, at once or not at all."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callgate.downloads import Progress
from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.bfcl import multi_turn
from callgate.evals.files import read_lines
from callgate.evals.sets.catalogue import CATALOGUE, DataSet, Piece
from callgate.evals.sets.fetching import LOCK, Fetched, fetch, is_here
from callgate.evals.sets.forms import write_lines
from tests.conftest import ROOT
from tests.publisher import Publisher, publishing

ONE = b'{"id": "a"}\n' * 400  # 4,800 bytes
TWO = b'{"id": "b"}\n'
HASHES = {
    "one.jsonl": hashlib.sha256(ONE).hexdigest(),
    "two.jsonl": hashlib.sha256(TWO).hexdigest(),
}


def joined(pieces: Mapping[str, Path], folder: Path) -> None:
    lines = (
        {"name": line["id"]}
        for name in ("one.jsonl", "two.jsonl")
        for line in read_lines(pieces[name])
    )
    write_lines(folder / "all.jsonl.gz", lines)


@pytest.fixture
def home() -> Iterator[Publisher]:
    with publishing() as server:
        server.files |= {"/owner/repo/c0ffee/data/one.jsonl": ONE, "/two.jsonl": TWO}
        yield server


@pytest.fixture
def letters(home: Publisher) -> DataSet:
    """A data set of two pieces; the hash of the first is known."""
    return DataSet(
        name="letters",
        about="Letters",
        home=home.url,
        licence="MIT",
        megabytes=0.1,
        pieces=(
            Piece(
                file="one.jsonl",
                source=f"{home.url}/owner/repo/c0ffee/data/one.jsonl",
                sha256=HASHES["one.jsonl"],
                size=len(ONE),
            ),
            Piece(file="two.jsonl", source=f"{home.url}/two.jsonl"),
        ),
        files=("all.jsonl.gz",),
        make=joined,
        use="use {folder}",
    )


def names(fetched: Fetched) -> list[str]:
    return [line["name"] for line in read_lines(fetched.folder / "all.jsonl.gz")]


def left(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".fetching"
    }


def test_a_data_set_is_fetched_made_and_not_asked_for_again(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    assert not is_here(letters, tmp_path)
    fetched = fetch(letters, tmp_path, progress=seen.append)
    assert is_here(letters, tmp_path)
    assert (fetched.present, fetched.first) == (False, ("two.jsonl",))
    assert fetched.pieces == HASHES
    assert names(fetched) == ["a"] * 400 + ["b"]
    assert [(one.done, one.total) for one in seen] == [(4800, 4800), (12, 12)]
    assert left(tmp_path) == {
        LOCK,
        "downloads/one.jsonl",
        "downloads/two.jsonl",
        "letters/all.jsonl.gz",
        "letters/made.json",
    }
    assert json.loads((tmp_path / LOCK).read_text())["sha256"] == {"two.jsonl": HASHES["two.jsonl"]}
    asked = len(home.asked)
    again = fetch(letters, tmp_path)
    assert (again.present, again.files, again.first) == (True, fetched.files, ())
    assert len(home.asked) == asked


def test_files_that_were_changed_are_made_anew(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    files = fetch(letters, tmp_path).files
    (tmp_path / "letters/all.jsonl.gz").write_bytes(b"other")
    again = fetch(letters, tmp_path)
    assert (again.present, again.files, len(home.asked)) == (False, files, 2)


def test_a_download_that_was_cut_goes_on_where_it_stopped(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    home.cut = 1000
    with pytest.raises(
        EvaluationDataError, match=r"letters could not be fetched: .* bytes"
    ) as caught:
        fetch(letters, tmp_path)
    assert "It goes on from there when it is started again" in caught.value.message
    assert left(tmp_path) == {"downloads/one.jsonl.partial"}
    home.cut = None
    assert names(fetch(letters, tmp_path))[-1] == "b"
    assert home.asked == ["bytes=0-", "bytes=1000-", "bytes=0-"]


def test_a_cut_is_seen_by_the_servers_word_where_no_size_is_known(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    fetch(letters, tmp_path)
    (tmp_path / "downloads/two.jsonl").unlink()
    (tmp_path / "letters/made.json").unlink()
    home.cut = 5
    with pytest.raises(EvaluationDataError, match="gave 5 of 12 bytes"):
        fetch(letters, tmp_path)


def test_a_whole_file_that_a_killed_fetch_left_is_not_fetched_again(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/one.jsonl.partial").write_bytes(ONE)
    (tmp_path / "downloads/two.jsonl.partial").write_bytes(TWO)
    fetch(letters, tmp_path)
    assert home.asked == ["bytes=12-"]


def test_a_server_without_ranges_sends_the_whole_file_again(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/two.jsonl.partial").write_bytes(b"{{{")
    home.ranges = False
    assert names(fetch(letters, tmp_path))[-1] == "b"


def test_a_file_that_its_home_has_no_more_is_told(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    del home.files["/two.jsonl"]
    with pytest.raises(EvaluationDataError, match=r"two\.jsonl: HTTP 404"):
        fetch(letters, tmp_path)


def test_another_file_than_the_pinned_one_is_refused_and_thrown_away(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    right = home.files["/owner/repo/c0ffee/data/one.jsonl"]
    home.files["/owner/repo/c0ffee/data/one.jsonl"] = wrong = right.replace(b"a", b"x")
    with pytest.raises(EvaluationDataError) as caught:
        fetch(letters, tmp_path)
    assert caught.value.details["expected"] == HASHES["one.jsonl"]
    assert caught.value.details["got"] == hashlib.sha256(wrong).hexdigest()
    assert "the catalogue says" in caught.value.message
    assert left(tmp_path) == set()
    home.files["/owner/repo/c0ffee/data/one.jsonl"] = right
    assert fetch(letters, tmp_path).pieces == HASHES


def test_what_was_fetched_first_is_held_to_ever_after(
    home: Publisher, letters: DataSet, tmp_path: Path
) -> None:
    """Two machines share a lock, as by git; between them the home gives another file."""
    lock = tmp_path / "lock.json"
    fetch(letters, tmp_path / "mine", lock=lock)
    home.files["/two.jsonl"] = b'{"id": "c"}\n'
    with pytest.raises(EvaluationDataError, match=rf"{lock} says {HASHES['two.jsonl']}"):
        fetch(letters, tmp_path / "theirs", lock=lock)
    # Who has fetched it without the lock learns of it as soon as there is one.
    fetch(letters, tmp_path / "careless")
    with pytest.raises(EvaluationDataError, match="is not the file it should be"):
        fetch(letters, tmp_path / "careless", lock=lock)


def test_a_lock_of_another_version_is_refused(letters: DataSet, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"format": 2}')
    with pytest.raises(EvaluationDataError, match="is no lock of data sets of this version"):
        fetch(letters, tmp_path)


def test_what_is_of_another_form_is_told_and_leaves_nothing_half(
    letters: DataSet, tmp_path: Path
) -> None:
    def broken(pieces: Mapping[str, Path], folder: Path) -> None:
        (folder / "half").write_text("")
        raise KeyError("calling")

    with pytest.raises(
        EvaluationDataError, match=r"is not of the form it had: KeyError\('calling'\)"
    ):
        fetch(replace(letters, make=broken), tmp_path)
    assert left(tmp_path) == {"downloads/one.jsonl", "downloads/two.jsonl"}


# ------------------------------------------------------------------ from here


Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def files(**contents: bytes) -> Path:
        for name, content in contents.items():
            path = tmp_path / "given" / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / "given"

    return files


@pytest.mark.parametrize("one", ["one_jsonl", "data__one_jsonl"])
def test_a_folder_or_a_clone_stands_for_the_home_and_is_held_to_the_same_hashes(
    home: Publisher, letters: DataSet, tmp_path: Path, put: Put, one: str
) -> None:
    folder = put(**{one: ONE, "two_jsonl": TWO})
    assert fetch(letters, tmp_path, source=folder).pieces == HASHES
    assert home.asked == []


def test_a_wrong_file_from_here_is_refused(letters: DataSet, tmp_path: Path, put: Put) -> None:
    folder = put(one_jsonl=ONE[:-1], two_jsonl=TWO)
    with pytest.raises(EvaluationDataError, match=f"the catalogue says {HASHES['one.jsonl']}"):
        fetch(letters, tmp_path, source=folder)


def test_what_a_folder_lacks_is_named_with_its_home(
    letters: DataSet, tmp_path: Path, put: Put
) -> None:
    with pytest.raises(
        EvaluationDataError, match=r"has no two\.jsonl, a piece of letters; it comes"
    ):
        fetch(letters, tmp_path, source=put(one_jsonl=ONE))
    with pytest.raises(EvaluationDataError, match="has 2 pieces: --from must name the folder"):
        fetch(letters, tmp_path, source=tmp_path / "given/one.jsonl")
    with pytest.raises(EvaluationDataError, match="is not there"):
        fetch(letters, tmp_path, source=tmp_path / "nowhere")


def test_files_that_are_ready_are_read_through_and_held_to_the_lock(
    letters: DataSet, tmp_path: Path, put: Put
) -> None:
    folder = put(all_jsonl_gz=ONE)
    fetched = fetch(letters, tmp_path, source=folder)
    assert (fetched.pieces, fetched.first) == ({}, ("letters/all.jsonl.gz",))
    assert fetch(letters, tmp_path).present
    put(all_jsonl_gz=TWO)
    with pytest.raises(EvaluationDataError, match="is not the file it should be"):
        fetch(letters, tmp_path, source=folder)
    put(all_jsonl_gz=b"{")
    with pytest.raises(EvaluationDataError, match="not JSON"):
        fetch(letters, tmp_path / "else", source=folder)


# ------------------------------------------------------------------ a disk that is full


FULL = """
import resource, signal, sys
from pathlib import Path
from callgate.evals.sets import catalogue, fetching
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
piece = catalogue.Piece(file="one.jsonl", source=sys.argv[1], size=4800)
one = catalogue.DataSet(name="one", about="", home="", licence="", megabytes=0, pieces=(piece,),
    files=("all.jsonl",), make=lambda pieces, folder: (folder / "all.jsonl").write_bytes(
    pieces["one.jsonl"].read_bytes() * 2), use="")
try:
    fetching.fetch(one, Path(sys.argv[2]))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("room", "told"),
    [
        (2000, "one.jsonl.partial cannot be written: File too large. What has come is kept"),
        (5000, "cannot be read or written: File too large. What has come is kept: make room"),
    ],
)
def test_a_disk_without_room_is_told_and_what_came_is_kept(
    home: Publisher, letters: DataSet, tmp_path: Path, room: int, told: str
) -> None:
    """A bound on the size of files fails a write in the same place as a full disk."""
    url = letters.pieces[0].source

    def run(limit: int) -> str:
        command = [sys.executable, "-c", FULL, url, str(tmp_path), str(limit)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
        )
        return done.stdout

    said = run(room)
    assert said.startswith("EvaluationDataError")
    assert told in said
    assert "one" not in {path.name for path in tmp_path.iterdir()}
    assert run(100_000) == ""
    assert home.asked == (["bytes=0-", "bytes=2000-"] if room == 2000 else ["bytes=0-"])
    assert (tmp_path / "one/all.jsonl").read_bytes() == ONE * 2


# ------------------------------------------------------------------ real distributions


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip finds the real distributions, as the index gave them, in a folder."""
    folder = ROOT / ".cache/sets"
    if not (folder / ".stamp").exists():
        pytest.skip("needs .cache/sets: make sets")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("bfcl-v4", {"bfcl_v4_questions": 3641, "bfcl_v4_multi_turn_questions": 600}),
        ("complexfuncbench", {"complexfuncbench": 1000, "complexfuncbench_tools": 40}),
        ("nestful", {"nestful_v1": 300, "nestful_v1_tools": 133}),
    ],
)
def test_a_real_distribution_becomes_the_data_that_the_scorers_were_held_to(
    evals: Path, tmp_path: Path, name: str, counts: dict[str, int]
) -> None:
    fetched = fetch(CATALOGUE[name], tmp_path)
    assert fetched.first == ()
    for file, count in counts.items():
        made = list(read_lines(fetched.folder / f"{file}.jsonl.gz"))
        known = list(read_lines(evals / f"{file}.jsonl.gz"))
        assert len(made) == count
        # The folder of data holds every second sample of one set, and the others whole.
        assert [one for one in made if name != "complexfuncbench" or one in known] == known


@pytest.mark.usefixtures("index")
def test_fetched_environments_are_those_that_multi_turn_items_are_scored_in(
    evals: Path, tmp_path: Path, write: Callable[..., Path]
) -> None:
    folder = fetch(CATALOGUE["bfcl-v4"], tmp_path).folder
    lines = list(read_lines(evals / "bfcl_v4_multi_turn_base.jsonl.gz"))
    outputs = write("few.jsonl", [one for one in lines if one["id"] == lines[0]["id"]])
    tally = multi_turn.score(
        folder / "bfcl_v4_multi_turn_questions.jsonl.gz", outputs, folder=folder / "environments"
    )
    assert (tally.items > 0, tally.differences) == (True, 0)


def test_every_home_is_pinned_to_a_version_or_a_commit() -> None:
    pins: list[Any] = [piece for one in CATALOGUE.values() for piece in one.pieces]
    for piece in pins:
        if piece.is_wheel:
            assert "==" in piece.source
            assert piece.sha256
        else:
            assert len(piece.source.split("/")[5]) == 40
    assert {one.name for one in CATALOGUE.values() if one.licence == ""} == set()
