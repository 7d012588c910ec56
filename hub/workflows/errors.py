"""What goes wrong around durable functions."""

from hub.errors import CallTimeoutError, HubError, TooLargeError


class NotDurableError(HubError):
    """A durable function awaited, or used, something that a replay cannot repeat."""

    code = "not_durable"


class NonDeterminismError(HubError):
    """The code no longer does what the run's history says it did; the message names the step."""

    code = "non_deterministic"


class UnserialisableError(HubError):
    """A value that does not survive as JSON; the message names whose it is and its type."""

    code = "unserialisable"


class PayloadTooLargeError(TooLargeError):
    """A value over the limit of what a history may hold; the message names whose it is, its type and its size."""


class StepFailedError(HubError):
    """A step ended with an error, after the retries that its policy allows."""

    code = "step_failed"

    def __init__(
        self,
        message: str,
        *,
        step: str,
        error_type: str,
        reason: str,
        error_code: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.step = step
        """The step's name."""
        self.error_type = error_type
        """Name of the exception's class, as the step raised it."""
        self.reason = reason
        """The exception's own text."""
        self.error_code = error_code
        """The code of a `HubError` that the step raised."""
        self.was_retryable = retryable
        """What the error said of itself; None: nothing."""


class ChildFailedError(StepFailedError):
    """A child run failed or was cancelled."""

    code = "child_failed"


class EventTimeoutError(CallTimeoutError):
    """No event, or no answer, within the time that the durable function gave."""

    code = "timeout"


class RetryAfterError(HubError):
    """Raised by a step that may succeed after a known time: the run waits durably and holds no step slot meanwhile.

    Args:
        seconds: what the other side asked for.
    """

    code = "rate_limited"
    retryable = True

    def __init__(self, seconds: float, message: str | None = None) -> None:
        super().__init__(message or f"try again in {seconds:g} s")
        self.retry_after_s = seconds


class RunFailedError(HubError):
    """A run that was waited for has failed."""

    code = "run_failed"

    def __init__(self, message: str, *, run_id: str, error_type: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.error_type = error_type
        self.reason = reason


class RunCancelledError(HubError):
    """A run that was waited for was cancelled."""

    code = "cancelled"


class RunStateError(HubError):
    """The run is in a state in which this cannot be done."""

    code = "conflict"


class DaprDownError(HubError):
    """Dapr does not answer at its address; runs go on when it is back."""

    code = "unavailable"
    retryable = True


class DaprFailedError(HubError):
    """Dapr, or a component behind it, failed on its own ground; the same may work later."""

    code = "dapr"
    retryable = True


class DaprRefusedError(HubError):
    """Dapr answered with an error: a missing component, a wrong token, a request that it does not know."""

    code = "dapr"


class MissingComponentError(DaprRefusedError):
    """Dapr lacks a component that is needed; the message names it."""
