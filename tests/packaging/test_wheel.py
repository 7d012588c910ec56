"""The wheel, installed alone in a new environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tooling.environments import uv
from tests.tooling.hubs import hub_environment

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, folder: Path, home: Path | None = None) -> str:
    environment = dict(os.environ) if home is None else hub_environment(home)
    environment.pop("VIRTUAL_ENV", None)
    environment["UV_SYSTEM_CERTS"] = "1"
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.mark.timeout(300)
def test_the_wheel_alone_serves_the_notes(tmp_path: Path) -> None:
    build = tmp_path / "dist"
    run(uv(), "build", "--wheel", "--out-dir", build, folder=CHECKOUT)
    (wheel,) = build.glob("*.whl")
    pins = tmp_path / "pins.txt"
    run(uv(), "export", "--frozen", "--no-dev", "--no-hashes", "--no-emit-project", "-o", pins, folder=CHECKOUT)
    run(uv(), "venv", "--python", sys.executable, "alone", folder=tmp_path)
    python = tmp_path / "alone" / "bin" / "python"
    run(uv(), "pip", "install", "--python", python, "--constraint", pins, wheel, folder=tmp_path)

    database = str(tmp_path / "notes.db")
    settings = {"command": str(python), "args": ["-m", "mcp_servers.notes", "--db", database]}
    (tmp_path / "hub.yaml").write_text(json.dumps({"servers": {"notes": settings}}))
    hub = tmp_path / "alone" / "bin" / "hub"
    call = (hub, "call", "--json", "notes__add_note", "title=from the wheel")
    said = json.loads(run(*call, folder=tmp_path, home=tmp_path / "home"))
    assert said["structuredContent"]["title"] == "from the wheel"
    listed: dict[str, list[dict[str, str]]] = json.loads(
        run(hub, "tools", "--json", folder=tmp_path, home=tmp_path / "home")
    )
    assert "notes__delete_note" in [tool["name"] for tool in listed["tools"]]
