"""HTTP services as tools: a real store, and services that answer as they like."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import jsonschema_rs
import pytest
from aiohttp import web

from adapters.openapi.guard import is_private
from adapters.openapi.provider import OpenApiProvider, open_openapi_provider
from adapters.openapi.settings import OpenApiSettings
from examples.petstore.service import DOCUMENT, Store, open_service
from hub.catalog.provider import Answer, Json, Provider
from hub.errors import (
    BusyError,
    HubError,
    InvalidInputError,
    RefusedError,
    TooLargeError,
    UnknownNameError,
    UpstreamDownError,
)
from hub.upstream import Surroundings
from tests.upstream.callers import modern
from tests.upstream.endpoints import open_endpoint

KEY = "sk-store-key"


@asynccontextmanager
async def opened(surroundings: Surroundings, **settings: Any) -> AsyncGenerator[OpenApiProvider]:
    made = OpenApiSettings.model_validate({"allow_private": True, **settings})
    with anyio.fail_after(30):
        async with open_openapi_provider("pets", made, surroundings) as provider:
            yield provider


@asynccontextmanager
async def store(surroundings: Surroundings, **settings: Any) -> AsyncGenerator[tuple[OpenApiProvider, Store]]:
    async with open_service(KEY) as (url, pets):
        given: Json = {"document": f"{url}/openapi.json", "credentials": {"storeKey": KEY}, **settings}
        async with opened(surroundings, **given) as provider:
            yield provider, pets


async def call(provider: Provider, tool: str, key: str | None = None, **arguments: Any) -> Json:
    params: Json = {"name": tool, "arguments": arguments}
    if key is not None:
        params["_meta"] = {"hub/idempotencyKey": key}
    outcome = await provider.call(params, modern())
    assert isinstance(outcome, Answer)
    return outcome.body


async def test_operations_are_tools_with_schemas_of_both_ways(surroundings: Surroundings) -> None:
    async with store(surroundings) as (provider, _):
        tools = {tool["name"]: tool for tool in await provider.list("tools")}
        added = await call(provider, "addPet", body={"name": "Rex", "tag": "dog"})
        found = await call(provider, "findPets", tag=["dog", "cat"], limit=5)
    assert list(tools) == ["findPets", "addPet", "getPet"]
    assert tools["addPet"]["inputSchema"] == {
        "type": "object",
        "properties": {"body": {"$ref": "#/$defs/Pet"}},
        "additionalProperties": False,
        "required": ["body"],
        "$defs": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 1}, "tag": {"type": "string"}},
            }
        },
    }
    assert tools["findPets"]["annotations"]["readOnlyHint"] is True
    assert added["structuredContent"] == {"id": 1, "name": "Rex", "tag": "dog"}
    assert found["structuredContent"] == {"result": [{"id": 1, "name": "Rex", "tag": "dog"}]}
    jsonschema_rs.validate(tools["addPet"]["outputSchema"], added["structuredContent"])
    jsonschema_rs.validate(tools["findPets"]["outputSchema"], found["structuredContent"])
    for tool in tools.values():
        jsonschema_rs.meta.validate(tool["inputSchema"])


@pytest.mark.parametrize("arguments", [{}, {"petId": "one"}, {"petId": 1, "more": True}])
async def test_wrong_arguments_never_reach_the_service(surroundings: Surroundings, arguments: Json) -> None:
    async with store(surroundings) as (provider, _):
        with pytest.raises(InvalidInputError):
            await call(provider, "getPet", **arguments)


async def test_a_refusal_of_the_service_is_invalid_input_with_its_body(surroundings: Surroundings) -> None:
    async with store(surroundings) as (provider, _):
        with pytest.raises(InvalidInputError) as raised:
            await call(provider, "getPet", petId=7)
    assert str(raised.value) == 'the service answered 404 Not Found: {"message": "no such pet"}'


async def test_one_key_adds_one_pet(surroundings: Surroundings) -> None:
    async with store(surroundings, idempotency_header="Idempotency-Key") as (provider, pets):
        first = await call(provider, "addPet", key="run/1", body={"name": "Rex"})
        again = await call(provider, "addPet", key="run/1", body={"name": "Rex"})
        with pytest.raises(InvalidInputError, match="409"):
            await call(provider, "addPet", key="run/2", body={"name": "Rex"})
    assert first == again
    assert list(pets.pets) == [1]
    assert "run" not in str(pets.orders)


async def test_only_allowed_operations_are_listed_and_called(surroundings: Surroundings) -> None:
    async with store(surroundings, operations=["GET /pets*"]) as (provider, _):
        assert [tool["name"] for tool in await provider.list("tools")] == ["findPets", "getPet"]
        with pytest.raises(UnknownNameError):
            await call(provider, "addPet", body={"name": "Rex"})


async def test_an_operation_without_its_credentials_is_refused_with_their_name(surroundings: Surroundings) -> None:
    async with store(surroundings, credentials={}) as (provider, _):
        with pytest.raises(RefusedError, match="set `storeKey` under `credentials`"):
            await call(provider, "addPet", body={"name": "Rex"})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"credentials": {"other": "x"}}, "found `other`; expected a security scheme of the document"),
        ({"operations": ["getPets"]}, "found `getPets`, which fits no operation"),
        ({"document": "none.json"}, "found no file"),
        ({"allow_private": False}, "is on a private address; set `allow_private: true`"),
    ],
)
async def test_what_can_not_work_is_told_in_the_state(surroundings: Surroundings, change: Json, problem: str) -> None:
    async with store(surroundings, **change) as (provider, _):
        with pytest.raises(UpstreamDownError):
            await provider.list("tools")
        assert provider.state.phase == "down"
        assert problem in str(provider.state.problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "found neither JSON nor YAML"),
        ("swagger: '2.0'", "found Swagger 2.0"),
        ("openapi: 4.0.0", "found version 4.0.0"),
        ("openapi: 3.1.0", "found no `paths`"),
        ("openapi: 3.1.0\npaths: {/a: {get: {parameters: [{$ref: '#/no'}]}}}", "points to nothing"),
        ("openapi: 3.1.0\npaths: {/a: {get: {parameters: [{$ref: 'b.yaml#/x'}]}}}", "bundle it into one file"),
        ("openapi: 3.1.0\npaths: {'/a/{b}': {get: {}}}", "does not describe its parameter `b`"),
        ("openapi: 3.1.0\npaths: {/a: {get: {}}}", "base_url: found none"),
    ],
)
async def test_a_broken_document_is_told_with_what_is_wrong(
    surroundings: Surroundings, text: str, problem: str
) -> None:
    (surroundings.folder / "service.yaml").write_text(text)
    async with opened(surroundings, document="service.yaml") as provider:
        with pytest.raises(UpstreamDownError, match=problem):
            await provider.list("tools")


class Service:
    """Answers one operation as it is told to, and keeps what it was asked."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Give the next answer; the last one for ever."""
        self.asked.append(request)
        self.bodies.append(await request.read())
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


