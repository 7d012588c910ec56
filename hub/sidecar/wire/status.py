"""How a call ends: gRPC's status codes, and the errors that carry one."""

from enum import IntEnum


class Status(IntEnum):
    """gRPC's status codes (gRPC core, `statuscodes.md`)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """Ends a call with a status; the message goes to the client."""

    status: Status = Status.INTERNAL


class RefusedError(RpcError):
    """A call that no method could take."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
