"""From a service's answer to a tool's result, or to the error that it stands for."""

import base64
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from adapters.openapi.exchange import Reply
from adapters.openapi.operations import Operation
from hub.catalog.provider import Json
from hub.catalog.schema import ArgumentSchema
from hub.errors import BusyError, CallTimeoutError, HubError, InvalidInputError, UpstreamDownError

MAX_SHOWN_CHARS = 4000
_LONGEST_WAIT_S = 86_400.0


class ServiceBusyError(BusyError):
    """The service wants fewer requests (429)."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When to come again, if the service said so."""


class ServiceDownError(UpstreamDownError):
    """The service failed on its own ground (5xx)."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When to come again, if the service said so."""


def error_of(reply: Reply) -> HubError | None:
    """The error that a status stands for; None for a success.

    Source: RFC 9110, section 15; RFC 6585, section 4 (429).
    """
    status = reply.status_code
    if 200 <= status < 300:
        return None
    said = f"the service answered {status} {reply.reason}".rstrip()
    wait_s = retry_after_s(reply)
    when = "" if wait_s is None else f"; try again in {wait_s:g} s"
    if status == 429:
        return ServiceBusyError(f"{said}{when}", wait_s)
    if status >= 500:
        return ServiceDownError(f"{said}{when}", wait_s)
    if status == 408:
        return CallTimeoutError(said)
    body = reply.text.strip()
    if len(body) > MAX_SHOWN_CHARS:
        body = body[:MAX_SHOWN_CHARS] + "…"
    return InvalidInputError(f"{said}: {body}" if body else said)


def retry_after_s(reply: Reply) -> float | None:
    """Seconds of a `Retry-After`.

    Source: RFC 9110, section 10.2.3.
    """
    value = reply.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(0.0, seconds), _LONGEST_WAIT_S) if seconds == seconds else None


def to_result(operation: Operation, reply: Reply, schema: ArgumentSchema | None) -> Json:
    """The result of a success.

    Args:
        schema: what the answer is held to.
    """
    kind = reply.media_type
    value: object = None
    is_json = kind == "application/json" or kind.endswith("+json")
    if is_json:
        try:
            value = json.loads(reply.content)
        except ValueError:
            is_json = False
    result: Json = {"content": [_block(reply)], "isError": False}
    if operation.output_schema is None:
        if is_json and isinstance(value, dict):
            result["structuredContent"] = value
        return result
    structured = {"result": value} if operation.wraps else value
    faults = (
        [f"expected JSON, found {kind or 'nothing'}"] if not is_json else schema.faults(structured) if schema else []
    )
    if faults:
        reason = "; ".join(faults).replace("arguments", "answer")
        text = f"internal: the service's answer is not what its document says ({reason})"
        return {
            "content": [{"type": "text", "text": text}, _block(reply)],
            "isError": True,
            "_meta": {"hub/code": "internal", "hub/retryable": False},
        }
    return {**result, "structuredContent": structured}


def _block(reply: Reply) -> Json:
    kind = reply.media_type
    if not reply.content:
        return {"type": "text", "text": f"{reply.status_code} {reply.reason}".rstrip()}
    for family in ("image", "audio"):
        if kind.startswith(f"{family}/"):
            return {"type": family, "data": base64.b64encode(reply.content).decode(), "mimeType": kind}
    if kind.startswith("text/") or kind.endswith(("json", "xml", "yaml", "javascript")) or not kind:
        return {"type": "text", "text": reply.text}
    blob = base64.b64encode(reply.content).decode()
    return {"type": "resource", "resource": {"uri": "answer:///", "mimeType": kind, "blob": blob}}
