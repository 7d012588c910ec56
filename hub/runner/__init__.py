"""The composition root for programs: agents, their events, and the Dapr that they run on."""

from hub.runner.agent_runner import AgentRunner
from hub.runner.dapr import address_from, open_dapr_connection

__all__ = ["AgentRunner", "address_from", "open_dapr_connection"]
