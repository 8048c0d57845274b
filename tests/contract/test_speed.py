import json
import os
import subprocess
import sys

from tests.conftest import ROOT


def test_a_thousand_tools_and_five_thousand_pairs_are_judged_in_seconds():
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-m", "tests.contract.speed"]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True)
    taken = json.loads(done.stdout)
    assert taken["lint of 1,000 tools"] <= 3
    assert taken["pairs of 5,000 tools"] <= 10
