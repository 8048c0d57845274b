"""What holds for every schema on every wire: nothing is accepted in silence, nothing is lost so."""

import copy
from typing import Any

import orjson
from hypothesis import assume, given
from hypothesis import strategies as st

from callgate.errors import MalformedArgumentsError
from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.complete import complete
from callgate.schema.dialects import Change, CompiledTool, compile_tools
from callgate.types import Tool
from tests.schema.dialect_shapes import JSON, arguments, instances, valid
from tests.schema.strategies import Shape

MODES = [
    ("openai", False),
    ("openai", True),
    ("anthropic", False),
    ("anthropic", True),
    ("gemini", False),
    ("gemini_parameters", False),
    ("vllm", True),
]
# Those that are compiled keyword by keyword; the others differ at the root only.
REDUCED = [mode for mode in MODES if mode[1] or mode[0].startswith("gemini")]
# Losses of form: the wire takes the same values, written otherwise.
FORMS = {"additionalProperties", "enum", "properties", "required"}


def _compiled(schema: dict[str, Any], wire: str, strict: bool) -> CompiledTool:
    tool = Tool(name="t", description="", parameters=schema)
    return compile_tools([tool], wire, strict).tools[0]


def _completed(schema: dict[str, Any], value: Any) -> bytes:
    """Arguments as every later stage sees them: with defaults, integers as integers."""
    found = copy.deepcopy(value)
    complete(Checker(schema), found)
    return canonical(found)


def _restored(tool: CompiledTool, value: Any) -> Any:
    """Return restored arguments; None for those that give a property twice."""
    try:
        return tool.restore(value)
    except MalformedArgumentsError:
        return None


@given(shape=arguments())
def test_what_was_valid_stays_expressible_or_the_report_says_not(shape: Shape) -> None:
    assume(valid(shape))
    before = orjson.dumps(shape.schema)
    for wire, strict in MODES:
        tool = _compiled(shape.schema, wire, strict)
        if not any(loss.narrows for loss in tool.losses):
            written = tool.express(shape.value)
            assert Checker(tool.compiled.checkable).problems(written) == ()
            restored = tool.restore(written)
            assert _completed(shape.schema, restored) == _completed(shape.schema, shape.value)
    assert orjson.dumps(shape.schema) == before


@given(data=st.data(), shape=arguments(), mode=st.sampled_from(REDUCED))
def test_what_the_wire_accepts_is_valid_once_restored_or_the_report_names_what_it_does_not_check(
    data: st.DataObject, shape: Shape, mode: tuple[str, bool]
) -> None:
    tool = _compiled(shape.schema, *mode)
    assume(tool.strict is mode[1])  # else it is relaxed, because of a recursion
    checkable = tool.compiled.checkable
    written = data.draw(instances(checkable, checkable))
    assume(Checker(checkable).is_valid(written))
    restored = _restored(tool, written)

    unchecked = [
        loss
        for loss in tool.losses
        if loss.happened is not Change.REWRITTEN or loss.keyword not in FORMS
    ]

    assert unchecked or restored is None or Checker(shape.schema).problems(restored) == ()


@given(shape=arguments(), value=JSON)
def test_restoring_anything_at_all_gives_json_or_a_clear_refusal(shape: Shape, value: Any) -> None:
    before = orjson.dumps(value)
    for wire, strict in MODES:
        restored = _restored(_compiled(shape.schema, wire, strict), value)

        assert isinstance(Checker(shape.schema).is_valid(restored), bool)
    assert orjson.dumps(value) == before
