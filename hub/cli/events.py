"""`hub events`: publish one, see which no handler could take, give those another chance."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.dapr_target import on_dapr
from hub.cli.failures import UsageError
from hub.cli.options import ConfigOption, JsonOption
from hub.cli.output import first_line, note, write, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.events import DeadLetter
    from hub.workflows import DaprConnection

events_app = typer.Typer(name="events", help="Publish events, and replay those that failed.", no_args_is_help=True)

PubSubOption = Annotated[str, typer.Option("--pubsub", metavar="NAME", help="Dapr's pub/sub component.")]


@events_app.command("publish")
def publish(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    data: Annotated[str, typer.Argument(metavar="JSON", help="The event's data.")] = "null",
    kind: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="The event's type, for filters.")] = None,
    pubsub: PubSubOption = "pubsub",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish an event to a topic."""
    try:
        value: object = json.loads(data)
    except ValueError as error:
        raise UsageError(f'found {data[:60]!r}; expected JSON, as in \'{{"topic": "cats"}}\'; quote it') from error

    async def send(connection: "DaprConnection") -> str:
        from hub.events import Publisher

        return await Publisher(connection, pubsub).publish(topic, value, kind, "hub")

    event_id = on_dapr(config, send)
    if as_json:
        write_json({"id": event_id})
    else:
        write(event_id)


@events_app.command("dead")
def dead(
    topic: Annotated[str | None, typer.Option("--topic", metavar="TOPIC", help="Of this topic only.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the events whose handlers failed, the newest first."""

    async def fetch(connection: "DaprConnection") -> "Sequence[DeadLetter]":
        from hub.events import DeadLetters

        return await DeadLetters(connection).list(topic=topic)

    found = on_dapr(config, fetch)
    if as_json:
        write_json(
            {
                "dead": [
                    {
                        "run": each.run_id,
                        "handler": each.handler,
                        "event": each.event.envelope,
                        "error": each.error,
                        "failed_at": each.failed_at.isoformat(),
                    }
                    for each in found
                ]
            }
        )
    elif not found:
        note("no dead letters")
    else:
        rows = [
            [
                each.run_id,
                each.handler,
                each.failed_at.astimezone().isoformat(" ", "seconds"),
                first_line(each.error),
            ]
            for each in found
        ]
        write_table(["RUN", "HANDLER", "FAILED", "ERROR"], rows)


@events_app.command("replay")
def replay(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="As `hub events dead` shows them.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the handlers of failed events run again."""

    async def again(connection: "DaprConnection") -> dict[str, str]:
        from hub.events import DeadLetters

        letters = DeadLetters(connection)
        return {run_id: await letters.replay(run_id) for run_id in run_ids}

    started = on_dapr(config, again)
    if as_json:
        write_json({"replayed": started})
    else:
        for new in started.values():
            write(new)
