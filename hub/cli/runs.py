"""`hub runs`: the durable runs."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hub.cli.dapr_target import on_dapr
from hub.cli.failures import UsageError
from hub.cli.options import ConfigOption, JsonOption
from hub.cli.output import first_line, note, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.workflows import DaprConnection, RunState
    from hub.workflows.run_state import Status

STATUSES = ("pending", "running", "paused", "stalled", "completed", "failed", "cancelled")


def runs(
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", metavar="NAME", help="Of this one only.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", "-s", metavar="STATUS", help=f"In this state only: {', '.join(STATUSES)}."),
    ] = None,
    since_h: Annotated[
        float | None, typer.Option("--since-h", metavar="HOURS", min=0, help="Changed within so many hours.")
    ] = None,
    children: Annotated[bool, typer.Option("--children", help="Those that another run started, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List durable runs, the newest first."""
    wanted = status or []
    for each in wanted:
        if each not in STATUSES:
            raise UsageError(f"found --status {each!r}; expected one of {', '.join(STATUSES)}; choose one")
    since = None if since_h is None else datetime.now(UTC) - timedelta(hours=since_h)

    async def fetch(connection: "DaprConnection") -> "Sequence[RunState]":
        from hub.workflows import Runs

        return await Runs(connection).list(
            workflow=workflow,
            statuses=cast("list[Status]", wanted),
            since=since,
            children=children,
            limit=limit,
        )

    found = on_dapr(config, fetch)
    if as_json:
        from hub.cli.run_output import state_to_json

        write_json({"runs": [state_to_json(each) for each in found]})
    elif not found:
        note("no runs fit")
    else:
        rows = [
            [each.run_id, each.workflow, each.status, each.created_at.astimezone().isoformat(" ", "seconds"), _at(each)]
            for each in found
        ]
        write_table(["RUN", "WORKFLOW", "STATE", "STARTED", "AT"], rows)


def _at(state: "RunState") -> str:
    """What the run is at, in a few words."""
    if state.asking:
        return f"asks {len(state.asking)} (`hub questions list --run {state.run_id}`)"
    if state.failure is not None:
        return first_line(f"{state.failure.error_type}: {state.failure.reason}")
    return first_line(str(state.shown.get("status", "")))
