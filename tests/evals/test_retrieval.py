"""Tool retrieval: rankings against the tools that a request needs."""

from itertools import islice
from math import log2
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.retrieval import Bm25, score
from callgate.evals.files import read_lines
from tests.evals.conftest import Write


@pytest.mark.parametrize(
    ("name", "tools", "recall", "gain"),
    [("toolbench", 2_479, 0.671, 0.589), ("sealtools", 4_076, 0.878, 0.850)],
)
def test_the_baseline_reaches_the_measured_one(
    evals: Path, write: Write, name: str, tools: int, recall: float, gain: float
) -> None:
    """Measured over all requests with plain BM25; here every sixth is asked."""
    lines = islice(read_lines(evals / f"retrieval_{name}_queries.jsonl.gz"), 0, None, 6)
    queries = write("q.jsonl.gz", lines)
    found = score(evals / f"retrieval_{name}_tools.jsonl.gz", queries)
    assert found["tools"] == tools
    assert found["recall@10"] > recall - 0.04
    assert found["ndcg@10"] > gain - 0.04
    assert found["missing"] == 0
    assert sum(group["items"] for group in found["groups"].values()) == found["items"]


TOOLS = [
    {"id": name, "description": text}
    for name, text in (("a", "add numbers"), ("b", "send a mail"), ("c", "call"))
]


def test_a_ranking_is_measured_by_recall_and_gain(write: Write) -> None:
    queries = [
        {"id": "1", "query": "", "relevant": ["a", "b"], "group": "x"},
        {"id": "2", "query": "", "relevant": ["c"], "group": "y"},
        {"id": "3", "query": "", "relevant": ["c"], "group": "y"},
    ]
    ranked = [{"id": "1", "ranked": ["a", "c", "b"]}, {"id": "2", "ranked": ["a", "c"]}]
    found = score(
        write("t.jsonl", TOOLS), write("q.jsonl", queries), ranked=write("r.jsonl", ranked)
    )
    assert (found["items"], found["missing"]) == (3, 1)
    one, two = found["groups"]["x"], found["groups"]["y"]
    assert (one["recall@1"], one["recall@3"], one["all@10"]) == (0.5, 1.0, 1.0)
    best = 1 + 1 / log2(3)
    assert one["ndcg@3"] == pytest.approx((1 + 1 / log2(4)) / best, abs=1e-6)
    assert (two["recall@1"], two["recall@3"], two["ndcg@1"]) == (0.0, 0.5, 0.0)


def test_the_baseline_ranks_by_rare_words_and_breaks_ties_by_name() -> None:
    ranking = Bm25({"b": "sends mails", "a": "send mail", "c": "addNumbers of a sum", "d": "sum"})
    assert ranking.rank("sending a mail") == ["a", "b", "c"]
    assert ranking.rank("numbers, summed", depth=1) == ["c"]
    assert ranking.rank("?") == Bm25({}).rank("x") == []


@pytest.mark.parametrize(
    ("tools", "queries", "ranked", "told"),
    [
        ([{"text": "x"}], [], [], "a tool has none of the names"),
        (TOOLS, [{"id": "1", "query": "x"}], [], "item '1' has no expectation"),
        (TOOLS, [{"id": "1", "query": "x", "relevant": ["a"]}], [{"id": "1"}], "no list `ranked`"),
    ],
)
def test_files_of_another_form_are_refused(
    write: Write, tools: Any, queries: Any, ranked: Any, told: str
) -> None:
    with pytest.raises(EvaluationDataError, match=told):
        score(write("t", tools), write("q", queries), ranked=write("r", ranked))


def test_no_requests_have_no_measures(write: Write) -> None:
    assert score(write("t", TOOLS), write("q", []))["items"] == 0
