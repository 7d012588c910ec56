"""Both eras of the protocol: versions, envelopes, and the shape of answers."""

from dataclasses import dataclass
from typing import Any, Final, cast

from . import VERSION
from .failures import HostError, RpcError
from .forms import Form
from .runs import Asking, Ended

Json = dict[str, Any]

MODERN: Final = "2026-07-28"
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

SERVER_INFO: Final[Json] = {"name": "interop-hub-host", "version": VERSION}
CAPABILITIES: Final[Json] = {"tools": {"listChanged": False}}

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
MISSING_CLIENT_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022

STATE_EXTENSION: Final = "hub/state"

_ENVELOPE: Final = "io.modelcontextprotocol/"


def _object(value: Any) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What stands around a request's parameters."""

    modern: bool
    meta: Json
    capabilities: Json

    @property
    def can_answer(self) -> bool:
        """Whether the client answers questions: it declared form elicitation."""
        declared = self.capabilities.get("elicitation")
        return isinstance(declared, dict) and (not declared or "form" in declared)

    @property
    def keeps_state(self) -> bool:
        """Whether the client offers to keep the host's state."""
        return STATE_EXTENSION in _object(self.capabilities.get("extensions"))

    def text(self, key: str) -> str | None:
        """Read one of the hub's own keys of `_meta`."""
        value = self.meta.get(key)
        return value if isinstance(value, str) and value else None


def open_envelope(params: Json, handshake: Json) -> Envelope:
    """Tell the era of one request.

    Args:
        handshake: capabilities that the client declared in `initialize`, for the era that has one.

    Raises:
        RpcError: a protocol version that this host does not speak.

    Source: MCP 2026-07-28, basic, per-request metadata.
    """
    meta = _object(params.get("_meta"))
    version = meta.get(f"{_ENVELOPE}protocolVersion")
    if version is None:
        return Envelope(modern=False, meta=meta, capabilities=handshake)
    if version != MODERN:
        data = {"supported": [MODERN], "requested": version}
        raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
    return Envelope(modern=True, meta=meta, capabilities=_object(meta.get(f"{_ENVELOPE}clientCapabilities")))


def to_modern(result: Json) -> Json:
    """Add what each result of the modern era carries."""
    meta = {f"{_ENVELOPE}serverInfo": SERVER_INFO, **_object(result.get("_meta"))}
    return {"resultType": "complete", **result, "_meta": meta}


def initialize(params: Json) -> Json:
    """Answer the handshake.

    Source: MCP 2025-11-25, basic/lifecycle, version negotiation.
    """
    wanted = params.get("protocolVersion")
    version = wanted if wanted in LEGACY else LEGACY[0]
    return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": SERVER_INFO}


def discover() -> Json:
    """Answer `server/discover`.

    Source: MCP 2026-07-28, basic/lifecycle, discovery.
    """
    return {"supportedVersions": [MODERN], "capabilities": CAPABILITIES, "ttlMs": 0, "cacheScope": "private"}


def failed(code: str, message: str, retryable: bool, run_id: str | None = None) -> Json:
    """A call that failed, as the result that the caller reads."""
    meta: Json = {"hub/code": code, "hub/retryable": retryable}
    if run_id is not None:
        meta["hub/run"] = run_id
    return {"content": [{"type": "text", "text": f"{code}: {message}"}], "isError": True, "_meta": meta}


def refused(error: HostError, run_id: str | None = None) -> Json:
    return failed(error.code, str(error), error.retryable, run_id)


def ended(step: Ended) -> Json:
    """A call that came to its end."""
    done = step.completed
    return {
        "content": [{"type": "text", "text": done.text}],
        "structuredContent": done.structured,
        "isError": False,
        "_meta": {**done.meta, "hub/run": step.run_id},
    }


def elicitations(step: Asking) -> Json:
    """The open questions as elicitation requests, by question key."""
    return {
        key: {
            "method": "elicitation/create",
            "params": {
                "mode": "form",
                "message": question.message,
                "requestedSchema": Form(question.schema).requested,
            },
        }
        for key, question in step.questions.items()
    }
