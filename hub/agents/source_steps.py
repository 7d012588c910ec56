"""The steps that reach tool sources: list their tools, call one."""

from typing import Final

from hub.workflows import RetryPolicy

LIST_STEP: Final = "hub.agents.list_tools"
CALL_STEP: Final = "hub.agents.call_tool"
SOURCE_RETRY: Final = RetryPolicy(max_attempts=8, first_delay_s=0.5, max_delay_s=30, jitter=0.5)
"""A server that is away is waited for; what it answers, well or badly, stands."""
