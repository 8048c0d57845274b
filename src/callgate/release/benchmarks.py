"""Records of public benchmarks, as tools: one reader for each source.

| form | source | where the tool stands |
|---|---|---|
| `bfcl` | Berkeley Function Calling Leaderboard | `function` of a question; a table of functions |
| `toolbench` | ToolBench | one endpoint a record: `required_parameters`, `optional_parameters` |
| `sealtools` | Seal-Tools | `api_name`, `parameters`, `required`, `responses` |
| `apibank` | API-Bank | `input_parameters`, `output_parameters`; `tools` of an item |
| `agentdojo` | AgentDojo | `suite`, `parameters` |
| `complexfuncbench` | ComplexFuncBench | `query_parameters` with `required: true`, `endpoint` |
| `nestful` | NESTFUL | `query_parameters`, `allowed_values` |
| `calls` | tau-bench, tau2-bench; gold calls of others | what recorded arguments have in common |

Types are translated by `type_words`. What a source does not say is not made up: where no
parameter is marked as required none is, and a description stays empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from callgate.contract.listing import Listed
from callgate.release.forms import Item, listed
from callgate.release.type_words import translate
from callgate.schema.values import is_array, is_object
from callgate.types import Tool

__all__ = ["benchmark_tools", "observed_tools"]


def benchmark_tools(item: Item) -> list[Listed] | None:
    """Read the record of a benchmark; None if it is of none.

    Raises:
        DefinitionError: A schema is nested too deep to be read.
    """
    value = item.value
    if "question" in value and "function" in value:
        return _functions(item)
    if "api_name" in value and is_object(value.get("parameters")):
        return [_sealtools(item)]
    if is_array(value.get("required_parameters")) and "api" in value:
        return [_toolbench(item)]
    if is_object(value.get("query_parameters")) and "name" in value:
        return [_queried(item)]
    if is_object(value.get("input_parameters")) and "name" in value:
        return [_of_a_part(_apibank(item, value, "input_parameters"), value.get("set"))]
    if is_array(value.get("tools")) and "dialogue" in value:
        return _dialogue(item)
    if "suite" in value and is_object(value.get("parameters")):
        return [_of_a_part(listed(item, "agentdojo", value), value["suite"])]
    return None


def _of_a_part(entry: Listed, part: Any) -> Listed:
    """Note of which part of the benchmark a tool is: nobody is offered the tools of two parts."""
    return replace(entry, surfaces=(part,)) if isinstance(part, str) else entry


def _functions(item: Item) -> list[Listed]:
    found = item.value["function"]
    many = found if is_array(found) else [found]
    return [
        replace(
            listed(
                Item(
                    value=function,
                    steps=(*item.steps, "function", *((place,) if is_array(found) else ())),
                ),
                "bfcl",
                function,
                returns="response",
            ),
            surfaces=(item.place,),
        )
        for place, function in enumerate(many)
        if is_object(function) and isinstance(function.get("name"), str)
    ]


def _sealtools(item: Item) -> Listed:
    value = item.value
    fields = {
        "name": value["api_name"],
        "description": value.get("api_description"),
        "parameters": _object(value["parameters"], value.get("required")),
        "returns": _object(value["responses"]) if is_object(value.get("responses")) else None,
    }
    return _translated(item, "sealtools", fields)


def _toolbench(item: Item) -> Listed:
    value = item.value
    required = _by_name(value["required_parameters"])
    optional = _by_name(value.get("optional_parameters", []))
    fields = {
        "name": f"{value.get('tool', '')}::{value['api']}",
        "description": value.get("description"),
        "parameters": _object({**optional, **required}, list(required)),
    }
    # Names of endpoints are unique within their collection only.
    return replace(_translated(item, "toolbench", fields), written=str(value["api"]))


def _by_name(parameters: Any) -> dict[str, Any]:
    return {
        str(parameter.get("name")): {k: v for k, v in parameter.items() if k != "name"}
        for parameter in parameters
        if is_object(parameter)
    }


def _queried(item: Item) -> Listed:
    """Read ComplexFuncBench and NESTFUL: parameters of a query, each marked as required or not."""
    value = item.value
    form = "complexfuncbench" if "endpoint" in value and "set" not in value else "nestful"
    returns: Any = value.get("output_parameters")
    fields = {
        "name": value["name"],
        "description": value.get("description"),
        "parameters": _object(
            {name: _allowed(inner) for name, inner in value["query_parameters"].items()}
        ),
        "returns": _object(returns) if is_object(returns) and returns else None,
    }
    return _translated(item, form, fields)


def _allowed(parameter: Any) -> Any:
    """Read NESTFUL's `allowed_values` as an enum; a parameter without a type is then a text."""
    if not (is_object(parameter) and "allowed_values" in parameter):
        return parameter
    rest = {key: value for key, value in parameter.items() if key != "allowed_values"}
    return {"type": "string", **rest, "enum": parameter["allowed_values"]}


