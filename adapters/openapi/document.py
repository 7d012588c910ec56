"""Reading an OpenAPI document, from a file or an address, and finding what its references point to."""

import json
import re
from pathlib import Path
from typing import Any, Final, cast

import httpx
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from adapters.openapi.exchange import send
from hub.catalog.provider import Json
from hub.errors import ConfigError, UpstreamDownError

MAX_DOCUMENT_BYTES: Final = 32 * 2**20
_TESTED: Final = re.compile(r"^3\.[01](\.|$)")
_MAX_CHAIN: Final = 32


class Document:
    """An OpenAPI document of version 3.0 or 3.1.

    Source: OpenAPI Specification 3.0.4 and 3.1.1.
    """

    def __init__(self, root: Json, place: str) -> None:
        self.root = root
        self.place = place
        """The file or address that it was read from, for messages and relative server addresses."""

    @property
    def version(self) -> str:
        return str(self.root["openapi"])

    @property
    def is_3_0(self) -> bool:
        return self.version.startswith("3.0")

    @property
    def info(self) -> Json:
        return object_of(self.root.get("info"))

    def at(self, pointer: str) -> object:
        """What a local reference points to.

        Raises:
            ConfigError: it is not local, or points to nothing.

        Source: RFC 6901.
        """
        if not pointer.startswith("#/"):
            raise ConfigError(
                f"{self.place}: found a reference to `{pointer[:100]}`; expected references inside of the document; "
                "bundle it into one file"
            )
        found: object = self.root
        for part in pointer[2:].split("/"):
            key = httpx.URL(path="/" + part).path[1:] if "%" in part else part
            key = key.replace("~1", "/").replace("~0", "~")
            if key in object_of(found):
                found = object_of(found)[key]
            elif isinstance(found, list) and key.isdigit() and int(key) < len(cast("list[object]", found)):
                found = cast("list[object]", found)[int(key)]
            else:
                raise ConfigError(f"{self.place}: found a reference to `{pointer[:100]}`, which points to nothing")
        return found

    def resolved(self, value: object) -> Json:
        """An object, or the object that it refers to.

        Raises:
            ConfigError: the reference leads nowhere, or in a circle.
        """
        for _ in range(_MAX_CHAIN):
            found = object_of(value)
            pointer: object = found.get("$ref")
            if not isinstance(pointer, str):
                return found
            value = self.at(pointer)
        raise ConfigError(f"{self.place}: found references that lead in a circle")


def object_of(value: object) -> Json:
    """The value, if it is an object; an empty one otherwise."""
    return cast("Json", value) if isinstance(value, dict) else {}


def list_of(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def read_document(text: bytes, place: str) -> Document:
    """Read JSON or YAML.

    Raises:
        ConfigError: it is no OpenAPI document that the hub can read.
    """
    try:
        root: object = json.loads(text)
    except ValueError:
        root = _yaml(text, place)
    found = object_of(root)
    if "swagger" in found:
        raise ConfigError(f"{place}: found Swagger {str(found['swagger'])[:8]}; expected OpenAPI 3; convert it first")
    version = found.get("openapi")
    if not isinstance(version, str) or not _TESTED.match(version):
        shown = f"version {version[:16]}" if isinstance(version, str) else "no `openapi:` with a version"
        raise ConfigError(f"{place}: found {shown}; expected OpenAPI 3.0 or 3.1; name another document")
    if not object_of(found.get("paths")):
        raise ConfigError(f"{place}: found no `paths`; expected operations; name another document")
    return Document(found, place)


def _yaml(text: bytes, place: str) -> object:
    try:
        loaded: Any = cast("Any", YAML(typ="safe", pure=True)).load(text.decode("utf-8-sig"))
        return json.loads(json.dumps(loaded, default=str))  # keys such as 200 become text, dates too
    except (YAMLError, UnicodeDecodeError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{place}: found neither JSON nor YAML; expected OpenAPI 3; correct it") from error


def load_file(path: Path) -> Document:
    """Read a document from a file.

    Raises:
        ConfigError: there is no such file, or it is no OpenAPI document.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"document: found no file {path} that can be read; expected OpenAPI 3; correct it") from error
    if len(text) > MAX_DOCUMENT_BYTES:
        raise ConfigError(f"document: {path} has more than {MAX_DOCUMENT_BYTES // 2**20} MiB")
    return read_document(text, str(path))


async def fetch_document(client: httpx.AsyncClient, url: str) -> Document:
    """Read a document from its address; redirects stay on the host.

    Raises:
        ConfigError: what is there is no OpenAPI document.
        UpstreamDownError: there is no answer.
        RefusedError: the address is a private one, or the way leads to another host.
    """
    response = await send(client, client.build_request("GET", url), limit_bytes=MAX_DOCUMENT_BYTES, redirect_hosts=())
    if response.status_code != 200:
        raise UpstreamDownError(f"{url} answered {response.status_code}; expected an OpenAPI document")
    return read_document(response.content, url)
