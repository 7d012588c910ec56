"""What a class says of itself before anything runs."""

import subprocess
import sys
from typing import Any

import pytest

from hub import AgentRunner, DurableAgent, memory, tool
from hub.agents import MCPToolProvider, NotHostedError
from hub.errors import InvalidInputError, NameCollisionError


class Librarian(DurableAgent):
    """Keeps the books."""

    system_prompt = "You are a librarian."

    @tool
    def find(self, title: str, limit: int = 10) -> list[str]:
        """Find books.

        Args:
            title: What stands on the cover.
            limit: How many at most.
        """
        return [f"{title} {n}" for n in range(limit)]

    async def lend(self, title: str, days: int = 14) -> dict[str, Any]:
        """Lend a book out."""
        return {"title": title, "days": days, "found": await self.find(title, limit=1)}


def test_a_tools_schema_has_its_arguments_and_no_self() -> None:
    assert Librarian.find.definition == {
        "name": "find",
        "description": "Find books.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "title": {"type": "string", "description": "What stands on the cover."},
                "limit": {"type": "integer", "default": 10, "description": "How many at most."},
            },
            "required": ["title"],
            "additionalProperties": False,
        },
    }


def test_a_durable_method_is_described_like_a_tool() -> None:
    definition = Librarian.methods["lend"].definition
    assert definition["name"] == "lend"
    assert definition["description"] == "Lend a book out."
    assert definition["inputSchema"]["required"] == ["title"]
    assert definition["outputSchema"] == {"type": "object", "additionalProperties": True}


def test_the_durable_methods_are_the_public_async_ones_and_run() -> None:
    assert set(Librarian.methods) == {"lend", "run"}


def test_an_agent_is_named_after_its_class_unless_it_has_a_name() -> None:
    class HTTPReaderAgent(DurableAgent): ...

    assert HTTPReaderAgent().name == "http_reader_agent"
    assert HTTPReaderAgent(name="reader").name == "reader"
    assert DurableAgent().name == "durable_agent"


def test_class_attributes_and_arguments_say_the_same() -> None:
    assert Librarian().system_prompt == "You are a librarian."
    assert Librarian(system_prompt="Hush.").system_prompt == "Hush."


def test_an_agent_as_a_tool_is_described_by_its_docstring() -> None:
    assert Librarian().as_tool_definition()["description"] == "Keeps the books."
    assert "task" in DurableAgent().as_tool_definition()["description"].lower()


async def test_a_tool_outside_of_a_run_is_the_function_itself() -> None:
    assert await Librarian().find("Ulysses", limit=1) == ["Ulysses 0"]


async def test_a_durable_method_without_a_runner_says_what_is_missing() -> None:
    with pytest.raises(NotHostedError, match=r"librarian\.lend was called outside of a run.*AgentRunner"):
        await Librarian().lend("Ulysses")
    with pytest.raises(NotHostedError, match="publish from a durable method"):
        await Librarian().publish("lent", {})


def test_a_tool_without_type_hints_is_refused_at_its_class() -> None:
    untyped: dict[str, Any] = {}
    exec("def look(self, where): return where", untyped)
    with pytest.raises(InvalidInputError, match=r"tool Bad\.look: parameter `where` has no type hint"):
        type("Bad", (DurableAgent,), {"look": tool(untyped["look"])})


def test_two_tools_of_one_name_are_refused() -> None:
    def find(title: str) -> str:
        return title

    with pytest.raises(NameCollisionError, match="two tools named 'find'"):
        Librarian(tools=[find])


def test_two_agents_of_one_name_are_refused_by_the_runner() -> None:
    with pytest.raises(NameCollisionError, match="two agents are named 'librarian'"):
        AgentRunner(agents=[Librarian(), Librarian()])


def test_the_agents_among_an_agents_tools_run_with_it() -> None:
    helper = Librarian()
    assert [each.name for each in AgentRunner(DurableAgent(tools=[helper])).agents] == ["durable_agent", "librarian"]


@pytest.mark.parametrize("wrong", [3, "text", int])
def test_what_is_no_tool_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="is no function, no agent and no tool provider"):
        DurableAgent(tools=[wrong])


def test_an_address_without_a_path_means_mcp() -> None:
    provider = MCPToolProvider("http://mcp-server:8080")
    assert provider.settings is not None
    assert provider.settings.url == "http://mcp-server:8080/mcp"
    assert provider.name == "mcp-server_8080"


def test_another_clients_configuration_is_taken() -> None:
    git = {"command": "uvx", "args": ["mcp-server-git"], "type": "stdio"}
    web = {"type": "sse", "url": "http://127.0.0.1:9/sse"}
    one = MCPToolProvider({"mcpServers": {"git": git}})
    assert one.settings is not None
    assert (one.name, one.settings.command) == ("git", "uvx")
    chosen = MCPToolProvider({"mcpServers": {"git": git, "web": web}}, name="web")
    assert chosen.settings is not None
    assert (chosen.name, chosen.settings.transport) == ("web", "sse")
    with pytest.raises(InvalidInputError, match="found the servers 'git', 'web'; expected one, or `name`"):
        MCPToolProvider({"mcpServers": {"git": git, "web": web}})
    with pytest.raises(InvalidInputError, match="MCPToolProvider: transport: "):
        MCPToolProvider({"type": "pigeon", "url": "http://127.0.0.1:9"})


@pytest.mark.parametrize("wrong", ["mcp-server", "ftp://somewhere/mcp", {"command": "x", "url": "http://y"}])
def test_what_is_no_address_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match="MCPToolProvider: "):
        MCPToolProvider(wrong)


def test_making_agents_and_runners_loads_no_model_library_and_opens_nothing() -> None:
    code = """
import socket, sys
def no(*args, **kwargs): raise AssertionError("a connection")
socket.socket.connect = no
from hub import AgentRunner, DurableAgent, memory
agents = [DurableAgent(name=f"a{n}", model="openai:gpt-x", memory=memory.InMemory()) for n in range(100)]
AgentRunner(agents=agents)
import threading
assert threading.active_count() == 1, threading.enumerate()
assert not {"pydantic_ai", "openai", "anthropic"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_packages_names_are_there_when_they_are_used() -> None:
    import hub

    assert hub.memory is memory
    unknown = "nothing"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(hub, unknown)
