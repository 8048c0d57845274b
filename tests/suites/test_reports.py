"""Reports hold the figures, and whatever stands in a result stays text."""

import base64
import gzip
import re
from typing import Any
from xml.etree import ElementTree

import orjson

from callgate.evals.reports import plots
from callgate.evals.reports.junit import junit
from callgate.evals.reports.markdown import markdown
from callgate.evals.reports.page import page
from callgate.evals.suite.comparison import compare_runs
from callgate.evals.suite.summary import summarise
from tests.suites.made import result

HOSTILE = '</script><script>alert(1)</script> | "x" & \x00 \u2028'
RESULTS = [
    result("a", tags=["sums"]),
    result("b", passed=False, tags=["sums"]),
    result("c", passed=False, failure="unfinished", outcome="unfinished", difference="timed out"),
    result(HOSTILE, passed=False, difference=HOSTILE, selected=[["add", HOSTILE]]),
]


def test_junit_is_xml_with_a_case_for_every_item():
    text = "".join(junit("run", summarise(RESULTS), RESULTS))
    suite = ElementTree.fromstring(text.encode())
    assert suite.attrib == {
        "name": "run",
        "tests": "4",
        "failures": "2",
        "errors": "1",
        "time": "0.0",
    }
    assert [len(one) for one in suite] == [0, 1, 1, 1]
    assert suite[1][0].attrib == {
        "type": "wrong_tool",
        "message": "multiply was called, expected add",
    }
    assert suite[2][0].tag == "error"
    assert suite[3].attrib["name"] == HOSTILE.replace("\x00", "\ufffd")


def test_markdown_has_a_table_of_runs_their_failures_and_the_comparison():
    before = [result(one.case) for one in RESULTS]
    text = markdown({"run|1": summarise(RESULTS)}, compare_runs(before, RESULTS))
    assert "| run\\|1 | 4 | 25.0 % | 4.6 % to 69.9 % | 25.0 % | - | 1 | $0.0400 | 0.0 |" in text
    assert "| wrong_tool | 2 |" in text
    assert "0 gained, 3 lost, -75.0 points" in text
    assert "| b | wrong_tool | multiply was called, expected add |" in text
    assert "<script>" not in text


def test_many_regressions_are_counted_and_not_listed():
    before = [result(str(n)) for n in range(30)]
    after = [result(str(n), passed=False) for n in range(30)]
    text = markdown({"run": summarise(after)}, compare_runs(before, after))
    assert "and 10 more" in text


def items_of(text: str) -> list[dict[str, Any]]:
    packed = re.search(r'octet-stream">(.*?)</script>', text, re.DOTALL)
    assert packed is not None
    lines = gzip.decompress(base64.b64decode(packed[1])).splitlines()
    return [orjson.loads(line) for line in lines]


def test_a_page_is_one_file_that_holds_every_item_and_reaches_for_nothing():
    runs = {"one": summarise(RESULTS), "two": summarise(RESULTS[:1])}
    named = [("one", item) for item in RESULTS] + [("two", RESULTS[0])]
    before = [result(one.case) for one in RESULTS]
    text = "".join(page(runs, named, compare_runs(before, RESULTS)))
    items = items_of(text)
    assert [(item["run"], item["case"]) for item in items] == [
        (run, one.case) for run, one in named
    ]
    assert items[3]["difference"] == HOSTILE
    assert text.count("<script>alert") == 0
    assert re.findall(r"(?:src|href)=|https?://(?!www\.w3)", text) == []
    for title in ("Accuracy", "Cost against accuracy", "Failures of one", "Confusion of one"):
        assert f"<h2>{title}</h2>" in text
    assert "0 gained, 3 lost" in text


def test_a_page_comes_in_pieces_that_stay_small():
    results = [result(f"case {n}", difference=f"{n * 7919 % 10_007}") for n in range(20_000)]
    pieces = list(page({"run": summarise(results)}, (("run", one) for one in results)))
    assert max(map(len, pieces)) < 100_000
    assert len(items_of("".join(pieces))) == 20_000


def test_plots_are_drawings_that_xml_can_read():
    summary = summarise(RESULTS)
    drawn = [
        plots.accuracy(plots.shares(summary)),
        plots.failures(summary),
        plots.confusion(summary),
        plots.cost({"one": summary, "free": summarise([result("a", cost=None)])}),
        plots.failures(summarise([])),
        plots.cost({}),
    ]
    assert [ElementTree.fromstring(one).tag for one in drawn] == ["svg"] * 6
    assert "alert" not in drawn[2] or "&lt;script" in drawn[2]
