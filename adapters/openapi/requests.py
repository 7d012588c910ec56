"""From arguments to a request: the parameter styles and body forms of OpenAPI.

Source: OpenAPI 3.1.1, Parameter Object (style values), Media Type Object, Encoding Object; RFC 6570.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote, urlencode

import httpx

from adapters.openapi.credentials import Additions
from adapters.openapi.operations import Body, Operation, Parameter
from hub.catalog.provider import Json
from hub.errors import InvalidInputError

_RESERVED: Final = ":/?@!$'()*,;"
_DELIMITERS: Final = {"spaceDelimited": "%20", "pipeDelimited": "|", "form": ","}


def build_request(
    client: httpx.AsyncClient,
    operation: Operation,
    arguments: Json,
    *,
    base_url: str,
    additions: Additions,
    headers: Mapping[str, str],
) -> httpx.Request:
    """The request of one call.

    Args:
        arguments: fit the operation's schema.

    Raises:
        InvalidInputError: a value that can't be written where it belongs.
    """
    path = operation.path
    query: list[str] = []
    sent: dict[str, str] = {**headers}
    cookies: list[str] = []
    for parameter in operation.parameters:
        if parameter.argument not in arguments:
            continue
        value: object = arguments[parameter.argument]
        match parameter.place:
            case "path":
                path = path.replace(f"{{{parameter.name}}}", _path_value(parameter, value))
            case "query":
                query.extend(_query_pairs(parameter, value))
            case "header":
                sent[parameter.name] = _header_value(parameter, value)
            case "cookie":
                cookies.extend(_query_pairs(parameter, value))
    sent.update(additions.headers)
    query.extend(f"{_quoted(name)}={_quoted(value)}" for name, value in additions.query.items())
    cookies.extend(f"{name}={value}" for name, value in additions.cookies.items())
    if cookies:
        sent["Cookie"] = "; ".join(cookies)
    content, media = _content(operation.body, arguments)
    sent.setdefault("Accept", "application/json, text/*;q=0.9, */*;q=0.8")
    url = base_url.rstrip("/") + path
    if query:
        url += ("&" if "?" in url else "?") + "&".join(query)
    if isinstance(media, dict):
        return client.build_request(operation.method, url, headers=sent, files=media)
    if media is not None:
        sent["Content-Type"] = media
    return client.build_request(operation.method, url, headers=sent, content=content)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _quoted(value: object, safe: str = "") -> str:
    return quote(_text(value), safe=safe)


def _members(value: object) -> list[tuple[str, object]]:
    return list(cast("Json", value).items()) if isinstance(value, dict) else []


def _pieces(parameter: Parameter, value: object, safe: str = "") -> list[str]:
    """A value as the quoted pieces that its style joins."""
    if isinstance(value, list):
        return [_quoted(item, safe) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return [_quoted(value, safe)]
    pairs = [(_quoted(key), _quoted(inner, safe)) for key, inner in _members(cast("object", value))]
    if parameter.explode:
        return [f"{key}={inner}" for key, inner in pairs]
    return [piece for pair in pairs for piece in pair]


def _path_value(parameter: Parameter, value: object) -> str:
    if parameter.as_json:
        return _quoted(json.dumps(value))
    pieces = _pieces(parameter, value)
    match parameter.style:
        case "label":
            made = "." + ("." if parameter.explode else ",").join(pieces)
        case "matrix" if parameter.explode and isinstance(value, dict):
            made = "".join(f";{piece}" for piece in pieces)
        case "matrix" if parameter.explode:
            made = "".join(f";{parameter.name}={piece}" for piece in pieces)
        case "matrix":
            made = f";{parameter.name}={','.join(pieces)}"
        case _:
            made = ",".join(pieces)
    if made in ("", ".", ".."):
        raise InvalidInputError(f"arguments.{parameter.argument}: expected a value that can stand in a path")
    return made


def _query_pairs(parameter: Parameter, value: object) -> list[str]:
    safe = _RESERVED if parameter.allow_reserved else ""
    name = _quoted(parameter.name, "[]")
    if parameter.as_json:
        return [f"{name}={_quoted(json.dumps(value))}"]
    if parameter.style == "deepObject" and isinstance(value, dict):
        members = _members(cast("object", value))
        return [f"{name}[{_quoted(key)}]={_quoted(inner, safe)}" for key, inner in members]
    pieces = _pieces(parameter, value, safe)
    if parameter.explode and isinstance(value, dict):
        return pieces
    if parameter.explode:
        return [f"{name}={piece}" for piece in pieces]
    return [f"{name}={_DELIMITERS.get(parameter.style, ',').join(pieces)}"] if pieces else []


def _header_value(parameter: Parameter, value: object) -> str:
    if parameter.as_json:
        made = json.dumps(value)
    elif isinstance(value, list):
        made = ",".join(_text(item) for item in cast("list[object]", value))
    elif isinstance(value, dict):
        joint = "=" if parameter.explode else ","
        made = ",".join(f"{key}{joint}{_text(inner)}" for key, inner in _members(cast("object", value)))
    else:
        made = _text(value)
    if not made.isascii() or any(ord(char) < 0x20 or ord(char) == 0x7F for char in made):
        raise InvalidInputError(f"arguments.{parameter.argument}: expected ASCII text on one line, for a header")
    return made


Files = dict[str, tuple[str | None, bytes, str]]


def _content(body: Body | None, arguments: Json) -> tuple[bytes | None, str | Files | None]:
    """The bytes and the media type, or the parts of a multipart body in place of these."""
    if body is None or "body" not in arguments:
        return None, None
    value: object = arguments["body"]
    match body.form:
        case "json":
            return json.dumps(value, ensure_ascii=False).encode(), body.media_type
        case "form":
            pairs = [
                (key, _text(item))
                for key, inner in _members(value)
                for item in (cast("list[object]", inner) if isinstance(inner, list) else [inner])
            ]
            return urlencode(pairs).encode(), body.media_type
        case "multipart":
            return None, {key: _part(key, inner, body.schema) for key, inner in _members(value)}
        case "text":
            return _text(value).encode(), f"{body.media_type}; charset=utf-8"
        case "bytes":
            return _decoded(value, "arguments.body"), body.media_type


def _part(key: str, value: object, schema: Json) -> tuple[str | None, bytes, str]:
    inner: Any = cast("Json", schema.get("properties", {})).get(key)
    if isinstance(inner, dict) and cast("Json", inner).get("contentEncoding") == "base64":
        return key, _decoded(value, f"arguments.body.{key}"), "application/octet-stream"
    if isinstance(value, dict | list):
        return None, json.dumps(value, ensure_ascii=False).encode(), "application/json"
    return None, _text(value).encode(), "text/plain; charset=utf-8"


def _decoded(value: object, where: str) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(f"{where}: expected base64") from error
