"""A program with one agent, for tests that kill it.

`python -m tests.agentic.program STATE MODEL LEDGER RUN_ID TASK`
"""

import sys
from pathlib import Path

import anyio

from hub import AgentRunner, DurableAgent, tool
from hub.workflows import RetryPolicy, current_step


class Worker(DurableAgent):
    """Notes each of its tool calls in a ledger."""

    model_retry = RetryPolicy(max_attempts=3, first_delay_s=0.05)
    ledger: Path

    @tool
    def note(self, text: str) -> str:
        """Note something."""
        step = current_step()
        with self.ledger.open("a") as lines:
            lines.write(f"{step.key if step else '-'} {text}\n")
        return f"noted {text}"


async def main(state: str, model: str, ledger: str, run_id: str, task: str) -> None:
    agent = Worker(model=model)
    agent.ledger = Path(ledger)
    async with AgentRunner(agent, state_dir=state) as runner:
        sys.stdout.write(f"{await runner.run(task, run_id=run_id)}\n")


if __name__ == "__main__":
    _, given_state, given_model, given_ledger, given_run_id, given_task = sys.argv
    anyio.run(main, given_state, given_model, given_ledger, given_run_id, given_task)
