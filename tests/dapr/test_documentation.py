"""docs/real-dapr.md has the components that the tests and `hub up --dapr` start with."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from hub.app.dapr_programs import VERSION
from hub.app.dapr_resources import sqlite_resources, write_resources
from tests.tooling.dapr import redis_resources

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = (_ROOT / "docs" / "real-dapr.md").read_text(encoding="utf-8")


def _documents(text: str) -> list[Any]:
    reader: Any = YAML(typ="safe")
    return list(reader.load_all(text))


def test_the_components_of_the_page_are_the_tested_ones(tmp_path: Path) -> None:
    write_resources(tmp_path, redis_resources("127.0.0.1:6379"))
    written = [_documents((tmp_path / f"{name}.yaml").read_text()) for name in ("components", "redelivery")]

    assert [_documents(block) for block in re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)] == written


def test_paths_and_passwords_stay_what_they_are() -> None:
    state, broker = _documents(sqlite_resources(Path("/a: b/#c/'d\".db")))
    redis, _ = _documents(redis_resources("127.0.0.1:1", "p: #'\"\\w"))

    assert state["spec"]["metadata"][0] == {"name": "connectionString", "value": "file:/a: b/#c/'d\".db"}
    assert broker["spec"]["metadata"] == []
    assert redis["spec"]["metadata"][1] == {"name": "redisPassword", "value": "p: #'\"\\w"}


def test_the_page_names_the_version() -> None:
    assert f"interop-hub/dapr-{VERSION}" in _PAGE
    assert f"Dapr {VERSION}" in _PAGE


def test_the_code_names_no_broker() -> None:
    files = [file for package in ("hub", "adapters", "mcp_servers") for file in (_ROOT / package).rglob("*.py")]
    named = re.compile(r"redis|kafka|rabbitmq|valkey", re.IGNORECASE)
    assert [str(file.relative_to(_ROOT)) for file in files if named.search(file.read_text(encoding="utf-8"))] == []
    assert len(files) > 100, "they were looked for where they are"


def test_each_difference_between_the_sidecars_names_tests_that_are_there() -> None:
    page = (_ROOT / "docs" / "sidecar.md").read_text(encoding="utf-8")
    table = page[page.index("## Where it differs from Dapr") :]
    rows = [row.split("|")[1:-1] for row in table.splitlines() if row.startswith("|")][2:]
    rows = [row for row in rows if not row[0].strip().startswith("**")]
    assert len(rows) > 15
    sources = {
        "D": (_ROOT / "tests" / "dapr" / "test_differences.py").read_text(encoding="utf-8"),
        "S": "".join(path.read_text(encoding="utf-8") for path in (_ROOT / "tests" / "sidecar").glob("test_*.py")),
    }
    for row in rows:
        named = re.findall(r"`([DS])::(\w+)`", row[-1])
        assert named or "chance" in row[-1], row[0]
        assert [name for where, name in named if f"def {name}(" not in sources[where]] == []
    shown = [name for row in rows for where, name in re.findall(r"`([DS])::(\w+)`", row[-1]) if where == "D"]
    assert sorted(shown) == sorted(re.findall(r"^def (test_\w+)", sources["D"], re.MULTILINE))
