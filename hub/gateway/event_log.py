"""The last events of each stream of a session, so that a client that lost its connection can go on."""

from collections import OrderedDict, deque

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage

_STREAMS = 4_096
_EVENTS_A_STREAM = 128


class EventLog(EventStore):
    """Bounded, in memory; an event that has left the log can't be replayed.

    Source: MCP 2025-11-25, basic/transports (resumability and redelivery).
    """

    def __init__(self) -> None:
        self._streams: OrderedDict[StreamId, deque[tuple[EventId, JSONRPCMessage | None]]] = OrderedDict()
        self._stream_of: dict[EventId, StreamId] = {}
        self._last = 0

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self._last += 1
        event_id = str(self._last)
        events = self._streams.setdefault(stream_id, deque())
        self._streams.move_to_end(stream_id)
        events.append((event_id, message))
        self._stream_of[event_id] = stream_id
        if len(events) > _EVENTS_A_STREAM:
            self._stream_of.pop(events.popleft()[0], None)
        if len(self._streams) > _STREAMS:
            _, oldest = self._streams.popitem(last=False)
            for old_id, _ in oldest:
                self._stream_of.pop(old_id, None)
        return event_id

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        stream_id = self._stream_of.get(last_event_id)
        if stream_id is None:
            return None
        seen = False
        for event_id, message in list(self._streams.get(stream_id, ())):
            if seen and message is not None:
                await send_callback(EventMessage(message, event_id))
            seen = seen or event_id == last_event_id
        return stream_id
