"""The agent's run of `bench.agents` with dapr-agents: two model calls and one tool call.

Usage: python agent_run.py MODEL_URL MODEL_NAME RUNS AT_ONCE, with `DAPR_GRPC_PORT` and `DAPR_HTTP_PORT` set. The last
line on standard output is JSON.
"""

import asyncio
import json
import logging
import resource
import statistics
import sys
import time

from dapr_agents import AgentRunner, DurableAgent, tool
from dapr_agents.agents.configs import AgentStateConfig
from dapr_agents.llm.openai import OpenAIChatClient
from dapr_agents.storage.daprstores.stateservice import StateStoreService

TASK = "What is 1 + 2?"
WARM_UP = 5


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def measure(agent: DurableAgent, runs: int, at_once: int) -> dict[str, float]:
    runner = AgentRunner()

    async def once() -> None:
        answer = json.loads(await runner.run(agent, {"task": TASK}, log=False) or "null")
        if answer["content"] != "3":
            raise RuntimeError(f"expected the answer 3, got {answer}")

    for _ in range(WARM_UP):
        await once()
    alone = []
    cpu_s = time.process_time()
    for _ in range(runs):
        began = time.perf_counter()
        await once()
        alone.append(time.perf_counter() - began)
    cpu_s = time.process_time() - cpu_s

    async def several() -> None:
        for _ in range(runs // at_once):
            await once()

    began = time.perf_counter()
    await asyncio.gather(*(several() for _ in range(at_once)))
    together_s = time.perf_counter() - began
    return {
        "alone_p50_ms": statistics.median(alone) * 1000,
        "cpu_ms_per_run": cpu_s / runs * 1000,
        "runs_per_s": runs // at_once * at_once / together_s,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "runs": WARM_UP + runs + runs // at_once * at_once,
    }


def main() -> None:
    logging.disable(logging.ERROR)
    url, name, runs, at_once = sys.argv[1:5]
    agent = DurableAgent(
        name="adder",
        llm=OpenAIChatClient(api_key="none", base_url=url, model=name),
        tools=[add],
        state=AgentStateConfig(store=StateStoreService(store_name="statestore")),
    )
    agent.start()
    try:
        found = asyncio.run(measure(agent, int(runs), int(at_once)))
    finally:
        agent.stop()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
