"""What is read of an SDK's response objects: what came, and nothing the SDK has put in."""

from typing import Any, ClassVar

from pydantic import BaseModel

from callgate.codecs.json_text import plain


class Text(BaseModel):
    __api_exclude__: ClassVar[set[str]] = {"parsed"}
    text: str
    parsed: Any = None
    input: Any = None


class Nested(BaseModel):
    @property
    def __api_exclude__(self) -> dict[str, Any]:
        return {"parts": {0: {"parsed"}}}

    parts: list[Text]


class Response(BaseModel):
    id: str
    message: Nested
    blocks: list[Text]
    note: str | None = None


def test_only_what_came_is_read() -> None:
    assert plain(Text(text="a")) == {"text": "a"}


def test_what_the_sdk_has_put_in_is_left_out_at_any_depth_but_not_from_arguments() -> None:
    arguments = {"parsed": 1}
    text = Text(text="a", parsed={"b": 1}, input=arguments)
    response = Response(id="r", message=Nested(parts=[text]), blocks=[Text(text="c"), text])
    left = {"text": "a", "input": arguments}
    assert plain(response) == {
        "id": "r",
        "message": {"parts": [left]},
        "blocks": [{"text": "c"}, left],
    }


def test_an_object_of_another_kind_is_asked_for_its_dump() -> None:
    class Dumped:
        def model_dump(self) -> dict[str, Any]:
            return {"a": 1}

    assert plain(Dumped()) == {"a": 1}
    assert plain({"a": 1}) == {"a": 1}
