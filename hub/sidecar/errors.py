"""What can go wrong in the sidecar, and the gRPC status that each becomes.

The sidecar imports nothing else of the hub, so it has a small tree of its own.
"""

from typing import ClassVar

import grpc


class SidecarError(Exception):
    """A failure that the sidecar names; the message says what was expected and what to do."""

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL


class StoreError(SidecarError):
    """The database file cannot be used."""

    status = grpc.StatusCode.UNAVAILABLE


class DamagedStoreError(StoreError):
    """The file's content is broken; it is left as it is."""

    status = grpc.StatusCode.DATA_LOSS


class ForeignStoreError(StoreError):
    """The file belongs to another program."""


class NewerStoreError(StoreError):
    """The file was written by a newer release."""


class StoreInUseError(StoreError):
    """Another sidecar has the file open."""


class StoreFullError(StoreError):
    """Nothing more can be written; what was written before is whole."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED


class AddressInUseError(SidecarError):
    """A port is taken."""


class StoppingError(SidecarError):
    """The sidecar goes down; clients try again."""

    status = grpc.StatusCode.UNAVAILABLE


class NotFoundError(SidecarError):
    """There is no such thing."""

    status = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(SidecarError):
    """The id is taken."""

    status = grpc.StatusCode.ALREADY_EXISTS


class PreconditionError(SidecarError):
    """The thing is not in the state that the request needs."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class InvalidRequestError(SidecarError):
    """The request cannot be right."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class ConflictError(SidecarError):
    """Somebody else wrote first."""

    status = grpc.StatusCode.ABORTED


class UnauthenticatedError(SidecarError):
    """The token is missing or wrong."""

    status = grpc.StatusCode.UNAUTHENTICATED
