"""How the pages of a long answer are found and put together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import orjson

from callgate.schema.values import is_array, is_object
from callgate.settings.sources.web import PageSettings
from callgate.sources.web.client import Answer
from callgate.sources.web.operation import Pages
from callgate.sources.web.select import found

__all__ = ["Collected", "Onward", "more_note", "onward", "pages_of"]

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s,;=]+\s*=\s*(?:"[^"]*"|[^\s,;]*))*)')
_NEXT = re.compile(r'rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Onward:
    """What leads to the next page: an address, or a value for a parameter."""

    url: str | None = None
    value: Any = None


def onward(
    pages: Pages, answer: Answer, value: Any, arguments: Mapping[str, Any], url: str
) -> Onward | None:
    """Return what leads to the next page; None on the last one.

    Args:
        pages: How pages are put together.
        answer: The page as it came.
        value: Its value.
        arguments: The arguments of this page.
        url: Its address.
    """
    if pages.next == "link":
        link = _linked(answer.headers.get("link", ""))
        return None if link is None else Onward(url=urljoin(url, link))
    if pages.next == "count":
        items = found(value, pages.items)
        if not is_array(items) or not items or pages.parameter is None:
            return None
        before = arguments.get(pages.parameter)
        return Onward(value=(before if isinstance(before, int) else 1) + 1)
    leads = found(value, pages.next)
    if leads in (None, "", False):
        return None
    if pages.parameter is None:
        return Onward(url=urljoin(url, str(leads)))
    return Onward(value=leads)


def _linked(header: str) -> str | None:
    for link in _LINK.finditer(header[:8192]):
        if _NEXT.search(link[2]):
            return link[1]
    return None


def pages_of(pages: PageSettings | None, arguments: Mapping[str, str]) -> Pages | None:
    """Return how pages are put together, with the parameter by the argument's name.

    Args:
        pages: As the settings say.
        arguments: The arguments, by the names of parameters on the wire.
    """
    if pages is None:
        return None
    parameter = pages.parameter and arguments.get(pages.parameter, pages.parameter)
    return Pages(items=pages.items, next=pages.next, parameter=parameter, most=pages.most)


class Collected:
    """The items of several pages."""

    def __init__(self, pages: Pages, first: Any) -> None:
        """Begin with the first page.

        Args:
            pages: Where the items stand.
            first: The value of the first page; it is not changed.
        """
        self._pages = pages
        self._first = first
        items = found(first, pages.items) if pages.items else first
        self._items: list[Any] | None = list(items) if is_array(items) else None
        self.count = 1

    def add(self, value: Any) -> bool:
        """Add a page; whether it had items where they are said to be."""
        items = found(value, self._pages.items) if self._pages.items else value
        if self._items is None or not is_array(items):
            return False
        self._items += items
        self.count += 1
        return True

    @property
    def value(self) -> Any:
        """The first page with the items of all pages in it."""
        if self._items is None:
            return self._first
        keys = [key for key in self._pages.items.replace("[]", "").split(".") if key]
        return _with(self._first, keys, self._items)


def _with(value: Any, keys: list[str], items: list[Any]) -> Any:
    if not keys or not is_object(value):
        return items
    return {**value, keys[0]: _with(value.get(keys[0]), keys[1:], items)}


def more_note(pages: Pages, count: int, leads: Onward) -> str:
    """Return the sentence that tells a model how to go on."""
    advice = "narrow the question down"
    if pages.parameter is not None and leads.value is not None:
        advice = f"call again with {pages.parameter}={orjson.dumps(leads.value).decode()}"
    return f"[{count} pages were read and there are more: {advice}.]"
