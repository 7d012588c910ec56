"""`hub`: the commands put together, and the one place where their failures end."""

import logging
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from hub.cli import (
    add,
    call,
    connect,
    doctor,
    events,
    import_file,
    init,
    logs,
    questions,
    runs,
    schema_command,
    serve_command,
    servers,
    sidecar,
    tools,
    up,
)
from hub.cli import (
    run as run_command,
)
from hub.cli.failures import (
    EXIT_INTERRUPTED,
    UsageError,
    tell,
    tell_where,
    to_hub_error,
    was_interrupted,
)

EPILOG = (
    "Exit codes: 0 done; 1 the tool answered with an error, or a check failed; 2 usage or configuration; "
    "3 unavailable; 4 unknown name; 5 invalid input; 130 interrupted."
)

app = typer.Typer(
    name="hub",
    help="One MCP endpoint in front of MCP servers of every protocol age.",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("serve")(serve_command.serve)
app.command("up")(up.up)
app.command("sidecar")(sidecar.sidecar)
app.command("servers")(servers.servers)
app.command("tools")(tools.tools)
app.command("call")(call.call)
app.command("import")(import_file.import_file)
app.command("add")(add.add)
app.command("doctor")(doctor.doctor)
app.command("logs")(logs.logs)
app.command("schema")(schema_command.schema)
app.command("connect", hidden=True)(connect.connect)
app.command("runs")(runs.runs)
app.add_typer(run_command.run_app)
app.add_typer(questions.questions_app)
app.add_typer(events.events_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as distribution_version

        typer.echo(f"interop-hub {distribution_version('interop-hub')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """One MCP endpoint in front of MCP servers of every protocol age."""


def run() -> None:
    """The console script: every failure ends here, as one message and an exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    as_json = "--json" in arguments
    logging.getLogger().addHandler(logging.NullHandler())  # `hub serve` alone shows the log
    try:
        result: object = app(arguments or ["--help"], prog_name="hub", standalone_mode=False)
    except TyperException as error:
        return tell(
            UsageError(f"{error.format_message().rstrip('.')}; see `{_asked_for(arguments)} --help`"), as_json=as_json
        )
    except typer.Abort:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - the outermost boundary: told
        if was_interrupted(error):
            return EXIT_INTERRUPTED
        from hub.config.environment import wants_traceback

        if wants_traceback():
            tell_where(error)
        return tell(to_hub_error(error), as_json=as_json)
    return result if isinstance(result, int) else 0


def _asked_for(arguments: list[str]) -> str:
    known = {command.name for command in app.registered_commands}
    return f"hub {arguments[0]}" if arguments and arguments[0] in known else "hub"
