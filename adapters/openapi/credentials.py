"""How a request is let in: the document's security schemes, with credentials from the configuration."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.openapi.document import Document, object_of
from hub.catalog.provider import Json
from hub.errors import ConfigError, RefusedError

_SHORTEST_HIDDEN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What credentials add to a request."""

    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    query: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    cookies: dict[str, str] = field(default_factory=dict[str, str], repr=False)


class Credentials:
    """The credentials of one service, by security scheme.

    Source: OpenAPI 3.1.1, Security Scheme Object and Security Requirement Object.
    """

    def __init__(self, document: Document, given: Mapping[str, str]) -> None:
        components = object_of(document.root.get("components"))
        self._schemes = {
            name: document.resolved(entry) for name, entry in object_of(components.get("securitySchemes")).items()
        }
        self._given = given
        for name in given:
            if name not in self._schemes:
                known = ", ".join(sorted(self._schemes)) or "none"
                raise ConfigError(f"credentials: found `{name}`; expected a security scheme of the document ({known})")

    def additions(self, security: Sequence[Sequence[str]]) -> Additions:
        """What lets a request in, by the first way for which all credentials are there.

        Raises:
            RefusedError: there is no such way.
        """
        for way in security:
            if all(name in self._given for name in way):
                found = Additions()
                for name in way:
                    _add(found, self._schemes[name], self._given[name])
                return found
        if not security:
            return Additions()
        names = " or ".join(" and ".join(f"`{name}`" for name in way) for way in security)
        raise RefusedError(f"this operation needs credentials: set {names} under `credentials`")

    @property
    def header_names(self) -> list[str]:
        """Headers that carry credentials."""
        schemes = [self._schemes[name] for name in self._given]
        return [str(scheme.get("name")) for scheme in schemes if scheme.get("in") == "header"]

    def hide(self, content: bytes) -> bytes:
        """An answer without the credentials, should the service tell them back."""
        for value in self._given.values():
            for form in (value, base64.b64encode(value.encode()).decode(), value.partition(":")[2]):
                if len(form) >= _SHORTEST_HIDDEN:
                    content = content.replace(form.encode(), b"***")
        return content


def _add(found: Additions, scheme: Json, value: str) -> None:
    match scheme.get("type"):
        case "apiKey":
            name = str(scheme.get("name"))
            places = {"header": found.headers, "query": found.query, "cookie": found.cookies}
            places.get(str(scheme.get("in")), found.headers)[name] = value
        case "http":
            kind = str(scheme.get("scheme", "bearer")).lower()
            if kind == "basic":
                value = base64.b64encode(value.encode()).decode()
            found.headers["Authorization"] = f"{kind.capitalize()} {value}"
        case "oauth2" | "openIdConnect":
            found.headers["Authorization"] = f"Bearer {value}"
        case other:
            raise RefusedError(f"security schemes of type {str(other)[:32]!r} are not supported")
