"""Options that several commands have, and what they stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.output import note

if TYPE_CHECKING:
    from hub.config import LoadedConfig, Places

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="hub.yaml, or the mcpServers JSON of another client; default: ./hub.yaml, else the user's own.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document on standard output.")]


def load(config: Path | None) -> "tuple[LoadedConfig, Places]":
    """The configuration that a command works on, and where its things live."""
    from hub.config import Places, find_config, load_config

    loaded = load_config(find_config(config))
    for text in loaded.notes:
        note(f"note: {text}")
    return loaded, Places.of(loaded.path)
