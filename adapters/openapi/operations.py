"""From operations to tools: what each takes, what it answers, and how a call of it becomes a request."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from adapters.openapi.document import Document, list_of, object_of
from adapters.openapi.schemas import Schemas
from hub.catalog.provider import Json
from hub.errors import ConfigError

Place = Literal["path", "query", "header", "cookie"]
BodyForm = Literal["json", "form", "multipart", "text", "bytes"]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Source: RFC 9110, section 9.2.2 (idempotent methods)."""
_PLACES: Final[dict[str, Place]] = {"path": "path", "query": "query", "header": "header", "cookie": "cookie"}
_OWN_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
"""Source: OpenAPI 3.1.1, Parameter Object: these are no parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument that is not the body."""

    argument: str
    """Its name among the tool's arguments."""
    name: str
    place: Place
    style: str
    explode: bool
    allow_reserved: bool
    as_json: bool
    """Written as JSON (`content` instead of `schema`)."""
    required: bool
    schema: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The argument `body`."""

    form: BodyForm
    media_type: str
    required: bool
    schema: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One tool."""

    tool_name: str
    method: str
    path: str
    base_urls: tuple[str, ...]
    """Of the operation, its path or the document; the first counts."""
    parameters: tuple[Parameter, ...]
    body: Body | None
    security: tuple[tuple[str, ...], ...]
    """Ways to be let in, each a set of schemes; an empty set: nothing is needed."""
    output_schema: Json | None
    wraps: bool
    """Whether the answer stands under `result`, for it is no object."""
    definition: Json = field(repr=False)

    @property
    def is_repeatable(self) -> bool:
        return self.method in REPEATABLE

    @property
    def keys(self) -> tuple[str, str]:
        """What patterns of `operations` are held against, beside the tool's name."""
        return self.tool_name, f"{self.method} {self.path}"


def build_operations(
    document: Document, *, allowed: Sequence[str] | None = None, with_output: bool = True
) -> list[Operation]:
    """The document's operations, in its order.

    Args:
        allowed: patterns of `operationId` or of `METHOD /path`; None for all.
        with_output: whether tools have output schemas.

    Raises:
        ConfigError: the document is broken, or a pattern of `allowed` fits nothing.
    """
    found: dict[str, Operation] = {}
    unused = set(allowed or ())
    for method, path, item, raw in _raw(document):
        name = _tool_name(raw.get("operationId"), method, path)
        fitting = {rule for rule in allowed or () if _fits(rule, name, raw.get("operationId"), method, path)}
        unused -= fitting
        if allowed is not None and not fitting:
            continue
        if name in found:
            name = _tool_name(None, method, path)
        if name in found:
            raise ConfigError(f"{document.place}: found two operations `{name}`; give them `operationId`s of their own")
        found[name] = _operation(document, name, method, path, item, raw, with_output=with_output)
    if unused:
        raise ConfigError(
            f"operations: found `{min(unused)}`, which fits no operation; expected an `operationId` or "
            f"`METHOD /path` of {document.place}; correct it"
        )
    return list(found.values())


def _raw(document: Document) -> Iterator[tuple[str, str, Json, Json]]:
    for path, entry in object_of(document.root["paths"]).items():
        item = document.resolved(entry)
        for method in METHODS:
            if isinstance(item.get(method), dict):
                yield method.upper(), path, item, object_of(item[method])


def _fits(rule: str, name: str, operation_id: object, method: str, path: str) -> bool:
    texts = (name, f"{method} {path}", *((operation_id,) if isinstance(operation_id, str) else ()))
    return any(rule == text or fnmatch.fnmatchcase(text, rule) for text in texts)


def _tool_name(operation_id: object, method: str, path: str) -> str:
    if isinstance(operation_id, str) and operation_id:
        return re.sub(r"[^A-Za-z0-9_-]", "_", operation_id)
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_-]", "_", f"{method.lower()}_{path}")).strip("_")


def _operation(
    document: Document, name: str, method: str, path: str, item: Json, raw: Json, *, with_output: bool
) -> Operation:
    schemas = Schemas(document, "request")
    parameters = _parameters(document, schemas, item, raw)
    body = _body(document, schemas, raw)
    output, wraps = _output(document, raw) if with_output else (None, False)
    missing = set(re.findall(r"{([^}]*)}", path)) - {each.name for each in parameters if each.place == "path"}
    if missing:
        raise ConfigError(f"{document.place}: {method} {path} does not describe its parameter `{min(missing)}`")
    return Operation(
        tool_name=name,
        method=method,
        path=path,
        base_urls=_base_urls(raw.get("servers") or item.get("servers") or document.root.get("servers")),
        parameters=parameters,
        body=body,
        security=_security(raw.get("security", document.root.get("security"))),
        output_schema=output,
        wraps=wraps,
        definition=_definition(name, method, path, raw, parameters, body, schemas, output),
    )


