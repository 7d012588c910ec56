"""The checkpointer: LangGraph's own conformance suite, over every store."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import PROJECTS, ROOT
from tests.sidecar.daprd import find_programs, running_daprd
from tests.sidecar.processes import DaprApi, running_sidecar


def _conforms(python: Path, *arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), str(PROJECTS / "langgraph_project" / "conformance_program.py"), *arguments],
        env={"PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        check=True,
        text=True,
        timeout=110,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _assert_all(outcome: dict[str, Any]) -> None:
    results = outcome["report"]["results"]
    failures = {name: result["failures"] for name, result in results.items() if result["failures"]}
    assert failures == {}
    passed = {name for name, result in results.items() if result["passed"]}
    assert {"put", "put_writes", "get_tuple", "list", "delete_thread"} <= passed
    assert outcome["all"] is True


@pytest.mark.parametrize("store", ["memory", "exclusive", "sqlite"])
def test_the_conformance_suite_passes_on_the_hosts_stores(langgraph_python: Path, store: str) -> None:
    _assert_all(_conforms(langgraph_python, store))


def _on_dapr(python: Path, api: DaprApi) -> None:
    address = f"{api.host}:{api.grpc_port}"
    health = {"DAPR_HTTP_PORT": str(api.http_port), "DAPR_RUNTIME_HOST": api.host}
    _assert_all(_conforms(python, "dapr", address, api.state_store, env=health))


def test_the_conformance_suite_passes_on_the_embedded_sidecar(langgraph_python: Path, tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "sidecar.db") as sidecar:
        _on_dapr(langgraph_python, sidecar.api)


@pytest.mark.daprd
def test_the_conformance_suite_passes_on_dapr_itself(langgraph_python: Path, tmp_path: Path) -> None:
    programs = find_programs()
    if programs is None:
        pytest.skip("Dapr's own programs were not found")
    with running_daprd(programs, tmp_path) as api:
        _on_dapr(langgraph_python, api)
