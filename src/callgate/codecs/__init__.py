"""One provider's wire each: pure translation between our messages and theirs.

`by_name` and `detect` find a codec; `Codec` says what one is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from callgate.codecs.anthropic import Anthropic
from callgate.codecs.bedrock import Bedrock
from callgate.codecs.cohere import Cohere
from callgate.codecs.gemini import Gemini
from callgate.codecs.gemini_interactions import GeminiInteractions
from callgate.codecs.json_text import plain
from callgate.codecs.mistral import Mistral
from callgate.codecs.names import wire_name, wire_names
from callgate.codecs.ollama import Ollama
from callgate.codecs.openai_chat import OpenAIChat
from callgate.codecs.openai_responses import OpenAIResponses, ToolOptions
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
]

_CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "openai": OpenAIChat(),
        "gemini": Gemini(),
        "gemini_interactions": GeminiInteractions(),
        "anthropic": Anthropic(),
        "bedrock": Bedrock(),
        "openai_responses": OpenAIResponses(),
        "cohere": Cohere(),
        "mistral": Mistral(),
        "ollama": Ollama(),
    }
)
_ALIASES: Mapping[str, str] = MappingProxyType({"openai_chat": "openai"})


def by_name(wire: str) -> Codec:
    """Return the codec of a wire.

    Args:
        wire: Its name, such as `openai` (OpenAI Chat Completions, also `openai_chat`).

    Raises:
        SettingsError: There is no such wire.
    """
    codec = _CODECS.get(_ALIASES.get(wire, wire))
    if codec is None:
        raise SettingsError(
            f"There is no wire {wire!r}; there are: {', '.join(_CODECS)}.",
            details={"got": wire, "allowed": list(_CODECS)},
        )
    return codec


def detect(response: Any) -> Codec | None:
    """Return the codec that reads a provider's response; None for what is none.

    Args:
        response: The response object of a provider's SDK, or the same as a dict.
    """
    data = plain(response)
    if not isinstance(data, Mapping):
        return None
    fields = cast("Mapping[str, Any]", data)
    return next((codec for codec in _CODECS.values() if codec.owns(fields)), None)
