"""The short form of `make fuzz-diff`."""

import random
from pathlib import Path

from tests.contract.fuzz import Tally, chunk, judge, report
from tests.contract.real import judged, tools
from tests.contract.schemas import KEYWORDS

SEED = 7
FEW = ("agentdojo_tools.jsonl.gz", "complexfuncbench_tools.jsonl.gz", "nestful_v1_tools.jsonl.gz")


def test_no_verdict_over_random_pairs_is_wrong_and_few_are_undecided() -> None:
    told = report(chunk(SEED, 0, 200), SEED)
    assert told["wrong_pairs"] == []
    assert told["undecided_share"] <= 0.05
    shares = told["keyword_share_of_schemas"]
    assert {name for name in KEYWORDS if shares.get(name, 0) < 0.02} == set()
    assert {"compatible", "breaking"} <= told["verdicts"].keys()


def test_changes_of_real_tools_are_all_decided_and_none_wrongly(data_dir: Path) -> None:
    told = judged(tools(data_dir, FEW), SEED, 200)
    assert (told["wrong"], told["undecided_by_keyword"]) == ([], {})
    assert told["verdicts"]["breaking"] > 20
    assert told["verdicts"]["compatible"] > 20


def test_the_fuzz_notices_a_wrong_verdict() -> None:
    tally = Tally()
    judge({"type": "integer"}, {"type": "integer"}, random.Random(0), tally)
    assert tally.samples == 200
    # A schema that only says something else to the fuzz's own validator than to ours.
    formats = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "string"}
    judge(formats, formats | {"contentMediaType": "application/json"}, random.Random(0), tally)
    assert tally.verdicts == {"compatible": 1, "breaking": 1}
    assert len(tally.wrong) == 1
