"""References in the place of the secrets that another client's file holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from hub.config.dialects import Translated
from hub.config.document import KeyPath, shown_path, to_text
from hub.config.references import names_in
from hub.config.secrets_in_values import is_random, is_secret, secret_part

_SECRET_FLAG = re.compile(r"^--?[a-z0-9-]*(token|key|secret|passw(or)?d|authorization)[a-z0-9-]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableToSet:
    """A variable that the imported servers need."""

    name: str
    source: str
    """Where its value stands, or what it means; never the value."""


class Hiding:
    """Puts references where secrets stand, and remembers which variables they need."""

    def __init__(self, source: Path, translated: Translated) -> None:
        self._source, self._translated = source, translated
        self._values: dict[str, str] = {}
        self._needed: dict[str, tuple[VariableToSet, set[str]]] = {}

    def server(self, name: str, entry: Mapping[str, object]) -> dict[str, object]:
        made = dict(entry)
        for field in ("env", "headers"):
            values = cast("dict[str, str]", entry.get(field) or {})
            if values:
                made[field] = {key: self._value(name, field, key, value) for key, value in values.items()}
        if entry.get("args"):
            made["args"] = self._args(name, cast("list[str]", entry["args"]))
        if isinstance(entry.get("url"), str):
            made["url"] = self._url(name, cast("str", entry["url"]))
        for asked in [variable for value in made.values() for variable in _names(value)]:
            if asked in self._translated.asked:
                self._need(name, asked, self._translated.asked[asked])
        for variable in self._translated.overlays.get(name, {}):
            self._need(name, variable, f"environment file of server `{name}`")
        return made

    def variables(self, servers: set[str]) -> list[VariableToSet]:
        """What the given servers need, by name."""
        return [needed for _, (needed, users) in sorted(self._needed.items()) if users & servers]

    def _value(self, name: str, field: str, key: str, value: str) -> str:
        if not is_secret(key, value):
            return value
        scheme, secret = secret_part(value) if field == "headers" else ("", value)
        wish = key if field == "env" else f"{name}_{key}"
        return scheme + self._reference(name, wish, secret, ("servers", name, field, key))

    def _args(self, name: str, args: list[str]) -> list[str]:
        made: list[str] = []
        flag = ""
        for position, arg in enumerate(args):
            place: KeyPath = ("servers", name, "args", position)
            made.append(self._arg(name, flag, arg, place))
            flag = arg
        return made

    def _arg(self, name: str, flag: str, arg: str, place: KeyPath) -> str:
        own, equals, value = arg.partition("=")
        header, colon, rest = arg.partition(":")
        if equals and _SECRET_FLAG.match(own) and value and "${" not in value:
            return own + "=" + self._reference(name, f"{name}_{own.lstrip('-')}", value, place)
        if _SECRET_FLAG.match(flag) and "${" not in arg and not arg.startswith("-"):
            return self._reference(name, f"{name}_{flag.lstrip('-')}", arg, place)
        if colon and " " not in header and not rest.startswith("//") and is_secret(header, rest):
            scheme, secret = secret_part(rest.lstrip())
            return f"{header}: {scheme}{self._reference(name, f'{name}_{header}', secret, place)}"
        if is_random(arg) and not arg.startswith("-"):
            return self._reference(name, f"{name}_SECRET", arg, place)
        return arg

    def _url(self, name: str, url: str) -> str:
        parts = urlsplit(url)
        place = ("servers", name, "url")
        for key, value in parse_qsl(parts.query):
            if is_secret(key, value):
                reference = self._reference(name, f"{name}_{key}", value, place)
                url = url.replace(value, reference).replace(quote(value, safe=""), reference)
        if parts.password and "${" not in parts.password:
            user, _, host = parts.netloc.rpartition("@")
            reference = self._reference(name, f"{name}_PASSWORD", parts.password, place)
            netloc = f"{user.partition(':')[0]}:{reference}@{host}"
            url = urlunsplit(urlsplit(url)._replace(netloc=netloc))
        return url

    def _reference(self, server: str, wish: str, secret: str, path: KeyPath) -> str:
        variable = re.sub(r"[^A-Z0-9_]+", "_", wish.upper()).strip("_") or "SECRET"
        if variable[0].isdigit():
            variable = f"HUB_{variable}"
        stem, number = variable, 2
        while self._values.setdefault(variable, secret) != secret:
            variable = re.sub(r"[^A-Z0-9_]+", "_", f"{server}_{stem}".upper()) if number == 2 else f"{stem}_{number}"
            number += 1
        document = self._translated.document
        place = f"{shown_path(self._source)}:{document.line(path)}: {to_text(document.in_file(path))}"
        self._need(server, variable, place)
        return f"${{{variable}}}"

    def _need(self, server: str, variable: str, source: str) -> None:
        _, users = self._needed.setdefault(variable, (VariableToSet(name=variable, source=source), set()))
        users.add(server)


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return names_in(value)
    if isinstance(value, dict):
        return [name for item in cast("dict[str, object]", value).values() for name in _names(item)]
    if isinstance(value, list):
        return [name for item in cast("list[object]", value) for name in _names(item)]
    return []
