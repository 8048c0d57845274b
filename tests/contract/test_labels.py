"""What a person said of real findings: the rules that run are seldom wrong, and the docs say so."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from callgate.contract.lint import RULES, Choice, Finding, judge
from callgate.release.read import read
from tests.conftest import ROOT
from tests.contract import sample
from tests.contract.cases import GOOD, findings

LABELS = [
    orjson.loads(line)
    for line in (Path(__file__).parent / "labels/findings.jsonl").read_bytes().splitlines()
]


def rates() -> dict[str, tuple[int, int]]:
    """Return how many findings of each rule were read, and how many of them were wrong."""
    read, wrong = Counter[str](), Counter[str]()
    for label in LABELS:
        read[label["rule"]] += 1
        wrong[label["rule"]] += label["verdict"] == "false"
    return {rule: (read[rule], wrong[rule]) for rule in read}


def test_a_hundred_findings_were_read_and_every_label_is_whole():
    assert len([label for label in LABELS if label["seed"] == sample.SEED]) >= 100
    assert {frozenset(label) for label in LABELS} == {
        frozenset({"id", "rule", "source", "tool", "verdict", "reason", "seed"})
    }
    assert {label["verdict"] for label in LABELS} == {"true", "false"}
    assert {label["rule"] for label in LABELS} <= {rule.id for rule in RULES}


def test_a_rule_that_is_wrong_in_one_of_ten_findings_is_off():
    often = {rule for rule, (read, wrong) in rates().items() if wrong > read / 10}
    assert [rule.id for rule in RULES if rule.on and rule.id in often] == []


def test_the_docs_give_the_rate():
    read = len(LABELS)
    on = {rule.id for rule in RULES if rule.on}
    running = [label for label in LABELS if label["rule"] in on]
    wrong = sum(label["verdict"] == "false" for label in running)
    page = (ROOT / "docs/lint.md").read_text()
    assert f"{read} findings" in page
    assert f"{wrong} of {len(running)}" in page


def test_the_labelled_findings_are_still_made(data_dir: Path):
    alone = tuple(r.id for r in RULES if r.each is not None or r.id.startswith("wire-"))
    together = tuple({label["rule"] for label in LABELS} - {*alone})
    gone: list[str] = []
    for source in sample.FILES:
        labels = {label["id"]: label for label in LABELS if label["source"] == source}
        listing = read(source, data_dir / "evals")
        names = {label["tool"] for label in labels.values()}
        named = tuple(entry for entry in listing.entries if entry.tool.name in names)
        found = {
            finding.id
            for some, rules in ((replace(listing, entries=named), alone), (listing, together))
            for finding in judge(some, Choice(only=rules)).findings
        }
        gone += [
            f"{label['rule']} of {label['tool']}" for id, label in labels.items() if id not in found
        ]
    assert gone == []


def test_the_same_seed_draws_the_same_findings():
    tools = [("a", finding) for finding in _some()]
    assert sample.drawn(tools, 7, 2) == sample.drawn(tools, 7, 2)
    assert len(sample.drawn(tools, 7, 2)) == 4


def _some() -> list[Finding]:
    tools = [{**GOOD, "name": f"a.{n}", "description": ""} for n in range(5)]
    wanted = ("name-not-portable", "description-missing")
    return [finding for finding in findings(*tools) if finding.rule in wanted]


def test_the_sample_is_printed_with_its_seed(
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    (tmp_path / "server.json").write_bytes(orjson.dumps({"tools": [_tool()]}))
    monkeypatch.setattr(sample, "FILES", ("apibank_tools.jsonl.gz",))
    monkeypatch.setenv("CALLGATE_SERVERS", str(tmp_path))
    monkeypatch.setenv("CALLGATE_DATA", str(data_dir))
    monkeypatch.setattr("sys.argv", ["sample", "5", "1"])
    sample.main()
    out = capsys.readouterr().out
    assert out.startswith("seed 5, 1 of every rule: ")
    assert "description-missing | server.json | x | description" in out


def _tool() -> dict[str, object]:
    return {"name": "x", "inputSchema": {"type": "object"}}


def test_the_docs_hold_the_table_of_rules():
    page = (ROOT / "docs/lint.md").read_text().splitlines()
    known = rates()
    for rule in RULES:
        read = "{}, {}".format(*known[rule.id]) if rule.id in known else "-"
        runs = "yes" if rule.on else "no"
        assert f"| `{rule.id}` | {rule.severity} | {runs} | {read} | {rule.reason} |" in page
