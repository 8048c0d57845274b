"""A hundred thousand verdicts in one run of the command."""

from pathlib import Path

from tests.evals.throughput import run


def test_a_hundred_thousand_verdicts_take_seconds_and_the_memory_of_a_quarter_of_them(
    evals: Path, tmp_path: Path
) -> None:
    found = run(tmp_path, evals)
    assert found["items"] >= 100_000
    assert found["items"] == found["compared"] == found["copies"] * found["one_copy"]["items"]
    assert found["differences"] == found["one_copy"]["differences"] == 0
    # The processor's seconds, for others may run beside; 20 by the clock are promised.
    assert found["cpu_seconds"] <= 20
    # 75,000 outputs that were kept would take tens of megabytes.
    assert found["grown_mb"] < 6
