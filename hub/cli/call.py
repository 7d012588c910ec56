"""`hub call`: one tool from the terminal."""

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hub.cli.failures import EXIT_FAILED, UsageError, exit_code_of
from hub.cli.options import ConfigOption, JsonOption, load
from hub.cli.output import write, write_json

if TYPE_CHECKING:
    from hub.catalog.provider import Json
    from hub.config import LoadedConfig, Places


def call(
    name: Annotated[str, typer.Argument(help="The tool, as `hub tools` lists it.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Arguments, typed by the tool's schema: key=value, key=@file, key:=JSON; - reads JSON from stdin.",
        ),
    ] = None,
    args: Annotated[str | None, typer.Option("--args", metavar="JSON", help="All arguments as a JSON object.")] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", metavar="LEVEL", help="Show the server's log messages from this level on.")
    ] = "info",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no log messages.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call a tool. Shows its progress, asks its questions here, writes its answer on standard output."""
    from hub.cli.terminal import LEVELS

    if log_level not in LEVELS:
        raise UsageError(f"found --log-level {log_level!r}; expected one of {', '.join(LEVELS)}; choose one")
    given = list(words or [])
    stdin = sys.stdin.read() if "-" in given else None
    loaded, places = load(config)

    import anyio

    level = None if quiet else log_level
    result = anyio.run(_call, loaded, places, name, [word for word in given if word != "-"], args, stdin, level)
    _finish(result, as_json=as_json)


async def _call(
    loaded: "LoadedConfig",
    places: "Places",
    name: str,
    words: list[str],
    whole: str | None,
    stdin: str | None,
    log_level: str | None,
) -> "Json":
    from hub.app import VERSION, open_target
    from hub.cli.arguments import read_arguments
    from hub.cli.asking import Asker
    from hub.cli.rounds import run_to_end
    from hub.cli.terminal import Terminal

    async with open_target(loaded, places) as target:
        definition = target.catalog.tool(name).definition
        arguments = read_arguments(words, cast("Json", definition.get("inputSchema") or {}), whole=whole, stdin=stdin)
        terminal = Terminal(version=VERSION, log_level=log_level, quiet=log_level is None)
        asker = Asker(interactive=sys.stdin.isatty())
        return await run_to_end(target.catalog, {"name": name, "arguments": arguments}, terminal, asker)


def _finish(result: "Json", *, as_json: bool) -> None:
    from hub.cli.results import code_of, to_text

    failed = result.get("isError") is True
    if as_json:
        write_json(result)
    elif failed:
        sys.stderr.write(to_text(result) + "\n")
    else:
        write(to_text(result))
    if failed:
        code = code_of(result)
        raise typer.Exit(EXIT_FAILED if code is None else exit_code_of(code))
