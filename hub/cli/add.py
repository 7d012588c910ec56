"""`hub add`: a crew, a flow, a graph, functions or an HTTP service."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.failures import UsageError
from hub.cli.options import JsonOption
from hub.cli.output import first_line, note, write, write_json, write_table
from hub.cli.tools import argument_names

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.catalog.provider import Json
    from hub.config.adding import Addition
    from hub.upstream import Recognised


def add(
    place: Annotated[
        str,
        typer.Argument(metavar="PATH-OR-URL", help="CrewAI or LangGraph project, Python file, OpenAPI document."),
    ],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Name of the entry.")] = None,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE", help="The hub.yaml to add to; default: ./hub.yaml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add what is no MCP server. Says what it found, describes the tools, writes after a yes."""
    import anyio

    from hub.config.importing import write_config
    from hub.config.places import CONFIG_NAME

    target = (into or Path(CONFIG_NAME)).absolute()
    found, made, tools = anyio.run(_work_out, place, name, target)
    if not as_json:
        _show(found, made, tools, target)
    if not yes:
        _ask(target, as_json=as_json)
    write_config(target, made.after, with_schema=not made.before)
    if as_json:
        write_json(
            {
                "file": str(target),
                "added": [_to_json(item) for item in found],
                "tools": tools,
                "unset": list(made.unset),
                "hints": [hint for item in found for hint in item.hints],
            }
        )
    else:
        write(f"wrote {target}")


async def _work_out(
    place: str, name: str | None, target: Path
) -> "tuple[Sequence[Recognised], Addition, dict[str, list[Json]]]":
    from hub.app import open_hub
    from hub.config import Places, adapter_entries, installed_adapters
    from hub.config.adding import add_entries

    async with open_hub(Places.of(target)) as hub:
        found: list[Recognised] = []
        for adapter in installed_adapters():
            found.extend(await adapter.recognise(place, hub.surroundings("add")))
        if not found:
            raise UsageError(
                f"found nothing in {place} that can be added; expected a CrewAI project, a langgraph.json, "
                "a Python file with functions, or an OpenAPI 3 document; name one, or write the entry into hub.yaml"
            )
        if name is not None:
            if len(found) > 1:
                several = ", ".join(item.name for item in found)
                raise UsageError(
                    f"found --name and {len(found)} things in {place} ({several}); expected one; name its file"
                )
            found = [replace(found[0], name=name)]
        made = add_entries(found, target)
        entries = adapter_entries(made.loaded.sections)
        tools = {item.name: await _tools_of(hub, item.name, entries[item.name]) for item in found}
    return found, made, tools


async def _tools_of(hub: "Hub", name: str, entry: object) -> "list[Json]":
    from hub.config import AdapterEntry

    if not isinstance(entry, AdapterEntry):
        return []
    async with hub.open_section(name, entry) as section:
        section.definitions["tools"] = await section.provider.list("tools")
        return [
            {**definition, "name": section.public_name("tools", own)} for own, definition in section.own_names("tools")
        ]


def _show(found: "Sequence[Recognised]", made: "Addition", tools: "dict[str, list[Json]]", target: Path) -> None:
    for item in found:
        write(f"found {item.what}")
    write_table(
        ["TOOL", "ARGUMENTS", "DESCRIPTION"],
        [
            [str(tool["name"]), argument_names(tool), first_line(str(tool.get("description") or ""))]
            for listed in tools.values()
            for tool in listed
        ],
    )
    before, after = made.before.splitlines(keepends=True), made.after.splitlines(keepends=True)
    write("".join(difflib.unified_diff(before, after, f"{target.name} (now)", f"{target.name} (new)")).rstrip("\n"))
    for item in found:
        for hint in item.hints:
            note(f"note: {hint}")
    for variable in made.unset:
        note(f"note: {variable} is not set now; the hub does not start without it")


def _to_json(item: "Recognised") -> "Json":
    return {"section": item.section, "name": item.name, "what": item.what, "entry": item.entry}


def _ask(target: Path, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise UsageError(f"nothing was written to {target}: nobody can be asked here; add --yes to write")
    if not typer.confirm(f"Write {target}?", err=True):
        raise typer.Exit(1)
