"""Recorded outputs to calls: native structures, and text in the styles that models write.

Text is parsed and never evaluated, whatever it holds. The leaderboard has one style for each
model; here each is a decoder with a name, and which one is used is a setting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from callgate.errors import MissingDependencyError
from callgate.evals.benchmarks.bfcl.kinds import Edition, Language
from callgate.evals.benchmarks.bfcl.syntax import DecodeError, read_python
from callgate.schema.values import is_array, is_object

__all__ = ["DECODERS", "NATIVE", "TEXT", "DecodeError", "Decoder", "decode"]

Decoder: TypeAlias = Callable[[Any, Language, Edition], Any]
"""Takes what was recorded and returns calls, or raises `DecodeError`."""

NATIVE, TEXT = "native", "text"


def decode(name: str, raw: Any, *, language: Language, edition: Edition) -> Any:
    """Decode one recorded output.

    Args:
        name: One of `DECODERS`.
        raw: The recorded text or structure.
        language: Of the function; Java and JavaScript are parsed as such.
        edition: The editions read Python a little differently.

    Raises:
        DecodeError: It holds no calls in this style.
    """
    return DECODERS[name](raw, language, edition)


# ------------------------------------------------------------------ native structures


def _native(raw: Any, language: Language, edition: Edition) -> list[dict[str, Any]]:
    del language, edition
    if not is_array(raw):
        raise DecodeError("not a structure of calls")
    calls: list[dict[str, Any]] = []
    for item in raw:
        if not is_object(item) or not item:
            raise DecodeError("a part of the structure is no call")
        name, text = next(iter(item.items()))
        calls.append({name: _loads(text)})
    return calls


def _loads(text: Any) -> Any:
    if not isinstance(text, str):
        raise DecodeError("the arguments of a call are not JSON text")
    try:
        # Python's own reader takes NaN and whole numbers of any length, as the leaderboard does.
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"the arguments of a call are not JSON: {error}") from error


def _stringified(arguments: Any) -> dict[str, str]:
    if not is_object(arguments):
        raise DecodeError("the arguments of a call are no object")
    return {key: str(value) for key, value in arguments.items()}


# ------------------------------------------------------------------ text


def _text(prepare: Callable[[str], str], raw: Any, language: Language, edition: Edition) -> Any:
    if not isinstance(raw, str):
        raise DecodeError("not text")
    text = prepare(raw)
    if language is Language.PYTHON:
        return read_python(text, edition)
    # The brackets go by position, whatever stands there.
    return _source(text[1:-1], language)


def _source(text: str, language: Language) -> Any:
    try:
        from callgate.evals.benchmarks.bfcl.source import read_java, read_javascript
    except ImportError as error:
        raise MissingDependencyError(
            f"Recorded {language} needs a parser: pip install 'callgate[evals]'."
        ) from error
    return read_java(text) if language is Language.JAVA else read_javascript(text)


def _bracketed(text: str) -> str:
    opened = text if text.startswith("[") else f"[{text}"
    return opened if opened.endswith("]") else f"{opened}]"


def _plain(raw: Any, language: Language, edition: Edition) -> Any:
    """Read the standard text: as it is, or in the fourth edition freed from what is around it."""
    prepare = str if edition is Edition.V1 else _freed
    return _text(prepare, raw, language, edition)


def _freed(text: str) -> str:
    return _bracketed(text.strip("`\n "))


def _standard(text: str) -> str:
    if not text:
        raise DecodeError("no text")
    return _bracketed(text.removeprefix(" "))


def _joined(text: str) -> str:
    return _bracketed(text.replace("\n", ""))


def _unescaped(text: str) -> str:
    return _bracketed(text.replace("\\_", "_"))


def _quoted(text: str) -> str:
    text = text.replace("\n", "")
    text = text if text.startswith("[") else f"[ {text}"
    text = text if text.endswith("]") else f"{text} ]"
    if text.startswith("['"):
        text = text.replace("['", "[").replace("', '", ", ").replace("','", ", ")
    return text.replace("']", "]") if text.endswith("']") else text


def _unquoted(raw: Any, language: Language, edition: Edition) -> Any:
    """Take all single quotes away; if that cannot be read, leave them."""

    def without(text: str) -> str:
        return _bracketed(re.sub(r"'([^']*)'", r"\1", text).replace("\n    ", "")).replace(
            "['", "["
        )

    try:
        return _text(without, raw, language, edition)
    except DecodeError:
        return _text(str, raw, language, edition)


def _semicolons(raw: Any, language: Language, edition: Edition) -> Any:
    if isinstance(raw, str) and "out_of_domain" in raw:
        _text(_separated, raw, language, edition)
        return "irrelevant"
    return _text(_separated, raw, language, edition)


def _separated(text: str) -> str:
    return f"[{text.removesuffix(';').replace(';', ',')}]"


def _tagged(raw: Any, language: Language, edition: Edition) -> list[dict[str, Any]]:
    """Read the JSON object on the line behind each `<tool_call>`."""
    if not isinstance(raw, str):
        raise DecodeError("not text")
    calls: list[dict[str, Any]] = []
    opened = False
    for line in raw.split("\n"):
        if opened and line not in ("<tool_call>", "</tool_call>"):
            calls.append(_tagged_call(_loads(line.replace("'", '"')), language))
        opened = line == "<tool_call>"
    return calls


def _tagged_call(value: Any, language: Language) -> dict[str, Any]:
    if not is_object(value) or not {"name", "arguments"} <= value.keys():
        raise DecodeError("a tagged object has no name and arguments")
    arguments = value["arguments"]
    return {value["name"]: arguments if language is Language.PYTHON else _stringified(arguments)}


DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        NATIVE: _native,
        TEXT: _plain,
        "text-bracketed": partial(_text, _standard),
        "text-joined": partial(_text, _joined),
        "text-unescaped": partial(_text, _unescaped),
        "text-quoted": partial(_text, _quoted),
        "text-unquoted": _unquoted,
        "text-semicolons": _semicolons,
        "tool-call-lines": _tagged,
    }
)
"""By name: `native` takes structures, `text` the standard `[f(a=1)]`, the others what they say."""
