"""What models wrote, read as calls: in the styles that have a name, and never evaluated."""

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import MissingDependencyError
from callgate.evals.arithmetic import calculate
from callgate.evals.benchmarks.bfcl.decode import DECODERS, DecodeError, decode
from callgate.evals.benchmarks.bfcl.kinds import Edition, Language
from callgate.evals.benchmarks.bfcl.syntax import read_python

PYTHON, JAVA, JAVASCRIPT = Language.PYTHON, Language.JAVA, Language.JAVASCRIPT


def read(name: str, raw: Any, language: Language = PYTHON, edition: Edition = Edition.V1) -> Any:
    return decode(name, raw, language=language, edition=edition)


@pytest.mark.parametrize(
    ("name", "raw", "calls"),
    [
        ("native", [{"f": '{"a": 1}'}, {"g": "{}"}], [{"f": {"a": 1}}, {"g": {}}]),
        (
            "text",
            "[f(a=1), m.g(b=[1, (2, 'x')], c={'k': -1.5})]  ",
            [{"f": {"a": 1}}, {"m.g": {"b": [1, (2, "x")], "c": {"k": -1.5}}}],
        ),
        (
            "text",
            "\n[f(a=x, b=None, c=..., d=2*3.5)]",
            [{"f": {"a": "x", "b": None, "c": "...", "d": 7.0}}],
        ),
        (
            "text",
            "[f(e=g(), f=h(i=1), j=k[0])]",
            [{"f": {"e": "g()", "f": {"h": {"i": 1}}, "j": "k[0]"}}],
        ),
        ("text", "[f({'a': 1})]", ["f({'a': 1})"]),
        ("text", "[f(a='b' + \"c\" + 'd')]", [{"f": {"a": "bcd"}}]),
        ("text-bracketed", " f(a=1)", [{"f": {"a": 1}}]),
        ("text-joined", "f(a=1,\n  b=2)", [{"f": {"a": 1, "b": 2}}]),
        ("text-unescaped", "f\\_g(a=1)", [{"f_g": {"a": 1}}]),
        ("text-quoted", "['f(a=1)', 'g(b=2)']", [{"f": {"a": 1}}, {"g": {"b": 2}}]),
        ("text-quoted", "f(a=1)\n", [{"f": {"a": 1}}]),
        ("text-unquoted", "['f(a=1)']", [{"f": {"a": 1}}]),
        ("text-unquoted", "[f(a='b c')]", [{"f": {"a": "b c"}}]),
        ("text-semicolons", "f(a=1); g(b=2);", [{"f": {"a": 1}}, {"g": {"b": 2}}]),
        ("text-semicolons", "out_of_domain(user_query='x');", "irrelevant"),
        (
            "tool-call-lines",
            "<tool_call>\n{'name': 'f', 'arguments': {}}\n</tool_call>\nok",
            [{"f": {}}],
        ),
        ("tool-call-lines", "no call", []),
    ],
)
def test_a_style_is_read_by_the_decoder_of_its_name(name: str, raw: Any, calls: Any) -> None:
    assert read(name, raw) == calls


def test_the_fourth_edition_frees_the_text_and_takes_calls_without_arguments() -> None:
    assert read("text", "```\nf()\n```", edition=Edition.V4) == [{"f": {}}]
    assert read_python(" 'f()' ", Edition.V4) == [{"f": {}}]
    assert read("text", "[f(a=1), g(2)]", edition=Edition.V4) == [{"f": {"a": 1}}, {"g": {}}]


@pytest.mark.parametrize(
    ("raw", "calls"),
    [
        ("[A.f(a=\"x\", b=3, c='y')]", [{"A.f": {"a": "x", "b": "3", "c": "y"}}]),
        (
            '[f(a=new ArrayList<>(Arrays.asList("p", "q")), b=new int[]{1, 2})]',
            [{"f": {"a": 'new ArrayList<>(Arrays.asList("p", "q"))', "b": "new int[]{1,2}"}}],
        ),
        ("[f(a=x.y().z, b)]", [{"f": {"a": "x.y().z", None: "b"}}]),
        ("[x = 1;]", {}),
    ],
)
def test_java_is_read_by_its_grammar(raw: str, calls: Any) -> None:
    assert read("text", raw, JAVA) == calls


