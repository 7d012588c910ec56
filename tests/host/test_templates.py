"""Projects as crewai's own command writes them, without a change of any line."""

from pathlib import Path

import pytest

from tests.host.generated import create_project
from tests.host.model_server import ModelServer, open_model_server
from tests.host.raw_host import HostCommand


@pytest.mark.parametrize("reference", ["src/demo/crew.py:Demo", "demo.crew:Demo"])
def test_a_freshly_generated_crew_runs_unchanged(
    crewai_python: Path, model: ModelServer, tmp_path: Path, reference: str
) -> None:
    project = create_project(crewai_python, tmp_path, "crew", "demo", "--classic", "--skip-provider")
    env = {
        "HOME": str(tmp_path),
        "MODEL": "openai/served",
        "OPENAI_API_KEY": "sk-MARKER-environment",
        "OPENAI_API_BASE": f"{model.url}v1",
        "OPENAI_BASE_URL": f"{model.url}v1",
    }
    command = HostCommand(python=crewai_python, project=project, targets=(f"crew:{reference}",), env=env)
    with command.open() as host:
        tool = host.tools()["demo"]
        assert tool["inputSchema"]["properties"] == {"topic": {"type": "string"}, "current_year": {"type": "string"}}
        pending = host.submit_call("demo", {"topic": "interop", "current_year": "2026"})
        answer = pending.result()
    assert answer["isError"] is False, answer
    assert [task["name"] for task in answer["structuredContent"]["tasks"]] == ["research_task", "reporting_task"]
    assert answer["structuredContent"]["usage"]["total_tokens"] == 30
    assert (project / "report.md").read_text() == answer["structuredContent"]["result"]
    assert "sk-MARKER" not in str((tool, answer, pending.progress))


def test_what_a_crew_remembers_stays_in_its_conversation(crewai_python: Path, tmp_path: Path) -> None:
    project = create_project(crewai_python, tmp_path, "crew", "demo", "--skip-provider")
    assert '"memory": true' in (project / "crew.jsonc").read_text()
    with open_model_server() as model:
        env = {"HOME": str(tmp_path), "OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": f"{model.url}v1"}
        more = ("--storage-dir", str(tmp_path / "storage"))
        command = HostCommand(python=crewai_python, project=project, targets=("crew:crew.jsonc",), env=env, more=more)
        with command.open() as host:
            for thread in ("ann", "bob", None, None, "ann"):
                answer = host.submit_call("demo", {}, thread=thread).result()
                assert answer["isError"] is False, answer
    prompts = [str(chat["messages"][-1]["content"]) for chat in model.chats]
    tasks = [prompt for prompt in prompts if prompt.startswith("\nCurrent Task:")]
    assert ["Memories from past conversations" in task for task in tasks] == [False, False, False, False, True]
    assert list((tmp_path / "storage" / "memory" / "runs").iterdir()) == []


def test_a_freshly_generated_flow_is_offered_unchanged(crewai_python: Path, tmp_path: Path) -> None:
    project = create_project(crewai_python, tmp_path, "flow", "demoflow")
    env = {"HOME": str(tmp_path)}
    target = "flow:demoflow.main:ContentFlow"
    with HostCommand(python=crewai_python, project=project, targets=(target,), env=env).open() as host:
        schema = host.tools()["content_flow"]["inputSchema"]
    assert list(schema["properties"]) == ["topic", "outline", "draft", "final_post"]
