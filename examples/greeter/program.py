"""`python program.py`: greet each guest that is announced, until SIGINT or SIGTERM."""

import logging
import os

from hub import AgentRunner, DurableAgent, memory
from hub.events import Event


class Greeter(DurableAgent):
    """Greets guests, and remembers what each of them said."""

    system_prompt = "You greet guests by their name and recall what they told you."
    model = os.environ.get("HUB_MODEL", "offline")
    memory = memory.DaprState(window=10)


greeter = Greeter()
runner = AgentRunner(agent=greeter)


@runner.subscribe("guest-arrived")
async def greet(event: Event) -> str:
    """Answer a guest; each has a conversation, a thread, of their own."""
    return await greeter.run(event["says"], thread=event["guest"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    runner.start()
