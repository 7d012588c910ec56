"""What a caller may be told when something goes wrong."""

from typing import Any, Final

RETRYABLE: Final = frozenset({"rate_limited", "unavailable", "timeout"})
"""Codes of failures after which the same call may succeed without a change."""


class HostError(Exception):
    """A failure that the caller may read; anything else is told as `internal`, without its text.

    Codes: invalid_input, unsupported, declined, stale_answer, step_limit, guardrail, timeout, cancelled, rate_limited,
    unavailable, internal.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE


class RpcError(Exception):
    """A request that the protocol refuses.

    Source: JSON-RPC 2.0, section 5.1; MCP 2026-07-28, basic, error codes.
    """

    def __init__(self, rpc_code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.data = data


class TargetError(Exception):
    """A target that can't be offered; the message names the reference and the fix, and holds no foreign text."""

    def __init__(self, reference: str, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.reference = reference
        self.detail = detail
        """The last line of the exception behind it: for the operator's log alone."""
