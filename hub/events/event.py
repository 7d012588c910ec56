"""An event as a handler gets it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from hub.errors import InvalidInputError

Json = dict[str, Any]


class Event(Mapping[str, Any]):
    """What was published, with the attributes of its CloudEvent.

    As a mapping it is the published object: `event["findings"]`. Data that is no object stands in `event.data`.

    Source: CloudEvents 1.0, section 3.
    """

    def __init__(self, envelope: Mapping[str, Any]) -> None:
        self.envelope = dict(envelope)

    @property
    def data(self) -> Any:
        return self.envelope.get("data")

    @property
    def id(self) -> str:
        return str(self.envelope.get("id", ""))

    @property
    def type(self) -> str:
        return str(self.envelope.get("type", ""))

    @property
    def source(self) -> str:
        return str(self.envelope.get("source", ""))

    @property
    def topic(self) -> str:
        return str(self.envelope.get("topic", ""))

    @property
    def time(self) -> str | None:
        """When it was published, as RFC 3339 has it."""
        return self.envelope.get("time")

    @property
    def trace_parent(self) -> str | None:
        """Source: W3C Trace Context, section 3.2."""
        return self.envelope.get("traceparent")

    def _object(self) -> Mapping[str, Any]:
        if not isinstance(self.data, Mapping):
            raise InvalidInputError(
                f"event {self.id} of topic {self.topic!r}: its data is no object; it stands in `event.data`"
            )
        return cast("Mapping[str, Any]", self.data)

    def __getitem__(self, key: str) -> Any:
        return self._object()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._object())

    def __len__(self) -> int:
        return len(self._object())

    def __repr__(self) -> str:
        return f"<event {self.id} of {self.topic!r}>"


def decode_data(data: bytes, content_type: str) -> Any:
    """The data of an event as JSON: JSON as it is, text as text, anything else as base64 text.

    Source: CloudEvents 1.0, JSON event format, section 3.1.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("", "application/json") or kind.endswith("+json"):
        try:
            return json.loads(data) if data else None
        except ValueError:
            pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        import base64

        return base64.b64encode(data).decode()
