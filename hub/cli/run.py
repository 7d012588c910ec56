"""`hub run`: one durable run."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hub.cli.dapr_target import on_dapr
from hub.cli.failures import EXIT_FAILED, UsageError
from hub.cli.options import ConfigOption, JsonOption
from hub.cli.output import note, write, write_json

if TYPE_CHECKING:
    from hub.workflows import DaprConnection, Runs, RunState

T = TypeVar("T")

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, as `hub runs` lists it.")]

run_app = typer.Typer(name="run", help="Look at one durable run, wait for it, steer it.", no_args_is_help=True)


def _with_runs(config: Path | None, work: "Callable[[Runs], Awaitable[T]]") -> T:
    async def call(connection: "DaprConnection") -> T:
        from hub.workflows import Runs

        return await work(Runs(connection))

    return on_dapr(config, call)


def _tell(state: "RunState", *, as_json: bool) -> None:
    from hub.cli.run_output import state_to_json, state_to_text

    if as_json:
        write_json(state_to_json(state))
    else:
        write(state_to_text(state))


@run_app.command("show")
def show(run_id: RunArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how a run is."""
    _tell(_with_runs(config, lambda runs: runs.status(run_id)), as_json=as_json)


@run_app.command("wait")
def wait(
    run_id: RunArgument,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout-s", metavar="SECONDS", min=0, help="Give up after so long; it goes on.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Wait until a run has ended, and show how; exit code 1 unless it ended well."""
    state = _with_runs(config, lambda runs: runs.wait(run_id, timeout_s=timeout_s))
    _tell(state, as_json=as_json)
    if state.status != "completed":
        raise typer.Exit(EXIT_FAILED)


@run_app.command("events")
def events(
    run_id: RunArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what has happened in a run: time, id for `rerun`, kind, step."""
    from hub.cli.run_output import event_to_json, event_to_text

    async def look(runs: "Runs") -> None:
        from hub.workflows import RunEvent

        if not follow:
            entries = await runs.history(run_id)
            if as_json:
                write_json({"events": [event_to_json(each) for each in entries]})
            else:
                for each in entries:
                    write(event_to_text(each))
            return
        async for each in runs.events(run_id):
            if isinstance(each, RunEvent):
                write(event_to_text(each))
            elif each.shown:
                note(f"{each.status}: {each.shown.get('status', '')}")

    if follow and as_json:
        raise UsageError("found --follow with --json; one document has an end; leave one of them out")
    _with_runs(config, look)


@run_app.command("cancel")
def cancel(run_id: RunArgument, config: ConfigOption = None) -> None:
    """End a run and its children where they are."""
    _with_runs(config, lambda runs: runs.cancel(run_id))
    note(f"run {run_id} is cancelled")


@run_app.command("pause")
def pause(run_id: RunArgument, config: ConfigOption = None) -> None:
    """Let nothing new begin in a run."""
    _with_runs(config, lambda runs: runs.pause(run_id))
    note(f"run {run_id} is paused")


@run_app.command("resume")
def resume(run_id: RunArgument, config: ConfigOption = None) -> None:
    """Go on with a paused run."""
    _with_runs(config, lambda runs: runs.resume(run_id))
    note(f"run {run_id} goes on")


@run_app.command("rerun")
def rerun(
    run_id: RunArgument,
    from_event: Annotated[
        int | None,
        typer.Option("--from", metavar="ID", min=1, help="Id of a step, timer or child in `hub run events`."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a finished run again as a new one, from its beginning or from one of its steps."""
    started = _with_runs(config, lambda runs: runs.rerun(run_id, from_event=from_event))
    if as_json:
        write_json({"runId": started})
    else:
        write(started)


@run_app.command("delete")
def delete(run_id: RunArgument, config: ConfigOption = None) -> None:
    """Delete a finished run and all that is known of it."""
    _with_runs(config, lambda runs: runs.delete(run_id))
    note(f"run {run_id} is deleted")
