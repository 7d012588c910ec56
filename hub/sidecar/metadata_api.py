"""What the sidecar tells about itself."""

from .dispatch import Dispatcher
from .proto import Empty, metadata_pb
from .settings import SidecarSettings

RUNTIME_VERSION = "1.18.2+embedded"
"""The release of Dapr whose behaviour is followed."""


class MetadataApi:
    """The metadata RPCs of Dapr's runtime service."""

    def __init__(self, dispatcher: Dispatcher, settings: SidecarSettings) -> None:
        self._dispatcher = dispatcher
        self._settings = settings
        self._extended: dict[str, str] = {}

    async def get(self, _request: metadata_pb.GetMetadataRequest, _context: object) -> metadata_pb.GetMetadataResponse:
        components = [
            metadata_pb.RegisteredComponents(
                name=name, type="state.sqlite", version="v1", capabilities=["ETAG", "TRANSACTIONAL", "TTL"]
            )
            for name in self._settings.state_stores
        ]
        components += [
            metadata_pb.RegisteredComponents(name=name, type="pubsub.sqlite", version="v1", capabilities=["TTL"])
            for name in self._settings.pubsubs
        ]
        return metadata_pb.GetMetadataResponse(
            id=self._settings.app_id,
            registered_components=components,
            extended_metadata=self._extended,
            runtime_version=RUNTIME_VERSION,
            workflows=metadata_pb.MetadataWorkflows(connected_workers=self._dispatcher.worker_count),
        )

    async def set(self, request: metadata_pb.SetMetadataRequest, _context: object) -> Empty:
        self._extended[request.key] = request.value
        return Empty()
