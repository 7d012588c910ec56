"""How a command ends when something is wrong: one message, one exit code, never a traceback."""

import json
import sys
import traceback
from typing import ClassVar, cast

from hub.errors import HubError, InternalError

EXIT_FAILED = 1
"""The tool answered with `isError`, a check failed, or a policy said no."""
EXIT_USAGE = 2
"""Wrong options, or a mistake in the configuration."""
EXIT_UNAVAILABLE = 3
"""A server is not there, took too long or is busy: the same may work later."""
EXIT_UNKNOWN_NAME = 4
EXIT_INVALID_INPUT = 5
EXIT_INTERRUPTED = 130

_EXIT_CODES = {
    "invalid_config": EXIT_USAGE,
    "usage": EXIT_USAGE,
    "unavailable": EXIT_UNAVAILABLE,
    "timeout": EXIT_UNAVAILABLE,
    "rate_limited": EXIT_UNAVAILABLE,
    "unknown_name": EXIT_UNKNOWN_NAME,
    "invalid_input": EXIT_INVALID_INPUT,
}


class UsageError(HubError):
    """Options that do not go together, or that the shell's user has to add to."""

    code: ClassVar[str] = "usage"


def exit_code_of(code: str) -> int:
    """The exit code that stands for an error's stable code."""
    return _EXIT_CODES.get(code, EXIT_FAILED)


def to_hub_error(error: BaseException) -> HubError:
    """The one error that matters: task groups wrap what their tasks raise, once for each group."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, BaseExceptionGroup):
        inner = [to_hub_error(part) for part in cast("tuple[BaseException, ...]", error.exceptions)]
        named = [part for part in inner if not isinstance(part, InternalError)]
        return (named or inner)[0]
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return InternalError(f"the system refused: {reason}{f' ({error.filename})' if error.filename else ''}")
    return InternalError(f"a defect of the hub ({type(error).__name__}); set HUB_TRACEBACK=1 to see where")


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C ended the command."""
    if isinstance(error, BaseExceptionGroup):
        parts = cast("tuple[BaseException, ...]", error.exceptions)
        return any(was_interrupted(part) for part in parts)
    return isinstance(error, KeyboardInterrupt)


def tell(error: HubError, *, as_json: bool) -> int:
    """Write the error where the reader looks, and give the exit code."""
    if as_json:
        body = {"code": error.code, "message": str(error), "retryable": error.retryable}
        sys.stdout.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"hub: {error}\n")
    return exit_code_of(error.code)


def tell_where(error: BaseException) -> None:
    """Write the traceback, for those who asked for it."""
    sys.stderr.write("".join(traceback.format_exception(error)))
