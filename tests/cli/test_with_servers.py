"""The commands on a real server: straight from the file, and through a running hub."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.running import Folder

_HUB = str(Path(sys.executable).with_name("hub"))


@contextmanager
def served(folder: Folder) -> Generator[str]:
    """A hub that serves the folder's configuration; gives its address."""
    command = [_HUB, "serve", "--port", "0", "--json"]
    with (
        (folder.path / "serve.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder.path, env=folder.environment(), stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def test_servers_tools_and_calls_work_straight_from_the_file(folder: Folder) -> None:
    folder.with_notes()

    servers = folder.run("servers", "--json").json()
    tools = folder.run("tools", "note", "--json").json()
    table = folder.run("tools", "notes__add_*")
    added = folder.run("call", "notes__add_note", "title=Milk", "tags=shop", "tags=home", "--json")
    found = folder.run("call", "notes__search_notes", "-", stdin='{"query": "milk"}')

    assert servers["running"] is False
    assert [(server["name"], server["phase"], server["era"]) for server in servers["servers"]] == [
        ("notes", "ready", "modern")
    ]
    assert "notes__add_note" in [tool["name"] for tool in tools["tools"]]
    assert table.out.splitlines()[1].startswith("notes__add_note  title [body] [tags]  Write a new note")
    assert (added.code, sorted(added.json()["structuredContent"]["tags"])) == (0, ["home", "shop"])
    assert json.loads(found.out)["total"] == 1


def test_the_exit_code_tells_what_went_wrong_with_a_call(folder: Folder) -> None:
    folder.with_notes()

    unknown = folder.run("call", "notes__ad_note", "--json")
    unfit = folder.run("call", "notes__add_note", "title:=3")
    failed = folder.run("call", "notes__get_note", "id=99")

    assert (unknown.code, unknown.json()["error"]["code"]) == (4, "unknown_name")
    assert "notes__add_note" in unknown.json()["error"]["message"]
    assert (unfit.code, unfit.out) == (5, "")
    assert "title" in unfit.err
    assert (failed.code, failed.out) == (1, "")
    assert "99" in failed.err


def test_a_question_is_asked_in_the_terminal_and_nowhere_else(folder: Folder) -> None:
    folder.with_notes()
    folder.run("call", "notes__add_note", "title=Milk")

    unasked = folder.run("call", "notes__delete_note", "id=1")
    prompt = "[boolean, default false]: "
    declined = folder.run_in_terminal("call", "notes__delete_note", "id=1", answers=[(prompt, "d")])
    agreed = folder.run_in_terminal("call", "notes__delete_note", "id=1", answers=[(prompt, "y")])

    assert unasked.code == 2
    assert "standard input is no terminal; run the command in one" in unasked.err
    assert (json.loads(declined.out)["deleted"], json.loads(agreed.out)["deleted"]) == (False, True)


def test_commands_find_the_running_hub_and_use_its_servers(folder: Folder) -> None:
    folder.with_notes()

    with served(folder):
        servers = folder.run("servers", "--json").json()
        tools = folder.run("tools", "notes__add_note", "--json").json()
        added = folder.run("call", "notes__add_note", "title=Milk")
        unfit = folder.run("call", "notes__add_note", "title:=3")
        healthy = folder.run("doctor", "--json").json()
    after = folder.run("servers", "--json").json()

    assert (servers["running"], [server["name"] for server in servers["servers"]]) == (True, ["notes"])
    assert [tool["name"] for tool in tools["tools"]] == ["notes__add_note"]
    assert (added.code, json.loads(added.out)["title"]) == (0, "Milk")
    assert unfit.code == 5
    assert healthy["ok"] is True
    assert after["running"] is False


def test_a_change_of_the_file_reaches_the_running_hub(folder: Folder) -> None:
    folder.with_notes()
    ends_at = time.monotonic() + 30

    with served(folder):
        config = json.loads((folder.path / "hub.yaml").read_text(encoding="utf-8"))
        config["servers"]["more"] = {**config["servers"]["notes"], "prefix": "more"}
        folder.write("new.yaml", json.dumps(config)).replace(folder.path / "hub.yaml")
        names: list[str] = []
        while "more" not in names and time.monotonic() < ends_at:
            names = [server["name"] for server in folder.run("servers", "--json").json()["servers"]]

    assert names == ["notes", "more"]


def test_the_doctor_says_what_is_wrong_and_what_to_do(folder: Folder) -> None:
    servers = {
        "gone": {"command": "no-such-program-here"},
        "lost": {"command": sys.executable, "cwd": "nowhere"},
        "silent": {"url": "http://127.0.0.1:9/mcp"},
    }
    folder.write("hub.yaml", json.dumps({"servers": servers}, indent=1))

    done = folder.run("doctor", "--json")
    checks = {(check["server"], check["check"]): check for check in done.json()["checks"]}

    assert (done.code, done.json()["ok"]) == (1, False)
    assert checks["gone", "command"]["advice"] == "install it, or correct `command` (hub.yaml:4)"
    assert checks["lost", "folder"]["advice"] == "correct `cwd` (hub.yaml:8)"
    assert checks["silent", "address"]["advice"] == "start the server, or correct `url` (hub.yaml:11)"
    assert all(checks[name, "mcp"]["ok"] is False for name in servers)
