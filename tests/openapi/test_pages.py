"""How the pages of a long answer are put together, and what is told of those that are not read."""

from typing import Any

import pytest

from callgate import Gate
from callgate.settings.sources.openapi import OverlaySettings
from callgate.settings.sources.web import PageSettings
from callgate.sources.openapi.source import OpenApiSource
from callgate.sources.web.client import Answer
from callgate.sources.web.operation import Pages
from callgate.sources.web.pages import Onward, more_note, onward
from tests.openapi.test_documents import loaded
from tests.sources.test_web_auth import service


def paged(url: str, pages: PageSettings, select: tuple[str, ...] = ()) -> OpenApiSource:
    operation = {
        "operationId": "items",
        "parameters": [
            {"name": "page[at]", "in": "query", "schema": {"type": "integer"}},
        ],
    }
    return loaded(
        {"paths": {"/items": {"get": operation}}},
        url=url,
        hosts=(url.removeprefix("http://"),),
        tools={"items": OverlaySettings(pages=pages, select=select)},
    )


async def read_pages(pages: PageSettings, reply: Any, select: tuple[str, ...] = ()) -> Any:
    async with service(reply) as made:
        source = paged(made.url, pages, select)
        result = await Gate([source], chance=lambda: 0.0).session().call("items", {})
        await source.aclose()
        return result, [request.target for request in made.log]


def _at(request: Any) -> int:
    return int(request.target.rpartition("=")[2]) if "=" in request.target else 1


async def test_pages_are_put_together_by_a_cursor() -> None:
    def reply(request: Any) -> Any:
        at = _at(request)
        meta = {"next": at + 1} if at < 3 else {}
        return 200, {"data": {"items": [{"id": at, "x": 0}]}, "meta": meta}

    pages = PageSettings(items="data.items", next="meta.next", parameter="page[at]")
    result, targets = await read_pages(pages, reply, ("data.items[].id",))
    assert result.unwrap() == {"data": {"items": [{"id": 1}, {"id": 2}, {"id": 3}]}}
    assert targets == ["/items", "/items?page[at]=2", "/items?page[at]=3"]
    assert result.notes == ()


async def test_more_pages_than_are_read_are_told_with_how_to_go_on() -> None:
    def reply(request: Any) -> Any:
        return 200, {"items": [_at(request)], "next": _at(request) + 1}

    pages = PageSettings(items="items", next="next", parameter="page[at]", most=2)
    result, _ = await read_pages(pages, reply)
    assert result.unwrap()["items"] == [1, 2]
    assert result.notes == ("[2 pages were read and there are more: call again with page_at=3.]",)


async def test_pages_are_counted_until_one_is_empty() -> None:
    pages = PageSettings(next="count", parameter="page[at]")
    result, targets = await read_pages(pages, lambda r: (200, [_at(r)] if _at(r) < 3 else []))
    assert result.unwrap() == [1, 2]
    assert len(targets) == 3


async def test_an_address_of_the_next_page_is_followed_within_the_service() -> None:
    def reply(request: Any) -> Any:
        first = request.target == "/items"
        return 200, {"items": [1 if first else 2], "next": "/items?p=2" if first else None}

    result, targets = await read_pages(PageSettings(items="items", next="next"), reply)
    assert result.unwrap()["items"] == [1, 2]
    assert targets == ["/items", "/items?p=2"]


@pytest.mark.parametrize("leads", ["http://169.254.169.254/x", "//evil.example/x", "http://a@b/"])
async def test_an_address_of_another_service_is_not_followed(leads: str) -> None:
    result, targets = await read_pages(
        PageSettings(items="items", next="next"), lambda _: (200, {"items": [1], "next": leads})
    )
    assert result.unwrap()["items"] == [1]
    assert result.notes[0].startswith("[Only 1 pages were read: ")
    assert targets == ["/items"]


async def test_a_page_that_is_none_ends_the_reading() -> None:
    def reply(request: Any) -> Any:
        return 200, {"items": [1], "next": 2} if _at(request) == 1 else {"odd": True}

    result, _ = await read_pages(
        PageSettings(items="items", next="next", parameter="page[at]"), reply
    )
    assert result.unwrap()["items"] == [1]


async def test_pages_without_items_are_the_first_page() -> None:
    result, _ = await read_pages(PageSettings(items="gone"), lambda _: (200, {"a": 1}))
    assert result.unwrap() == {"a": 1}


def test_the_link_header_leads_on() -> None:
    def leads(header: str) -> Onward | None:
        answer = Answer(status=200, headers={"link": header}, body=b"", media_type="")
        return onward(Pages(), answer, [], {}, "https://x.example/a")

    assert leads(
        '<https://x.example/a?p=1>; rel="prev", </a?p=3>; title="x"; rel="next last"'
    ) == Onward(url="https://x.example/a?p=3")
    assert leads('</b>; rel="first"') is None
    assert leads("nonsense") is None
    assert more_note(Pages(), 5, Onward(url="x")) == (
        "[5 pages were read and there are more: narrow the question down.]"
    )
