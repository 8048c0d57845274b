"""What each provider accepts as the schema of a tool's parameters: facts, as data.

Sources are the providers' documentation and client libraries, recorded requests that they
accepted, and error messages that they answered with. Where sources differ, the keyword counts as
not accepted: a constraint in a description costs little, a refused request costs the turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from callgate.errors import SettingsError

__all__ = ["NO_LIMITS", "WIRES", "Dialect", "Limits", "Wire", "wire_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes that a strict schema, or all strict schemas of a request, may have. None: no bound.

    Attributes:
        tools: Strict tools.
        optional: Properties that may be left out, at all levels.
        unions: Places with `anyOf` or several types.
        properties: Properties at all levels.
        depth: Objects and arrays inside each other.
        values: Values of all enums.
        characters: Characters of all names of properties and definitions and of all values.
        long_values: Characters of the values of one enum that has more than 250.
    """

    tools: int | None = None
    optional: int | None = None
    unions: int | None = None
    properties: int | None = None
    depth: int | None = None
    values: int | None = None
    characters: int | None = None
    long_values: int | None = None


NO_LIMITS = Limits()
"""No bound at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The JSON Schema that one wire accepts in one mode.

    Attributes:
        name: For reports.
        keywords: Constraints and annotations that are accepted as they are; None for all of
            them, which leaves everything but the root alone.
        formats: Values of `format` that are accepted.
        closed: Whether every object must say `additionalProperties: false`.
        required: Whether every property must be required; the optional ones then take null.
        references: Whether `$ref` to `$defs` is accepted, else definitions are written out.
        recursion: Whether a definition may refer to itself.
        anything: Whether a schema may leave the type open.
        maps: Whether `additionalProperties` may hold a schema.
        tuples: Whether `prefixItems` is accepted.
        type_lists: Whether `type` may be a list.
        choices: Whether an enum may hold something else than strings.
        constants: Whether `const` is accepted.
        one_item: Whether `minItems` may be 0 or 1 only.
        patterned_lengths: Whether `pattern` or `format` may stand beside lengths.
        names: What the names of properties must match.
        openapi: Whether the schema is written as OpenAPI 3.0 has it, types in upper case.
        each: Bounds for each strict tool.
        together: Bounds for all strict tools of a request.
    """

    name: str
    keywords: frozenset[str] | None = None
    formats: frozenset[str] = frozenset()
    closed: bool = False
    required: bool = False
    references: bool = True
    recursion: bool = True
    anything: bool = True
    maps: bool = True
    tuples: bool = True
    type_lists: bool = True
    choices: bool = True
    constants: bool = True
    one_item: bool = False
    patterned_lengths: bool = True
    names: re.Pattern[str] | None = None
    openapi: bool = False
    each: Limits = NO_LIMITS
    together: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The dialects of one wire.

    Attributes:
        name: Its name.
        relaxed: What it accepts without strict mode.
        strict: What it accepts in strict mode; None for a wire that has none.
    """

    name: str
    relaxed: Dialect
    strict: Dialect | None = field(default=None)


_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_ITEMS = frozenset({"minItems", "maxItems"})
_LENGTHS = frozenset({"minLength", "maxLength"})
_TEXTS = frozenset({"title", "description"})

# --- OpenAI ---------------------------------------------------------------------------------

_OPENAI = Dialect(name="openai")

# minLength and maxLength: the documentation of August 2026 lists them for no model and refuses
# them for fine-tuned ones. default: accepted in recordings, refused in others' reports.
_OPENAI_STRICT = Dialect(
    name="openai strict",
    keywords=_TEXTS | _NUMBERS | _ITEMS | {"pattern", "format"},
    formats=frozenset(
        {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
    ),
    closed=True,
    required=True,
    anything=False,
    maps=False,
    tuples=False,
    each=Limits(properties=5_000, depth=10, values=1_000, characters=120_000, long_values=15_000),
)

# --- Anthropic, also behind Bedrock ----------------------------------------------------------

_ANTHROPIC_NAMES = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

_ANTHROPIC = Dialect(name="anthropic", names=_ANTHROPIC_NAMES)

# pattern: accepted by the API in 2026, but it is compiled into one grammar with all other strict
# tools, whose size has a bound that is not published.
_ANTHROPIC_STRICT = Dialect(
    name="anthropic strict",
    keywords=_TEXTS | {"minItems", "format"},
    formats=frozenset(
        {
            "date",
            "date-time",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "time",
            "uri",
            "uuid",
        }
    ),
    closed=True,
    recursion=False,
    anything=False,
    maps=False,
    tuples=False,
    one_item=True,
    names=_ANTHROPIC_NAMES,
    together=Limits(tools=20, optional=24, unions=16),
)

# --- Gemini ---------------------------------------------------------------------------------

_GEMINI_NAMES = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")

# Other keywords are ignored in silence, lengths and patterns too; a description is read.
_GEMINI = Dialect(
    name="gemini parametersJsonSchema",
    keywords=_TEXTS | _ITEMS | {"minimum", "maximum", "format", "default"},
    formats=frozenset({"date-time", "date", "time", "duration"}),
    constants=False,
    names=_GEMINI_NAMES,
)

# A `Schema` message of the API: an unknown field is refused, and so is an enum of numbers.
_GEMINI_OPENAPI = Dialect(
    name="gemini parameters",
    keywords=_TEXTS
    | _ITEMS
    | _LENGTHS
    | {"minimum", "maximum", "format", "pattern", "minProperties", "maxProperties"},
    formats=frozenset({"date-time", "double", "float", "int32", "int64"}),
    references=False,
    anything=False,
    maps=False,
    tuples=False,
    type_lists=False,
    choices=False,
    constants=False,
    names=_GEMINI_NAMES,
    openapi=True,
)

# --- vLLM (xgrammar) ------------------------------------------------------------------------

_VLLM = Dialect(name="vllm")

_VLLM_STRICT = Dialect(
    name="vllm strict",
    keywords=_TEXTS
    | _ITEMS
    | _LENGTHS
    | (_NUMBERS - {"multipleOf"})
    | {"pattern", "format", "default"},
    formats=frozenset(
        {
            "date",
            "date-time",
            "duration",
            "email",
            "hostname",
            "ipv4",
            "ipv6",
            "json-pointer",
            "relative-json-pointer",
            "time",
            "uri",
            "uri-reference",
            "uri-template",
            "uuid",
        }
    ),
    patterned_lengths=False,
)

# --- the wires ------------------------------------------------------------------------------

_OPEN = Dialect(name="JSON Schema")

WIRES: Mapping[str, Wire] = MappingProxyType(
    {
        wire.name: wire
        for wire in (
            Wire(name="openai", relaxed=_OPENAI, strict=_OPENAI_STRICT),
            Wire(name="openai_responses", relaxed=_OPENAI, strict=_OPENAI_STRICT),
            Wire(name="mistral", relaxed=_OPENAI, strict=_OPENAI_STRICT),
            Wire(name="anthropic", relaxed=_ANTHROPIC, strict=_ANTHROPIC_STRICT),
            Wire(name="bedrock", relaxed=_ANTHROPIC, strict=_ANTHROPIC_STRICT),
            Wire(name="gemini", relaxed=_GEMINI),
            Wire(name="gemini_interactions", relaxed=_GEMINI),
            Wire(name="gemini_parameters", relaxed=_GEMINI_OPENAPI),
            Wire(name="vllm", relaxed=_VLLM, strict=_VLLM_STRICT),
            Wire(name="cohere", relaxed=_OPEN),
            Wire(name="ollama", relaxed=_OPEN),
        )
    }
)
"""The wires by name."""

_ALIASES: Mapping[str, str] = MappingProxyType(
    {"openai_chat": "openai", "gemini_generate_content": "gemini"}
)


def wire_named(name: str) -> Wire:
    """Return the dialects of a wire.

    Args:
        name: The wire's name, such as `anthropic`.

    Raises:
        SettingsError: There is no such wire.
    """
    wire = WIRES.get(_ALIASES.get(name, name))
    if wire is None:
        raise SettingsError(
            f"No schema dialect is known for the wire {name!r}; there are: {', '.join(WIRES)}.",
            details={"got": name, "allowed": list(WIRES)},
        )
    return wire
