"""A program that runs a durable function on the embedded sidecar of a folder, for tests that kill several of them.

`python -m tests.agentic.sharing FOLDER`: writes `up`, and `done` once the run has ended.
"""

import sys
from pathlib import Path

import anyio

from hub import AgentRunner
from hub.workflows import Context, step, workflow

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
RUN_ID = "shared"


@step(name="note")
def note(text: str) -> None:
    """Write down that a step ran."""
    with (FOLDER / "ledger").open("a") as lines:
        lines.write(f"{text}\n")


@step(name="hold")
async def hold(mark: str) -> None:
    """Go on when somebody says so."""
    note(f"hold-{mark}")
    while not (FOLDER / mark).exists():  # noqa: ASYNC110 - another process writes it
        await anyio.sleep(0.02)


@workflow
async def shared(ctx: Context) -> str:
    """Steps before, while and after its processes are killed."""
    await ctx.step(note, "one")
    await ctx.step(hold, "go")
    await ctx.step(note, "two")
    return "done"


async def main() -> None:
    runner = AgentRunner(workflows=[shared], state_dir=FOLDER / "state")
    async with runner:
        await runner.runs.start(shared, {}, run_id=RUN_ID)
        sys.stdout.write("up\n")
        sys.stdout.flush()
        sys.stdout.write(f"{await runner.runs.result(RUN_ID)}\n")


if __name__ == "__main__":
    anyio.run(main)
