"""A server's question in the terminal: the form, field by field, until every answer fits its schema."""

import sys
from collections.abc import Callable
from typing import Any, cast

import anyio.to_thread

from hub.catalog.provider import Json
from hub.cli.arguments import typed_value, types_of
from hub.cli.failures import UsageError
from hub.cli.output import clean
from hub.errors import InvalidInputError, UnsupportedError

ReadLine = Callable[[], str]
"""Gives the next line with its end; empty at the end of the input."""


class DeclinedError(Exception):
    """The person declines the question."""


class CancelledError(Exception):
    """The person wants to give no answer at all."""


class Asker:
    """Asks on standard error, reads answers from standard input."""

    def __init__(self, *, interactive: bool, read_line: ReadLine | None = None) -> None:
        self.interactive = interactive
        self._read_line = read_line or sys.stdin.readline

    async def answer(self, method: str, params: Json) -> Json:
        """The result that answers one request of a server.

        Raises:
            UnsupportedError: a terminal has no model and no roots.
            UsageError: nobody sits at this terminal.

        Source: MCP 2026-07-28, client/elicitation.
        """
        if method == "sampling/createMessage":
            raise UnsupportedError(
                "the tool asks for a model's answer, and a terminal has no model; use another client"
            )
        if method != "elicitation/create":
            raise UnsupportedError(f"the tool asks for {method!r}, which a terminal does not have; use another client")
        message = clean(str(params.get("message") or "a question"))
        if not self.interactive:
            raise UsageError(f"the tool asks {message!r}, and standard input is no terminal; run the command in one")
        self._say(f"\n? {message}")
        try:
            if params.get("mode") == "url":
                return await self._visit(params)
            return await self._form(cast("Json", params.get("requestedSchema") or {}))
        except DeclinedError:
            return {"action": "decline"}
        except CancelledError:
            return {"action": "cancel"}

    async def _visit(self, params: Json) -> Json:
        self._say(f"  open {clean(str(params.get('url')))}")
        await self._line("  Enter when you go there, d to decline, c to cancel: ")
        return {"action": "accept"}

    async def _form(self, schema: Json) -> Json:
        properties = cast("dict[str, Json]", schema.get("properties") or {})
        required = set(cast("list[str]", schema.get("required") or []))
        if not properties:
            await self._line("  Enter to accept, d to decline, c to cancel: ")
            return {"action": "accept", "content": {}}
        self._say("  (d alone declines, c alone cancels; begin with a blank to answer with such a letter)")
        content: Json = {}
        for key, field in properties.items():
            given, value = await self._field(key, field, is_required=key in required)
            if given:
                content[key] = value
        return {"action": "accept", "content": content}

    async def _field(self, key: str, field: Json, *, is_required: bool) -> tuple[bool, object]:
        choices = _choices(field)
        for number, (_, title) in enumerate(choices, start=1):
            self._say(f"    {number}) {title}")
        while True:
            text = await self._line(_prompt(key, field, choices, is_required=is_required))
            if not text:
                if "default" in field:
                    return True, field["default"]
                if not is_required:
                    return False, None
                self._say("  ! an answer is needed")
                continue
            try:
                value = _value(key, text, field, choices)
            except InvalidInputError as error:
                self._say(f"  ! {error}")
                continue
            faults = _faults(field, value)
            if not faults:
                return True, value
            self._say(f"  ! {faults}")

    async def _line(self, prompt: str) -> str:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = await anyio.to_thread.run_sync(self._read_line, abandon_on_cancel=True)
        if not line or line.rstrip("\r\n") == "c":
            raise CancelledError
        if line.rstrip("\r\n") == "d":
            raise DeclinedError
        return line.strip()

    def _say(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _choices(field: Json) -> list[tuple[object, str]]:
    """The values of an enumeration with their titles, in each of its written forms."""
    source = cast("Json", field.get("items") or {}) if field.get("type") == "array" else field
    titled = cast("list[Json]", source.get("oneOf") or source.get("anyOf") or [])
    if titled:
        return [(item.get("const"), clean(str(item.get("title") or item.get("const")))) for item in titled]
    values = cast("list[Any]", source.get("enum") or [])
    names = cast("list[Any]", source.get("enumNames") or values)
    return [(value, clean(str(name))) for value, name in zip(values, names, strict=False)]


def _prompt(key: str, field: Json, choices: list[tuple[object, str]], *, is_required: bool) -> str:
    title = clean(str(field.get("title") or key))
    about = f" - {clean(str(field['description']))}" if field.get("description") else ""
    several = field.get("type") == "array"
    kind = ("numbers, by comma" if several else "a number above") if choices else str(field.get("type", "string"))
    kind = f"{kind}, {field['format']}" if field.get("format") and not choices else kind
    shown = field.get("default")
    ending = f", default {_shown(shown)}" if "default" in field else "" if is_required else ", may be left out"
    return f"  {title}{about} [{kind}{ending}]: "


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else clean(str(value))


def _value(key: str, text: str, field: Json, choices: list[tuple[object, str]]) -> object:
    if field.get("type") == "array":
        return [_choice(key, part.strip(), choices) for part in text.split(",") if part.strip()]
    if choices:
        return _choice(key, text, choices)
    if field.get("type") == "boolean" and text.lower() in ("y", "n"):
        return text.lower() == "y"
    return typed_value(text, types_of(field, field), key)


def _choice(key: str, text: str, choices: list[tuple[object, str]]) -> object:
    if not choices:
        return text
    for value, title in choices:
        if text in (str(value), title):
            return value
    if text.isdecimal() and 1 <= int(text) <= len(choices):
        return choices[int(text) - 1][0]
    raise InvalidInputError(f"{key}: found {text!r}; expected one of the values above; give its number")


def _faults(field: Json, value: object) -> str:
    """What the field's schema says against the value; empty if nothing."""
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(field, offline=True, validate_formats=True)
    except (ValueError, RecursionError):
        return ""
    return "; ".join(clean(error.message) for error in validator.iter_errors(value))[:200]
