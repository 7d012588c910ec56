"""Events between agents, over whatever broker Dapr's pub/sub component stands for."""

from hub.events.dead_letters import DeadLetter, DeadLetters
from hub.events.event import Event
from hub.events.publish import PUBLISH, PUBLISH_STEP, Publisher, publish_in
from hub.events.subscriber import open_subscriber
from hub.events.subscription import DEAD_SUFFIX, HANDLER_RETRY, Subscription

__all__ = [
    "DEAD_SUFFIX",
    "HANDLER_RETRY",
    "PUBLISH",
    "PUBLISH_STEP",
    "DeadLetter",
    "DeadLetters",
    "Event",
    "Publisher",
    "Subscription",
    "open_subscriber",
    "publish_in",
]
