"""A FastAPI application of sixty varied operations that logs what each of them was given."""

# No postponed annotations: FastAPI reads them where the operations stand, inside a function.
import functools
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import (
    Body,
    Cookie,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Path,
    Query,
    Response,
    UploadFile,
)
from fastapi.encoders import jsonable_encoder
from fastapi.responses import PlainTextResponse, RedirectResponse
from pydantic import BaseModel, Field

__all__ = ["varied_app"]


class Colour(StrEnum):
    """A colour."""

    RED = "red"
    LIGHT_BLUE = "light blue"


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    number: int | None = None


class Customer(BaseModel):
    """A customer."""

    name: str = Field(min_length=1, max_length=40)
    age: int = Field(ge=0, le=150)
    colour: Colour = Colour.RED
    address: Address | None = None
    tags: list[str] = Field(default_factory=list, max_length=5)


class Node(BaseModel):
    """A tree."""

    label: str
    children: list["Node"] = []


class Cat(BaseModel):
    """A cat."""

    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    """A dog."""

    kind: Literal["dog"]
    barks: bool


class Strange(BaseModel):
    """Names that are no identifiers."""

    first: str = Field(alias="first-name")
    at: str = Field(alias="@id")


class Search(BaseModel):
    """A whole query as one model."""

    text: str
    limit: int = Field(10, ge=1, le=100)


Log = list[tuple[str, Any]]


