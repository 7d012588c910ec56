"""`hub questions`: what runs ask."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hub.cli.dapr_target import on_dapr
from hub.cli.failures import UsageError
from hub.cli.options import ConfigOption, JsonOption
from hub.cli.output import first_line, note, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.questions import QuestionRecord
    from hub.workflows import DaprConnection

questions_app = typer.Typer(name="questions", help="See and answer what durable runs ask.", no_args_is_help=True)


@questions_app.command("list")
def list_questions(
    run_id: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Of this run only.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the open questions, the oldest first."""

    async def fetch(connection: "DaprConnection") -> "Sequence[QuestionRecord]":
        from hub.questions import Questions

        return await Questions(connection).list(run_id=run_id)

    found = on_dapr(config, fetch)
    if as_json:
        from hub.questions.record import to_json

        write_json({"questions": [to_json(each) for each in found]})
    elif not found:
        note("no open questions")
    else:
        rows = [
            [
                each.id,
                each.run_id,
                each.asked_at.astimezone().isoformat(" ", "seconds"),
                first_line(each.question.message),
            ]
            for each in found
        ]
        write_table(["QUESTION", "RUN", "ASKED", "MESSAGE"], rows)


@questions_app.command("answer")
def answer(
    question_id: Annotated[str, typer.Argument(metavar="QUESTION", help="Its id, as `hub questions list` shows it.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="The values, typed by the question: key=value, key=@file, key:=JSON; none: asked for here.",
        ),
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Yes, with the given values or none.")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="No.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Neither yes nor no.")] = False,
    result: Annotated[
        str | None, typer.Option("--result", metavar="JSON", help="The whole result, for any kind of request.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="HEX", help="Answer only if just this is asked still.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Answer a question; its run goes on. Without values or options, asks here."""
    given = list(words or [])
    if sum((accept or bool(given), decline, cancel, result is not None)) > 1:
        raise UsageError("found more than one answer; expected values or one of --decline, --cancel, --result")

    async def give(connection: "DaprConnection") -> None:
        from hub.questions import Questions

        store = Questions(connection)
        record = await store.get(question_id)
        reply = await _reply(record, given, accept=accept, decline=decline, cancel=cancel, result=result)
        await store.answer(question_id, reply, digest=digest or record.digest)

    on_dapr(config, give)
    note(f"question {question_id} is answered")


async def _reply(
    record: "QuestionRecord", words: list[str], *, accept: bool, decline: bool, cancel: bool, result: str | None
) -> dict[str, Any]:
    from hub.cli.arguments import read_arguments
    from hub.cli.asking import Asker

    params = dict(record.question.params)
    if result is not None:
        return read_arguments([], {}, whole=result, stdin=None)
    if decline or cancel:
        return {"action": "decline" if decline else "cancel"}
    if accept or words:
        schema = cast("dict[str, Any]", params.get("requestedSchema") or {})
        return {"action": "accept", "content": read_arguments(words, schema, whole=None, stdin=None)}
    return await Asker(interactive=sys.stdin.isatty()).answer(record.question.method, params)
