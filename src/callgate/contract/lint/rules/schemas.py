"""Schemas that are broken, cannot be filled, or leave too much open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callgate.contract.lint.finding import Edit, Severity
from callgate.contract.lint.rule import Hit, Rule
from callgate.contract.lint.subject import Parameter, Subject
from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object

__all__ = ["RULES"]

_HOST = re.compile(
    r"(?:csrf|xsrf|nonce)(?:_?token)?|user_?agent|x_forwarded_for|remote_addr|ctx|"
    r"callback|callback_fn|on_(?:success|error|complete)|rapidapi_?\w*",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(
    r"(?:.*_)?(?:api_?key|apikey|access_?token|auth_?token|refresh_?token|bearer|secret|"
    r"client_?secret|private_?key|secret_?key)",
    re.IGNORECASE,
)
_PAIRS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)
_OPEN = ("properties", "additionalProperties", "patternProperties", "anyOf", "oneOf", "allOf")
_MANY = 30


def _broken(subject: Subject) -> Iterator[Hit]:
    if subject.problem:
        yield Hit(subject=subject, path="parameters", words=subject.problem)


def _no_object(subject: Subject) -> Iterator[Hit]:
    kind = subject.tool.parameters.get("type")
    if not subject.problem and kind not in (None, "object", ["object"]):
        yield Hit(
            subject=subject,
            path="parameters",
            words=f"The arguments of a call are an object, not {kind}.",
            evidence=str(kind),
        )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _host(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.required and _HOST.fullmatch(_snake(parameter.name)):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The program knows this value, the model cannot.",
                evidence=parameter.name,
            )


def _credential(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.types <= {"string"} and _CREDENTIAL.fullmatch(_snake(parameter.name)):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="A secret would travel through the model, its provider and every log.",
                evidence=parameter.name,
            )


def _impossible(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if words := _contradiction(parameter.schema):
            yield Hit(subject=subject, path=parameter.path, words=words, evidence=parameter.name)


def _contradiction(schema: Mapping[str, Any]) -> str:
    for low, high in _PAIRS:
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            return f"No value fits: {low} {least} is above {high} {most}."
    values = schema.get("enum")
    if is_array(values) and "type" in schema and not any(_fits(v, schema) for v in values):
        return f"No value of the enum is of the type {schema['type']}."
    return ""


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    try:
        return Checker({"type": schema["type"]}).is_valid(value)
    except DefinitionError:
        return True


def _phantom(subject: Subject) -> Iterator[Hit]:
    schema = subject.tool.parameters
    names, properties = schema.get("required"), schema.get("properties", {})
    if subject.problem or not (is_array(names) and is_object(properties)):
        return
    for name in names:
        if name not in properties:
            yield Hit(
                subject=subject,
                path="parameters/required",
                words=f"{name!r} is required, and is no parameter.",
                evidence=str(name),
            )


def _free_object(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.types != frozenset({"object"}):
            continue
        if not any(parameter.keyword(key) for key in (*_OPEN, "examples", "enum")):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="An object is asked for, and none of its properties is named.",
                evidence=parameter.description or parameter.name,
            )


def _untyped_items(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if parameter.types == frozenset({"array"}) and not any(
            parameter.keyword(key) is not None for key in ("items", "prefixItems", "contains")
        ):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="A list is asked for, and nothing says of what.",
                evidence=parameter.description or parameter.name,
            )


def _untyped(subject: Subject) -> Iterator[Hit]:
    saying = ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties", "not")
    for parameter in subject.parameters:
        if not any(key in parameter.schema for key in saying):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words="The parameter has no type: any value is valid.",
                evidence=parameter.description or parameter.name,
            )


def _default(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        if "default" not in parameter.schema:
            continue
        value = parameter.schema["default"]
        if value is None and not parameter.required:
            continue
        if not _is_valid(value, parameter, subject):
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"The default {str(value)[:40]!r} is not valid under the parameter's schema.",
                evidence=str(value),
            )


def _examples(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        examples = parameter.schema.get("examples")
        for value in examples if is_array(examples) else ():
            if not _is_valid(value, parameter, subject):
                yield Hit(
                    subject=subject,
                    path=parameter.path,
                    words=f"The example {str(value)[:40]!r} is not valid under the schema.",
                    evidence=str(value),
                )


def _is_valid(value: Any, parameter: Parameter, subject: Subject) -> bool:
    schema = dict(parameter.schema)
    if "$defs" in subject.tool.parameters:
        schema["$defs"] = subject.tool.parameters["$defs"]
    try:
        return Checker(schema).is_valid(value)
    except DefinitionError:
        # It refers to somewhere else in the tool's schema.
        return True


def _twice(subject: Subject) -> Iterator[Hit]:
    for parameter in subject.parameters:
        values = parameter.schema.get("enum")
        kept = [v for i, v in enumerate(values) if v not in values[:i]] if is_array(values) else []
        if is_array(values) and len(kept) < len(values):
            steps = subject.steps(parameter.path)
            edits = () if steps is None else (Edit(steps=(*steps[:-1], "enum"), value=kept),)
            yield Hit(
                subject=subject,
                path=parameter.path,
                words=f"{len(values) - len(kept)} values of the enum stand there twice.",
                evidence=str(values),
                edits=edits,
            )


def _crowded(subject: Subject) -> Iterator[Hit]:
    count = sum(parameter.depth == 0 for parameter in subject.parameters)
    if count > _MANY:
        yield Hit(
            subject=subject,
            path="parameters",
            words=f"{count} parameters: models leave out and mix up what they are offered in such "
            "numbers.",
            evidence=str(count),
        )


RULES = (
    Rule(
        id="schema-invalid",
        severity=Severity.ERROR,
        reason="A provider refuses the whole request for one broken schema.",
        fix="Mend the schema at the place named.",
        each=_broken,
    ),
    Rule(
        id="schema-not-object",
        severity=Severity.ERROR,
        reason="Arguments are an object on every wire.",
        fix='Wrap the value: {"type": "object", "properties": {...}}.',
        each=_no_object,
    ),
    Rule(
        id="parameter-impossible",
        severity=Severity.ERROR,
        reason="No model can fill what nothing satisfies.",
        fix="Correct the bounds or the values.",
        each=_impossible,
    ),
    Rule(
        id="parameter-not-fillable",
        severity=Severity.WARNING,
        reason="What only the program knows a model invents.",
        fix="Let the program fill it in and take it out of the schema.",
        each=_host,
    ),
    Rule(
        id="parameter-secret",
        severity=Severity.WARNING,
        reason="What a model writes is sent to its provider, logged and stored.",
        fix="Let the source of the tool hold the secret and take it out of the schema.",
        each=_credential,
    ),
    Rule(
        id="required-unknown",
        severity=Severity.ERROR,
        reason="Every call that follows the description is refused.",
        fix="Describe the parameter, or take its name out of `required`.",
        each=_phantom,
    ),
    Rule(
        id="object-unspecified",
        severity=Severity.WARNING,
        reason="A model invents the names of properties that it is not told.",
        fix="Name the properties, or say of what the values are by `additionalProperties`.",
        each=_free_object,
    ),
    Rule(
        id="items-unspecified",
        severity=Severity.WARNING,
        reason="Gemini refuses an array without `items`, and a model guesses.",
        fix="Say by `items` what the list holds.",
        each=_untyped_items,
    ),
    Rule(
        id="type-missing",
        severity=Severity.WARNING,
        reason="Without a type nothing is checked or repaired, and strict modes refuse it.",
        fix="Give the type, or the alternatives by `anyOf`.",
        each=_untyped,
    ),
    Rule(
        id="default-invalid",
        severity=Severity.ERROR,
        reason="What is left out is filled with a value that the schema refuses.",
        fix="Write the default in the type of the parameter.",
        each=_default,
    ),
    Rule(
        id="example-invalid",
        severity=Severity.ERROR,
        reason="A model copies examples.",
        fix="Show values that the schema accepts.",
        each=_examples,
    ),
    Rule(
        id="enum-repeats",
        severity=Severity.INFO,
        reason="OpenAI refuses an enum that holds a value twice in strict mode.",
        fix="Keep one of each.",
        each=_twice,
    ),
    Rule(
        id="parameters-many",
        severity=Severity.INFO,
        reason="The more parameters a tool has, the more of them are left out or mixed up.",
        fix="Split the tool by task, or group what belongs together.",
        each=_crowded,
    ),
)