def varied_app(log: Log) -> FastAPI:
    """Make the application; every operation adds its name and what it was given to `log`."""
    app = FastAPI(title="Varied", version="1")

    def logged(method: str, path: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def run(**given: Any) -> Any:
                if not function.__name__.startswith("file"):
                    log.append((function.__name__, jsonable_encoder(given)))
                done = function(**given)
                return {"done": function.__name__} if done is None else done

            app.api_route(path, methods=[method], **options)(run)
            return run

        return register

    for add in _PARTS:
        add(logged)
    return app


def _paths(logged: Any) -> None:
    @logged("GET", "/p/text/{value}")
    def path_text(value: str) -> None: ...

    @logged("GET", "/p/int/{value}")
    def path_int(value: int) -> None: ...

    @logged("GET", "/p/float/{value}")
    def path_float(value: float) -> None: ...

    @logged("GET", "/p/bool/{value}")
    def path_bool(value: bool) -> None: ...

    @logged("GET", "/p/uuid/{value}")
    def path_uuid(value: UUID) -> None: ...

    @logged("GET", "/p/date/{value}")
    def path_date(value: date) -> None: ...

    @logged("GET", "/p/enum/{value}")
    def path_enum(value: Colour) -> None: ...

    @logged("GET", "/p/bounded/{value}")
    def path_bounded(value: Annotated[int, Path(ge=3, lt=9)]) -> None: ...

    @logged("DELETE", "/p/two/{first}/and/{second}")
    def path_two(first: int, second: str) -> None: ...


def _queries(logged: Any) -> None:
    @logged("GET", "/q/text")
    def query_text(value: str) -> None: ...

    @logged("GET", "/q/int")
    def query_int(value: int) -> None: ...

    @logged("GET", "/q/bool")
    def query_bool(value: bool) -> None: ...

    @logged("GET", "/q/float")
    def query_float(value: float) -> None: ...

    @logged("GET", "/q/optional")
    def query_optional(value: str | None = None) -> None: ...

    @logged("GET", "/q/default")
    def query_default(value: int = 7) -> None: ...

    @logged("GET", "/q/texts")
    def query_texts(value: Annotated[list[str], Query(min_length=1)]) -> None: ...

    @logged("GET", "/q/ints")
    def query_ints(value: Annotated[list[int], Query(min_length=1)]) -> None: ...


def _richer_queries(logged: Any) -> None:
    @logged("GET", "/q/enum")
    def query_enum(value: Colour) -> None: ...

    @logged("GET", "/q/literal")
    def query_literal(value: Literal["a", "b c"]) -> None: ...

    @logged("GET", "/q/date")
    def query_date(value: date) -> None: ...

    @logged("GET", "/q/datetime")
    def query_datetime(value: datetime) -> None: ...

    @logged("GET", "/q/decimal")
    def query_decimal(value: Decimal) -> None: ...

    @logged("GET", "/q/alias")
    def query_alias(value: Annotated[str, Query(alias="filter[name]")]) -> None: ...

    @logged("GET", "/q/model")
    def query_model(search: Annotated[Search, Query()]) -> None: ...

    @logged("GET", "/q/several")
    def query_several(a: str, b: int, c: bool = False, d: float | None = None) -> None: ...


def _headers(logged: Any) -> None:
    @logged("GET", "/h/text")
    def header_text(value: Annotated[str, Header()]) -> None: ...

    @logged("GET", "/h/int")
    def header_int(x_count: Annotated[int, Header()]) -> None: ...

    @logged("GET", "/h/optional")
    def header_optional(x_maybe: Annotated[str | None, Header()] = None) -> None: ...

    @logged("GET", "/c/text")
    def cookie_text(value: Annotated[str, Cookie()]) -> None: ...

    @logged("GET", "/c/int")
    def cookie_int(value: Annotated[int, Cookie()]) -> None: ...

    @logged("POST", "/h/key")
    def header_key(idempotency_key: Annotated[str, Header()]) -> None: ...


def _bodies(logged: Any) -> None:
    @logged("POST", "/b/model")
    def body_model(customer: Customer) -> None: ...

    @logged("PUT", "/b/model")
    def body_put(customer: Customer) -> None: ...

    @logged("PATCH", "/b/address")
    def body_patch(address: Address) -> None: ...

    @logged("POST", "/b/list")
    def body_list(items: list[Address]) -> None: ...

    @logged("POST", "/b/ints")
    def body_ints(items: list[int]) -> None: ...

    @logged("POST", "/b/map")
    def body_map(items: dict[str, int]) -> None: ...

    @logged("POST", "/b/tree")
    def body_tree(node: Node) -> None: ...

    @logged("POST", "/b/union")
    def body_union(pet: Annotated[Cat | Dog, Field(discriminator="kind")]) -> None: ...


def _odd_bodies(logged: Any) -> None:
    @logged("POST", "/b/two")
    def body_two(customer: Customer, address: Address) -> None: ...

    @logged("POST", "/b/embedded")
    def body_embedded(address: Annotated[Address, Body(embed=True)]) -> None: ...

    @logged("POST", "/b/scalar")
    def body_scalar(value: Annotated[int, Body()]) -> None: ...

    @logged("POST", "/b/text")
    def body_text(value: Annotated[str, Body()]) -> None: ...

    @logged("POST", "/b/optional")
    def body_optional(address: Address | None = None) -> None: ...

    @logged("POST", "/b/strange")
    def body_strange(strange: Strange) -> None: ...

    @logged("POST", "/b/any")
    def body_any(value: Annotated[Any, Body()]) -> None: ...


def _forms(logged: Any) -> None:
    @logged("POST", "/f/form")
    def form_fields(name: Annotated[str, Form()], age: Annotated[int, Form()]) -> None: ...

    @logged("POST", "/f/list")
    def form_list(names: Annotated[list[str], Form(min_length=1)]) -> None: ...

    @logged("POST", "/f/file")
    def file_one(file: UploadFile) -> Any:
        return {"name": file.filename, "data": file.file.read().decode("latin-1")}

    @logged("POST", "/f/files")
    def file_many(files: list[UploadFile]) -> Any:
        return [file.file.read().decode("latin-1") for file in files]

    @logged("POST", "/f/bytes")
    def file_bytes(data: Annotated[bytes, File()], note: Annotated[str, Form()]) -> Any:
        return {"data": data.decode("latin-1"), "note": note}


def _mixed(logged: Any) -> None:
    @logged("PUT", "/m/{id}")
    def mixed_all(id: int, address: Address, q: str, x_trace: Annotated[str, Header()]) -> None: ...

    @logged("POST", "/m/{name}/same")
    def mixed_same(
        name: str, other: Annotated[str, Query(alias="name")], customer: Customer
    ) -> None: ...

    @logged("DELETE", "/m/{id}")
    def mixed_delete(id: int, force: bool = False) -> Response:
        return Response(status_code=204)


def _answers(logged: Any) -> None:
    @logged("GET", "/a/text", response_class=PlainTextResponse)
    def answer_text() -> str:
        return "plain ü"

    @logged("GET", "/a/image")
    def answer_image() -> Response:
        return Response(content=b"\x89PNG", media_type="image/png")

    @logged("GET", "/a/file")
    def answer_file() -> Response:
        head = {"content-disposition": 'attachment; filename="../../etc/report.pdf"'}
        return Response(content=b"%PDF", media_type="application/pdf", headers=head)

    @logged("GET", "/a/missing")
    def answer_missing() -> None:
        raise HTTPException(404, "There is no such thing.")

    @logged("GET", "/a/redirect")
    def answer_redirect() -> Response:
        return RedirectResponse("http://169.254.169.254/latest/meta-data")

    @logged("GET", "/a/large")
    def answer_large() -> Any:
        return {"number": 12345678901234567890123, "items": [{"id": 1, "secret": "x"}] * 2}


_PARTS = (
    _paths,
    _queries,
    _richer_queries,
    _headers,
    _bodies,
    _odd_bodies,
    _forms,
    _mixed,
    _answers,
)
