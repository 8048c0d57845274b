"""The page in a real browser: a hundred thousand items open, scroll and are searched."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from callgate.evals.reports.page import page
from callgate.evals.suite.summary import summarise
from tests.suites.made import result

ITEMS = 100_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def browser_page(tmp_path: Path) -> Iterator[Page]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs chromium: the browser is not on this machine (make system)")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=FLAGS)
        yield browser.new_page(viewport={"width": 1100, "height": 900})
        browser.close()


def written(folder: Path) -> Path:
    results = [
        result(
            f"case-{n:06}",
            passed=n % 7 != 0,
            calls=[{"name": "add", "arguments": {"a": n}, "status": "ok"}],
            expected=[{"name": "add", "arguments": {"a": n + 1}}],
            tags=["even" if n % 2 == 0 else "odd"],
        )
        for n in range(ITEMS)
    ]
    path = folder / "report.html"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(page({"run": summarise(results)}, (("run", one) for one in results)))
    return path


def test_a_hundred_thousand_items_open_scroll_and_are_found(tmp_path: Path, browser_page: Page):
    path = written(tmp_path)
    errors: list[str] = []
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    browser_page.goto(path.as_uri())
    browser_page.wait_for_selector(f"body[data-ready='{ITEMS}']", timeout=60_000)
    rows = browser_page.locator(".item")
    assert rows.first.inner_text().split() == [
        "✗",
        "case-000000",
        "wrong_tool",
        *["multiply", "was", "called,", "expected", "add"],
    ]
    # What cannot be seen is not drawn.
    assert rows.count() < 60

    browser_page.evaluate("document.getElementById('list').scrollTop = 1e9")
    last = browser_page.locator(".item", has_text=f"case-{ITEMS - 1:06}")
    last.wait_for(timeout=10_000)
    assert rows.count() < 60

    browser_page.fill("#search", "case-000014")
    browser_page.locator("#count", has_text="1 items").wait_for(timeout=10_000)
    browser_page.locator(".item", has_text="case-000014").click()
    told = browser_page.locator("#detail").inner_text()
    assert "✗ wrong_tool: multiply was called, expected add" in told
    assert '"a": 15' in told.partition("called\n")[0]
    assert '"a": 14' in told.partition("called\n")[2]

    browser_page.fill("#search", "")
    browser_page.select_option("#kind", "!")
    failed = len(range(0, ITEMS, 7))
    browser_page.locator("#count", has_text=f"{failed:,} items").wait_for(timeout=10_000)
    assert errors == []
