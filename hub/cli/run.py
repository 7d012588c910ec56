"""`hub run`: one durable run."""

import json
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

run_app = typer.Typer(name="run", help="Start a durable run, look at it, wait for it, steer it.", no_args_is_help=True)


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


@run_app.command("start")
def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its name, as in AGENT.METHOD.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="The arguments: key=value, key=@file, key:=JSON."),
    ] = None,
    whole: Annotated[str | None, typer.Option("--args", metavar="JSON", help="The arguments as an object.")] = None,
    run_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Of the run; if there is one of it, that one is taken.")
    ] = None,
    waits: Annotated[bool, typer.Option("--wait", help="Wait until it has ended, as `hub run wait` does.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a run, and show its id. It waits for a program that has the workflow."""
    from hub.cli.arguments import read_arguments

    arguments = read_arguments(words or [], {}, whole=whole)

    async def begin(runs: "Runs") -> "str | RunState":
        started = await runs.start(workflow, arguments, run_id=run_id)
        return await runs.wait(started) if waits else started

    found = _with_runs(config, begin)
    if not isinstance(found, str):
        _tell_end(found, as_json=as_json)
    elif as_json:
        write_json({"runId": found})
    else:
        write(found)


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
    """Wait until a run has ended, and show how. Exit code 1 unless it ended well."""
    _tell_end(_with_runs(config, lambda runs: runs.wait(run_id, timeout_s=timeout_s)), as_json=as_json)


def _tell_end(state: "RunState", *, as_json: bool) -> None:
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
    """Show what has happened in a run. A line each: time, id for `rerun`, kind, step."""
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


@run_app.command("send")
def send(
    run_id: RunArgument,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The name that `ctx.wait_event` waits for.")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="What comes with it.")] = "null",
    config: ConfigOption = None,
) -> None:
    """Send an event to a run that waits for it, now or later."""
    try:
        value: object = json.loads(data)
    except ValueError as error:
        raise UsageError(f"found {data[:60]!r}; expected JSON, as in '\"yes\"'; quote it") from error
    _with_runs(config, lambda runs: runs.send(run_id, event, value))
    note(f"run {run_id} has {event}")


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
    """Start a finished run again as a new one. It goes from the beginning, or from one of its steps."""
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
