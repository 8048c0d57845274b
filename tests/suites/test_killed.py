"""The run that is killed twice, in its short form: the smallest real model, three items."""

import os
from pathlib import Path

import pytest

from callgate.agents.weights import find
from callgate.settings import load
from tests.suites.killed import run

NAME = "smollm2-135m"


def test_a_run_with_a_local_model_that_is_killed_twice_ends_complete(
    tmp_path: Path, data_dir: Path
):
    if not (load(dict(os.environ)).folder / "models" / find(NAME).file).exists():
        pytest.skip(f"needs SmolLM2: callgate model pull {NAME}")
    found = run(tmp_path, data_dir, number=3, model=f"local:{NAME}")
    assert (found["kills"], found["asked_twice"], found["complete"]) == (2, 0, True)
    assert (found["not_run"], found["report"]["items"], found["answers"]) == (0, 3, 3)
    assert found["answers_before_a_kill"] >= 2
