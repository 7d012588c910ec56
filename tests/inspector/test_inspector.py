"""MCP Inspector works through the hub in both eras, and judges a server as it does without the hub."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.programs import open_fixture
from tests.inspector.inspector import SCHEMA_PROBLEMS, Era, inspect
from tests.tooling.hubs import RunningHub, open_hub
from tests.tooling.locks import CHECKOUT

pytestmark = pytest.mark.conformance

FIXTURES = {"everything": "tests.fixtures.everything_server", "loose": "tests.fixtures.loose_server"}
HubOf = Callable[[str], RunningHub]
both_eras = pytest.mark.parametrize("era", ["legacy", "modern"])


def module(name: str, *arguments: str, **environment: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-m", name, *arguments], "cwd": str(CHECKOUT), "env": environment}


def own_servers(folder: Path) -> dict[str, Any]:
    """The project's own servers, with a database of their own and an address where nothing is fetched."""
    return {
        "notes": module("mcp_servers.notes", NOTES_DB=str(folder / "notes.db")),
        "papers": module("mcp_servers.papers", PAPERS_BASE_URL="http://127.0.0.1:9/api/query"),
    }


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """The fixtures without a hub: name -> endpoint."""
    folder = tmp_path_factory.mktemp("inspected")
    with ExitStack() as stack:
        yield {name: stack.enter_context(open_fixture(run, folder / f"{name}.log")) for name, run in FIXTURES.items()}


@pytest.fixture(scope="module")
def own_hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningHub]:
    """A hub with `notes` and `papers` behind it."""
    folder = tmp_path_factory.mktemp("own-hub")
    with open_hub(folder, json.dumps({"servers": own_servers(folder)})) as hub:
        yield hub


@pytest.fixture(scope="module")
def hub_of(addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Generator[HubOf]:
    """A hub with one of the fixtures behind it, started when it is first wanted."""
    hubs: dict[str, RunningHub] = {}
    with ExitStack() as stack:

        def find(name: str) -> RunningHub:
            if name not in hubs:
                servers = {"servers": {name: {"url": addresses[name]}}}
                hubs[name] = stack.enter_context(open_hub(tmp_path_factory.mktemp(name), json.dumps(servers)))
            return hubs[name]

        yield find


@both_eras
def test_the_inspector_lists_the_tools_of_every_server(era: Era, own_hub: RunningHub, tmp_path: Path) -> None:
    listed = inspect(own_hub.url, era, tmp_path, "--method", "tools/list").result

    names = {tool["name"] for tool in listed["tools"]}
    assert {"notes__add_note", "notes__delete_note", "papers__search_papers", "papers__read_paper"} <= names
    assert {name.partition("__")[0] for name in names} == {"notes", "papers"}


@both_eras
def test_the_inspector_writes_a_note_and_reads_it_back(era: Era, own_hub: RunningHub, tmp_path: Path) -> None:
    arguments = json.dumps({"title": f"Written in the {era} era", "body": "With the inspector."})
    written = inspect(
        own_hub.url, era, tmp_path, "--method", "tools/call", "--tool-name", "notes__add_note",
        "--tool-args-json", arguments,
    ).result  # fmt: skip
    read = inspect(
        own_hub.url, era, tmp_path, "--method", "resources/read", "--uri", written["structuredContent"]["uri"]
    ).result

    assert written.get("isError") in (None, False)
    text = read["contents"][0]["text"]
    assert f"Written in the {era} era" in text
    assert "With the inspector." in text


@both_eras
def test_the_inspector_gets_a_prompt_and_a_resource_of_a_fixture(era: Era, hub_of: HubOf, tmp_path: Path) -> None:
    hub = hub_of("everything")
    prompts = inspect(hub.url, era, tmp_path, "--method", "prompts/list").result
    prompt = inspect(
        hub.url, era, tmp_path, "--method", "prompts/get",
        "--prompt-name", "everything__test_prompt_with_arguments", "--prompt-args", "arg1=one", "arg2=two",
    ).result  # fmt: skip
    read = inspect(hub.url, era, tmp_path, "--method", "resources/read", "--uri", "test://static-text").result

    assert "everything__test_simple_prompt" in {entry["name"] for entry in prompts["prompts"]}
    assert prompt["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='one', arg2='two'"
    assert read["contents"][0]["text"] == "This is the content of the static text resource."


@both_eras
def test_the_inspector_is_told_that_a_tool_is_unknown(era: Era, own_hub: RunningHub, tmp_path: Path) -> None:
    finished = inspect(own_hub.url, era, tmp_path, "--method", "tools/call", "--tool-name", "notes__nothing")

    assert finished.status != 0


@both_eras
def test_the_strict_look_finds_nothing_in_notes_and_papers(era: Era, own_hub: RunningHub, tmp_path: Path) -> None:
    finished = inspect(own_hub.url, era, tmp_path, "--method", "tools/list", "--strict")

    assert finished.status == 0, finished.problems


@both_eras
@pytest.mark.parametrize(("name", "status"), [("everything", 0), ("loose", SCHEMA_PROBLEMS)])
def test_the_strict_look_gives_the_verdict_that_it_gives_direct(
    era: Era, name: str, status: int, addresses: dict[str, str], hub_of: HubOf, tmp_path: Path
) -> None:
    direct = inspect(addresses[name], era, tmp_path, "--method", "tools/list", "--strict")
    through_hub = inspect(hub_of(name).url, era, tmp_path, "--method", "tools/list", "--strict")

    assert (direct.status, through_hub.status) == (status, status)
    assert through_hub.problems.replace(f"{name}__", "") == direct.problems
