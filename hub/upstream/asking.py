"""Putting a server's question to the caller it belongs to, within what that caller declared."""

import logging
from typing import Any, Final, cast

import anyio

from hub.catalog.provider import Caller, Json
from hub.errors import HubError, RemoteError, UnsupportedError
from hub.upstream.exchange import Exchange
from hub.upstream.wire import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, object_at

QUESTIONS: Final = ("elicitation/create", "sampling/createMessage", "roots/list")
logger = logging.getLogger("hub.upstream")


def can_be_asked(caller: Caller) -> bool:
    return any(caller.capabilities.get(key) is not None for key in ("elicitation", "sampling", "roots"))


def missing_capability(method: str, params: Json, capabilities: Json) -> RemoteError | None:
    """What to answer where the caller did not declare what the question needs.

    Source: MCP 2025-11-25, client/elicitation, client/sampling, client/roots, capabilities.
    """
    if method == "elicitation/create":
        declared: object = capabilities.get("elicitation")
        if not isinstance(declared, dict):
            return RemoteError(METHOD_NOT_FOUND, "the client does not support elicitation")
        modes = cast("Json", declared)
        mode: object = params.get("mode", "form")
        if mode == "form" and not modes:
            return None
        if not isinstance(mode, str) or modes.get(mode) is None:
            return RemoteError(INVALID_PARAMS, "the client does not support this mode of elicitation")
        return None
    if method == "sampling/createMessage":
        if not isinstance(capabilities.get("sampling"), dict):
            return RemoteError(METHOD_NOT_FOUND, "the client does not support sampling")
        if "tools" in params and object_at(capabilities, "sampling").get("tools") is None:
            return RemoteError(INVALID_PARAMS, "the client does not support tools in sampling")
        return None
    if not isinstance(capabilities.get("roots"), dict):
        return RemoteError(METHOD_NOT_FOUND, "the client does not support roots")
    return None


async def answer(exchange: Exchange, message: Json) -> Json:
    """Ask the caller of `exchange` what the server's request `message` asks; the response to send back."""
    method: str = message["method"]
    params = object_at(message, "params")
    caller = exchange.caller
    if caller is None:
        return error_response(message, METHOD_NOT_FOUND, "nobody can be asked for this request")
    if refusal := missing_capability(method, params, caller.capabilities):
        return error_response(message, refusal.rpc_code, str(refusal))
    with anyio.CancelScope() as scope:
        exchange.followers.add(scope)
        try:
            with exchange.hold():
                result = await caller.ask(method, params)
        except RemoteError as error:
            return error_response(message, error.rpc_code, str(error), error.data)
        except UnsupportedError as error:
            return error_response(message, METHOD_NOT_FOUND, str(error))
        except HubError as error:
            return error_response(message, INTERNAL_ERROR, f"{error.code}: {error}")
        except Exception:
            logger.exception("a caller could not be asked")
            return error_response(message, INTERNAL_ERROR, "the client could not be asked")
        finally:
            exchange.followers.discard(scope)
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}
    return error_response(message, INTERNAL_ERROR, "the request that this belongs to has ended")


def error_response(message: Json, code: int, text: str, data: Any = None) -> Json:
    error: Json = {"code": code, "message": text}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": message["id"], "error": error}
