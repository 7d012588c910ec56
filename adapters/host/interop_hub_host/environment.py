"""What frameworks read from the environment when they are imported."""

import os
import sys
from pathlib import Path
from typing import Final

QUIET: Final = {
    # no OTLP export, and no signal handlers of crewai's own
    "CREWAI_DISABLE_TELEMETRY": "true",
    # no trace collection on a first run: it waits 5 s an agent for events that a custom model never sends
    "CREWAI_TRACING_ENABLED": "false",
    # no look-up at the package index
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    # no download of price lists
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "ANONYMIZED_TELEMETRY": "False",
}
"""Set before a framework is imported, unless the operator has set them."""


def quieten(storage: Path | None) -> None:
    """Keep frameworks off the network and off prompts.

    Args:
        storage: folder for crewai's own files; without it two projects in equally named folders share them.
    """
    settings = dict(QUIET)
    if storage is not None:
        settings["CREWAI_STORAGE_DIR"] = str(storage.absolute())
    for name, value in settings.items():
        os.environ.setdefault(name, value)  # noqa: TID251 - crewai and litellm take these settings nowhere else


def enter_project(project: Path) -> None:
    """Make a project's folder the current one and its modules importable.

    Args:
        project: folder of the user's project; its `src` counts too.
    """
    os.chdir(project)
    for folder in (project / "src", project):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