@pytest.mark.parametrize(
    ("raw", "calls"),
    [
        (
            "[f(a='x', b=[1, 2], c={d: 1}, e=() => 1)]",
            [{"f": {"a": "x", "b": "[1, 2]", "c": "{d: 1}", "e": "() => 1"}}],
        ),
        ("[a.f(x, true)]", None),
        ("[f(true, a=1)]", [{"f": {None: "true", "a": "1"}}]),
        ("[1 + 2]", None),
    ],
)
def test_javascript_is_read_by_its_grammar(raw: str, calls: Any) -> None:
    if raw == "[a.f(x, true)]":
        with pytest.raises(DecodeError, match="twice"):
            read("text", raw, JAVASCRIPT)
        return
    assert read("text", raw, JAVASCRIPT) == calls


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("raw", ["[f(a=1", "Sorry, I cannot (help) with that!", ""])
def test_what_is_no_call_is_not_decoded(raw: str, language: Language) -> None:
    if language is not PYTHON and not raw:
        assert not read("text", raw, language)
        return
    with pytest.raises(DecodeError):
        read("text", raw, language)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("native", "text"),
        ("native", ["text"]),
        ("native", [{"f": "{"}]),
        ("native", [{"f": {"a": 1}}]),
        ("text", [{"f": "{}"}]),
        ("text", "[f(**x)]" * 30_000),
        ("text", "[f(a=" + "(" * 3_000 + ")" * 3_000 + ")]"),
        ("text", "[f(a={[1]: 2})]"),
        ("text", "[f(a={**x})]"),
        ("text", "[f(a=not x)]"),
        ("text", "[f(a=x + 1)]"),
        ("text", "[f(a=9**9**9)]"),
        ("text", "[f(a=1/0)]"),
        ("text", "[1]"),
        ("text", "f(a=1)"),
        ("text-bracketed", ""),
        ("text-unquoted", 7),
        ("tool-call-lines", 7),
        ("tool-call-lines", "<tool_call>\n[1]"),
        ("tool-call-lines", "<tool_call>\n{"),
    ],
)
def test_other_forms_are_refused(name: str, raw: Any) -> None:
    with pytest.raises(DecodeError):
        read(name, raw)


def test_a_strange_escape_in_an_output_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read("text", r"[f(a='\d')]") == [{"f": {"a": r"\d"}}]


@pytest.mark.parametrize("name", sorted(DECODERS))
@pytest.mark.parametrize("language", list(Language))
def test_code_in_an_output_is_never_run(name: str, language: Language, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    write = f"open({str(mark)!r}, 'w').close()"
    codes = [
        f"[f(a={write})]",
        f"[f(a=[x for x in [{write}]])]",
        f"[f(a=(lambda: {write})())]",
        f"[__import__('os').system('touch {mark}')]",
        f"[f(a=1 + {write})]",
        f'[f(a=f"{{{write}}}")]',
        f"{write};",
    ]
    for code in codes:
        for raw in (code, [{"f": code}], [{code: "{}"}]):
            try:
                read(name, raw, language)
            except DecodeError:
                continue
    assert not mark.exists()


def test_arithmetic_is_done_within_bounds() -> None:
    assert calculate("(2 + 3) * -4.5 / 9 % 4 ** 2 // 1 - +1") == (2 + 3) * -4.5 / 9 % 4**2 // 1 - 1
    assert calculate("3 * 10^8") == 22
    assert (calculate("6 & 3"), calculate("6 | 1")) == (2, 7)
    refused = (
        "1.5 ^ 2",
        "1 +",
        "x",
        "1 << 9",
        "2 ** 65",
        "1e16 + 1",
        "(-8) ** 0.5",
        "1" * 10_001,
        "True and 1",
    )
    for text in refused:
        with pytest.raises(ValueError, match=r"."):
            calculate(text)


def test_native_numbers_are_read_as_python_reads_them() -> None:
    long = 10**30
    (call,) = read("native", [{"f": f'{{"a": {long}, "b": NaN}}'}])
    assert call["f"]["a"] == long
    assert call["f"]["b"] != call["f"]["b"]


def test_tagged_values_of_java_are_source_text() -> None:
    raw = "<tool_call>\n{'name': 'f', 'arguments': {'a': 1}}\n</tool_call>"
    assert read("tool-call-lines", raw, JAVA) == [{"f": {"a": "1"}}]
    with pytest.raises(DecodeError, match="no object"):
        read("tool-call-lines", "<tool_call>\n{'name': 'f', 'arguments': 1}", JAVA)


def test_without_the_parsers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "callgate.evals.benchmarks.bfcl.source"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'callgate\[evals\]'"):
        read("text", "[f(a=1)]", JAVA)
    assert read("text", "[f(a=1)]") == [{"f": {"a": 1}}]
