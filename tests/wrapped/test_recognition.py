"""What `hub add` finds, by reading alone."""

import json
from pathlib import Path

import pytest

from adapters.recognition import recognise_project
from hub.upstream import Recognised

CREW = """
from crewai import Agent, Crew
from crewai.project import CrewBase, crew

raise RuntimeError("recognising runs nothing")


@CrewBase
class LatestAi():
    @crew
    def crew(self) -> Crew: ...
"""
FLOW = "from crewai.flow import Flow\n\nclass PoemFlow(Flow[dict]):\n    ...\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def brief(found: Recognised) -> tuple[str, str, object]:
    return found.section, found.name, dict(found.entry)


def test_a_project_of_crewai_s_template_is_a_crew_with_its_variables(tmp_path: Path) -> None:
    project = tmp_path / "latest"
    write(project, src__latest__crew_py=CREW, src__latest__main_py="def run(): ...\n")
    (project / "pyproject.toml").write_text('[project]\nname = "latest"\n[tool.crewai]\ntype = "crew"\n')
    (project / ".env").write_text("MODEL=gpt\nOPENAI_API_KEY=sk-MARKER\n")
    (found,) = recognise_project(project, tmp_path)
    assert brief(found) == (
        "crews",
        "latest_ai",
        {
            "crew": "latest.crew:LatestAi",
            "project": "latest",
            "env": {"MODEL": "${MODEL}", "OPENAI_API_KEY": "${OPENAI_API_KEY}"},
        },
    )
    assert found.what == "a CrewAI crew (LatestAi in src/latest/crew.py)"
    assert found.hints[0] == f"the project has no environment yet: run `uv sync` in {project}"
    assert "sk-MARKER" not in repr(found)


def test_a_flow_project_is_a_flow(tmp_path: Path) -> None:
    write(tmp_path, src__poem__main_py=FLOW, src__poem__crews__poem_crew_py=CREW)
    (tmp_path / "pyproject.toml").write_text('[tool.crewai]\ntype = "flow"\n')
    (found,) = recognise_project(tmp_path, tmp_path)
    assert brief(found) == ("flows", "poem_flow", {"flow": "poem.main:PoemFlow", "project": "."})
    assert found.hints[1].startswith("the project has no .env: write what its model needs under `env` of the entry")


def test_each_graph_of_a_langgraph_json_is_one_entry(tmp_path: Path) -> None:
    (tmp_path / "langgraph.json").write_text(json.dumps({"graphs": {"a": "./a.py:graph", "b c": "./b.py:graph"}}))
    found = [brief(item) for item in recognise_project(tmp_path, tmp_path)]
    assert found == [
        ("graphs", "a", {"graph": "langgraph.json:a", "project": "."}),
        ("graphs", "b_c", {"graph": "langgraph.json:b c", "project": "."}),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("team = Crew(agents=[])\n", ("crews", "team", {"crew": "work.py:team", "project": "."})),
        ("app = builder.compile()\n", ("graphs", "app", {"graph": "work.py:app", "project": "."})),
        ("def made() -> 'x': ...\n", ("functions", "work", {"functions": "work.py", "project": "."})),
        ("def team() -> Crew: ...\n", ("crews", "team", {"crew": "work.py:team", "project": "."})),
        (FLOW, ("flows", "poem_flow", {"flow": "work.py:PoemFlow", "project": "."})),
    ],
)
def test_a_python_file_is_what_it_defines(tmp_path: Path, source: str, expected: object) -> None:
    (tmp_path / "work.py").write_text(source)
    (found,) = recognise_project(tmp_path / "work.py", tmp_path)
    assert brief(found) == expected


@pytest.mark.parametrize("source", ["", "pattern = re.compile('x')\n", "def _own(): ...\n", "def broken(:\n"])
def test_a_python_file_without_anything_to_call_is_nothing(tmp_path: Path, source: str) -> None:
    (tmp_path / "work.py").write_text(source)
    assert list(recognise_project(tmp_path / "work.py", tmp_path)) == []
