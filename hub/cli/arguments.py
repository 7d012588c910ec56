"""`key=value` words as the arguments of a tool, typed by its schema."""

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hub.catalog.provider import Json
from hub.errors import InvalidInputError

_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_MAX_REFERENCES = 16


def read_arguments(words: Sequence[str], schema: Json, *, whole: str | None = None, stdin: str | None = None) -> Json:
    """The arguments that the words say.

    `key=value` is typed by the schema, `key=@file` takes the file's text, `key:=JSON` and `key:=@file` are JSON as it
    stands; a key that is said twice makes a list. `whole` and `stdin` are JSON objects that the words add to.

    Raises:
        InvalidInputError: a word that is none of these, or a value that is not of the type that the schema wants.
    """
    arguments: Json = {}
    for source, text in (("standard input", stdin), ("--args", whole)):
        if text is not None:
            arguments.update(_object(text, source))
    properties = _properties(schema)
    said: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"found the argument {word!r}; expected key=value or key:=JSON; write it so")
        if key.endswith(":"):
            arguments[key[:-1]] = _json(_text(value), key[:-1])
        else:
            said.setdefault(key, []).append(_text(value))
    for key, values in said.items():
        arguments[key] = _typed(key, values, _resolved(properties.get(key), schema), schema)
    _check_names(arguments, properties, schema)
    return arguments


def types_of(schema: Json, root: Json) -> list[str]:
    """The JSON types that a schema allows, in its order; empty where it does not say."""
    declared = schema.get("type")
    found = [str(declared)] if isinstance(declared, str) else [str(kind) for kind in _list(declared)]
    for branch in (*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))):
        found += [kind for kind in types_of(_resolved(branch, root), root) if kind not in found]
    for value in _list(schema.get("enum")) or ([schema["const"]] if "const" in schema else []):
        if not isinstance(declared, str) and (kind := _type_name(value)) not in found:
            found.append(kind)
    return found


def typed_value(text: str, kinds: Sequence[str], key: str) -> object:
    """A text as a value of one of the types.

    Raises:
        InvalidInputError: it is of none of them.
    """
    for kind in kinds or ("string",):
        made, value = _convert(text, kind)
        if made:
            return value
    raise InvalidInputError(f"{key}: found {text[:60]!r}; expected {' or '.join(kinds)}; write such a value")


def _typed(key: str, values: list[str], schema: Json, root: Json) -> object:
    kinds = types_of(schema, root)
    if "array" not in kinds:
        if len(values) > 1:
            raise InvalidInputError(f"{key}: found {len(values)} values; expected one; say it once")
        if not kinds:
            return _guess(values[0])
        return typed_value(values[0], _by_preference(kinds), key)
    if len(values) == 1 and values[0].lstrip().startswith("["):
        return _json(values[0], key)
    if len(values) == 1 and "string" in kinds:
        return values[0]
    items = types_of(_resolved(schema.get("items"), root), root)
    return [typed_value(value, _by_preference(items), key) if items else _guess(value) for value in values]


def _by_preference(kinds: Sequence[str]) -> list[str]:
    """Text is what every value is, so it comes last but for numbers, which only `:=` can tell from it."""
    if "string" in kinds:
        return ["string"]
    return sorted(kinds, key=("null", "boolean", "integer", "number", "object", "array").index)


def _convert(text: str, kind: str) -> tuple[bool, object]:
    try:
        match kind:
            case "string":
                return True, text
            case "integer":
                return True, int(text)
            case "number":
                number = float(text)
                return number == number and abs(number) != float("inf"), number
            case "boolean":
                return text.lower() in _BOOLEANS, _BOOLEANS.get(text.lower())
            case "null":
                return text in ("", "null"), None
            case _:
                value = json.loads(text)
                return isinstance(value, dict if kind == "object" else list), value
    except ValueError:
        return False, None


def _guess(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: str) -> str:
    if not value.startswith("@") or value == "@":
        return value
    try:
        return Path(value[1:]).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"found no readable text file {value[1:]!r}; expected one; name another") from error


def _json(text: str, key: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"{key}: found {text[:60]!r}; expected JSON; correct it") from error


def _object(text: str, source: str) -> Json:
    value = _json(text, source)
    if not isinstance(value, dict):
        raise InvalidInputError(f"{source}: found another value; expected a JSON object; write {{…}}")
    return cast("Json", value)


def _check_names(arguments: Mapping[str, object], properties: Json, schema: Json) -> None:
    if schema.get("additionalProperties") is not False:
        return
    for key in arguments:
        if key not in properties:
            near = difflib.get_close_matches(key, list(properties), n=1)
            advice = f"did you mean {near[0]!r}?" if near else "leave it out"
            known = ", ".join(properties) or "no arguments"
            raise InvalidInputError(f"found the unknown argument {key!r}; expected {known}; {advice}")


def _properties(schema: Json) -> Json:
    properties = _resolved(schema, schema).get("properties")
    return cast("Json", properties) if isinstance(properties, dict) else {}


def _resolved(schema: object, root: Json) -> Json:
    """The schema behind its `$ref`s inside the same document."""
    here = schema
    for _ in range(_MAX_REFERENCES):
        if not isinstance(here, dict):
            return {}
        found = cast("Json", here)
        reference: object = found.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            return found
        here = _pointed_at(root, reference)
    return {}


def _pointed_at(root: object, reference: str) -> object:
    """Source: RFC 6901, section 4."""
    here = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        here = cast("Json", here).get(name) if isinstance(here, dict) else None
    return here


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return names.get(cast("type[bool]", type(value)), "object")
