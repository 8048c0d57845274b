"""Calls that real models streamed, whole and spoiled, under the early-stop judge."""

from pathlib import Path

from tests.bench.stream import SPOILERS, growth, saved


def test_no_recorded_call_is_stopped_and_every_spoiled_one_is(data_dir: Path):
    report = saved(data_dir / "exchanges", rounds=1)
    assert (report["unspoiled"]["n"], report["unspoiled"]["ids"]) == (162, [])
    for kind in SPOILERS:
        assert report[kind]["n"] > 0
        assert (kind, report[kind]["not_stopped"]) == (kind, 0)
        assert 0 < report[kind]["share_saved"] <= 1


def test_the_time_grows_with_the_text_and_not_faster():
    short, long = ({one["shape"]: one for one in growth([size], 3)} for size in (5_000, 40_000))
    for shape in ("rows", "string"):
        for kind in ("live_ms", "checked_ms", "looking_ms"):
            per_delta = [one[shape][kind] / one[shape]["deltas"] for one in (short, long)]
            assert per_delta[1] < per_delta[0] * 3, (shape, kind)  # eight times is the square