def _parameters(document: Document, schemas: Schemas, item: Json, raw: Json) -> tuple[Parameter, ...]:
    given: dict[tuple[Place, str], Json] = {}
    for entry in (*list_of(item.get("parameters")), *list_of(raw.get("parameters"))):
        parameter = document.resolved(entry)
        place, name = _PLACES.get(str(parameter.get("in"))), str(parameter.get("name"))
        if place is not None and not (place == "header" and name.lower() in _OWN_HEADERS):
            given[place, name] = parameter
    names = [name for _, name in given]
    made: list[Parameter] = []
    for (place, name), parameter in given.items():
        argument = re.sub(r"[^A-Za-z0-9_.-]", "_", name) or place
        if names.count(name) > 1 or argument == "body" or any(other.argument == argument for other in made):
            argument = f"{argument}_{place}"
        content = object_of(parameter.get("content"))
        inner = next((object_of(media).get("schema") for media in content.values()), None)
        schema = schemas.convert(inner if content else parameter.get("schema", {}))
        style = str(parameter.get("style") or ("form" if place in ("query", "cookie") else "simple"))
        explode: object = parameter.get("explode")
        text: object = parameter.get("description")
        made.append(
            Parameter(
                argument=argument,
                name=name,
                place=place,
                style=style,
                explode=explode if isinstance(explode, bool) else style == "form",
                allow_reserved=parameter.get("allowReserved") is True,
                as_json=bool(content),
                required=parameter.get("required") is True or place == "path",
                schema=object_of(schema) if text is None else {"description": str(text), **object_of(schema)},
            )
        )
    return tuple(made)


def _form_of(media_type: str) -> BodyForm:
    plain = media_type.partition(";")[0].strip().lower()
    if plain == "application/json" or plain.endswith("+json"):
        return "json"
    if plain == "application/x-www-form-urlencoded":
        return "form"
    if plain == "multipart/form-data":
        return "multipart"
    return "text" if plain.startswith("text/") else "bytes"


_PREFERRED: Final = ("json", "form", "multipart", "text", "bytes")


def _body(document: Document, schemas: Schemas, raw: Json) -> Body | None:
    request = document.resolved(raw.get("requestBody"))
    content = object_of(request.get("content"))
    if not content:
        return None
    media_type = min(content, key=lambda each: _PREFERRED.index(_form_of(each)))
    form = _form_of(media_type)
    schema = schemas.convert(object_of(content[media_type]).get("schema", {}))
    if form == "text":
        schema = {"type": "string"}
    elif form == "bytes":
        schema = {"type": "string", "contentEncoding": "base64", "description": f"{media_type}, as base64"}
    media_type = media_type.replace("*/*", "application/octet-stream").replace("*", "octet-stream")
    return Body(form=form, media_type=media_type, required=request.get("required") is True, schema=schema)


def _output(document: Document, raw: Json) -> tuple[Json | None, bool]:
    """The schema of what a success answers, and whether it is wrapped; None where no JSON is promised."""
    schemas = Schemas(document, "response")
    found: list[object] = []
    for status, entry in object_of(raw.get("responses")).items():
        if not status.startswith("2"):
            continue
        content = object_of(document.resolved(entry).get("content"))
        media = next((media for name, media in content.items() if _form_of(name) == "json"), None)
        schema: object = object_of(media).get("schema")
        if schema is None:
            return None, False
        found.append(schemas.convert(schema))
    if not found:
        return None, False
    whole = found[0] if len(found) == 1 else {"anyOf": found}
    wraps = not _is_object(whole, schemas.definitions)
    made: Json = (
        {"type": "object", "properties": {"result": whole}, "required": ["result"]}
        if wraps
        else {"type": "object", **cast("Json", whole)}
    )
    return ({**made, "$defs": schemas.definitions} if schemas.definitions else made), wraps


def _is_object(schema: object, definitions: Json, depth: int = 0) -> bool:
    """Whether a schema lets nothing but objects pass."""
    given = object_of(schema)
    if given.get("type") == "object":
        return True
    if depth > 20:
        return False
    pointer: object = given.get("$ref")
    if isinstance(pointer, str):
        return _is_object(definitions.get(pointer.rpartition("/")[2]), definitions, depth + 1)
    parts = list_of(given.get("allOf"))
    if parts:
        return any(_is_object(part, definitions, depth + 1) for part in parts)
    choices = list_of(given.get("anyOf")) or list_of(given.get("oneOf"))
    return bool(choices) and all(_is_object(part, definitions, depth + 1) for part in choices)


def _base_urls(servers: object) -> tuple[str, ...]:
    urls: list[str] = []
    for entry in list_of(servers):
        server = object_of(entry)
        url = str(server.get("url", ""))
        for name, variable in object_of(server.get("variables")).items():
            url = url.replace(f"{{{name}}}", str(object_of(variable).get("default", "")))
        urls.append(url)
    return tuple(urls)


def _security(given: object) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(object_of(way)) for way in list_of(given))


def _definition(
    name: str,
    method: str,
    path: str,
    raw: Json,
    parameters: Sequence[Parameter],
    body: Body | None,
    schemas: Schemas,
    output: Json | None,
) -> Json:
    properties: Json = {each.argument: each.schema for each in parameters}
    required = [each.argument for each in parameters if each.required]
    if body is not None:
        properties["body"] = body.schema
        if body.required:
            required.append("body")
    schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    if schemas.definitions:
        schema["$defs"] = schemas.definitions
    texts = [str(raw[key]).strip() for key in ("summary", "description") if raw.get(key)]
    if raw.get("deprecated") is True:
        texts.append("Deprecated.")
    definition: Json = {
        "name": name,
        "description": "\n\n".join(dict.fromkeys(texts)) or f"{method} {path}",
        "inputSchema": schema,
        "annotations": {
            "readOnlyHint": method in ("GET", "HEAD", "OPTIONS", "TRACE"),
            "destructiveHint": method in ("DELETE", "PUT", "PATCH"),
            "idempotentHint": method in REPEATABLE,
            "openWorldHint": True,
        },
    }
    if isinstance(raw.get("summary"), str):
        definition["title"] = raw["summary"]
    if output is not None:
        definition["outputSchema"] = output
    return definition