@asynccontextmanager
async def service(
    surroundings: Surroundings,
    operation: Json,
    *answers: web.Response,
    method: str = "get",
    path: str = "/do",
    **more: Any,
) -> AsyncGenerator[tuple[OpenApiProvider, Service]]:
    document: Json = {"openapi": "3.0.3", "info": {}, "paths": {path: {method: {"operationId": "do", **operation}}}}
    document.update(more.pop("document", {}))
    (surroundings.folder / "service.json").write_text(json.dumps(document))
    made = Service(*answers)
    async with open_endpoint(made.handle) as url:
        base = url.removesuffix("/mcp")
        async with opened(surroundings, document="service.json", base_url=base, **more) as provider:
            yield provider, made


async def failure(provider: Provider, **arguments: Any) -> HubError:
    with pytest.raises(HubError) as raised:
        await call(provider, "do", **arguments)
    return raised.value


async def test_too_many_requests_are_rate_limited_with_the_delay(surroundings: Surroundings) -> None:
    async with service(surroundings, {}, web.Response(status=429, headers={"Retry-After": "7"})) as (provider, made):
        error = await failure(provider)
    assert isinstance(error, BusyError)
    assert (error.code, error.retryable, getattr(error, "retry_after_s", None)) == ("rate_limited", True, 7.0)
    assert len(made.asked) == 1


async def test_a_get_is_tried_again_after_a_failure_that_passes(surroundings: Surroundings) -> None:
    answers = (web.Response(status=503), web.json_response({"ok": True}))
    async with service(surroundings, {}, *answers) as (provider, made):
        body = await call(provider, "do")
    assert body["structuredContent"] == {"ok": True}
    assert len(made.asked) == 2


async def test_a_post_is_made_once_and_says_so(surroundings: Surroundings) -> None:
    async with service(surroundings, {}, web.Response(status=503), method="post") as (provider, made):
        error = await failure(provider)
    assert (error.code, error.retryable, len(made.asked)) == ("unavailable", False, 1)
    assert "may have been carried out" in str(error)


async def test_a_post_under_a_key_is_tried_again_with_the_same_key(surroundings: Surroundings) -> None:
    answers = (web.Response(status=502), web.json_response({"ok": True}))
    async with service(surroundings, {}, *answers, method="post", idempotency_header="Idempotency-Key") as found:
        provider, made = found
        assert (await call(provider, "do", key="k"))["structuredContent"] == {"ok": True}
    keys = {request.headers["Idempotency-Key"] for request in made.asked}
    assert (len(made.asked), len(keys)) == (2, 1)


