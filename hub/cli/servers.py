"""`hub servers`: how each server is."""

from typing import TYPE_CHECKING

from hub.cli.options import ConfigOption, JsonOption, load
from hub.cli.output import note, write_json, write_table

if TYPE_CHECKING:
    from hub.catalog.provider import Json


def servers(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show each server: its state, era and number of tools."""
    loaded, places = load(config)

    import anyio

    from hub.app import open_target

    async def states() -> "tuple[bool, list[Json]]":
        async with open_target(loaded, places) as target:
            return target.running, await target.servers()

    running, found = anyio.run(states)
    if as_json:
        write_json({"running": running, "servers": found})
        return
    if not found:
        note(f"no servers in {loaded.path}; add some, or `hub import FILE --into {loaded.path}`")
        return
    rows = [
        [
            str(server["name"]),
            str(server["phase"]),
            str(server.get("protocolVersion", "")),
            str(server.get("tools", 0)),
            str(server.get("problem", "")),
        ]
        for server in found
    ]
    write_table(["SERVER", "STATE", "PROTOCOL", "TOOLS", "PROBLEM"], rows)
    if not running:
        note("no hub is running: the servers were started for this look")
