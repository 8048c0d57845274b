"""Results as JUnit XML, which CI systems show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import quoteattr

from callgate.evals.suite.results import ItemResult
from callgate.evals.suite.summary import Summary

__all__ = ["junit"]

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(name: str, summary: Summary, results: Iterable[ItemResult]) -> Iterator[str]:
    """Yield the lines of a JUnit file; results are read once and not kept.

    Args:
        name: The name of the suite.
        summary: The figures of the same results.
        results: The results.
    """
    failed = summary.items - summary.passed - summary.unfinished
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield (
        f"<testsuite name={_quoted(name)} tests={_quoted(summary.items)} "
        f"failures={_quoted(failed)} errors={_quoted(summary.unfinished)} "
        f"time={_quoted(round(summary.seconds, 3))}>\n"
    )
    for result in results:
        yield from _case(name, result)
    yield "</testsuite>\n"


def _case(name: str, result: ItemResult) -> Iterator[str]:
    title = result.case + (f" [{result.repetition}]" if result.repetition else "")
    head = (
        f"<testcase classname={_quoted(name)} name={_quoted(title)} time={_quoted(result.seconds)}"
    )
    if result.passed:
        yield f"  {head}/>\n"
        return
    tag = "error" if result.outcome == "unfinished" else "failure"
    yield f"  {head}>\n"
    yield f"    <{tag} type={_quoted(result.failure)} message={_quoted(result.difference)}/>\n"
    yield "  </testcase>\n"


def _quoted(value: object) -> str:
    # XML 1.0 has no way to write most control characters.
    return quoteattr(_NOT_XML.sub("\ufffd", str(value)), {"\n": "&#10;", "\r": "&#13;"})