async def test_a_redirect_to_another_host_is_refused_unless_it_is_allowed(surroundings: Surroundings) -> None:
    elsewhere = Service(web.json_response({"here": True}))
    async with open_endpoint(elsewhere.handle) as url:
        moved = web.Response(status=307, headers={"Location": url.replace("127.0.0.1", "localhost")})
        secured: Json = {
            "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
            "security": [{"key": []}],
        }
        common: Json = {"document": secured, "credentials": {"key": KEY}}
        async with service(surroundings, {}, moved, **common) as (provider, made):
            error = await failure(provider)
            assert made.asked[0].headers["X-Key"] == KEY
        common = {"document": secured, "credentials": {"key": KEY}}
        async with service(surroundings, {}, moved, redirect_hosts=["localhost"], **common) as (provider, _):
            assert (await call(provider, "do"))["structuredContent"] == {"here": True}
    assert isinstance(error, RefusedError)
    assert "redirects to localhost" in str(error)
    assert "X-Key" not in elsewhere.asked[0].headers


async def test_a_redirect_on_the_same_host_is_followed(surroundings: Surroundings) -> None:
    answers = (web.Response(status=302, headers={"Location": "/there"}), web.json_response({"ok": True}))
    async with service(surroundings, {}, *answers) as (provider, made):
        assert (await call(provider, "do"))["structuredContent"] == {"ok": True}
    assert [request.path for request in made.asked] == ["/do", "/there"]


async def test_credentials_that_a_service_tells_back_are_hidden(surroundings: Surroundings) -> None:
    secured: Json = {
        "components": {"securitySchemes": {"login": {"type": "http", "scheme": "basic"}}},
        "security": [{"login": []}],
    }
    answer = web.Response(status=400, text=f"bad login ann:{KEY}")
    async with service(surroundings, {}, answer, document=secured, credentials={"login": f"ann:{KEY}"}) as found:
        provider, made = found
        error = await failure(provider)
    assert str(error) == "the service answered 400 Bad Request: bad login ***"
    assert made.asked[0].headers["Authorization"] == "Basic " + base64.b64encode(f"ann:{KEY}".encode()).decode()


async def test_an_answer_that_is_too_large_is_not_taken(surroundings: Surroundings) -> None:
    async with service(surroundings, {}, web.Response(text="x" * 2000), max_response_bytes=1024) as (provider, _):
        assert isinstance(await failure(provider), TooLargeError)


async def test_an_answer_that_breaks_the_document_s_schema_is_an_error_that_shows_it(
    surroundings: Surroundings,
) -> None:
    schema: Json = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    operation: Json = {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}
    async with service(surroundings, operation, web.json_response({"count": "many"})) as (provider, _):
        body = await call(provider, "do")
    assert (body["isError"], body["_meta"]["hub/code"]) == (True, "internal")
    assert body["content"][1] == {"type": "text", "text": '{"count": "many"}'}


PARAMETERS: list[tuple[Json, Any, str]] = [
    ({"name": "a", "in": "query", "schema": {"type": "array"}}, ["x y", "&"], "a=x%20y&a=%26"),
    ({"name": "a", "in": "query", "explode": False, "schema": {"type": "array"}}, [1, 2], "a=1,2"),
    ({"name": "a", "in": "query", "style": "pipeDelimited", "explode": False, "schema": {}}, ["x", "y"], "a=x|y"),
    ({"name": "a", "in": "query", "style": "deepObject", "schema": {}}, {"x": 1, "y": True}, "a[x]=1&a[y]=true"),
    ({"name": "a", "in": "query", "schema": {"type": "object"}}, {"x": 1, "y": 2}, "x=1&y=2"),
    ({"name": "a", "in": "query", "content": {"application/json": {"schema": {}}}}, {"x": 1}, "a=%7B%22x%22%3A%201%7D"),
]


@pytest.mark.parametrize(("parameter", "value", "written"), PARAMETERS)
async def test_query_parameters_are_written_in_their_style(
    surroundings: Surroundings, parameter: Json, value: object, written: str
) -> None:
    operation: Json = {"parameters": [parameter]}
    async with service(surroundings, operation, web.json_response({})) as (provider, made):
        await call(provider, "do", a=value)
    raw = made.asked[0].raw_path.partition("?")[2]
    assert raw.replace("%7C", "|").replace("%5B", "[").replace("%5D", "]") == written


