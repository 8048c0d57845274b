"""One provider's wire each: pure translation between our messages and theirs.

`by_name` and `detect` find a codec; `Codec` says what one is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from callgate.codecs.json_text import plain
from callgate.codecs.names import wire_name, wire_names
from callgate.codecs.wire import (
    NO_NAMES,
    Codec,
    Frame,
    Framer,
    Noting,
    RequestEncoder,
    StreamDecoder,
)
from callgate.errors import SettingsError

if TYPE_CHECKING:
    from callgate.codecs.anthropic import Anthropic
    from callgate.codecs.bedrock import Bedrock
    from callgate.codecs.cohere import Cohere
    from callgate.codecs.gemini import Gemini
    from callgate.codecs.gemini_interactions import GeminiInteractions
    from callgate.codecs.mistral import Mistral
    from callgate.codecs.ollama import Ollama
    from callgate.codecs.openai_chat import OpenAIChat
    from callgate.codecs.openai_responses import OpenAIResponses, ToolOptions

__all__ = [
    "NO_NAMES",
    "Anthropic",
    "Bedrock",
    "Codec",
    "Cohere",
    "Frame",
    "Framer",
    "Gemini",
    "GeminiInteractions",
    "Mistral",
    "Noting",
    "Ollama",
    "OpenAIChat",
    "OpenAIResponses",
    "RequestEncoder",
    "StreamDecoder",
    "ToolOptions",
    "by_name",
    "detect",
    "wire_name",
    "wire_names",
    "wire_of",
]

# A wire is loaded when it is first asked for: a program speaks one or two of them.
_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "OpenAIChat": "openai_chat",
        "Gemini": "gemini",
        "GeminiInteractions": "gemini_interactions",
        "Anthropic": "anthropic",
        "Bedrock": "bedrock",
        "OpenAIResponses": "openai_responses",
        "ToolOptions": "openai_responses",
        "Cohere": "cohere",
        "Mistral": "mistral",
        "Ollama": "ollama",
    }
)
_CODECS: Mapping[str, str] = MappingProxyType(
    {
        "openai": "OpenAIChat",
        "gemini": "Gemini",
        "gemini_interactions": "GeminiInteractions",
        "anthropic": "Anthropic",
        "bedrock": "Bedrock",
        "openai_responses": "OpenAIResponses",
        "cohere": "Cohere",
        "mistral": "Mistral",
        "ollama": "Ollama",
    }
)
_ALIASES: Mapping[str, str] = MappingProxyType({"openai_chat": "openai"})


def __getattr__(name: str) -> Any:
    """Load the module of a codec when its class is first asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


@cache
def _codec(wire: str) -> Codec:
    return __getattr__(_CODECS[wire])()


def by_name(wire: str) -> Codec:
    """Return the codec of a wire.

    Args:
        wire: Its name, such as `openai` (OpenAI Chat Completions, also `openai_chat`).

    Raises:
        SettingsError: There is no such wire.
    """
    own = _ALIASES.get(wire, wire)
    if own not in _CODECS:
        raise SettingsError(
            f"There is no wire {wire!r}; there are: {', '.join(_CODECS)}.",
            details={"got": wire, "allowed": list(_CODECS)},
        )
    return _codec(own)


def wire_of(model: str) -> str:
    """Return the wire that a model is spoken to in: providers have the names of their wires.

    Args:
        model: Our full name of a model, such as `anthropic:claude-opus-5-5`, `mistral:NAME@URL` or,
            for a server that speaks OpenAI Chat Completions, `NAME@URL`.
    """
    name, at_url, _ = model.partition("@http")
    provider, named, _ = name.partition(":")
    return "openai" if at_url and not (named and provider in _CODECS) else provider


def detect(response: Any) -> Codec | None:
    """Return the codec that reads a provider's response; None for what is none.

    Args:
        response: The response object of a provider's SDK, or the same as a dict.
    """
    data = plain(response)
    if not isinstance(data, Mapping):
        return None
    fields = cast("Mapping[str, Any]", data)
    return next((codec for codec in map(_codec, _CODECS) if codec.owns(fields)), None)
