"""Published data as CloudEvents, and CloudEvents as what a subscriber gets.

Source: CloudEvents 1.0, sections 3 and, for JSON, the JSON event format 2 and 3; the names of the further attributes
are Dapr's.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from google.protobuf import json_format, struct_pb2

from .errors import InvalidRequestError
from .proto import callback_pb

CLOUD_EVENT_JSON = "application/cloudevents+json"
OVERRIDABLE = ("id", "source", "type", "traceid", "traceparent", "tracestate", "subject")
CORE = frozenset({"id", "source", "type", "specversion", "datacontenttype", "data", "data_base64"})


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An event's attributes and its data."""

    attributes: dict[str, Any]
    data: bytes

    def to_request(self, *, pubsub: str, topic: str) -> callback_pb.TopicEventRequest:
        extensions = struct_pb2.Struct()
        json_format.ParseDict({k: v for k, v in self.attributes.items() if k not in CORE}, extensions)
        return callback_pb.TopicEventRequest(
            id=str(self.attributes["id"]),
            source=str(self.attributes["source"]),
            type=str(self.attributes["type"]),
            spec_version=str(self.attributes["specversion"]),
            data_content_type=str(self.attributes.get("datacontenttype", "")),
            data=self.data,
            topic=topic,
            pubsub_name=pubsub,
            path="",
            extensions=extensions,
        )


def build_event(
    data: bytes,
    content_type: str,
    metadata: Mapping[str, str],
    *,
    pubsub: str,
    topic: str,
    app_id: str,
    trace: Mapping[str, str],
) -> CloudEvent:
    """Wrap what was published, unless it is a CloudEvent already.

    Raises:
        InvalidRequestError: it says that it is a CloudEvent and is none.
    """
    attributes: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "source": app_id,
        "type": "com.dapr.event.sent",
        "specversion": "1.0",
        "datacontenttype": content_type or "text/plain",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        **trace,
    }
    if content_type.split(";")[0].strip() == CLOUD_EVENT_JSON:
        given, data = _parse(data)
        attributes.update(given)
    elif metadata.get("rawPayload", "").lower() == "true":
        attributes["datacontenttype"] = content_type or "application/octet-stream"
    for name in OVERRIDABLE:
        if metadata.get(f"cloudevent.{name}"):
            attributes[name] = metadata[f"cloudevent.{name}"]
    attributes["topic"] = topic
    attributes["pubsubname"] = pubsub
    return CloudEvent(attributes, data)


def _parse(text: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        envelope: object = json.loads(text)
    except ValueError as error:
        raise InvalidRequestError(f"the content type is {CLOUD_EVENT_JSON}, but the data is no JSON") from error
    if not isinstance(envelope, dict):
        raise InvalidRequestError(f"the content type is {CLOUD_EVENT_JSON}, but the data is no JSON object")
    attributes = cast("dict[str, Any]", envelope)
    encoded, data = attributes.pop("data_base64", None), attributes.pop("data", None)
    if encoded is not None:
        try:
            return attributes, base64.b64decode(str(encoded), validate=True)
        except binascii.Error as error:
            raise InvalidRequestError("data_base64 of the CloudEvent is no base64") from error
    attributes.setdefault("datacontenttype", "application/json")
    if isinstance(data, str) and "json" not in str(attributes["datacontenttype"]):
        return attributes, data.encode()
    return attributes, b"" if data is None else json.dumps(data, ensure_ascii=False).encode()