def _apibank(item: Item, value: dict[str, Any], key: str) -> Listed:
    returns: Any = value.get("output_parameters")
    fields = {
        "name": value["name"],
        "description": value.get("description"),
        "parameters": _object(value[key]),
        "returns": _object(returns) if is_object(returns) and returns else None,
    }
    return _translated(item, "apibank", fields)


def _dialogue(item: Item) -> list[Listed]:
    return [
        replace(
            _apibank(Item(value=tool, steps=(*item.steps, "tools", place)), tool, "parameters"),
            surfaces=(item.place,),
        )
        for place, tool in enumerate(item.value["tools"])
        if is_object(tool) and "name" in tool and is_object(tool.get("parameters"))
    ]


def _object(properties: Any, required: Any = None) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if is_array(required) and required:
        made["required"] = required
    return made


def _translated(item: Item, form: str, fields: dict[str, Any]) -> Listed:
    notes: list[str] = []
    for key in ("parameters", "returns"):
        if fields.get(key) is not None:
            fields[key] = translate(fields[key], notes.append)
    entry = listed(item, form, fields, returns="returns")
    # The record has no schema that could be changed where it stands.
    return replace(entry, notes=(*notes, *entry.notes), steps={"item": item.steps})


# --- gold actions ---------------------------------------------------------------------------


def observed_tools(items: Iterable[Item]) -> list[Listed]:
    """Return the tools that recorded actions used, with the schema that their arguments show.

    Args:
        items: Records with gold actions or calls; others are passed over.
    """
    calls: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for item in items:
        for name, arguments in _actions(item.value):
            calls.setdefault(name, []).append((item.place, arguments))
    return [_observed(name, seen) for name, seen in calls.items()]


def _actions(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    criteria = value.get("evaluation_criteria")
    found: Any = criteria.get("actions") if is_object(criteria) else None
    found = found or value.get("gold_actions") or value.get("calls")
    for action in found if is_array(found) else []:
        if is_object(action) and isinstance(action.get("name"), str):
            arguments = action.get("arguments", action.get("kwargs"))
            yield action["name"], arguments if is_object(arguments) else {}


def _observed(name: str, seen: list[tuple[str, dict[str, Any]]]) -> Listed:
    arguments = [given for _, given in seen]
    return Listed(
        tool=Tool(name=name, description="", parameters=_shape(arguments)),
        place=seen[0][0],
        form="calls",
        notes=(f"the schema is what {len(seen)} recorded calls show",),
    )


def _shape(values: list[Any]) -> dict[str, Any]:
    """Return the narrowest simple schema that all values satisfy."""
    kinds = sorted({_kind(value) for value in values})
    if kinds == ["integer", "number"]:
        kinds = ["number"]
    if not kinds:
        return {}
    made: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    objects = [value for value in values if is_object(value)]
    if names := dict.fromkeys(name for value in objects for name in value):
        made["properties"] = {
            name: _shape([value[name] for value in objects if name in value]) for name in names
        }
        if required := [name for name in names if all(name in value for value in objects)]:
            made["required"] = required
    if held := [inner for value in values if is_array(value) for inner in value]:
        made["items"] = _shape(held)
    return made


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
