"""When a failed step is tried again."""

from dataclasses import dataclass

from hub.workflows.failure import Failure

_LONGEST_DELAY_S = 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how long after, a failed step or child is tried again.

    An error that says of itself that it is not retryable (`HubError.retryable`) ends the step at once. A step that
    raises `RetryAfterError` is tried again after the time that it names; that counts against `max_wait_s`, not
    against `max_attempts`.
    """

    max_attempts: int = 3
    """Runs of the step, the first one included."""
    first_delay_s: float = 1.0
    backoff: float = 2.0
    """Each delay is this many times the one before."""
    max_delay_s: float = 60.0
    jitter: float = 0.2
    """Share of the delay that is left to chance, 0 to 1; the same on each replay."""
    max_wait_s: float = 3_600.0
    """The most that waits for `RetryAfterError` may add up to."""
    known_only: bool = False
    """Whether an error that does not say of itself that it is retryable ends the step at once."""
    never_on: tuple[type[BaseException] | str, ...] = ()
    """Exceptions, as classes or names of classes, that end the step at once."""

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError("max_attempts: expected 1 or more")
        if self.first_delay_s < 0 or self.max_delay_s < 0 or self.max_wait_s < 0:
            raise ValueError("delays: expected 0 or more seconds")
        if self.backoff < 1:
            raise ValueError("backoff: expected 1 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter: expected a share from 0 to 1")

    def delay_after(self, failure: Failure, *, attempts: int, waited_s: float, chance: float) -> float | None:
        """Seconds until the next try, or None: the step has failed.

        Args:
            attempts: runs so far that count, this one included.
            waited_s: what waits for `RetryAfterError` add up to so far.
            chance: from 0 to 1; decides the jitter.
        """
        if failure.error_type in {kind if isinstance(kind, str) else kind.__name__ for kind in self.never_on}:
            return None
        if failure.retry_after_s is not None:
            wait = max(0.0, failure.retry_after_s)
            return wait if waited_s + wait <= self.max_wait_s else None
        is_final = not failure.retryable if self.known_only else failure.retryable is False
        if is_final or attempts >= self.max_attempts:
            return None
        delay = min(self.first_delay_s * self.backoff ** min(attempts - 1, 64), self.max_delay_s, _LONGEST_DELAY_S)
        return delay * (1 - self.jitter * chance)


NO_RETRY = RetryPolicy(max_attempts=1)
"""What a step without a policy gets: one run, and waits for `RetryAfterError`."""
STORE_RETRY = RetryPolicy(max_attempts=300, max_delay_s=300, known_only=True)
"""For steps that read or write a store, or a broker: one that is away is waited for, a day in all; a defect is not."""
