"""The wires that recordings name, and the form of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from callgate.codecs import by_name, detect
from callgate.testing.exchanges.block_forms import AnthropicForm, BedrockForm
from callgate.testing.exchanges.chat_form import ChatForm
from callgate.testing.exchanges.form import Form
from callgate.testing.exchanges.gemini_forms import GeminiForm, InteractionsForm
from callgate.testing.exchanges.items_form import ItemsForm
from callgate.testing.exchanges.records import Exchange, Json

__all__ = ["WIRES", "form_of"]

_CHAT = ChatForm(codec=by_name("openai"))
_ITEMS = ItemsForm()

WIRES: Mapping[str, Form] = MappingProxyType(
    {
        "openai.chat": _CHAT,
        "openai_compatible.chat": _CHAT,
        "openai.responses": _ITEMS,
        "openai_compatible.responses": _ITEMS,
        "anthropic.messages": AnthropicForm(),
        "bedrock.converse": BedrockForm(),
        "gemini.generate_content": GeminiForm(),
        "gemini.interactions": InteractionsForm(),
        "cohere.chat_v2": ChatForm(codec=by_name("cohere")),
        "mistral.chat": ChatForm(codec=by_name("mistral")),
        "ollama.chat": ChatForm(codec=by_name("ollama"), lines=True),
    }
)
"""Forms by the names that recordings give to wires."""


def form_of(exchange: Exchange) -> Form | None:
    """Return the form of an exchange; None for a wire that is not known.

    Some servers answer on another wire than they were asked: then the answer decides.
    """
    form = WIRES.get(exchange.wire)
    answer: Any = exchange.value
    if form is None or not isinstance(answer, dict):
        return form
    answer = cast("Json", answer)
    found = None if form.codec.owns(answer) else detect(answer)
    return next((other for other in WIRES.values() if other.codec == found), form)
