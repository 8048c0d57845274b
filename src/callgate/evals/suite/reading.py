"""Suites in files: JSON lines with a case each, or YAML with defaults and cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import yaml

from callgate.errors import CallgateError, DefinitionError, EvaluationDataError
from callgate.evals.cases import Case, Expectation, ExpectedCall
from callgate.evals.files import read_lines
from callgate.evals.matchers import check_matcher
from callgate.messages import Message, Role
from callgate.schema.values import is_array, is_object
from callgate.types import Effect, Text, Tool

__all__ = ["case_of", "read_suite"]

_CASE = frozenset(part.name for part in fields(Case)) | {"ask", "system"}
_EXPECT = frozenset(part.name for part in fields(Expectation))


def read_suite(path: Path) -> Iterator[Case]:
    """Yield the cases of a file; JSON lines are read one at a time.

    Args:
        path: `.jsonl` (also gzip) with a case per line, or `.yaml` with a list of cases, or with
            `defaults` (fields for every case) and `cases`.

    Raises:
        EvaluationDataError: The file cannot be read, a case is none, or two have one id.
    """
    seen: set[str] = set()
    for place, data in _items(path):
        try:
            case = case_of(data)
        except CallgateError as error:
            raise EvaluationDataError(f"{path.name}:{place}: {error.message}") from error
        if case.id in seen:
            raise EvaluationDataError(f"{path.name}:{place}: a case before has the id {case.id!r}.")
        seen.add(case.id)
        yield case
    if not seen:
        raise EvaluationDataError(f"{path.name} holds no case.")


def _items(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path.suffix not in (".yaml", ".yml"):
        yield from ((str(number), line) for number, line in enumerate(read_lines(path), 1))
        return
    data = _yaml(path)
    defaults: Any = None
    if is_object(data):
        defaults, data = data.get("defaults"), data.get("cases")
    defaults = {} if defaults is None else defaults
    if not is_array(data) or not is_object(defaults):
        raise EvaluationDataError(
            f"{path.name}: expected a list of cases, or an object with defaults and cases."
        )
    for number, item in enumerate(data, 1):
        if not is_object(item):
            raise EvaluationDataError(f"{path.name}: case {number} is not an object.")
        yield f"case {number}", {**defaults, **item}


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationDataError(f"{path.name} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise EvaluationDataError(f"{path.name} is not YAML: {error}") from error


def case_of(data: Mapping[str, Any]) -> Case:
    """Make a case of its JSON form; see docs/evaluation-suites.md for its fields.

    Raises:
        DefinitionError: A field is missing, unknown, or not of its form.
    """
    _only(data, _CASE, "a case")
    case = Case(
        id=_need(data, "id", str, "a text"),
        messages=_messages(data),
        tools=tuple(map(_tool, _list(data, "tools"))),
        expect=_expectation(_need(data, "expect", dict, "an object such as {abstain: true}")),
        replies=data.get("replies") or {},
        user=tuple(map(str, _list(data, "user"))),
        environment=data.get("environment") or "",
        cluster=data.get("cluster") or "",
        tags=tuple(map(str, _list(data, "tags"))),
    )
    loops = bool(case.replies or case.environment or case.user or case.expect.state is not None)
    return replace(case, loop=bool(data.get("loop", loops)))


def _messages(data: Mapping[str, Any]) -> tuple[Message, ...]:
    given = [_message(item) for item in _list(data, "messages")]
    if system := data.get("system"):
        given.insert(0, _said(Role.SYSTEM, system))
    if ask := data.get("ask"):
        given.append(_said(Role.USER, ask))
    if not given or given[-1].role is not Role.USER:
        raise DefinitionError("A case ends with the user's words: give ask, or messages.")
    return tuple(given)


def _message(item: Any) -> Message:
    if not is_object(item) or item.get("role") not in ("system", "user", "assistant"):
        raise DefinitionError("A message has a role (system, user or assistant) and content.")
    return _said(Role(item["role"]), item.get("content"))


def _said(role: Role, text: Any) -> Message:
    if not isinstance(text, str) or not text:
        raise DefinitionError(f"The words of {role.value} are a text that is not empty.")
    return Message(role=role, parts=(Text(text=text),))


def _tool(item: Any) -> Tool:
    if not is_object(item) or not isinstance(item.get("name"), str):
        raise DefinitionError("A tool is an object with name, description and parameters.")
    effect = item.get("effect", Effect.READ.value)
    if effect not in {kind.value for kind in Effect}:
        raise DefinitionError(f"The effect of {item['name']} is {effect!r}; see `Effect`.")
    return Tool(
        name=item["name"],
        description=str(item.get("description", "")),
        parameters=item.get("parameters") or {"type": "object", "properties": {}},
        returns=item.get("returns"),
        effect=Effect(effect),
    )


def _expectation(data: Mapping[str, Any]) -> Expectation:
    _only(data, _EXPECT, "expect")
    if not data:
        raise DefinitionError(f"expect is empty: name one of {', '.join(sorted(_EXPECT))}.")
    for key in ("answer", "state"):
        check_matcher(data.get(key))
    given = data.get("calls")
    calls = None if given is None else tuple(map(_alternatives, _list(data, "calls")))
    _check_places(calls or ())
    return Expectation(
        calls=calls,
        ordered=bool(data.get("ordered", False)),
        abstain=bool(data.get("abstain", False)),
        forbidden=frozenset(map(str, _list(data, "forbidden"))),
        answer=data.get("answer"),
        state=data.get("state"),
        rubric=_need(data, "rubric", str, "words that say what is right")
        if "rubric" in data
        else "",
    )


def _alternatives(item: Any) -> tuple[ExpectedCall, ...]:
    if is_object(item) and "any_of" in item:
        alternatives = tuple(map(_wanted, _list(item, "any_of")))
        if not alternatives:
            raise DefinitionError("any_of lists one call at least.")
        return alternatives
    return (_wanted(item),)


def _wanted(item: Any) -> ExpectedCall:
    if not is_object(item):
        raise DefinitionError("An expected call is an object with name and arguments.")
    _only(item, frozenset({"name", "arguments", "open", "after"}), "an expected call")
    arguments: Any = item.get("arguments", {})
    if not is_object(arguments):
        raise DefinitionError("The arguments of an expected call are an object.")
    check_matcher(list(arguments.values()))
    return ExpectedCall(
        name=_need(item, "name", str, "a tool"),
        arguments=arguments,
        open=bool(item.get("open")),
        after=frozenset(map(_place, _list(item, "after"))),
    )


def _place(value: Any) -> int:
    if type(value) is not int:
        raise DefinitionError(f"after holds places of other calls such as 0, not {value!r}.")
    return value


def _check_places(calls: Sequence[Sequence[ExpectedCall]]) -> None:
    """Hold `after` to the places of other calls; alternatives of one call share it."""
    for own, alternatives in enumerate(calls):
        if len({one.after for one in alternatives}) > 1:
            raise DefinitionError(f"The alternatives of call {own} have different `after`.")
        for place in alternatives[0].after:
            if place not in range(len(calls)) or place == own:
                raise DefinitionError(
                    f"after of call {own} names {place!r}: expected the places of other calls, "
                    f"from 0 to {len(calls) - 1}."
                )


# --- forms ----------------------------------------------------------------------------------


def _only(data: Mapping[str, Any], allowed: Iterable[str], what: str) -> None:
    if unknown := sorted(set(data) - set(allowed)):
        raise DefinitionError(
            f"{what} has no field {unknown[0]!r}; there are {', '.join(sorted(allowed))}."
        )


def _need(data: Mapping[str, Any], key: str, kind: Callable[..., Any], what: str) -> Any:
    value = data.get(key)
    if not isinstance(value, cast("type[Any]", kind)) or (kind is str and not value):
        raise DefinitionError(f"{key} is missing or of the wrong form: expected {what}.")
    return value


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    if value is None:
        return []
    if not is_array(value):
        raise DefinitionError(f"{key} is a list.")
    return value
