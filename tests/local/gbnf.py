"""Reads the part of GBNF that we write, and draws random sentences from a grammar."""

import random
import re
import string
from collections.abc import Callable

Draw = Callable[[random.Random], str]
TOKEN = re.compile(
    r'(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<set>\[(?:[^\]\\]|\\.)*\])|(?P<name>[a-z][a-z0-9]*)'
    r"|(?P<times>\{(?:\d*,)?\d+\})|(?P<sign>[|()?]))\s*"
)
ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")
LETTERS = string.ascii_letters + string.digits + ' .,;:-+_/\\"{}()=äß東'


class Grammar:
    """The rules of a grammar, each made into a function that draws one of its sentences."""

    def __init__(self, text: str) -> None:
        self._rules: dict[str, Draw] = {}
        for line in text.splitlines():
            name, body = line.split(" ::= ", 1)
            self._rules[name] = _Reader(self._rules, body).whole()

    def draw(self, seed: int) -> str:
        """Return a random sentence."""
        return self._rules["root"](random.Random(seed))


class _Reader:
    def __init__(self, rules: dict[str, Draw], body: str) -> None:
        self._rules = rules
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(body):
            match = TOKEN.match(body, at)
            assert match is not None, f"cannot read {body[at:]}"
            assert match.lastgroup is not None
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._tokens.reverse()

    def whole(self) -> Draw:
        draw = self._options()
        assert not self._tokens
        return draw

    def _next(self, text: str) -> bool:
        if self._tokens and self._tokens[-1] == ("sign", text):
            self._tokens.pop()
            return True
        return False

    def _options(self) -> Draw:
        options = [self._sequence()]
        while self._next("|"):
            options.append(self._sequence())
        return lambda chance: chance.choice(options)(chance)

    def _sequence(self) -> Draw:
        items: list[Draw] = []
        while self._tokens and self._tokens[-1][1] not in {"|", ")"}:
            items.append(self._repeated(self._item()))
        return lambda chance: "".join(item(chance) for item in items)

    def _item(self) -> Draw:
        kind, text = self._tokens.pop()
        if kind == "text":
            plain = ESCAPE.sub(_plain, text[1:-1])
            return lambda chance: plain
        if kind == "set":
            inside = re.compile(text)
            members = [char for char in LETTERS if inside.fullmatch(char)]
            return lambda chance: chance.choice(members)
        if kind == "name":
            return lambda chance: self._rules[text](chance)
        inner = self._options()
        assert self._next(")")
        return inner

    def _repeated(self, item: Draw) -> Draw:
        if self._next("?"):
            return lambda chance: item(chance) if chance.random() < 0.5 else ""
        if not self._tokens or self._tokens[-1][0] != "times":
            return item
        least, _, most = self._tokens.pop()[1][1:-1].rpartition(",")
        low, high = int(least or most), int(most)

        def several(chance: random.Random) -> str:
            times = chance.choice([low, chance.randint(low, min(high, low + 3)), high])
            return "".join(item(chance) for _ in range(times if high < 20 else min(times, low + 3)))

        return several


def _plain(match: re.Match[str]) -> str:
    code = match[1]
    return (
        chr(int(code[1:], 16)) if code[0] == "x" and len(code) == 3 else {"n": "\n"}.get(code, code)
    )
