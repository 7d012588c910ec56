"""The manifest, and what is said of targets that can't be offered."""

import json
import subprocess

import pytest

from tests.host.conftest import PYTHON
from tests.host.raw_host import HostCommand, Json


def _describe(base: HostCommand, *targets: str) -> tuple[int, Json, str]:
    command = HostCommand(python=base.python, project=base.project, targets=targets, env=base.env)
    done = subprocess.run(
        [str(base.python), *command.arguments("--describe")],
        env=command.environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_the_manifest_lists_the_tools_as_the_host_does(commands: dict[str, HostCommand]) -> None:
    code, manifest, _ = _describe(commands["langgraph"], "graph:graphs:research")
    with commands["langgraph"].open() as host:
        listed = host.tools()["research"]
    assert code == 0
    assert manifest["tools"] == [listed]
    assert manifest["packages"] == {"langgraph": "1.2.22"}
    assert manifest["python"].startswith(f"{PYTHON}.")
    assert manifest["protocolVersions"][0] == "2026-07-28"
    assert (manifest["warnings"], manifest["problems"]) == ([], [])


BAD = [
    ("crewai", "crew:crews:not_a_crew", "`crews:not_a_crew` is of type int; expected a crew"),
    (
        "crewai",
        "flow:crews:six_tasks",
        "`crews:six_tasks` is of type function; expected a subclass of crewai's Flow",
    ),
    ("crewai", "crew:nowhere:crew", "there is no module `nowhere` in the project or its environment"),
    ("crewai", "crew:missing.py:crew", "`missing.py`: no such file in the project"),
    ("crewai", "crew:missing/crew.jsonc", "`missing/crew.jsonc`: no such file in the project"),
    (
        "functions",
        "function:functions:nothing",
        "`functions` has no `nothing`; it has: Color, Point, approve, fail",
    ),
    ("functions", "crew:functions:fail", "the environment of `functions:fail` has no crewai: run `uv sync`"),
    ("crewai", "graph:crews:six_tasks", "the environment of `crews:six_tasks` has no langgraph: run `uv sync`"),
    ("functions", "functions:broken.py", "the import of `broken` raises RuntimeError"),
    ("functions", "function:unhinted.py:odd", "`unhinted.py:odd`: the hints of `odd` make no JSON Schema"),
    ("langgraph", "graph:graphs:served", "`graphs:served` takes 2 arguments; expected none, or one for the config"),
    ("langgraph", "graph:langgraph.json:nothing", "`langgraph.json` has no graph `nothing`; it has: eight, pay"),
]


@pytest.fixture(scope="module")
def refused(commands: dict[str, HostCommand]) -> dict[str, tuple[int, Json, str]]:
    """The manifest of all bad targets of each environment."""
    environments = dict.fromkeys(environment for environment, _, _ in BAD)
    return {
        name: _describe(commands[name], *(target for environment, target, _ in BAD if environment == name))
        for name in environments
    }


@pytest.mark.parametrize(("environment", "target", "message"), BAD)
def test_a_target_that_cannot_be_offered_is_named_with_the_fix(
    refused: dict[str, tuple[int, Json, str]], environment: str, target: str, message: str
) -> None:
    code, manifest, log = refused[environment]
    assert code == 1
    assert manifest["tools"] == []
    (told,) = [problem["message"] for problem in manifest["problems"] if problem["message"].startswith(message)]
    assert "sk-MARKER" not in told
    assert message in log


def test_the_last_line_of_a_failed_import_is_for_the_operator_alone(commands: dict[str, HostCommand]) -> None:
    _, manifest, log = _describe(commands["functions"], "functions:broken.py")
    assert manifest["problems"][0]["detail"] == "RuntimeError: no key: sk-MARKER-import"
    assert "sk-MARKER-import" in log
    base = commands["functions"]
    command = HostCommand(python=base.python, project=base.project, targets=("functions:broken.py",), env=base.env)
    with command.open() as host:
        reply = host.submit("tools/list").reply()
    assert reply["error"] == {
        "code": -32603,
        "message": "None of the targets could be loaded; the host's log says why",
    }


def test_one_bad_target_takes_none_of_the_others_with_it(commands: dict[str, HostCommand]) -> None:
    code, manifest, _ = _describe(commands["functions"], "functions:broken.py", "function:functions:point_of")
    assert code == 1
    assert [tool["name"] for tool in manifest["tools"]] == ["point_of"]


def test_a_target_may_carry_settings(commands: dict[str, HostCommand]) -> None:
    target = {"kind": "function", "ref": "functions:point_of", "name": "renamed", "description": "Other words"}
    _, manifest, _ = _describe(commands["functions"], json.dumps(target))
    assert [(tool["name"], tool["description"]) for tool in manifest["tools"]] == [("renamed", "Other words")]


def test_a_crews_arguments_may_be_narrowed(commands: dict[str, HostCommand]) -> None:
    target = {
        "kind": "crew",
        "ref": "crews:report_crew",
        "defaults": {"audience": "kids"},
        "schema": {"topic": {"type": "string", "maxLength": 20}},
    }
    _, manifest, _ = _describe(commands["crewai"], json.dumps(target))
    assert manifest["tools"][0]["inputSchema"] == {
        "type": "object",
        "properties": {
            "topic": {"type": "string", "maxLength": 20},
            "audience": {"type": "string", "default": "kids"},
        },
        "required": ["topic"],
        "additionalProperties": False,
    }
    assert manifest["packages"] == {"crewai": "1.15.30"}


def test_a_second_tool_of_one_name_is_withheld(commands: dict[str, HostCommand]) -> None:
    code, manifest, _ = _describe(commands["functions"], "function:functions:fail", "functions:functions.py")
    assert code == 1
    names = [tool["name"] for tool in manifest["tools"]]
    assert sorted(set(names)) == sorted(names)
    assert [problem["message"] for problem in manifest["problems"]] == [
        "two tools named `fail`: give `functions.py` another `name`"
    ]


@pytest.mark.parametrize(
    "target",
    [
        "nonsense",
        "crew:",
        "car:pkg:Name",
        "{}",
        '{"kind": "car", "ref": "a:b"}',
        '{"kind": "crew", "ref": "a:b", "name": "not a name"}',
    ],
)
def test_a_target_that_makes_no_sense_ends_the_start(commands: dict[str, HostCommand], target: str) -> None:
    base = commands["functions"]
    command = HostCommand(python=base.python, project=base.project, targets=(target,), env=base.env)
    done = subprocess.run(
        [str(base.python), *command.arguments()], env=command.environment(), capture_output=True, check=False, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
