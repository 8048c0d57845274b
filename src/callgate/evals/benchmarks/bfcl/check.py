"""Whether calls are right, by the leaderboard's rules, and by which error type they are not.

The rules are the official ones, quirks included, because a verdict is only comparable if it is the
same: an argument is compared with a list of accepted values, of which "" says that it may be left
out; text is compared without case and some punctuation; members are checked one level deep; the
calls of a parallel item are matched greedily. `scorers/` holds the rules we would choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from callgate.evals.benchmarks.bfcl.kinds import HOLDERS, KINDS, Edition, Language
from callgate.evals.benchmarks.bfcl.values import convert
from callgate.schema.values import is_array, is_object

__all__ = ["Rules", "check_calls", "is_call_format"]

_LEFT_OUT = ""
_IGNORED = re.compile(r"[ ,./\-_*^]")

Call = Mapping[str, Any]
"""A decoded call: one key, the function's name, whose value is its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By what an item is judged.

    Attributes:
        edition: Of the leaderboard.
        language: Of the function.
        underscored: Whether the model's interface takes no dots in names, so that the right name
            has underscores for them.
    """

    edition: Edition
    language: Language
    underscored: bool


def is_call_format(decoded: Any, edition: Edition) -> bool:
    """Tell whether what was decoded is a list of calls; an empty list is one."""
    if not is_array(decoded) or not all(is_object(item) for item in decoded):
        return False
    if edition is Edition.V1:
        return True
    return all(len(item) == 1 and is_object(next(iter(item.values()))) for item in decoded)


def check_calls(
    calls: Sequence[Call],
    functions: Any,
    answers: Sequence[tuple[str, Any]],
    category: str,
    rules: Rules,
) -> str | None:
    """Return the official error type of an item's calls, or None if they are right.

    Args:
        calls: What the model called.
        functions: The definition it was offered, or several.
        answers: The names of the right calls with accepted values by argument.
        category: The item's category, which says how calls are matched.
        rules: By what the item is judged.
    """
    several = "parallel" in category or (rules.edition is Edition.V1 and "multiple" in category)
    if several:
        return _matched(calls, functions, answers, rules)
    if len(calls) != 1:
        checker = "multiple" if "multiple" in category else "simple"
        return f"{checker}_function_checker:wrong_count"
    name, accepted = answers[0]
    if "multiple" in category:
        function = _described(functions, name, rules.edition)
    else:
        function = functions[0] if is_array(functions) else functions
    return _call(calls[0], function, accepted, rules)


def _matched(
    calls: Sequence[Call], functions: Any, answers: Sequence[tuple[str, Any]], rules: Rules
) -> str | None:
    """Give every answer the first call that fits and is not taken; the order says which."""
    if len(calls) != len(answers):
        return "parallel_function_checker_no_order:wrong_count"
    left = list(calls)
    for name, accepted in answers:
        function = _described(functions, name, rules.edition)
        if function is None and rules.edition is Edition.V1:
            return "parallel_function_checker_no_order:cannot_find_description"
        for place, call in enumerate(left):
            if _call(call, function, accepted, rules) is None:
                del left[place]
                break
        else:
            return "parallel_function_checker_no_order:cannot_find_match"
    return None


def _described(functions: Any, name: str, edition: Edition) -> Any:
    if not is_array(functions):
        return functions
    # Answers of the first edition carry a number behind the name where it occurs twice.
    return next(
        (
            f
            for f in functions
            if (f["name"] in name if edition is Edition.V1 else f["name"] == name)
        ),
        None,
    )


def _call(call: Call, function: Any, accepted: Any, rules: Rules) -> str | None:
    if function is None:
        return "simple_function_checker:wrong_func_name"
    name = function["name"].replace(".", "_") if rules.underscored else function["name"]
    if name not in call:
        return "simple_function_checker:wrong_func_name"
    arguments = call[name]
    if not is_object(arguments):
        return "simple_function_checker:unclear"
    if any(needed not in arguments for needed in function["parameters"].get("required", ())):
        return "simple_function_checker:missing_required"
    declared = function["parameters"]["properties"]
    for key, value in arguments.items():
        if key not in declared or key not in accepted:
            return "simple_function_checker:unexpected_param"
        if error := _argument(value, declared[key], accepted[key], rules):
            return error
    if any(key not in arguments and _LEFT_OUT not in accepted[key] for key in accepted):
        return "simple_function_checker:missing_optional"
    return None


# ------------------------------------------------------------------ one argument


def _argument(
    value: Any, declared: Mapping[str, Any], accepted: list[Any], rules: Rules
) -> str | None:
    kind: str = declared["type"]
    kinds = KINDS[rules.language]
    holds = kind in HOLDERS[rules.language]
    inner: str | None = declared["items"]["type"] if holds else None
    if rules.language is Language.PYTHON:
        value = _widened(value, kind)
    elif type(value) is not str:
        return "type_error:java" if rules.language is Language.JAVA else "type_error:js"
    else:
        value = convert(value, kind, inner, language=rules.language)
    expected, inner_type = kinds[kind], kinds[inner] if inner else None
    error, is_variable = _typed(value, accepted, expected, inner_type)
    if error:
        return error
    return _valued(value, accepted, None if is_variable else expected, inner_type, rules.edition)


def _widened(value: Any, kind: str) -> Any:
    if kind == "float" and type(value) is int:
        return float(value)
    return (
        list(cast("tuple[Any, ...]", value)) if kind == "tuple" and type(value) is tuple else value
    )


def _typed(
    value: Any, accepted: Iterable[Any], expected: type, inner: type | None
) -> tuple[str | None, bool]:
    """Return what is wrong with a value's type, and whether it names a variable.

    A variable is told by accepted values of another type than the declared one.
    """
    options = list(accepted)
    usual = _usual(options)
    if type(value) is not expected:
        fits = usual is not None and type(value) is usual
        return (None if fits else "type_error:simple"), True
    is_variable = usual is not None and usual is not expected
    if inner is None or any(_members_typed(value, option, inner) for option in options):
        return None, is_variable
    return ("type_error:nested" if type(value) is usual else "type_error:simple"), is_variable


def _usual(options: Iterable[object]) -> type[object] | None:
    """Return the type of the first accepted value; of "" nothing is known."""
    return next((type(option) for option in options if option != _LEFT_OUT), None)


def _members_typed(value: Iterable[Any], option: Any, inner: type) -> bool:
    if not is_array(option):
        return True
    return all(_typed(member, option, inner, None)[0] is None for member in value)


def _valued(
    value: Any, accepted: list[Any], expected: type | None, inner: type | None, edition: Edition
) -> str | None:
    if expected is dict:
        return _object(value, accepted, edition)
    if expected is list:
        if inner is dict:
            return _objects(value, accepted, edition)
        return (
            None if _plain_list(value) in map(_plain_list, accepted) else "value_error:list/tuple"
        )
    if expected is str:
        options = [_plain(option) for option in accepted if type(option) is str]
        return None if _plain(value) in options else "value_error:string"
    return None if value in accepted else "value_error:others"


def _plain(value: Any) -> Any:
    """Return text as it is compared; other values as they are."""
    if type(value) is not str:
        return value
    return _IGNORED.sub("", value).lower().replace("'", '"')


def _plain_list(values: Any) -> Any:
    if not isinstance(values, list | tuple | str):
        return values
    return [_plain(value) for value in cast("Iterable[Any]", values)]


def _objects(value: Sequence[Any], accepted: Sequence[Any], edition: Edition) -> str | None:
    """Compare a list of objects, in order, with each accepted list; the last error counts."""
    error: str | None = "list_dict_checker:unclear"
    for options in accepted:
        if len(value) != len(options):
            error = "value_error:list_dict_count"
            continue
        pairs = zip(value, options, strict=True)
        error = next(
            (wrong for member, option in pairs if (wrong := _object(member, [option], edition))),
            None,
        )
        if error is None:
            return None
    return error


def _object(value: Any, accepted: Sequence[Any], edition: Edition) -> str | None:
    error = "dict_checker:unclear"
    if not is_object(value):
        return error
    for option in accepted:
        if option == _LEFT_OUT:
            continue
        wrong = _members(value, option, edition)
        if wrong is None:
            return None
        error = wrong
    return error


def _members(value: Mapping[str, Any], option: Mapping[str, Any], edition: Edition) -> str | None:
    if edition is Edition.V1 and len(value) != len(option):
        return "value_error:dict_items"
    error = next(filter(None, (_member(key, value[key], option, edition) for key in value)), None)
    if edition is Edition.V1:
        return error
    # The newer edition looks for what is missing even after an error, and that one counts.
    missing = any(key not in value and _LEFT_OUT not in options for key, options in option.items())
    return "value_error:dict_key" if missing else error


def _member(key: str, value: Any, option: Mapping[str, Any], edition: Edition) -> str | None:
    if key not in option:
        return "value_error:dict_key"
    options = option[key]
    if edition is Edition.V1 and is_object(options):
        return _object(value, [options], edition)
    fits = _plain(value) in [_plain(item) for item in options]
    return None if fits else "value_error:dict_value"
