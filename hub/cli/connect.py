"""`hub connect`: some tools of a running hub, on this program's pipe."""

from pathlib import Path
from typing import Annotated

import typer


def connect(
    state: Annotated[Path, typer.Argument(metavar="STATE", help="The folder of the hub's state.")],
    tools: Annotated[list[str], typer.Argument(metavar="TOOL...", help="Allowed tools, by names or patterns.")],
) -> None:
    """Serve some tools of a running hub to one client on standard input and output.

    Crews and graphs with `uses:` find this command in HUB_COMMAND and HUB_ARGS.
    """
    import anyio

    from hub.app import connect as connect_to

    anyio.run(connect_to, state, tuple(tools))
