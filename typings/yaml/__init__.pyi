from collections.abc import Iterator
from re import Pattern
from typing import Any

class YAMLError(Exception): ...

class CSafeLoader:
    @classmethod
    def add_implicit_resolver(
        cls, tag: str, regexp: Pattern[str], first: list[str] | None
    ) -> None: ...

def parse(
    stream: bytes | str,
    Loader: type[CSafeLoader],  # noqa: N803 - its own name
) -> Iterator[object]: ...
def load(stream: bytes | str, Loader: type[CSafeLoader]) -> Any: ...  # noqa: N803 - its own name
def safe_load(stream: bytes | str) -> Any: ...
