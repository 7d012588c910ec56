"""From plain values to models, with every mistake in words: what was found, what was expected, what to do."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hub.catalog.naming import RESERVED_PREFIX
from hub.config.document import Document, KeyPath, Mistakes, to_text
from hub.config.settings import SERVER_NAME_PATTERN
from hub.upstream.settings import ServerSettings

_PRIVATE_KEYS = frozenset({"env", "headers", "args", "url"})
_MAX_SHOWN = 60
_NEEDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "`true` or `false`",
    "dict": "a mapping (`key: value`)",
    "model": "a mapping (`key: value`)",
    "tuple": "a list",
    "list": "a list",
}

ModelT = TypeVar("ModelT", bound=BaseModel)


def build_model(model: type[ModelT], filled: object, document: Document, path: KeyPath, to: Mistakes) -> ModelT | None:
    """The model of the values at `path`, or None after its mistakes were noted.

    Args:
        filled: the values with their references filled in; never shown. The document has them as written.
    """
    try:
        return model.model_validate({} if filled is None else filled)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _note(detail, model, document, path, to)
        return None


def unknown_key(key: str, known: list[str]) -> str:
    """The words for a key that nobody knows."""
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    advice = f"did you mean `{near[0]}`?" if near else "correct or remove it"
    return f"found an unknown key; expected one of {', '.join(known)}; {advice}"


def _note(detail: ErrorDetails, model: type[BaseModel], document: Document, path: KeyPath, to: Mistakes) -> None:
    here: KeyPath = (*path, *detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        to.add(document, here, unknown_key(str(detail["loc"][-1]), list(model.model_fields)))
        return
    if kind == "value_error":
        text = detail["msg"].removeprefix("Value error, ")
        found = ", ".join(f"`{key}`" for key in _keys(_at(document.value, here))) or "nothing"
        to.add(document, here, f"found {found}; {text}; correct it")
        return
    found = _found(_at(document.value, here), here)
    to.add(document, here, f"found {found}; expected {_expected(detail)}; {_advice(detail, document, here)}")


def _expected(detail: ErrorDetails) -> str:
    kind = detail["type"]
    context = cast("Mapping[str, object]", detail.get("ctx") or {})
    if kind == "missing":
        return "a value"
    if kind == "string_pattern_mismatch":
        return f"text that fits `{context.get('pattern')}`"
    if kind == "literal_error":
        return str(context.get("expected")).replace("'", "`")
    for start, need in _NEEDS.items():
        if kind.startswith(f"{start}_") and kind.split("_")[-1] in ("type", "parsing", "long", "float"):
            return need
    return detail["msg"].removeprefix("Input should be ").removeprefix("Value should ")


def _advice(detail: ErrorDetails, document: Document, here: KeyPath) -> str:
    value = _at(document.value, here)
    if detail["type"] == "string_type" and isinstance(value, bool | int | float):
        return "put it in quotes"
    if detail["type"] in ("tuple_type", "list_type") and isinstance(value, str):
        return "write it as a list (`- item` lines)"
    return "correct it"


def _found(value: object, path: KeyPath) -> str:
    """What stands there, by its kind; by its text too where that can't be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    kind = "text" if isinstance(value, str) else "a boolean" if isinstance(value, bool) else "a number"
    if _PRIVATE_KEYS.intersection(part for part in path if isinstance(part, str)):
        return kind
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{kind} `{text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + '…'}`"


def _at(value: object, path: KeyPath) -> object:
    for part in path:
        if isinstance(value, dict):
            value = cast("dict[object, object]", value).get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[object]", value)):
            value = cast("list[object]", value)[part]
        else:
            return None
    return value


def _keys(value: object) -> list[str]:
    return [str(key) for key in cast("dict[object, object]", value)] if isinstance(value, dict) else []


def check_name(name: str, document: Document, to: Mistakes, section: str = "servers") -> None:
    """Note a name that can't be part of a tool name."""
    if not re.match(SERVER_NAME_PATTERN, name):
        wrong = f"found the name `{name[:_MAX_SHOWN]}`; expected 1 to 40 of A-Z a-z 0-9 _ -; choose another name"
        to.add(document, (section, name), wrong)


def check_values(server: ServerSettings, document: Document, path: KeyPath, to: Mistakes) -> None:
    """Note values that have the right type and still can't work."""
    if server.url is not None and not re.match(r"https?://[^/\s]+", server.url):
        to.add(document, (*path, "url"), "found another address; expected `http://…` or `https://…`; correct it")
    if server.command is not None and not server.command.strip():
        to.add(document, (*path, "command"), "found blanks; expected a program; name one")
    for key, value in server.headers.items():
        if not re.match(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", key):
            to.add(document, (*path, "headers", key), "found another name; expected a header name; correct it")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            to.add(document, (*path, "headers", key), "found a line break or control character; expected one line")
    for key, value in server.env.items():
        if not key or "=" in key or "\0" in key + value:
            wrong = "found `=` or NUL in a variable; expected a name and text; correct it"
            to.add(document, (*path, "env", key), wrong)


def check_together(servers: Mapping[str, ServerSettings], document: Document, to: Mistakes) -> None:
    """Note what two servers can't both have: a prefix, or `transparent`."""
    owners: dict[str, str] = {}
    transparent: str | None = None
    for name, server in servers.items():
        path: KeyPath = ("servers", name)
        if not server.enabled:
            continue
        if server.transparent:
            if transparent is None:
                transparent = name
                continue
            other = _place(transparent, document)
            wrong = f"found a second transparent server, the first is {other}; expected one at most; remove it here"
            to.add(document, (*path, "transparent"), wrong)
            continue
        prefix = name if server.prefix is None else server.prefix
        where = path if server.prefix is None else (*path, "prefix")
        if prefix == RESERVED_PREFIX:
            wrong = f"found the prefix `{RESERVED_PREFIX}`; expected another: the hub's own tools have it; set `prefix`"
            to.add(document, where, wrong)
        elif prefix and prefix in owners:
            other = _place(owners[prefix], document)
            wrong = f"found the prefix `{prefix}`, which {other} has too; expected one owner; set another `prefix`"
            to.add(document, where, wrong)
        else:
            owners[prefix] = name


def _place(name: str, document: Document) -> str:
    path: KeyPath = ("servers", name)
    return f"`{to_text(document.in_file(path))}` (line {document.line(path)})"
