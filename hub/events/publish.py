"""Publishing: a step, so a run that is replayed publishes once more only if it died before it knew."""

import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from dapr.proto.runtime.v1 import pubsub_pb2 as pubsub_pb
from google.protobuf.empty_pb2 import Empty

from hub.errors import InvalidInputError
from hub.events.event import Json
from hub.workflows import STORE_RETRY, Context, DaprConnection, current_step, workflow
from hub.workflows.address import RUNTIME_SERVICE
from hub.workflows.trace import as_event_attributes

PUBLISH_STEP: Final = "hub.events.publish_step"
DEFAULT_TYPE: Final = "hub.event"


class Publisher:
    """Publishes through one of Dapr's pub/sub components."""

    def __init__(self, dapr: DaprConnection, pubsub: str) -> None:
        self._pubsub = pubsub
        self._publish = dapr.method(RUNTIME_SERVICE, "PublishEvent", Empty)

    async def publish(
        self,
        topic: str,
        data: Any,
        type: str | None,
        source: str,
        more: Json | None = None,
        event_id: str | None = None,
    ) -> str:
        """Publish a CloudEvent.

        Args:
            more: further attributes.
            event_id: the step's key, hashed, unless given: who gets the event twice knows it again.

        Returns:
            The event's id.

        Source: CloudEvents 1.0, JSON event format, section 3.
        """
        step = current_step()
        seed = step.key if step is not None else uuid.uuid4().hex
        event_id = event_id or hashlib.sha256(f"{seed}/{topic}".encode()).hexdigest()[:32]
        event = {
            **(more or {}),
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": type or DEFAULT_TYPE,
            "time": datetime.now(UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }
        await self._publish(
            pubsub_pb.PublishEventRequest(
                pubsub_name=self._pubsub,
                topic=topic,
                data=json.dumps(event, ensure_ascii=False).encode(),
                data_content_type="application/cloudevents+json",
            )
        )
        return event_id


async def publish_in(
    context: Context, topic: str, data: object, *, type: str | None = None, source: str, more: Json | None = None
) -> str:
    """Publish as a step of a run; the event belongs to the run's trace.

    Returns:
        The event's id.
    """
    if not topic:
        raise InvalidInputError("publish: the topic has no name")
    attributes = {**as_event_attributes(context.trace), **(more or {})}
    published = await context.step(PUBLISH_STEP, topic, data, type, source, attributes or None, retry=STORE_RETRY)
    return str(published)


@workflow(name="hub.events.publish")
async def PUBLISH(  # noqa: N802 - a workflow is a constant
    ctx: Context, topic: str, data: Any = None, type: str | None = None, source: str = "hub"
) -> str:
    """Publish one event, as a run of its own."""
    return await publish_in(ctx, topic, data, type=type, source=source)