@pytest.mark.parametrize(
    ("style", "explode", "value", "written"),
    [
        ("simple", False, "a/b", "a%2Fb"),
        ("simple", False, ["x", "y"], "x,y"),
        ("label", True, ["x", "y"], ".x.y"),
        ("matrix", True, ["x", "y"], ";p=x;p=y"),
        ("matrix", False, {"x": 1}, ";p=x,1"),
    ],
)
async def test_path_parameters_are_written_in_their_style(
    surroundings: Surroundings, style: str, explode: bool, value: object, written: str
) -> None:
    parameter: Json = {"name": "p", "in": "path", "required": True, "style": style, "explode": explode, "schema": {}}
    given = service(surroundings, {"parameters": [parameter]}, web.json_response({}), path="/do/{p}")
    async with given as (provider, made):
        await call(provider, "do", p=value)
    assert made.asked[0].raw_path.replace("%3B", ";").replace("%3D", "=").replace("%2C", ",") == f"/do/{written}"


@pytest.mark.parametrize("value", ["..", ".", ""])
async def test_a_path_parameter_can_not_leave_its_place(surroundings: Surroundings, value: str) -> None:
    parameter: Json = {"name": "p", "in": "path", "required": True, "schema": {"type": "string"}}
    given = service(surroundings, {"parameters": [parameter]}, web.json_response({}), path="/do/{p}/it")
    async with given as (provider, made):
        assert isinstance(await failure(provider, p=value), InvalidInputError)
    assert made.asked == []


async def test_a_header_parameter_can_not_add_a_header(surroundings: Surroundings) -> None:
    operation: Json = {"parameters": [{"name": "X-Note", "in": "header", "schema": {"type": "string"}}]}
    async with service(surroundings, operation, web.json_response({})) as (provider, made):
        assert isinstance(await failure(provider, **{"X-Note": "a\r\nX-Other: b"}), InvalidInputError)
    assert made.asked == []


@pytest.mark.parametrize(
    ("media_type", "value", "written"),
    [
        ("application/json", {"a": "ü"}, '{"a": "ü"}'.encode()),
        ("application/x-www-form-urlencoded", {"a": "x y", "b": [1, 2]}, b"a=x+y&b=1&b=2"),
        ("text/plain", "words", b"words"),
        ("application/octet-stream", base64.b64encode(b"\0\1").decode(), b"\0\1"),
    ],
)
async def test_bodies_are_written_in_their_form(
    surroundings: Surroundings, media_type: str, value: object, written: bytes
) -> None:
    operation: Json = {"requestBody": {"required": True, "content": {media_type: {"schema": {}}}}}
    async with service(surroundings, operation, web.json_response({}), method="put") as (provider, made):
        await call(provider, "do", body=value)
    assert made.bodies == [written]
    assert made.asked[0].content_type == media_type


async def test_files_travel_as_base64_into_a_multipart_body(surroundings: Surroundings) -> None:
    schema: Json = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}, "note": {"type": "string"}},
    }
    operation: Json = {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}}}
    async with service(surroundings, operation, web.json_response({}), method="post") as (provider, made):
        await call(provider, "do", body={"file": base64.b64encode(b"\0\1").decode(), "note": "hi"})
    assert b"\r\n\r\n\0\1\r\n" in made.bodies[0]
    assert b"\r\n\r\nhi\r\n" in made.bodies[0]


async def test_schemas_of_3_0_become_2020_12(surroundings: Surroundings) -> None:
    schema: Json = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "nullable": True, "enum": ["x"]},
            "b": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "c": {"$ref": "#/components/schemas/Node"},
        },
    }
    node: Json = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    operation: Json = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    document: Json = {"components": {"schemas": {"Node": node}}}
    given = service(surroundings, operation, web.json_response({}), method="post", document=document)
    async with given as (provider, _):
        (tool,) = await provider.list("tools")
    assert tool["inputSchema"]["properties"]["body"]["properties"] == {
        "a": {"type": ["string", "null"], "enum": ["x", None]},
        "b": {"type": "number", "exclusiveMinimum": 0},
        "c": {"$ref": "#/$defs/Node"},
    }
    assert tool["inputSchema"]["$defs"] == {
        "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    }


async def test_a_document_from_a_file_needs_no_network_to_be_listed(surroundings: Surroundings) -> None:
    around = replace(surroundings, folder=DOCUMENT.parent)
    async with opened(around, document="openapi.json", base_url="http://127.0.0.1:9") as provider:
        assert len(await provider.list("tools")) == 3
        with pytest.raises(UpstreamDownError):
            await call(provider, "findPets")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fc00::1", True),
        ("::ffff:127.0.0.1", True),
        ("64:ff9b::7f00:1", True),
        ("224.0.0.1", True),
        ("93.184.216.34", False),
        ("2606:2800:220:1:248:1893:25c8:1946", False),
        ("64:ff9b::5db8:d822", False),
    ],
)
def test_private_addresses_are_known(address: str, private: bool) -> None:
    assert is_private(address) is private
