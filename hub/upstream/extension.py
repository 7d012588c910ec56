"""Requests of a server that the hub answers itself, beside the questions of the protocol."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hub.catalog.provider import Json
from hub.errors import HubError, InvalidInputError, RemoteError
from hub.upstream.asking import error_response
from hub.upstream.wire import INTERNAL_ERROR, INVALID_PARAMS, object_at, params_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What the hub offers to one server over a connection that carries everything (stdio).

    Source: MCP 2026-07-28, basic, extension negotiation: `capabilities.extensions`.
    """

    name: str
    """Stands in the capabilities that the hub declares; methods begin with it and a slash."""
    answer: Callable[[str, Json], Awaitable[Json]]
    """Takes method and parameters; a `HubError` that it raises goes back as an error."""


def find_extension(extensions: Sequence[Extension], method: str) -> Extension | None:
    """The extension that a method belongs to."""
    return next((each for each in extensions if method.startswith(f"{each.name}/")), None)


def declared(capabilities: Json, extensions: Sequence[Extension]) -> Json:
    """Client capabilities with the extensions among them."""
    if not extensions:
        return capabilities
    offered: Json = {each.name: {} for each in extensions}
    return {**capabilities, "extensions": {**object_at(capabilities, "extensions"), **offered}}


async def respond(extension: Extension, message: Json) -> Json:
    """The response to one request."""
    try:
        result = await extension.answer(str(message["method"]), params_of(message))
    except RemoteError as error:
        return error_response(message, error.rpc_code, str(error))
    except HubError as error:
        code = INVALID_PARAMS if isinstance(error, InvalidInputError) else INTERNAL_ERROR
        return error_response(message, code, f"{error.code}: {error}")
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}
