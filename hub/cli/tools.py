"""`hub tools`: what can be called."""

import fnmatch
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hub.cli.options import ConfigOption, JsonOption, load
from hub.cli.output import first_line, note, write_json, write_table

if TYPE_CHECKING:
    from hub.catalog.provider import Json


def tools(
    filter_text: Annotated[
        str | None, typer.Argument(metavar="[FILTER]", help="Part of a name or description, or a pattern (`git__*`).")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tools of all servers by the names that calls use."""
    loaded, places = load(config)

    import anyio

    from hub.app import open_target

    async def fetch() -> "tuple[list[Json], list[Json]]":
        async with open_target(loaded, places) as target:
            return target.catalog.entries("tools"), await target.servers()

    entries, states = anyio.run(fetch)
    found = [entry for entry in entries if filter_text is None or _fits(entry, filter_text)]
    if as_json:
        write_json({"tools": found})
        return
    rows = [
        [str(entry["name"]), argument_names(entry), first_line(str(entry.get("description") or ""))] for entry in found
    ]
    if rows:
        write_table(["TOOL", "ARGUMENTS", "DESCRIPTION"], rows)
    else:
        note(f"no tool fits {filter_text!r}; there are {len(entries)}" if filter_text else "there are no tools")
    for state in states:
        if state.get("phase") != "ready":
            note(f"{state['name']} is {state['phase']}: {state.get('problem', 'not ready yet')}")


def _fits(entry: "Json", text: str) -> bool:
    name = str(entry["name"])
    if any(char in text for char in "*?["):
        return fnmatch.fnmatchcase(name, text)
    return text.lower() in f"{name}\n{entry.get('title') or ''}\n{entry.get('description') or ''}".lower()


def argument_names(entry: "Json") -> str:
    """The argument names, those that may be left out in brackets."""
    schema = cast("dict[str, Any]", entry.get("inputSchema") or {})
    required = set(cast("list[str]", schema.get("required") or []))
    names = list(cast("dict[str, object]", schema.get("properties") or {}))
    return " ".join(name if name in required else f"[{name}]" for name in names)
