"""The tools of one request in the schema dialect of its wire; compiled once, kept afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import orjson

from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.definition import MAX_SCHEMA_DEPTH, Definition
from callgate.schema.dialects.forms import Form, express, restore
from callgate.schema.dialects.limits import NO_SIZE, Size, exceeded, measure
from callgate.schema.dialects.loss import Loss
from callgate.schema.dialects.openapi import as_openapi
from callgate.schema.dialects.reduce import reduce_schema
from callgate.schema.dialects.relax import relax
from callgate.schema.dialects.wires import NO_LIMITS, Dialect, wire_named
from callgate.types import Effect, JsonSchema, Tool

__all__ = ["Compiled", "CompiledSchema", "CompiledTool", "Compiler", "Downgrade", "compile_tools"]

_SCHEMAS = 20_000
"""Compiled schemas a compiler keeps; a surface of a thousand tools needs two thousand."""

_REQUESTS = 200
"""Lists of tools a compiler keeps; a surface needs one or two per wire."""

_REFERRING = (b'"$ref"', b'"$dynamicRef"')

# The harder a call is to take back, the sooner its tool is strict.
_WORTH: Mapping[Effect, int] = MappingProxyType(
    {Effect.IRREVERSIBLE: 0, Effect.RECONCILABLE: 1, Effect.IDEMPOTENT: 2, Effect.READ: 3}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledSchema:
    """A tool's parameters as one wire takes them.

    Attributes:
        schema: What is sent.
        checkable: The same in JSON Schema, for checking arguments in the wire's form; another
            object only where the wire writes OpenAPI.
        form: How arguments in the wire's form differ from the original's; None if not at all.
        losses: What the wire's schema no longer says.
        notes: Words for the tool's description, about its arguments as a whole.
        size: What counts against the limits of strict schemas.
        unfit: Why the dialect cannot take the schema; None if it can.
    """

    schema: JsonSchema
    checkable: JsonSchema
    form: Form | None = None
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()
    size: Size = NO_SIZE
    unfit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTool:
    """A tool as it is shown on one wire.

    Attributes:
        tool: The tool.
        strict: Whether the provider is asked to enforce the schema.
        compiled: Its parameters on the wire.
    """

    tool: Tool
    strict: bool
    compiled: CompiledSchema

    @property
    def schema(self) -> JsonSchema:
        """The parameters as the wire is sent them."""
        return self.compiled.schema

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the wire's schema no longer says."""
        return self.compiled.losses

    @property
    def description(self) -> str:
        """The tool's description, with what the root of its schema can no longer say."""
        notes = self.compiled.notes
        words = f"Arguments: {'; '.join(notes)}." if notes else ""
        return "\n\n".join(filter(None, (self.tool.description, words)))

    @property
    def changes_arguments(self) -> bool:
        """Whether `restore` and `express` do anything."""
        return self.compiled.form is not None

    def restore(self, arguments: Any) -> Any:
        """Return arguments that a model wrote in the form of the tool's own schema.

        The result is for the tool's own schema to judge: nothing is valid because it was
        restored. What is not in the wire's form is left as it is.

        Args:
            arguments: A JSON value; not changed.

        Raises:
            MalformedArgumentsError: A property is given twice, once by its name and once as a
                pair.
        """
        return restore(self.compiled.form, arguments)

    def express(self, arguments: Any) -> Any:
        """Return arguments as a model would write them on this wire: for history and examples.

        Args:
            arguments: Arguments valid under the tool's own schema; not changed.
        """
        return express(self.compiled.form, arguments)

    def to_json(self) -> dict[str, Any]:
        """Return what is sent and what is lost, as a JSON object."""
        return {
            "name": self.tool.name,
            "description": self.description,
            "strict": self.strict,
            "schema": self.schema,
            "losses": [loss.to_json() for loss in self.losses],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Downgrade:
    """A tool that was to be strict and is not.

    Attributes:
        tool: Its name.
        reason: Why, for a person.
    """

    tool: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The tools of a request on one wire.

    Attributes:
        wire: The name of the wire.
        strict: Whether strict mode was asked for.
        tools: The tools, in their order.
        downgraded: Those that are not strict although it was asked for, in their order.
    """

    wire: str
    strict: bool
    tools: tuple[CompiledTool, ...]
    downgraded: tuple[Downgrade, ...] = ()

    @property
    def losses(self) -> Mapping[str, tuple[Loss, ...]]:
        """What is lost, by the names of the tools that lose anything."""
        return {item.tool.name: item.losses for item in self.tools if item.losses}

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object: what `callgate compile --json` prints."""
        return {
            "wire": self.wire,
            "strict": self.strict,
            "tools": [item.to_json() for item in self.tools],
            "downgraded": [{"tool": item.tool, "reason": item.reason} for item in self.downgraded],
        }


class Compiler:
    """Compiles tools for wires and keeps what it compiled.

    A schema is compiled once per dialect: it is known again by its identity, and another object
    with the same JSON text by that. Make one compiler per process or gate; it is not bound to an
    event loop, and threads may share it at the cost of compiling something twice.
    """

    __slots__ = ("_by_identity", "_by_text", "_requests")

    def __init__(self) -> None:
        self._requests: dict[tuple[str, bool, tuple[int, ...]], Compiled] = {}
        self._by_identity: dict[tuple[str, int], tuple[JsonSchema, CompiledSchema]] = {}
        self._by_text: dict[tuple[str, bytes], CompiledSchema] = {}

    def compile(self, schema: JsonSchema, dialect: Dialect) -> CompiledSchema:
        """Compile the parameters of one tool.

        Args:
            schema: The parameters; treated as frozen, and kept.
            dialect: What the wire accepts.

        Raises:
            DefinitionError: They are not a JSON Schema, or do not describe an object.
        """
        # The schema is kept beside its identity, so that no other one can get the same.
        known = self._by_identity.get((dialect.name, id(schema)))
        if known is not None:
            return known[1]
        try:
            text = (dialect.name, orjson.dumps(schema))
        except TypeError as error:
            raise DefinitionError(f"The schema is not JSON: {error}.") from error
        found = self._by_text.get(text)
        if found is None:
            found = _compile_checked(schema, dialect, text[1])
            _keep(self._by_text, text, found, _SCHEMAS)
        _keep(self._by_identity, (dialect.name, id(schema)), (schema, found), _SCHEMAS)
        return found

    def tools(self, tools: Sequence[Tool], *, wire: str, strict: bool = False) -> Compiled:
        """Compile the tools of a request.

        Where the bounds of a request do not let all tools be strict, those whose calls are
        hardest to take back come first (irreversible, reconcilable, idempotent, read), then
        those that lose least by it, then the order of `tools`. A tool that does not fit is sent
        without strict mode, and does not keep later ones from fitting.

        Args:
            tools: The tools, in the order in which they are shown.
            wire: The name of the wire, such as `openai`.
            strict: Whether the provider is to enforce the schemas; defaults to False.

        Raises:
            SettingsError: There is no such wire.
            DefinitionError: A tool's parameters are not a JSON Schema, or not of an object.
        """
        # The tools are kept with what was compiled, so that no others can get their identities.
        key = (wire, strict, tuple(map(id, tools)))
        known = self._requests.get(key)
        if known is None:
            known = self._request(tools, wire, strict=strict)
            _keep(self._requests, key, known, _REQUESTS)
        return known

    def _request(self, tools: Sequence[Tool], wire: str, *, strict: bool) -> Compiled:
        dialects = wire_named(wire)
        chosen: dict[int, CompiledSchema] = {}
        reasons: dict[int, str] = {}
        if strict and dialects.strict is None:
            reasons = dict.fromkeys(range(len(tools)), f"The wire {wire} has no strict mode.")
        elif strict and dialects.strict is not None:
            compiled = [self._one(tool, dialects.strict) for tool in tools]
            chosen, reasons = _choose(tools, compiled, dialects.strict)
        return Compiled(
            wire=wire,
            strict=strict,
            tools=tuple(
                CompiledTool(
                    tool=tool,
                    strict=index in chosen,
                    compiled=chosen.get(index) or self._one(tool, dialects.relaxed),
                )
                for index, tool in enumerate(tools)
            ),
            downgraded=tuple(
                Downgrade(tool=tools[index].name, reason=reason)
                for index, reason in sorted(reasons.items())
            ),
        )

    def _one(self, tool: Tool, dialect: Dialect) -> CompiledSchema:
        try:
            return self.compile(tool.parameters, dialect)
        except DefinitionError as error:
            raise DefinitionError(
                f"The parameters of the tool {tool.name} cannot be compiled: {error.message}",
                details={"tool": tool.name},
            ) from error


def compile_tools(tools: Sequence[Tool], wire: str, strict: bool = False) -> Compiled:
    """Compile the tools of one request, keeping nothing; see `Compiler.tools`.

    Args:
        tools: The tools, in the order in which they are shown.
        wire: The name of the wire, such as `openai`.
        strict: Whether the provider is to enforce the schemas; defaults to False.

    Raises:
        SettingsError: There is no such wire.
        DefinitionError: A tool's parameters are not a JSON Schema, or not of an object.
    """
    return Compiler().tools(tools, wire=wire, strict=strict)


class _Chosen(NamedTuple):
    strict: dict[int, CompiledSchema]
    reasons: dict[int, str]


def _choose(tools: Sequence[Tool], compiled: Sequence[CompiledSchema], dialect: Dialect) -> _Chosen:
    order = sorted(
        range(len(tools)),
        key=lambda index: (_WORTH[tools[index].effect], len(compiled[index].losses)),
    )
    chosen = _Chosen({}, {})
    total = NO_SIZE
    for index in order:
        found = compiled[index]
        reason = found.unfit or exceeded(found.size, dialect.each)
        if reason is None:
            together = total + found.size if dialect.together is not NO_LIMITS else NO_SIZE
            reason = exceeded(together, dialect.together)
            if reason is None:
                total = together
                chosen.strict[index] = found
                continue
            reason = f"together with more valuable tools {reason}"
        chosen.reasons[index] = f"In strict mode: {reason}."
    return chosen


def _compile_checked(schema: JsonSchema, dialect: Dialect, text: bytes) -> CompiledSchema:
    try:
        return _compile(schema, dialect, text)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # Nearly always the schema is not one: then this says where.
        Checker(schema).compile()
        raise DefinitionError(f"This is not a JSON Schema 2020-12: {error}.") from error


def _compile(schema: JsonSchema, dialect: Dialect, text: bytes) -> CompiledSchema:
    if dialect.keywords is None:
        relaxed = relax(schema, dialect)
        return CompiledSchema(
            schema=relaxed.schema,
            checkable=relaxed.schema,
            form=relaxed.form,
            losses=relaxed.losses,
            notes=relaxed.notes,
        )
    # Most schemas refer to nothing and are shallow: nothing in them has to be found or refused.
    plain = text.count(b"{") <= MAX_SCHEMA_DEPTH and not any(word in text for word in _REFERRING)
    reduced = reduce_schema(schema, None if plain else Definition(schema), dialect)
    return CompiledSchema(
        schema=as_openapi(reduced.schema) if dialect.openapi else reduced.schema,
        checkable=reduced.schema,
        form=reduced.form,
        losses=reduced.losses,
        notes=reduced.notes,
        size=measure(reduced.schema) if dialect.closed and not reduced.unfit else NO_SIZE,
        unfit=reduced.unfit,
    )


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _keep(kept: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    if len(kept) >= most:
        # The oldest; a list, so that another thread may add meanwhile.
        kept.pop(next(iter(list(kept))), None)
    kept[key] = value
