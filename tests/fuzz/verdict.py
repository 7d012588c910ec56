"""What every answer has to be, whatever was asked: HTTP, JSON-RPC, and nothing of the hub's insides."""

import json
import re
from typing import Any, cast

from tests.tooling.wire import Json, Response

_INSIDES = re.compile(
    rb"Traceback|File \"|\.py\b|site-packages|(?:/usr|/home|/root|/tmp|/var|/work)/|pydantic|object at 0x"
    rb"|\b[A-Z][A-Za-z]*(?:Error|Exception)\b"
)


class Wrong(AssertionError):  # noqa: N818 - a verdict, not an error of the program
    """An answer that must not be."""


def judge_response(response: Response) -> None:
    """One HTTP answer.

    Raises:
        Wrong: it shows the hub's insides, is no HTTP status for a caller, or is no JSON-RPC.
    """
    judge_text(response.body)
    if not 200 <= response.status < 500:
        raise Wrong(f"status {response.status}: {response.body[:300]!r}")
    if response.content_type not in ("application/json", "text/event-stream"):
        if response.status == 200:
            raise Wrong(f"status 200 with content type {response.content_type!r}: {response.body[:300]!r}")
        return
    try:
        messages = response.messages()
    except ValueError as error:
        raise Wrong(f"no JSON: {error}: {response.body[:300]!r}") from None
    if not is_health(response):
        for message in messages:
            judge_message(message)


def is_health(response: Response) -> bool:
    """`/healthz` and `/readyz` answer JSON of their own."""
    return response.content_type == "application/json" and b'"jsonrpc"' not in response.body and response.status < 300


def judge_text(data: bytes) -> None:
    if found := _INSIDES.search(data):
        around = data[max(0, found.start() - 150) : found.end() + 150]
        raise Wrong(f"the answer shows {found.group()!r}: {around!r}")


def judge_line(line: bytes) -> Json:
    """One line on standard output; the message."""
    judge_text(line)
    try:
        return judge_message(json.loads(line))
    except ValueError as error:
        raise Wrong(f"no JSON: {error}: {line[:300]!r}") from None


def judge_message(message: Any) -> Json:
    """A response, or what the hub may send on its own.

    Source: JSON-RPC 2.0, sections 4 and 5.
    """
    if not isinstance(message, dict):
        raise Wrong(f"not a JSON-RPC message: {str(message)[:300]}")
    fields = cast("Json", message)
    if fields.get("jsonrpc") != "2.0":
        raise Wrong(f"not JSON-RPC 2.0: {str(fields)[:300]}")
    if isinstance(fields.get("method"), str):
        return fields
    if ("result" in fields) == ("error" in fields) or "id" not in fields:
        raise Wrong(f"neither result nor error, or both, or no id: {str(fields)[:300]}")
    if "error" in fields:
        error = fields["error"]
        if not isinstance(error, dict):
            raise Wrong(f"not an error object: {str(fields)[:300]}")
        described = cast("Json", error)
        if not isinstance(described.get("code"), int) or not isinstance(described.get("message"), str):
            raise Wrong(f"not an error object: {str(fields)[:300]}")
    return fields
