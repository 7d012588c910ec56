"""Projects as `crewai create crew` writes them, behind the hub; no file of theirs is changed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.host.generated import create_project
from tests.host.model_server import ModelServer, open_model_server
from tests.tooling.hubs import open_hub
from tests.wrapped.test_served import run

MARKER = "sk-MARKER-environment"


def files_of(project: Path) -> dict[str, bytes]:
    """All that the project's author would commit, and its `.env`."""
    places = {path.relative_to(project): path for path in project.rglob("*") if path.is_file()}
    made = {".git", ".venv", "__pycache__"}
    return {str(place): path.read_bytes() for place, path in places.items() if not made & {*place.parts}}


def assert_refused_with_the_command(project: Path) -> None:
    """Adding a project without an environment names the one command, and writes nothing."""
    refused = run(project.parent, "add", project.name, "--yes")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr == (
        f"hub: latest_ai can't be offered: project {project}: found neither .venv nor uv.lock; expected an environment "
        "with crewai; run `uv sync` in that folder, or set `python`\n"
    )
    assert not (project.parent / "hub.yaml").exists()


def add(project: Path, crewai_python: Path) -> tuple[str, str]:
    """Add a project that has an environment.

    Returns:
        The new hub.yaml from its first section on, and the notes to its reader.
    """
    (project / ".venv").symlink_to(crewai_python.parents[1])  # there is no index here to sync from
    added = run(project.parent, "add", project.name, "--yes")
    assert added.returncode == 0, added.stderr
    return (project.parent / "hub.yaml").read_text().partition("\n\n")[2], added.stderr


def call(folder: Path, configuration: str, model: ModelServer, *arguments: str) -> dict[str, Any]:
    """Call the crew of a served hub, in whose environment alone the model's variables are."""
    variables = {"MODEL": "openai/served", "OPENAI_API_KEY": MARKER, "OPENAI_BASE_URL": f"{model.url}v1"}
    with open_hub(folder, configuration, environment=variables):
        called = run(folder, "call", "latest_ai", *arguments, "--json", **dict.fromkeys(variables, "unused"))
    assert called.returncode == 0, called.stderr
    assert MARKER not in called.stdout + called.stderr
    answer: dict[str, Any] = json.loads(called.stdout)["structuredContent"]
    return answer


def changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def test_a_crew_of_the_python_template_runs_with_the_variables_of_its_entry(
    crewai_python: Path, tmp_path: Path
) -> None:
    project = create_project(crewai_python, tmp_path, "crew", "latest_ai", "--classic", "--skip-provider")
    generated = files_of(project)
    assert_refused_with_the_command(project)
    written, notes = add(project, crewai_python)
    assert written == "crews:\n  latest_ai:\n    crew: latest_ai.crew:LatestAi\n    project: latest_ai\n"
    assert "write what its model needs under `env` of the entry" in notes

    variables = "{MODEL: '${MODEL}', OPENAI_API_KEY: '${OPENAI_API_KEY}', OPENAI_BASE_URL: '${OPENAI_BASE_URL}'}"
    with open_model_server() as model:
        answer = call(tmp_path, f"{written}    env: {variables}\n", model, "topic=tea", "current_year=2026")
    outputs = [(task["name"], task["output"]) for task in answer["tasks"]]
    assert outputs == [("research_task", "text 1"), ("reporting_task", "text 2")]
    assert (answer["result"], answer["usage"]["successful_requests"]) == ("text 2", 2)
    assert [chat["model"] for chat in model.chats] == ["served", "served"]
    assert changes(generated, files_of(project)) == ["report.md"]
    assert (project / "report.md").read_text() == "text 2"


def test_a_crew_of_the_json_template_runs_with_the_variables_that_its_env_file_names(
    crewai_python: Path, tmp_path: Path
) -> None:
    project = create_project(crewai_python, tmp_path, "crew", "latest_ai", "--skip-provider")
    (project / ".env").write_text("MODEL=\nOPENAI_API_KEY=sk-of-the-project\nOPENAI_BASE_URL=http://127.0.0.1:9/v1\n")
    generated = files_of(project)
    assert_refused_with_the_command(project)
    written, notes = add(project, crewai_python)
    assert written == (
        "crews:\n  latest_ai:\n    crew: crew.jsonc\n    project: latest_ai\n    env:\n"
        "      MODEL: ${MODEL}\n      OPENAI_API_KEY: ${OPENAI_API_KEY}\n      OPENAI_BASE_URL: ${OPENAI_BASE_URL}\n"
    )
    assert "set MODEL, OPENAI_API_KEY, OPENAI_BASE_URL in the hub's environment" in notes

    with open_model_server() as model:
        answer = call(tmp_path, written, model)
    assert answer["result"] == "text 1"
    assert [task["name"] for task in answer["tasks"]] == ["research_task"]
    assert model.chats[0]["model"] == "gpt-4o"  # its agents/researcher.jsonc names it
    assert changes(generated, files_of(project)) == []
