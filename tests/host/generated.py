"""Projects as crewai's own command writes them."""

import subprocess
from pathlib import Path


def create_project(python: Path, folder: Path, *arguments: str) -> Path:
    """Run `crewai create KIND NAME ...` in a folder; it asks nothing, and no key is stored."""
    env = {
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
        "CREWAI_DMN": "true",
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_DISABLE_VERSION_CHECK": "true",
    }
    crewai = python.with_name("crewai")
    subprocess.run(
        [str(crewai), "create", *arguments], cwd=folder, env=env, check=True, capture_output=True, timeout=100
    )
    return folder / arguments[1]
