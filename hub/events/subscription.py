"""A subscription: a durable function that runs once for each event of a topic."""

import inspect
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Final, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from hub.errors import HubError, InvalidInputError
from hub.events.event import Event, Json
from hub.events.publish import publish_in
from hub.workflows import ChildFailedError, Context, RetryPolicy, Workflow
from hub.workflows.ids import fitting_id

Handler = Callable[[Any], Awaitable[Any]]

DEAD_SUFFIX: Final = ".dead"
DELIVERY_PREFIX: Final = "hub.event."
"""Stands before a handler's name in the name of the workflow that an event starts."""
HANDLER_RETRY: Final = RetryPolicy(max_attempts=3, first_delay_s=1, max_delay_s=60)


class HandlerFailedError(HubError):
    """A handler failed as often as its policy lets it try; its event is with the dead letters."""

    code = "handler_failed"


class Subscription:
    """Calls a durable function for each event of a topic that fits.

    Args:
        topic: of the pub/sub component.
        handler: `async def handler(event)`; it may await what durable functions may. An annotation that is not
            `Event` is what the event's data is made into.
        type: only events of this type.
        where: only events for which this expression in CEL is true; it sees `event` with its attributes and `data`.
        retry: when a failed handler runs again; after the last try the event goes to the topic's dead-letter topic.
        dead_letter_topic: the topic with `.dead` behind it unless given.
    """

    def __init__(
        self,
        topic: str,
        handler: Handler,
        *,
        type: str | None = None,
        where: str | None = None,
        retry: RetryPolicy = HANDLER_RETRY,
        dead_letter_topic: str | None = None,
        name: str | None = None,
    ) -> None:
        if not inspect.iscoroutinefunction(handler):
            raise InvalidInputError(f"the handler of topic {topic!r}: expected an `async def` function of one event")
        if len(inspect.signature(handler).parameters) != 1:
            raise InvalidInputError(f"{handler.__name__}: the handler of an event takes the event and nothing else")
        self.topic = topic
        self.handler = handler
        self.type = type
        self.retry = retry
        self.dead_letter_topic = dead_letter_topic or f"{topic}{DEAD_SUFFIX}"
        self.name = name or f"{topic}.{handler.__name__}"
        self.where = where
        self._filter = _compile(where, handler.__name__) if where is not None else None
        _ = self._data_type

    def wants(self, event: Event) -> bool:
        """Whether the handler is to run for this event.

        An expression that cannot be worked out for an event (a field that it lacks) does not fit it.
        """
        if self.type is not None and event.type != self.type:
            return False
        if self._filter is None:
            return True
        try:
            return self._filter.execute({"event": event.envelope}) is True
        except (ValueError, TypeError, RuntimeError, KeyError):
            return False

    def run_id(self, event: Event) -> str:
        """The same for the same event, so that a second delivery attaches to the first one's run."""
        return fitting_id(f"{self.name}:{event.source}:{event.id}")

    @cached_property
    def handling(self) -> Workflow[..., Any]:
        """One try of the handler."""

        async def handle(ctx: Context, event: Json) -> Any:
            return await self.handler(self._argument(Event(event)))

        return Workflow(cast("Any", handle), name=f"hub.handle.{self.name}")

    @cached_property
    def delivery(self) -> Workflow[..., Any]:
        """What an event starts: the tries, and the dead letter if all of them fail.

        One that no run can hold comes without its data, and with the reason why it is among the dead letters already.
        """

        async def deliver(ctx: Context, event: Json, refused: str | None = None) -> Any:
            if refused is not None:
                raise HandlerFailedError(refused)
            try:
                return await ctx.child(self.handling, event, retry=self.retry)
            except ChildFailedError as error:
                why = f"{error.error_type}: {error.reason}"
                await publish_in(
                    ctx,
                    self.dead_letter_topic,
                    event.get("data"),
                    type=str(event.get("type") or "") or None,
                    source=str(event.get("source") or self.name),
                    more=self.dead_letter_attributes(Event(event), ctx.run_id, why),
                )
                raise HandlerFailedError(why) from error

        return Workflow(cast("Any", deliver), name=f"{DELIVERY_PREFIX}{self.name}")

    def dead_letter_attributes(self, event: Event, run_id: str, why: str) -> Json:
        """What a dead letter says of itself, in the topic of such."""
        return {
            "hubtopic": self.topic,
            "hubeventid": event.id,
            "hubhandler": self.name,
            "hubrunid": run_id,
            "huberror": why[:1000],
        }

    def _argument(self, event: Event) -> Any:
        if self._data_type is None:
            return event
        try:
            return self._data_type.validate_python(event.data)
        except ValidationError as error:
            raise InvalidInputError(
                f"event {event.id} of topic {self.topic!r}: its data does not fit what {self.handler.__name__} takes"
            ) from error

    @cached_property
    def _data_type(self) -> TypeAdapter[Any] | None:
        [parameter] = inspect.signature(self.handler).parameters
        hint = get_type_hints(self.handler).get(parameter)
        if hint is None or hint is Any or hint is Event or hint is object:
            return None
        return TypeAdapter[Any](hint)


def _compile(where: str, handler: str) -> Any:
    import cel

    try:
        return cast("Any", cel).compile(where)
    except ValueError as error:
        raise InvalidInputError(f"{handler}: {where!r} is no CEL expression") from error
