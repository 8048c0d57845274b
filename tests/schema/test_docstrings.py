import inspect
import re
from collections.abc import Iterator
from types import ModuleType

import docstring_parser
import docstring_parser.google
import pydantic.fields
import pydantic.main
import pydantic.type_adapter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.schema.docstrings import Docstring, parse_docstring

GOOGLE = """Get the forecast.

    Asks the service for
    each day.

    Args:
        city: Name of the city,
            as on a map.
        days (int, optional): How many days: at most 14.
        *tags: Words.

    Returns:
        Degrees
        by day.

    Raises:
        ValueError: No such city.

    Note:
        Call `find_city` first.
    """

NUMPY = r"""Get the forecast.

    Asks the service for
    each day.

    Parameters
    ----------
    city : str
        Name of the city,
        as on a map.
    days : int, optional
        How many days: at most 14.
    \*tags
        Words.

    Returns
    -------
    dict
        Degrees
        by day.

    Raises
    ------
    ValueError
        No such city.

    Note
    ----
    Call `find_city` first.
    """

SPHINX = """Get the forecast.

    Asks the service for
    each day.

    :param city: Name of the city,
        as on a map.
    :param int days: How many days: at most 14.
    :type city: str
    :param tags: Words.
    :returns: Degrees
        by day.
    :rtype: dict
    :raises ValueError: No such city.

    {note}
    """

NOTES = {
    "google": "Note:\n    Call `find_city` first.",
    "numpy": "Note\n----\nCall `find_city` first.",
    "sphinx": ".. note:: Call `find_city` first.",
}


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("google", GOOGLE),
        ("numpy", NUMPY),
        ("sphinx", SPHINX.format(note=NOTES["sphinx"])),
    ],
)
def test_each_style_says_the_same(style: str, text: str):
    assert parse_docstring(text) == Docstring(
        description=f"Get the forecast.\n\nAsks the service for\neach day.\n\n{NOTES[style]}",
        parameters={
            "city": "Name of the city, as on a map.",
            "days": "How many days: at most 14.",
            "tags": "Words.",
        },
        returns="Degrees by day.",
    )


@pytest.mark.parametrize("text", [None, ""])
def test_no_docstring_says_nothing(text: str | None):
    assert parse_docstring(text) == Docstring(description="", parameters={}, returns="")


def test_one_line_is_the_description():
    assert parse_docstring("Add two numbers.").description == "Add two numbers."


@pytest.mark.parametrize(
    "text",
    [
        "Do it.\n\nArgs:\n    None, it needs nothing.",
        "Do it.\n\nArgs:",
        "Do it.\n\nParameters\n----------\n- one, of many words",
        "Do it.\n\n:custom field: of another tool",
        "Do it.\n\nRemember:\n    this is prose.",
    ],
)
def test_a_section_that_is_not_understood_stays_in_the_description(text: str):
    assert parse_docstring(text) == Docstring(description=text, parameters={}, returns="")


def test_the_layout_of_lists_and_paragraphs_in_a_description_is_kept():
    text = """Sort.

    Args:

        by: One of
            - name
            - date
        up:
            Wrapped
            text.
    """
    assert parse_docstring(text).parameters == {
        "by": "One of\n- name\n- date",
        "up": "Wrapped text.",
    }


def test_a_continuation_without_indentation_belongs_to_the_parameter_above():
    text = "Sort.\n\nArgs:\n    by: The column\n    to sort by.\n    up: Which way."
    assert parse_docstring(text).parameters == {"by": "The column to sort by.", "up": "Which way."}


def test_numpy_parameters_may_share_a_description():
    text = (
        "Add.\n\nParameters\n----------\nx, y : float\n    A number.\nz (optional)\n    One more."
    )
    assert parse_docstring(text).parameters == {
        "x": "A number.",
        "y": "A number.",
        "z": "One more.",
    }


def test_a_numpy_result_may_lack_a_description():
    assert parse_docstring("Add.\n\nReturns\n-------\nfloat").returns == "float"


@given(st.text(alphabet=" \n:-abArgsParameters()*,.", max_size=200))
def test_no_text_is_an_error(text: str):
    assert isinstance(parse_docstring(text), Docstring)


# ---------------------------------------------------------------- against docstring-parser


def _docstrings(module: ModuleType) -> Iterator[str]:
    for _, value in inspect.getmembers(module):
        members = inspect.getmembers(value) if inspect.isclass(value) else [("", value)]
        for _, member in members:
            if inspect.isroutine(member) and member.__doc__:
                yield member.__doc__


def _words(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


@pytest.mark.parametrize(
    "module",
    [
        pydantic.fields,
        pydantic.main,
        pydantic.type_adapter,
        docstring_parser.parser,
        docstring_parser.google,
    ],
    ids=lambda module: module.__name__,
)
def test_real_docstrings_are_read_as_the_library_reads_them(module: ModuleType):
    read = 0
    for text in set(_docstrings(module)):
        theirs = {
            parameter.arg_name.lstrip("*"): _words(parameter.description)
            for parameter in docstring_parser.parse(text).params
            if parameter.args[0] == "param"
        }
        ours = {name: _words(said) for name, said in parse_docstring(text).parameters.items()}
        assert ours == theirs
        read += len(ours)
    assert read > 0


_said = st.text(alphabet="abcdefghij ", min_size=1, max_size=30).map(_words).filter(bool)


@given(
    parameters=st.dictionaries(st.from_regex("[a-z_]{1,8}", fullmatch=True), _said, min_size=1),
    style=st.sampled_from(["google", "numpy", "sphinx"]),
)
def test_what_was_written_is_read(parameters: dict[str, str], style: str):
    lines = {
        "google": ["Args:", *(f"    {name}: {said}" for name, said in parameters.items())],
        "numpy": [
            "Parameters",
            "----------",
            *(f"{name} : int\n    {said}" for name, said in parameters.items()),
        ],
        "sphinx": [f":param {name}: {said}" for name, said in parameters.items()],
    }
    text = "Summary.\n\n" + "\n".join(lines[style])
    assert parse_docstring(text) == Docstring(
        description="Summary.", parameters=parameters, returns=""
    )
