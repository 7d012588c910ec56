"""`python -m examples.durable_research.program STATE`: research once, or go on with the research of before."""

import sys
from pathlib import Path

import anyio

from examples.durable_research.team import build_runner, researcher

RUN_ID = "the-research"


async def main(state_dir: Path) -> None:
    kept = anyio.Event()
    async with build_runner(state_dir, kept) as runner:
        await runner.run(researcher.research, "invented", run_id=RUN_ID)
        with anyio.fail_after(60):
            await kept.wait()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]))
