"""What a person said of real findings: the rules that run are seldom wrong, and the docs say so."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from callgate.contract.lint import RULES, Choice, Finding, judge
from callgate.evals.statistics import wilson
from callgate.release.read import read
from tests.conftest import ROOT
from tests.contract import sample
from tests.contract.cases import GOOD, findings

BY_RULE, ALIKE = sample.labels("findings"), sample.labels("uniform")
MENDED, RUNNING = sample.labels("mended"), sample.labels("running")
LABELS = [*BY_RULE, *ALIKE, *MENDED, *RUNNING]
PAGE = (ROOT / "docs/lint.md").read_text()


def wrong(labels: Iterable[dict[str, Any]]) -> int:
    return sum(label["verdict"] == "false" for label in labels)


def share(labels: list[dict[str, Any]]) -> str:
    """Say how many of some findings were wrong, as the docs say it."""
    low, high = wilson(wrong(labels), len(labels))
    rate = wrong(labels) / len(labels)
    return f"{len(labels)} | {wrong(labels)} | {rate:.0%} ({low * 100:.0f} to {high:.0%})".replace(
        "%", " %"
    )


def of(rule: str, labels: list[dict[str, Any]], *, made: bool = True) -> list[dict[str, Any]]:
    """Return the labels of a rule, of findings that it still makes or that it no longer makes."""
    return [label for label in labels if label["rule"] == rule and made != ("gone" in label)]


def test_every_label_is_whole_and_no_finding_was_read_twice():
    assert sorted(LABELS, key=str) == sorted(sample.labels(), key=str)
    assert {frozenset(label) - {"gone"} for label in LABELS} == {
        frozenset({"id", "rule", "source", "tool", "verdict", "reason", "seed"})
    }
    assert {label["verdict"] for label in LABELS} == {"true", "false"}
    assert {label["rule"] for label in LABELS} <= {rule.id for rule in RULES}
    assert all(label["reason"] for label in LABELS)
    assert len({label["id"] for label in LABELS}) == len(LABELS)


def test_a_hundred_findings_were_read_of_each_draw_from_all():
    assert len([label for label in BY_RULE if label["seed"] == sample.SEED]) >= 100
    assert Counter(label["seed"] for label in ALIKE) == {sample.ALIKE_SEED: sample.COUNT}
    assert Counter(label["seed"] for label in RUNNING) == {sample.RUNNING_SEED: sample.COUNT}


def test_a_rule_that_is_wrong_in_more_than_one_of_ten_findings_is_off():
    often = {
        rule.id
        for rule in RULES
        if (known := of(rule.id, LABELS)) and wrong(known) > len(known) / 10
    }
    assert often == {
        "confusable-pair",
        "description-untidy",
        "parameter-repeats-name",
        "parameter-undescribed",
        "returns-missing",
        "unit-missing",
    }
    assert [rule.id for rule in RULES if rule.on and rule.id in often] == []


def test_the_docs_give_the_rate_of_every_draw():
    for name, seeds, labels in (
        ("by rule", "15, 2026", BY_RULE),
        ("alike", "20261126", ALIKE),
        ("mended", "20261127, 20261128", MENDED),
        ("running", "20261129", RUNNING),
    ):
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
        assert row.startswith(f"| {name} | {seeds} |")
        assert row.endswith(f"| {share(labels)} |")
        assert {str(label["seed"]) for label in labels} == set(seeds.split(", "))


def test_the_docs_give_the_rate_of_every_rule_before_it_was_mended():
    rules = dict.fromkeys(label["rule"] for label in ALIKE)
    for rule in rules:
        known = [label for label in ALIKE if label["rule"] == rule]
        assert f"| `{rule}` | {share(known)} |" in PAGE.splitlines()
    rows = [line for line in PAGE.splitlines() if line.startswith("| `") and line.endswith("%) |")]
    assert len(rows) == len(rules)


def test_the_docs_tell_why_rules_are_off_and_what_was_said_again():
    for rule in RULES:
        known = of(rule.id, LABELS)
        if wrong(known) > len(known) / 10:
            assert f"`{rule.id}` ({wrong(known)} of {len(known)})" in " ".join(PAGE.split())
    again = [label for label in BY_RULE if label["reason"].startswith("read again: ")]
    assert f"{len(again)} of the first draw" in " ".join(PAGE.split())
    assert wrong(again) == len(again)


def test_the_labelled_findings_are_still_made_but_those_that_were_mended(data_dir: Path):
    alone = tuple(r.id for r in RULES if r.each is not None or r.id.startswith("wire-"))
    together = tuple({label["rule"] for label in LABELS} - {*alone})
    gone: dict[str, str] = {}
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
        gone |= {
            id: f"{label['rule']} of {label['tool']}"
            for id, label in labels.items()
            if id not in found
        }
    assert gone == {
        label["id"]: f"{label['rule']} of {label['tool']}" for label in LABELS if "gone" in label
    }


def test_the_same_seed_draws_the_same_findings():
    tools = [("a", finding) for finding in _some()]
    assert sample.drawn(tools, 7, 2) == sample.drawn(tools, 7, 2)
    assert len(sample.drawn(tools, 7, 2)) == 4


def test_a_uniform_draw_leaves_out_what_is_known_and_hangs_on_no_order():
    found = [("a", finding) for finding in _some()]
    drawn = sample.drawn_uniformly(found, 7, 4, ())
    assert sample.drawn_uniformly([*reversed(found), *found], 7, 4, ()) == drawn
    assert sample.drawn_uniformly(found, 8, 4, ()) != drawn
    known = {finding.id for _, finding in drawn}
    rest = sample.drawn_uniformly(found, 7, 99, known)
    assert {finding.id for _, finding in rest} == {f.id for _, f in found} - known


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
    monkeypatch.setattr("sys.argv", ["sample", "uniform", "5", "2"])
    sample.main()
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("seed 5, of ")
    assert first.endswith(" findings: 2 findings")
    assert len(rest) == 4
    monkeypatch.setattr("sys.argv", ["sample", "description-missing,name-vague"])
    sample.main()
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "seed 20261127, 20 of description-missing,name-vague: 1 findings"
    assert rest[0].endswith("description-missing | server.json | x | description")


def _tool() -> dict[str, object]:
    return {"name": "x", "inputSchema": {"type": "object"}}


def test_the_docs_hold_the_table_of_rules():
    for rule in RULES:
        known, gone = of(rule.id, LABELS), len(of(rule.id, LABELS, made=False))
        read = f"{len(known)}, {wrong(known)}, {gone}" if known or gone else "-"
        runs = "yes" if rule.on else "no"
        row = f"| `{rule.id}` | {rule.severity} | {runs} | {read} | {rule.reason} |"
        assert row in PAGE.splitlines()
