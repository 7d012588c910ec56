"""What can go wrong in the sidecar, and the gRPC status that each becomes.

The sidecar imports nothing else of the hub, so it has a small tree of its own.
"""

from .wire import RpcError, Status


class SidecarError(RpcError):
    """A failure that the sidecar names; the message says what was expected and what to do."""

    status = Status.INTERNAL


class StoreError(SidecarError):
    """The database file cannot be used."""

    status = Status.UNAVAILABLE


class DamagedStoreError(StoreError):
    """The file's content is broken; it is left as it is."""

    status = Status.DATA_LOSS


class ForeignStoreError(StoreError):
    """The file belongs to another program."""


class NewerStoreError(StoreError):
    """The file was written by a newer release."""


class StoreInUseError(StoreError):
    """Another sidecar has the file open."""


class StoreFullError(StoreError):
    """Nothing more can be written; what was written before is whole."""

    status = Status.RESOURCE_EXHAUSTED


class AddressInUseError(SidecarError):
    """A port is taken."""


class StoppingError(SidecarError):
    """The sidecar goes down; clients try again."""

    status = Status.UNAVAILABLE


class NotFoundError(SidecarError):
    """There is no such thing."""

    status = Status.NOT_FOUND


class AlreadyExistsError(SidecarError):
    """The id is taken."""

    status = Status.ALREADY_EXISTS


class PreconditionError(SidecarError):
    """The thing is not in the state that the request needs."""

    status = Status.FAILED_PRECONDITION


class InvalidRequestError(SidecarError):
    """The request cannot be right."""

    status = Status.INVALID_ARGUMENT


class ConflictError(SidecarError):
    """Somebody else wrote first."""

    status = Status.ABORTED


class UnauthenticatedError(SidecarError):
    """The token is missing or wrong."""

    status = Status.UNAUTHENTICATED
