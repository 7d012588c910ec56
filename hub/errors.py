"""One tree of errors. Branch on the class or on `code`, never on a message."""

from typing import Any, ClassVar


class HubError(Exception):
    """Something that the hub itself has to say no to, or that failed on its own ground.

    The message is written for the caller: it names the thing, what was expected and what to do, and holds neither
    secrets nor paths nor the text of somebody else's exception.
    """

    code: ClassVar[str] = "internal"
    """Stable identifier that callers may branch on; stands in the answer's text and in `_meta["hub/code"]`."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without a change."""

    def __str__(self) -> str:
        return super().__str__() or type(self).__name__


class InternalError(HubError):
    """A defect of the hub; the details stand in its log."""


class UnknownNameError(HubError):
    """No tool, prompt, resource or task of that name; the message lists the nearest ones."""

    code = "unknown_name"


class InvalidInputError(HubError):
    """Arguments that do not fit; the message holds the JSON path and what the schema wants there."""

    code = "invalid_input"


class UnsupportedError(HubError):
    """The other side lacks what the request needs."""

    code = "unsupported"


class RefusedError(HubError):
    """A policy says no."""

    code = "refused"


class StaleAnswerError(HubError):
    """An answer to a question that is no longer open."""

    code = "stale_answer"


class UpstreamDownError(HubError):
    """The server is not there; the message tells since when, and when the next try is."""

    code = "unavailable"
    retryable = True


class CallTimeoutError(HubError):
    """No answer and no progress within the server's timeout."""

    code = "timeout"
    retryable = True


class CallCancelledError(HubError):
    """The call was cancelled before it ended."""

    code = "cancelled"


class TooLargeError(HubError):
    """A message over the configured size."""

    code = "too_large"


class BusyError(HubError):
    """A limit on calls at once is reached."""

    code = "rate_limited"
    retryable = True


class NameCollisionError(HubError):
    """Two owners claim one name; the message names both."""

    code = "name_collision"


class ConfigError(HubError):
    """A mistake in a configuration file: file, line, key and what was expected stand in the message."""

    code = "invalid_config"


class RemoteError(HubError):
    """A JSON-RPC error that a server answered with; it is relayed as it stands.

    Source: JSON-RPC 2.0, section 5.1.
    """

    code = "remote_error"

    def __init__(self, rpc_code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.data = data
