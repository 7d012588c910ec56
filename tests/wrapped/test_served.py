"""The hub as a program, with what adapters take in: listed, called, changed, used in return."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.tooling.environments import sdk_environment
from tests.tooling.hubs import hub_environment, open_hub
from tests.tooling.locks import CHECKOUT

HUB = Path(sys.executable).with_name("hub")

TOOLS = '''
def greet(name: str) -> str:
    """Say hello."""
    return f"hello {name}"


def secret() -> str:
    """Not for programs."""
    return "secret"
'''

USER = '''
import asyncio
import json
import os

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client


async def ask_the_hub(name: str) -> dict[str, object]:
    """Use the hub's tools from a program that the hub runs."""
    program = StdioServerParameters(command=os.environ["HUB_COMMAND"], args=json.loads(os.environ["HUB_ARGS"]))
    async with Client(stdio_client(program)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        said = await client.call_tool("plain__greet", {"name": name})
    return {"tools": tools, "said": said.structured_content}
'''

OLD_USER = '''
import json
import os

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def ask_the_hub(name: str) -> dict[str, object]:
    """The same with the SDK that CrewAI has."""
    program = StdioServerParameters(command=os.environ["HUB_COMMAND"], args=json.loads(os.environ["HUB_ARGS"]))
    async with stdio_client(program) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = [tool.name for tool in (await session.list_tools()).tools]
        said = await session.call_tool("plain__greet", {"name": name})
    return {"tools": tools, "said": said.structuredContent}
'''

CONFIG = f"""
functions:
  plain:
    functions: plain.py
    python: {sys.executable}
  ask:
    functions: user.py:ask_the_hub
    python: PYTHON
    uses: [plain__g*]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.py").write_text(TOOLS)
    return tmp_path


@pytest.mark.parametrize("sdk", ["own", "1.30.0"])
def test_functions_are_tools_of_the_endpoint_and_may_use_it_in_return(folder: Path, sdk: str) -> None:
    (folder / "user.py").write_text(USER if sdk == "own" else OLD_USER)
    python = Path(sys.executable) if sdk == "own" else sdk_environment(sdk)

    async def use(url: str) -> tuple[list[str], Any]:
        with anyio.fail_after(60):
            async with Client(url) as client:
                tools = [tool.name for tool in (await client.list_tools()).tools]
                return tools, (await client.call_tool("ask", {"name": "Ann"})).structured_content

    with open_hub(folder, CONFIG.replace("PYTHON", str(python))) as hub:
        tools, answer = anyio.run(use, hub.url)
    assert sorted(tools) == ["ask", "plain__greet", "plain__secret"]
    assert answer == {"tools": ["plain__greet"], "said": {"result": "hello Ann"}}


def run(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(HUB), *words],
        cwd=folder,
        env={**hub_environment(folder / "home"), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_add_describes_the_tools_and_writes_the_entry_beside_the_others(folder: Path) -> None:
    (folder / "hub.yaml").write_text("# mine\nservers: {}\n")
    refused = run(folder, "add", "plain.py")
    assert refused.returncode == 2
    assert "plain__greet" in refused.stdout
    assert (folder / "hub.yaml").read_text() == "# mine\nservers: {}\n"
    done = run(folder, "add", "plain.py", "--yes", "--name", "greetings", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [tool["name"] for tool in told["tools"]["greetings"]] == ["greetings__greet", "greetings__secret"]
    written = "# mine\nservers: {}\n\nfunctions:\n  greetings:\n    functions: plain.py\n    project: .\n"
    assert (folder / "hub.yaml").read_text() == written
    called = run(folder, "call", "greetings__greet", "name=Ann")
    assert (called.returncode, called.stdout) == (0, "hello Ann\n")
    taken = run(folder, "add", "plain.py", "--yes", "--name", "greetings")
    assert taken.returncode == 2
    assert "found `greetings` in it already" in taken.stderr


def test_add_takes_an_openapi_document_and_names_the_variables_to_set(folder: Path) -> None:
    document = CHECKOUT / "examples" / "petstore" / "openapi.json"
    text = document.read_text().replace('"url": "/"', '"url": "http://127.0.0.1:9"')
    (folder / "pets.json").write_text(text)
    done = run(folder, "add", "pets.json", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [tool["name"] for tool in told["tools"]["pet_store"]] == [
        "pet_store__findPets",
        "pet_store__addPet",
        "pet_store__getPet",
    ]
    assert told["unset"] == ["PET_STORE_STOREKEY"]
    assert told["added"][0]["entry"] == {
        "document": "pets.json",
        "allow_private": True,
        "credentials": {"storeKey": "${PET_STORE_STOREKEY}"},
    }


def test_add_says_what_it_takes_where_there_is_nothing(folder: Path) -> None:
    (folder / "empty.py").write_text("")
    done = run(folder, "add", "empty.py")
    assert done.returncode == 2
    assert "found nothing in empty.py that can be added; expected a CrewAI project" in done.stderr


def test_a_project_without_an_environment_is_told_the_one_command(folder: Path) -> None:
    project = folder / "team"
    project.mkdir()
    (project / "pyproject.toml").write_text('[tool.crewai]\ntype = "crew"\n')
    (project / "crew.py").write_text("@CrewBase\nclass Team: ...\n")
    done = run(folder, "add", "team", "--yes")
    assert done.returncode != 0
    assert "expected an environment with crewai; run `uv sync` in that folder" in done.stderr
    assert not (folder / "hub.yaml").exists()


def test_a_name_belongs_to_one_entry_of_the_file(folder: Path) -> None:
    (folder / "hub.yaml").write_text(
        "servers:\n  a: {command: x}\nfunctions:\n  a: {functions: plain.py, functoins: 1}\n"
    )
    done = run(folder, "tools")
    assert done.returncode == 2
    assert "functions.a: found the name `a`, which `servers.a` (line 2) has too" in done.stderr
    assert "functions.a.functoins: found an unknown key" in done.stderr


def test_doctor_tells_what_is_wrong_with_an_entry_and_logs_show_why(folder: Path) -> None:
    (folder / "broken.py").write_text("raise RuntimeError('the reason')\n")
    (folder / "hub.yaml").write_text("functions:\n  plain: {functions: plain.py}\n  bad: {functions: broken.py}\n")
    done = run(folder, "doctor", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["checks"] == [
        {"server": "plain", "check": "functions", "ok": True, "text": "2 tools"},
        {
            "server": "bad",
            "check": "functions",
            "ok": False,
            "text": "the import of `broken` raises RuntimeError",
            "advice": "read what it wrote: hub logs bad",
        },
    ]
    assert "the reason" in run(folder, "logs", "bad").stdout
