"""How an exception crosses from where it was raised to the run that waits: as a type and a text, nothing else.

Dapr's failure details have room for a type's name, a message and a stack trace. What a retry decides on rides behind
the name, as parameters in the manner of a media type: `RetryAfterError; code=rate_limited; retryable=true;
retry_after_s=2`. The trace stays in the worker's log, for it holds paths.
"""

from dataclasses import dataclass
from typing import Self

from hub.errors import HubError

_LONGEST_REASON = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is kept of an exception."""

    error_type: str
    reason: str
    code: str | None = None
    retryable: bool | None = None
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """What is kept of this one."""
        after = getattr(error, "retry_after_s", None)
        return cls(
            error_type=type(error).__name__,
            reason=str(error)[:_LONGEST_REASON],
            code=error.code if isinstance(error, HubError) else None,
            retryable=error.retryable if isinstance(error, HubError) else None,
            retry_after_s=float(after) if isinstance(after, int | float) else None,
        )

    @classmethod
    def read(cls, error_type: str, message: str) -> Self:
        """What Dapr's failure details say."""
        name, *parameters = error_type.split(";")
        pairs = (part.strip().partition("=") for part in parameters)
        values = {key: value for key, _, value in pairs}
        return cls(
            error_type=name.strip(),
            reason=message,
            code=values.get("code"),
            retryable=values["retryable"] == "true" if "retryable" in values else None,
            retry_after_s=float(values["retry_after_s"]) if "retry_after_s" in values else None,
        )

    @property
    def wire_type(self) -> str:
        """The type's name with its parameters."""
        parts = [self.error_type]
        if self.code is not None:
            parts.append(f"code={self.code}")
        if self.retryable is not None:
            parts.append(f"retryable={'true' if self.retryable else 'false'}")
        if self.retry_after_s is not None:
            parts.append(f"retry_after_s={self.retry_after_s:g}")
        return "; ".join(parts)

    def to_exception(self) -> Exception:
        """An exception whose class and text the SDK writes down as they stand."""
        named = type(self.wire_type, (_CarriedError,), {})
        return named(self.reason)


class _CarriedError(Exception):
    """Its subclasses are named after what was raised."""
